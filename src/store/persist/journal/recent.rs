//! The newest rows as they were handed in. The writer takes them from here while it keeps up, and reads the files when it
//! does not: after a start, after a fault of the database, or when more came than may be held.

use std::collections::VecDeque;

use super::folder::Position;
use crate::store::record::Entry;

/// Bytes of frames that may be held decoded, so that captured bodies cannot fill the memory.
const MOST_BYTES: u64 = 8 << 20;

/// The rows of everything that was written since a place.
#[derive(Debug)]
pub(super) struct Recent {
    since: Position,
    /// Each with the place behind its frame, and that frame's length.
    rows: VecDeque<(Entry, Position, u64)>,
    bytes: u64,
    most: usize,
}

impl Recent {
    pub(super) fn since(since: Position, most: usize) -> Self {
        Self { since, rows: VecDeque::new(), bytes: 0, most }
    }

    /// How many rows may be held.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Where it begins; what stands before must be read from the files.
    pub(super) fn begins(&self) -> Position {
        self.since
    }

    /// Notes a row that was written.
    pub(super) fn push(&mut self, row: Entry, upto: Position, bytes: u64) {
        if self.rows.len() >= self.most || self.bytes + bytes > MOST_BYTES {
            *self = Self::since(upto, self.most);
            return;
        }
        self.bytes += bytes;
        self.rows.push_back((row, upto, bytes));
    }

    /// Takes rows, up to `most` of them usage, and tells the place up to which these are all; `end` is that of the journal.
    pub(super) fn take(&mut self, most: usize, end: Position) -> (Vec<Entry>, Position) {
        let mut taken = Vec::with_capacity(most.min(self.rows.len()));
        let mut usages = 0;
        while usages < most
            && let Some((row, upto, bytes)) = self.rows.pop_front()
        {
            usages += usize::from(matches!(row, Entry::Ended(_)));
            self.bytes -= bytes;
            self.since = upto;
            taken.push(row);
        }
        if self.rows.is_empty() {
            self.since = end;
        }
        (taken, self.since)
    }
}
