//! A body that settles its call as it passes, and turns it into the client's shape where that is another one.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    bill::Bill,
    engine::Engine,
    kept::Watch,
    rescue::{Answered, Relay, Taken},
    trail::Fact,
    translate::{Converter, Translation},
};
use crate::{
    protocol::{
        OperationKind,
        fault::{Fault, FaultKind},
    },
    runtime::{Body, BodyFault, BoxFuture, Clock},
    store::record::Ended,
    transform::generate::Breach,
    usage::{Passed, Shape},
};

/// How long a client that waits for a whole answer as a stream hears nothing, before it is told that the line is open.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a provider may still hold an answer open that is complete.
const GRACE: Duration = Duration::from_secs(2);

/// What becomes of the provider's bytes.
#[derive(Debug)]
pub(super) enum Shaping {
    /// They pass.
    None,
    /// They are turned as they come.
    Convert(Converter),
    /// They are gathered, and turned into a stream at their end.
    Gather(Box<Gather>),
}

/// A whole answer on its way to a client that wants a stream.
pub(super) struct Gather {
    kept: Vec<u8>,
    translation: Box<Translation>,
    engine: Engine,
    silence: BoxFuture<'static, ()>,
}

impl std::fmt::Debug for Gather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

impl Gather {
    pub(super) fn new(translation: Box<Translation>, engine: &Engine) -> Self {
        let silence = engine.platform.clock.sleep(SILENCE);
        Self { kept: Vec::new(), translation, engine: engine.clone(), silence }
    }

    /// The client's stream.
    fn stream(&self) -> Bytes {
        match self.translation.whole(&self.kept) {
            Ok(told) => told.body,
            Err(error) => self.translation.last_words(&error.public),
        }
    }

    /// What keeps the line open, once it was silent for long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.silence.as_mut().poll(cx));
        self.silence = self.engine.platform.clock.sleep(SILENCE);
        // The next wait has to be known to the timer.
        cx.waker().wake_by_ref();
        Poll::Ready(self.translation.keep_alive())
    }
}

/// A body that settles its call.
#[derive(Debug)]
pub(super) struct Settling {
    body: Body,
    bill: Bill,
    shape: Shape,
    shaping: Shaping,
    /// What may leave at once.
    ready: VecDeque<Bytes>,
    ended: bool,
    /// Holds the end of an answer until it is kept.
    watch: Option<Box<Watch>>,
    /// Once the answer is complete: the time that its provider has to end it.
    grace: Option<Grace>,
    /// The last events that left, where ours would have to count on from them.
    last: Bytes,
    /// Who goes on where the provider breaks off.
    relay: Option<Box<Relay>>,
}

/// How long an answer that is complete is still waited for.
struct Grace {
    clock: Arc<dyn Clock>,
    alarm: Option<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Grace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grace").field("runs", &self.alarm.is_some()).finish_non_exhaustive()
    }
}

impl Grace {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.get_or_insert_with(|| self.clock.sleep(GRACE)).as_mut().poll(cx)
    }
}

impl Settling {
    pub(super) fn new(body: Body, bill: Bill, shape: Shape, shaping: Shaping) -> Self {
        Self { body, bill, shape, shaping, ready: VecDeque::new(), ended: false, watch: None, grace: None, last: Bytes::new(), relay: None }
    }

    /// Keeps the answer before its end leaves.
    pub(super) fn watched(self, watch: Option<Watch>) -> Self {
        Self { watch: watch.map(Box::new), ..self }
    }

    /// Lets somebody else go on where the provider breaks off.
    pub(super) fn relayed(self, relay: Relay) -> Self {
        Self { relay: Some(Box::new(relay)), ..self }
    }

    /// Lets what passed the meter leave.
    fn release(&mut self, passed: Passed) {
        for piece in passed.into_pieces() {
            self.leave(piece);
        }
    }

    /// Turns a piece, and lets it leave.
    fn leave(&mut self, piece: Bytes) {
        let piece = match &mut self.shaping {
            Shaping::None => piece,
            Shaping::Convert(_) if self.ended => return,
            Shaping::Convert(converter) => match converter.push(&piece) {
                Ok(turned) => turned.into(),
                Err(fault) => {
                    tracing::warn!(%fault, "an answer cannot be turned any further");
                    self.ended = self.relay.is_none();
                    converter.finish().into()
                }
            },
            Shaping::Gather(gather) => return gather.kept.extend_from_slice(&piece),
        };
        self.ready(piece);
    }

