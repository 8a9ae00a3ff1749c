//! Old records go, a bounded batch at a time: usage rows when their hour's sums are proven, records of the wire and entries of the
//! audit at once.

use std::{sync::Arc, time::Duration};

use crate::{
    runtime::{Clock, Platform},
    store::persist::{Retention, Retired, StoreFault},
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(10);
/// How many rows go in one batch, and how long the database rests between two.
const BATCH: u64 = 500;
const REST: Duration = Duration::from_millis(100);
const DAY_MS: u64 = 86_400_000;
/// Budgets of the last seven days are set from rows, so these stay, with a day to spare.
pub const LEAST_USAGE_DAYS: u64 = 8;

/// How long records are kept, and how many. Zero keeps all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Days of usage rows.
    pub usage_days: u64,
    /// Usage rows.
    pub usage_rows: u64,
    /// Days of records of the wire.
    pub log_days: u64,
    /// Records of the wire between client and gateway.
    pub log_rows: u64,
    /// Days of entries of the audit.
    pub audit_days: u64,
    /// Entries of the audit.
    pub audit_rows: u64,
}

impl Kept {
    /// Whether something may go.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// Lets go of one batch. `behind_ms` moves over hours that cannot be proven, which are kept. Tells whether more may be due.
///
/// # Errors
/// Of the store.
pub async fn batch(store: &dyn Retention, clock: &dyn Clock, kept: Kept, behind_ms: &mut u64) -> Result<bool, StoreFault> {
    let now_ms = clock.unix_ms();
    let others = wire(store, kept, now_ms).await? | audit(store, kept, now_ms).await?;
    let Some(before_ms) = usages_before(store, kept, now_ms).await? else { return Ok(others) };
    Ok(match store.retire_usages(*behind_ms, before_ms, BATCH).await? {
        Retired::Nothing => others,
        Retired::Rows(_) => true,
        Retired::Unproven { hour_ms } => {
            tracing::error!(hour_ms, "usage rows are kept beyond their time: their hour's sums do not match them; run gproxy verify");
            *behind_ms = hour_ms + 3_600_000;
            true
        }
    })
}

/// Before which moment usage rows may go.
async fn usages_before(store: &dyn Retention, kept: Kept, now_ms: u64) -> Result<Option<u64>, StoreFault> {
    let by_age = (kept.usage_days > 0).then(|| now_ms.saturating_sub(kept.usage_days * DAY_MS));
    let by_size = if kept.usage_rows > 0 { store.usages_fit(kept.usage_rows).await? } else { None };
    let youngest = now_ms.saturating_sub(LEAST_USAGE_DAYS * DAY_MS);
    Ok(by_age.max(by_size).map(|before| before.min(youngest)))
}

async fn wire(store: &dyn Retention, kept: Kept, now_ms: u64) -> Result<bool, StoreFault> {
    let by_age = (kept.log_days > 0).then(|| now_ms.saturating_sub(kept.log_days * DAY_MS));
    let by_size = if kept.log_rows > 0 { store.wire_fits(kept.log_rows).await? } else { None };
    let Some(before) = by_age.max(by_size) else { return Ok(false) };
    Ok(store.retire_wire(before, BATCH).await? >= BATCH)
}

async fn audit(store: &dyn Retention, kept: Kept, now_ms: u64) -> Result<bool, StoreFault> {
    let by_age = (kept.audit_days > 0).then(|| now_ms.saturating_sub(kept.audit_days * DAY_MS));
    let by_size = if kept.audit_rows > 0 { store.audit_fits(kept.audit_rows).await? } else { None };
    let Some(before) = by_age.max(by_size) else { return Ok(false) };
    Ok(store.retire_audit(before, BATCH).await? >= BATCH)
}

/// Lets go of what is due, again and again. The platform ends the task at shutdown.
pub fn watch(store: Arc<dyn Retention>, kept: Kept, platform: &Platform) {
    if kept.is_all() {
        return;
    }
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        let mut behind_ms = 0;
        loop {
            let more = batch(&*store, &*clock, kept, &mut behind_ms).await.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "old records could not be looked at; they go later");
                false
            });
            if !more {
                behind_ms = 0;
            }
            clock.sleep(if more { REST } else { EVERY }).await;
        }
    }));
}
