//! How an answer leaves: whole, or event by event, at the asked pace. And what a refusal looks like in each family.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use serde_json::{Value, json};

use super::{Settings, script::Seed};
use crate::{
    protocol::Family,
    runtime::{Body, BodyFault, BoxFuture, Clock, Reply},
};

/// What is answered.
pub(super) struct Answer {
    status: StatusCode,
    kind: &'static str,
    pieces: Pieces,
}

enum Pieces {
    Whole(Bytes),
    Events(Vec<Bytes>),
    /// The request's body has not arrived yet.
    Later(BoxFuture<'static, Result<Bytes, BodyFault>>),
}

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The member at fault.
    pub(super) field: Option<String>,
    pub(super) message: String,
    /// `OpenAI`'s code, where it has one.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    /// A member is not what it must be.
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, field: Some(field.into()), message: message.into(), code: None }
    }

    /// A member is missing.
    pub(super) fn required(field: &str) -> Self {
        Self::field(field, "field required")
    }

    /// Nothing has this name.
    pub(super) fn unknown(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, field: None, message, code: None }
    }

    /// It is not done here.
    pub(super) fn status(status: StatusCode, message: &str) -> Self {
        Self { status, field: None, message: message.into(), code: None }
    }
}

impl Answer {
    /// A JSON document.
    pub(super) fn json(value: &Value) -> Self {
        Self::bytes("application/json", value.to_string())
    }

    /// Bytes of some type.
    pub(super) fn bytes(kind: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, kind, pieces: Pieces::Whole(bytes.into()) }
    }

    /// Server-sent events.
    pub(super) fn events(events: Vec<Bytes>) -> Self {
        Self { status: StatusCode::OK, kind: "text/event-stream", pieces: Pieces::Events(events) }
    }

    /// One JSON array, an element at a time.
    pub(super) fn array(elements: &[Value]) -> Self {
        let last = elements.len().saturating_sub(1);
        let pieces = elements.iter().enumerate().map(|(at, element)| {
            let (before, after) = (if at == 0 { "[" } else { ",\r\n" }, if at == last { "]" } else { "" });
            Bytes::from(format!("{before}{element}{after}"))
        });
        Self { status: StatusCode::OK, kind: "application/json", pieces: Pieces::Events(pieces.collect()) }
    }

    /// A JSON document that waits for the request's body.
    pub(super) fn later(make: BoxFuture<'static, Result<Bytes, BodyFault>>) -> Self {
        Self { status: StatusCode::OK, kind: "application/json", pieces: Pieces::Later(make) }
    }

    /// The body's bytes, where they are at hand.
    pub(super) fn whole(&self) -> Bytes {
        match &self.pieces {
            Pieces::Whole(bytes) => bytes.clone(),
            Pieces::Events(events) => events.concat().into(),
            Pieces::Later(_) => Bytes::new(),
        }
    }

    /// The reply, at a pace.
    pub(super) fn paced(self, pace: Settings, clock: &Arc<dyn Clock>) -> Reply {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(self.kind))]);
        headers.insert(HeaderName::from_static("x-demo"), HeaderValue::from_static("1"));
        let first = Duration::from_millis(pace.delay_ms);
        let body = match self.pieces {
            Pieces::Whole(bytes) if first.is_zero() => Body::from(bytes),
            Pieces::Whole(bytes) => Body::stream(Paced::new(vec![bytes], first, first, clock)),
            Pieces::Events(events) => Body::stream(Paced::new(events, first, Duration::from_millis(pace.event_delay_ms), clock)),
            Pieces::Later(make) => Body::stream(Later(Some(make))),
        };
        Reply::new(self.status, headers, body)
    }
}

/// A refusal in the shape of a family.
pub(super) fn refused(family: Family, refusal: &Refusal) -> Answer {
    let (status, message) = (refusal.status, &refusal.message);
    let named = refusal.field.as_ref().map_or_else(|| message.clone(), |field| format!("{field}: {message}"));
    let body = match family {
        Family::OpenAi => {
            let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
            json!({"error": {"message": named, "type": kind, "param": refusal.field, "code": refusal.code}})
        }
        Family::Claude => {
            let kind = match status {
                StatusCode::NOT_FOUND => "not_found_error",
                status if status.is_server_error() => "api_error",
                _ => "invalid_request_error",
            };
            let id = Seed::of(&[named.as_bytes()]).id("req_");
            json!({"type": "error", "error": {"type": kind, "message": named}, "request_id": id})
        }
        Family::Gemini => {
            let kind = match status {
                StatusCode::NOT_FOUND => "NOT_FOUND",
                StatusCode::NOT_IMPLEMENTED => "UNIMPLEMENTED",
                _ => "INVALID_ARGUMENT",
            };
            json!({"error": {"code": status.as_u16(), "message": named, "status": kind}})
        }
    };
    Answer { status, ..Answer::json(&body) }
}

/// A server-sent event; the dialects that name their events name them in the data too.
pub(super) fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// A server-sent event under the name that its data has.
pub(super) fn named_event(data: &Value) -> Bytes {
    Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("message")))
}

/// Pieces that leave one by one.
struct Paced {
    pieces: VecDeque<Bytes>,
    /// What the next piece waits for.
    wait: Option<BoxFuture<'static, ()>>,
    between: Duration,
    clock: Arc<dyn Clock>,
}

impl Paced {
    fn new(pieces: Vec<Bytes>, first: Duration, between: Duration, clock: &Arc<dyn Clock>) -> Self {
        let wait = (!first.is_zero()).then(|| clock.sleep(first));
        Self { pieces: pieces.into(), wait, between, clock: Arc::clone(clock) }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(cx));
            this.wait = None;
        }
        let piece = this.pieces.pop_front();
        if !this.between.is_zero() && !this.pieces.is_empty() {
            this.wait = Some(this.clock.sleep(this.between));
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// One piece that is made when it can be.
struct Later(Option<BoxFuture<'static, Result<Bytes, BodyFault>>>);

impl http_body::Body for Later {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(make) = &mut self.0 else { return Poll::Ready(None) };
        let made = ready!(make.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(made.map(Frame::data)))
    }
}
