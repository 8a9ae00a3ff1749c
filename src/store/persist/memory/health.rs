//! The health of credentials, in memory.

use std::collections::BTreeMap;

use super::{MemoryStore, Stored};
use crate::{
    base::{CredentialId, ProviderId},
    store::{
        persist::{HealthBook, HealthFilter, HealthNews},
        record::{HealthEventRow, HealthRow, NewHealthEvent},
    },
};

type Key = (ProviderId, Option<CredentialId>, i64, Option<String>);

/// What stands, and what happened, oldest first.
#[derive(Debug, Default)]
pub(super) struct Book {
    standing: BTreeMap<Key, HealthRow>,
    events: Vec<HealthEventRow>,
}

impl Book {
    fn learn(&mut self, news: HealthNews) {
        for reset in &news.resets {
            self.standing.retain(|_, row| row.noted_ms > reset.at_ms || !reset.means(row.provider_id, row.credential_id));
        }
        for row in news.rows {
            let key = (row.provider_id, row.credential_id, row.changed, row.model.clone());
            if self.standing.get(&key).is_some_and(|standing| standing.noted_ms > row.noted_ms) {
                continue;
            }
            match row.rest {
                Some(_) => self.standing.insert(key, row),
                None => self.standing.remove(&key),
            };
        }
        for event in news.events {
            let id = self.events.last().map_or(1, |last| last.id + 1);
            self.events.push(HealthEventRow { id, event });
        }
    }
}

impl HealthBook for MemoryStore {
    fn standing(&self) -> Stored<'_, Vec<HealthRow>> {
        self.change(|state, _| {
            let mut rows: Vec<HealthRow> = state.health.standing.values().cloned().collect();
            rows.sort_by_key(|row| row.noted_ms);
            Ok(rows)
        })
    }

    fn learn(&self, news: HealthNews) -> Stored<'_, ()> {
        self.change(move |state, _| {
            state.health.learn(news);
            Ok(())
        })
    }

    fn history(&self, filter: HealthFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<HealthEventRow>> {
        self.change(move |state, _| {
            let wanted =
                state.health.events.iter().rev().filter(|row| before.is_none_or(|before| row.id < before) && fits(&row.event, &filter));
            Ok(wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
        })
    }

    fn tidy(&self, over_before_ms: u64, (before_ms, keep): (u64, u64), most: u64) -> Stored<'_, u64> {
        self.change(move |state, _| {
            let book = &mut state.health;
            book.standing.retain(|_, row| row.rest.is_some_and(|rest| rest.is_dead || rest.until_ms >= over_before_ms));
            let (mut gone, count) = (0, book.events.len() as u64);
            book.events.retain(|row| {
                let goes = gone < most && (row.event.at < before_ms || count - gone > keep);
                gone += u64::from(goes);
                !goes
            });
            Ok(gone)
        })
    }
}

fn fits(event: &NewHealthEvent, filter: &HealthFilter) -> bool {
    filter.from_ms.is_none_or(|from| event.at >= from)
        && filter.to_ms.is_none_or(|to| event.at < to)
        && filter.provider_id.is_none_or(|id| event.provider_id == id)
        && filter.credential_id.is_none_or(|id| event.credential_id == Some(id))
        && filter.model.as_ref().is_none_or(|model| event.model.as_ref() == Some(model))
}
