//! What holds while the shared counters cannot be reached: the operator's policy, and the ends that are told to them later.
//!
//! Requests that the policy lets in hold their reservations in memory, so that each still has exactly one end. What they and others
//! end meanwhile is owed to the store, and paid by [`Counters::sweep`] once it answers again.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Answer, CacheFault, Counted, Counters,
    claim::{Admission, Audit, Claim, End, Reading, Spend},
    memory::MemoryCounters,
    meter::Meter,
};
use crate::base::RequestId;

/// Ends that may be owed. Beyond that the oldest is dropped and counted; the reconciler finds its spend in the rows.
const OWED: usize = 65_536;

/// What the operator wants while the store is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nobody is let in.
    #[default]
    Closed,
    /// Everybody is let in.
    Open,
    /// Each instance grants its share of every limit, counted in memory from the outage on.
    Share {
        /// How many instances there are; zero counts as one.
        instances: u32,
    },
}

/// How a guarded store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Since when the store does not answer, Unix milliseconds; `None` while it does.
    pub degraded_since: Option<u64>,
    /// Ends that the store was not told yet.
    pub owed: usize,
    /// Ends that it will never be told, since too many were owed.
    pub lost: u64,
}

/// Shared counters behind a policy.
#[derive(Debug)]
pub struct Guarded {
    store: Arc<dyn Counters>,
    policy: Policy,
    local: MemoryCounters,
    /// Unix milliseconds; zero while the store answers.
    degraded_since: AtomicU64,
    /// The moment of the latest admission, for ends that tell none.
    seen_ms: AtomicU64,
    owed: Mutex<VecDeque<Owed>>,
    lost: AtomicU64,
}

/// An end that the store was not told.
#[derive(Debug)]
struct Owed {
    id: RequestId,
    /// Where the reservation is.
    held: Holder,
    now_ms: u64,
    actuals: Vec<Spend>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// In the store, which ends it once at most.
    Store,
    /// It was in memory; the store knows nothing of the request.
    Memory,
}

impl Guarded {
    /// Puts a policy before a store.
    #[must_use]
    pub fn new(store: Arc<dyn Counters>, policy: Policy) -> Self {
        let local = MemoryCounters::new();
        let [degraded_since, seen_ms, lost] = [(); 3].map(|()| AtomicU64::new(0));
        Self { store, policy, local, degraded_since, seen_ms, owed: Mutex::default(), lost }
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        let since = self.degraded_since.load(Ordering::Acquire);
        let lost = self.lost.load(Ordering::Relaxed);
        Health { degraded_since: (since != 0).then_some(since), owed: self.debts().len(), lost }
    }