    fn ready(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if let Some(open) = self.bill.as_mut() {
            open.trail.keep(&piece);
            if open.key.kind() == OperationKind::OpenAiResponses && self.shape == Shape::Sse {
                self.last = piece.clone();
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.see(&piece);
        }
        self.ready.push_back(piece);
    }

    /// A piece came from the upstream.
    fn pass(&mut self, data: Bytes) {
        // Of a body of stated length nobody may ask for more than that: its last piece is its end.
        let at_end = http_body::Body::is_end_stream(&self.body) || http_body::Body::size_hint(&self.body).exact() == Some(0);
        let Some(open) = self.bill.as_mut() else { return self.leave(data) };
        open.trail.note(Fact::Byte);
        let Some(meter) = open.meter.as_mut() else {
            self.leave(data);
            return if at_end {
                self.upstream_ended(None);
            };
        };
        let passed = meter.push(data);
        let done = passed.done;
        // One JSON array is not over before its bracket.
        if self.grace.is_none() && matches!(self.shape, Shape::Sse | Shape::Ndjson) && meter.is_over() {
            self.grace = Some(Grace { clock: Arc::clone(&open.trail.engine().platform.clock), alarm: None });
        }
        self.release(passed);
        if self.relay.is_some() && self.breach().is_some() {
            self.broke();
        } else if done && matches!(self.shaping, Shaping::None) {
            self.bill.settle(Ended::Complete);
        } else if at_end {
            self.upstream_ended(None);
        } else if done && matches!(&self.shaping, Shaping::Convert(converter) if converter.is_over()) {
            // What the client got is complete; what the provider may still send is for nobody.
            self.finish_shape();
            self.bill.settle(Ended::Complete);
        }
    }

    /// The upstream has ended: well, or without its terminal event, or by a fault.
    fn upstream_ended(&mut self, fault: Option<&BodyFault>) {
        let (passed, ended_well, owes_done) = match self.bill.as_mut().map(|open| open.meter.as_mut()) {
            Some(Some(meter)) => {
                let passed = meter.end();
                (Some(passed), fault.is_none() && meter.ended_well(), meter.owes_done())
            }
            Some(None) | None => (None, fault.is_none(), false),
        };
        if let Some(passed) = passed {
            self.release(passed);
        }
        if let Some(open) = self.bill.as_mut().filter(|_| !ended_well && self.relay.is_none()) {
            open.trail.note(Fact::BrokeOff);
        }
        if matches!(self.shaping, Shaping::None) && self.shape == Shape::Sse {
            if !ended_well {
                self.last_words("the provider ended the stream before its end");
            } else if owes_done {
                self.ready(Bytes::from_static(b"data: [DONE]\n\n"));
            }
        }
        self.finish_shape();
        if self.relay.is_some() && self.breach().is_some() {
            return self.broke();
        }
        self.bill.settle(if ended_well { Ended::Complete } else { Ended::Interrupted });
    }

    /// Why the client is told nothing any more of the stream of now.
    fn breach(&self) -> Option<Breach> {
        match &self.shaping {
            Shaping::Convert(Converter::Generate(converter)) => converter.breach(),
            Shaping::None | Shaping::Convert(_) | Shaping::Gather(_) => None,
        }
    }

    /// The stream of now is told no further: somebody else is asked to go on with it, or it ends with an error.
    fn broke(&mut self) {
        self.body = Body::Empty;
        self.grace = None;
        let Shaping::Convert(Converter::Generate(converter)) = &mut self.shaping else { return };
        let Some(breach) = converter.breach() else { return };
        if let (Some(open), Breach::Cut) = (self.bill.as_mut(), breach) {
            open.trail.note(Fact::BrokeOff);
        }
        let relay = self.relay.take().filter(|_| converter.can_join());
        let words = converter.words().map(str::to_owned);
        self.relay = relay.and_then(|relay| relay.ask(breach, words, &mut self.bill)).map(Box::new);
        self.ended = self.relay.is_none();
        if self.ended {
            self.give_up();
        }
    }

    /// Nobody goes on.
    fn give_up(&mut self) {
        let Shaping::Convert(Converter::Generate(converter)) = &mut self.shaping else { return };
        let last = converter.give_up().into();
        if let Some(open) = self.bill.as_mut() {
            open.trail.note(Fact::Losses(converter.losses()));
        }
        self.ended = true;
        self.ready(last);
        self.bill.settle(Ended::Interrupted);
    }

    /// Somebody was asked to go on.
    fn answered(&mut self, Answered { rescue, bill, taken }: Answered) {
        self.bill = bill;
        self.relay = None;
        let (Some(Taken { body, shape, translation, how }), Shaping::Convert(Converter::Generate(converter))) = (taken, &mut self.shaping)
        else {
            return self.give_up();
        };
        translation.join(converter, shape, how);
        self.body = body;
        self.shape = shape;
        self.relay = Some(Box::new(Relay::Waiting(rescue)));
    }

    /// What keeps the line open while somebody is asked.
    fn keep_open(&mut self) {
        if let Shaping::Convert(Converter::Generate(converter)) = &mut self.shaping {
            let sign = converter.keep_alive();
            self.ready(sign.into());
        }
    }

    /// Lets the last of a turned answer leave.
    fn finish_shape(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let last = match &mut self.shaping {
            Shaping::None => return,
            Shaping::Convert(converter) => converter.finish().into(),
            Shaping::Gather(gather) => gather.stream(),
        };
        if let (Shaping::Convert(converter), Some(open)) = (&self.shaping, self.bill.as_mut()) {
            open.trail.note(Fact::Losses(converter.losses()));
        }
        self.ready(last);
    }

    /// The dialect's own error event, for a stream that cannot go on.
    fn last_words(&mut self, message: &str) {
        let Some(open) = self.bill.as_mut() else { return };
        let request_id = open.trail.request_id().to_string();
        let fault = Fault { kind: FaultKind::Upstream, message, field: None, request_id: &request_id };
        // The blank line ends an event that was cut.
        let event = format!("\n\n{}", fault.event(open.key.kind(), next_number(&self.last)));
        self.ready(event.into());
    }

    /// Whether somebody is being asked to go on.
    fn asks(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.asks())
    }

