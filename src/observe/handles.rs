//! A family of counters, and those of its counters that were used last.

use std::{
    hash::Hash,
    sync::{PoisonError, RwLock},
};

use prometheus_client::metrics::{counter::Counter, family::Family};

/// How many counters are remembered; few kinds of calls make up most of the traffic.
const MOST: usize = 8;

/// Counters by their labels. A label that was counted before is found by comparing, which costs a tenth of hashing it.
#[derive(Debug)]
pub(super) struct Handles<L> {
    family: Family<L, Counter>,
    known: RwLock<Vec<(L, Counter)>>,
}

impl<L: Clone + Hash + Eq> Default for Handles<L> {
    fn default() -> Self {
        Self { family: Family::default(), known: RwLock::default() }
    }
}

impl<L: Clone + Hash + Eq> Handles<L> {
    /// The family, for the registry.
    pub(super) fn family(&self) -> Family<L, Counter> {
        self.family.clone()
    }

    /// Counts one.
    pub(super) fn count(&self, labels: &L) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(known, _)| known == labels) {
            counter.inc();
            return;
        }
        drop(known);
        let counter = (*self.family.get_or_create(labels)).clone();
        counter.inc();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MOST {
            known.remove(0);
        }
        known.push((labels.clone(), counter));
    }
}
