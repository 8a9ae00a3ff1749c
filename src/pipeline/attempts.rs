//! Asks one after the other, as failover says, until somebody answers.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    attempt::{self, Attempted, Failure, Said},
    authorize::Admitted,
    engine::Engine,
    error::GatewayError,
    failover::{self, Candidate, Outcome, Step, Tried, View},
    known::{self, Anchor},
    prefix::Prefix,
    renew, rescue,
    resolve::Resolved,
    target::Target,
    trail::{Fact, Trail},
};
use crate::{
    credentials::{Chooser, Digest},
    health::{Account, Standing, Trouble},
    protocol::{Operation, OperationGroup, fault::FaultKind},
    route::OnStreamFault,
    snapshot::Credential,
    store::record::HealthWord,
    transform::generate::{self, Dialect},
};

/// How long a call waits before it is tried over again where it failed: at least, and by chance as long again at most.
const PAUSE: Duration = Duration::from_millis(50);

/// Whom a call may go to, and what came of asking so far: kept where somebody may have to go on with the answer.
pub(super) type Stood = (Vec<Target>, Left);

/// Asks until somebody answers.
///
/// # Errors
/// Nobody did: what the last one said, or when to come back.
pub(super) async fn answer(
    engine: &Engine,
    admitted: &mut Admitted,
    trail: &mut Trail,
) -> Result<(Box<Attempted>, Option<Box<Stood>>), GatewayError> {
    let mut targets = std::mem::take(&mut admitted.call.targets);
    let prefix = prefix(&targets, &admitted.call);
    let anchor = match known::subject(&admitted.call) {
        Some(subject) => Some(Box::pin(known::anchored(engine, subject, &mut targets)).await),
        None => None,
    };
    if let Some(prefix) = &prefix
        && engine.shared().is_some()
    {
        Box::pin(known::recalled(engine, &targets, prefix)).await;
    }
    let mut course = Course::new(engine, &targets, &admitted.call, prefix);
    course.left.anchor = anchor;
    loop {
        let at = match course.next() {
            Step::Try { at, after } => {
                if !after.is_zero() {
                    engine.platform.clock.sleep(after).await;
                    trail.note(Fact::Waited(after));
                }
                at
            }
            // Nothing of an answer has passed, so there is nothing to go on with.
            Step::Rescue { .. } | Step::Stop => return course.last_words().map(|attempted| (attempted, None)),
            Step::Rest(until_ms) => return Err(resting(engine, &targets, until_ms.saturating_sub(engine.platform.clock.unix_ms()))),
        };
        let (target, credential) = course.begin(at, trail);
        match renew::attempt(engine, (admitted, target), credential, trail).await {
            Ok(attempted) => {
                course.answered(at);
                let left = rescue::is_wanted(admitted, &attempted).then(|| course.leave());
                return Ok((attempted, left.map(|left| Box::new((targets, left)))));
            }
            Err(failure) => course.failed(at, failure, trail),
        }
    }
}

/// By which beginnings a call's prompt is known, where a credential may know it.
fn prefix(targets: &[Target], call: &Resolved) -> Option<Prefix> {
    let chooses = targets.iter().any(|target| target.provider.pool.remembers().is_some());
    if chooses { Prefix::of(call) } else { None }
}

/// Who answered, for the client's headers: of a call to a route, or one that more than one had to be asked for.
pub(super) fn who(call: &Resolved, trail: &Trail) -> Option<HeaderMap> {
    if call.route.is_none() && trail.attempts() < 2 {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(3);
    let (provider, model) = trail.target()?;
    let told = [
        ("x-gproxy-provider", provider.to_owned()),
        ("x-gproxy-model", model.to_owned()),
        ("x-gproxy-attempts", trail.attempts().to_string()),
    ];
    for (name, value) in told {
        // A model's name may hold what no header can.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Some(headers)
}

/// Picks whom a call goes to that can be tried only once, such as a voice session.
///
/// # Errors
/// Nobody can be asked now.
pub(super) fn one<'t>(
    engine: &'t Engine,
    targets: &'t [Target],
    call: &Resolved,
    trail: &mut Trail,
) -> Result<(&'t Target, Option<&'t Credential>), GatewayError> {
    let mut course = Course::new(engine, targets, call, prefix(targets, call));
    match course.next() {
        Step::Try { at, after: Duration::ZERO } => Ok(course.begin(at, trail)),
        Step::Try { after, .. } => Err(resting(engine, targets, u64::try_from(after.as_millis()).unwrap_or(u64::MAX))),
        Step::Rest(until_ms) => Err(resting(engine, targets, until_ms.saturating_sub(engine.platform.clock.unix_ms()))),
        Step::Rescue { .. } | Step::Stop => Err(nobody(targets)),
    }
}

/// One who may be asked.
pub(super) struct Prospect<'t> {
    pub(super) target: &'t Target,
    pub(super) credential: Option<&'t Credential>,
    /// How it is doing, its own limits with it.
    pub(super) standing: Standing,
}