    fn debts(&self) -> MutexGuard<'_, VecDeque<Owed>> {
        // Every change is one push or pop, so a panic elsewhere leaves nothing half done.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether the store answered, and lets `otherwise` answer where it did not.
    fn guard<'a, T: Send + 'a>(
        &'a self,
        now_ms: u64,
        answer: Counted<'a, T>,
        otherwise: impl FnOnce(CacheFault) -> Result<T, CacheFault> + Send + 'a,
    ) -> Counted<'a, T> {
        let resolve = move |result: Result<T, CacheFault>| match result {
            Err(fault) if fault.is_outage() => {
                // The moment of the first failure stays.
                let first = self.degraded_since.compare_exchange(0, now_ms.max(1), Ordering::AcqRel, Ordering::Acquire);
                if first.is_ok() {
                    tracing::warn!(error = %fault, policy = ?self.policy, "shared counters are down");
                }
                otherwise(fault)
            }
            result => {
                if self.degraded_since.load(Ordering::Acquire) != 0 && self.degraded_since.swap(0, Ordering::AcqRel) != 0 {
                    tracing::info!("shared counters answer again");
                }
                result
            }
        };
        match answer.take() {
            Ok(result) => Answer::now(resolve(result)),
            Err(future) => Answer::later(async move { resolve(future.await) }),
        }
    }

    /// Lets a request in, or not, by policy.
    fn decide(&self, fault: CacheFault, mut claim: Claim) -> Result<Admission, CacheFault> {
        match self.policy {
            Policy::Closed => Err(fault),
            Policy::Open => {
                for draw in &mut claim.draws {
                    draw.limit = i64::MAX;
                }
                // What is left of limits that do not hold is of use to nobody.
                self.local.admit_now(claim).map(|_| Admission::Admitted(Vec::new()))
            }
            Policy::Share { instances } => {
                for draw in &mut claim.draws {
                    draw.limit /= i64::from(instances.max(1));
                }
                self.local.admit_now(claim)
            }
        }
    }

    fn owe(&self, owed: Owed) {
        let mut debts = self.debts();
        if debts.len() == OWED {
            debts.pop_front();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        debts.push_back(owed);
    }

    /// Ends where the reservation is: in memory, or in the store, or there later.
    fn end(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End> {
        if self.local.settle_now(id, now_ms, actuals) == End::Now {
            if actuals.iter().any(|spend| spend.meter.settles() && spend.amount > 0) {
                self.owe(Owed { id, held: Holder::Memory, now_ms, actuals: actuals.to_vec() });
            }
            return Answer::now(Ok(End::Now));
        }
        let owed = Owed { id, held: Holder::Store, now_ms, actuals: actuals.to_vec() };
        self.guard(now_ms, self.store.settle(id, now_ms, actuals), move |_| {
            self.owe(owed);
            Ok(End::Owed)
        })
    }

    /// Tells the store what it is owed. Stops where it fails again.
    async fn pay(&self) -> Result<(), CacheFault> {
        for _ in 0..OWED {
            let Some(owed) = self.debts().pop_front() else { break };
            if let Err(fault) = self.pay_one(&owed).await {
                if fault.is_outage() {
                    self.debts().push_front(owed);
                    return Err(fault);
                }
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(id = %owed.id, error = %fault, "a settlement cannot be told to the shared counters");
            }
        }
        Ok(())
    }

    async fn pay_one(&self, owed: &Owed) -> Result<End, CacheFault> {
        if owed.held == Holder::Memory {
            let claim = Claim { id: owed.id, now_ms: owed.now_ms, lease_ms: LEASE_MS, draws: Vec::new() };
            match self.store.admit(claim).await {
                // Held: an earlier try came so far.
                Ok(_) | Err(CacheFault::Held(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.store.settle(owed.id, owed.now_ms, &owed.actuals).await
    }
}

/// How long a reservation stands that is made only to be settled.
const LEASE_MS: u64 = 86_400_000;

impl Counters for Guarded {
    fn admit(&self, claim: Claim) -> Counted<'_, Admission> {
        let now_ms = claim.now_ms;
        self.seen_ms.store(now_ms, Ordering::Relaxed);
        match self.policy {
            Policy::Closed => self.guard(now_ms, self.store.admit(claim), Err),
            Policy::Open | Policy::Share { .. } => {
                let spare = claim.clone();
                self.guard(now_ms, self.store.admit(claim), move |fault| self.decide(fault, spare))
            }
        }
    }

    fn settle(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End> {
        self.end(id, now_ms, actuals)
    }

    fn release(&self, id: RequestId) -> Counted<'_, End> {
        self.end(id, self.seen_ms.load(Ordering::Relaxed), &[])
    }

    fn extend(&self, ids: &[RequestId], until_ms: u64) -> Counted<'_, ()> {
        drop(self.local.extend(ids, until_ms));
        self.store.extend(ids, until_ms)
    }

    fn sweep(&self, now_ms: u64) -> Counted<'_, Vec<RequestId>> {
        let mut ended = self.local.swept(now_ms);
        match self.guard(now_ms, self.store.sweep(now_ms), Err).take() {
            Ok(result) => Answer::now(result.map(|more| {
                ended.extend(more);
                ended
            })),
            Err(future) => Answer::later(async move {
                // What is owed ends reservations that the store would count as overdue: nothing is swept before all is paid.
                self.pay().await?;
                ended.extend(future.await?);
                Ok(ended)
            }),
        }
    }

    fn seed(&self, meter: Meter, at_ms: u64, spent: i64) -> Counted<'_, ()> {
        self.store.seed(meter, at_ms, spent)
    }

    fn read(&self, meters: &[Meter], now_ms: u64) -> Counted<'_, Vec<Reading>> {
        self.guard(now_ms, self.store.read(meters, now_ms), Err)
    }

    fn forget(&self, meter: Meter) -> Counted<'_, ()> {
        drop(self.local.forget(meter));
        self.store.forget(meter)
    }

    fn audit(&self) -> Counted<'_, Audit> {
        self.store.audit()
    }
}