    /// Whether the client has all that it gets.
    fn is_over(&self) -> bool {
        self.bill.is_settled() && self.ended && !matches!(self.shaping, Shaping::None)
    }
}

/// The number of an event behind these, in a dialect that counts its events.
pub(super) fn next_number(last: &[u8]) -> u64 {
    let name = b"\"sequence_number\":";
    let digits = memchr::memmem::rfind(last, name).map_or(&[][..], |at| last[at + name.len()..].trim_ascii_start());
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok().and_then(|digits| digits.parse::<u64>().ok()).map_or(0, |number| number.saturating_add(1))
}

impl http_body::Body for Settling {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        loop {
            if let Some(watch) = &mut this.watch {
                std::task::ready!(watch.poll(cx));
            }
            if let Some(piece) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.is_over() {
                return Poll::Ready(None);
            }
            if let Some(relay) = this.relay.as_mut().filter(|relay| relay.asks()) {
                match std::task::ready!(relay.poll(cx)) {
                    Some(answered) => this.answered(answered),
                    None => this.keep_open(),
                }
                continue;
            }
            match Pin::new(&mut this.body).poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => this.pass(data),
                Poll::Ready(None) => {
                    this.upstream_ended(None);
                    if this.ready.is_empty() && !this.asks() {
                        return Poll::Ready(None);
                    }
                }
                Poll::Ready(Some(Err(fault))) => {
                    tracing::warn!(%fault, "an answer broke off");
                    this.upstream_ended(Some(&fault));
                    this.body = Body::Empty;
                    // A body of stated length, or one without events, can only be broken off in its turn.
                    if this.ready.is_empty() && !this.asks() {
                        return Poll::Ready(Some(Err(fault)));
                    }
                }
                Poll::Pending if this.grace.is_some() => {
                    // All that is owed has come: what its provider does with its connection is no matter of the client's.
                    std::task::ready!(this.grace.as_mut().map_or(Poll::Ready(()), |grace| grace.poll(cx)));
                    this.upstream_ended(None);
                    this.body = Body::Empty;
                }
                Poll::Pending => {
                    let Shaping::Gather(gather) = &mut this.shaping else { return Poll::Pending };
                    let piece = std::task::ready!(gather.poll_silence(cx));
                    this.ready(piece);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Before it is settled, even an empty body has something left to do.
        self.bill.is_settled() && !self.asks() && self.ready.is_empty() && http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        let passes = matches!((&self.shaping, self.shape), (Shaping::None, Shape::Whole));
        if passes { http_body::Body::size_hint(&self.body) } else { SizeHint::default() }
    }
}
