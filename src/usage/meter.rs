//! The meter that an answer passes through.

use bytes::Bytes;

use super::{
    sieve::Sieve,
    tally::{Fate, Tally},
    whole::Whole,
};
use crate::{
    base::Usage,
    protocol::{
        OperationKey,
        frame::{Event, FrameFault, Framing, json_array, ndjson, sse},
    },
};

/// How an answer's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One body.
    Whole,
    /// Server-sent events.
    Sse,
    /// A JSON text a line.
    Ndjson,
    /// One JSON array in pieces: Gemini's stream without `alt=sse`.
    JsonArray,
}

/// What is wrong with an answer that nevertheless passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An event is too large to be checked; the rest of the stream passes unread.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// The provider says in its answer that it failed.
    #[error("the upstream reported an error in its answer")]
    Upstream,
}

/// What an answer used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    /// The buckets, where the provider told any.
    pub usage: Option<Usage>,
    /// Whether the answer came to its own end: a terminal event or finish reason was seen, or the body is whole.
    pub ended_well: bool,
    /// The model, as the upstream calls it.
    pub model: Option<String>,
    /// The service tier that the upstream says it used.
    pub service_tier: Option<String>,
    /// Events that were left out because they are not valid JSON.
    pub dropped_events: u32,
    /// Bytes of text that the client got, as JSON writes them; for estimates.
    pub relayed_text_bytes: u64,
    /// What is wrong, if anything is.
    pub fault: Option<Fault>,
}

/// Bytes that may go on to the client: one piece but where an event was cut out or put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    first: Bytes,
    more: Vec<Bytes>,
    /// The dialect's terminal event was among them.
    pub done: bool,
}

impl Passed {
    pub(super) fn one(piece: Bytes) -> Self {
        Self { first: piece, more: Vec::new(), done: false }
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.more.push(piece);
        }
    }

    /// Whether nothing passes now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// How many bytes pass.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() + self.more.iter().map(Bytes::len).sum::<usize>()
    }

    /// The pieces in their order; none of them is empty.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        [self.first].into_iter().filter(|first| !first.is_empty()).chain(self.more)
    }
}

#[derive(Debug)]
enum Flow {
    /// A body is kept and read at its end.
    Whole(Whole),
    /// A stream is read as it passes.
    Stream(Framing),
    /// A stream that cannot be read any further.
    Unread,
}

/// Reads usage from an answer as it passes.
///
/// Finished events are never held back. An unfinished one is, since it must be left out if it is not valid.
#[derive(Debug)]
pub struct Meter {
    tally: Tally,
    flow: Flow,
    sieve: Sieve,
    /// Something of a JSON array has passed, so that the next element needs its comma.
    passed_any: bool,
    ended: bool,
}

impl Meter {
    /// A meter for an answer to `key`, framed as `shape`.
    #[must_use]
    pub fn new(key: OperationKey, shape: Shape) -> Self {
        let flow = match shape {
            Shape::Whole => Flow::Whole(Whole::default()),
            Shape::Sse => Flow::Stream(Framing::Sse(sse::Splitter::default())),
            Shape::Ndjson => Flow::Stream(Framing::Ndjson(ndjson::Lines::default())),
            Shape::JsonArray => Flow::Stream(Framing::JsonArray(json_array::Elements::default())),
        };
        Self { tally: Tally::new(key, shape), flow, sieve: Sieve::default(), passed_any: false, ended: false }
    }

    /// Leaves out the Chat usage chunk, for a client that did not ask for it.
    #[must_use]
    pub fn hide_usage(mut self) -> Self {
        self.tally.hide_usage = true;
        self
    }

    /// Takes the next bytes of the answer and gives those that may go on.
    pub fn push(&mut self, chunk: Bytes) -> Passed {
        if chunk.is_empty() {
            return Passed::default();
        }
        let mut passed = match &mut self.flow {
            Flow::Whole(whole) => {
                whole.keep(chunk.clone());
                Passed::one(chunk)
            }
            Flow::Unread => Passed::one(chunk),
            Flow::Stream(framing) => {
                let boundary = framing.boundary();
                if framing.completes_line_end(&chunk) && boundary > 0 && self.sieve.cut_to() == boundary {
                    self.sieve.cut(boundary..boundary + 1);
                }
                let mut sink = Sink { tally: &mut self.tally, sieve: &mut self.sieve, passed_any: &mut self.passed_any };
                match framing.push(&chunk, &mut |event| sink.take(&event)) {
                    Ok(()) => self.sieve.pass(chunk, framing.boundary()),
                    Err(fault) => {
                        self.tally.fail(Fault::Frame(fault));
                        self.flow = Flow::Unread;
                        self.sieve.pass(chunk, u64::MAX)
                    }
                }
            }
        };
        passed.done = self.tally.take_done();
        passed
    }

    /// Reads one message of a WebSocket; tells whether it is the dialect's terminal event: of a session, that of an answer.
    pub fn message(&mut self, message: &[u8]) -> bool {
        // A message is not ours to leave out, so one that is no JSON passes unread.
        let _ = self.tally.hear(message);
        self.tally.take_done()
    }

    /// Tells that the upstream's bytes have ended, and gives those that may still go on: an event that lacks only its
    /// blank line. A caller that adds an event of its own behind it begins with one.
    pub fn end(&mut self) -> Passed {
        if std::mem::replace(&mut self.ended, true) {
            return Passed::default();
        }
        let mut passed = match &mut self.flow {
            Flow::Whole(whole) => {
                whole.read(&mut self.tally);
                Passed::default()
            }
            Flow::Unread => Passed::default(),
            Flow::Stream(framing) => {
                let mut sink = Sink { tally: &mut self.tally, sieve: &mut self.sieve, passed_any: &mut self.passed_any };
                framing.finish(&mut |event| sink.take(&event));
                self.sieve.pass(Bytes::new(), u64::MAX)
            }
        };
        passed.done = self.tally.take_done();
        passed
    }

    /// Whether the answer has come to its own end so far.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        self.tally.ended_well()
    }

    /// Whether nothing more is owed to the client, though the provider's connection may still be open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tally.is_over()
    }

    /// Whether a Chat stream came to its end without the `[DONE]` that its readers wait for.
    #[must_use]
    pub fn owes_done(&self) -> bool {
        self.tally.owes_done()
    }

    /// Everything that the answer told, also where it was broken off.
    pub fn finish(&mut self) -> Metered {
        let _ = self.end();
        self.tally.metered()
    }
}

struct Sink<'a> {
    tally: &'a mut Tally,
    sieve: &'a mut Sieve,
    passed_any: &'a mut bool,
}

impl Sink<'_> {
    fn take(&mut self, event: &Event<'_>) {
        match self.tally.judge(event.data) {
            Fate::Cut => self.sieve.cut(event.raw.clone()),
            Fate::Keep => {
                if !*self.passed_any && event.body > event.raw.start {
                    // The elements before it were left out, and the comma goes with them.
                    self.sieve.cut(event.raw.start..event.body);
                }
                *self.passed_any = true;
            }
        }
    }
}
