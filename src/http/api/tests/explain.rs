//! What would become of a call: told as it would go, and nothing of it happens.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, ALICE, House, PEER};
use crate::{
    health::Trouble,
    http::api::serve_beside,
    observe::Metrics,
    pipeline::{Engine, Limits},
    runtime::Clock as _,
    store::{
        persist::{Journal, JournalFault},
        record::Entry,
    },
};

/// A journal that nobody may write to.
#[derive(Debug)]
struct Shut;

impl Journal for Shut {
    fn append(&self, entry: &Entry) -> Result<(), JournalFault> {
        panic!("nothing is written down of a call that is not made: {entry:?}")
    }

    fn backlog(&self) -> u64 {
        0
    }
}

struct Desk {
    house: House,
    engine: Engine,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new().await;
        let platform = house.control.platform().clone();
        let engine = Engine::new(house.control.snapshot().clone(), platform, Arc::new(Shut), Arc::new(Metrics::new()), Limits::default());
        let engine = engine.with_health(Arc::clone(house.control.health()));
        Self { house, engine }
    }

    async fn made(&self, path: &str, body: Value) -> i64 {
        self.house.ok(Method::POST, path, body).await["id"].as_i64().unwrap()
    }

    /// The id of a user's key.
    async fn key(&self, user: i64) -> i64 {
        self.house.ok(Method::GET, &format!("/admin/users/{user}/keys"), Value::Null).await[0]["id"].as_i64().unwrap()
    }

    async fn asked(&self, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(Method::POST).uri("/admin/explain").header("authorization", format!("Bearer {ADMIN}"));
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        let response = serve_beside((&self.house.control, Some(&self.engine)), request, Some(PEER)).await;
        (response.status(), serde_json::from_slice(response.body()).unwrap())
    }

    /// What would become of a chat of the second user's.
    async fn chat(&self, model: &str) -> Value {
        let body = json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
        let key = self.key(self.house.alice).await;
        let (status, told) = self.asked(json!({"path": "/v1/chat/completions", "key_id": key, "body": body})).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told
    }
}

