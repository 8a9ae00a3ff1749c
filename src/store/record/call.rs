//! What a call leaves behind: usage, and on request the wire.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    base::{CredentialId, KeyId, Nanos, OrganizationId, ProviderId, RequestId, TeamId, Usage, UserId},
    protocol::{Operation, OperationKind},
};

/// Who counted the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The provider said so.
    Upstream,
    /// A tokenizer counted.
    Counted,
    /// Guessed from lengths.
    Estimated,
    /// Nothing was used, or nothing can be known.
    None,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With its whole answer.
    Complete,
    /// Somebody broke off: the client, the upstream's stream, or we were killed.
    Interrupted,
    /// Without an answer.
    Failed,
    /// Its stream broke off after its first content, and somebody else was asked to go on with it: the row with the next id.
    Rescued,
}

/// A call on its way: written when it is sent upstream, so that a kill leaves a trace of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The call.
    pub request_id: RequestId,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// Who called.
    pub user_id: UserId,
    /// With which key.
    pub key_id: KeyId,
    /// The user's team at that time.
    pub team_id: Option<TeamId>,
    /// The user's organization at that time.
    pub organization_id: Option<OrganizationId>,
    /// Which provider it went to.
    pub provider_id: ProviderId,
    /// With which credential, where it needed one.
    pub credential_id: Option<CredentialId>,
    /// What was asked.
    pub operation: Operation,
    /// In which wire shape.
    pub kind: OperationKind,
    /// The upstream's id of the model; empty where the call has none.
    pub model: Arc<str>,
}

/// What a call cost, and by which price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    /// The cost.
    pub cost: Nanos,
    /// The version of the price: history is never reckoned anew.
    pub price: Arc<str>,
}

/// How long each part of a call took, in microseconds; a part that it did not have took none. Of a call that several targets were
/// asked for, `connect_us`, `head_us` and `content_us` are those of the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// Waiting for a target that rests, or before it is asked once more.
    pub queue_us: u32,
    /// From arrival until the caller was known.
    pub auth_us: u32,
    /// From there until the first request could leave: body, model, admission, choice.
    pub route_us: u32,
    /// Writing the call's beginning into the journal.
    pub journal_us: u32,
    /// Opening the connection; zero where one was at rest.
    pub connect_us: u32,
    /// From the request until the head of its answer.
    pub head_us: u32,
    /// From the head until the first piece of the body.
    pub content_us: u32,
    /// The longest pause between two pieces.
    pub gap_us: u32,
    /// From the last piece until the end.
    pub tail_us: u32,
}

impl Phases {
    /// How many there are.
    pub const COUNT: usize = 9;

    /// Each of them, in the order of a call's way.
    #[must_use]
    pub fn figures(&self) -> [u32; Self::COUNT] {
        let Self { queue_us, auth_us, route_us, journal_us, connect_us, head_us, content_us, gap_us, tail_us } = *self;
        [queue_us, auth_us, route_us, journal_us, connect_us, head_us, content_us, gap_us, tail_us]
    }
}

/// One finished call: a row of `usages`, keyed by `request_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// What was known when it began.
    pub begun: Begun,
    /// What it used.
    pub usage: Usage,
    /// Who counted.
    pub source: Source,
    /// How it ended.
    pub ended: Ended,
    /// Status that the client got; 0 where it got none.
    pub status: u16,
    /// From the request's arrival to the first byte of the answer's body, microseconds.
    pub first_byte_us: Option<u64>,
    /// From the request's arrival to the end, microseconds.
    pub latency_us: u64,
    /// Where the time went; `None` where nobody is left to say.
    pub phases: Option<Phases>,
    /// What it cost; `None` where nobody has a price for it.
    pub billed: Option<Billed>,
    /// What a conversion could not carry: `path dropped` or `path changed`, each in the sender's words.
    pub losses: Vec<String>,
}

/// The wire between client and gateway. Headers and bodies are redacted before they come here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownstreamRow {
    /// The call.
    pub request_id: RequestId,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// Who called, where known.
    pub user_id: Option<UserId>,
    /// With which key, where known.
    pub key_id: Option<KeyId>,
    /// Method.
    pub method: String,
    /// Path, without query.
    pub path: String,
    /// Query, without keys.
    pub query: Option<String>,
    /// Request headers, a JSON object.
    pub request_headers_json: String,
    /// Request body, where captured.
    pub request_body: Option<Vec<u8>>,
    /// Status that the client got.
    pub status: u16,
    /// Response headers, a JSON object.
    pub response_headers_json: String,
    /// Response body, where captured.
    pub response_body: Option<Vec<u8>>,
}

/// The wire between gateway and provider: one row per attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRow {
    /// The call.
    pub request_id: RequestId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// The provider.
    pub provider_id: ProviderId,
    /// The credential, where one was used.
    pub credential_id: Option<CredentialId>,
    /// Method.
    pub method: String,
    /// Address, without keys.
    pub url: String,
    /// Request headers, a JSON object.
    pub request_headers_json: String,
    /// Request body, where captured.
    pub request_body: Option<Vec<u8>>,
    /// Status, or `None` where no head came.
    pub status: Option<u16>,
    /// Response headers, a JSON object.
    pub response_headers_json: String,
    /// Response body where captured, or the fault's text.
    pub response_body: Option<Vec<u8>>,
    /// From sending to the head, microseconds.
    pub latency_us: u64,
}

/// One entry of the journal. Rows are shared, since the writer may have them from memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A call was sent upstream.
    Begun(Begun),
    /// A call ended.
    Ended(Arc<UsageRow>),
    /// The client's side of a call.
    Downstream(Arc<DownstreamRow>),
    /// The provider's side of one attempt.
    Upstream(Arc<UpstreamRow>),
}
