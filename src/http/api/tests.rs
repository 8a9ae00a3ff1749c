//! The whole table with every role, and the ways through it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{Asks, owns, routes, serve};
use crate::{
    access::key::{digest_text, prefix},
    admin::{Control, Origin, Stores, password::Passwords},
    base::{KeyId, ProviderId, RequestId, Secret, Usage, UserId},
    credentials::Sealer,
    protocol::{Operation, OperationKind},
    store::{
        persist::{Ledger, RecordsExt, memory::MemoryStore},
        record::{Begun, DownstreamRow, Ended, NewKey, NewUser, Source, UsageRow},
    },
    testing::{ManualClock, platform_with},
};

mod audit;
mod batch;
mod explain;
mod health;
mod identity;
mod names;
mod owners;
mod renewed;
mod settings;

const ADMIN: &str = "sk-admin-0123456789abcdef";
const ALICE: &str = "sk-alice-0123456789abcdef";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

struct House {
    control: Control,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    admin: i64,
    alice: i64,
}

impl House {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let platform = platform_with(Arc::clone(&clock) as _);
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        let stores = Stores::of(&store);
        let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform).with_passwords(Passwords::cheap());
        let mut house = Self { control, store, clock, admin: 0, alice: 0 };
        house.admin = house.user("admin", ADMIN, true).await;
        house.alice = house.user("alice", ALICE, false).await;
        house.control.refresh().await.unwrap();
        house
    }

    async fn user(&self, name: &str, key: &str, is_admin: bool) -> i64 {
        let user = self.store.save(None, NewUser::named(name).with_admin(is_admin)).await.unwrap();
        let row = NewKey::of(user.id, digest_text(key), prefix(key));
        self.store.save(None, row).await.unwrap();
        user.id.0
    }

    async fn call(&self, key: Option<&str>, method: Method, path: &str, body: Value) -> (StatusCode, Value, http::HeaderMap) {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = serve(&self.control, request.body(body).unwrap(), Some(PEER)).await;
        let (head, body) = response.into_parts();
        let is_table = head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/csv"));
        let value = match &body[..] {
            [] => Value::Null,
            text if is_table => String::from_utf8(text.to_vec()).unwrap().into(),
            json => serde_json::from_slice(json).unwrap(),
        };
        (head.status, value, head.headers)
    }

    /// A call of the administrator's that must go well.
    async fn ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, value, _) = self.call(Some(ADMIN), method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {value}");
        value
    }

    /// A call of the administrator's that must be refused.
    async fn refused(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, value, _) = self.call(Some(ADMIN), method.clone(), path, body).await;
        assert!(!status.is_success(), "{method} {path}: {status} {value}");
        (status, value)
    }
}

