//! What would become of a call, told without making it: no provider is asked, nothing is reserved, no turn is taken up but a
//! route's own, nothing is written down.

use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    aim::aim,
    attempts::{self, Prospect},
    authenticate::Authenticated,
    authorize::{self, Admitted},
    classify,
    engine::Engine,
    error::GatewayError,
    hold,
    inbound::Inbound,
    models,
    resolve::{self, Resolved},
    rules::Fitting,
    target::{self, Target, Wanted},
    translate::translate,
};
use crate::{
    access::Caller,
    base::{CredentialId, KeyId, Nanos, OrganizationId, ProviderId, RouteMemberId, TeamId, UserId},
    billing,
    health::Standing,
    protocol::{Operation, OperationKind},
    route::Cause,
    snapshot::{Credential, Snapshot},
    store::{
        cache::{Counts, Draw, Reading},
        record::{ConfigRows, RouteMemberRow},
    },
};

/// What would become of a call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// In one word.
    pub outcome: Fate,
    /// Why it would be refused.
    pub refusal: Option<RefusalView>,
    /// Whose call it is.
    pub caller: CallerView,
    /// What is asked.
    pub operation: Option<Operation>,
    /// In which wire shape.
    pub kind: Option<OperationKind>,
    /// Whether a stream is wanted.
    pub streams: bool,
    /// The model as it was named.
    pub model: Option<String>,
    /// The route that the name stands for.
    pub route: Option<String>,
    /// Whom the call means, in the order in which they are asked.
    pub targets: Vec<TargetView>,
    /// Members of the route that are not asked, and why.
    pub skipped: Vec<SkippedView>,
    /// Which credential of whom is asked first, which next, and how each is doing.
    pub turns: Vec<TurnView>,
    /// Tokens of the prompt, as they are estimated.
    pub prompt_tokens: u64,
    /// What the call would reserve of limits and budgets, and what they hold now.
    pub draws: Vec<DrawView>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What would become of a call, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A provider would be asked.
    Sent,
    /// The gateway would answer by itself.
    AnsweredHere,
    /// It would be refused.
    Refused,
}

/// A refusal.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedRefusal")]
pub struct RefusalView {
    /// The kind of refusal.
    pub kind: &'static str,
    /// What the client would be told.
    pub message: String,
    /// The request's field at fault.
    pub field: Option<String>,
}

/// Whose call it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedCaller")]
pub struct CallerView {
    /// The user.
    pub user_id: UserId,
    /// Its name.
    pub user: String,
    /// The key.
    pub key_id: KeyId,
    /// The user's team.
    pub team_id: Option<TeamId>,
    /// The user's organization.
    pub organization_id: Option<OrganizationId>,
}

/// One whom the call means.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedTarget")]
pub struct TargetView {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its name.
    pub provider: String,
    /// Its id of the model; empty where the call has none.
    pub model: String,
    /// The route's member.
    pub member_id: Option<RouteMemberId>,
    /// What it is asked, where that is another thing than the client asks.
    pub asked_as: Option<String>,
    /// Why it is left out: no permission, no price, or the call has no form there.
    pub left_out: Option<String>,
    /// What of the call has no place there.
    pub losses: Vec<String>,
    /// The operator's rules that change what it is sent.
    pub rules: Vec<String>,
    /// Its credentials that are not asked, and why.
    pub unused_credentials: Vec<UnusedView>,
}

/// A member that is not asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedMember")]
pub struct SkippedView {
    /// The route's member.
    pub member_id: RouteMemberId,
    /// Its provider.
    pub provider_id: ProviderId,
    /// The upstream's id of the model.
    pub model: String,
    /// Why.
    pub why: String,
}

/// A credential that is not asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedCredential")]
pub struct UnusedView {
    /// Which one.
    pub credential_id: CredentialId,
    /// Why.
    pub why: &'static str,
}

/// One who is asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedTurn")]
pub struct TurnView {
    /// The provider.
    pub provider: String,
    /// Its id of the model.
    pub model: String,
    /// With which credential; `null` where the channel needs none.
    pub credential_id: Option<CredentialId>,
    /// `ready`; `doubtful` where it failed lately, `condemned` where its credential was refused, both after those that are ready;
    /// `resting` until a moment.
    pub standing: &'static str,
    /// Until when it rests, Unix milliseconds.
    pub until: Option<u64>,
    /// The cause for which it stands by, and is asked only where the call is declined for that: `context_length`, `content_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_for: Option<&'static str>,
}

