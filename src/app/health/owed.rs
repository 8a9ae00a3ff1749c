//! What waits to be told: of somebody the latest word only, and no more than so much.

use std::collections::{BTreeMap, VecDeque, btree_map};

use crate::{
    base::{CredentialId, ProviderId},
    store::{
        persist::HealthNews,
        record::{HealthReset, HealthRow, NewHealthEvent},
    },
};

/// Rows and events that may wait. A row beyond them is not told: whoever asks that credential learns it anew. Of events the
/// oldest are dropped.
const MOST: usize = 8_192;
/// Resets that may wait.
const RESETS: usize = 64;
/// How much is told at once.
const AT_ONCE: usize = 500;

type Key = (ProviderId, Option<CredentialId>, i64, Option<String>);

/// What waits for one listener.
#[derive(Debug, Default)]
pub(super) struct Owed {
    resets: VecDeque<HealthReset>,
    rows: BTreeMap<Key, HealthRow>,
    events: VecDeque<NewHealthEvent>,
}

impl Owed {
    /// Puts news behind what waits.
    pub(super) fn add(&mut self, news: &HealthNews) {
        for reset in &news.resets {
            self.rows.retain(|_, row| row.noted_ms > reset.at_ms || !reset.means(row.provider_id, row.credential_id));
            self.resets.push_back(*reset);
        }
        self.resets.drain(..self.resets.len().saturating_sub(RESETS));
        news.rows.iter().for_each(|row| self.put(row.clone()));
        self.events.extend(news.events.iter().cloned());
        self.events.drain(..self.events.len().saturating_sub(MOST));
    }

    /// Puts one row, unless a later one waits.
    pub(super) fn put(&mut self, row: HealthRow) {
        let is_full = self.rows.len() >= MOST;
        match self.rows.entry((row.provider_id, row.credential_id, row.changed, row.model.clone())) {
            btree_map::Entry::Occupied(mut standing) if standing.get().noted_ms <= row.noted_ms => drop(standing.insert(row)),
            btree_map::Entry::Vacant(place) if !is_full => drop(place.insert(row)),
            btree_map::Entry::Occupied(_) | btree_map::Entry::Vacant(_) => {}
        }
    }

    /// Takes what is told at once.
    pub(super) fn take(&mut self) -> HealthNews {
        let resets = std::mem::take(&mut self.resets).into();
        let rest = self.rows.keys().nth(AT_ONCE).cloned().map(|key| self.rows.split_off(&key)).unwrap_or_default();
        let rows = std::mem::replace(&mut self.rows, rest).into_values().collect();
        let events = self.events.drain(..self.events.len().min(AT_ONCE)).collect();
        HealthNews { resets, rows, events }
    }

    /// Puts what could not be told before what waits.
    pub(super) fn give_back(&mut self, news: HealthNews) {
        let later = std::mem::take(self);
        self.add(&news);
        let Self { resets, rows, events } = later;
        self.add(&HealthNews { resets: resets.into(), rows: rows.into_values().collect(), events: events.into() });
    }
}
