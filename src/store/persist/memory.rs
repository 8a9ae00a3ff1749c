//! Records and ledger in memory: for tests, for `gproxy check`, and for trying things out. Nothing outlives the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Ledger, Records, StoreFault, Stored, UsageFilter, UsageSummary};
use crate::{
    base::{Bucket, RequestId},
    runtime::Clock,
    store::record::{ChangeSet, ConfigRows, Delta, DownstreamRow, Noun, SettingsRow, Stamp, UpstreamRow, UsageRow},
};

mod audit;
mod changes;
mod health;
mod kept;

/// A store that lives as long as its value.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    config: ConfigRows,
    last_id: i64,
    /// What each revision touched.
    log: Vec<(i64, Noun, i64)>,
    used: bool,
    usages: BTreeMap<RequestId, UsageRow>,
    downstream: BTreeMap<RequestId, DownstreamRow>,
    upstream: BTreeMap<(RequestId, u32), UpstreamRow>,
    kept: kept::Shelf,
    audit: audit::Entries,
    health: health::Book,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one push or assignment, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_ms()).unwrap_or(i64::MAX)
    }

    fn change<T: Send + 'static>(&self, change: impl FnOnce(&mut State, i64) -> Result<T, StoreFault>) -> Stored<'_, T> {
        let now = self.now();
        let result = change(&mut self.state(), now);
        Box::pin(async move { result })
    }
}

impl Records for MemoryStore {
    fn load(&self) -> Stored<'_, ConfigRows> {
        let rows = self.state().config.clone();
        Box::pin(async move { Ok(rows) })
    }

    fn revision(&self) -> Stored<'_, i64> {
        let revision = self.state().config.revision;
        Box::pin(async move { Ok(revision) })
    }

    fn since(&self, revision: i64) -> Stored<'_, Option<Delta>> {
        let state = self.state();
        let delta = changes::since(&state.config, &state.log, revision);
        drop(state);
        Box::pin(async move { Ok(Some(delta)) })
    }

    fn is_fresh(&self) -> Stored<'_, bool> {
        let fresh = !self.state().used;
        Box::pin(async move { Ok(fresh) })
    }

    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()> {
        self.change(move |state, now| {
            state.config.settings = SettingsRow { updated_at: now.max(1), ..settings };
            state.config.revision += 1;
            Ok(())
        })
    }

    fn apply_set(&self, set: ChangeSet) -> Stored<'_, Vec<Stamp>> {
        self.change(move |state, now| {
            if set.base.is_some_and(|base| base != state.config.revision) {
                return Err(StoreFault::Moved);
            }
            let mut batch = changes::Batch::begin(&state.config, state.last_id, now, set.finish);
            let stamps = batch.make(set.changes)?;
            let audit = batch.told(set.audit)?;
            let (mut config, last_id, touched) = batch.end();
            let revision = config.revision;
            for (_, id) in touched.iter().filter(|(noun, _)| *noun == Noun::User) {
                if config.users.get((*id).into()).is_none() {
                    state.kept.forget_user((*id).into());
                }
            }
            if let Some(settings) = set.settings {
                config.settings = SettingsRow { updated_at: now.max(1), ..settings };
            }
            state.audit.add(audit);
            state.log.extend(touched.into_iter().map(|(noun, id)| (revision, noun, id)));
            state.config = config;
            state.last_id = last_id;
            state.used = true;
            Ok(stamps)
        })
    }
}

fn fits(row: &UsageRow, filter: &UsageFilter) -> bool {
    let begun = &row.begun;
    filter.from_ms.is_none_or(|from| begun.at >= from)
        && filter.to_ms.is_none_or(|to| begun.at < to)
        && filter.user_id.is_none_or(|id| begun.user_id == id)
        && filter.key_id.is_none_or(|id| begun.key_id == id)
        && filter.team_id.is_none_or(|id| begun.team_id == Some(id))
        && filter.organization_id.is_none_or(|id| begun.organization_id == Some(id))
        && filter.provider_id.is_none_or(|id| begun.provider_id == id)
        && filter.model.as_ref().is_none_or(|model| *begun.model == **model)
}

fn newest<V: Clone>(rows: &BTreeMap<RequestId, V>, before: Option<RequestId>, limit: u64, fits: impl Fn(&V) -> bool) -> Vec<V> {
    let wanted = rows.iter().rev().filter(|(id, row)| before.is_none_or(|before| **id < before) && fits(row));
    wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|(_, row)| row.clone()).collect()
}

impl Ledger for MemoryStore {
    fn write_usages(&self, rows: Vec<Arc<UsageRow>>) -> Stored<'_, ()> {
        self.change(move |state, _| {
            for row in rows {
                state.usages.entry(row.begun.request_id).or_insert_with(|| Arc::unwrap_or_clone(row));
            }
            Ok(())
        })
    }

    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()> {
        self.change(move |state, _| {
            for row in downstream {
                state.downstream.entry(row.request_id).or_insert(row);
            }
            for row in upstream {
                state.upstream.entry((row.request_id, row.attempt)).or_insert(row);
            }
            Ok(())
        })
    }

    fn usages(&self, filter: UsageFilter, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<UsageRow>> {
        self.change(move |state, _| Ok(newest(&state.usages, before, limit, |row| fits(row, &filter))))
    }

    fn usage_summary(&self, filter: UsageFilter) -> Stored<'_, UsageSummary> {
        self.change(move |state, _| {
            let mut summary = UsageSummary::default();
            for row in state.usages.values().filter(|row| fits(row, &filter)) {
                summary.requests += 1;
                let cost = row.billed.as_ref().map(|billed| billed.cost);
                summary.cost = summary.cost.checked_add(cost.unwrap_or_default()).unwrap_or(summary.cost);
                summary.unpriced += u64::from(cost.is_none() && row.usage.total() > 0);
                for (sum, bucket) in summary.tokens.iter_mut().zip(Bucket::ALL) {
                    *sum = sum.saturating_add(row.usage.bucket(bucket));
                }
            }
            Ok(summary)
        })
    }

    fn spent(&self, filter: UsageFilter, slot_ms: u64) -> Stored<'_, Vec<(u64, i64)>> {
        self.change(move |state, _| {
            let mut slots: BTreeMap<u64, i64> = BTreeMap::new();
            for row in state.usages.values().filter(|row| fits(row, &filter)) {
                if let Some(billed) = &row.billed {
                    let slot = slots.entry(row.begun.at - row.begun.at % slot_ms.max(1)).or_default();
                    *slot = slot.saturating_add(billed.cost.get());
                }
            }
            Ok(slots.into_iter().collect())
        })
    }

    fn downstream(&self, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<DownstreamRow>> {
        self.change(move |state, _| Ok(newest(&state.downstream, before, limit, |_| true)))
    }

    fn upstream(&self, request_id: RequestId) -> Stored<'_, Vec<UpstreamRow>> {
        self.change(move |state, _| {
            Ok(state.upstream.range((request_id, 0)..=(request_id, u32::MAX)).map(|(_, row)| row.clone()).collect())
        })
    }

    fn ping(&self) -> Stored<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
