//! One try: choose a credential, seal the order, send it, take the head of the answer.

use std::sync::Arc;

use super::{
    authorize::Admitted,
    capture::Half,
    engine::Engine,
    error::GatewayError,
    headers,
    rules::{Fitting, ruled},
    settle,
    trail::{Fact, Trail},
    translate::{Translation, translate},
};
use crate::{
    channel::{Dispatch, Draft, Order, Payload, PrepareFault, Via},
    process::ResponseRules,
    protocol::{OperationKey, fault::FaultKind},
    runtime::{Reply, UpstreamRequest},
    snapshot::{Capture, Credential, Provider},
    store::record::{Begun, Entry, UpstreamRow},
};

/// A call whose answer has begun.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) key: OperationKey,
    pub(super) reply: Reply,
    pub(super) prompt_bytes: u64,
    pub(super) hides_usage: bool,
    /// How the answer is turned back, where the provider speaks another dialect.
    pub(super) translation: Option<Box<Translation>>,
}

/// A call that is ready to go.
pub(super) struct Prepared {
    pub(super) key: OperationKey,
    pub(super) provider: Arc<Provider>,
    pub(super) dispatch: Dispatch,
    pub(super) begun: Option<Begun>,
    pub(super) prompt_bytes: u64,
    hides_usage: bool,
    translation: Option<Box<Translation>>,
    /// The operator's rules on the answer.
    rules: Option<ResponseRules>,
}

/// Chooses a credential and lets the channel make its request.
pub(super) fn prepare(engine: &Engine, admitted: Admitted, trail: &mut Trail) -> Result<Prepared, GatewayError> {
    let Admitted { mut call, permit } = admitted;
    let provider = Arc::clone(&call.provider);
    let fitting = Fitting::find(&provider.rules, &call);
    let translation = translate(&mut call)?;
    let (key, prompt_bytes, hides_usage) = (call.target, call.prompt_bytes, call.hides_usage);
    let credential = choose(engine, &provider)?;
    trail.note(Fact::Credential(credential.map(|credential| credential.id)));
    let classified = call.call.call;
    let mut client_headers = classified.inbound.headers;
    headers::towards_upstream(&mut client_headers);
    fitting.apply(&mut call.payload, &mut client_headers)?;
    let rules = fitting.response;
    if matches!(call.payload, Payload::Json(_)) {
        headers::say_json(&mut client_headers);
    }
    let draft = Draft {
        key,
        method: classified.inbound.method,
        path: classified.path,
        query: classified.query,
        headers: client_headers,
        payload: call.payload,
        model: call.model,
    };
    let via =
        Via { secret: credential.and_then(|credential| credential.secret.clone()), profile: provider.profile.clone(), ..Via::default() };
    let begun = trail.begun();
    let dispatch = provider.channel.prepare(Order::seal(&permit, draft, via))?;
    Ok(Prepared { key, provider, dispatch, begun, prompt_bytes, hides_usage, translation, rules })
}

/// Tries a call once.
pub(super) async fn attempt(engine: &Engine, prepared: Prepared, trail: &mut Trail) -> Result<Attempted, GatewayError> {
    let Prepared { key, provider, dispatch, begun, prompt_bytes, hides_usage, translation, rules } = prepared;
    let reply = match dispatch {
        Dispatch::Answer(reply) => {
            note_begun(engine, begun, trail)?;
            trail.note(Fact::Sent(engine.platform.clock.now()));
            *reply
        }
        Dispatch::Send(request) => send(engine, request, begun, (&provider, trail)).await?,
    };
    let mut reply = provider.channel.receive(key, reply);
    if reply.status.as_u16() == 401 {
        // Its text would tell the client about the provider's key, and read as if the client's own were wrong.
        return Err(GatewayError::new(FaultKind::Upstream, format!("provider {:?} refused the credential it was given", provider.name)));
    }
    headers::towards_client(&mut reply.headers);
    if rules.is_some() {
        let shape = settle::shape(&reply.headers, key);
        reply = Box::pin(ruled(reply, rules, shape)).await?;
    }
    Ok(Attempted { key, reply, prompt_bytes, hides_usage, translation })
}

/// The provider's credentials take turns.
fn choose<'a>(engine: &Engine, provider: &'a Provider) -> Result<Option<&'a Credential>, GatewayError> {
    if provider.credentials.is_empty() {
        return if provider.channel.needs_credential() { Err(PrepareFault::NoCredential.into()) } else { Ok(None) };
    }
    Ok(provider.credentials.get(engine.turn() % provider.credentials.len()))
}

/// Puts a call on record as begun. From here on it ends in exactly one row.
pub(super) fn note_begun(engine: &Engine, begun: Option<Begun>, trail: &mut Trail) -> Result<(), GatewayError> {
    if let Some(begun) = begun {
        engine.journal.append(&Entry::Begun(begun.clone()))?;
        trail.note(Fact::Begun(begun));
    }
    Ok(())
}

async fn send(
    engine: &Engine,
    request: Box<UpstreamRequest>,
    begun: Option<Begun>,
    (provider, trail): (&Arc<Provider>, &mut Trail),
) -> Result<Reply, GatewayError> {
    let at = engine.platform.clock.now();
    trail.note(Fact::Sent(at));
    let mut wire = Wire::begin(engine, &request);
    // On record before it leaves: a kill in the midst of sending must not lose a call that the provider bills.
    note_begun(engine, begun, trail)?;
    let answer = engine.platform.transport.send(*request).await;
    let outcome = if answer.as_ref().is_ok_and(|reply| reply.status.is_success()) { "success" } else { "failure" };
    engine.metrics.attempt(&provider.name, outcome);
    if let Some(wire) = wire.take() {
        wire.end(engine, trail, provider, &answer);
    }
    Ok(answer?)
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
    fn begin(engine: &Engine, request: &UpstreamRequest) -> Option<Self> {
        let depth = engine.snapshot.load().settings().upstream;
        if depth == Capture::Off {
            return None;
        }
        let mut half = Half::new(depth, &request.headers);
        if let crate::runtime::Body::Pieces(pieces) = &request.body {
            for piece in pieces {
                half.push(piece);
            }
        }
        // A key in the query must not be on record.
        let url = request.uri.to_string().split('?').next().unwrap_or_default().to_owned();
        let clock = &engine.platform.clock;
        Some(Self { at_ms: clock.unix_ms(), begun: clock.now(), method: request.method.to_string(), url, request: half, depth })
    }

    fn end(self, engine: &Engine, trail: &Trail, provider: &Provider, answer: &Result<Reply, crate::runtime::TransportFault>) {
        let (status, head, body) = match answer {
            Ok(reply) => (Some(reply.status.as_u16()), Half::new(self.depth, &reply.headers).headers_json, None),
            Err(fault) => (None, "{}".to_owned(), Some(fault.to_string().into_bytes())),
        };
        let latency = engine.platform.clock.now().since(self.begun);
        let request_headers_json = self.request.headers_json.clone();
        trail.write(&Entry::Upstream(Arc::new(UpstreamRow {
            request_id: trail.request_id(),
            attempt: 1,
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
