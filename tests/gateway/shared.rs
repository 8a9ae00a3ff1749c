//! Two instances that share a cache: what one knows of a conversation the other knows too; and the member that a session stays with.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use gproxy::{
    app::affinity,
    base::Secret,
    credentials::Sealer,
    runtime::{Platform, native},
    snapshot::secret::seal_api_key,
    store::{
        cache::memory::MemoryCache,
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{NewCredential, NewRoute, NewRouteMember, Strategy},
    },
    testing::SteppedClock,
};
use serde_json::{Value, json};

use crate::harness::{Gateway, KEY, Upstream, furnished};

const PATH: &str = "/v1/chat/completions";
const WHOLE: &str =
    r#"{"id":"c","object":"chat.completion","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

/// Instances on one configuration and one cache, before one provider.
struct House {
    clock: Arc<SteppedClock>,
    cache: Arc<MemoryCache>,
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
        gateway.engine.share(Arc::clone(&self.cache) as _);
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
