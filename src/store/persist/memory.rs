//! Records and ledger in memory: for tests, for `gproxy check`, and for trying things out. Nothing outlives the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Ledger, Records, StoreFault, Stored, UsageFilter, UsageSummary};
use crate::{
    base::{Bucket, CredentialId, KeyId, ModelId, ProviderId, RequestId, UserId},
    runtime::Clock,
    store::record::{
        ConfigRows, CredentialRow, DownstreamRow, KeyRow, ModelRow, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser,
        PermissionRow, ProviderRow, SettingsRow, UpstreamRow, UsageRow, UserRow,
    },
};

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
    used: bool,
    usages: BTreeMap<RequestId, UsageRow>,
    downstream: BTreeMap<RequestId, DownstreamRow>,
    upstream: BTreeMap<(RequestId, u32), UpstreamRow>,
    kept: kept::Shelf,
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

/// Makes or changes one row of a table. `$same` tells whether two rows may not both stand.
macro_rules! save {
    ($self:ident, $table:ident, $row_type:ident, $new:ty, $id_type:expr, $what:literal, $id:ident, $row:ident, $same:expr, $name:expr, $parent:expr) => {
        $self.change(move |state, now| {
            let parent: fn(&ConfigRows, &$new) -> Result<(), StoreFault> = $parent;
            if let Some(id) = $id
                && !state.config.$table.iter().any(|row| row.id == id)
            {
                return Err(StoreFault::Missing { what: $what, id: id.0 });
            }
            parent(&state.config, &$row)?;
            let same: fn(&$new, &$new) -> bool = $same;
            if state.config.$table.iter().any(|other| Some(other.id) != $id && same(&other.row, &$row)) {
                let name: fn(&$new) -> String = $name;
                return Err(StoreFault::Taken { what: $what, value: name(&$row) });
            }
            let Some(id) = $id else {
                state.last_id += 1;
                state.used = true;
                let made = $row_type { id: $id_type(state.last_id), row: $row, created_at: now, updated_at: now };
                state.config.$table.push(made.clone());
                return Ok(made);
            };
            let found = state.config.$table.iter_mut().find(|row| row.id == id).ok_or(StoreFault::Missing { what: $what, id: id.0 })?;
            found.row = $row;
            found.updated_at = now;
            Ok(found.clone())
        })
    };
}

fn provider_stands(rows: &ConfigRows, id: ProviderId) -> Result<(), StoreFault> {
    let stands = rows.providers.iter().any(|row| row.id == id);
    if stands { Ok(()) } else { Err(StoreFault::Missing { what: "provider", id: id.0 }) }
}

fn user_stands(rows: &ConfigRows, id: UserId) -> Result<(), StoreFault> {
    let stands = rows.users.iter().any(|row| row.id == id);
    if stands { Ok(()) } else { Err(StoreFault::Missing { what: "user", id: id.0 }) }
}

fn remove<T>(table: &mut Vec<T>, what: &'static str, id: i64, is_it: impl Fn(&T) -> bool) -> Result<(), StoreFault> {
    let before = table.len();
    table.retain(|row| !is_it(row));
    if table.len() == before { Err(StoreFault::Missing { what, id }) } else { Ok(()) }
}

