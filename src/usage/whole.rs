//! Keeps a whole body for reading at its end: all of it up to a cap, beyond that its two ends.

use bytes::Bytes;
use memchr::memmem;

use super::{
    pieces::{Pieces, joined},
    tally::Tally,
};

/// A larger body is read by its ends.
const CAP: usize = 8 << 20;
/// So much of its beginning: a model's name, and with some providers its usage.
const HEAD: usize = 64 << 10;
/// So much of its end: nearly all providers write usage last.
const TAIL: usize = 256 << 10;
/// How a picture's bytes begin in a body.
const PICTURE: &[u8] = b"\"b64_json\"";

/// A body so far.
#[derive(Debug, Default)]
pub(super) struct Whole {
    kept: Pieces,
    head: Bytes,
    /// Pictures seen in what was let go.
    pictures: u64,
    /// The last bytes of what was counted, in which a picture's mark may have begun.
    seam: Vec<u8>,
}

impl Whole {
    /// Keeps a chunk that passes.
    pub(super) fn keep(&mut self, chunk: Bytes) {
        if !self.head.is_empty() {
            self.count(&chunk);
            self.kept.push(chunk);
            self.kept.keep_last(TAIL);
            return;
        }
        self.kept.push(chunk);
        if self.kept.len() > CAP {
            let pieces = self.kept.take();
            for piece in &pieces {
                self.count(piece);
            }
            let begin = joined(pieces);
            self.head = Bytes::copy_from_slice(&begin[..HEAD]);
            // A slice would keep the whole beginning alive.
            self.kept.push(Bytes::copy_from_slice(&begin[begin.len() - TAIL..]));
        }
    }

    /// Reads what was kept.
    pub(super) fn read(&mut self, tally: &mut Tally) {
        let kept = joined(self.kept.take());
        if self.head.is_empty() {
            tally.body(&kept);
        } else {
            tally.ends(&self.head, &kept, self.pictures);
        }
    }

    fn count(&mut self, chunk: &[u8]) {
        let overlap = PICTURE.len() - 1;
        self.seam.extend_from_slice(&chunk[..chunk.len().min(overlap)]);
        self.pictures += memmem::find_iter(&self.seam, PICTURE).count() as u64;
        self.pictures += memmem::find_iter(chunk, PICTURE).count() as u64;
        if chunk.len() >= overlap {
            self.seam.clear();
            self.seam.extend_from_slice(&chunk[chunk.len() - overlap..]);
        }
        let old = self.seam.len().saturating_sub(overlap);
        self.seam.drain(..old);
    }
}
