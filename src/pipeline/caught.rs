//! A panic while an answer passes costs that answer alone: its stream ends with the dialect's error event, any other body breaks
//! off. The bill settles itself as it is dropped, as where a client leaves.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    engine::Engine,
    settling::{Settling, next_number},
};
use crate::{
    base::RequestId,
    protocol::{
        OperationKind,
        fault::{Fault, FaultKind},
    },
    runtime::BodyFault,
    usage::Shape,
};

/// An answer on its way to the client that may panic without harm to others.
pub(super) struct Caught {
    /// Gone once it panicked.
    answer: Option<Settling>,
    told: Told,
    /// The last events that left, where ours would have to count on from them.
    last: Bytes,
}

/// What the client is told where the answer panics.
pub(super) struct Told {
    pub(super) engine: Engine,
    pub(super) request_id: RequestId,
    /// What the client speaks.
    pub(super) kind: OperationKind,
    /// How its answer is framed.
    pub(super) shape: Shape,
}

impl Caught {
    pub(super) fn new(answer: Settling, told: Told) -> Self {
        Self { answer: Some(answer), told, last: Bytes::new() }
    }

    /// What leaves in place of the rest.
    fn end(&mut self, panic: &(dyn Any + Send)) -> Result<Frame<Bytes>, BodyFault> {
        let Told { engine, request_id, kind, shape } = &self.told;
        engine.metrics.panics.inc();
        let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
        tracing::error!(%request_id, panic = words, "an answer panicked on its way; this is a bug of the gateway");
        self.answer = None;
        if *shape != Shape::Sse {
            return Err(BodyFault::Broken("the gateway failed on it".into()));
        }
        let (message, id) = ("the gateway failed on this answer; its operator finds why in the log", request_id.to_string());
        let fault = Fault { kind: FaultKind::Internal, message, field: None, request_id: &id };
        // The blank line ends an event that was cut.
        Ok(Frame::data(format!("\n\n{}", fault.event(*kind, next_number(&self.last))).into()))
    }
}

impl http_body::Body for Caught {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        let Some(answer) = &mut this.answer else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(answer).poll_frame(cx))) {
            Ok(polled) => {
                if let (OperationKind::OpenAiResponses, Poll::Ready(Some(Ok(frame)))) = (this.told.kind, &polled)
                    && let Some(data) = frame.data_ref()
                {
                    this.last = data.clone();
                }
                polled
            }
            Err(panic) => Poll::Ready(Some(this.end(&*panic))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.answer.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
