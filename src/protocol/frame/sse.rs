//! Server-sent events out of bytes in any pieces.
//!
//! Line ends are LF, CRLF or CR; data over several lines is joined; comments and unknown fields pass unseen. An event
//! is given as soon as its blank line is there. What is unfinished is copied aside, everything else is borrowed.

use memchr::memchr2;

use super::{Event, FrameFault, MAX_EVENT};

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// Splits a stream into its events.
#[derive(Debug)]
pub struct Splitter {
    /// Offset in the stream of the first byte of what is unfinished.
    start: u64,
    /// The unfinished event's bytes.
    partial: Vec<u8>,
    /// Data of an event that has several data lines.
    joined: Vec<u8>,
    /// The last unit ended with a carriage return at the very end of its chunk.
    after_cr: bool,
    /// How much of a byte order mark has been seen; 3 when that question is settled.
    bom: usize,
    cap: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::with_cap(MAX_EVENT)
    }
}

/// What stands at the beginning of some bytes.
enum Unit<'a> {
    /// An event of `len` bytes.
    Event { name: &'a [u8], data: Data<'a>, len: usize },
    /// A comment, a blank line, or an event without data, of so many bytes.
    Nothing(usize),
    /// Not enough to tell.
    Partial,
}

enum Data<'a> {
    Line(&'a [u8]),
    Joined,
}

impl Splitter {
    /// A splitter that takes events of up to `cap` bytes.
    #[must_use]
    pub fn with_cap(cap: usize) -> Self {
        Self { start: 0, partial: Vec::new(), joined: Vec::new(), after_cr: false, bom: 0, cap }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`FrameFault::TooLarge`] where an event exceeds the cap.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameFault> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut at = 0;
        if self.completes_line_end(chunk) {
            at = 1;
            self.start += 1;
        }
        self.after_cr = false;
        let Some(mut at) = self.skip_bom(chunk, at) else { return Ok(()) };
        if !self.partial.is_empty() {
            let Some(len) = seam(&self.partial, &chunk[at..]) else { return self.keep(&chunk[at..]) };
            self.keep(&chunk[at..at + len])?;
            at += len;
            let mut unit = std::mem::take(&mut self.partial);
            self.units(&unit, sink);
            unit.clear();
            self.partial = unit;
        }
        at += self.units(&chunk[at..], sink);
        self.after_cr = at == chunk.len() && chunk[at - 1] == b'\r';
        self.keep(&chunk[at..])
    }

    /// Gives the event that the end of the stream left without its blank line.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if self.bom < BOM.len() {
            self.partial.extend_from_slice(&BOM[..self.bom]);
            self.bom = BOM.len();
        }
        let mut unit = std::mem::take(&mut self.partial);
        let end = self.start + unit.len() as u64;
        unit.extend_from_slice(b"\n\n");
        self.units(&unit, &mut |event: Event<'_>| sink(Event { raw: event.raw.start..end, ..event }));
        self.start = end;
    }

    /// The offset behind the last byte that belongs to no unfinished event.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        self.start
    }

    /// Whether `chunk` begins with the second half of a line end whose first half ended the last unit.
    #[must_use]
    pub fn completes_line_end(&self, chunk: &[u8]) -> bool {
        self.after_cr && chunk.first() == Some(&b'\n')
    }

    /// Steps over a byte order mark at the stream's beginning; `None` while it is not known whether there is one.
    fn skip_bom(&mut self, chunk: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        while self.bom < BOM.len() {
            match chunk.get(at) {
                None => return None,
                Some(byte) if *byte == BOM[self.bom] => {
                    self.bom += 1;
                    at += 1;
                    if self.bom == BOM.len() {
                        self.start = BOM.len() as u64;
                    }
                }
                Some(_) => {
                    // It only looked like one: what earlier chunks brought of it is the stream's beginning.
                    let earlier = self.bom - (at - from);
                    self.partial.extend_from_slice(&BOM[..earlier]);
                    self.bom = BOM.len();
                    return Some(from);
                }
            }
        }
        Some(at)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), FrameFault> {
        if self.partial.len() + bytes.len() > self.cap {
            return Err(FrameFault::TooLarge { limit: self.cap });
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Gives the events of `text` and tells how many bytes are finished with.
    fn units(&mut self, text: &[u8], sink: &mut impl FnMut(Event<'_>)) -> usize {
        let mut at = 0;
        loop {
            match unit(&text[at..], &mut self.joined) {
                Unit::Partial => return at,
                Unit::Nothing(len) => {
                    at += len;
                    self.start += len as u64;
                }
                Unit::Event { name, data, len } => {
                    let raw = self.start..self.start + len as u64;
                    at += len;
                    self.start = raw.end;
                    let data = match data {
                        Data::Line(line) => line,
                        Data::Joined => &self.joined,
                    };
                    sink(Event { name, data, body: raw.start, raw });
                }
            }
        }
    }
}

/// Reads one unit.
fn unit<'a>(text: &'a [u8], joined: &mut Vec<u8>) -> Unit<'a> {
    let mut at = 0;
    let mut name: &[u8] = &[];
    let mut first: Option<&[u8]> = None;
    let mut lines = 0;
    while let Some(len) = memchr2(b'\n', b'\r', &text[at..]) {
        let line = &text[at..at + len];
        let next = behind(text, at + len);
        match line.first() {
            None => return done(name, first, lines > 1, next),
            Some(b':') if at == 0 => return Unit::Nothing(next),
            Some(_) => {}
        }
        if let Some(value) = value(line, b"data") {
            lines += 1;
            match first {
                None => first = Some(value),
                Some(one) => {
                    if lines == 2 {
                        joined.clear();
                        joined.extend_from_slice(one);
                    }
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
            }
        } else if let Some(value) = value(line, b"event") {
            name = value;
        }
        at = next;
    }
    Unit::Partial
}

fn done<'a>(name: &'a [u8], first: Option<&'a [u8]>, many: bool, len: usize) -> Unit<'a> {
    match first {
        // The standard does not dispatch an event whose data is empty.
        None => Unit::Nothing(len),
        Some([]) if !many => Unit::Nothing(len),
        Some(line) => Unit::Event { name, data: if many { Data::Joined } else { Data::Line(line) }, len },
    }
}

/// The place behind the line end that stands at `end`.
fn behind(text: &[u8], end: usize) -> usize {
    if text[end] == b'\r' && text.get(end + 1) == Some(&b'\n') { end + 2 } else { end + 1 }
}

/// The value of a line, if its field is `field`.
fn value<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(field)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// How many bytes of `chunk` complete the unit that `partial` begins. Never looks at `partial` again, so that tiny
/// chunks cost no more than large ones.
fn seam(partial: &[u8], chunk: &[u8]) -> Option<usize> {
    let comment = partial.first() == Some(&b':');
    let mut at = usize::from(partial.last() == Some(&b'\r') && chunk.first() == Some(&b'\n'));
    let mut line_begins = matches!(partial.last(), Some(b'\n' | b'\r'));
    loop {
        let len = memchr2(b'\n', b'\r', &chunk[at..])?;
        let next = behind(chunk, at + len);
        if comment || (line_begins && len == 0) {
            return Some(next);
        }
        line_begins = true;
        at = next;
    }
}
