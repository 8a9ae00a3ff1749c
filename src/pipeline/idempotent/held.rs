//! The room that answers take, counted as long as anybody holds it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a piece takes beside its bytes.
const PIECE: u64 = 96;

/// How much room there is, and how much of it is taken. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    taken: Arc<AtomicU64>,
    most: u64,
}

impl Room {
    /// Room for some bytes.
    pub(super) fn new(most: u64) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Nothing of it, as a beginning.
    pub(super) fn none(&self) -> Held {
        Held { room: self.clone(), bytes: 0 }
    }

    /// Whether less than a piece of some bytes is left.
    pub(super) fn lacks(&self, bytes: u64) -> bool {
        self.taken.load(Ordering::Relaxed).saturating_add(bytes + PIECE) > self.most
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Room that is taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Room,
    bytes: u64,
}

impl Held {
    /// Whether it stays within a limit with one more piece.
    pub(super) fn may_grow(&self, piece: u64, limit: u64) -> bool {
        self.bytes.saturating_add(piece).saturating_add(PIECE) <= limit
    }

    /// Takes room for one more piece; `false` where there is none, or it would be more than `limit` in all.
    pub(super) fn grow(&mut self, piece: u64, limit: u64) -> bool {
        let cost = piece.saturating_add(PIECE);
        let fits = |taken: u64| taken.checked_add(cost).filter(|taken| *taken <= self.room.most);
        if self.may_grow(piece, limit) && self.room.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok() {
            self.bytes += cost;
            return true;
        }
        false
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Room};

    #[test]
    fn room_is_taken_up_to_its_limits_and_given_back() {
        let room = Room::new(1000);
        let mut one = room.none();
        assert!(one.grow(300, 500) && !one.grow(300, 500), "its own limit");
        let mut other = room.none();
        assert!(!other.grow(1000, u64::MAX), "the limit of all");
        assert!(other.grow(100, u64::MAX) && room.lacks(400) && !room.lacks(100));
        assert_eq!(room.taken(), 400 + 2 * PIECE);
        drop(one);
        drop(other);
        assert_eq!(room.taken(), 0);
    }
}
