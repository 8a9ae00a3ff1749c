//! hyper's request body as ours.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::runtime::{Body, BodyFault, native::hushed};

/// A request body from the wire; an empty one costs nothing.
pub(super) fn incoming(body: Incoming) -> Body {
    if body.is_end_stream() { Body::Empty } else { Body::stream(Wire(body)) }
}

/// The same for a whole request, whose connection is polled through a `Gate`.
///
/// HTTP/1 polls an answer in the connection's own task, so that taking the last of its request need not wake it. HTTP/2 has
/// a task for each answer.
pub(super) fn arriving(request: Request<Incoming>) -> Request<Body> {
    let shares_task = request.version() <= Version::HTTP_11;
    request.map(|body| if shares_task && !body.is_end_stream() { Body::stream(AtHand(Wire(body))) } else { incoming(body) })
}

struct AtHand(Wire);

impl http_body::Body for AtHand {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let (polled, held) = hushed(|| Pin::new(&mut self.0).poll_frame(cx));
        // The connection is told that there is room again where something is left to read; else this turn has it all.
        if !self.0.is_end_stream() {
            held.deliver();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

struct Wire(Incoming);

impl http_body::Body for Wire {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyFault::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
