//! What one instance learns of a credential's health reaches the others on the same Redis, also after that was away.

use std::{sync::Arc, time::Duration};

use gproxy::{
    admin::{Control, Stores},
    app::health::{HealthKeeper, watch},
    base::Secret,
    credentials::Sealer,
    health::{Account, Health, Standing, Trouble},
    runtime::{
        Clock as _, Platform,
        native::{SystemClock, Tasks},
    },
    snapshot::{SnapshotCell, secret},
    store::{
        cache::redis::RedisStore,
        persist::{RecordsExt as _, memory::MemoryStore},
        record::{HealthReset, NewCredential, NewProvider},
    },
    testing::platform_with,
};

use crate::server::{Private, Shared, store_at};

const RESET: HealthReset = HealthReset { provider_id: None, credential_id: None, at_ms: 0 };
/// How long word may take: about a second, and more where the machine is busy.
const SOON: Duration = Duration::from_secs(5);

/// A configuration with two credentials, and their accounts.
async fn configured() -> (SnapshotCell, [Account; 2]) {
    let platform = platform_with(Arc::new(SystemClock::new()));
    let (store, sealer) = (Arc::new(MemoryStore::new(Arc::clone(&platform.clock))), Sealer::new(Secret::new("k".to_owned())));
    let provider = store.save(None, NewProvider::of("up", "openai")).await.unwrap().id;
    let mut accounts = Vec::new();
    for key in ["a", "b"] {
        let sealed = secret::seal_api_key(&sealer, provider, &Secret::new(key.to_owned()), &*platform.entropy);
        let row = store.save(None, NewCredential::of(provider, secret::API_KEY, sealed)).await.unwrap();
        accounts.push(Account { provider, credential: Some((row.id, row.updated_at)) });
    }
    let control = Control::new(Stores::of(&store), sealer, platform);
    control.refresh().await.unwrap();
    (control.snapshot().clone(), accounts.try_into().unwrap())
}

/// An instance that runs.
fn instance(number: u8, store: RedisStore, snapshot: &SnapshotCell) -> Arc<Health> {
    let clock = Arc::new(SystemClock::new());
    let platform =
        Platform { spawn: Arc::new(Tasks::default()), entropy: Arc::new(Dice(number)), ..platform_with(Arc::clone(&clock) as _) };
    let (health, book) = (Arc::new(Health::default()), Arc::new(MemoryStore::new(clock)));
    let keeper = Arc::new(HealthKeeper::new(Arc::clone(&health), book, Some(Arc::new(store)), &platform));
    watch(&keeper, snapshot, &platform);
    health
}

#[derive(Debug)]
struct Dice(u8);

impl gproxy::runtime::Entropy for Dice {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

fn now() -> u64 {
    SystemClock::new().unix_ms()
}

fn is_ready(health: &Health, account: Account) -> bool {
    health.standing(account, "m", now()) == Standing::Ready
}

async fn soon(done: impl Fn() -> bool) {
    let come = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(SOON, come).await.is_ok(), "it did not come in {SOON:?}");
}

#[tokio::test]
async fn instances_on_one_redis_learn_of_each_other_and_of_an_operators_reset() {
    let (shared, (snapshot, [account, _])) = (Shared::new(), configured().await);
    let [one, two] = [1, 2].map(|number| instance(number, shared.store(), &snapshot));
    // Until both listen: what is told before that is read from the keys.
    one.fail(account, "m", &Trouble::Limited(Some(60_000)), now());
    soon(|| !is_ready(&two, account)).await;
    two.succeed(account, "m", now);
    soon(|| is_ready(&one, account)).await;
    one.fail(account, "m", &Trouble::Refused, now());
    soon(|| !is_ready(&two, account)).await;
    assert_eq!(two.reset(HealthReset { at_ms: now(), ..RESET }), 1);
    soon(|| is_ready(&one, account)).await;
    shared.clean().await;
}

#[tokio::test]
async fn what_was_learnt_while_redis_was_away_is_told_when_it_is_back() {
    let (mut server, (snapshot, [account, other])) = (Private::start(), configured().await);
    let [one, two] = [1, 2].map(|number| instance(number, store_at(&server.address(), "t"), &snapshot));
    one.fail(account, "m", &Trouble::Limited(Some(60_000)), now());
    soon(|| !is_ready(&two, account)).await;
    server.stop();
    two.reset(HealthReset { at_ms: now(), ..RESET });
    // Later than the reset, which would take it away else.
    one.fail(other, "m", &Trouble::Refused, now() + 1);
    assert!(!is_ready(&one, account) && is_ready(&two, account));
    server.start_again();
    soon(|| is_ready(&one, account) && !is_ready(&two, other)).await;
}
