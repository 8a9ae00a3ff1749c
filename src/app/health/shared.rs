//! What instances on one Redis tell each other: a message for those who listen, and a key with an end for each account, for those who
//! come later or missed it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    health::Account,
    runtime::Entropy,
    store::{
        cache::{Cache, CacheFault, Inbox},
        persist::HealthNews,
        record::{HealthReset, HealthRow},
    },
};

/// The channel that is listened to.
pub(super) const CHANNEL: &str = "health";
/// The key of the latest resets.
const RESETS: &str = "health:resets";
/// So many resets are told to those who missed them, for so long.
const LATEST: usize = 64;
const DAY: Duration = Duration::from_hours(24);
/// How long the dead are told of, milliseconds; the database knows them for longer.
const DEAD_MS: u64 = 30 * 86_400_000;
/// How long that something is over is told of, milliseconds.
const OVER_MS: u64 = 600_000;
/// Models that are told of one account.
const MODELS: usize = 1_000;
/// Rows in one message, and keys that are read at a time.
const ROWS: usize = 200;
const AT_A_TIME: usize = 32;
/// How often a key is tried that others write at the same time.
const TRIES: usize = 8;

/// The instances' common knowledge.
#[derive(Debug)]
pub(super) struct Shared {
    cache: Arc<dyn Cache>,
    /// By which this instance knows its own messages.
    name: String,
}

/// What one instance tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    from: String,
    pub(super) resets: Vec<HealthReset>,
    pub(super) rows: Vec<HealthRow>,
}

