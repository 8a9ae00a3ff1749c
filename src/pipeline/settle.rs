//! The answer on its way to the client, metered as it passes, and settled exactly once: before its last byte leaves.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_LENGTH, header::CONTENT_TYPE};
use http_body::{Frame, SizeHint};

use super::{
    attempt::Attempted,
    engine::{Engine, Place},
    trail::{Fact, Trail},
};
use crate::{
    protocol::{
        OperationKey,
        fault::{Fault, FaultKind},
    },
    runtime::{Body, BodyFault, Reply},
    store::record::{Ended, Source},
    usage::{Meter, Metered, Passed, Shape, estimate},
};

/// Wraps an answer's body so that passing it settles the call.
pub(super) fn settle(engine: &Engine, attempted: Attempted, mut trail: Box<Trail>, place: Place) -> Reply {
    let Attempted { key, mut reply, prompt_bytes, hides_usage } = attempted;
    trail.note(Fact::Head(reply.status.as_u16(), &reply.headers));
    let shape = shape(&reply.headers, key);
    let succeeded = reply.status.is_success();
    let meter = (trail.is_open() && succeeded).then(|| {
        let meter = Meter::new(key, shape);
        if hides_usage { meter.hide_usage() } else { meter }
    });
    let streams = shape != Shape::Whole;
    if streams {
        // What is cut out of a stream would make a stated length a lie.
        reply.headers.remove(CONTENT_LENGTH);
        engine.metrics.streams.inc();
    }
    if shape == Shape::Sse {
        // Proxies such as nginx would gather a stream into lumps.
        reply.headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
    }
    let status = reply.status.as_u16();
    let bill = Bill { trail, meter, prompt_bytes, status, streams, key, _place: place };
    let body = Settling { body: std::mem::take(&mut reply.body), bill: Some(Box::new(bill)), shape, ready: VecDeque::new() };
    Reply { body: Body::stream(body), ..reply }
}

/// How the answer's pieces are framed.
fn shape(headers: &HeaderMap, key: OperationKey) -> Shape {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if content_type.starts_with("text/event-stream") {
        Shape::Sse
    } else if content_type.starts_with("application/x-ndjson") {
        Shape::Ndjson
    } else if content_type.starts_with("application/json") && key.operation() == crate::protocol::Operation::StreamGenerateContent {
        Shape::JsonArray
    } else {
        Shape::Whole
    }
}

/// What is still to be settled.
struct Bill {
    trail: Box<Trail>,
    meter: Option<Meter>,
    prompt_bytes: u64,
    status: u16,
    streams: bool,
    key: OperationKey,
    _place: Place,
}

impl Bill {
    /// Writes the call down as ended.
    fn settle(mut self, how: Ended) {
        if self.streams {
            self.trail.engine().metrics.streams.dec();
        }
        let metered = self.meter.as_mut().map(Meter::finish);
        if let Some(metered) = &metered {
            self.trail.engine().metrics.dropped_events.inc_by(u64::from(metered.dropped_events));
        }
        let ended = if self.status >= 400 { Ended::Failed } else { how };
        let row = self.trail.end(self.status, ended, count(metered.as_ref(), self.prompt_bytes, ended));
        self.trail.close(row, None);
    }
}

/// What was used, and who says so.
fn count(metered: Option<&Metered>, prompt_bytes: u64, ended: Ended) -> (crate::base::Usage, Source) {
    let Some(metered) = metered else { return (crate::base::Usage::default(), Source::None) };
    match (metered.usage, ended) {
        (Some(usage), Ended::Complete) => (usage, Source::Upstream),
        // Broken off before anything came: nothing was used that anybody could be asked to pay for.
        (None, Ended::Interrupted | Ended::Failed) if metered.relayed_text_bytes == 0 => (crate::base::Usage::default(), Source::None),
        (seen, _) => (estimate::fill(seen, prompt_bytes, metered.relayed_text_bytes), Source::Estimated),
    }
}

/// A body that settles its call.
struct Settling {
    body: Body,
    bill: Option<Box<Bill>>,
    shape: Shape,
    /// What may leave at once.
    ready: VecDeque<Bytes>,
}

impl Settling {
    fn end(&mut self, how: Ended) {
        if let Some(bill) = self.bill.take() {
            bill.settle(how);
        }
    }

    /// Lets what passed the meter leave.
    fn release(&mut self, passed: Passed) {
        if let Some(bill) = &mut self.bill {
            for piece in passed.into_pieces() {
                bill.trail.keep(&piece);
                self.ready.push_back(piece);
            }
        } else {
            self.ready.extend(passed.into_pieces());
        }
    }

    /// A piece came from the upstream.
    fn pass(&mut self, data: Bytes) {
        let at_end = http_body::Body::is_end_stream(&self.body);
        let Some(bill) = self.bill.as_mut() else { return self.ready.push_back(data) };
        bill.trail.note(Fact::Byte);
        let Some(meter) = bill.meter.as_mut() else {
            bill.trail.keep(&data);
            self.ready.push_back(data);
            return if at_end {
                self.end(Ended::Complete);
            };
        };
        let passed = meter.push(data);
        let done = passed.done;
        self.release(passed);
        if done {
            self.end(Ended::Complete);
        } else if at_end {
            self.upstream_ended(None);
        }
    }

    /// The upstream has ended: well, or without its terminal event, or by a fault.
    fn upstream_ended(&mut self, fault: Option<&BodyFault>) {
        let Some(bill) = self.bill.as_mut() else { return };
        let Some(meter) = bill.meter.as_mut() else {
            return self.end(if fault.is_some() { Ended::Interrupted } else { Ended::Complete });
        };
        let passed = meter.end();
        let ended_well = fault.is_none() && meter.ended_well();
        self.release(passed);
        if !ended_well && self.shape == Shape::Sse {
            self.last_words("the provider ended the stream before its end");
        }
        self.end(if ended_well { Ended::Complete } else { Ended::Interrupted });
    }

    /// The dialect's own error event, for a stream that cannot go on.
    fn last_words(&mut self, message: &str) {
        let Some(bill) = self.bill.as_ref() else { return };
        let request_id = bill.trail.request_id().to_string();
        let fault = Fault { kind: FaultKind::Upstream, message, field: None, request_id: &request_id };
        // The blank line ends an event that was cut.
        self.ready.push_back(Bytes::from(format!("\n\n{}", fault.event(bill.key.kind()))));
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(bill) = self.bill.take() {
            // The client has gone. Settling is work, and a drop may happen anywhere: it is done in a task of its own.
            let spawn = std::sync::Arc::clone(&bill.trail.engine().platform.spawn);
            spawn.spawn(Box::pin(async move { bill.settle(Ended::Interrupted) }));
        }
    }
}

impl http_body::Body for Settling {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut this.body).poll_data(cx)) {
                Some(Ok(data)) => this.pass(data),
                None => {
                    this.upstream_ended(None);
                    if this.ready.is_empty() {
                        return Poll::Ready(None);
                    }
                }
                Some(Err(fault)) => {
                    tracing::warn!(%fault, "an answer broke off");
                    this.upstream_ended(Some(&fault));
                    this.body = Body::Empty;
                    // A body of stated length, or one without events, can only be broken off in its turn.
                    if this.ready.is_empty() {
                        return Poll::Ready(Some(Err(fault)));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Before it is settled, even an empty body has something left to do.
        self.bill.is_none() && self.ready.is_empty() && http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        if self.shape == Shape::Whole { http_body::Body::size_hint(&self.body) } else { SizeHint::default() }
    }
}
