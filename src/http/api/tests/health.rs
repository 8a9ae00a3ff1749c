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
