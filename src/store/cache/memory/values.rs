//! Values, locks and channels within one process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    runtime::Clock,
    store::cache::{
        Answer, Cache, Counted, Heard, Inbox,
        inbox::{Outlet, inbox},
    },
};

/// Entries below which nobody looks for expired ones.
const FEW: usize = 1_024;

/// Values in memory.
#[derive(Debug)]
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    values: Mutex<Shelf>,
    locks: Mutex<Shelf>,
    channels: Mutex<HashMap<String, Vec<Outlet>>>,
}

/// Values with the moment of their end. Expired ones are taken out when the shelf has doubled since the last time.
#[derive(Debug, Default)]
struct Shelf {
    values: HashMap<String, (Bytes, u64)>,
    tidy_at: usize,
}

impl Shelf {
    fn get(&self, key: &str, now_ms: u64) -> Option<&Bytes> {
        self.values.get(key).filter(|(_, until)| now_ms < *until).map(|(value, _)| value)
    }

    fn put(&mut self, key: &str, value: Bytes, until_ms: u64, now_ms: u64) {
        if self.values.len() >= self.tidy_at.max(FEW) {
            self.values.retain(|_, (_, until)| now_ms < *until);
            self.tidy_at = self.values.len() * 2;
        }
        self.values.insert(key.to_owned(), (value, until_ms));
    }

    fn remove(&mut self, key: &str, now_ms: u64) -> bool {
        self.values.remove(key).is_some_and(|(_, until)| now_ms < until)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion or removal, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryCache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, values: Mutex::default(), locks: Mutex::default(), channels: Mutex::default() }
    }

    /// Now, and the end of a time to live.
    fn span(&self, ttl: Option<Duration>) -> (u64, u64) {
        let now = self.clock.unix_ms();
        let length = ttl.map_or(u64::MAX, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
        (now, now.saturating_add(length))
    }
}

impl Cache for MemoryCache {
    fn get(&self, key: &str) -> Counted<'_, Option<Bytes>> {
        Answer::now(Ok(lock(&self.values).get(key, self.clock.unix_ms()).cloned()))
    }

    fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, ()> {
        let (now, until) = self.span(ttl);
        lock(&self.values).put(key, value, until, now);
        Answer::now(Ok(()))
    }

    fn set_if_absent(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        let (now, until) = self.span(ttl);
        let mut values = lock(&self.values);
        let absent = values.get(key, now).is_none();
        if absent {
            values.put(key, value, until, now);
        }
        Answer::now(Ok(absent))
    }

    fn compare_and_swap(&self, key: &str, old: &[u8], new: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        let (now, end) = self.span(ttl);
        let mut values = lock(&self.values);
        let swapped = match values.values.get_mut(key) {
            Some((value, until)) if now < *until && **value == *old => {
                *value = new;
                if ttl.is_some() {
                    *until = end;
                }
                true
            }
            Some(_) | None => false,
        };
        Answer::now(Ok(swapped))
    }

    fn delete(&self, key: &str) -> Counted<'_, bool> {
        Answer::now(Ok(lock(&self.values).remove(key, self.clock.unix_ms())))
    }

    fn lock(&self, name: &str, token: &[u8], ttl: Duration) -> Counted<'_, bool> {
        let (now, until) = self.span(Some(ttl));
        let mut locks = lock(&self.locks);
        let free = locks.get(name, now).is_none_or(|owner| **owner == *token);
        if free {
            locks.put(name, Bytes::copy_from_slice(token), until, now);
        }
        Answer::now(Ok(free))
    }

    fn unlock(&self, name: &str, token: &[u8]) -> Counted<'_, bool> {
        let now = self.clock.unix_ms();
        let mut locks = lock(&self.locks);
        let own = locks.get(name, now).is_some_and(|owner| **owner == *token);
        if own {
            locks.remove(name, now);
        }
        Answer::now(Ok(own))
    }

    fn publish(&self, channel: &str, message: Bytes) -> Counted<'_, ()> {
        let mut channels = lock(&self.channels);
        if let Some(listeners) = channels.get_mut(channel) {
            listeners.retain(|listener| listener.tell(Heard::Message(message.clone())));
            if listeners.is_empty() {
                channels.remove(channel);
            }
        }
        Answer::now(Ok(()))
    }

    fn subscribe(&self, channel: &str) -> Counted<'_, Inbox> {
        let (outlet, inbox) = inbox();
        lock(&self.channels).entry(channel.to_owned()).or_default().push(outlet);
        Answer::now(Ok(inbox))
    }
}
