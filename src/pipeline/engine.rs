//! What every walk needs, shared by all of them.

use std::{
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    idempotent::{Idempotency, Shelf},
    kept::Keeping,
    renew::Tokens,
};
use crate::{
    base::RequestId,
    credentials::{Affinity, Vault},
    doctor::Doctor,
    health::Health,
    observe::Metrics,
    runtime::Platform,
    snapshot::SnapshotCell,
    store::{
        cache::{Cache, Counters, memory::MemoryCounters},
        persist::Journal,
    },
};

/// Limits of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: u64,
    /// Calls at once; more are refused at once.
    pub in_flight: usize,
    /// What is remembered of calls that carry an `Idempotency-Key`.
    pub idempotency: Idempotency,
    /// Whether clients are told where the time went.
    pub timing: Timing,
}

/// Whether answers carry `Server-Timing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// They do not.
    #[default]
    Kept,
    /// They do.
    Told,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 50 << 20, in_flight: 4096, idempotency: Idempotency::default(), timing: Timing::default() }
    }
}

/// What every walk needs. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Parts>);

/// The parts of an [`Engine`].
#[derive(Debug)]
pub struct Parts {
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
    /// How providers and their credentials are doing.
    pub health: Arc<Health>,
    /// Which credential knows which prompts.
    pub affinity: Affinity,
    /// What prompt caches lose, where that is watched.
    pub doctor: Arc<Doctor>,
    /// The access tokens of credentials that are renewed.
    pub(super) tokens: Tokens,
    /// The calls of the last day that carried an `Idempotency-Key`.
    pub(super) repeats: Shelf,
    keeping: OnceLock<Keeping>,
    counters: OnceLock<Arc<dyn Counters>>,
    shared: OnceLock<Arc<dyn Cache>>,
    in_flight: AtomicUsize,
    /// Random bytes of this process.
    seed: [u8; 10],
    /// Calls named so far, from a random beginning.
    named: AtomicU64,
}

/// A place among the calls in flight; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Engine);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

impl Deref for Engine {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Engine {
    /// Puts the parts together.
    #[must_use]
    pub fn new(snapshot: SnapshotCell, platform: Platform, journal: Arc<dyn Journal>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        let (mut seed, mut first) = ([0; 10], [0; 8]);
        platform.entropy.fill(&mut seed);
        platform.entropy.fill(&mut first);
        let named = AtomicU64::new(u64::from_le_bytes(first));
        let (keeping, counters, shared) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let repeats = Shelf::new(limits.idempotency);
        let (health, affinity, tokens, in_flight) = (Arc::default(), Affinity::default(), Tokens::default(), AtomicUsize::new(0));
        Self(Arc::new(Parts {
            snapshot,
            platform,
            journal,
            metrics,
            limits,
            health,
            affinity,
            doctor: Arc::default(),
            tokens,
            repeats,
            keeping,
            counters,
            shared,
            in_flight,
            seed,
            named,
        }))
    }

    /// Learns the health of providers where others can see it. For an engine that nobody shares yet.
    #[must_use]
    pub fn with_health(mut self, health: Arc<Health>) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            parts.health = health;
        }
        self
    }

    /// Tells what prompt caches lose where others can see it. For an engine that nobody shares yet.
    #[must_use]
    pub fn with_doctor(mut self, doctor: Arc<Doctor>) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            parts.doctor = doctor;
        }
        self
    }

    /// Keeps responses and conversations from here on. What was told first stands.
    pub fn keep(&self, keeping: Keeping) {
        let _first = self.keeping.set(keeping);
    }

    /// Keeps what credentials are renewed with in a vault from here on; without one they cannot be. What was told first stands.
    pub fn renew_in(&self, vault: Arc<dyn Vault>) {
        self.tokens.keep_in(vault);
    }

    /// Counts limits and budgets elsewhere than in this process from here on. What was told first stands.
    pub fn count(&self, counters: Arc<dyn Counters>) {
        let _first = self.counters.set(counters);
    }

    /// Shares with other instances from here on who knows which prompts, and calls that carry an `Idempotency-Key`. What was told first
    /// stands.
    pub fn share(&self, cache: Arc<dyn Cache>) {
        self.repeats.share(Arc::clone(&cache));
        let _first = self.shared.set(cache);
        self.affinity.share();
    }

    /// What is shared with other instances, where anything is.
    pub(super) fn shared(&self) -> Option<&Arc<dyn Cache>> {
        self.shared.get()
    }

    /// Where limits and budgets are counted.
    pub fn counters(&self) -> &Arc<dyn Counters> {
        self.counters.get_or_init(|| Arc::new(MemoryCounters::new()))
    }

    /// Where responses are kept, where they are.
    pub(super) fn keeping(&self) -> Option<&Keeping> {
        self.keeping.get()
    }

    /// A name for a call that arrives now, and the time, Unix milliseconds.
    ///
    /// RFC 9562 (6.2, method 1) lets a counter stand for randomness; a system call for each name would cost more than
    /// all else that admits a call. Five random bytes tell processes apart, five count.
    #[must_use]
    pub fn request_id(&self) -> (RequestId, u64) {
        let at_ms = self.platform.clock.unix_ms();
        let count = self.named.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut random = self.seed;
        random[5..].copy_from_slice(&count[3..]);
        (RequestId::new(at_ms, &random), at_ms)
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// A place for one more call, where there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.limits.in_flight {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.metrics.shed.inc();
            return None;
        }
        self.metrics.in_flight.inc();
        Some(Place(self.clone()))
    }
}
