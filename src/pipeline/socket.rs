//! WebSockets. On `/v1/responses` each message walks the whole pipeline as a call of its own; a realtime session is
//! admitted once, relayed, metered as it runs, and settled when it closes.

use crate::runtime::Socket;

use super::{Engine, Inbound, Outbound, classify, error::GatewayError};
use crate::protocol::{Operation, fault::FaultKind};

mod responses;

/// A session that was admitted and waits for its socket.
#[derive(Debug)]
pub enum Session {
    /// OpenAI Responses, an event a message.
    Responses(Box<responses::Session>),
}

/// Admits a session.
///
/// # Errors
/// The refusal, to be written in place of the 101.
pub async fn open(engine: &Engine, inbound: Inbound) -> Result<Session, Outbound> {
    let family = super::family_of(inbound.uri.path(), &inbound.headers, inbound.uri.query());
    let refuse = |error: GatewayError| Outbound::Refused(Box::new(error), family);
    let template = responses::Template::of(&inbound);
    let classified = classify::classify(inbound).map_err(|(_, error)| refuse(error))?;
    match classified.row.key(true).operation() {
        Operation::StreamGenerateContent => {
            let snapshot = engine.snapshot.load();
            super::authenticate::authenticate(classified, snapshot.directory()).map_err(|(_, error)| refuse(error))?;
            Ok(Session::Responses(Box::new(responses::Session::new(template))))
        }
        _ => Err(refuse(GatewayError::new(FaultKind::Unsupported, "this path takes no WebSocket"))),
    }
}

impl Session {
    /// Serves the session to its end.
    pub async fn run(self, engine: &Engine, socket: Box<dyn Socket>) {
        match self {
            Self::Responses(session) => session.run(engine, socket).await,
        }
    }
}