/// What a call would reserve of one limit or budget.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedDraw")]
pub struct DrawView {
    /// Whose: `key`, `user`, `team` or `organization`.
    pub scope: &'static str,
    /// Which one.
    pub scope_id: i64,
    /// The limit's or the quota's row.
    pub record_id: i64,
    /// `requests`, `tokens`, `concurrency` or `dollars`.
    pub counts: &'static str,
    /// The window.
    pub window: String,
    /// The most that it may hold. Dollars are decimals.
    pub limit: String,
    /// What it has spent.
    pub spent: String,
    /// What calls under way have reserved.
    pub reserved: String,
    /// What this call would reserve: of a budget its worst case, or its usual cost where the quota says so.
    pub asks: String,
    /// Whether that fits now.
    pub fits: bool,
}

/// Tells what would become of a call. The key in it is of no meaning; `caller` is who makes it.
pub async fn explain(engine: &Engine, inbound: Box<Inbound>, caller: Caller) -> Explanation {
    let snapshot = engine.snapshot.load();
    let mut told = Explanation::of(&caller);
    if let Err(error) = walk(engine, &snapshot, (inbound, caller), &mut told).await {
        told.outcome = Fate::Refused;
        told.refusal = Some(RefusalView { kind: error.kind.id(), message: error.public, field: error.field.map(Into::into) });
    }
    told
}

