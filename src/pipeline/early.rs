//! A head before its answer: a client that waits for a stream gets its head after a while, and hears that the line is open.
//!
//! Behind it the call goes on as before: whom it fails over to, the client never sees. Where nobody answers in the end,
//! the stream ends with its dialect's own error event.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::Frame;

use super::{Outbound, authorize::Admitted, engine::Engine, error::GatewayError};
use crate::{
    base::RequestId,
    protocol::{
        Operation, OperationKey, OperationKind,
        fault::{Fault, FaultKind},
    },
    runtime::{Body, BodyFault, BoxFuture, Reply},
    transform::fault::Problem,
};

/// How long a client waits for the head of its stream, and then for each sign that the line is open.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest refusal that is put into an event, in bytes.
const REFUSAL: u64 = 1 << 20;

/// Whose stream it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) key: OperationKey,
    pub(super) request_id: RequestId,
    /// Whether it comes as one JSON array.
    pub(super) is_array: bool,
}

impl Stream {
    /// The stream that a call wants; `None` where it wants none, or one of sound or pictures.
    pub(super) fn of(admitted: &Admitted) -> Option<Self> {
        let call = &admitted.call;
        let is_text = call.key.operation() == Operation::StreamGenerateContent;
        let classified = &call.call.call;
        let says_sse = classified.query.as_deref().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
        let is_array = call.key.kind() == OperationKind::GeminiGenerateContent && !says_sse;
        is_text.then_some(Self { key: call.key, request_id: classified.inbound.request_id, is_array })
    }

    fn headers(self) -> HeaderMap {
        let content_type = if self.is_array { "application/json" } else { "text/event-stream" };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        headers
    }

    /// What says that the line is open: a comment to readers of events, white space to those of JSON.
    fn sign(self) -> Bytes {
        match (self.is_array, self.key.kind()) {
            (true, _) => Bytes::from_static(b"\n"),
            (false, OperationKind::ClaudeMessages) => Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
            (false, _) => Bytes::from_static(b": keep-alive\n\n"),
        }
    }

    fn fault(self, kind: FaultKind, message: &str, field: Option<&str>) -> Bytes {
        let request_id = self.request_id.to_string();
        let fault = Fault { kind, message, field, request_id: &request_id };
        if self.is_array { format!("[{}]", fault.body(self.key.kind().family())).into() } else { fault.event(self.key.kind(), 0).into() }
    }
}

/// Waits for an answer as long as a client can wait for a head; then gives a head whose body waits for the rest.
pub(super) async fn patiently(engine: &Engine, answer: BoxFuture<'static, Outbound>, stream: Stream) -> Outbound {
    match select(answer, engine.platform.clock.sleep(PATIENCE)).await {
        Either::Left((outbound, _)) => outbound,
        Either::Right(((), answer)) => {
            let silence = engine.platform.clock.sleep(Duration::ZERO);
            let body = Late { engine: engine.clone(), stream, silence, state: State::Waiting(answer) };
            Outbound::Answer(Reply::new(StatusCode::OK, stream.headers(), Body::stream(body)))
        }
    }
}

/// A body whose answer has not begun.
struct Late {
    engine: Engine,
    stream: Stream,
    silence: BoxFuture<'static, ()>,
    state: State,
}

enum State {
    Waiting(BoxFuture<'static, Outbound>),
    /// A refusal that came as an answer is read, to be told as an event.
    Reading(BoxFuture<'static, Bytes>),
    Passing(Body),
    Over,
}

impl Late {
    /// What becomes of the answer.
    fn turn(&mut self, outbound: Outbound) -> State {
        let stream = self.stream;
        match outbound {
            Outbound::Answer(reply) if reply.status.is_success() => State::Passing(reply.body),
            Outbound::Answer(Reply { status, body, .. }) => State::Reading(Box::pin(async move {
                let body = body.collect(REFUSAL).await.unwrap_or_default();
                let problem = Problem::read(stream.key.kind().family(), status.as_u16(), &body);
                stream.fault(kind_of(status), &problem.message, problem.param.as_deref())
            })),
            Outbound::Refused(error, _) => {
                let GatewayError { kind, public, field, .. } = *error;
                State::Passing(Body::from(stream.fault(kind, &public, field.as_deref())))
            }
        }
    }

    fn poll_sign(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        ready!(self.silence.as_mut().poll(cx));
        self.silence = self.engine.platform.clock.sleep(PATIENCE);
        Poll::Ready(self.stream.sign())
    }
}

/// A provider's status in our own words.
fn kind_of(status: StatusCode) -> FaultKind {
    match status.as_u16() {
        401 | 403 => FaultKind::Forbidden,
        404 => FaultKind::ModelNotFound,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        503 | 529 => FaultKind::Overloaded,
        504 => FaultKind::UpstreamTimeout,
        400..=499 => FaultKind::BadRequest,
        _ => FaultKind::Upstream,
    }
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Waiting(answer) => match answer.as_mut().poll(cx) {
                    Poll::Ready(outbound) => this.state = this.turn(outbound),
                    Poll::Pending => return this.poll_sign(cx).map(|sign| Some(Ok(Frame::data(sign)))),
                },
                State::Reading(words) => {
                    let words = ready!(words.as_mut().poll(cx));
                    this.state = State::Passing(Body::from(words));
                }
                State::Passing(body) => {
                    let frame = ready!(Pin::new(body).poll_frame(cx));
                    if frame.is_none() {
                        this.state = State::Over;
                    }
                    return Poll::Ready(frame);
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}