impl Shared {
    pub(super) fn new(cache: Arc<dyn Cache>, entropy: &dyn Entropy) -> Self {
        let mut name = [0; 16];
        entropy.fill(&mut name);
        Self { cache, name: name.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    pub(super) async fn listen(&self) -> Result<Inbox, CacheFault> {
        self.cache.subscribe(CHANNEL).await
    }

    /// Reads a message of another instance.
    pub(super) fn read(&self, message: &[u8]) -> Option<Told> {
        serde_json::from_slice(message).ok().filter(|told: &Told| told.from != self.name)
    }

    /// Tells everybody: the keys first, so that who hears the message may rely on them.
    pub(super) async fn tell(&self, news: &HealthNews, now_ms: u64) -> Result<(), CacheFault> {
        if !news.resets.is_empty() {
            let join = |mut standing: Vec<HealthReset>| {
                standing.extend(news.resets.iter().filter(|reset| !standing.contains(reset)).copied().collect::<Vec<_>>());
                standing.drain(..standing.len().saturating_sub(LATEST));
                (standing, DAY)
            };
            self.change(RESETS, join).await?;
        }
        let mut accounts: BTreeMap<Account, Vec<HealthRow>> = BTreeMap::new();
        for row in &news.rows {
            accounts.entry(Account::of(row)).or_default().push(row.clone());
        }
        for (account, rows) in &accounts {
            self.change(&key(account), |standing| joined(standing, rows, now_ms)).await?;
        }
        let mut chunks = news.rows.chunks(ROWS);
        let mut told = Told { from: self.name.clone(), resets: news.resets.clone(), rows: chunks.next().unwrap_or_default().to_vec() };
        loop {
            self.cache.publish(CHANNEL, text(&told)).await?;
            let Some(rows) = chunks.next() else { return Ok(()) };
            told = Told { from: self.name.clone(), resets: Vec::new(), rows: rows.to_vec() };
        }
    }

    /// Everything that is told of these accounts.
    pub(super) async fn all(&self, accounts: &[Account]) -> Result<Told, CacheFault> {
        let resets = self.get(RESETS).await?.map(|text| parsed(&text)).unwrap_or_default();
        let keys: Vec<String> = accounts.iter().map(key).collect();
        let read = |key: String| {
            let cache = Arc::clone(&self.cache);
            async move { cache.get(&key).await }
        };
        let read = stream::iter(keys).map(read).buffer_unordered(AT_A_TIME);
        let found: Vec<Option<Bytes>> = read.try_collect().await?;
        let rows = found.into_iter().flatten().flat_map(|text| parsed::<Vec<HealthRow>>(&text)).collect();
        Ok(Told { from: String::new(), resets, rows })
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheFault> {
        self.cache.get(key).await
    }

    /// Changes what stands under a key, whoever else does at the same time.
    async fn change<T>(&self, key: &str, change: impl Fn(T) -> (T, Duration)) -> Result<(), CacheFault>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        for _ in 0..TRIES {
            let before = self.get(key).await?;
            let (value, ttl) = change(before.as_deref().map(parsed).unwrap_or_default());
            let value = text(&value);
            let is_done = match before {
                Some(before) => self.cache.compare_and_swap(key, &before, value, Some(ttl)).await?,
                None => self.cache.set_if_absent(key, value, Some(ttl)).await?,
            };
            if is_done {
                return Ok(());
            }
        }
        // So many at once: those who listen hear it all the same.
        Ok(())
    }
}

fn key(account: &Account) -> String {
    let (credential, changed) = account.credential.map_or((0, 0), |(id, changed)| (id.0, changed));
    format!("health:{}:{credential}:{changed}", account.provider)
}

/// What is known of one account put together: of each model the later word, while it means something; and for how long.
fn joined(standing: Vec<HealthRow>, rows: &[HealthRow], now_ms: u64) -> (Vec<HealthRow>, Duration) {
    let mut models: BTreeMap<Option<String>, HealthRow> = BTreeMap::new();
    for row in standing.into_iter().chain(rows.iter().cloned()) {
        if models.get(&row.model).is_none_or(|stands| rank(stands) <= rank(&row)) {
            models.insert(row.model.clone(), row);
        }
    }
    let mut rows: Vec<HealthRow> = models.into_values().filter(|row| ends(row) > now_ms).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(ends(row)));
    rows.truncate(MODELS);
    let left_ms = rows.first().map_or(1, |last| ends(last) - now_ms);
    (rows, Duration::from_millis(left_ms))
}

/// Which of two rows counts: the later one; of one moment the one that holds longer.
fn rank(row: &HealthRow) -> (u64, u64, Option<u64>) {
    (row.noted_ms, ends(row), row.rest.map(|rest| rest.until_ms))
}

/// Until when a row is worth telling.
fn ends(row: &HealthRow) -> u64 {
    match row.rest {
        Some(rest) if rest.is_dead => row.noted_ms.saturating_add(DEAD_MS),
        Some(rest) => rest.until_ms,
        None => row.noted_ms.saturating_add(OVER_MS),
    }
}

fn text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// What another version wrote, and this one cannot read, counts as nothing.
fn parsed<T: Default + DeserializeOwned>(text: &[u8]) -> T {
    serde_json::from_slice(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Duration, HealthRow, joined};
    use crate::{
        base::ProviderId,
        store::record::{HealthWord, RestRow},
    };

    fn rows() -> impl Strategy<Value = Vec<HealthRow>> {
        let rest = (0..40_u64, any::<bool>()).prop_map(|(until_ms, is_dead)| RestRow {
            why: HealthWord::Transient,
            until_ms,
            is_told: false,
            is_dead,
            failures: 1,
        });
        let row = (0..3_u8, 0..20_u64, proptest::option::of(rest)).prop_map(|(model, noted_ms, rest)| HealthRow {
            provider_id: ProviderId(1),
            credential_id: None,
            changed: 0,
            model: (model > 0).then(|| model.to_string()),
            noted_ms,
            rest,
        });
        proptest::collection::vec(row, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_order_of_writers_and_saying_it_twice_change_nothing(one in rows(), two in rows(), now_ms in 0..30_u64) {
            let told = |parts: [&[HealthRow]; 3]| {
                let mut all = (Vec::new(), Duration::ZERO);
                for part in parts {
                    all = joined(all.0, part, now_ms);
                }
                let until: Vec<_> = all.0.iter().map(|row| (row.model.clone(), row.noted_ms, row.rest.map(|rest| rest.until_ms))).collect();
                (std::collections::BTreeSet::from_iter(until), all.1)
            };
            prop_assert_eq!(told([&one, &two, &[]]), told([&one, &two, &two]));
            let (of_one, of_two) = (joined(Vec::new(), &one, now_ms).0, joined(Vec::new(), &two, now_ms).0);
            prop_assert_eq!(told([&of_one, &of_two, &[]]).0, told([&of_two, &of_one, &[]]).0);
        }
    }
}
