//! What is still to be settled of a call, and settling it: exactly once, whatever happens to the answer.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_LENGTH};

use super::{
    Outbound,
    attempt::Attempted,
    engine::{Engine, Place},
    error::GatewayError,
    trail::{Counted, Fact, Trail},
    translate::{Told, Translation},
};
use crate::{
    base::Usage,
    protocol::{Operation, OperationKey, fault::FaultKind},
    runtime::{Body, BodyFault, Reply},
    store::record::{Ended, Source},
    usage::{Meter, Metered, Shape, estimate},
};

/// The largest whole answer that is turned into another shape, in bytes.
const ANSWER: u64 = 256 << 20;

/// A call's bill: open until it is settled. One that is dropped open is settled as interrupted.
#[derive(Debug)]
pub(super) struct Bill(Option<Box<Open>>);

/// What is still to be settled.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) trail: Box<Trail>,
    pub(super) meter: Option<Box<Meter>>,
    prompt_bytes: u64,
    status: u16,
    streams: bool,
    pub(super) key: OperationKey,
    _place: Place,
}

impl Bill {
    /// Takes the call over from its attempt.
    pub(super) fn open(engine: &Engine, attempted: Attempted, shape: Shape, (mut trail, place): (Box<Trail>, Place)) -> (Self, Reply) {
        let Attempted { key, reply, prompt_bytes, hides_usage, translation: _, provider: _ } = attempted;
        trail.note(Fact::Head(reply.status.as_u16(), &reply.headers));
        let meter = (trail.is_open() && reply.status.is_success()).then(|| meter(key, shape, hides_usage));
        let streams = shape != Shape::Whole;
        if streams {
            engine.metrics.streams.inc();
        }
        let open = Open { trail, meter, prompt_bytes, status: reply.status.as_u16(), streams, key, _place: place };
        (Self(Some(Box::new(open))), reply)
    }

    /// The bill, to be carried elsewhere; this one counts as settled.
    pub(super) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// The provider of now has broken off, and somebody else is asked to go on: what it used is written down.
    pub(super) fn hand_over(&mut self) {
        if let Some(open) = self.as_mut() {
            open.hand_over();
        }
    }

    /// Somebody goes on: gives the answer, metered from here on.
    pub(super) fn go_on(&mut self, attempted: Attempted, shape: Shape) -> Option<Reply> {
        let open = self.as_mut()?;
        let Attempted { key, reply, prompt_bytes, hides_usage, translation: _, provider: _ } = attempted;
        open.meter = open.trail.is_open().then(|| meter(key, shape, hides_usage));
        open.key = key;
        open.prompt_bytes = prompt_bytes;
        Some(reply)
    }

    /// The bill, while it is open.
    pub(super) fn as_mut(&mut self) -> Option<&mut Open> {
        self.0.as_deref_mut()
    }

