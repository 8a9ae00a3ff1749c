//! What calls used.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Admin, AdminFault, Member,
    usage_csv::{self, Export},
};
use crate::{
    base::{Bucket, CredentialId, KeyId, Nanos, OrganizationId, ProviderId, RequestId, TeamId, UserId},
    protocol::{Operation, OperationKind},
    store::{
        persist::{UsageFilter, UsageSummary},
        record::{Ended, Phases, Source, UsageRow},
    },
};

/// Rows at most in one answer.
pub const LIMIT_MAX: u64 = 1000;
/// Rows in one answer where the question does not say.
pub const LIMIT: u64 = 100;

/// Tokens by bucket. No token is in two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TokensView {
    /// Fresh prompt tokens.
    pub input_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Written to a cache of 5 minutes.
    pub cache_write_5m_tokens: u64,
    /// Written to a cache of 30 minutes.
    pub cache_write_30m_tokens: u64,
    /// Written to a cache of an hour.
    pub cache_write_1h_tokens: u64,
    /// Answer tokens that the client sees.
    pub output_tokens: u64,
    /// Answer tokens spent on reasoning.
    pub reasoning_tokens: u64,
}

impl From<[u64; 7]> for TokensView {
    fn from(tokens: [u64; 7]) -> Self {
        let [input, cache_read, write_5m, write_30m, write_1h, output, reasoning] = tokens;
        Self {
            input_tokens: input,
            cache_read_tokens: cache_read,
            cache_write_5m_tokens: write_5m,
            cache_write_30m_tokens: write_30m,
            cache_write_1h_tokens: write_1h,
            output_tokens: output,
            reasoning_tokens: reasoning,
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UsageView {
    /// The call.
    pub request_id: String,
    /// Its start, Unix milliseconds.
    pub at: u64,
    /// Who called.
    pub user_id: UserId,
    /// With which key.
    pub key_id: KeyId,
    /// Which provider served it.
    pub provider_id: ProviderId,
    /// With which credential.
    pub credential_id: Option<CredentialId>,
    /// What was asked.
    pub operation: Operation,
    /// In which wire shape.
    pub kind: OperationKind,
    /// The upstream's id of the model.
    pub model: String,
    /// What it used.
    #[serde(flatten)]
    pub tokens: TokensView,
    /// Images made.
    pub images: u64,
    /// Audio or video, in milliseconds.
    pub media_ms: u64,
    /// Searches run by the provider.
    pub searches: u64,
    /// Who counted.
    pub source: Source,
    /// How it ended.
    pub ended: Ended,
    /// Status that the client got.
    pub status: u16,
    /// Until the first byte of the answer's body, microseconds.
    pub first_byte_us: Option<u64>,
    /// Until the end, microseconds.
    pub latency_us: u64,
    /// Where the time went; `None` of a call that this gateway did not see to its end.
    pub phases: Option<Phases>,
    /// What it cost, dollars; `None` where nobody has a price for it.
    pub cost: Option<Nanos>,
    /// The version of the price.
    pub price: Option<Arc<str>>,
    /// The user's team at that time.
    pub team_id: Option<TeamId>,
    /// The user's organization at that time.
    pub organization_id: Option<OrganizationId>,
    /// What a conversion between dialects could not carry: `path dropped` or `path changed`.
    pub losses: Vec<String>,
}

impl From<&UsageRow> for UsageView {
    fn from(row: &UsageRow) -> Self {
        let begun = &row.begun;
        Self {
            request_id: begun.request_id.to_string(),
            at: begun.at,
            user_id: begun.user_id,
            key_id: begun.key_id,
            provider_id: begun.provider_id,
            credential_id: begun.credential_id,
            operation: begun.operation,
            kind: begun.kind,
            model: begun.model.to_string(),
            tokens: Bucket::ALL.map(|bucket| row.usage.bucket(bucket)).into(),
            images: row.usage.counts.images,
            media_ms: row.usage.counts.millis,
            searches: row.usage.counts.searches,
            source: row.source,
            ended: row.ended,
            status: row.status,
            first_byte_us: row.first_byte_us,
            latency_us: row.latency_us,
            phases: row.phases,
            cost: row.billed.as_ref().map(|billed| billed.cost),
            price: row.billed.as_ref().map(|billed| Arc::clone(&billed.price)),
            team_id: begun.team_id,
            organization_id: begun.organization_id,
            losses: row.losses.clone(),
        }
    }
}

/// Sums over calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SummaryView {
    /// Calls.
    pub requests: u64,
    /// What they used.
    #[serde(flatten)]
    pub tokens: TokensView,
    /// What the priced ones cost, dollars.
    pub cost: Nanos,
    /// Calls that used tokens nobody has a price for.
    pub unpriced: u64,
}

impl From<UsageSummary> for SummaryView {
    fn from(summary: UsageSummary) -> Self {
        Self { requests: summary.requests, tokens: summary.tokens.into(), cost: summary.cost, unpriced: summary.unpriced }
    }
}

/// Which calls to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct UsageQuery {
    /// All that is set must hold.
    #[schemars(flatten)]
    pub filter: UsageFilter,
    /// Only calls before this one.
    pub before: Option<RequestId>,
    /// Rows at most.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub limit: Option<u64>,
}

impl UsageQuery {
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(LIMIT).min(LIMIT_MAX)
    }
}

/// Calls, newest first.
///
/// # Errors
/// Of the store.
pub async fn list(admin: Admin<'_>, query: UsageQuery) -> Result<Vec<UsageView>, AdminFault> {
    let limit = query.limit();
    let rows = admin.control().ledger().usages(admin.narrowed(query.filter)?, query.before, limit).await?;
    Ok(rows.iter().map(UsageView::from).collect())
}

/// Sums over calls.
///
/// # Errors
/// Of the store.
pub async fn summary(admin: Admin<'_>, filter: UsageFilter) -> Result<SummaryView, AdminFault> {
    Ok(admin.control().ledger().usage_summary(admin.narrowed(filter)?).await?.into())
}

/// The caller's own calls, newest first.
///
/// # Errors
/// Of the store.
pub async fn own(member: Member<'_>, query: UsageQuery) -> Result<Vec<UsageView>, AdminFault> {
    let limit = query.limit();
    let filter = UsageFilter { user_id: Some(member.caller().user()), ..query.filter };
    let rows = member.control().ledger().usages(filter, query.before, limit).await?;
    Ok(rows.iter().map(UsageView::from).collect())
}

/// Sums over the caller's own calls.
///
/// # Errors
/// Of the store.
pub async fn own_summary(member: Member<'_>, filter: UsageFilter) -> Result<SummaryView, AdminFault> {
    let filter = UsageFilter { user_id: Some(member.caller().user()), ..filter };
    Ok(member.control().ledger().usage_summary(filter).await?.into())
}

/// Calls as a table, newest first.
///
/// # Errors
/// Of the store.
pub async fn export(admin: Admin<'_>, query: UsageQuery) -> Result<Export, AdminFault> {
    Ok(usage_csv::write(admin.control().ledger(), admin.narrowed(query.filter)?, query.before, query.limit).await?)
}

/// The caller's own calls as a table, newest first.
///
/// # Errors
/// Of the store.
pub async fn own_export(member: Member<'_>, query: UsageQuery) -> Result<Export, AdminFault> {
    let filter = UsageFilter { user_id: Some(member.caller().user()), ..query.filter };
    Ok(usage_csv::write(member.control().ledger(), filter, query.before, query.limit).await?)
}
