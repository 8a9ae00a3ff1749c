//! hyper's request body as ours.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::runtime::{Body, BodyFault};

/// A request body from the wire; an empty one costs nothing.
pub(super) fn incoming(body: Incoming) -> Body {
    if body.is_end_stream() { Body::Empty } else { Body::stream(Wire(body)) }
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
