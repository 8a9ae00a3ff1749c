//! What every framing has in common: the event, the cap, and the choice of a framing at run time.

use std::ops::Range;

use super::{json_array, ndjson, sse};

/// The most bytes that one event may have: 32 MiB.
pub const MAX_EVENT: usize = 32 << 20;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The name that SSE gives it; empty where it has none.
    pub name: &'a [u8],
    /// Its content. Borrowed from the chunk where the event lies wholly in it.
    pub data: &'a [u8],
    /// Where its bytes lie in the stream, with the separator before it and the line ends behind it.
    pub raw: Range<u64>,
    /// Where its bytes begin behind the separator; differs from the beginning of `raw` in JSON arrays only.
    pub body: u64,
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// An event has more bytes than the cap.
    #[error("an event is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
}

/// A stream's framing.
#[derive(Debug)]
pub enum Framing {
    /// Server-sent events.
    Sse(sse::Splitter),
    /// A JSON text a line.
    Ndjson(ndjson::Lines),
    /// One JSON array that arrives in pieces.
    JsonArray(json_array::Elements),
}

impl Framing {
    /// Reads the next bytes of the stream.
    ///
    /// # Errors
    /// [`FrameFault`] where an event is larger than the cap; the framing is of no use afterwards.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameFault> {
        match self {
            Self::Sse(splitter) => splitter.push(chunk, sink),
            Self::Ndjson(lines) => lines.push(chunk, sink),
            Self::JsonArray(elements) => elements.push(chunk, sink),
        }
    }

    /// Gives the event that the stream's end left unfinished, if there is one, as far as it came.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        match self {
            Self::Sse(splitter) => splitter.finish(sink),
            Self::Ndjson(lines) => lines.finish(sink),
            Self::JsonArray(elements) => elements.finish(sink),
        }
    }

    /// The offset in the stream behind the last byte that belongs to no unfinished event.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        match self {
            Self::Sse(splitter) => splitter.boundary(),
            Self::Ndjson(lines) => lines.boundary(),
            Self::JsonArray(elements) => elements.boundary(),
        }
    }

    /// Whether `chunk` begins with a line feed that belongs to the event given last, whose carriage return came before.
    #[must_use]
    pub fn completes_line_end(&self, chunk: &[u8]) -> bool {
        match self {
            Self::Sse(splitter) => splitter.completes_line_end(chunk),
            Self::Ndjson(_) | Self::JsonArray(_) => false,
        }
    }
}