/// Everybody whom a call may be asked of, in their order. Nobody's turn is taken.
pub(super) fn prospects<'t>(engine: &'t Engine, targets: &'t [Target], call: &Resolved) -> Vec<Prospect<'t>> {
    let course = Course::new(engine, targets, call, prefix(targets, call));
    let now_ms = engine.platform.clock.unix_ms();
    let prospect = |at| Prospect { target: course.target(at), credential: course.credential(at), standing: course.standing(at, now_ms) };
    (0..course.left.candidates.len()).map(prospect).collect()
}

/// One call on its way from target to target.
pub(super) struct Course<'a> {
    engine: &'a Engine,
    targets: &'a [Target],
    /// What the client gets where nobody answers.
    said: Option<Said>,
    left: Left,
}

/// What a call leaves behind at its targets.
#[derive(Debug, Default)]
pub(super) struct Left {
    candidates: Vec<Candidate>,
    tried: Vec<Tried>,
    /// Those that were asked whether they are well again: once is enough.
    probed: Vec<usize>,
    /// By which beginnings its prompt is known, where a credential may know it.
    prefix: Option<Prefix>,
    /// The beginning by which a candidate was chosen.
    known: Vec<(usize, Digest)>,
    /// By what its session is known, where that stays with a member of its route.
    anchor: Option<Box<Anchor>>,
    /// Whether the call's body can be sent again.
    can_repeat: bool,
    /// Whether doing the call twice makes nothing twice: a file, a batch, a video is made once.
    may_redo: bool,
    on_stream_fault: OnStreamFault,
    /// Who answers now.
    answers: Option<usize>,
    end_ms: u64,
}

impl Left {
    /// The member that answers now.
    pub(super) fn answers(&self) -> Option<usize> {
        Some(self.candidates[self.answers?].member)
    }

    /// The answer of now is told no further.
    pub(super) fn broke(&mut self, outcome: Outcome) {
        self.tried.extend(self.answers.take().map(|at| Tried { at, outcome }));
    }
}

impl<'a> Course<'a> {
    fn new(engine: &'a Engine, targets: &'a [Target], call: &Resolved, prefix: Option<Prefix>) -> Self {
        let now_ms = engine.platform.clock.unix_ms();
        let total = u64::try_from(call.timers.total.as_millis()).unwrap_or(u64::MAX);
        let left = Left {
            candidates: Vec::with_capacity(targets.len()),
            tried: Vec::new(),
            probed: Vec::new(),
            prefix,
            known: Vec::new(),
            anchor: None,
            can_repeat: call.content.is_in_hand(),
            may_redo: may_redo(call),
            on_stream_fault: call.on_stream_fault,
            answers: None,
            end_ms: now_ms.saturating_add(total),
        };
        let mut course = Self::resume(engine, targets, left);
        for (member, target) in targets.iter().enumerate() {
            course.seat(member, target, now_ms);
        }
        course
    }

    /// The same call once more on its way.
    pub(super) fn resume(engine: &'a Engine, targets: &'a [Target], left: Left) -> Self {
        Self { engine, targets, said: None, left }
    }

    /// What is left of it.
    pub(super) fn leave(self) -> Left {
        self.left
    }

    /// Adds the places of one target's credentials, the best first; one without a credential where its channel needs none.
    fn seat(&mut self, member: usize, target: &Target, now_ms: u64) {
        let provider = &target.provider;
        match provider.credentials.len() {
            0 if provider.channel.needs_credential() => {}
            0 => self.left.candidates.push(Candidate { member, credential: None, cause: target.cause }),
            1 => self.left.candidates.push(Candidate { member, credential: Some(0), cause: target.cause }),
            _ => {
                let is_ready = |place| self.is_ready(target, place, now_ms);
                let knows = self.knows(target, now_ms).filter(|(place, _)| is_ready(*place));
                let mut order = match knows {
                    Some((place, _)) => provider.pool.behind(place, is_ready),
                    None => provider.pool.order(is_ready),
                };
                // Turns are taken among those that can; where nobody can, all are looked at.
                if order.is_empty() {
                    order = provider.pool.order(|_| true);
                }
                if let Some((_, beginning)) = knows {
                    self.left.known.push((self.left.candidates.len(), beginning));
                }
                self.left.candidates.extend(order.into_iter().map(|place| Candidate {
                    member,
                    credential: Some(place),
                    cause: target.cause,
                }));
            }
        }
    }

