//! `OpenAI` Responses over a WebSocket: each `response.create` is one call, each event of its stream one message.
//!
//! Source: `OpenAI`'s guide to WebSocket mode; Codex dials this before it falls back to HTTP.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};

use crate::{
    pipeline::{Cues, Engine, Inbound, Memory, Outbound, execute},
    protocol::{
        Family,
        fault::{Fault, FaultKind},
        frame::sse::Splitter,
    },
    runtime::{Body, BodyFault, Message, Socket},
};

/// What each call of a session takes over from the handshake.
#[derive(Debug)]
pub(super) struct Template {
    uri: Uri,
    headers: HeaderMap,
    cues: Cues,
    peer: Option<IpAddr>,
}

impl Template {
    pub(super) fn of(inbound: &Inbound) -> Self {
        Self { uri: inbound.uri.clone(), headers: inbound.headers.clone(), cues: inbound.cues, peer: inbound.peer }
    }
}

/// One open socket.
#[derive(Debug)]
pub struct Session {
    template: Template,
    memory: Arc<Memory>,
}

impl Session {
    pub(super) fn new(template: Template) -> Self {
        Self { template, memory: Arc::default() }
    }

    pub(super) async fn run(self, engine: &Engine, mut socket: Box<dyn Socket>) {
        while let Some(message) = socket.receive().await {
            let served = match message {
                Ok(Message::Text(text) | Message::Binary(text)) => self.serve(engine, &mut *socket, &text).await,
                Ok(Message::Close(..)) | Err(_) => return,
            };
            if let Err(fault) = served {
                tracing::debug!(%fault, "a client's socket ended");
                return;
            }
        }
    }

    /// Serves one message.
    async fn serve(&self, engine: &Engine, socket: &mut dyn Socket, text: &[u8]) -> Result<(), BodyFault> {
        let body = match request_of(text) {
            Ok(body) => body,
            Err(message) => return send(socket, refusal(FaultKind::BadRequest, &message, None).to_string()).await,
        };
        let (request_id, at_ms) = engine.request_id();
        let inbound = Box::new(Inbound {
            request_id,
            arrived: engine.platform.clock.now(),
            at_ms,
            method: Method::POST,
            uri: self.template.uri.clone(),
            headers: self.template.headers.clone(),
            cues: self.template.cues,
            body: Body::from(body),
            peer: self.template.peer,
            memory: Some(Arc::clone(&self.memory)),
        });
        match execute(engine, inbound).await {
            Outbound::Refused(error, _) => {
                let mut event = refusal(error.kind, &error.public, error.field.as_deref());
                if let Some(span) = error.retry_after {
                    event["headers"] = json!({"retry-after": span.as_secs().to_string()});
                }
                send(socket, event.to_string()).await
            }
            Outbound::Answer(reply) if reply.status.is_success() => relay(socket, reply.body).await,
            Outbound::Answer(reply) => {
                let status = reply.status.as_u16();
                let body = reply.body.collect(1 << 20).await?;
                let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
                send(socket, json!({"type": "error", "status": status, "status_code": status, "error": body["error"]}).to_string()).await
            }
        }
    }
}

/// The body of the call that a message asks for.
fn request_of(text: &[u8]) -> Result<String, String> {
    let mut message: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| format!("a message must be a JSON object: {error}"))?;
    match message.remove("type") {
        Some(Value::String(kind)) if kind == "response.create" => {}
        Some(other) => return Err(format!("\"type\" is {other}; expected \"response.create\"")),
        None => return Err("\"type\" is missing; expected \"response.create\"".into()),
    }
    // Some clients wrap the request, as realtime clients do.
    if let Some(Value::Object(inner)) = message.remove("response") {
        message = inner;
    }
    message.insert("stream".into(), true.into());
    Ok(Value::Object(message).to_string())
}

/// Sends each event of a stream as a message of its own.
async fn relay(socket: &mut dyn Socket, mut body: Body) -> Result<(), BodyFault> {
    let mut splitter = Splitter::default();
    loop {
        let data = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_data(cx)).await;
        let mut events: Vec<Bytes> = Vec::new();
        let mut keep = |data: &[u8]| {
            if data != b"[DONE]" && !data.is_empty() {
                events.push(Bytes::copy_from_slice(data));
            }
        };
        let ended = data.is_none();
        match data {
            Some(data) => {
                let pushed = splitter.push(&data?, &mut |event| keep(event.data));
                pushed.map_err(|fault| BodyFault::Broken(fault.into()))?;
            }
            None => splitter.finish(&mut |event| keep(event.data)),
        }
        for event in events {
            socket.send(Message::Text(event)).await?;
        }
        if ended {
            return Ok(());
        }
    }
}

async fn send(socket: &mut dyn Socket, text: String) -> Result<(), BodyFault> {
    socket.send(Message::Text(text.into())).await
}

pub(super) fn refusal(kind: FaultKind, message: &str, field: Option<&str>) -> Value {
    let body = Fault { kind, message, field, request_id: "" }.body(Family::OpenAi);
    json!({"type": "error", "status": kind.status(), "status_code": kind.status(), "error": body["error"]})
}
