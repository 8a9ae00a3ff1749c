//! Keeps what calls have taught of credentials' health: in the database, so that a restart does not ask the dead again, and with the
//! other instances on one Redis, so that each learns what one of them has.
//!
//! All of it goes on behind the calls, which read only memory. What waits to be told is bounded, and of somebody only the
//! latest word waits. Where the database or Redis is away, it waits, and the instance goes on alone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    health::{Account, Health},
    runtime::{Clock, Platform},
    snapshot::SnapshotCell,
    store::{
        cache::{Cache, CacheFault, Heard},
        persist::{HealthBook, StoreFault},
        record::HealthRow,
    },
};

mod owed;
mod shared;

use owed::Owed;
use shared::Shared;

/// How often the database is told what is new.
const WRITE: Duration = Duration::from_secs(1);
/// How often other instances are.
const SHARE: Duration = Duration::from_millis(250);
/// How long after it failed listening is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How many rounds of writing lie between two looks for what is old.
const TIDY: u32 = 600;
/// How long what is over is kept, and for how long and how many events.
const OVER_MS: u64 = 3_600_000;
const HISTORY_MS: u64 = 30 * 86_400_000;
const HISTORY: u64 = 100_000;
/// How many events go at once.
const BATCH: u64 = 1_000;
/// How long what stands against a credential that is no more is kept: another instance may know one that we do not yet.
const UNKNOWN_MS: u64 = 86_400_000;

/// Carries health from memory to the database and to other instances, and back.
#[derive(Debug)]
pub struct HealthKeeper {
    health: Arc<Health>,
    book: Arc<dyn HealthBook>,
    shared: Option<Shared>,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
}

/// What waits to be told.
#[derive(Debug, Default)]
struct Waiting {
    book: Owed,
    shared: Owed,
}

impl HealthKeeper {
    /// Begins to gather what is learnt from here on. `cache` is what several instances share, where they do.
    #[must_use]
    pub fn new(health: Arc<Health>, book: Arc<dyn HealthBook>, cache: Option<Arc<dyn Cache>>, platform: &Platform) -> Self {
        health.follow();
        let shared = cache.map(|cache| Shared::new(cache, &*platform.entropy));
        Self { health, book, shared, clock: Arc::clone(&platform.clock), waiting: Mutex::default() }
    }

    /// Takes over what was known before this start. What stands against credentials that are no more is forgotten.
    ///
    /// # Errors
    /// Of the database; then this start knows only what other instances tell.
    pub async fn load(&self, snapshot: &SnapshotCell) -> Result<(), StoreFault> {
        self.catch_up(snapshot).await;
        let now_ms = self.clock.unix_ms();
        let known = accounts(snapshot);
        let (rows, gone): (Vec<HealthRow>, Vec<HealthRow>) =
            self.book.standing().await?.into_iter().partition(|row| known.binary_search(&Account::of(row)).is_ok());
        self.health.learn(&[], &rows, now_ms);
        let mut waiting = self.waiting();
        for row in gone.into_iter().filter(|row| row.noted_ms.saturating_add(UNKNOWN_MS) < now_ms) {
            waiting.book.put(HealthRow { rest: None, ..row });
        }
        Ok(())
    }

    /// Writes what is new into the database.
    ///
    /// # Errors
    /// Of the store; what was to be written waits.
    pub async fn write(&self) -> Result<(), StoreFault> {
        self.gather();
        let news = self.waiting().book.take();
        if news.is_empty() {
            return Ok(());
        }
        let written = self.book.learn(news.clone()).await;
        if written.is_err() {
            self.waiting().book.give_back(news);
        }
        written
    }

    /// Tells the other instances what is new.
    ///
    /// # Errors
    /// Of the cache; what was to be told waits.
    pub async fn share(&self) -> Result<(), CacheFault> {
        let Some(shared) = &self.shared else { return Ok(()) };
        self.gather();
        let news = self.waiting().shared.take();
        if news.is_empty() {
            return Ok(());
        }
        let told = shared.tell(&news, self.clock.unix_ms()).await;
        if told.is_err() {
            self.waiting().shared.give_back(news);
        }
        told
    }

