//! One try: the call aimed at one target, sealed, sent, and the beginning of its answer.

use std::{sync::Arc, time::Duration};

use super::{
    aim::{Aimed, aim},
    authorize::Admitted,
    capture::Half,
    diagnose,
    engine::Engine,
    error::GatewayError,
    failover::Outcome,
    headers,
    judge::{self, Judged},
    opened::{Unopened, opened},
    resolve::Resolved,
    rules::{Fitting, ruled},
    settle,
    target::Target,
    trail::{Fact, Trail},
    translate::{Translation, translate},
};
use crate::{
    access::Permit,
    channel::{Dispatch, Draft, Order, Payload, Via},
    process::ResponseRules,
    protocol::{OperationKey, fault::FaultKind},
    runtime::{Body, BodyFault, Reply, Timers, TransportFault, UpstreamRequest},
    snapshot::{Capture, Credential, Provider, name::without_userinfo},
    store::record::{Entry, UpstreamRow},
};

/// The largest refusal of a provider that is read, in bytes.
const REFUSAL: u64 = 1 << 20;
/// The head of a whole answer comes when all of it is made: it may take so many times as long.
const WHOLE: u32 = 10;

/// A call whose answer has begun.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) key: OperationKey,
    pub(super) provider: Arc<Provider>,
    pub(super) reply: Reply,
    pub(super) prompt_bytes: u64,
    pub(super) hides_usage: bool,
    /// How the answer is turned back, where the provider speaks another dialect.
    pub(super) translation: Option<Box<Translation>>,
}

/// A try that gave no answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// What it means.
    pub(super) judged: Judged,
    /// What the client gets where nobody else answers.
    pub(super) said: Said,
}

/// What came of a try that failed.
#[derive(Debug)]
pub(super) enum Said {
    /// The provider's own words.
    Reply(Box<Attempted>),
    /// Ours.
    Error(Box<GatewayError>),
}

impl Failure {
    pub(super) fn of(judged: Judged, error: impl Into<GatewayError>) -> Self {
        Self { judged, said: Said::Error(Box::new(error.into())) }
    }

    /// What the client is told in our words.
    pub(super) fn into_error(self) -> GatewayError {
        match self.said {
            Said::Error(error) => *error,
            Said::Reply(_) => GatewayError::new(FaultKind::Upstream, "the provider gave no answer"),
        }
    }

    /// Of a call that this target cannot take; another one may.
    pub(super) fn unfit(error: impl Into<GatewayError>) -> Self {
        Self::of((Outcome::Unfit, None), error)
    }

    /// Of a call that nobody can take now.
    fn ours(error: impl Into<GatewayError>) -> Self {
        Self::of((Outcome::Final, None), error)
    }
}

/// A call that is ready to go.
pub(super) struct Prepared {
    pub(super) key: OperationKey,
    pub(super) provider: Arc<Provider>,
    pub(super) dispatch: Dispatch,
    prompt_bytes: u64,
    hides_usage: bool,
    content_limit: Duration,
    translation: Option<Box<Translation>>,
    /// The operator's rules on the answer.
    rules: Option<ResponseRules>,
}

/// Lets the target's channel make its request.
///
/// # Errors
/// The target cannot take the call: it has no form there, a rule broke it, there is no credential.
pub(super) fn prepare(admitted: &mut Admitted, target: &Target, credential: Option<&Credential>) -> Result<Prepared, GatewayError> {
    let Admitted { call, permit } = admitted;
    let mut aimed = aim(call, target);
    let client = &call.call.call.inbound.headers;
    let fitting = Fitting::find(&target.provider.rules, &aimed, client);
    let translation = translate(call, &mut aimed)?;
    let mut headers = aimed.headers.take().unwrap_or_else(|| headers::towards_upstream(client));
    fitting.apply(&mut aimed.payload, &mut headers)?;
    if matches!(aimed.payload, Payload::Json(_)) {
        headers::say_json(&mut headers);
    }
    let timers = if call.streams { call.timers } else { Timers { head: call.timers.head * WHOLE, ..call.timers } };
    let profile = credential.map_or(&target.provider.profile, |credential| &credential.profile).clone();
    let via = Via { secret: credential.and_then(|credential| credential.secret.clone()), profile, timers };
    let (rules, prompt_bytes) = (fitting.response, call.prompt_bytes);
    seal(permit, aimed, headers, via, Ready { prompt_bytes, content_limit: timers.content, translation, rules })
}

