//! What an operator sees of providers' health.

use http::Method;
use serde_json::{Value, json};

use super::House;
use crate::{
    base::{CredentialId, ProviderId},
    health::{Account, Trouble},
};

#[tokio::test]
async fn an_operator_sees_who_is_resting_and_wakes_them() {
    let house = House::new().await;
    let made = house.ok(Method::POST, "/admin/providers", json!({"name": "one", "channel": "openai"})).await;
    let account = Account { provider: ProviderId(made["id"].as_i64().unwrap()), credential: Some((CredentialId(7), 0)) };
    let now = house.control.now_ms();
    house.control.health().fail(account, "m", &Trouble::Limited(Some(5000)), now);
    house.control.health().fail(account, "n", &Trouble::Refused, now);
    let seen = house.ok(Method::GET, "/admin/health", Value::Null).await;
    let expected = |model: Value, state: &str, reason: &str, until: Value| {
        json!({"provider_id": account.provider, "provider": "one", "credential_id": 7, "model": model, "state": state, "reason": reason,
            "until": until, "failures": 1})
    };
    let all = [expected(Value::Null, "dead", "dead", Value::Null), expected("m".into(), "partial", "rate_limited", (now + 5000).into())];
    assert_eq!(seen, json!(all));
    for (whose, count) in [(json!({"credential_id": 8}), 0), (json!({"provider_id": account.provider}), 1), (json!({}), 0)] {
        assert_eq!(house.ok(Method::POST, "/admin/health/reset", whose).await, json!({"accounts": count}));
    }
    assert_eq!(house.ok(Method::GET, "/admin/health", Value::Null).await, json!([]));
}

#[tokio::test]
async fn an_operator_reads_how_it_came_about() {
    let house = House::new().await;
    let made = house.ok(Method::POST, "/admin/providers", json!({"name": "one", "channel": "openai"})).await;
    let account = Account { provider: ProviderId(made["id"].as_i64().unwrap()), credential: Some((CredentialId(7), 0)) };
    let now = house.control.now_ms();
    house.control.health().follow();
    house.control.health().fail(account, "m", &Trouble::Limited(Some(5000)), now);
    // The same again is no news; that it answers is.
    house.control.health().fail(account, "m", &Trouble::Limited(Some(5000)), now + 1);
    house.control.health().succeed(account, "m", || now + 2);
    house.control.health_book().learn(house.control.health().take_news(now + 2)).await.unwrap();
    let event = |id: i64, at: u64, event: &str, until: Value, failures: u32| {
        json!({"id": id, "at": at, "provider_id": account.provider, "provider": "one", "credential_id": 7, "model": "m", "event": event,
            "until": until, "failures": failures})
    };
    let all = [event(2, now + 2, "recovered", Value::Null, 0), event(1, now, "rate_limited", (now + 5000).into(), 1)];
    assert_eq!(house.ok(Method::GET, "/admin/health/history", Value::Null).await, json!(all));
    for (query, expected) in [
        ("limit=1", &all[..1]),
        ("before=2", &all[1..]),
        ("credential_id=8", &[]),
        ("provider_id=99", &[]),
        ("credential_id=7&model=m&limit=9", &all[..]),
    ] {
        let path = format!("/admin/health/history?{query}");
        assert_eq!(house.ok(Method::GET, &path, Value::Null).await, json!(expected), "{query}");
    }
    assert_eq!(house.refused(Method::GET, "/admin/health/history?modell=m", Value::Null).await.0, http::StatusCode::BAD_REQUEST);
}