#[tokio::test]
async fn every_route_is_shut_to_those_it_is_not_for() {
    let house = House::new().await;
    let mut seen = BTreeSet::new();
    for (method, pattern, asks) in routes() {
        assert!(owns(pattern) && seen.insert((method.to_string(), pattern)), "{method} {pattern} is there twice");
        let path = pattern.replace("{id}", "999");
        for (who, key) in [("nobody", None), ("a stranger", Some("sk-unknown")), ("a user", Some(ALICE))] {
            let (status, body, headers) = house.call(key, method.clone(), &path, Value::Null).await;
            let expected = match (asks, who) {
                (Asks::Nothing, _) | (Asks::Key, "a user") => continue,
                (Asks::Role(..) | Asks::Ruler, "a user") => StatusCode::FORBIDDEN,
                (Asks::Key | Asks::Role(..) | Asks::Ruler, _) => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(status, expected, "{who} at {method} {path}: {body}");
            assert!(!body["error"].is_null());
            assert_eq!(headers.contains_key("www-authenticate"), expected == StatusCode::UNAUTHORIZED);
        }
        if path.starts_with("/admin/") && path != super::openapi::PATH {
            assert!(matches!(asks, Asks::Role(..)), "{path} has no area in asks.rs");
        }
    }
    let public: Vec<_> = routes().filter(|(_, _, asks)| *asks == Asks::Nothing).map(|(_, path, _)| path).collect();
    assert_eq!(public, ["/login", "/login/oidc", "/login/oidc/callback"]);
    for path in ["/admin", "/admin/nothing", "/admin/users/1/2/3", "/administrator", "/user/nothing", "/users"] {
        assert_eq!(house.call(None, Method::GET, path, Value::Null).await.0, StatusCode::UNAUTHORIZED, "{path}");
        let below_user = Asks::of_nothing(path) == Asks::Key;
        let expected = if below_user { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
        assert_eq!(house.call(Some(ALICE), Method::GET, path, Value::Null).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn every_route_is_open_to_those_it_is_for() {
    let house = House::new().await;
    for (method, pattern, asks) in routes().filter(|(_, _, asks)| *asks != Asks::Nothing) {
        let key = if asks == Asks::Key { ALICE } else { ADMIN };
        let path = pattern.replace("{id}", "999");
        let (status, body, _) = house.call(Some(key), method.clone(), &path, Value::Null).await;
        let wrong = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED, StatusCode::SERVICE_UNAVAILABLE];
        assert!(!wrong.contains(&status), "{method} {path}: {status} {body}");
    }
}

#[tokio::test]
async fn a_key_of_a_disabled_or_expired_kind_opens_nothing() {
    let house = House::new().await;
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"enabled": false})).await;
    assert_eq!(house.call(Some(ALICE), Method::GET, "/user/me", Value::Null).await.0, StatusCode::UNAUTHORIZED);
    let request = Request::get(format!("/admin/users?key={ADMIN}")).body(Bytes::new()).unwrap();
    assert_eq!(serve(&house.control, request, None).await.status(), StatusCode::UNAUTHORIZED);
    let request = Request::get("/admin/users").header("x-api-key", ADMIN).body(Bytes::new()).unwrap();
    assert_eq!(serve(&house.control, request, None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let house = House::new().await;
    for (method, path, allow) in [
        (Method::PUT, "/admin/users", "GET, POST, HEAD"),
        (Method::GET, "/admin/users/query", "POST"),
        (Method::POST, "/admin/permissions/1", "DELETE"),
        (Method::OPTIONS, "/admin/settings", "GET, POST, HEAD"),
    ] {
        let (status, _, headers) = house.call(Some(ADMIN), method, path, Value::Null).await;
        assert_eq!((status, headers["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, allow), "{path}");
    }
    let (status, body, _) = house.call(Some(ADMIN), Method::HEAD, "/admin/users/", Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, Value::Null));
}

#[tokio::test]
async fn a_provider_is_made_shown_without_secrets_changed_and_forgotten() {
    let house = House::new().await;
    let body = json!({"name": "one", "channel": "custom", "settings": {"base_url": "https://u:canary@x.example", "headers": {"x-secret": "canary"}}, "proxy": "http://u:canary@p:1"});
    let made = house.ok(Method::POST, "/admin/providers", body).await;
    let id = made["id"].as_i64().unwrap();
    let credential =
        house.ok(Method::POST, &format!("/admin/providers/{id}/credentials"), json!({"api_key": "sk-canary-credential"})).await;
    let again = house
        .ok(Method::POST, &format!("/admin/providers/{id}/credentials"), json!({"secret_json": {"api_key": "sk-canary-credential"}}))
        .await;
    assert_eq!(credential["id"], again["id"]);
    house.ok(Method::POST, &format!("/admin/providers/{id}/models"), json!({"model_id": "m", "display_name": "M"})).await;
    // What was given out may be sent back: it changes nothing.
    let shown = house.ok(Method::GET, &format!("/admin/providers/{id}"), Value::Null).await;
    let back = json!({"id": id, "settings": shown["settings"], "proxy": shown["proxy"], "enabled": true});
    house.ok(Method::POST, "/admin/providers", back).await;
    let snapshot = house.control.snapshot().load();
    let provider = snapshot.provider("one").unwrap();
    let row = snapshot.rows().providers.get(provider.id).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&row.settings_json).unwrap()["headers"]["x-secret"], "canary");
    assert_eq!(provider.profile.proxy.as_deref(), Some("http://u:canary@p:1"));
    assert_eq!(provider.credentials[0].secret.as_ref().unwrap().expose(), "sk-canary-credential");
    assert_eq!(&*provider.models[0].id, "m");
    for (_, path, _) in routes().filter(|(method, _, asks)| **method == Method::GET && matches!(asks, Asks::Role(..))) {
        for id in [id, credential["id"].as_i64().unwrap()] {
            let (_, body, _) = house.call(Some(ADMIN), Method::GET, &path.replace("{id}", &id.to_string()), Value::Null).await;
            assert!(!body.to_string().contains("canary"), "{path}: {body}");
        }
    }
    let path = format!("/admin/providers/{id}");
    assert_eq!(house.call(Some(ADMIN), Method::DELETE, &path, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(house.call(Some(ADMIN), Method::DELETE, &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert!(house.control.snapshot().load().provider("one").is_none());
}

#[tokio::test]
async fn wrong_input_is_refused_with_its_field() {
    let house = House::new().await;
    house.ok(Method::POST, "/admin/providers", json!({"name": "one", "channel": "openai"})).await;
    let cases = [
        ("/admin/providers", json!({"nam": "x"}), 400, "nam", "did you mean `name`?"),
        ("/admin/providers", json!({"channel": "openai"}), 400, "name", "is required"),
        ("/admin/providers", json!({"name": "a/b", "channel": "openai"}), 400, "name", "no provider name"),
        ("/admin/providers", json!({"name": "x", "channel": "opnai"}), 400, "channel", "did you mean \"openai\"?"),
        (
            "/admin/providers",
            json!({"name": "x", "channel": "openai", "settings": {"base_ulr": "y"}}),
            400,
            "settings.base_ulr",
            "`base_url`",
        ),
        ("/admin/providers", json!({"name": "one", "channel": "openai"}), 409, "", "exists already"),
        ("/admin/users", json!({"name": " "}), 400, "name", "expected 1 to 256"),
        ("/admin/users", json!({"name": "alice"}), 409, "", "exists already"),
        ("/admin/users", json!({"id": 999, "name": "x"}), 404, "", "no user with id 999"),
        ("/admin/users/999/keys", json!({}), 404, "", "no user with id 999"),
        ("/admin/settings", json!({"proxy": "x"}), 400, "proxy", "socks5://"),
        ("/admin/settings", json!({"mask_sensitive_inf": true}), 400, "mask_sensitive_inf", "`mask_sensitive_info`"),
    ];
    for (path, body, status, field, message) in cases {
        let (given, value) = house.refused(Method::POST, path, body.clone()).await;
        let error = &value["error"];
        assert_eq!((given.as_u16(), error["field"].as_str().unwrap_or("")), (status, field), "{path} {body}: {value}");
        assert!(error["message"].as_str().unwrap().contains(message), "{path} {body}: {value}");
    }
    let (_, value) = house.refused(Method::GET, "/admin/usage?limt=5", Value::Null).await;
    assert!(value["error"]["message"].as_str().unwrap().contains("did you mean \"limit\"?"), "{value}");
}

#[tokio::test]
async fn a_key_is_shown_whole_once() {
    let house = House::new().await;
    let made = house.ok(Method::POST, &format!("/admin/users/{}/keys", house.alice), json!({"label": "laptop"})).await;
    let key = made["api_key"].as_str().unwrap().to_owned();
    assert_eq!(house.call(Some(&key), Method::GET, "/user/me", Value::Null).await.1["name"], "alice");
    for path in ["/admin/user-keys", "/admin/users", &format!("/admin/user-keys/{}", made["id"])] {
        let shown = house.ok(Method::GET, path, Value::Null).await.to_string();
        assert!(!shown.contains(&key) && !shown.contains(&digest_text(&key)), "{path}: {shown}");
    }
    let path = format!("/admin/user-keys/{}", made["id"]);
    let patched = house.ok(Method::PATCH, &path, json!({"enabled": false, "label": null})).await;
    assert_eq!((&patched["enabled"], &patched["label"], &patched["api_key"]), (&json!(false), &Value::Null, &Value::Null));
    assert_eq!(house.call(Some(&key), Method::GET, "/user/me", Value::Null).await.0, StatusCode::UNAUTHORIZED);
    let given = house.refused(Method::POST, &format!("/admin/users/{}/keys", house.alice), json!({"api_key": "sk-mine"})).await;
    assert_eq!(given.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn others_keys_are_as_if_they_were_not_there() {
    let house = House::new().await;
    let own = house.call(Some(ALICE), Method::POST, "/user/keys", json!({"label": "mine"})).await.1["id"].as_i64().unwrap();
    let all = house.ok(Method::GET, "/admin/user-keys", Value::Null).await;
    let foreign = all.as_array().unwrap().iter().find(|row| row["user_id"] == house.admin).unwrap()["id"].as_i64().unwrap();
    let listed = house.call(Some(ALICE), Method::GET, "/user/keys", Value::Null).await.1;
    assert!(listed.as_array().unwrap().iter().all(|row| row["user_id"] == house.alice), "{listed}");
    for (id, status) in [(foreign, StatusCode::NOT_FOUND), (999, StatusCode::NOT_FOUND)] {
        assert_eq!(house.call(Some(ALICE), Method::DELETE, &format!("/user/keys/{id}"), Value::Null).await.0, status);
        assert_eq!(house.call(Some(ALICE), Method::PATCH, &format!("/user/keys/{id}"), json!({"enabled": false})).await.0, status);
        assert_eq!(house.call(Some(ALICE), Method::POST, "/user/keys", json!({"id": id, "enabled": false})).await.0, status);
        assert_eq!(house.call(Some(ALICE), Method::POST, "/user/keys/delete", json!({"id": id})).await.0, status);
    }
    assert_eq!(house.call(Some(ALICE), Method::DELETE, &format!("/user/keys/{own}"), Value::Null).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let house = House::new().await;
    let path = format!("/admin/users/{}", house.admin);
    for body in [json!({"enabled": false}), json!({"is_admin": false})] {
        assert_eq!(house.refused(Method::PATCH, &path, body).await.0, StatusCode::CONFLICT);
    }
    assert_eq!(house.refused(Method::DELETE, &path, Value::Null).await.0, StatusCode::CONFLICT);
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"is_admin": true})).await;
    house.ok(Method::DELETE, &path, Value::Null).await;
}

#[tokio::test]
async fn permissions_serve_at_once_and_end_at_once() {
    let house = House::new().await;
    let path = format!("/admin/users/{}/permissions", house.alice);
    let made = house.ok(Method::POST, &path, json!({"pattern": "openai/*"})).await;
    assert_eq!(house.ok(Method::POST, &path, json!({"pattern": "openai/*"})).await["id"], made["id"]);
    assert_eq!(house.call(Some(ALICE), Method::GET, "/user/me", Value::Null).await.1["permissions"], json!(["openai/*"]));
    house.ok(Method::DELETE, &format!("/admin/permissions/{}", made["id"]), Value::Null).await;
    assert_eq!(house.ok(Method::GET, &path, Value::Null).await, json!([]));
}

#[tokio::test]
async fn a_login_gives_a_fresh_key_for_twelve_hours() {
    let house = House::new().await;
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"password": "correct horse"})).await;
    let login = |name: &str, password: &str| json!({"name": name, "password": password});
    let first = house.call(None, Method::POST, "/login", login("alice", "correct horse")).await.1;
    let second = house.call(None, Method::POST, "/login", login("alice", "correct horse")).await.1;
    assert_ne!(first["api_key"], second["api_key"]);
    assert_eq!((&first["user_id"], &first["generated"]), (&json!(house.alice), &json!(true)));
    let key = first["api_key"].as_str().unwrap().to_owned();
    let me = || house.call(Some(&key), Method::GET, "/user/me", Value::Null);
    assert_eq!(me().await.0, StatusCode::OK);
    house.clock.advance(Duration::from_hours(12));
    assert_eq!(me().await.0, StatusCode::UNAUTHORIZED);
    let third = house.call(None, Method::POST, "/login", login("alice", "correct horse")).await.1;
    let keys = house.ok(Method::GET, &format!("/admin/users/{}/keys", house.alice), Value::Null).await;
    assert_eq!(keys.as_array().unwrap().iter().filter(|row| row["label"] == "login").count(), 1, "expired ones are forgotten: {keys}");
    let (session, third) = (format!("/user/keys/{}", third["key_id"]), third["api_key"].as_str().unwrap());
    for label in [json!("laptop"), Value::Null] {
        let (status, body, _) = house.call(Some(third), Method::PATCH, &session, json!({"label": label})).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("label")), "a session stays to be found");
    }
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"password": "another horse"})).await;
    assert_eq!(house.call(Some(third), Method::GET, "/user/me", Value::Null).await.0, StatusCode::UNAUTHORIZED, "the password changed");
}

