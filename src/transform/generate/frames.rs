//! The frames of a stream on their way out.

use crate::protocol::json::{ObjectWriter, object};

/// How the events of a stream are framed for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// Server-sent events.
    #[default]
    Sse,
    /// One JSON array that arrives in pieces: Google's streams without `alt=sse`.
    JsonArray,
    /// A JSON text a line.
    Ndjson,
}

/// Frames that wait to be sent.
#[derive(Debug, Default)]
pub(in crate::transform) struct Frames {
    out: Vec<u8>,
    wire: Wire,
    begun: bool,
    /// How much was taken last: about as much will come next.
    last: usize,
}

impl Frames {
    pub(in crate::transform) fn new(wire: Wire) -> Self {
        Self { wire, ..Self::default() }
    }

    /// One event. `name` is written in server-sent events only; an empty one is left out.
    pub(in crate::transform) fn event(&mut self, name: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.last + 256);
        }
        match self.wire {
            Wire::Sse => {
                if !name.is_empty() {
                    self.out.extend_from_slice(b"event: ");
                    self.out.extend_from_slice(name.as_bytes());
                    self.out.push(b'\n');
                }
                self.out.extend_from_slice(b"data: ");
                self.line(fill);
                self.out.extend_from_slice(b"\n\n");
            }
            Wire::JsonArray => {
                self.out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
                object(&mut self.out, fill);
            }
            Wire::Ndjson => {
                self.line(fill);
                self.out.push(b'\n');
            }
        }
        self.begun = true;
    }

    /// An object on one line: JSON that is carried as it stood may have line ends between its tokens, and only there.
    fn line(&mut self, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        let begin = self.out.len();
        object(&mut self.out, fill);
        let mut at = begin;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &self.out[at..]) {
            at += found;
            self.out[at] = b' ';
        }
    }

    /// Chat's `[DONE]`, in server-sent events only.
    pub(in crate::transform) fn done(&mut self) {
        if self.wire == Wire::Sse {
            self.out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }

    /// What keeps a silent connection open without meaning anything.
    pub(in crate::transform) fn keep_alive(&mut self) {
        match self.wire {
            Wire::Sse => self.out.extend_from_slice(b": keep-alive\n\n"),
            // White space may stand between the elements of an array, not before it has begun.
            Wire::JsonArray if self.begun => self.out.push(b'\n'),
            Wire::JsonArray | Wire::Ndjson => {}
        }
    }

    /// The end of the stream, whatever ended it.
    pub(in crate::transform) fn end(&mut self) {
        if self.wire == Wire::JsonArray {
            self.out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
    }

    /// Takes what waits.
    pub(in crate::transform) fn take(&mut self) -> Vec<u8> {
        self.last = self.out.len();
        std::mem::take(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, Wire};

    #[test]
    fn json_of_several_lines_is_sent_on_one() {
        for (wire, sent) in [(Wire::Sse, "data: {\"a\":{   \"b\": \"\\n\" }}\n\n"), (Wire::Ndjson, "{\"a\":{   \"b\": \"\\n\" }}\n")] {
            let mut frames = Frames::new(wire);
            frames.event("", |o| {
                o.json("a", "{\r\n \"b\": \"\\n\"\n}");
            });
            assert_eq!(String::from_utf8(frames.take()).unwrap(), sent);
        }
    }
}
