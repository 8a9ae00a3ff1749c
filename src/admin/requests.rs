//! The wire of past calls, where it was recorded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    Admin, AdminFault,
    usage::{LIMIT, LIMIT_MAX},
};
use crate::{
    base::{CredentialId, KeyId, ProviderId, RequestId, UserId},
    store::record::{DownstreamRow, UpstreamRow},
};

/// A recorded body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "encoding", content = "data")]
pub enum BodyView {
    /// Text.
    Utf8(String),
    /// Anything else.
    Base64(String),
}

impl BodyView {
    fn of(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(|_| Self::Base64(STANDARD.encode(bytes)), |text| Self::Utf8(text.to_owned()))
    }
}

/// The client's side of a call, without headers and bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RequestView {
    /// The call.
    pub request_id: String,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// Who called.
    pub user_id: Option<UserId>,
    /// With which key.
    pub key_id: Option<KeyId>,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query, without keys.
    pub query: Option<String>,
    /// Status that the client got.
    pub status: u16,
}

impl From<&DownstreamRow> for RequestView {
    fn from(row: &DownstreamRow) -> Self {
        Self {
            request_id: row.request_id.to_string(),
            at: row.at,
            user_id: row.user_id,
            key_id: row.key_id,
            method: row.method.clone(),
            path: row.path.clone(),
            query: row.query.clone(),
            status: row.status,
        }
    }
}

/// Headers and bodies of one exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WireView {
    /// Request headers, redacted when they were recorded.
    pub request_headers: Value,
    /// Request body, where captured.
    pub request_body: Option<BodyView>,
    /// Response headers.
    pub response_headers: Value,
    /// Response body where captured, or the fault's text.
    pub response_body: Option<BodyView>,
}

/// One attempt at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AttemptView {
    /// Which one, from 1.
    pub attempt: u32,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// The provider.
    pub provider_id: ProviderId,
    /// The credential.
    pub credential_id: Option<CredentialId>,
    /// Method.
    pub method: String,
    /// Address, without keys.
    pub url: String,
    /// Status, where a head came.
    pub status: Option<u16>,
    /// From sending to the head, microseconds.
    pub latency_us: u64,
    /// Headers and bodies.
    #[serde(flatten)]
    pub wire: WireView,
}

/// A call with its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CallView {
    /// The client's side, where it was recorded.
    pub downstream: Option<DownstreamView>,
    /// The provider's side.
    pub upstream: Vec<AttemptView>,
}

/// The client's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DownstreamView {
    /// What the list shows.
    #[serde(flatten)]
    pub request: RequestView,
    /// Headers and bodies.
    #[serde(flatten)]
    pub wire: WireView,
}

/// Recorded calls, newest first.
///
/// # Errors
/// Of the store.
pub async fn list(admin: Admin<'_>, before: Option<RequestId>, limit: Option<u64>) -> Result<Vec<RequestView>, AdminFault> {
    let rows = admin.control().ledger().downstream(before, limit.unwrap_or(LIMIT).min(LIMIT_MAX)).await?;
    Ok(rows.iter().map(RequestView::from).collect())
}

/// One call with its attempts.
///
/// # Errors
/// [`AdminFault::Missing`] where nothing of it was recorded.
pub async fn get(admin: Admin<'_>, id: RequestId) -> Result<CallView, AdminFault> {
    let ledger = admin.control().ledger();
    let downstream = ledger.downstream(after(id), 1).await?;
    let downstream = downstream.iter().find(|row| row.request_id == id).map(|row| DownstreamView { request: row.into(), wire: down(row) });
    let upstream: Vec<AttemptView> = ledger.upstream(id).await?.iter().map(attempt).collect();
    if downstream.is_none() && upstream.is_empty() {
        return Err(AdminFault::missing("request", id));
    }
    Ok(CallView { downstream, upstream })
}

/// The smallest id that sorts behind `id`.
fn after(id: RequestId) -> Option<RequestId> {
    let number = u128::from_str_radix(&id.to_string(), 16).ok()?;
    RequestId::parse(&format!("{:032x}", number.checked_add(1)?))
}

fn down(row: &DownstreamRow) -> WireView {
    WireView {
        request_headers: headers(&row.request_headers_json),
        request_body: row.request_body.as_deref().map(BodyView::of),
        response_headers: headers(&row.response_headers_json),
        response_body: row.response_body.as_deref().map(BodyView::of),
    }
}

fn attempt(row: &UpstreamRow) -> AttemptView {
    AttemptView {
        attempt: row.attempt,
        at: row.at,
        provider_id: row.provider_id,
        credential_id: row.credential_id,
        method: row.method.clone(),
        url: row.url.clone(),
        status: row.status,
        latency_us: row.latency_us,
        wire: WireView {
            request_headers: headers(&row.request_headers_json),
            request_body: row.request_body.as_deref().map(BodyView::of),
            response_headers: headers(&row.response_headers_json),
            response_body: row.response_body.as_deref().map(BodyView::of),
        },
    }
}

fn headers(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::Object(serde_json::Map::new()))
}