#[tokio::test]
async fn only_an_administrator_logs_in_with_a_key() {
    let house = House::new().await;
    let (status, body, _) = house.call(None, Method::POST, "/login", json!({"name": "admin", "password": ADMIN})).await;
    assert_eq!((status, &body["is_admin"]), (StatusCode::OK, &json!(true)));
    for (name, password) in [("alice", ALICE), ("alice", ADMIN), ("admin", ALICE), ("nobody", ADMIN)] {
        let (status, body, _) = house.call(None, Method::POST, "/login", json!({"name": name, "password": password})).await;
        assert_eq!((status, body["error"]["message"].as_str()), (StatusCode::UNAUTHORIZED, Some("wrong name or password")), "{name}");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_per_name_and_per_address() {
    let house = House::new().await;
    let guess = |name: &str| house.call(None, Method::POST, "/login", json!({"name": name, "password": "x"}));
    for _ in 0..5 {
        assert_eq!(guess("alice").await.0, StatusCode::UNAUTHORIZED);
    }
    for name in ["alice", "somebody else at this address"] {
        let (status, _, headers) = guess(name).await;
        assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "60"), "{name}");
    }
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(guess("alice").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_the_file_owns_is_changed_in_the_file() {
    let house = House::new().await;
    house.control.set_origin(Origin::File("gproxy.toml".into()));
    for (path, body) in [("/admin/providers", json!({"name": "x", "channel": "openai"})), ("/admin/settings", json!({}))] {
        let (status, value) = house.refused(Method::POST, path, body).await;
        assert!(status == StatusCode::CONFLICT && value.to_string().contains("gproxy.toml"), "{value}");
    }
    assert_eq!(house.ok(Method::GET, "/admin/settings", Value::Null).await["source"], "file");
    house.ok(Method::POST, "/admin/users", json!({"name": "bob"})).await;
}

fn usage(number: u64, user: i64, model: &str) -> UsageRow {
    let mut used = Usage::default();
    used.set(crate::base::Bucket::Input, crate::base::Modality::Text, 10);
    used.set(crate::base::Bucket::Reasoning, crate::base::Modality::Text, 3);
    UsageRow {
        begun: Begun {
            request_id: RequestId::new(number, &[1; 10]),
            at: number,
            user_id: UserId(user),
            key_id: KeyId(1),
            team_id: None,
            organization_id: None,
            provider_id: ProviderId(1),
            credential_id: None,
            operation: Operation::GenerateContent,
            kind: OperationKind::OpenAiChatCompletions,
            model: model.into(),
        },
        usage: used,
        source: Source::Upstream,
        ended: Ended::Complete,
        status: 200,
        first_byte_us: Some(1),
        latency_us: 2,
        phases: None,
        billed: None,
        losses: Vec::new(),
    }
}

#[tokio::test]
async fn usage_is_listed_and_summed_and_users_see_their_own() {
    let house = House::new().await;
    let rows = vec![usage(1, house.alice, "a"), usage(2, house.admin, "a"), usage(3, house.alice, "b")];
    let second = rows[1].begun.request_id;
    house.store.write_usages(rows.into_iter().map(Arc::new).collect()).await.unwrap();
    let models = |value: &Value| value.as_array().unwrap().iter().map(|row| row["at"].as_u64().unwrap()).collect::<Vec<_>>();
    for (query, expected) in [
        ("", vec![3, 2, 1]),
        ("?limit=1", vec![3]),
        ("?model=a", vec![2, 1]),
        ("?from_ms=2&to_ms=3", vec![2]),
        (&format!("?before={second}") as &str, vec![1]),
    ] {
        assert_eq!(models(&house.ok(Method::GET, &format!("/admin/usage{query}"), Value::Null).await), expected, "{query}");
    }
    let own = house.call(Some(ALICE), Method::GET, &format!("/user/usage?user_id={}", house.admin), Value::Null).await.1;
    assert_eq!(models(&own), [3, 1]);
    let sum = house.ok(Method::GET, "/admin/usage/summary?model=a", Value::Null).await;
    assert_eq!((&sum["requests"], &sum["input_tokens"], &sum["reasoning_tokens"]), (&json!(2), &json!(20), &json!(6)));
    let (_, table, headers) = house.call(Some(ADMIN), Method::GET, "/admin/usage/export?limit=2", Value::Null).await;
    let lines: Vec<&str> = table.as_str().unwrap().split("\r\n").collect();
    assert!(lines[0].starts_with("request_id,at,user_id") && lines.len() == 4 && lines[3].is_empty(), "{table}");
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    assert_eq!(lines[2].split(',').next(), headers["x-gproxy-next-before"].to_str().ok(), "the last row is where the next table goes on");
    let (_, own, headers) = house.call(Some(ALICE), Method::GET, "/user/usage/export", Value::Null).await;
    assert_eq!((own.as_str().unwrap().lines().count(), headers.contains_key("x-gproxy-next-before")), (3, false));
    let alias = house
        .ok(
            Method::POST,
            "/admin/usages/query",
            json!({"model": {"In": ["a", "b", "a"]}, "user_id": {"Eq": house.alice}, "channel": "All"}),
        )
        .await;
    assert_eq!(models(&alias), [3, 1]);
    let sum = house.ok(Method::POST, "/admin/usages/summary", json!({"model": {"In": ["a", "b"]}})).await;
    assert_eq!((&sum["count"], &sum["output_tokens"]), (&json!(3), &json!(9)));
}

#[tokio::test]
async fn a_recorded_call_is_found_by_its_id() {
    let house = House::new().await;
    let row = |number| DownstreamRow {
        request_id: RequestId::new(number, &[1; 10]),
        at: number,
        user_id: None,
        key_id: None,
        method: "POST".into(),
        path: "/v1/x".into(),
        query: None,
        request_headers_json: r#"{"a":"b"}"#.into(),
        request_body: Some(vec![0xff]),
        status: 200,
        response_headers_json: "{}".into(),
        response_body: Some(b"text".to_vec()),
    };
    house.store.write_wire(vec![row(1), row(2), row(3)], Vec::new()).await.unwrap();
    assert_eq!(house.ok(Method::GET, "/admin/requests?limit=2", Value::Null).await.as_array().unwrap().len(), 2);
    let found = house.ok(Method::GET, &format!("/admin/requests/{}", row(2).request_id), Value::Null).await;
    assert_eq!((&found["downstream"]["at"], &found["downstream"]["response_body"]["data"]), (&json!(2), &json!("text")));
    assert_eq!(found["downstream"]["request_body"], json!({"encoding": "base64", "data": "/w=="}));
    for absent in [RequestId::new(9, &[1; 10]).to_string(), "x".into()] {
        assert_eq!(house.refused(Method::GET, &format!("/admin/requests/{absent}"), Value::Null).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_first_formats_routes_answer_in_its_way() {
    let house = House::new().await;
    let post = |path: &'static str, body: Value| house.ok(Method::POST, path, body);
    let made = post("/admin/providers/upsert", json!({"name": "mine", "channel": "mine", "settings_json": "{\"base_url\":\"http://x.example\"}", "dispatch_json": "{}", "enabled": true})).await;
    assert_eq!(made["ok"], true);
    let rows =
        post("/admin/providers/query", json!({"channel": {"Eq": "custom"}, "name": "All", "enabled": {"In": [true]}, "limit": 5})).await;
    assert_eq!((&rows[0]["id"], &rows[0]["settings_json"]), (&made["id"], &json!("{\"base_url\":\"http://x.example\"}")));
    assert_eq!(post("/admin/providers/query", json!({"name": {"In": []}})).await, json!([]));
    let credential = json!({"provider_id": made["id"], "kind": "api_key", "secret_json": "{\"api_key\":\"sk-canary\"}", "enabled": true});
    let credential = post("/admin/credentials/upsert", credential).await;
    let rows = post("/admin/credentials/query", json!({"provider_id": {"Eq": made["id"]}})).await;
    assert!(rows[0]["id"] == credential["id"] && !rows.to_string().contains("canary"), "{rows}");
    let user = post("/admin/users/upsert", json!({"name": "bob", "password": "bob's own", "enabled": true})).await;
    let key = post("/admin/user-keys/generate", json!({"user_id": user["id"], "label": "l"})).await;
    assert!(key["api_key"].as_str().unwrap().starts_with("sk-") && key["ok"].is_null(), "{key}");
    let rows = post("/admin/user-keys/query", json!({"user_id": {"Eq": user["id"]}})).await;
    assert!(rows[0]["id"] == key["id"] && !rows.to_string().contains(key["api_key"].as_str().unwrap()));
    assert_eq!(post("/admin/user-keys/delete", json!({"id": key["id"]})).await, json!({"ok": true}));
    assert_eq!(post("/admin/users/delete", json!({"id": user["id"]})).await, json!({"ok": true}));
    assert_eq!(post("/admin/credentials/delete", json!({"id": credential["id"]})).await, json!({"ok": true}));
    assert_eq!(post("/admin/providers/delete", json!({"id": made["id"]})).await, json!({"ok": true}));
    for (path, body, status) in [
        ("/admin/users/delete", json!({"id": 999}), StatusCode::NOT_FOUND),
        ("/admin/user-keys/generate", json!({"user_id": 999}), StatusCode::BAD_REQUEST),
        ("/admin/users/query", json!({"nme": "All"}), StatusCode::BAD_REQUEST),
        ("/admin/users/query", json!({"name": {"Is": 1}}), StatusCode::BAD_REQUEST),
    ] {
        let (given, value) = house.refused(Method::POST, path, body).await;
        assert!(given == status && value["error"].is_string(), "{path}: {given} {value}");
    }
    let own = house.call(Some(ALICE), Method::POST, "/user/keys/generate", json!({"label": "x"})).await.1;
    assert!(own["api_key"].is_string(), "{own}");
}

#[tokio::test]
async fn limits_quotas_and_prices_are_set_by_scope_and_shown_in_dollars() {
    let house = House::new().await;
    let acme = house.ok(Method::POST, "/admin/orgs", json!({"name": "acme"})).await["id"].as_i64().unwrap();
    let other = house.ok(Method::POST, "/admin/orgs", json!({"name": "other"})).await["id"].as_i64().unwrap();
    let blue = house.ok(Method::POST, &format!("/admin/orgs/{acme}/teams"), json!({"name": "blue"})).await;
    assert_eq!((&blue["organization_id"], &blue["enabled"]), (&json!(acme), &json!(true)));
    let alice = format!("/admin/users/{}", house.alice);
    let (status, body) = house.refused(Method::PATCH, &alice, json!({"organization_id": other, "team_id": blue["id"]})).await;
    assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("team_id")));
    let user = house.ok(Method::PATCH, &alice, json!({"organization_id": acme, "team_id": blue["id"]})).await;
    assert_eq!((&user["organization_id"], &user["team_id"], &user["role"]), (&json!(acme), &blue["id"], &json!("member")));
    let quota = json!({"scope": "organization", "scope_id": acme, "monthly": "12.50", "total": null});
    let quota = house.ok(Method::POST, "/admin/quotas", quota).await;
    assert_eq!((&quota["monthly"], &quota["total"], &quota["admission"]), (&json!("12.5"), &json!(null), &json!("strict")));
    let rows = house.control.snapshot().load().rows().clone();
    assert_eq!(rows.quotas.iter().next().unwrap().monthly, Some(12_500_000_000));
    let path = format!("/admin/quotas/{}", quota["id"]);
    let changed = house.ok(Method::PATCH, &path, json!({"daily": "0.000000001"})).await;
    assert_eq!((&changed["monthly"], &changed["daily"]), (&json!("12.5"), &json!("0.000000001")));
    house.ok(Method::POST, "/admin/rate-limits", json!({"scope": "user", "scope_id": house.alice, "requests_per_minute": 3})).await;
    let of = |path: &str| format!("{path}?scope=user&scope_id={}", house.alice);
    assert_eq!(house.ok(Method::GET, &of("/admin/rate-limits"), Value::Null).await.as_array().unwrap().len(), 1);
    assert_eq!(house.ok(Method::GET, &of("/admin/quotas"), Value::Null).await, json!([]));
    house.ok(Method::POST, "/admin/price-rules", json!({"pattern": "gpt-5", "rates_json": "{\"input\":\"1.25\"}"})).await;
    let (status, body) = house.refused(Method::DELETE, &format!("/admin/orgs/{acme}"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    house.ok(Method::DELETE, &format!("/admin/orgs/{other}"), Value::Null).await;
}

#[tokio::test]
async fn what_no_limit_can_be_is_refused_by_name() {
    let house = House::new().await;
    for (path, input, field, told) in [
        ("quotas", json!({"scope": "user", "scope_id": house.alice, "monthly": 5}), "monthly", "decimal string"),
        ("quotas", json!({"scope": "user", "scope_id": house.alice, "monthly": "-1"}), "monthly", "0 or more"),
        ("quotas", json!({"scope": "user", "scope_id": house.alice, "montly": "1"}), "montly", "did you mean \"monthly\"?"),
        ("rate-limits", json!({"scope": "nobody", "scope_id": 1}), "scope", "unknown variant"),
        ("rate-limits", json!({"scope": "user", "scope_id": house.alice, "concurrency": -1}), "concurrency", "0 or more"),
        ("route-permissions", json!({"scope": "user", "scope_id": house.alice, "pattern": ""}), "pattern", "1 to 256"),
        (
            "route-permissions",
            json!({"scope": "user", "scope_id": 1, "pattern": "*", "operation_group": "x"}),
            "operation_group",
            "expected",
        ),
        ("price-rules", json!({"pattern": "m", "rates_json": "[]"}), "rates_json", ""),
        ("price-rules", json!({"match_kind": "default", "pattern": "m", "rates_json": "{}"}), "pattern", "expected none"),
    ] {
        let (status, body) = house.refused(Method::POST, &format!("/admin/{path}"), input.clone()).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{input}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(told), "{input}: {body}");
    }
    let (status, _) = house.refused(Method::POST, "/admin/quotas", json!({"scope": "team", "scope_id": 999, "total": "1"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_route_and_its_members_are_made_by_the_api_and_serve() {
    let house = House::new().await;
    let provider = house.ok(Method::POST, "/admin/providers", json!({"name": "up", "channel": "demo"})).await["id"].clone();
    let route = house.ok(Method::POST, "/admin/routes", json!({"name": "fast", "strategy": "least_latency"})).await;
    let members = format!("/admin/routes/{}/members", route["id"]);
    house.ok(Method::POST, &members, json!({"provider_id": provider, "upstream_model": "echo"})).await;
    assert_eq!(house.ok(Method::GET, &members, Value::Null).await[0]["weight"], 100);
    house.ok(Method::POST, "/admin/aliases", json!({"alias": "gpt-.*", "target": "fast"})).await;
    let snapshot = house.control.snapshot().load();
    assert_eq!(snapshot.names().global("gpt-5").as_deref(), Some("fast"));
    assert_eq!(&*snapshot.names().plan("", "fast", &|_| None).unwrap().stops[0].model, "echo");
    for (path, input, field) in [
        ("routes", json!({"name": "a*b*"}), "name"),
        ("routes", json!({"name": "x", "strategy": "best"}), "strategy"),
        ("aliases", json!({"alias": "(", "target": "x"}), "alias"),
        ("aliases", json!({"alias": "a", "target": "x", "provider": "upp"}), "provider"),
    ] {
        let (status, body) = house.refused(Method::POST, &format!("/admin/{path}"), input.clone()).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{input}: {body}");
    }
}