impl Explanation {
    fn of(caller: &Caller) -> Self {
        let caller = CallerView {
            user_id: caller.user(),
            user: caller.name().to_owned(),
            key_id: caller.key(),
            team_id: caller.team(),
            organization_id: caller.organization(),
        };
        Self {
            outcome: Fate::Sent,
            refusal: None,
            caller,
            operation: None,
            kind: None,
            streams: false,
            model: None,
            route: None,
            targets: Vec::new(),
            skipped: Vec::new(),
            turns: Vec::new(),
            prompt_tokens: 0,
            draws: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What is known once the call's model is.
    fn resolved(&mut self, call: &Resolved, snapshot: &Snapshot) {
        self.operation = Some(call.key.operation());
        self.kind = Some(call.key.kind());
        self.streams = call.streams;
        self.model.clone_from(&call.named);
        self.route = call.route.as_deref().map(str::to_owned);
        self.prompt_tokens = billing::estimate_tokens(call.prompt_bytes);
        self.targets = call.targets.iter().map(|target| TargetView::of(call, target, snapshot.rows())).collect();
        self.skipped = skipped(call, snapshot);
    }

    /// Says of those that are there no more why.
    fn left_out(&mut self, call: &Resolved, why: &str) {
        for view in self.targets.iter_mut().filter(|view| view.left_out.is_none() && !call.targets.iter().any(|target| view.is(target))) {
            view.left_out = Some(why.to_owned());
        }
    }
}

async fn walk(
    engine: &Engine,
    snapshot: &Snapshot,
    (inbound, caller): (Box<Inbound>, Caller),
    told: &mut Explanation,
) -> Result<(), GatewayError> {
    let call = classify::classify(inbound).map_err(|(_, _, error)| error)?;
    let key = call.row.key(false);
    (told.operation, told.kind) = (Some(key.operation()), Some(key.kind()));
    let authenticated = Authenticated { call, caller };
    if key.operation() == Operation::ListModels && !models::is_scoped(&authenticated, snapshot) {
        told.outcome = Fate::AnsweredHere;
        told.notes.push("the list holds what the caller may see of every provider".to_owned());
        return Ok(());
    }
    let resolved = resolve::resolve(authenticated, snapshot, engine.limits.body).await.map_err(|(_, error)| error)?;
    told.resolved(&resolved, snapshot);
    if super::kept::concerns(&resolved) {
        told.notes.push("what is kept of earlier responses is not looked up here; the prompt may be longer than it is told".to_owned());
    }
    let mut admitted = match authorize::authorize(resolved) {
        Ok(admitted) => admitted,
        Err((_, error)) => {
            told.targets.iter_mut().for_each(|view| view.left_out = Some("the caller has no permission for it".to_owned()));
            return Err(error);
        }
    };
    told.left_out(&admitted.call, "the caller has no permission for it");
    forms(&mut admitted, told);
    let draws = hold::draws_of(&mut admitted.call, snapshot)?;
    told.left_out(&admitted.call, "it has no price, and the caller spends from a budget");
    told.draws = measured(engine, &draws).await;
    if admitted.call.is_local() {
        told.outcome = Fate::AnsweredHere;
    } else {
        turns(engine, &admitted.call, told)?;
    }
    refuse_full(told)
}

/// Puts the call in the form that each target takes.
fn forms(admitted: &mut Admitted, told: &mut Explanation) {
    if admitted.call.is_local() || !admitted.call.content.is_in_hand() {
        return;
    }
    for target in admitted.call.targets.clone() {
        let Some(view) = told.targets.iter_mut().find(|view| view.is(&target)) else { continue };
        if let Err(error) = form(&mut admitted.call, &target, view) {
            view.left_out = Some(error.public);
        }
    }
}

fn form(call: &mut Resolved, target: &Target, view: &mut TargetView) -> Result<(), GatewayError> {
    let mut aimed = aim(call, target);
    let mut headers: HeaderMap = call.call.call.inbound.headers.clone();
    let fitting = Fitting::find(&target.provider.rules, &aimed, &headers);
    if let Some(translation) = translate(call, &mut aimed)? {
        view.losses = translation.losses.iter().map(ToString::to_string).collect();
    }
    let applied = fitting.apply(&mut aimed.payload, &mut headers)?;
    view.rules = applied.into_iter().map(|applied| format!("{} ({})", applied.rule, applied.kind)).collect();
    Ok(())
}

fn turns(engine: &Engine, call: &Resolved, told: &mut Explanation) -> Result<(), GatewayError> {
    let prospects = attempts::prospects(engine, &call.targets, call);
    told.turns = prospects.iter().map(turn).collect();
    for target in &call.targets {
        if let Some(view) = told.targets.iter_mut().find(|view| view.is(target)) {
            view.unused_credentials.extend(passed_over(engine, target, &prospects));
        }
    }
    if prospects.is_empty() {
        return Err(attempts::nobody(&call.targets));
    }
    Ok(())
}

/// Credentials that could serve and are not asked, since others can be.
fn passed_over(engine: &Engine, target: &Target, prospects: &[Prospect<'_>]) -> Vec<UnusedView> {
    let now_ms = engine.platform.clock.unix_ms();
    let is_asked = |id: CredentialId| {
        let is_it = |prospect: &Prospect<'_>| prospect.credential.is_some_and(|credential| credential.id == id);
        prospects.iter().any(|prospect| prospect.target.row == target.row && is_it(prospect))
    };
    let passed = target.provider.credentials.iter().filter(|credential| !is_asked(credential.id));
    let view = |credential: &Credential| UnusedView {
        credential_id: credential.id,
        why: match engine.health.standing(target.provider.account(Some(credential)), &target.model, now_ms) {
            Standing::Condemned => "the provider refused it, and others are well",
            Standing::Resting(_) => "it is resting, and others are well",
            Standing::Doubtful => "it failed lately, and others are well",
            Standing::Ready => "its own limits leave no room, or others come first",
        },
    };
    passed.map(view).collect()
}

fn turn(Prospect { target, credential, standing }: &Prospect<'_>) -> TurnView {
    let (word, until) = match standing {
        Standing::Ready => ("ready", None),
        Standing::Doubtful => ("doubtful", None),
        Standing::Condemned => ("condemned", None),
        Standing::Resting(until) => ("resting", Some(*until)),
    };
    TurnView {
        provider: target.provider.name.to_string(),
        model: target.model.to_string(),
        credential_id: credential.map(|credential| credential.id),
        standing: word,
        until,
        only_for: target.cause.map(Cause::word),
    }
}

/// What each draw finds.
async fn measured(engine: &Engine, draws: &[Draw]) -> Vec<DrawView> {
    let meters: Vec<_> = draws.iter().map(|draw| draw.meter).collect();
    let read = engine.counters().read(&meters, engine.platform.clock.unix_ms()).await;
    let readings = read.unwrap_or_else(|_| vec![Reading::default(); draws.len()]);
    draws.iter().zip(readings).map(|(draw, reading)| DrawView::of(draw, &reading)).collect()
}

/// Refuses as the counters would.
fn refuse_full(told: &Explanation) -> Result<(), GatewayError> {
    let Some(full) = told.draws.iter().find(|draw| !draw.fits) else { return Ok(()) };
    let kind = if full.counts == "dollars" {
        crate::protocol::fault::FaultKind::QuotaSpent
    } else {
        crate::protocol::fault::FaultKind::RateLimited
    };
    let DrawView { scope, counts, window, limit, spent, reserved, asks, .. } = full;
    let message =
        format!("the {scope}'s limit of {limit} {counts} ({window}) has no room: {spent} spent, {reserved} reserved, {asks} asked");
    Err(GatewayError::new(kind, message))
}

impl TargetView {
    fn of(call: &Resolved, target: &Target, rows: &ConfigRows) -> Self {
        let asked_as = (target.key != call.key).then(|| format!("{} in the {} shape", target.key.operation(), target.key.kind()));
        Self {
            provider_id: target.provider.id,
            provider: target.provider.name.to_string(),
            model: target.model.to_string(),
            member_id: target.row,
            asked_as,
            left_out: None,
            losses: Vec::new(),
            rules: Vec::new(),
            unused_credentials: unused(target, rows),
        }
    }

    fn is(&self, target: &Target) -> bool {
        self.provider_id == target.provider.id && self.model == *target.model && self.member_id == target.row
    }
}

fn unused(target: &Target, rows: &ConfigRows) -> Vec<UnusedView> {
    let provider = &target.provider;
    let is_used = |id: CredentialId| provider.credentials.iter().any(|credential| credential.id == id);
    let unused = rows.credentials.iter().filter(|row| row.provider_id == provider.id && !is_used(row.id));
    let why = |is_on: bool| if is_on { "its secret cannot be used; see the faults" } else { "it is switched off" };
    unused.map(|row| UnusedView { credential_id: row.id, why: why(row.enabled) }).collect()
}

/// The members of the call's route that are none of its targets.
fn skipped(call: &Resolved, snapshot: &Snapshot) -> Vec<SkippedView> {
    let members = &snapshot.rows().route_members;
    let Some(route) = call.targets.iter().find_map(|target| Some(members.get(target.row?)?.route_id)) else { return Vec::new() };
    let is_asked = |row: &RouteMemberRow| call.targets.iter().any(|target| target.row == Some(row.id));
    let skipped = members.iter().filter(|row| row.route_id == route && !is_asked(row));
    let wanted = Wanted { key: call.key, streams: call.streams };
    skipped
        .map(|row| SkippedView {
            member_id: row.id,
            provider_id: row.provider_id,
            model: row.upstream_model.clone(),
            why: why_skipped(row, wanted, snapshot),
        })
        .collect()
}

fn why_skipped(row: &RouteMemberRow, wanted: Wanted, snapshot: &Snapshot) -> String {
    if !row.enabled {
        return "it is switched off".to_owned();
    }
    let Some(provider) = snapshot.provider_of(row.provider_id) else {
        return "its provider is switched off, or cannot serve; see the faults".to_owned();
    };
    match target::served(wanted, provider) {
        Err(error) => error.public,
        Ok(_) => "it would be asked in another manner than the first of them".to_owned(),
    }
}

impl DrawView {
    fn of(draw: &Draw, reading: &Reading) -> Self {
        let (meter, is_money) = (draw.meter, draw.meter.counts == Counts::NanoDollars);
        let text = |figure: i64| if is_money { Nanos::new(figure).to_string() } else { figure.to_string() };
        let taken = reading.spent.saturating_add(reading.reserved);
        Self {
            scope: meter.kind.name(),
            scope_id: meter.scope,
            record_id: meter.record,
            counts: match meter.counts {
                Counts::Requests => "requests",
                Counts::Tokens => "tokens",
                Counts::Concurrency => "concurrency",
                Counts::NanoDollars => "dollars",
            },
            window: meter.window.name(),
            limit: text(draw.limit),
            spent: text(reading.spent),
            reserved: text(reading.reserved),
            asks: text(draw.amount),
            fits: taken.saturating_add(draw.amount) <= draw.limit,
        }
    }
}
