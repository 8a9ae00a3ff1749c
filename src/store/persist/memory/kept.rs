//! Kept things in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{MemoryStore, StoreFault, Stored};
use crate::{
    base::UserId,
    store::{
        persist::{Kept, Link, Page},
        record::{Keep, KeptItem, KeptRow},
    },
};

/// Everything that is kept, by user and id.
#[derive(Debug, Default)]
pub(super) struct Shelf(BTreeMap<(UserId, String), Keep>);

impl Shelf {
    /// Forgets what a user had.
    pub(super) fn forget_user(&mut self, user: UserId) {
        self.0.retain(|(owner, _), _| *owner != user);
    }

    fn put(&mut self, thing: Keep) {
        match self.0.get_mut(&(thing.row.user_id, thing.row.id.clone())) {
            Some(standing) => {
                standing.row.body_json = thing.row.body_json;
                standing.row.expires_at = thing.row.expires_at;
                standing.items.extend(thing.items);
            }
            None => _ = self.0.insert((thing.row.user_id, thing.row.id.clone()), thing),
        }
    }

    fn line(&self, last: &KeptRow) -> Option<Vec<Link>> {
        let mut links = Vec::new();
        let mut next = Some(&last.id);
        while let Some(id) = next {
            let thing = self.0.get(&(last.user_id, id.clone()))?;
            next = thing.row.previous.as_ref();
            links.push(Link { id: thing.row.id.clone(), input_json: thing.row.input_json.clone(), output: thing.items.clone() });
        }
        links.reverse();
        Some(links)
    }

    fn items(&self, user: UserId, owner: String, page: &Page) -> Vec<KeptItem> {
        let mut items = self.0.get(&(user, owner)).map(|thing| thing.items.clone()).unwrap_or_default();
        if page.newest_first {
            items.reverse();
        }
        let begin = match &page.after {
            None => 0,
            Some(after) => items.iter().position(|item| item.id == *after).map_or(items.len(), |at| at + 1),
        };
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        items.into_iter().skip(begin).take(limit).collect()
    }

    fn expired(&self, now_ms: i64) -> Vec<(UserId, String)> {
        let live = |thing: &&Keep| thing.row.expires_at > now_ms;
        let held: HashSet<(UserId, &str)> =
            self.0.values().filter(live).map(|thing| (thing.row.user_id, thing.row.thread.as_str())).collect();
        let gone = self.0.iter().filter(|(_, thing)| !held.contains(&(thing.row.user_id, thing.row.thread.as_str())));
        let mut gone: Vec<_> = gone.map(|(key, thing)| (thing.row.expires_at, key.clone())).collect();
        gone.sort();
        gone.into_iter().map(|(_, key)| key).collect()
    }
}

impl Kept for MemoryStore {
    fn keep(&self, things: Vec<Keep>) -> Stored<'_, ()> {
        self.change(move |state, _| {
            for thing in &things {
                let user = thing.row.user_id;
                state.config.users.get(user).ok_or(StoreFault::Missing { what: "user", id: user.0 })?;
            }
            for thing in things {
                state.kept.put(thing);
            }
            Ok(())
        })
    }

    fn find(&self, user: UserId, id: String) -> Stored<'_, Option<KeptRow>> {
        self.change(move |state, _| Ok(state.kept.0.get(&(user, id)).map(|thing| thing.row.clone())))
    }

    fn line(&self, last: KeptRow) -> Stored<'_, Vec<Link>> {
        self.change(move |state, _| Ok(state.kept.line(&last).unwrap_or_default()))
    }

    fn items(&self, user: UserId, owner: String, page: Page) -> Stored<'_, Vec<KeptItem>> {
        self.change(move |state, _| Ok(state.kept.items(user, owner, &page)))
    }

    fn named(&self, user: UserId, ids: Vec<String>, now_ms: i64) -> Stored<'_, Vec<KeptItem>> {
        self.change(move |state, _| {
            let live = |thing: &&Keep| thing.row.user_id == user && thing.row.expires_at > now_ms;
            let mut found = HashMap::new();
            for item in state.kept.0.values().filter(live).flat_map(|thing| &thing.items).filter(|item| ids.contains(&item.id)) {
                found.insert(item.id.as_str(), item);
            }
            Ok(found.into_values().cloned().collect())
        })
    }

    fn forget(&self, user: UserId, id: String) -> Stored<'_, bool> {
        self.change(move |state, _| Ok(state.kept.0.remove(&(user, id)).is_some()))
    }

    fn forget_item(&self, user: UserId, owner: String, id: String) -> Stored<'_, bool> {
        self.change(move |state, _| {
            let Some(thing) = state.kept.0.get_mut(&(user, owner)) else { return Ok(false) };
            let before = thing.items.len();
            thing.items.retain(|item| item.id != id);
            Ok(thing.items.len() < before)
        })
    }

    fn expire(&self, now_ms: i64, most: u64) -> Stored<'_, u64> {
        self.change(move |state, _| {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let gone: Vec<_> = state.kept.expired(now_ms).into_iter().take(most).collect();
            for key in &gone {
                state.kept.0.remove(key);
            }
            Ok::<_, StoreFault>(gone.len() as u64)
        })
    }
}
