//! Bytes that are kept back as they came, without copying them; only crumbs are swept together.

use bytes::{Bytes, BytesMut};

/// A chunk smaller than this is a crumb.
const CRUMB: usize = 512;
/// So many pieces may be crumbs before they are swept together.
const LOOSE: usize = 16;

/// Bytes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: Vec<Bytes>,
    /// Crumbs that came behind `whole`.
    swept: BytesMut,
    len: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < CRUMB && self.whole.len() >= LOOSE {
            // A handle costs as much as a crumb: without this, a stream of single bytes would cost forty times its length.
            self.swept.extend_from_slice(&piece);
            return;
        }
        self.seal();
        self.whole.push(piece);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives the pieces away.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.seal();
        self.len = 0;
        std::mem::take(&mut self.whole)
    }

    /// Lets go of pieces at the beginning, as long as `len` bytes remain.
    pub(super) fn keep_last(&mut self, len: usize) {
        self.seal();
        let mut gone = 0;
        let mut rest = self.len;
        while let Some(piece) = self.whole.get(gone)
            && rest - piece.len() >= len
        {
            rest -= piece.len();
            gone += 1;
        }
        self.whole.drain(..gone);
        self.len = rest;
    }

    fn seal(&mut self) {
        if !self.swept.is_empty() {
            self.whole.push(self.swept.split().freeze());
        }
    }
}

/// The bytes of pieces in one place; copied only where there are several.
pub(super) fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.remove(0),
        _ => Bytes::from(pieces.concat()),
    }
}