/// What a prepared call carries besides its request.
struct Ready {
    prompt_bytes: u64,
    content_limit: Duration,
    translation: Option<Box<Translation>>,
    rules: Option<ResponseRules>,
}

fn seal(permit: &Permit, aimed: Aimed, headers: http::HeaderMap, via: Via, ready: Ready) -> Result<Prepared, GatewayError> {
    let Aimed { provider, model, key, method, path, query, payload, hides_usage, .. } = aimed;
    let draft = Draft { key, method, path, query, headers, payload, model };
    let dispatch = provider.channel.prepare(Order::seal(permit, draft, via))?;
    let Ready { prompt_bytes, content_limit, translation, rules } = ready;
    Ok(Prepared { key, provider, dispatch, prompt_bytes, hides_usage, content_limit, translation, rules })
}

/// Tries a call once, and holds its answer until that says something.
///
/// # Errors
/// The try gave no answer: what that means, and what the client gets where nobody else answers.
pub(super) async fn attempt(
    engine: &Engine,
    (admitted, target): (&mut Admitted, &Target),
    credential: Option<&Credential>,
    trail: &mut Trail,
) -> Result<Box<Attempted>, Failure> {
    let Prepared { key, provider, dispatch, prompt_bytes, hides_usage, content_limit, translation, rules } =
        prepare(admitted, target, credential).map_err(Failure::unfit)?;
    // In a box, since it is handed from room to room.
    let answered = |provider: Arc<Provider>, reply: Reply| {
        let reply = provider.channel.receive(key, reply);
        Box::new(Attempted { key, provider, reply, prompt_bytes, hides_usage, translation })
    };
    let mut attempted = match dispatch {
        Dispatch::Answer(reply) => {
            trail.note(Fact::Sent(engine.platform.clock.now()));
            note_begun(engine, trail).map_err(Failure::ours)?;
            trail.note(Fact::Headed(Duration::ZERO));
            answered(provider, *reply)
        }
        Dispatch::Send(request) => {
            let sent = engine.platform.clock.now();
            trail.note(Fact::Sent(sent));
            let wire = watched(engine, (&admitted.call, &request), (&provider, key, trail));
            let reply = send(engine, (request, wire), (&provider, trail)).await?;
            let mut attempted = answered(provider, reply);
            if !attempted.reply.status.is_success() {
                return Err(Box::pin(refused(engine, attempted)).await);
            }
            let shape = settle::shape(&attempted.reply.headers, key);
            let holds = (key, shape, admitted.call.on_block);
            match opened(&*engine.platform.clock, &mut attempted.reply, holds, (sent, content_limit)).await {
                Ok(()) => attempted,
                Err(Unopened::Fault(judged, fault)) => return Err(Failure::of(judged, broken_off(fault))),
                Err(Unopened::Failed(judged)) => {
                    headers::towards_client(&mut attempted.reply.headers);
                    return Err(Failure { judged, said: Said::Reply(attempted) });
                }
            }
        }
    };
    headers::towards_client(&mut attempted.reply.headers);
    if rules.is_some() {
        let shape = settle::shape(&attempted.reply.headers, key);
        attempted.reply = Box::pin(ruled(attempted.reply, rules, shape)).await.map_err(Failure::ours)?;
    }
    Ok(attempted)
}

/// A refusal, read whole, so that its connection can go on and its words can be judged.
async fn refused(engine: &Engine, mut attempted: Box<Attempted>) -> Failure {
    let body = std::mem::take(&mut attempted.reply.body).collect(REFUSAL).await.unwrap_or_default();
    let (status, family) = (attempted.reply.status, attempted.key.kind().family());
    let judged = judge::refusal(status, &attempted.reply.headers, &body, (family, engine.platform.clock.unix_ms()));
    if status.as_u16() == 401 {
        let error = no_entry(&attempted.provider.name);
        return Failure::of(judged, error);
    }
    headers::towards_client(&mut attempted.reply.headers);
    attempted.reply.body = Body::from(body);
    Failure { judged, said: Said::Reply(attempted) }
}

