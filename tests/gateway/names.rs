//! Names over real sockets: aliases, routes, namespaces, and who may use them.

use std::collections::BTreeMap;

use crate::harness::{Gateway, KEY, NARROW, NamedRoute};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[]}"#;

/// The model that the provider is asked for, where the call reaches it.
async fn asked(gateway: &Gateway, path: &str, key: &str, model: &str) -> Result<String, u16> {
    gateway.upstream.answers_json(ANSWER);
    let bearer = format!("Bearer {key}");
    let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
    let answer = gateway.call("POST", path, &[("authorization", &bearer)], body.as_bytes()).await;
    if answer.status != 200 {
        return Err(answer.status);
    }
    let body: serde_json::Value = serde_json::from_slice(&gateway.upstream.last().body).unwrap();
    Ok(body["model"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn names_lead_to_the_model_that_they_stand_for() {
    let routes: [NamedRoute<'_>; 4] =
        [("", "smart", &[("big", 1)]), ("", "my-*", &[("their-*", 1)]), ("team", "smart", &[("small", 1)]), ("", "secret", &[("x", 1)])];
    let gateway = Gateway::named("custom", &routes).await;
    let plain = "/v1/chat/completions";
    let cases = [
        (plain, KEY, "smart", Ok("big")),
        (plain, KEY, "nick", Ok("big")),
        (plain, KEY, "my-mini", Ok("their-mini")),
        (plain, KEY, "up/other", Ok("other")),
        ("/up/v1/chat/completions", KEY, "smart", Ok("smart")),
        ("/team/v1/chat/completions", KEY, "smart", Ok("small")),
        ("/team/v1/chat/completions", KEY, "other", Err(404)),
        (plain, KEY, "unknown", Err(404)),
        // A permission for the route opens it, and nothing else of its provider.
        (plain, NARROW, "smart", Ok("big")),
        (plain, NARROW, "nick", Ok("big")),
        (plain, NARROW, "secret", Err(403)),
        (plain, NARROW, "up/big", Err(403)),
    ];
    for (path, key, model, expected) in cases {
        assert_eq!(asked(&gateway, path, key, model).await.as_deref(), expected.as_ref().copied(), "{path} {model}");
    }
}

#[tokio::test]
async fn weights_are_exact_over_a_hundred_calls() {
    let gateway = Gateway::named("custom", &[("", "smart", &[("a", 7), ("b", 2), ("c", 1)])]).await;
    let mut seen = BTreeMap::<String, i32>::new();
    for _ in 0..100 {
        *seen.entry(asked(&gateway, "/v1/chat/completions", KEY, "smart").await.unwrap()).or_default() += 1;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 70), ("b".to_owned(), 20), ("c".to_owned(), 10)]);
}

#[tokio::test]
async fn the_list_shows_the_routes_that_the_caller_may_use() {
    let gateway =
        Gateway::named("custom", &[("", "smart", &[("a", 1)]), ("", "secret", &[("a", 1)]), ("team", "inner", &[("a", 1)])]).await;
    for (key, expected) in [(KEY, vec!["secret", "smart", "up/m"]), (NARROW, vec!["smart"])] {
        gateway.upstream.answers_json(r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#);
        let bearer = format!("Bearer {key}");
        let list = gateway.call("GET", "/v1/models", &[("authorization", &bearer)], b"").await.json();
        let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected);
    }
}
