//! Two instances that share a cache: what one knows of a conversation the other knows too; and the member that a session stays with.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gproxy::{
    app::affinity,
    base::Secret,
    credentials::Sealer,
    runtime::{Clock as _, Platform, native},
    snapshot::secret::seal_api_key,
    store::{
        cache::{Answer, Cache, CacheFault, Counted, Inbox, memory::MemoryCache, redis::RedisStore},
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{NewCredential, NewRoute, NewRouteMember, Strategy},
    },
    testing::SteppedClock,
};
use serde_json::{Value, json};

use crate::harness::{self, Gateway, KEY, Upstream, WAIT, furnished};

const PATH: &str = "/v1/chat/completions";
const WHOLE: &str =
    r#"{"id":"c","object":"chat.completion","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

/// Instances on one configuration and one cache, before one provider.
struct House {
    clock: Arc<SteppedClock>,
    cache: Arc<dyn Cache>,
    store: Arc<MemoryStore>,
    provider: Upstream,
}

impl House {
    /// With a route `smart` over three models of one tier and one of the next, and so many credentials.
    async fn new(settings: &str, credentials: usize) -> Self {
        let (clock, provider) = (SteppedClock::new(), Upstream::start().await);
        let (platform, _tasks) = native::platform();
        let platform = Platform { clock: Arc::clone(&clock) as _, ..platform };
        let store = furnished(&platform, "custom", &json!({"base_url": format!("http://{}", provider.address)}).to_string()).await;
        let provider_id = store.load().await.unwrap().providers.iter().next().unwrap().id;
        let sealer = Sealer::new(Secret::new("test".to_owned()));
        for number in 1..credentials {
            let sealed = seal_api_key(&sealer, provider_id, &Secret::new(format!("sk-more-{number}")), &*platform.entropy);
            store.save(None, NewCredential::of(provider_id, "api_key", sealed)).await.unwrap();
        }
        let (namespace, name, settings_json) = (String::new(), "smart".to_owned(), Some(settings.to_owned()));
        let route = NewRoute { namespace, name, strategy: Strategy::RoundRobin, description: None, settings_json, enabled: true };
        let route_id = store.save(None, route).await.unwrap().id;
        for (upstream_model, tier) in [("a", 0), ("b", 0), ("c", 0), ("late", 1)] {
            let upstream_model = upstream_model.to_owned();
            store.save(None, NewRouteMember { route_id, provider_id, upstream_model, weight: 1, tier, enabled: true }).await.unwrap();
        }
        provider.always(200, WHOLE);
        let cache = Arc::new(MemoryCache::new(Arc::clone(&clock) as _));
        Self { clock, cache, store, provider }
    }

    async fn instance(&self) -> Gateway {
        let gateway = Gateway::sharing(&self.store, Arc::clone(&self.clock) as _, Upstream::start().await).await;
        gateway.engine.share(Arc::clone(&self.cache));
        gateway
    }

