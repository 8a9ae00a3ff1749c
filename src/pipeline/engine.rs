//! What every walk needs, shared by all of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{base::RequestId, observe::Metrics, runtime::Platform, snapshot::SnapshotCell, store::persist::Journal};

/// Limits of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: u64,
    /// Calls at once; more are refused at once.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 50 << 20, in_flight: 4096 }
    }
}

/// What every walk needs.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The configuration in force.
    pub snapshot: SnapshotCell,
    /// The platform.
    pub platform: Platform,
    /// Where calls are written down.
    pub journal: Arc<dyn Journal>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Limits.
    pub limits: Limits,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: AtomicUsize,
    turn: AtomicUsize,
}

/// A place among the calls in flight; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    state: Arc<State>,
    metrics: Arc<Metrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.metrics.in_flight.dec();
    }
}

impl Engine {
    /// Puts the parts together.
    #[must_use]
    pub fn new(snapshot: SnapshotCell, platform: Platform, journal: Arc<dyn Journal>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self { snapshot, platform, journal, metrics, limits, state: Arc::default() }
    }

    /// A name for a call that arrives now.
    #[must_use]
    pub fn request_id(&self) -> (RequestId, u64) {
        let at_ms = self.platform.clock.unix_ms();
        let mut random = [0; 10];
        self.platform.entropy.fill(&mut random);
        (RequestId::new(at_ms, &random), at_ms)
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::Relaxed)
    }

    /// A place for one more call, where there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        if self.state.in_flight.fetch_add(1, Ordering::Relaxed) >= self.limits.in_flight {
            self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.metrics.shed.inc();
            return None;
        }
        self.metrics.in_flight.inc();
        Some(Place { state: Arc::clone(&self.state), metrics: Arc::clone(&self.metrics) })
    }

    /// The next number of an endless count, for taking turns.
    pub(super) fn turn(&self) -> usize {
        self.state.turn.fetch_add(1, Ordering::Relaxed)
    }
}
