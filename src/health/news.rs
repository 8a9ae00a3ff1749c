//! What this process has learnt that neither the database nor other instances know yet. Bounded: of somebody only the latest
//! counts, and what is too much is left to be learnt by others for themselves.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use super::account::Account;
use crate::store::{
    persist::HealthNews,
    record::{HealthReset, HealthWord, NewHealthEvent, RestRow},
};

/// The most accounts and models that wait to be told, and the most events.
const MOST: usize = 4096;
/// So many resets are remembered, so that older word from others does not undo them.
const RESETS: usize = 64;
/// How long that something was cleared is remembered for the same reason, in milliseconds.
const CLEARED: u64 = 60_000;

/// An account, and one of its models or all of them.
pub(super) type Whom = (Account, Option<Arc<str>>);

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether anybody listens: else nothing is gathered.
    pub(super) is_followed: bool,
    changed: BTreeSet<Whom>,
    /// When what stood against somebody was cleared here.
    cleared: HashMap<Whom, u64>,
    events: VecDeque<NewHealthEvent>,
    resets: Vec<HealthReset>,
    /// The latest resets, also those of others.
    seen_resets: VecDeque<HealthReset>,
}

impl News {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.events.is_empty() && self.resets.is_empty()
    }

    /// Something else stands against somebody now.
    pub(super) fn change(&mut self, whom: Whom) {
        if self.is_followed && (self.changed.len() < MOST || self.changed.contains(&whom)) {
            self.cleared.remove(&whom);
            self.changed.insert(whom);
        }
    }

    /// Nothing stands against somebody any more.
    pub(super) fn clear(&mut self, whom: &Whom, now_ms: u64) {
        if self.is_followed {
            self.change(whom.clone());
            self.forget_cleared(now_ms);
            if self.cleared.len() < MOST {
                self.cleared.insert(whom.clone(), now_ms);
            }
        }
    }

    fn forget_cleared(&mut self, now_ms: u64) {
        if self.cleared.len() >= MOST / 2 {
            let changed = &self.changed;
            self.cleared.retain(|whom, at| changed.contains(whom) || at.saturating_add(CLEARED) > now_ms);
        }
    }

    /// Something happened that is worth a line of history.
    pub(super) fn happened(&mut self, (account, model): &Whom, event: HealthWord, rest: Option<&RestRow>, now_ms: u64) {
        if !self.is_followed {
            return;
        }
        if self.events.len() >= MOST {
            self.events.pop_front();
        }
        self.events.push_back(NewHealthEvent {
            at: now_ms,
            provider_id: account.provider,
            credential_id: account.credential.map(|(id, _)| id),
            model: model.as_deref().map(str::to_owned),
            event,
            until_ms: rest.filter(|rest| !rest.is_dead).map(|rest| rest.until_ms),
            failures: rest.map_or(0, |rest| rest.failures),
        });
    }

    /// An operator had somebody forgotten: here, or at another instance.
    pub(super) fn reset(&mut self, reset: HealthReset, is_ours: bool) {
        if self.is_followed && is_ours {
            self.resets.push(reset);
        }
        if self.seen_resets.len() >= RESETS {
            self.seen_resets.pop_front();
        }
        self.seen_resets.push_back(reset);
    }

    /// Whether what another instance noted of somebody at a moment is over by what was learnt here since.
    pub(super) fn is_outdated(&self, whom: &Whom, noted_ms: u64) -> bool {
        let (account, _) = whom;
        self.cleared.get(whom).is_some_and(|at| *at >= noted_ms)
            || self
                .seen_resets
                .iter()
                .any(|reset| reset.at_ms >= noted_ms && reset.means(account.provider, account.credential.map(|(id, _)| id)))
    }

    /// Takes everything; `row` tells what stands against somebody now, and since when it is known.
    pub(super) fn take(&mut self, row: impl Fn(&Whom) -> Option<(u64, RestRow)>, now_ms: u64) -> HealthNews {
        let rows = std::mem::take(&mut self.changed).into_iter().map(|whom| {
            let stands = row(&whom);
            let noted_ms = stands.map_or_else(|| self.cleared.get(&whom).copied().unwrap_or(now_ms), |(noted_ms, _)| noted_ms);
            super::account::row(&whom, noted_ms, stands.map(|(_, rest)| rest))
        });
        let rows = rows.collect();
        HealthNews { resets: std::mem::take(&mut self.resets), rows, events: std::mem::take(&mut self.events).into() }
    }
}
