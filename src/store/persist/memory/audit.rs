//! The record of what was done, in memory.

use super::{MemoryStore, Stored};
use crate::store::{
    persist::{AuditFilter, AuditLog},
    record::{AuditRow, NewAudit},
};

/// All entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<AuditRow>);

impl Entries {
    /// Puts some behind those that stand.
    pub(super) fn add(&mut self, entries: Vec<NewAudit>) {
        for entry in entries {
            let id = self.0.last().map_or(1, |last| last.id + 1);
            self.0.push(AuditRow { id, entry });
        }
    }
}

impl AuditLog for MemoryStore {
    fn note(&self, entry: NewAudit) -> Stored<'_, ()> {
        self.change(move |state, _| {
            state.audit.add(vec![entry]);
            Ok(())
        })
    }

    fn entries(&self, filter: AuditFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<AuditRow>> {
        self.change(move |state, _| {
            let wanted = state.audit.0.iter().rev().filter(|row| before.is_none_or(|before| row.id < before) && fits(&row.entry, &filter));
            Ok(wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
        })
    }
}

fn fits(entry: &NewAudit, filter: &AuditFilter) -> bool {
    filter.from_ms.is_none_or(|from| entry.at >= from)
        && filter.to_ms.is_none_or(|to| entry.at < to)
        && filter.actor_id.is_none_or(|id| entry.actor_id == Some(id))
        && filter.action.is_none_or(|action| entry.action == action)
        && filter.target_kind.as_ref().is_none_or(|kind| entry.target_kind == *kind)
        && filter.target_id.is_none_or(|id| entry.target_id == Some(id))
        && filter.organization_id.is_none_or(|id| entry.organization_id == Some(id))
}
