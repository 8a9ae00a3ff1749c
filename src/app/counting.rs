//! Keeps the counters of budgets true: what was spent before they began to count, and reservations whose end was never told.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{KeyId, OrganizationId, TeamId, UserId},
    runtime::Platform,
    snapshot::SnapshotCell,
    store::{
        cache::{CacheFault, Counters, Counts, Meter, SLOTS, Window},
        persist::{Ledger, StoreFault, UsageFilter},
        record::{ConfigRows, QuotaRow, ScopeKind},
    },
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A slot that holds all of a window.
const WHOLE: u64 = i64::MAX.unsigned_abs();

/// Why a counter could not be set.
#[derive(Debug, thiserror::Error)]
pub enum CountingFault {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] StoreFault),
    /// The counters do not answer.
    #[error(transparent)]
    Counters(#[from] CacheFault),
}

/// Sets the counters of all budgets that nobody counts yet to what the usage rows say. Gives how many were set.
///
/// # Errors
/// [`CountingFault`]; what was set stays set.
pub async fn seed(counters: &dyn Counters, ledger: &dyn Ledger, rows: &ConfigRows, now_ms: u64) -> Result<u64, CountingFault> {
    let mut set = 0;
    for quota in &rows.quotas {
        for (window, limit) in quota.windows() {
            let meter = Meter { kind: quota.scope.into(), scope: quota.scope_id, record: quota.id.0, counts: Counts::NanoDollars, window };
            if limit.is_some() && !counters.read(&[meter], now_ms).await?.iter().any(|reading| reading.known) {
                spent(counters, ledger, (quota, meter), now_ms).await?;
                set += 1;
            }
        }
    }
    Ok(set)
}

async fn spent(counters: &dyn Counters, ledger: &dyn Ledger, (quota, meter): (&QuotaRow, Meter), now_ms: u64) -> Result<(), CountingFault> {
    let (from_ms, slot_ms) = match meter.window {
        Window::Sliding(length) => (now_ms.saturating_sub(length), length.div_ceil(SLOTS).max(1)),
        Window::Total | Window::Day | Window::Week | Window::Month => (meter.window.begins(meter.window.place(now_ms)), WHOLE),
    };
    let filter = UsageFilter { from_ms: Some(from_ms), ..of(quota) };
    for (slot, cost) in ledger.spent(filter, slot_ms).await? {
        let at_ms = if slot_ms == WHOLE { now_ms } else { slot };
        counters.seed(meter, at_ms, cost).await?;
    }
    Ok(())
}

/// The usage rows that a quota counts.
fn of(quota: &QuotaRow) -> UsageFilter {
    let id = quota.scope_id;
    match quota.scope {
        ScopeKind::Key => UsageFilter { key_id: Some(KeyId(id)), ..UsageFilter::default() },
        ScopeKind::User => UsageFilter { user_id: Some(UserId(id)), ..UsageFilter::default() },
        ScopeKind::Team => UsageFilter { team_id: Some(TeamId(id)), ..UsageFilter::default() },
        ScopeKind::Organization => UsageFilter { organization_id: Some(OrganizationId(id)), ..UsageFilter::default() },
    }
}

/// Looks after the counters, again and again: budgets that are new, and leases that are over.
pub fn watch(counters: Arc<dyn Counters>, ledger: Arc<dyn Ledger>, snapshot: SnapshotCell, platform: &Platform) {
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        let mut seen = snapshot.load();
        loop {
            clock.sleep(EVERY).await;
            let (now_ms, current) = (clock.unix_ms(), snapshot.load());
            if !current.rows().quotas.is_same(&seen.rows().quotas) {
                match seed(&*counters, &*ledger, current.rows(), now_ms).await {
                    Ok(_) => seen = current,
                    Err(fault) => tracing::warn!(%fault, "a new budget does not count yet what was spent before it"),
                }
            }
            match counters.sweep(now_ms).await {
                Ok(swept) if swept.is_empty() => {}
                Ok(swept) => tracing::warn!(calls = swept.len(), "reservations were returned whose end was never told"),
                Err(fault) => tracing::debug!(%fault, "leases could not be looked at"),
            }
        }
    }));
}