    /// Whether a target can be asked with the credential at a place, as far as anybody knows.
    fn is_ready(&self, target: &Target, place: usize, now_ms: u64) -> bool {
        let provider = &target.provider;
        let account = provider.account(provider.credentials.get(place));
        self.engine.health.standing(account, &target.model, now_ms) == Standing::Ready
            && provider.pool.seat(place).is_some_and(|seat| seat.full_until(now_ms).is_none())
    }

    /// The place of the credential that knows the prompt, and the beginning by which.
    fn knows(&self, target: &Target, now_ms: u64) -> Option<(usize, Digest)> {
        let provider = &target.provider;
        let prefix = self.left.prefix.as_ref().filter(|_| provider.pool.remembers().is_some())?.of_model(&target.model);
        let (bound, beginning) = self.engine.affinity.find(Chooser::Provider(provider.id), &prefix.known_by, now_ms)?;
        Some((provider.credentials.iter().position(|credential| credential.id.0 == bound.who)?, beginning))
    }

    pub(super) fn next(&self) -> Step {
        if !self.left.can_repeat && !self.left.tried.is_empty() {
            return Step::Stop;
        }
        let now_ms = self.engine.platform.clock.unix_ms();
        failover::next(&View {
            candidates: &self.left.candidates,
            standing: &|at| self.standing(at, now_ms),
            tried: &self.left.tried,
            may_retry: &|at| !self.left.probed.contains(&at) && self.target(at).provider.retries.retry(now_ms),
            may_return: &|at| self.target(at).provider.retries.retry(now_ms),
            on_stream_fault: self.left.on_stream_fault,
            continues: &|at| self.continues(at),
            pause: if self.left.tried.is_empty() { PAUSE } else { self.pause() },
            now_ms,
            end_ms: self.left.end_ms,
        })
    }

    /// Whether a candidate goes on from an answer that was begun.
    pub(super) fn continues(&self, at: usize) -> bool {
        let target = self.target(at);
        Dialect::of(target.key.kind()).is_some_and(|dialect| generate::continues(dialect, &target.model))
    }

