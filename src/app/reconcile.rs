//! The reconciler: what counters hold as spent against the rows, again and again. A difference that stays is a bug.

use std::{collections::HashSet, sync::Arc, time::Duration};

use crate::{
    billing::verify::{Budget, budgets},
    observe::Metrics,
    runtime::{Clock, Platform},
    snapshot::SnapshotCell,
    store::{
        cache::{CacheFault, Counters, Meter},
        persist::{Journal, StoreFault, sql::SqlStore},
    },
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(5);
/// How long the writer gets to bring home what was settled when the counters were read.
const SETTLED: Duration = Duration::from_secs(2);
/// Counters that are compared in one round: each asks the database a few times.
const ROUND: usize = 200;
/// So many entries that wait say that the database is away, and rows tell nothing.
const BACKLOG: u64 = 1000;

/// Why there was nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileFault {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] StoreFault),
    /// The counters do not answer.
    #[error(transparent)]
    Counters(#[from] CacheFault),
}

/// What is compared with what.
#[derive(Clone, Debug)]
pub struct Reconciler {
    /// What is counted.
    pub counters: Arc<dyn Counters>,
    /// The rows.
    pub store: Arc<SqlStore>,
    /// Where rows wait.
    pub journal: Arc<dyn Journal>,
    /// The budgets.
    pub snapshot: SnapshotCell,
    /// Where drift is shown.
    pub metrics: Arc<Metrics>,
}

impl Reconciler {
    /// Compares some counters, those behind a place in the order of budgets. Gives those that differ, each with what it is in words.
    ///
    /// # Errors
    /// [`ReconcileFault`].
    pub async fn round(&self, clock: &dyn Clock, behind: usize) -> Result<(Vec<(Meter, String)>, usize), ReconcileFault> {
        let now_ms = clock.unix_ms();
        let all = budgets(self.snapshot.load().rows(), now_ms);
        let some: Vec<Budget> = all.into_iter().skip(behind).take(ROUND).collect();
        let next = if some.len() < ROUND { 0 } else { behind + ROUND };
        let meters: Vec<Meter> = some.iter().map(|budget| budget.meter).collect();
        if meters.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let before = self.counters.read(&meters, now_ms).await?;
        clock.sleep(SETTLED).await;
        if self.journal.backlog() > BACKLOG {
            return Ok((Vec::new(), behind));
        }
        let books = self.store.books().await?;
        let mut differing = Vec::new();
        let after = self.counters.read(&meters, clock.unix_ms()).await?;
        for (budget, (before, after)) in some.iter().zip(before.iter().zip(after)) {
            // One that is not known yet is set from rows by whoever sets budgets.
            if before.known
                && after.known
                && let Some(told) = budget.drift(&books, (before.spent, after.spent), 0).await?
            {
                differing.push((budget.meter, told));
            }
        }
        Ok((differing, next))
    }
}

/// Compares again and again. What differs twice is told: the first time a row may have been under way on another instance.
pub fn watch(reconciler: Reconciler, platform: &Platform) {
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        let (mut suspected, mut behind) = (HashSet::new(), 0);
        loop {
            clock.sleep(EVERY).await;
            match reconciler.round(&*clock, behind).await {
                Ok((differing, next)) => {
                    let again: Vec<&(Meter, String)> = differing.iter().filter(|(meter, _)| suspected.contains(meter)).collect();
                    for (_, told) in &again {
                        tracing::error!(counter = told, "a counter drifted from its rows; this is a bug");
                    }
                    reconciler.metrics.drift.set(i64::try_from(again.len()).unwrap_or(i64::MAX));
                    suspected = differing.into_iter().map(|(meter, _)| meter).collect();
                    // What is suspected is looked at again before anything else.
                    behind = if suspected.is_empty() { next } else { behind };
                }
                Err(fault) => tracing::debug!(%fault, "counters could not be compared"),
            }
        }
    }));
}
