//! Byte pair merging: the pair of the lowest rank first, the leftmost of equal ones.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// What two neighbours become, and how early.
pub(super) type Merges = HashMap<(u32, u32), (u32, u32)>;

/// How many symbols are left when all merges are done.
pub(super) fn merged(symbols: &[u32], merges: &Merges) -> usize {
    let mut word = Word::new(symbols);
    let mut queue = BinaryHeap::new();
    for at in 1..symbols.len() {
        word.offer(at - 1, merges, &mut queue);
    }
    while let Some(Reverse((_, at, left, right))) = queue.pop() {
        word.join(at, (left, right), merges, &mut queue);
    }
    word.count
}

/// The rank of a pair, its place, and the two symbols that it was of.
type Offer = Reverse<(u32, usize, u32, u32)>;

/// A list of symbols, linked both ways. A symbol that was joined to the one before it is gone.
struct Word {
    symbols: Vec<Option<u32>>,
    next: Vec<usize>,
    before: Vec<Option<usize>>,
    count: usize,
}

impl Word {
    fn new(symbols: &[u32]) -> Self {
        Self {
            symbols: symbols.iter().copied().map(Some).collect(),
            next: (1..=symbols.len()).collect(),
            before: (0..symbols.len()).map(|at| at.checked_sub(1)).collect(),
            count: symbols.len(),
        }
    }

    fn symbol(&self, at: usize) -> Option<u32> {
        self.symbols.get(at).copied().flatten()
    }

    /// The pair that begins at a place.
    fn pair(&self, at: usize) -> Option<(u32, u32)> {
        Some((self.symbol(at)?, self.symbol(*self.next.get(at)?)?))
    }

    fn offer(&self, at: usize, merges: &Merges, queue: &mut BinaryHeap<Offer>) {
        let Some(pair) = self.pair(at) else { return };
        if let Some((rank, _)) = merges.get(&pair) {
            queue.push(Reverse((*rank, at, pair.0, pair.1)));
        }
    }

    /// Joins a pair, unless one of the two was joined to another since.
    fn join(&mut self, at: usize, pair: (u32, u32), merges: &Merges, queue: &mut BinaryHeap<Offer>) {
        if self.pair(at) != Some(pair) {
            return;
        }
        let Some((_, joined)) = merges.get(&pair) else { return };
        let gone = self.next[at];
        let behind = self.next[gone];
        self.symbols[at] = Some(*joined);
        self.symbols[gone] = None;
        self.next[at] = behind;
        if let Some(before) = self.before.get_mut(behind) {
            *before = Some(at);
        }
        self.count -= 1;
        if let Some(before) = self.before[at] {
            self.offer(before, merges, queue);
        }
        self.offer(at, merges, queue);
    }
}