    fn target(&self, at: usize) -> &'a Target {
        &self.targets[self.left.candidates[at].member]
    }

    fn credential(&self, at: usize) -> Option<&'a Credential> {
        self.target(at).provider.credentials.get(self.left.candidates[at].credential?)
    }

    fn account(&self, at: usize) -> Account {
        self.target(at).provider.account(self.credential(at))
    }

    /// How a candidate is doing: its health, and the room that its own limits leave.
    fn standing(&self, at: usize, now_ms: u64) -> Standing {
        let health = self.engine.health.standing(self.account(at), &self.target(at).model, now_ms);
        let seat = self.left.candidates[at].credential.and_then(|place| self.target(at).provider.pool.seat(place));
        let full = seat.and_then(|seat| seat.full_until(now_ms)).map_or(Standing::Ready, Standing::Resting);
        health.max(full)
    }

    /// So that those who failed together do not come back together.
    fn pause(&self) -> Duration {
        let mut dice = [0];
        self.engine.platform.entropy.fill(&mut dice);
        PAUSE + PAUSE * u32::from(dice[0]) / 255
    }

    /// A try begins.
    pub(super) fn begin(&mut self, at: usize, trail: &mut Trail) -> (&'a Target, Option<&'a Credential>) {
        let (target, credential) = (self.target(at), self.credential(at));
        let now_ms = self.engine.platform.clock.unix_ms();
        if self.engine.health.begin(self.account(at), &target.model, now_ms) {
            self.left.probed.push(at);
        }
        if self.left.tried.is_empty() {
            target.provider.retries.call(now_ms);
        }
        trail.note(Fact::Target(target));
        if let (Some(credential), Some(place)) = (credential, self.left.candidates[at].credential)
            && let Some(seat) = target.provider.pool.seat(place)
        {
            target.provider.pool.take(place, |place| self.is_ready(target, place, now_ms));
            trail.note(Fact::Credential(credential.id, seat.begin(now_ms)));
        }
        (target, credential)
    }

    pub(super) fn answered(&mut self, at: usize) {
        self.left.answers = Some(at);
        let (target, engine) = (self.target(at), self.engine);
        engine.health.succeed(self.account(at), &target.model, || engine.platform.clock.unix_ms());
        if let (Some(prefix), Some(credential), Some(most)) = (&self.left.prefix, self.credential(at), target.provider.pool.remembers()) {
            let now_ms = engine.platform.clock.unix_ms();
            let prefix = prefix.of_model(&target.model);
            let known = self.left.known.iter().filter(|(place, _)| *place == at).map(|(_, beginning)| *beginning);
            let binds: Vec<Digest> = known.chain(prefix.binds).collect();
            let (chooser, until_ms) = (Chooser::Provider(target.provider.id), now_ms.saturating_add(prefix.ttl_ms));
            engine.affinity.bind(chooser, &binds, (credential.id.0, until_ms), (most, now_ms));
        }
        if let Some(anchor) = &self.left.anchor {
            anchor.hold(engine, target);
        }
    }

    pub(super) fn failed(&mut self, at: usize, failure: Failure, trail: &mut Trail) {
        let Failure { judged, said } = failure;
        let (outcome, trouble) = match judged {
            // Who lets nothing begin twice in a row is not well.
            (Outcome::Unbegun, _) if self.left.tried.iter().any(|tried| tried.at == at) => (Outcome::Broken, Some(Trouble::Transient)),
            judged => judged,
        };
        match (&trouble, &said) {
            (Some(trouble), _) => {
                self.note(at, trouble);
                trail.note(Fact::Missed);
            }
            // Whoever refuses a call for its own sake is well.
            (None, Said::Reply(_)) => {
                self.engine.health.succeed(self.account(at), &self.target(at).model, || self.engine.platform.clock.unix_ms());
            }
            (None, Said::Error(_)) => {}
        }
        let outcome = match outcome {
            // It may have been done all the same.
            Outcome::Broken | Outcome::Silent if !self.left.may_redo => Outcome::Final,
            outcome => outcome,
        };
        for (_, beginning) in self.left.known.iter().filter(|(place, _)| *place == at) {
            self.engine.affinity.forget(Chooser::Provider(self.target(at).provider.id), beginning);
        }
        // That a member cannot take the call matters only where no other one says anything.
        if self.said.is_none() || outcome != Outcome::Unfit {
            self.said = Some(said);
        }
        self.left.tried.push(Tried { at, outcome });
    }

    fn note(&self, at: usize, trouble: &Trouble) {
        let (target, engine) = (self.target(at), self.engine);
        let account = self.account(at);
        engine.health.fail(account, &target.model, trouble, engine.platform.clock.unix_ms());
        tracing::warn!(
            provider = &*target.provider.name,
            model = &*target.model,
            credential = account.credential.map(|(id, _)| id.0),
            trouble = trouble.word().word(),
            "a provider gave no answer"
        );
    }

    /// What the client gets of a call that nobody answered.
    fn last_words(self) -> Result<Box<Attempted>, GatewayError> {
        match self.said {
            Some(Said::Reply(attempted)) => Ok(attempted),
            Some(Said::Error(error)) => Err(*error),
            None => Err(nobody(self.targets)),
        }
    }
}

/// Whether doing a call twice makes nothing twice.
fn may_redo(call: &Resolved) -> bool {
    let (operation, classified) = (call.key.operation(), &call.call.call);
    let is_made_once = operation.group() == OperationGroup::Video || operation == Operation::PredictLongRunning;
    matches!(classified.inbound.method, Method::GET | Method::HEAD) || classified.row.metered() && !is_made_once
}

/// Everybody asked for patience, or has refused the credentials that there are.
fn resting(engine: &Engine, targets: &[Target], left_ms: u64) -> GatewayError {
    let reports = engine.health.reports(engine.platform.clock.unix_ms());
    let is_dead = |account| reports.iter().any(|report| report.account == account && report.why == HealthWord::Dead);
    let accounts = |target: &Target| {
        let provider = Arc::clone(&target.provider);
        (0..provider.credentials.len()).map(move |at| provider.account(provider.credentials.get(at)))
    };
    let mut all = targets.iter().flat_map(accounts).peekable();
    if all.peek().is_some() && all.all(is_dead) {
        let mut names: Vec<&str> = targets.iter().map(|target| &*target.provider.name).collect();
        names.dedup();
        return attempt::no_entry(&names.join(", "));
    }
    let names: Vec<String> = targets.iter().map(|target| format!("\"{}/{}\"", target.provider.name, target.model)).collect();
    let message = format!("{} cannot be asked now: rate limited or failing; try again later", names.join(", "));
    GatewayError { retry_after: Some(Duration::from_millis(left_ms)), ..GatewayError::new(FaultKind::RateLimited, message) }
}

pub(super) fn nobody(targets: &[Target]) -> GatewayError {
    let names: Vec<&str> = targets.iter().map(|target| &*target.provider.name).collect();
    GatewayError::overloaded(&format!("provider {} has no enabled credential", names.join(", ")))
}