    /// Asks an instance, which tells the others then; gives the model and the credential that were asked.
    async fn ask(&self, gateway: &Gateway, session: Option<&str>, body: &Value) -> (String, String) {
        let bearer = format!("Bearer {KEY}");
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(session.map(|session| ("x-gproxy-session-id", session)));
        let answer = gateway.call("POST", PATH, &headers, body.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        affinity::tell(&gateway.engine, &*self.cache).await.unwrap();
        let got = self.provider.last();
        let credential = got.head.lines().find(|line| line.starts_with("authorization")).unwrap().to_owned();
        let asked: Value = serde_json::from_slice(&got.body).unwrap();
        (asked["model"].as_str().unwrap().to_owned(), credential)
    }

    async fn members(&self, gateway: &Gateway, session: Option<&str>, calls: usize) -> Vec<String> {
        let mut members = Vec::new();
        for _ in 0..calls {
            members.push(self.ask(gateway, session, &json!({"model": "smart", "messages": []})).await.0);
        }
        members
    }
}

#[tokio::test]
async fn a_conversation_stays_with_its_credential_across_instances_and_a_restart() {
    let house = House::new("{}", 8).await;
    let instances = [house.instance().await, house.instance().await];
    let mut said = vec![json!({"role": "system", "content": "tools and rules ".repeat(400)})];
    let mut credentials = BTreeSet::new();
    for turn in 0..20 {
        said.push(json!({"role": "user", "content": format!("question {turn}")}));
        let body = json!({"model": "up/m", "messages": said});
        // A third one comes for the last turns, and knows nothing of its own.
        let fresh = if turn >= 15 { Some(house.instance().await) } else { None };
        let (_, credential) = house.ask(fresh.as_ref().unwrap_or(&instances[turn % 2]), None, &body).await;
        credentials.insert(credential);
        said.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
        house.clock.advance(Duration::from_secs(20));
    }
    assert_eq!(credentials.len(), 1);
    // Nobody knows it any more than a provider would.
    house.clock.advance(Duration::from_mins(6));
    let one = credentials.clone();
    for _ in 0..8 {
        let fresh = house.instance().await;
        said[0] = json!({"role": "system", "content": "other rules ".repeat(400)});
        house.clock.advance(Duration::from_mins(6));
        credentials.insert(house.ask(&fresh, None, &json!({"model": "up/m", "messages": said})).await.1);
    }
    assert_eq!(credentials, one, "each fresh instance begins with its first credential");
}

#[tokio::test]
async fn a_session_stays_with_its_member_at_every_instance() {
    let house = House::new(r#"{"affinity":{"enabled":true}}"#, 1).await;
    let (one, two) = (house.instance().await, house.instance().await);
    let first = house.members(&one, Some("s"), 4).await;
    assert!(first.iter().all(|member| *member == first[0]), "{first:?}");
    assert_eq!(house.members(&two, Some("s"), 4).await, first);
    let sessions: BTreeSet<String> =
        house.members(&one, Some("t"), 1).await.into_iter().chain(house.members(&one, Some("u"), 1).await).collect();
    assert_eq!(sessions.len(), 2, "others take turns");
    // It rolls: an hour after the last call it is over.
    for _ in 0..3 {
        house.clock.advance(Duration::from_mins(50));
        assert_eq!(house.members(&two, Some("s"), 1).await, first[..1]);
    }
    house.clock.advance(Duration::from_mins(61));
    let after: BTreeSet<String> =
        [house.members(&one, Some("v"), 1).await, house.members(&one, Some("s"), 1).await].concat().into_iter().collect();
    assert_eq!(after.len(), 2, "it takes its turn again");
}

#[tokio::test]
async fn a_route_without_affinity_takes_turns_and_one_that_anchors_anew_moves() {
    let house = House::new("{}", 1).await;
    let gateway = house.instance().await;
    assert_eq!(house.members(&gateway, Some("s"), 4).await, ["a", "b", "c", "a"]);
    let house = House::new(r#"{"affinity":{"enabled":true,"subject":"key","reanchor_after_secs":600}}"#, 1).await;
    let gateway = house.instance().await;
    assert_eq!(house.members(&gateway, None, 2).await, ["a", "a"]);
    house.clock.advance(Duration::from_mins(10));
    let moved = house.members(&gateway, None, 3).await;
    assert!(moved[0] != "a" && moved.iter().all(|member| *member == moved[0]), "{moved:?}");
}

#[tokio::test]
async fn a_member_that_fails_is_left_and_the_session_stays_with_who_answered() {
    let house = House::new(r#"{"affinity":{"enabled":true}}"#, 1).await;
    let gateway = house.instance().await;
    assert_eq!(house.members(&gateway, Some("s"), 2).await, ["a", "a"]);
    house.provider.answers_with(404, "", r#"{"error":{"message":"not now"}}"#);
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-gproxy-session-id", "s")];
    let call = br#"{"model":"smart","messages":[]}"#;
    assert_eq!(gateway.call("POST", PATH, &headers, call).await.status, 404, "the client's own fault moves nobody");
    house.provider.answers_with(429, "retry-after: 30\r\n", "{}");
    let next = house.members(&gateway, Some("s"), 1).await;
    assert_ne!(next, ["a"]);
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.members(&gateway, Some("s"), 2).await, [next[0].clone(), next[0].clone()]);
    assert_ne!(next, ["late"], "the next tier comes after its own");
}

/// A call under an `Idempotency-Key`.
async fn keyed(gateway: &Gateway, key: &str, body: &str) -> harness::Answer {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
    gateway.call("POST", PATH, &headers, body.as_bytes()).await
}

const ASKED: &str = r#"{"model":"up/m","messages":[]}"#;

fn is_replayed(answer: &harness::Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

impl House {
    /// Lets the time go on until something has come.
    async fn until<T>(&self, coming: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                tokio::task::yield_now().await;
                self.clock.advance(Duration::from_millis(1));
            }
        };
        tokio::select! {
            come = coming => come,
            () = time => unreachable!("time has no end"),
        }
    }

    /// The provider says its next answer when it is let go on.
    fn answers_late(&self) {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", WHOLE.len());
        self.provider.answers(vec![WAIT, Bytes::from(head), Bytes::from_static(WHOLE.as_bytes())]);
    }

    /// Ten callers at each of two instances while the provider makes its answer, and ten when it is made: one call, one row.
    async fn one_call_for_all(&self) {
        let (one, two) = (self.instance().await, self.instance().await);
        self.answers_late();
        let first = async {
            let callers = (0..10).flat_map(|_| [keyed(&one, "k", ASKED), keyed(&two, "k", ASKED)]);
            futures_util::future::join_all(callers).await
        };
        let go = async {
            self.provider.spoken.notified().await;
            self.provider.go.notify_one();
        };
        let (mut answers, ()) = self.until(futures_util::future::join(first, go)).await;
        for _ in 0..5 {
            answers.push(self.until(keyed(&one, "k", ASKED)).await);
            answers.push(self.until(keyed(&two, "k", ASKED)).await);
        }
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == WHOLE));
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        assert_eq!(self.provider.got().len(), 1);
        let rows = [one.journal.rows(0).await, two.journal.rows(0).await].concat();
        assert_eq!(rows.len(), 1, "{rows:?}");
        let original = rows[0].begun.request_id.to_string();
        assert!(
            answers
                .iter()
                .filter(|answer| is_replayed(answer))
                .all(|answer| answer.header("x-gproxy-original-request-id") == Some(&original))
        );
    }
}

#[tokio::test]
async fn calls_with_one_key_at_two_instances_are_one_call_and_one_bill() {
    House::new("{}", 1).await.one_call_for_all().await;
}

#[tokio::test]
async fn so_they_are_on_a_real_redis() {
    let mut house = House::new("{}", 1).await;
    let address = std::env::var("GPROXY_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let unique = tempfile::Builder::new().prefix("t").rand_bytes(8).tempfile().unwrap();
    let name = unique.path().file_name().unwrap().to_string_lossy().replace('.', "");
    let (platform, _tasks) = native::platform();
    let store =
        RedisStore::new(&address, &format!("gproxy-test-idem-{name}"), Arc::clone(&platform.clock), Arc::clone(&platform.spawn)).unwrap();
    store.get("x").await.unwrap();
    house.cache = Arc::new(store);
    house.one_call_for_all().await;
}

#[tokio::test]
async fn what_ended_at_one_instance_holds_at_the_other() {
    let house = House::new("{}", 1).await;
    let (one, two) = (house.instance().await, house.instance().await);
    assert_eq!(house.until(keyed(&one, "k", ASKED)).await.status, 200);
    let other = house.until(keyed(&two, "k", r#"{"model":"up/n","messages":[]}"#)).await;
    assert_eq!((other.status, other.header("x-should-retry")), (422, Some("false")));
    assert!(is_replayed(&house.until(keyed(&two, "k", ASKED)).await));
    // What failed is made anew, by whoever is asked.
    house.provider.answers_with(404, "", r#"{"error":{"message":"no"}}"#);
    assert_eq!(house.until(keyed(&one, "f", ASKED)).await.status, 404);
    let anew = house.until(keyed(&two, "f", ASKED)).await;
    assert!(anew.status == 200 && !is_replayed(&anew));
    assert!(is_replayed(&house.until(keyed(&one, "f", ASKED)).await));
    assert_eq!(house.provider.got().len(), 3);
    // What is too large to be kept is told of.
    let large = format!(r#"{{"id":"{}","choices":[]}}"#, "x".repeat(5 << 20));
    house.provider.answers_with(200, "", &large);
    assert_eq!(house.until(keyed(&one, "l", ASKED)).await.status, 200);
    assert_eq!(house.until(keyed(&two, "l", ASKED)).await.status, 409);
    // A day later it is a call of its own.
    house.clock.advance(Duration::from_hours(25));
    assert!(!is_replayed(&house.until(keyed(&two, "k", ASKED)).await));
}

#[tokio::test]
async fn whose_instance_died_is_made_by_another_once_its_lease_is_over() {
    let mut house = House::new("{}", 1).await;
    let cache = Arc::new(Haunted { cache: MemoryCache::new(Arc::clone(&house.clock) as _), is_taken: AtomicBool::new(false) });
    house.cache = Arc::clone(&cache) as _;
    let two = house.instance().await;
    let before = house.clock.unix_ms();
    let answer = house.until(keyed(&two, "k", ASKED)).await;
    assert_eq!((answer.status, is_replayed(&answer), house.provider.got().len()), (200, false, 1));
    let waited = house.clock.unix_ms() - before;
    assert!((LEASE_MS..LEASE_MS + 5_000).contains(&waited), "{waited}");
}

/// A cache in which somebody has just died who holds the first lease that is asked for.
#[derive(Debug)]
struct Haunted {
    cache: MemoryCache,
    is_taken: AtomicBool,
}

impl Cache for Haunted {
    fn get(&self, key: &str) -> Counted<'_, Option<Bytes>> {
        self.cache.get(key)
    }
    fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, ()> {
        self.cache.set(key, value, ttl)
    }
    fn set_if_absent(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        self.cache.set_if_absent(key, value, ttl)
    }
    fn compare_and_swap(&self, key: &str, old: &[u8], new: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        self.cache.compare_and_swap(key, old, new, ttl)
    }
    fn delete(&self, key: &str) -> Counted<'_, bool> {
        self.cache.delete(key)
    }
    fn lock(&self, name: &str, token: &[u8], ttl: Duration) -> Counted<'_, bool> {
        if !self.is_taken.swap(true, Ordering::SeqCst) {
            drop(self.cache.lock(name, b"dead", ttl));
        }
        self.cache.lock(name, token, ttl)
    }
    fn unlock(&self, name: &str, token: &[u8]) -> Counted<'_, bool> {
        self.cache.unlock(name, token)
    }
    fn publish(&self, channel: &str, message: Bytes) -> Counted<'_, ()> {
        self.cache.publish(channel, message)
    }
    fn subscribe(&self, channel: &str) -> Counted<'_, Inbox> {
        self.cache.subscribe(channel)
    }
}

