//! Usage as the first format asks for it and shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    alias::Scope,
    answer::{Answer, Json, json},
    route::{Body, Call},
};
use crate::{
    admin::{
        Admin, AdminFault, providers,
        usage::{self, LIMIT, LIMIT_MAX, TokensView, UsageQuery, UsageView},
    },
    base::{CredentialId, KeyId, Nanos, ProviderId, RequestId, UserId},
    protocol::{Operation, OperationKind},
    store::persist::UsageFilter,
};

/// Single questions that one question with lists may become.
const COMBINATIONS: usize = 256;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UsagesFilter")]
pub(super) struct Filter {
    channel: Scope<String>,
    model: Scope<String>,
    user_id: Scope<UserId>,
    user_key_id: Scope<KeyId>,
    from_unix_ms: Option<u64>,
    to_unix_ms: Option<u64>,
    cursor_at_unix_ms: Option<u64>,
    cursor_trace_id: Option<String>,
    offset: Option<u64>,
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Sums {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_creation_input_tokens_5min: u64,
    cache_creation_input_tokens_1h: u64,
}

impl From<TokensView> for Sums {
    fn from(tokens: TokensView) -> Self {
        Self {
            input_tokens: tokens.input_tokens,
            output_tokens: tokens.output_tokens + tokens.reasoning_tokens,
            cache_read_input_tokens: tokens.cache_read_tokens,
            cache_creation_input_tokens: tokens.cache_write_5m_tokens + tokens.cache_write_30m_tokens + tokens.cache_write_1h_tokens,
            cache_creation_input_tokens_5min: tokens.cache_write_5m_tokens,
            cache_creation_input_tokens_1h: tokens.cache_write_1h_tokens,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsagesRow")]
pub(super) struct Row {
    trace_id: String,
    at: u64,
    provider_id: ProviderId,
    provider_channel: Option<String>,
    credential_id: Option<CredentialId>,
    user_id: UserId,
    user_key_id: KeyId,
    operation: Operation,
    protocol: OperationKind,
    model: String,
    #[serde(flatten)]
    tokens: Sums,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsagesSummary")]
pub(super) struct Summary {
    count: u64,
    #[serde(flatten)]
    tokens: Sums,
}

pub(super) async fn query(admin: Admin<'_>, call: Call<'_, Body<Filter>>) -> Answer<Json<Vec<Row>>> {
    let wanted = call.input()?;
    let all = providers::list(admin).await?;
    let (offset, limit) = (wanted.offset.unwrap_or(0), wanted.limit.unwrap_or(LIMIT));
    if offset.saturating_add(limit) > LIMIT_MAX {
        return Err(
            AdminFault::invalid("limit", format!("offset and limit may be {LIMIT_MAX} together; go on with cursor_trace_id")).into()
        );
    }
    let before = cursor(&wanted)?;
    let mut found: Vec<UsageView> = Vec::new();
    for filter in single(&wanted, &all)? {
        found.extend(usage::list(admin, UsageQuery { filter, before, limit: Some(offset + limit) }).await?);
    }
    found.sort_by(|a, b| b.request_id.cmp(&a.request_id));
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let rows = found.into_iter().skip(count(offset)).take(count(limit)).map(|view| row(view, &all));
    json(&rows.collect::<Vec<_>>())
}

pub(super) async fn summary(admin: Admin<'_>, call: Call<'_, Body<Filter>>) -> Answer<Json<Summary>> {
    let wanted = call.input()?;
    let all = providers::list(admin).await?;
    let mut sum = usage::SummaryView { requests: 0, tokens: TokensView::default(), cost: Nanos::ZERO, unpriced: 0 };
    for filter in single(&wanted, &all)? {
        add(&mut sum, usage::summary(admin, filter).await?);
    }
    json(&Summary { count: sum.requests, tokens: sum.tokens.into() })
}

fn row(view: UsageView, all: &[providers::ProviderView]) -> Row {
    Row {
        trace_id: view.request_id,
        at: view.at,
        provider_id: view.provider_id,
        provider_channel: all.iter().find(|provider| provider.id == view.provider_id).map(|provider| provider.channel.clone()),
        credential_id: view.credential_id,
        user_id: view.user_id,
        user_key_id: view.key_id,
        operation: view.operation,
        protocol: view.kind,
        model: view.model,
        tokens: view.tokens.into(),
    }
}

fn add(sum: &mut usage::SummaryView, more: usage::SummaryView) {
    sum.cost = sum.cost.checked_add(more.cost).unwrap_or(sum.cost);
    sum.unpriced += more.unpriced;
    let (to, from) = (&mut sum.tokens, more.tokens);
    sum.requests += more.requests;
    to.input_tokens += from.input_tokens;
    to.cache_read_tokens += from.cache_read_tokens;
    to.cache_write_5m_tokens += from.cache_write_5m_tokens;
    to.cache_write_30m_tokens += from.cache_write_30m_tokens;
    to.cache_write_1h_tokens += from.cache_write_1h_tokens;
    to.output_tokens += from.output_tokens;
    to.reasoning_tokens += from.reasoning_tokens;
}

/// Where the page before ended. The id alone orders the rows; a time alone stands for the first id of its millisecond.
fn cursor(wanted: &Filter) -> Result<Option<RequestId>, AdminFault> {
    match (&wanted.cursor_trace_id, wanted.cursor_at_unix_ms) {
        (Some(id), _) => {
            RequestId::parse(id).map(Some).ok_or_else(|| AdminFault::invalid("cursor_trace_id", format!("expected a trace id, not {id:?}")))
        }
        (None, Some(at)) => Ok(Some(RequestId::new(at, &[0; 10]))),
        (None, None) => Ok(None),
    }
}

/// Splits a question with lists into questions of which no two share a row.
fn single(wanted: &Filter, all: &[providers::ProviderView]) -> Result<Vec<UsageFilter>, AdminFault> {
    let providers = match &wanted.channel {
        Scope::All => Scope::All,
        scope @ (Scope::Eq(_) | Scope::In(_)) => {
            Scope::In(all.iter().filter(|provider| scope.fits(&provider.channel)).map(|provider| provider.id).collect())
        }
    };
    let start = UsageFilter { from_ms: wanted.from_unix_ms, to_ms: wanted.to_unix_ms, ..UsageFilter::default() };
    let filters = spread(vec![start], &providers, |filter, id| filter.provider_id = Some(id));
    let filters = spread(filters, &wanted.model, |filter, model| filter.model = Some(model));
    let filters = spread(filters, &wanted.user_id, |filter, id| filter.user_id = Some(id));
    let filters = spread(filters, &wanted.user_key_id, |filter, id| filter.key_id = Some(id));
    if filters.len() > COMBINATIONS {
        return Err(AdminFault::invalid("", format!("the lists make {} combinations; expected at most {COMBINATIONS}", filters.len())));
    }
    Ok(filters)
}

fn spread<T: Clone + PartialEq>(filters: Vec<UsageFilter>, scope: &Scope<T>, set: impl Fn(&mut UsageFilter, T)) -> Vec<UsageFilter> {
    let mut values: Vec<T> = Vec::new();
    match scope {
        Scope::All => return filters,
        Scope::Eq(value) => values.push(value.clone()),
        Scope::In(list) => list.iter().for_each(|value| {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }),
    }
    // One more than is allowed is enough to know that it is too many.
    let both = filters.iter().flat_map(|filter| values.iter().map(move |value| (filter, value)));
    both.take(COMBINATIONS + 1)
        .map(|(filter, value)| {
            let mut filter = filter.clone();
            set(&mut filter, value.clone());
            filter
        })
        .collect()
}