#[tokio::test]
async fn a_route_is_told_with_all_its_members_and_credentials_and_why_some_are_not_asked() {
    let desk = Desk::new().await;
    let house = &desk.house;
    let one = desk.made("/admin/providers", json!({"name": "one", "channel": "openai"})).await;
    let two = desk.made("/admin/providers", json!({"name": "two", "channel": "claude"})).await;
    let off = desk.made("/admin/providers", json!({"name": "off", "channel": "openai", "enabled": false})).await;
    let credential = |key: &'static str, enabled: bool| desk.made_credential(one, key, enabled);
    let (first, second, third) = (credential("sk-a", true).await, credential("sk-b", true).await, credential("sk-c", false).await);
    let claude = desk.made_credential(two, "sk-d", true).await;
    let route = desk.made("/admin/routes", json!({"name": "fast", "strategy": "failover"})).await;
    let members = format!("/admin/routes/{route}/members");
    let member = |provider: i64, tier: i64, enabled: bool| {
        let body = json!({"provider_id": provider, "upstream_model": "gpt-4o", "tier": tier, "enabled": enabled});
        desk.made_at(&members, body)
    };
    let (a, b) = (member(one, 0, true).await, member(two, 1, true).await);
    let (c, d) = (member(off, 2, true).await, member(one, 3, false).await);
    let told = desk.chat("fast").await;
    assert_eq!((&told["outcome"], &told["refusal"]["kind"]), (&json!("refused"), &json!("forbidden")), "{told}");
    assert!(told["targets"].as_array().unwrap().iter().all(|target| target["left_out"].is_string()), "{told}");
    house.ok(Method::POST, &format!("/admin/users/{}/permissions", house.alice), json!({"pattern": "fast"})).await;
    let account = house.control.snapshot().load().provider("one").map(|one| one.account(one.credentials.first())).unwrap();
    house.control.health().fail(account, "gpt-4o", &Trouble::Refused, house.clock.unix_ms());
    let told = desk.chat("fast").await;
    assert_eq!(
        (&told["outcome"], &told["route"], &told["kind"]),
        (&json!("sent"), &json!("fast"), &json!("open_ai_chat_completions")),
        "{told}"
    );
    let members = |told: &Value| told["targets"].as_array().unwrap().iter().map(|target| target["member_id"].clone()).collect::<Vec<_>>();
    assert_eq!(members(&told), [json!(a), json!(b)]);
    let unused = json!([
        {"credential_id": third, "why": "it is switched off"},
        {"credential_id": first, "why": "it is resting, and others are well"},
    ]);
    assert_eq!(told["targets"][0]["unused_credentials"], unused);
    let skipped: Vec<(&Value, &str)> =
        told["skipped"].as_array().unwrap().iter().map(|member| (&member["member_id"], member["why"].as_str().unwrap())).collect();
    assert_eq!(skipped[0], (&json!(c), "its provider is switched off, or cannot serve; see the faults"));
    assert_eq!(skipped[1], (&json!(d), "it is switched off"));
    let turns: Vec<(&Value, &Value)> =
        told["turns"].as_array().unwrap().iter().map(|turn| (&turn["credential_id"], &turn["standing"])).collect();
    assert_eq!(turns[0], (&json!(second), &json!("ready")), "{told}");
    assert!(turns.contains(&(&json!(claude), &json!("ready"))), "{told}");
    let body = json!({"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let key = desk.key(house.alice).await;
    let (_, told) = desk.asked(json!({"path": "/v1/messages", "key_id": key, "body": body})).await;
    let asked_as: Vec<bool> = told["targets"].as_array().unwrap().iter().map(|target| target["asked_as"].is_string()).collect();
    assert_eq!(asked_as, [true, false], "the first is asked in another dialect: {told}");
}

#[tokio::test]
async fn budgets_are_told_with_what_the_call_would_reserve_and_nothing_is_reserved() {
    let desk = Desk::new().await;
    let house = &desk.house;
    let provider = desk.made("/admin/providers", json!({"name": "one", "channel": "openai"})).await;
    desk.made_credential(provider, "sk-a", true).await;
    house.ok(Method::POST, &format!("/admin/users/{}/permissions", house.alice), json!({"pattern": "one/*"})).await;
    let limit = json!({"scope": "user", "scope_id": house.alice, "pattern": "*", "requests_per_minute": 2});
    house.ok(Method::POST, "/admin/rate-limits", limit).await;
    let quota = desk.made("/admin/quotas", json!({"scope": "user", "scope_id": house.alice, "total": "1000"})).await;
    let told = desk.chat("one/gpt-4o").await;
    assert_eq!(told["outcome"], json!("sent"), "{told}");
    let draws = told["draws"].as_array().unwrap();
    let of = |counts: &str| draws.iter().find(|draw| draw["counts"] == counts).unwrap_or_else(|| panic!("{counts}: {told}"));
    assert_eq!((&of("requests")["limit"], &of("requests")["spent"], &of("requests")["fits"]), (&json!("2"), &json!("0"), &json!(true)));
    assert_eq!((&of("dollars")["record_id"], &of("dollars")["fits"]), (&json!(quota), &json!(true)));
    assert!(of("dollars")["asks"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{told}");
    for _ in 0..5 {
        desk.chat("one/gpt-4o").await;
    }
    let audit = desk.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{audit:?}");
    house.ok(Method::PATCH, &format!("/admin/quotas/{quota}"), json!({"total": "0.0000001"})).await;
    let told = desk.chat("one/gpt-4o").await;
    assert_eq!((&told["outcome"], &told["refusal"]["kind"]), (&json!("refused"), &json!("quota_spent")), "{told}");
}

#[tokio::test]
async fn what_cannot_be_a_call_is_told_with_its_reason() {
    let desk = Desk::new().await;
    let key = desk.key(desk.house.alice).await;
    let body = |model: &str| json!({"model": model, "messages": []});
    for (input, kind) in [
        (json!({"path": "/v1/nothing", "key_id": key}), "not_found"),
        (json!({"path": "/v1/chat/completions", "method": "DELETE", "key_id": key}), "method_not_allowed"),
        (json!({"path": "/v1/chat/completions", "key_id": key, "body": body("nowhere/m")}), "model_not_found"),
        (json!({"path": "/v1/chat/completions", "key_id": key, "body": {}}), "bad_request"),
    ] {
        let (status, told) = desk.asked(input.clone()).await;
        assert_eq!(
            (status, &told["outcome"], &told["refusal"]["kind"]),
            (StatusCode::OK, &json!("refused"), &json!(kind)),
            "{input}: {told}"
        );
    }
    let (_, told) = desk.asked(json!({"path": "/v1/models", "method": "GET"})).await;
    assert_eq!((&told["outcome"], &told["caller"]["user"]), (&json!("answered_here"), &json!("admin")), "{told}");
    for (input, field) in [
        (json!({"path": "no path", "key_id": key}), "path"),
        (json!({"path": "https://host/v1", "key_id": key}), "path"),
        (json!({"path": "/v1/models", "method": "G T"}), "method"),
        (json!({"path": "/v1/models", "peer": "here"}), "peer"),
        (json!({"path": "/v1/models", "headers": {"a b": "c"}}), "headers.a b"),
        (json!({}), "path"),
    ] {
        let (status, told) = desk.asked(input.clone()).await;
        assert_eq!((status, &told["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{input}: {told}");
    }
    assert_eq!(desk.asked(json!({"path": "/v1/models", "key_id": 999})).await.0, StatusCode::NOT_FOUND);
    desk.house.ok(Method::PATCH, &format!("/admin/user-keys/{key}"), json!({"enabled": false})).await;
    let (status, told) = desk.asked(json!({"path": "/v1/models", "key_id": key})).await;
    assert_eq!((status, &told["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("key_id")), "{told}");
    assert_eq!(desk.house.call(Some(ALICE), Method::POST, "/admin/explain", json!({})).await.0, StatusCode::UNAUTHORIZED);
    let (status, told) = desk.house.refused(Method::POST, "/admin/explain", json!({"path": "/v1/models"})).await;
    assert_eq!(status, StatusCode::CONFLICT, "without an engine: {told}");
}

impl Desk {
    async fn made_at(&self, path: &str, body: Value) -> i64 {
        self.made(path, body).await
    }

    async fn made_credential(&self, provider: i64, key: &str, enabled: bool) -> i64 {
        self.made(&format!("/admin/providers/{provider}/credentials"), json!({"api_key": key, "enabled": enabled})).await
    }
}
