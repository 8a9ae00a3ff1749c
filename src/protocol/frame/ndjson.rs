//! A JSON text a line, out of bytes in any pieces. Blank lines pass unseen.

use memchr::memchr;

use super::{Event, FrameFault, MAX_EVENT};

/// Splits a stream into its lines.
#[derive(Debug)]
pub struct Lines {
    /// Offset in the stream of the first byte of the unfinished line.
    start: u64,
    partial: Vec<u8>,
    cap: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_cap(MAX_EVENT)
    }
}

impl Lines {
    /// Takes lines of up to `cap` bytes.
    #[must_use]
    pub fn with_cap(cap: usize) -> Self {
        Self { start: 0, partial: Vec::new(), cap }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`FrameFault::TooLarge`] where a line exceeds the cap.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameFault> {
        let mut at = 0;
        while let Some(len) = memchr(b'\n', &chunk[at..]) {
            let line = &chunk[at..=at + len];
            at += line.len();
            if self.partial.is_empty() {
                self.line(line, sink);
            } else {
                self.keep(line)?;
                let mut whole = std::mem::take(&mut self.partial);
                self.line(&whole, sink);
                whole.clear();
                self.partial = whole;
            }
        }
        self.keep(&chunk[at..])
    }

    /// Gives the line that has no end.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let last = std::mem::take(&mut self.partial);
        self.line(&last, sink);
    }

    /// The offset behind the last whole line.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        self.start
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), FrameFault> {
        if self.partial.len() + bytes.len() > self.cap {
            return Err(FrameFault::TooLarge { limit: self.cap });
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let raw = self.start..self.start + line.len() as u64;
        self.start = raw.end;
        let data = line.trim_ascii();
        if !data.is_empty() {
            sink(Event { name: &[], data, body: raw.start, raw });
        }
    }
}