impl Records for MemoryStore {
    fn load(&self) -> Stored<'_, ConfigRows> {
        let rows = self.state().config.clone();
        Box::pin(async move { Ok(rows) })
    }

    fn is_fresh(&self) -> Stored<'_, bool> {
        let fresh = !self.state().used;
        Box::pin(async move { Ok(fresh) })
    }

    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()> {
        self.change(move |state, now| {
            state.config.settings = SettingsRow { updated_at: now.max(1), ..settings };
            Ok(())
        })
    }

    fn save_provider(&self, id: Option<ProviderId>, row: NewProvider) -> Stored<'_, ProviderRow> {
        save!(
            self,
            providers,
            ProviderRow,
            NewProvider,
            ProviderId,
            "provider",
            id,
            row,
            |a, b| a.name == b.name,
            |row| row.name.clone(),
            |_, _| Ok(())
        )
    }

    fn delete_provider(&self, id: ProviderId) -> Stored<'_, ()> {
        self.change(move |state, _| {
            remove(&mut state.config.providers, "provider", id.0, |row| row.id == id)?;
            state.config.credentials.retain(|row| row.provider_id != id);
            state.config.models.retain(|row| row.provider_id != id);
            Ok(())
        })
    }

    fn save_credential(&self, id: Option<CredentialId>, row: NewCredential) -> Stored<'_, CredentialRow> {
        save!(
            self,
            credentials,
            CredentialRow,
            NewCredential,
            CredentialId,
            "credential",
            id,
            row,
            |_, _| false,
            |_| String::new(),
            |rows, row| provider_stands(rows, row.provider_id)
        )
    }

    fn delete_credential(&self, id: CredentialId) -> Stored<'_, ()> {
        self.change(move |state, _| remove(&mut state.config.credentials, "credential", id.0, |row| row.id == id))
    }

    fn save_model(&self, id: Option<ModelId>, row: NewModel) -> Stored<'_, ModelRow> {
        let same = |a: &NewModel, b: &NewModel| a.provider_id == b.provider_id && a.model_id == b.model_id;
        save!(self, models, ModelRow, NewModel, ModelId, "model", id, row, same, |row| row.model_id.clone(), |rows, row| provider_stands(
            rows,
            row.provider_id
        ))
    }

    fn delete_model(&self, id: ModelId) -> Stored<'_, ()> {
        self.change(move |state, _| remove(&mut state.config.models, "model", id.0, |row| row.id == id))
    }

    fn save_user(&self, id: Option<UserId>, row: NewUser) -> Stored<'_, UserRow> {
        save!(self, users, UserRow, NewUser, UserId, "user", id, row, |a, b| a.name == b.name, |row| row.name.clone(), |_, _| Ok(()))
    }

    fn delete_user(&self, id: UserId) -> Stored<'_, ()> {
        self.change(move |state, _| {
            remove(&mut state.config.users, "user", id.0, |row| row.id == id)?;
            state.config.keys.retain(|row| row.user_id != id);
            state.config.permissions.retain(|row| row.user_id != id);
            state.kept.forget_user(id);
            Ok(())
        })
    }

    fn save_key(&self, id: Option<KeyId>, row: NewKey) -> Stored<'_, KeyRow> {
        save!(self, keys, KeyRow, NewKey, KeyId, "key", id, row, |a, b| a.digest == b.digest, |row| row.prefix.clone(), |rows, row| {
            user_stands(rows, row.user_id)
        })
    }

    fn delete_key(&self, id: KeyId) -> Stored<'_, ()> {
        self.change(move |state, _| remove(&mut state.config.keys, "key", id.0, |row| row.id == id))
    }

    fn save_permission(&self, row: NewPermission) -> Stored<'_, PermissionRow> {
        self.change(move |state, now| {
            user_stands(&state.config, row.user_id)?;
            if let Some(standing) = state.config.permissions.iter().find(|other| other.row == row) {
                return Ok(standing.clone());
            }
            state.last_id += 1;
            let made = PermissionRow { id: state.last_id, row, created_at: now, updated_at: now };
            state.config.permissions.push(made.clone());
            Ok(made)
        })
    }

    fn delete_permission(&self, id: i64) -> Stored<'_, ()> {
        self.change(move |state, _| remove(&mut state.config.permissions, "permission", id, |row| row.id == id))
    }
}

fn fits(row: &UsageRow, filter: &UsageFilter) -> bool {
    let begun = &row.begun;
    filter.from_ms.is_none_or(|from| begun.at >= from)
        && filter.to_ms.is_none_or(|to| begun.at < to)
        && filter.user_id.is_none_or(|id| begun.user_id == id)
        && filter.key_id.is_none_or(|id| begun.key_id == id)
        && filter.provider_id.is_none_or(|id| begun.provider_id == id)
        && filter.model.as_ref().is_none_or(|model| *begun.model == **model)
}

fn newest<V: Clone>(rows: &BTreeMap<RequestId, V>, before: Option<RequestId>, limit: u64, fits: impl Fn(&V) -> bool) -> Vec<V> {
    let wanted = rows.iter().rev().filter(|(id, row)| before.is_none_or(|before| **id < before) && fits(row));
    wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|(_, row)| row.clone()).collect()
}

impl Ledger for MemoryStore {
    fn write_usages(&self, rows: Vec<UsageRow>) -> Stored<'_, ()> {
        self.change(move |state, _| {
            for row in rows {
                state.usages.entry(row.begun.request_id).or_insert(row);
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
                for (sum, bucket) in summary.tokens.iter_mut().zip(Bucket::ALL) {
                    *sum = sum.saturating_add(row.usage.bucket(bucket));
                }
            }
            Ok(summary)
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
