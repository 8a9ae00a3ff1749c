//! hyper's request body as ours.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::patience::{Patience, SILENCE};
use crate::runtime::{Body, BodyFault, Clock, native::hushed};

/// A request body from the wire; an empty one costs nothing.
pub(super) fn incoming(body: Incoming, clock: &Arc<dyn Clock>) -> Body {
    if body.is_end_stream() { Body::Empty } else { Body::stream(Wire { body, patience: Patience::new(clock) }) }
}

/// The same for a whole request, whose connection is polled through a `Gate`.
///
/// HTTP/1 polls an answer in the connection's own task, so that taking the last of its request need not wake it. HTTP/2 has
/// a task for each answer.
pub(super) fn arriving(request: Request<Incoming>, clock: &Arc<dyn Clock>) -> Request<Body> {
    let shares_task = request.version() <= Version::HTTP_11;
    request.map(|body| {
        if shares_task && !body.is_end_stream() {
            Body::stream(AtHand(Wire { body, patience: Patience::of_this_task(clock) }))
        } else {
            incoming(body, clock)
        }
    })
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

struct Wire {
    body: Incoming,
    patience: Patience,
}

impl http_body::Body for Wire {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return self.patience.poll(cx).map(|()| Some(Err(BodyFault::Stalled { span: SILENCE })));
        };
        self.patience.heard();
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyFault::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