/// What a client hears of a provider that refused its credential: the provider's own text would tell about its key, and read as if
/// the client's were wrong.
pub(super) fn no_entry(provider: &str) -> GatewayError {
    GatewayError::new(FaultKind::Upstream, format!("provider {provider:?} refused the credential it was given"))
}

fn broken_off(fault: BodyFault) -> GatewayError {
    match fault {
        BodyFault::Timeout(what) => GatewayError::new(FaultKind::UpstreamTimeout, format!("the provider gave no {what} in time")),
        fault @ (BodyFault::Broken(_) | BodyFault::Stalled { .. } | BodyFault::TooLarge { .. }) => {
            GatewayError::new(FaultKind::Upstream, "the provider's answer broke off").because(fault)
        }
    }
}

/// Puts a call on record as begun with the target of now. From here on it ends in exactly one row.
pub(super) fn note_begun(engine: &Engine, trail: &mut Trail) -> Result<(), GatewayError> {
    if let Some(begun) = trail.begun() {
        engine.journal.append(&Entry::Begun(begun.clone()))?;
        trail.note(Fact::Begun(begun));
    }
    Ok(())
}

/// What the operator wants to see of a request: on record, or by the prompt-cache doctor.
fn watched(
    engine: &Engine,
    (call, request): (&Resolved, &UpstreamRequest),
    (provider, key, trail): (&Provider, OperationKey, &mut Trail),
) -> Option<Box<Wire>> {
    let snapshot = engine.snapshot.load();
    let settings = snapshot.settings();
    if settings.cache_doctor {
        diagnose::show(engine, (call, request), (provider, key, trail));
    }
    if settings.upstream == Capture::Off { None } else { Some(Box::new(Wire::begin(engine, request, settings.upstream))) }
}

async fn send(
    engine: &Engine,
    (request, mut wire): (Box<UpstreamRequest>, Option<Box<Wire>>),
    (provider, trail): (&Arc<Provider>, &mut Trail),
) -> Result<Reply, Failure> {
    // On record before it leaves: a kill in the midst of sending must not lose a call that the provider bills.
    note_begun(engine, trail).map_err(Failure::ours)?;
    let answer = engine.platform.transport.send(*request).await;
    if let Ok(reply) = &answer {
        trail.note(Fact::Headed(reply.connecting));
    }
    let outcome = if answer.as_ref().is_ok_and(|reply| reply.status.is_success()) { "success" } else { "failure" };
    engine.metrics.attempt(&provider.name, outcome);
    if let Some(wire) = wire.take() {
        wire.end(engine, trail, provider, &answer);
    }
    answer.map_err(|fault| Failure::of(judge::no_answer(&fault), fault))
}

/// The provider's side of a try, where the operator wants it on record.
struct Wire {
    at_ms: u64,
    begun: crate::runtime::Instant,
    method: String,
    url: String,
    request: Half,
    depth: Capture,
}

impl Wire {
    fn begin(engine: &Engine, request: &UpstreamRequest, depth: Capture) -> Self {
        let mut half = Half::new(depth, &request.headers);
        if let Body::Pieces(pieces) = &request.body {
            for piece in pieces {
                half.push(piece);
            }
        }
        // Neither a key in the query nor a password before the host must be on record.
        let url = without_userinfo(request.uri.to_string().split('?').next().unwrap_or_default());
        let clock = &engine.platform.clock;
        Self { at_ms: clock.unix_ms(), begun: clock.now(), method: request.method.to_string(), url, request: half, depth }
    }

    fn end(self, engine: &Engine, trail: &Trail, provider: &Provider, answer: &Result<Reply, TransportFault>) {
        let (status, head, body) = match answer {
            Ok(reply) => (Some(reply.status.as_u16()), Half::new(self.depth, &reply.headers).headers_json, None),
            Err(fault) => (None, "{}".to_owned(), Some(fault.to_string().into_bytes())),
        };
        let latency = engine.platform.clock.now().since(self.begun);
        let request_headers_json = self.request.headers_json.clone();
        trail.write(&Entry::Upstream(Arc::new(UpstreamRow {
            request_id: trail.request_id(),
            attempt: trail.attempts(),
            at: self.at_ms,
            provider_id: provider.id,
            credential_id: trail.credential(),
            method: self.method,
            url: self.url,
            request_headers_json,
            request_body: self.request.body(),
            status,
            response_headers_json: head,
            response_body: body,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        })));
    }
}
