//! Two instances, a restart, and stores that are away.

use std::sync::Arc;

use super::HealthKeeper;
use crate::{
    base::{CredentialId, ProviderId, Secret},
    credentials::Sealer,
    health::{Account, Health, Standing, Trouble},
    snapshot::SnapshotCell,
    store::{
        cache::{Cache, Counted, Heard, Inbox, memory::MemoryCache},
        persist::{HealthBook as _, HealthFilter, RecordsExt as _, memory::MemoryStore},
        record::{HealthReset, HealthWord, NewCredential, NewProvider},
    },
    testing::{ManualClock, platform_with},
};

/// How long the dead are left alone.
const DEAD: std::time::Duration = std::time::Duration::from_secs(30);

/// One database and one cache, and instances on them.
struct House {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    cache: Arc<MemoryCache>,
    snapshot: SnapshotCell,
    account: Account,
}

struct Instance {
    health: Arc<Health>,
    keeper: HealthKeeper,
    inbox: Inbox,
}

impl House {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let platform = platform_with(Arc::clone(&clock) as _);
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        let provider = store.save(None, NewProvider::of("up", "openai")).await.unwrap().id;
        let sealer = Sealer::new(Secret::new("k".to_owned()));
        let sealed = crate::snapshot::secret::seal_api_key(&sealer, provider, &Secret::new("s".to_owned()), &*platform.entropy);
        let row = store.save(None, NewCredential::of(provider, crate::snapshot::secret::API_KEY, sealed)).await.unwrap();
        let stores = crate::admin::Stores::of(&store);
        let control = crate::admin::Control::new(stores, sealer, platform.clone());
        control.refresh().await.unwrap();
        let cache = Arc::new(MemoryCache::new(Arc::clone(&platform.clock)));
        let account = Account { provider, credential: Some((row.id, row.updated_at)) };
        Self { clock, store, cache, snapshot: control.snapshot().clone(), account }
    }

    async fn instance(&self, number: u8) -> Instance {
        let mut platform = platform_with(Arc::clone(&self.clock) as _);
        platform.entropy = Arc::new(Dice(number));
        let health = Arc::new(Health::default());
        let cache = Some(Arc::clone(&self.cache) as _);
        let keeper = HealthKeeper::new(Arc::clone(&health), Arc::clone(&self.store) as _, cache, &platform);
        let inbox = self.cache.subscribe(super::shared::CHANNEL).await.unwrap();
        keeper.load(&self.snapshot).await.unwrap();
        Instance { health, keeper, inbox }
    }

    fn now(&self) -> u64 {
        crate::runtime::Clock::unix_ms(&*self.clock)
    }

    fn standing(&self, at: &Instance, model: &str) -> Standing {
        at.health.standing(self.account, model, self.now())
    }

    async fn hear(&self, at: &mut Instance, messages: usize) {
        for _ in 0..messages {
            let word = at.inbox.next().await.unwrap();
            at.keeper.hear(word, &self.snapshot).await;
        }
    }

    async fn told(&self) -> Vec<(HealthWord, Option<String>)> {
        let rows = self.store.history(HealthFilter::default(), None, 99).await.unwrap();
        rows.into_iter().rev().filter(|row| row.event.credential_id.is_some()).map(|row| (row.event.event, row.event.model)).collect()
    }
}

#[derive(Debug)]
struct Dice(u8);