/// How long the lease of one that died stands.
const LEASE_MS: u64 = 30_000;

/// A cache that is away.
#[derive(Debug)]
struct Away;

fn away<T: Send>() -> Counted<'static, T> {
    Answer::now(Err(CacheFault::Unavailable("away".into())))
}

impl Cache for Away {
    fn get(&self, _: &str) -> Counted<'_, Option<Bytes>> {
        away()
    }
    fn set(&self, _: &str, _: Bytes, _: Option<Duration>) -> Counted<'_, ()> {
        away()
    }
    fn set_if_absent(&self, _: &str, _: Bytes, _: Option<Duration>) -> Counted<'_, bool> {
        away()
    }
    fn compare_and_swap(&self, _: &str, _: &[u8], _: Bytes, _: Option<Duration>) -> Counted<'_, bool> {
        away()
    }
    fn delete(&self, _: &str) -> Counted<'_, bool> {
        away()
    }
    fn lock(&self, _: &str, _: &[u8], _: Duration) -> Counted<'_, bool> {
        away()
    }
    fn unlock(&self, _: &str, _: &[u8]) -> Counted<'_, bool> {
        away()
    }
    fn publish(&self, _: &str, _: Bytes) -> Counted<'_, ()> {
        away()
    }
    fn subscribe(&self, _: &str) -> Counted<'_, Inbox> {
        away()
    }
}

#[tokio::test]
async fn while_the_cache_is_away_each_instance_knows_its_own() {
    let mut house = House::new("{}", 8).await;
    house.cache = Arc::new(Away);
    let (one, two) = (house.instance().await, house.instance().await);
    for gateway in [&one, &two] {
        assert!(!is_replayed(&keyed(gateway, "k", ASKED).await));
        assert!(is_replayed(&keyed(gateway, "k", ASKED).await));
    }
    assert_eq!(house.provider.got().len(), 2);
}
