//! The answer on its way to the client, metered as it passes, and settled exactly once: before its last byte leaves.

use std::{
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
    store::record::{Begun, Ended, Source, UsageRow},
    usage::{Meter, Metered, Shape, estimate},
};

/// Wraps an answer's body so that passing it settles the call.
pub(super) fn settle(engine: &Engine, attempted: Attempted, mut trail: Trail, place: Place) -> Reply {
    let Attempted { key, mut reply, begun, prompt_bytes, hides_usage } = attempted;
    trail.note(Fact::Head(reply.status.as_u16(), &reply.headers));
    let shape = shape(&reply.headers, key);
    let succeeded = reply.status.is_success();
    let meter = (begun.is_some() && succeeded).then(|| Meter::new(key, shape, hides_usage));
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
    let bill = Bill { trail, meter, begun, prompt_bytes, status, streams, key, _place: place };
    let body = Settling { body: std::mem::take(&mut reply.body), bill: Some(Box::new(bill)), shape };
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
    trail: Trail,
    meter: Option<Meter>,
    begun: Option<Begun>,
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
        let metered = self.meter.take().map(Meter::finish);
        if let Some(metered) = &metered {
            self.trail.engine().metrics.dropped_events.inc_by(u64::from(metered.dropped_events));
        }
        let now = self.trail.engine().platform.clock.now();
        let row = self.begun.take().map(|begun| {
            let (first_byte_us, latency_us) = self.trail.spans(now);
            let (usage, source) = count(metered.as_ref(), self.prompt_bytes);
            let ended = if self.status >= 400 { Ended::Failed } else { how };
            UsageRow { begun, usage, source, ended, status: self.status, first_byte_us, latency_us }
        });
        self.trail.close(row, None);
    }
}

/// What was used, and who says so.
fn count(metered: Option<&Metered>, prompt_bytes: u64) -> (crate::base::Usage, Source) {
    match metered {
        None => (crate::base::Usage::default(), Source::None),
        Some(Metered { usage: Some(usage), .. }) => (*usage, Source::Upstream),
        Some(metered) => (estimate::estimate(prompt_bytes, metered.relayed_text_bytes), Source::Estimated),
    }
}

/// A body that settles its call.
struct Settling {
    body: Body,
    bill: Option<Box<Bill>>,
    shape: Shape,
}

impl Settling {
    fn end(&mut self, how: Ended) {
        if let Some(bill) = self.bill.take() {
            bill.settle(how);
        }
    }

    /// The upstream has ended: well, or without its terminal event.
    fn upstream_ended(&mut self) -> Option<Bytes> {
        let bill = self.bill.as_mut()?;
        let ended_well = bill.meter.as_mut().is_none_or(Meter::ended_well);
        let rest = bill.meter.as_mut().map(Meter::rest).filter(|rest| !rest.is_empty());
        if ended_well || self.shape != Shape::Sse {
            self.end(if ended_well { Ended::Complete } else { Ended::Interrupted });
            return rest;
        }
        let last_words = self.last_words("the provider ended the stream before its end");
        self.end(Ended::Interrupted);
        last_words
    }

    /// The dialect's own error event, for a stream that cannot go on.
    fn last_words(&self, message: &str) -> Option<Bytes> {
        let bill = self.bill.as_ref()?;
        let request_id = bill.trail.request_id().to_string();
        let fault = Fault { kind: FaultKind::Upstream, message, field: None, request_id: &request_id };
        (self.shape == Shape::Sse).then(|| Bytes::from(fault.event(bill.key.kind())))
    }

    /// Passes a piece through the meter.
    fn pass(&mut self, data: Bytes) -> Bytes {
        let at_end = http_body::Body::is_end_stream(&self.body);
        let Some(bill) = self.bill.as_mut() else { return data };
        let now = bill.trail.engine().platform.clock.now();
        bill.trail.note(Fact::FirstByte(now));
        let (mut out, done) = match bill.meter.as_mut() {
            None => (data, false),
            Some(meter) => {
                let passed = meter.push(data);
                (passed.bytes, passed.done)
            }
        };
        bill.trail.keep(&out);
        if done {
            self.end(Ended::Complete);
        } else if at_end && let Some(rest) = self.upstream_ended() {
            out = if out.is_empty() { rest } else { [out, rest].concat().into() };
        }
        out
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
            match ready!(Pin::new(&mut this.body).poll_data(cx)) {
                Some(Ok(data)) => {
                    let out = this.pass(data);
                    if !out.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(out))));
                    }
                }
                None => return Poll::Ready(this.upstream_ended().map(|rest| Ok(Frame::data(rest)))),
                Some(Err(fault)) => {
                    tracing::warn!(%fault, "an answer broke off");
                    let last_words = this.last_words("the provider's stream broke off");
                    this.end(Ended::Interrupted);
                    this.body = Body::Empty;
                    return Poll::Ready(Some(last_words.map_or(Err(fault), |event| Ok(Frame::data(event)))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Before it is settled, even an empty body has something left to do.
        self.bill.is_none() && http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        if self.shape == Shape::Whole { http_body::Body::size_hint(&self.body) } else { SizeHint::default() }
    }
}