impl crate::runtime::Entropy for Dice {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

fn all() -> HealthReset {
    HealthReset { provider_id: None, credential_id: None, at_ms: 0 }
}

#[tokio::test]
async fn a_restart_keeps_who_is_dead_or_resting_and_until_when() {
    let house = House::new().await;
    let one = house.instance(1).await;
    let until = house.now() + 60_000;
    one.health.fail(house.account, "m", &Trouble::Limited(Some(60_000)), house.now());
    one.health.fail(house.account, "n", &Trouble::Limited(Some(1_000)), house.now());
    one.keeper.write().await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(2));
    let two = house.instance(2).await;
    assert_eq!([house.standing(&two, "m"), house.standing(&two, "n")], [Standing::Resting(until), Standing::Ready]);
    two.health.fail(house.account, "m", &Trouble::Refused, house.now());
    two.keeper.write().await.unwrap();
    house.clock.advance(std::time::Duration::from_hours(2000));
    let three = house.instance(3).await;
    assert_eq!(three.health.reports(house.now()).len(), 1);
    assert_eq!(house.standing(&three, "m"), Standing::Condemned);
    three.health.succeed(house.account, "m", || house.now());
    three.keeper.write().await.unwrap();
    assert_eq!(house.standing(&house.instance(4).await, "m"), Standing::Ready);
    let m = || Some("m".to_owned());
    let expected = [
        (HealthWord::RateLimited, m()),
        (HealthWord::RateLimited, Some("n".into())),
        (HealthWord::Dead, None),
        (HealthWord::Recovered, None),
    ];
    assert_eq!(house.told().await, expected);
}

#[tokio::test]
async fn a_changed_credential_begins_anew_and_what_is_no_more_is_forgotten() {
    let house = House::new().await;
    let one = house.instance(1).await;
    let former = Account { credential: house.account.credential.map(|(id, changed)| (id, changed - 1)), ..house.account };
    one.health.fail(former, "m", &Trouble::Refused, house.now());
    one.keeper.write().await.unwrap();
    let two = house.instance(2).await;
    two.keeper.write().await.unwrap();
    assert_eq!((house.standing(&two, "m"), house.store.standing().await.unwrap().len()), (Standing::Ready, 1));
    house.clock.advance(std::time::Duration::from_hours(25));
    let three = house.instance(3).await;
    three.keeper.write().await.unwrap();
    assert_eq!(house.store.standing().await.unwrap(), []);
}

#[tokio::test]
async fn what_one_instance_learns_the_other_knows() {
    let house = House::new().await;
    let (mut one, mut two) = (house.instance(1).await, house.instance(2).await);
    one.health.fail(house.account, "m", &Trouble::Limited(Some(9_000)), house.now());
    one.keeper.share().await.unwrap();
    house.hear(&mut two, 1).await;
    let resting = Standing::Resting(house.now() + 9_000);
    assert_eq!(house.standing(&two, "m"), resting);
    // What it heard is no news of its own, and one's own word is not heard twice.
    two.keeper.share().await.unwrap();
    house.hear(&mut one, 1).await;
    house.clock.advance(std::time::Duration::from_secs(1));
    two.health.succeed(house.account, "m", || house.now());
    two.keeper.share().await.unwrap();
    house.hear(&mut one, 1).await;
    assert_eq!(house.standing(&one, "m"), Standing::Ready);
    // One who comes later, or has missed it, reads it.
    one.health.fail(house.account, "m", &Trouble::Refused, house.now());
    one.keeper.share().await.unwrap();
    house.clock.advance(DEAD);
    let three = house.instance(3).await;
    assert_eq!(house.standing(&three, "m"), Standing::Condemned);
    two.keeper.hear(Heard::Missed, &house.snapshot).await;
    assert_eq!(house.standing(&two, "m"), Standing::Condemned);
}

