//! The elements of one JSON array that arrives in pieces: how Google streams without `alt=sse`.
//!
//! An element's bytes include the comma before it, so that leaving one out leaves an array.

use memchr::memchr2;

use super::{Event, FrameFault, MAX_EVENT};

/// Splits an array into its elements.
#[derive(Debug)]
pub struct Elements {
    /// Offset in the stream of the first byte of the unfinished element (or of the comma before it).
    start: u64,
    partial: Vec<u8>,
    place: Place,
    /// Where the element itself begins, counted from `start`.
    lead: usize,
    cap: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the opening bracket.
    Head,
    /// Between elements, no comma seen.
    Gap,
    /// Behind a comma.
    Comma,
    /// In an element, in so many brackets.
    Element { depth: usize },
    /// In a string of an element.
    Text { depth: usize },
    /// In such a string, behind a backslash.
    Escape { depth: usize },
    /// In a number or a word that is an element.
    Scalar,
    /// Behind the closing bracket.
    Tail,
}

impl Default for Elements {
    fn default() -> Self {
        Self::with_cap(MAX_EVENT)
    }
}

impl Elements {
    /// Takes elements of up to `cap` bytes.
    #[must_use]
    pub fn with_cap(cap: usize) -> Self {
        Self { start: 0, partial: Vec::new(), place: Place::Head, lead: 0, cap }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`FrameFault::TooLarge`] where an element exceeds the cap.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameFault> {
        let mut at = 0;
        // Where, in this chunk, the bytes begin that are not finished with.
        let mut from = 0;
        while at < chunk.len() {
            let was = self.place;
            match was {
                Place::Head | Place::Gap | Place::Comma => self.between(chunk, &mut at, &mut from),
                Place::Tail => at = chunk.len(),
                Place::Element { .. } | Place::Text { .. } | Place::Escape { .. } | Place::Scalar => {
                    if self.inside(chunk, &mut at) {
                        self.give(&chunk[from..at], sink)?;
                        from = at;
                        self.place = Place::Gap;
                    }
                }
            }
        }
        if matches!(self.place, Place::Head | Place::Gap | Place::Tail) {
            self.start += (chunk.len() - from) as u64;
            return Ok(());
        }
        self.keep(&chunk[from..])
    }

    /// Gives the element that has no end.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(self.place, Place::Head | Place::Gap | Place::Comma | Place::Tail) {
            self.start += self.partial.len() as u64;
            self.partial.clear();
        } else {
            // Nothing is added, so the cap cannot be exceeded here.
            let _ = self.give(&[], sink);
        }
        self.place = Place::Tail;
    }

    /// The offset behind the last byte that belongs to no unfinished element.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        self.start
    }

    /// Takes one byte outside of elements.
    fn between(&mut self, chunk: &[u8], at: &mut usize, from: &mut usize) {
        let byte = chunk[*at];
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => *at += 1,
            // A byte order mark.
            0xef | 0xbb | 0xbf if self.place == Place::Head => *at += 1,
            b'[' if self.place == Place::Head => {
                *at += 1;
                self.place = Place::Gap;
            }
            b',' if self.place == Place::Gap => {
                self.release(*at, from);
                *at += 1;
                self.place = Place::Comma;
            }
            b']' if self.place != Place::Head => {
                *at += 1;
                self.flush(*at, from);
                self.place = Place::Tail;
            }
            _ => {
                if self.place != Place::Comma {
                    self.release(*at, from);
                }
                self.lead = self.partial.len() + (*at - *from);
                self.place = match byte {
                    b'{' | b'[' | b'"' => Place::Element { depth: 0 },
                    _ => Place::Scalar,
                };
                if self.place == Place::Scalar {
                    *at += 1;
                }
            }
        }
    }

    /// Moves through an element; true where it ends at `at`.
    fn inside(&mut self, chunk: &[u8], at: &mut usize) -> bool {
        match self.place {
            Place::Escape { depth } => {
                *at += 1;
                self.place = Place::Text { depth };
                false
            }
            Place::Text { depth } => {
                let Some(step) = memchr2(b'"', b'\\', &chunk[*at..]) else {
                    *at = chunk.len();
                    return false;
                };
                *at += step + 1;
                let closes = chunk[*at - 1] == b'"';
                self.place = if closes { Place::Element { depth } } else { Place::Escape { depth } };
                closes && depth == 0
            }
            Place::Element { depth } => self.brackets(chunk, at, depth),
            Place::Scalar => {
                let end = chunk[*at..].iter().position(|byte| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                *at = end.map_or(chunk.len(), |step| *at + step);
                end.is_some()
            }
            Place::Head | Place::Gap | Place::Comma | Place::Tail => false,
        }
    }

    fn brackets(&mut self, chunk: &[u8], at: &mut usize, mut depth: usize) -> bool {
        while let Some(byte) = chunk.get(*at) {
            *at += 1;
            match byte {
                b'"' => {
                    self.place = Place::Text { depth };
                    return false;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return true;
                    }
                }
                _ => {}
            }
        }
        self.place = Place::Element { depth };
        false
    }

    /// Finishes with everything up to `at`: white space and brackets between elements.
    fn release(&mut self, at: usize, from: &mut usize) {
        self.start += (at - *from) as u64;
        *from = at;
    }

    /// Finishes also with a comma that no element followed.
    fn flush(&mut self, at: usize, from: &mut usize) {
        self.start += self.partial.len() as u64;
        self.partial.clear();
        self.release(at, from);
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), FrameFault> {
        if self.partial.len() + bytes.len() > self.cap {
            return Err(FrameFault::TooLarge { limit: self.cap });
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn give(&mut self, last: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameFault> {
        let body = self.start + self.lead as u64;
        if self.partial.is_empty() {
            let raw = self.start..self.start + last.len() as u64;
            self.start = raw.end;
            sink(Event { name: &[], data: &last[self.lead..], raw, body });
            return Ok(());
        }
        self.keep(last)?;
        let raw = self.start..self.start + self.partial.len() as u64;
        self.start = raw.end;
        sink(Event { name: &[], data: &self.partial[self.lead..], raw, body });
        self.partial.clear();
        Ok(())
    }
}
