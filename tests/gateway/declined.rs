//! A call that a model declines for its length, or for its provider's policy, goes on to the route that is named for that.

use gproxy::store::{
    persist::{Records as _, RecordsExt as _, memory::MemoryStore},
    record::{NewRoute, NewRouteMember, Strategy},
};
use serde_json::{Value, json};

use crate::{harness::Gateway, identity::chunked};

const PATH: &str = "/v1/chat/completions";
const CALL: &[u8] = br#"{"model":"smart","messages":[]}"#;
const WHOLE: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
const BLOCKED: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"content_filter"}]}"#;
const LONG: &str = r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
const POLICY: &str = r#"{"error":{"message":"no","type":"invalid_request_error","code":"content_policy_violation"}}"#;

/// The route `smart` of two models, which falls back to `huge` for length and to `free` for policy, of two models each.
async fn configure(store: &MemoryStore) {
    let provider_id = store.load().await.unwrap().providers.iter().next().unwrap().id;
    let fallback = r#"{"fallback":{"context_length":"huge","content_policy":"free"}}"#;
    for (name, settings, models) in
        [("smart", Some(fallback), ["a", "b"]), ("huge", None, ["huge-1", "huge-2"]), ("free", None, ["free-1", "free-2"])]
    {
        let settings_json = settings.map(str::to_owned);
        let (namespace, name) = (String::new(), name.to_owned());
        let route = NewRoute { namespace, name, strategy: Strategy::Failover, description: None, settings_json, enabled: true };
        let route_id = store.save(None, route).await.unwrap().id;
        for model in models {
            let upstream_model = model.to_owned();
            store.save(None, NewRouteMember { route_id, provider_id, upstream_model, weight: 1, tier: 0, enabled: true }).await.unwrap();
        }
    }
}

fn asked(gateway: &Gateway) -> Vec<String> {
    let model = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["model"].as_str().unwrap().to_owned();
    gateway.upstream.got().iter().map(|got| model(&got.body)).collect()
}

/// A name, what the provider answers, the client's status, who is asked.
type Case<'a> = (&'a str, &'a [(u16, &'a str)], u16, &'a [&'a str]);

#[tokio::test]
async fn who_is_named_for_the_cause_answers() {
    let cases: [Case<'_>; 8] = [
        ("well", &[(200, WHOLE)], 200, &["a"]),
        ("too long", &[(400, LONG), (200, WHOLE)], 200, &["a", "huge-1"]),
        ("too long everywhere", &[(400, LONG), (400, LONG), (400, LONG)], 400, &["a", "huge-1", "huge-2"]),
        ("against a policy", &[(400, POLICY), (200, WHOLE)], 200, &["a", "free-1"]),
        ("kept back in a good answer", &[(200, BLOCKED), (200, WHOLE)], 200, &["a", "free-1"]),
        ("one after the other", &[(400, LONG), (400, POLICY), (200, WHOLE)], 200, &["a", "huge-1", "free-1"]),
        ("too large", &[(413, "{}"), (200, WHOLE)], 200, &["a", "huge-1"]),
        ("the client's own fault", &[(400, r#"{"error":{"message":"no such field"}}"#)], 400, &["a"]),
    ];
    for (name, script, status, models) in cases {
        let gateway = Gateway::configured("custom", configure).await;
        for (status, body) in script {
            gateway.upstream.answers_with(*status, "", body);
        }
        let answer = gateway.post(PATH, CALL).await;
        assert_eq!((answer.status, asked(&gateway)), (status, models.iter().map(|model| (*model).to_owned()).collect()), "{name}");
        let row = gateway.journal.rows(1).await.remove(0);
        assert_eq!((&*row.begun.model, row.status), (*models.last().unwrap(), status), "{name}");
        if status == 200 {
            assert_eq!(answer.json()["choices"][0]["message"]["content"], json!("hi"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_was_kept_back_before_its_first_word_is_somebody_elses() {
    let gateway = Gateway::configured("custom", configure).await;
    let stream = |delta: &str, reason: &str| {
        let first = r#"{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
        let last = format!(
            r#"{{"id":"c","object":"chat.completion.chunk","choices":[{{"index":0,"delta":{delta},"finish_reason":"{reason}"}}]}}"#
        );
        format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n")
    };
    gateway.upstream.answers(chunked(&stream("{}", "content_filter"), &[]));
    gateway.upstream.answers(chunked(&stream(r#"{"content":"hi"}"#, "stop"), &[]));
    let answer = gateway.post(PATH, br#"{"model":"smart","stream":true,"messages":[]}"#).await;
    assert_eq!((answer.status, asked(&gateway)), (200, vec!["a".to_owned(), "free-1".to_owned()]));
    assert!(answer.text().contains("\"hi\"") && !answer.text().contains("content_filter"), "{}", answer.text());
}

#[tokio::test]
async fn without_a_route_for_it_the_answer_is_what_the_provider_said() {
    let gateway = Gateway::configured("custom", configure).await;
    for (status, body) in [(400, LONG), (200, BLOCKED)] {
        gateway.upstream.answers_with(status, "", body);
        let answer = gateway.post(PATH, br#"{"model":"huge","messages":[]}"#).await;
        assert_eq!((answer.status, answer.text()), (status, body));
    }
    assert_eq!(asked(&gateway), ["huge-1", "huge-1"]);
}