#[tokio::test]
async fn a_reset_reaches_those_who_hear_it_and_those_who_missed_it() {
    let house = House::new().await;
    let (mut one, mut two, three) = (house.instance(1).await, house.instance(2).await, house.instance(3).await);
    for at in [&one, &two, &three] {
        // Each has learnt it by itself, and tells nobody.
        at.health.fail(house.account, "m", &Trouble::Refused, house.now());
        let _untold = at.health.take_news(house.now());
    }
    house.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(one.health.reset(HealthReset { at_ms: house.now(), ..all() }), 1);
    one.keeper.write().await.unwrap();
    one.keeper.share().await.unwrap();
    house.hear(&mut two, 1).await;
    three.keeper.hear(Heard::Missed, &house.snapshot).await;
    for at in [&one, &two, &three] {
        assert_eq!(house.standing(at, "m"), Standing::Ready);
    }
    // Word from before the reset that comes late changes nothing; what is learnt since does.
    let late = crate::store::record::RestRow { why: HealthWord::Dead, until_ms: house.now(), is_told: true, is_dead: true, failures: 1 };
    let row = crate::store::record::HealthRow {
        provider_id: house.account.provider,
        credential_id: house.account.credential.map(|(id, _)| id),
        changed: house.account.credential.unwrap().1,
        model: None,
        noted_ms: house.now() - 1,
        rest: Some(late),
    };
    one.health.learn(&[], std::slice::from_ref(&row), house.now());
    assert_eq!(house.standing(&one, "m"), Standing::Ready);
    one.health.learn(&[], &[crate::store::record::HealthRow { noted_ms: house.now() + 1, ..row }], house.now());
    house.clock.advance(DEAD);
    assert_eq!(house.standing(&one, "m"), Standing::Condemned);
    house.hear(&mut one, 1).await;
    assert_eq!(house.told().await, [(HealthWord::Reset, None)]);
}

/// A store that is away.
#[derive(Debug)]
struct Away;

fn away<T>() -> Result<T, crate::store::cache::CacheFault> {
    Err(crate::store::cache::CacheFault::Unavailable("away".into()))
}

impl Cache for Away {
    fn get(&self, _: &str) -> Counted<'_, Option<bytes::Bytes>> {
        crate::store::cache::Answer::now(away())
    }
    fn set(&self, _: &str, _: bytes::Bytes, _: Option<std::time::Duration>) -> Counted<'_, ()> {
        crate::store::cache::Answer::now(away())
    }
    fn set_if_absent(&self, _: &str, _: bytes::Bytes, _: Option<std::time::Duration>) -> Counted<'_, bool> {
        crate::store::cache::Answer::now(away())
    }
    fn compare_and_swap(&self, _: &str, _: &[u8], _: bytes::Bytes, _: Option<std::time::Duration>) -> Counted<'_, bool> {
        crate::store::cache::Answer::now(away())
    }
    fn delete(&self, _: &str) -> Counted<'_, bool> {
        crate::store::cache::Answer::now(away())
    }
    fn lock(&self, _: &str, _: &[u8], _: std::time::Duration) -> Counted<'_, bool> {
        crate::store::cache::Answer::now(away())
    }
    fn unlock(&self, _: &str, _: &[u8]) -> Counted<'_, bool> {
        crate::store::cache::Answer::now(away())
    }
    fn publish(&self, _: &str, _: bytes::Bytes) -> Counted<'_, ()> {
        crate::store::cache::Answer::now(away())
    }
    fn subscribe(&self, _: &str) -> Counted<'_, Inbox> {
        crate::store::cache::Answer::now(away())
    }
}

#[tokio::test]
async fn while_redis_is_away_each_goes_on_alone_and_what_waits_is_bounded() {
    let house = House::new().await;
    let health = Arc::new(Health::default());
    let platform = platform_with(Arc::clone(&house.clock) as _);
    let keeper = HealthKeeper::new(Arc::clone(&health), Arc::clone(&house.store) as _, Some(Arc::new(Away)), &platform);
    keeper.load(&house.snapshot).await.unwrap();
    for number in 0..20_000_i64 {
        let account = Account { provider: ProviderId(9), credential: Some((CredentialId(number), 0)) };
        health.fail(account, "m", &Trouble::Refused, house.now());
        if number % 1_000 == 0 {
            assert!(keeper.share().await.is_err());
        }
    }
    assert!(keeper.share().await.is_err());
    let waiting = keeper.waiting().shared.take().rows.len();
    assert!((1..=500).contains(&waiting), "{waiting}");
    health.fail(house.account, "m", &Trouble::Refused, house.now());
    keeper.write().await.unwrap();
    house.clock.advance(DEAD);
    assert_eq!(health.standing(house.account, "m", house.now()), Standing::Condemned);
}