    /// Takes over what another instance tells; where something was missed, everything that is there.
    pub async fn hear(&self, word: Heard, snapshot: &SnapshotCell) {
        match (word, &self.shared) {
            (Heard::Message(message), Some(shared)) => {
                if let Some(told) = shared.read(&message) {
                    self.health.learn(&told.resets, &told.rows, self.clock.unix_ms());
                }
            }
            (Heard::Missed, _) => self.catch_up(snapshot).await,
            (Heard::Message(_), None) => {}
        }
    }

    /// Takes over everything that the instances share.
    async fn catch_up(&self, snapshot: &SnapshotCell) {
        let Some(shared) = &self.shared else { return };
        match shared.all(&accounts(snapshot)).await {
            Ok(told) => self.health.learn(&told.resets, &told.rows, self.clock.unix_ms()),
            Err(fault) => tracing::warn!(%fault, "what other instances know of credentials cannot be read; this one goes on alone"),
        }
    }

    fn gather(&self) {
        let news = self.health.take_news(self.clock.unix_ms());
        if news.is_empty() {
            return;
        }
        let mut waiting = self.waiting();
        if self.shared.is_some() {
            waiting.shared.add(&news);
        }
        waiting.book.add(&news);
    }

    /// Forgets what is old in the database.
    async fn tidy(&self) {
        let now_ms = self.clock.unix_ms();
        let events = (now_ms.saturating_sub(HISTORY_MS), HISTORY);
        while let Ok(gone) = self.book.tidy(now_ms.saturating_sub(OVER_MS), events, BATCH).await
            && gone >= BATCH
        {}
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody who can be asked, sorted: the providers, and their credentials as they are now.
fn accounts(snapshot: &SnapshotCell) -> Vec<Account> {
    let snapshot = snapshot.load();
    let of = |provider: &Arc<crate::snapshot::Provider>| {
        let credentials = provider.credentials.iter().map(|credential| provider.account(Some(credential)));
        std::iter::once(provider.account(None)).chain(credentials).collect::<Vec<_>>()
    };
    let mut accounts: Vec<Account> = snapshot.providers().iter().flat_map(of).collect();
    accounts.sort_unstable();
    accounts
}

/// Writes, tells and listens, again and again. The platform ends the tasks at shutdown.
pub fn watch(keeper: &Arc<HealthKeeper>, snapshot: &SnapshotCell, platform: &Platform) {
    let writer = Arc::clone(keeper);
    platform.spawn.spawn(Box::pin(async move { keep_writing(&writer).await }));
    if keeper.shared.is_some() {
        let (teller, listener, snapshot) = (Arc::clone(keeper), Arc::clone(keeper), snapshot.clone());
        platform.spawn.spawn(Box::pin(async move { keep_sharing(&teller).await }));
        platform.spawn.spawn(Box::pin(async move { keep_listening(&listener, &snapshot).await }));
    }
}

async fn keep_writing(keeper: &HealthKeeper) {
    let (mut is_down, mut rounds) = (false, 0_u32);
    loop {
        keeper.clock.sleep(WRITE).await;
        match keeper.write().await {
            Ok(()) => is_down = false,
            Err(fault) if !std::mem::replace(&mut is_down, true) => {
                tracing::warn!(%fault, "the health of credentials is not written; it is kept in memory until the database is back");
            }
            Err(_) => {}
        }
        if rounds % TIDY == 0 {
            keeper.tidy().await;
        }
        rounds = rounds.wrapping_add(1);
    }
}

async fn keep_sharing(keeper: &HealthKeeper) {
    let mut is_down = false;
    loop {
        keeper.clock.sleep(SHARE).await;
        match keeper.share().await {
            Ok(()) => is_down = false,
            Err(fault) if !std::mem::replace(&mut is_down, true) => {
                tracing::warn!(%fault, "other instances are not told of credentials' health; each goes on alone until Redis is back");
            }
            Err(_) => {}
        }
    }
}

async fn keep_listening(keeper: &HealthKeeper, snapshot: &SnapshotCell) {
    let Some(shared) = &keeper.shared else { return };
    loop {
        if let Ok(mut inbox) = shared.listen().await {
            // Whatever was told between the start and now.
            keeper.hear(Heard::Missed, snapshot).await;
            while let Some(word) = inbox.next().await {
                keeper.hear(word, snapshot).await;
            }
        }
        keeper.clock.sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests;