    /// Whether it was settled.
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_none()
    }

    /// Writes the call down as ended; what is settled stays so.
    pub(super) fn settle(&mut self, how: Ended) {
        if let Some(open) = self.0.take() {
            open.settle(how);
        }
    }

    /// Reads a whole answer.
    pub(super) async fn gather(&mut self, body: Body) -> Result<Bytes, GatewayError> {
        let whole = body.collect(ANSWER).await.map_err(broken)?;
        if let Some(open) = self.as_mut() {
            open.trail.note(Fact::Byte);
            if let Some(meter) = &mut open.meter {
                let _passed = meter.push(whole.clone());
                let _rest = meter.end();
            }
        }
        Ok(whole)
    }

    /// Reads a stream for a client that wants it in one piece.
    pub(super) async fn collect(&mut self, mut body: Body, translation: &Translation, shape: Shape) -> Result<Told, GatewayError> {
        let mut gathering = translation.gathering(shape);
        while let Some(data) = poll_fn(|cx| Pin::new(&mut body).poll_data(cx)).await {
            let data = data.map_err(broken)?;
            gathering.push(&data).map_err(|fault| broken(BodyFault::Broken(fault.into())))?;
            if let Some(open) = self.as_mut() {
                open.trail.note(Fact::Byte);
                if let Some(meter) = &mut open.meter {
                    let _passed = meter.push(data);
                }
            }
        }
        if let Some(meter) = self.as_mut().and_then(|open| open.meter.as_mut()) {
            let _rest = meter.end();
        }
        translation.gathered(gathering)
    }

    /// Settles a call whose whole answer is in hand, and gives the answer.
    pub(super) fn tell(mut self, told: Result<Told, GatewayError>, translation: &Translation, provider: &HeaderMap) -> Outbound {
        match told {
            Ok(told) => {
                let mut headers = translation.headers(provider, false, &told.losses);
                headers.insert(CONTENT_LENGTH, HeaderValue::from(told.body.len()));
                if let Some(open) = self.as_mut() {
                    open.trail.note(Fact::Losses(&told.losses));
                    open.note_head(told.status.as_u16(), &headers);
                    open.trail.keep(&told.body);
                }
                self.settle(Ended::Complete);
                Outbound::Answer(Reply::new(told.status, headers, Body::from(told.body)))
            }
            Err(error) => {
                if let Some(open) = self.as_mut() {
                    open.note_head(error.kind.status(), &HeaderMap::new());
                }
                self.settle(Ended::Failed);
                Outbound::Refused(Box::new(error), translation.family())
            }
        }
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            // The client has gone. Settling is work, and a drop may happen anywhere: it is done in a task of its own.
            let spawn = Arc::clone(&open.trail.engine().platform.spawn);
            spawn.spawn(Box::pin(async move { open.settle(Ended::Interrupted) }));
        }
    }
}

impl Open {
    /// What the client's answer begins with.
    pub(super) fn note_head(&mut self, status: u16, headers: &HeaderMap) {
        self.status = status;
        self.trail.note(Fact::Head(status, headers));
    }

    fn metered(&mut self) -> Option<Metered> {
        let metered = self.meter.take().map(|mut meter| meter.finish())?;
        self.trail.engine().metrics.dropped_events.inc_by(u64::from(metered.dropped_events));
        Some(metered)
    }

    fn hand_over(&mut self) {
        let metered = self.metered();
        let counted = self.count(metered.as_ref(), Ended::Rescued);
        self.trail.hand_over(self.status, &counted);
    }

    fn settle(mut self, how: Ended) {
        if self.streams {
            self.trail.engine().metrics.streams.dec();
        }
        let metered = self.metered();
        let ended = if self.status >= 400 { Ended::Failed } else { how };
        let counted = self.count(metered.as_ref(), ended);
        let row = self.trail.end(self.status, ended, &counted);
        self.trail.close(row, None);
    }

    /// What was used, and who says so.
    fn count<'m>(&self, metered: Option<&'m Metered>, ended: Ended) -> Counted<'m> {
        let Some(metered) = metered else { return Counted::nothing() };
        let (usage, source) = match (metered.usage, ended) {
            (Some(usage), Ended::Complete) => (usage, Source::Upstream),
            // Broken off before anything came: nothing was used that anybody could be asked to pay for.
            (None, Ended::Interrupted | Ended::Failed | Ended::Rescued) if !self.has_given(metered) => (Usage::default(), Source::None),
            (seen, _) => (estimate::fill(seen, self.prompt_bytes, metered.relayed_text_bytes), Source::Estimated),
        };
        Counted { usage, source, tier: metered.service_tier.as_deref() }
    }

    /// Whether the client got anything of worth: words, or of spoken answers any byte.
    fn has_given(&self, metered: &Metered) -> bool {
        metered.relayed_text_bytes > 0 || self.key.operation() == Operation::CreateSpeech && self.trail.has_begun()
    }
}

fn meter(key: OperationKey, shape: Shape, hides_usage: bool) -> Box<Meter> {
    let meter = Meter::new(key, shape);
    Box::new(if hides_usage { meter.hide_usage() } else { meter })
}

fn broken(fault: BodyFault) -> GatewayError {
    GatewayError::new(FaultKind::Upstream, "the provider's answer broke off").because(fault)
}
