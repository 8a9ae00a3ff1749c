//! What a call takes of its caller's limits and budgets: reserved before it is made, settled once when it has ended.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{bounds, engine::Engine, error::GatewayError, resolve::Resolved, target::Target};
use crate::{
    access::{Allowance, Limit},
    base::{Nanos, RequestId},
    billing::{self, Ask, Candidate, Content, Lookup, Quote, TYPICAL_OUTPUT},
    protocol::{Family, fault::FaultKind},
    snapshot::Snapshot,
    store::{
        cache::{Admission, CacheFault, Claim, Counts, Draw, End, Meter, Refusal, Room, ScopeKind, Spend, Window},
        record::{self, NewQuota},
    },
};

/// How long a reservation stands whose end is never told: longer than any call may last.
const LEASE: Duration = Duration::from_mins(30);
/// So many limits and quotas of a caller are looked at without growing.
const USUAL_DRAWS: usize = 16;
/// Windows, in milliseconds.
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What is said of a limit, as its figure, what is left, and when all of it is there again.
const fn names(of: [&'static str; 3]) -> [HeaderName; 3] {
    let [limit, remaining, reset] = of;
    [HeaderName::from_static(limit), HeaderName::from_static(remaining), HeaderName::from_static(reset)]
}

const REQUESTS: [HeaderName; 3] = names(["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"]);
const TOKENS: [HeaderName; 3] = names(["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]);
const CLAUDES_REQUESTS: [HeaderName; 3] =
    names(["anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"]);
const CLAUDES_TOKENS: [HeaderName; 3] =
    names(["anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"]);

/// What is reserved for one call. Dropped without an end, it is given back.
#[derive(Debug)]
pub(super) struct Hold {
    engine: Engine,
    id: RequestId,
    /// What is settled: tokens and money.
    meters: Box<[Meter]>,
    is_open: bool,
}

/// What stands behind a call that was let in.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) hold: Hold,
    /// How much is left, for the client's headers.
    pub(super) left: HeaderMap,
}

impl Hold {
    /// Ends the reservation: what was used is spent, at the moment `at_ms`.
    pub(super) fn settle(mut self, at_ms: u64, tokens: u64, cost: Option<Nanos>) {
        self.is_open = false;
        let amount = |meter: &Meter| match meter.counts {
            Counts::Tokens => i64::try_from(tokens).unwrap_or(i64::MAX),
            Counts::NanoDollars => cost.unwrap_or_default().get(),
            Counts::Requests | Counts::Concurrency => 0,
        };
        let spends: Vec<Spend> = self.meters.iter().map(|meter| Spend { meter: *meter, amount: amount(meter) }).collect();
        let (counters, id) = (Arc::clone(self.engine.counters()), self.id);
        let now = counters.settle(id, at_ms, &spends).take().ok();
        match now {
            Some(end) => tell(id, end),
            // The counters are elsewhere: that takes a task of its own.
            None => {
                let step = async move { tell(id, counters.settle(id, at_ms, &spends).await) };
                self.engine.platform.spawn.spawn(Box::pin(step));
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_open {
            let (counters, id) = (Arc::clone(self.engine.counters()), self.id);
            let now = counters.release(id).take().ok();
            match now {
                Some(end) => tell(id, end),
                None => {
                    self.engine.platform.spawn.spawn(Box::pin(async move { tell(id, counters.release(id).await) }));
                }
            }
        }
    }
}

fn tell(id: RequestId, end: Result<End, CacheFault>) {
    if let Err(fault) = end {
        tracing::error!(request_id = %id, %fault, "a reservation could not be ended");
    }
}

/// What a call asks of the counters.
#[derive(Debug)]
pub(super) struct Asked {
    claim: Claim,
    family: Family,
}

/// What a call has to ask of the counters; `None` where nothing counts its caller. For a caller with a budget those targets
/// are left out whose models have no price.
///
/// # Errors
/// None of its models has a price.
pub(super) fn ask(call: &mut Resolved, snapshot: &Snapshot) -> Result<Option<Asked>, GatewayError> {
    if call.call.caller.allowances().all(|allowance| allowance.limits.is_empty() && allowance.quota.is_none()) {
        return Ok(None);
    }
    let draws = draws_of(call, snapshot)?;
    let inbound = &call.call.call.inbound;
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    let claim = Claim { id: inbound.request_id, now_ms: inbound.at_ms, lease_ms, draws };
    Ok((!claim.draws.is_empty()).then(|| Asked { claim, family: call.key.kind().family() }))
}

/// What a call would ask of the counters. For a caller with a budget those targets are left out whose models have no price.
///
/// # Errors
/// As [`ask`].
pub(super) fn draws_of(call: &mut Resolved, snapshot: &Snapshot) -> Result<Vec<Draw>, GatewayError> {
    if has_budget(call) {
        bounds::refuse_unbounded(call)?;
    }
    if is_billed(call) {
        keep_priced(call, snapshot)?;
    }
    draws(call, snapshot)
}

/// What going on with a call asks of the counters under an id of its own: all that the call itself did, but for the request,
/// which is counted.
///
/// # Errors
/// One of its models has no price any more.
pub(super) fn ask_again(call: &Resolved, snapshot: &Snapshot, (id, now_ms): (RequestId, u64)) -> Result<Option<Asked>, GatewayError> {
    let mut draws = draws(call, snapshot)?;
    draws.retain(|draw| draw.meter.counts != Counts::Requests);
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    let claim = Claim { id, now_ms, lease_ms, draws };
    Ok((!claim.draws.is_empty()).then(|| Asked { claim, family: call.key.kind().family() }))
}

/// Reserves what a call may take.
///
/// # Errors
/// A limit or a budget that has no room, counters that cannot be asked.
pub(super) async fn hold(engine: &Engine, asked: Asked) -> Result<Held, GatewayError> {
    let Asked { claim, family } = asked;
    let id = claim.id;
    let meters = claim.draws.iter().map(|draw| draw.meter).filter(Meter::settles).collect();
    match engine.counters().admit(claim).await {
        Ok(Admission::Admitted(rooms)) => {
            let hold = Hold { engine: engine.clone(), id, meters, is_open: true };
            Ok(Held { hold, left: left(&rooms, family) })
        }
        Ok(Admission::Refused(refusal)) => Err(refused(&refusal, family)),
        Err(fault) => Err(GatewayError::overloaded("the gateway cannot check the caller's limits now; try again soon").because(fault)),
    }
}

fn draws(call: &Resolved, snapshot: &Snapshot) -> Result<Vec<Draw>, GatewayError> {
    let caller = &call.call.caller;
    let names: Vec<String> = call.targets.iter().map(name).collect();
    let most = bounds::output(call);
    let mut draws = Vec::with_capacity(USUAL_DRAWS);
    for allowance in caller.allowances() {
        // Whoever of them answers in the end: what limits one limits the call.
        let counts = |limit: &&Limit| names.iter().map(String::as_str).chain(call.route.as_deref()).any(|name| limit.pattern.matches(name));
        for limit in allowance.limits.iter().filter(counts) {
            limit_draws(&mut draws, (allowance, limit), call, most);
        }
    }
    if let Some(quote) = quote(call, snapshot, most)? {
        for allowance in caller.allowances() {
            if let Some(quota) = &allowance.quota {
                let admission = match quota.admission {
                    record::Admission::Strict => billing::Admission::Strict,
                    record::Admission::Estimate => billing::Admission::Estimate,
                };
                let amount = quote.reserve(admission).get();
                let meters = quota_meters(allowance, quota.id.0, &quota.row).map(|(meter, limit)| Draw { meter, limit, amount });
                draws.extend(meters);
            }
        }
    }
    Ok(draws)
}

fn limit_draws(draws: &mut Vec<Draw>, (allowance, limit): (&Allowance, &Limit), call: &Resolved, most: Option<u64>) {
    let row = &limit.row;
    let tokens = billing::estimate_tokens(call.prompt_bytes).saturating_add(most.unwrap_or(TYPICAL_OUTPUT));
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    let figures = [
        (Counts::Requests, Window::Sliding(MINUTE), row.requests_per_minute, 1),
        (Counts::Requests, Window::Sliding(DAY), row.requests_per_day, 1),
        (Counts::Tokens, Window::Sliding(MINUTE), row.tokens_per_minute, tokens),
        (Counts::Tokens, Window::Sliding(DAY), row.tokens_per_day, tokens),
        (Counts::Concurrency, Window::Total, row.concurrency, 1),
    ];
    for (counts, window, figure, amount) in figures {
        if let Some(figure) = figure {
            let meter = Meter { kind: kind(allowance), scope: allowance.scope.id, record: limit.id.0, counts, window };
            // A call that is larger than the whole limit may go where nothing else does.
            let amount = if counts == Counts::Tokens { amount.min(figure) } else { amount };
            draws.push(Draw { meter, limit: figure, amount });
        }
    }
}

/// What a quota counts, each with its limit.
pub(super) fn quota_meters(allowance: &Allowance, record: i64, quota: &NewQuota) -> impl Iterator<Item = (Meter, i64)> {
    let (kind, scope) = (kind(allowance), allowance.scope.id);
    quota.windows().into_iter().filter_map(move |(window, figure)| {
        let meter = Meter { kind, scope, record, counts: Counts::NanoDollars, window };
        Some((meter, figure?))
    })
}

fn kind(allowance: &Allowance) -> ScopeKind {
    allowance.scope.kind.into()
}

/// A target as permissions and limits call it.
fn name(target: &Target) -> String {
    let (provider, model) = (&target.provider.name, &target.model);
    if model.is_empty() { provider.to_string() } else { format!("{provider}/{model}") }
}

fn has_budget(call: &Resolved) -> bool {
    call.call.caller.allowances().any(|allowance| allowance.quota.is_some())
}

/// Whether the call is billed to somebody's budget.
fn is_billed(call: &Resolved) -> bool {
    has_budget(call) && !call.is_local() && call.call.call.row.metered()
}

/// Leaves out whom nobody could bill.
fn keep_priced(call: &mut Resolved, snapshot: &Snapshot) -> Result<(), GatewayError> {
    let is_priced = |target: &Target| matches!(price(target, snapshot), Lookup::Priced(_));
    if !call.targets.iter().any(is_priced) {
        let names: Vec<String> = call.targets.iter().map(|target| format!("\"{}\"", name(target))).collect();
        let message =
            format!("model {} has no price here, and this key spends from a budget; ask an administrator to set a price", names.join(", "));
        return Err(GatewayError::new(FaultKind::Forbidden, message).at("model"));
    }
    call.targets.retain(is_priced);
    Ok(())
}

fn price<'s>(target: &Target, snapshot: &'s Snapshot) -> Lookup<'s> {
    snapshot.prices().find(target.provider.id, target.provider.vendor, &target.model)
}

/// What the call may cost, whoever of its targets answers; `None` where it is not billed to a budget.
fn quote(call: &Resolved, snapshot: &Snapshot, most: Option<u64>) -> Result<Option<Quote>, GatewayError> {
    if !is_billed(call) {
        return Ok(None);
    }
    let candidate = |target: &Target| {
        let listed = snapshot.prices().limits(target.provider.vendor, &target.model);
        let own = target.provider.models.iter().find(|model| *model.id == *target.model).map(|model| model.limits).unwrap_or_default();
        let limits = billing::Limits { prompt: own.prompt.or(listed.prompt), output: own.output.or(listed.output) };
        Candidate { price: price(target, snapshot), limits }
    };
    let candidates: Vec<Candidate<'_>> = call.targets.iter().map(candidate).collect();
    let tier = bounds::tier(call);
    let ask = Ask {
        prompt: bounds::prompt(call),
        content: Content::Any,
        hour_cache: true,
        max_output: most,
        answers: bounds::answers(call),
        pieces: bounds::pieces(call),
        tier: tier.as_deref(),
        ..Ask::default()
    };
    let quote = Quote::of(&ask, &candidates).map_err(|fault| {
        GatewayError::new(FaultKind::QuotaSpent, "this call may cost more than can be counted; ask for a shorter answer").because(fault)
    })?;
    Ok(Some(quote))
}

/// How much is left, in the names that the family's SDKs know.
fn left(rooms: &[Room], family: Family) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(if rooms.is_empty() { 0 } else { 6 });
    for counts in [Counts::Requests, Counts::Tokens] {
        // Of several limits the one that is nearest to its end counts.
        if let Some(room) = rooms.iter().filter(|room| room.meter.counts == counts).min_by_key(|room| room.remaining) {
            say(&mut headers, family, counts, (room.limit, room.remaining, room.reset_ms));
        }
    }
    headers
}

fn say(headers: &mut HeaderMap, family: Family, counts: Counts, (limit, remaining, reset_ms): (i64, i64, Option<u64>)) {
    let names = match (family, counts) {
        (_, Counts::NanoDollars | Counts::Concurrency) => return,
        (Family::Claude, Counts::Requests) => CLAUDES_REQUESTS,
        (Family::Claude, Counts::Tokens) => CLAUDES_TOKENS,
        (Family::OpenAi | Family::Gemini, Counts::Requests) => REQUESTS,
        (Family::OpenAi | Family::Gemini, Counts::Tokens) => TOKENS,
    };
    let reset = format!("{}s", reset_ms.unwrap_or(0).div_ceil(1000));
    let figures = [Some(limit.into()), Some(remaining.into()), HeaderValue::try_from(reset).ok()];
    for (name, value) in names.into_iter().zip(figures) {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

fn refused(refusal: &Refusal, family: Family) -> GatewayError {
    let Refusal { meter, limit, used, reserved, asked, retry_after_ms } = *refusal;
    let whose = meter.kind.name();
    let mut headers = HeaderMap::new();
    let (kind, message) = match meter.counts {
        Counts::NanoDollars => {
            let [limit, used, reserved, asked] = [limit, used, reserved, asked].map(Nanos::new);
            let message = format!(
                "the {whose}'s {} budget of {limit} USD has no room for this call: {used} spent, {reserved} reserved for calls under way, up \
                 to {asked} asked",
                meter.window.name()
            );
            // An SDK would try a 429 again at once, in vain.
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
            (FaultKind::QuotaSpent, message)
        }
        Counts::Requests | Counts::Tokens | Counts::Concurrency => {
            let what = match meter.counts {
                Counts::Tokens => "tokens",
                Counts::Concurrency => "calls at a time",
                Counts::Requests | Counts::NanoDollars => "requests",
            };
            say(&mut headers, family, meter.counts, (limit, limit.saturating_sub(used).saturating_sub(reserved).max(0), retry_after_ms));
            let window = if meter.counts == Counts::Concurrency { String::new() } else { format!(" per {}", meter.window.name()) };
            (FaultKind::RateLimited, format!("the {whose}'s limit of {limit} {what}{window} is reached; try again later"))
        }
    };
    GatewayError {
        retry_after: retry_after_ms.map(Duration::from_millis),
        headers: Some(Box::new(headers)),
        ..GatewayError::new(kind, message)
    }
}
