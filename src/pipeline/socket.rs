//! WebSockets. On `/v1/responses` each message walks the whole pipeline as a call of its own; a realtime session is
//! admitted once, relayed, metered as it runs, and settled when it closes.

use super::{Engine, Inbound, Outbound, authenticate, authorize, classify, error::GatewayError, resolve, trail::Trail};
use crate::{
    protocol::{Operation, fault::FaultKind},
    runtime::Socket,
};

mod realtime;
mod responses;

/// A session that was admitted and waits for its socket.
#[derive(Debug)]
pub enum Session {
    /// `OpenAI` Responses, an event a message.
    Responses(Box<responses::Session>),
    /// A voice session, relayed.
    Realtime(Box<realtime::Session>),
}

/// Admits a session.
///
/// # Errors
/// The refusal, to be written in place of the 101.
#[expect(clippy::result_large_err, reason = "a refusal is rare, and as large as the answer that it stands for")]
pub async fn open(engine: &Engine, inbound: Box<Inbound>) -> Result<Session, Outbound> {
    let family = super::family_of(inbound.uri.path(), &inbound.headers, inbound.uri.query());
    let snapshot = engine.snapshot.load();
    let template = responses::Template::of(&inbound);
    let mut trail = Box::new(Trail::begin(engine, &inbound, &snapshot));
    let refuse = |trail: Box<Trail>, error: GatewayError| Err(trail.refuse(error, family));
    let classified = match classify::classify(inbound) {
        Ok(classified) => classified,
        Err((_, _, error)) => return refuse(trail, error),
    };
    trail.note(super::Fact::Row(classified.row));
    let operation = classified.row.key(true).operation();
    let authenticated = match authenticate::authenticate(classified, snapshot.directory()) {
        Ok(authenticated) => authenticated,
        Err((_, error)) => return refuse(trail, error),
    };
    trail.note(super::Fact::Caller(&authenticated.caller));
    match operation {
        Operation::StreamGenerateContent => Ok(Session::Responses(Box::new(responses::Session::new(template)))),
        Operation::ConnectRealtime => {
            let resolved = match resolve::resolve(authenticated, &snapshot, engine.limits.body).await {
                Ok(resolved) => resolved,
                Err((_, error)) => return refuse(trail, error),
            };
            trail.note(super::Fact::Asked(&resolved));
            let admitted = match authorize::authorize(resolved) {
                Ok(admitted) => admitted,
                Err((_, error)) => return refuse(trail, error),
            };
            match realtime::dial(engine, admitted, &mut trail).await {
                Ok(dialled) => Ok(Session::Realtime(Box::new(realtime::Session::new(dialled, trail)))),
                Err(error) => refuse(trail, error),
            }
        }
        _ => refuse(trail, GatewayError::new(FaultKind::Unsupported, "this path takes no WebSocket")),
    }
}

impl Session {
    /// Serves the session to its end.
    pub async fn run(self, engine: &Engine, socket: Box<dyn Socket>) {
        match self {
            Self::Responses(session) => session.run(engine, socket).await,
            Self::Realtime(session) => session.run(engine, socket).await,
        }
    }
}
