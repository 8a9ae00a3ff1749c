//! Lets a stream's bytes pass, but for events that are cut out and for the one that is not finished.

use std::ops::Range;

use bytes::Bytes;

use super::{meter::Passed, pieces::Pieces};

/// What is held back, and what is to be cut.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    held: Pieces,
    /// Offset in the stream of the first held byte.
    held_at: u64,
    /// What must not pass, in the order of the stream.
    cuts: Vec<Range<u64>>,
    /// The end of the last cut.
    cut_to: u64,
}

impl Sieve {
    /// Leaves out some bytes that have not passed yet.
    pub(super) fn cut(&mut self, bytes: Range<u64>) {
        self.cut_to = bytes.end;
        self.cuts.push(bytes);
    }

    /// The end of the last cut.
    pub(super) fn cut_to(&self) -> u64 {
        self.cut_to
    }

    /// Takes the next chunk, releases everything before `boundary`, and holds the rest.
    pub(super) fn pass(&mut self, chunk: Bytes, boundary: u64) -> Passed {
        let end = self.held_at + (self.held.len() + chunk.len()) as u64;
        if self.cuts.is_empty() && self.held.is_empty() && boundary == end {
            self.held_at = end;
            return Passed::one(chunk);
        }
        if boundary == self.held_at {
            self.held.push(chunk);
            return Passed::default();
        }
        let mut passed = Passed::default();
        let mut at = self.held_at;
        for piece in self.held.take().into_iter().chain([chunk]) {
            at = self.sift(&piece, at, boundary, &mut passed);
        }
        self.held_at = boundary;
        self.cuts.clear();
        passed
    }

    /// Divides one piece that begins at `at`; gives the offset of its end.
    fn sift(&mut self, piece: &Bytes, at: u64, boundary: u64, passed: &mut Passed) -> u64 {
        let end = at + piece.len() as u64;
        let slice =
            |range: Range<u64>| piece.slice(usize::try_from(range.start - at).unwrap_or(0)..usize::try_from(range.end - at).unwrap_or(0));
        let mut from = at;
        for cut in self.cuts.iter().filter(|cut| cut.end > at && cut.start < end) {
            if cut.start > from {
                passed.push(slice(from..cut.start));
            }
            from = from.max(cut.end.min(end));
        }
        let last = boundary.clamp(from, end);
        if last > from {
            passed.push(slice(from..last));
        }
        if end > last {
            self.held.push(slice(last..end));
        }
        end
    }
}
