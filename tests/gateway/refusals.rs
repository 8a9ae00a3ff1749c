//! Refusals: each in the caller's own dialect, with the status its SDK expects, naming the field.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gproxy::{
    runtime::{BoxFuture, Reply, Socket, Transport, TransportFault, UpstreamRequest},
    store::record::Ended,
};

use crate::harness::{Gateway, KEY, NARROW};

/// Method, path, headers, body, status, and what the error must hold: its type (or Google's status) and its words.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str, &'a str);

const BEARER: (&str, &str) = ("authorization", "Bearer sk-test-everything");
const CLAUDE: (&str, &str) = ("anthropic-version", "2023-06-01");

#[tokio::test]
async fn every_refusal_speaks_the_callers_dialect() {
    let gateway = Gateway::start("custom").await;
    let key = ("x-api-key", KEY);
    let google = ("x-goog-api-key", KEY);
    let cases: &[Case<'_>] = &[
        // Nobody, or somebody unknown.
        ("POST", "/v1/chat/completions", &[], "{\"model\":\"up/m\"}", 401, "invalid_request_error", "no API key"),
        ("POST", "/v1/messages", &[("x-api-key", "sk-wrong")], "{}", 401, "authentication_error", "not known"),
        ("POST", "/v1beta/models/up/m:generateContent?key=sk-wrong", &[], "{}", 401, "UNAUTHENTICATED", "not known"),
        ("GET", "/v1/models", &[CLAUDE], "", 401, "authentication_error", "no API key"),
        // No such path, or not so.
        ("POST", "/v1/nothing", &[BEARER], "{}", 404, "invalid_request_error", "not served"),
        ("POST", "/v1/messages/nothing", &[key], "{}", 404, "not_found_error", "not served"),
        ("POST", "/v1beta/models/up/m:dance", &[google], "{}", 404, "NOT_FOUND", "not served"),
        ("PUT", "/v1/chat/completions", &[BEARER], "{}", 405, "invalid_request_error", "POST"),
        // No such model or provider.
        ("POST", "/v1/chat/completions", &[BEARER], "{\"model\":\"gpt-9\"}", 404, "model_not_found", "gpt-9"),
        ("POST", "/v1/messages", &[key], "{\"model\":\"no/m\"}", 404, "not_found_error", "no/m"),
        ("POST", "/v1beta/models/gemini-9:generateContent", &[google], "{}", 404, "NOT_FOUND", "gemini-9"),
        ("POST", "/nobody/v1/chat/completions", &[BEARER], "{\"model\":\"m\"}", 404, "unknown_url", "nobody"),
        ("GET", "/v1/files", &[BEARER], "", 404, "unknown_url", "/{provider}/"),
        // Bad bodies.
        ("POST", "/v1/chat/completions", &[BEARER], "{\"model\":\"up/m\",}", 400, "invalid_request_error", "byte 16"),
        ("POST", "/v1/chat/completions", &[BEARER], "[]", 400, "invalid_request_error", "JSON object"),
        ("POST", "/v1/chat/completions", &[BEARER], "{\"messages\":[]}", 400, "invalid_request_error", "model"),
        ("POST", "/v1/messages", &[key], "{\"model\":7}", 400, "invalid_request_error", "must be a string"),
        ("POST", "/v1/messages", &[key], "{\"model\":\"up/a\",\"model\":\"up/b\"}", 400, "invalid_request_error", "more than once"),
        ("POST", "/v1beta/models/up/m:generateContent", &[google], "nonsense", 400, "INVALID_ARGUMENT", "JSON object"),
        // Not allowed.
        (
            "POST",
            "/v1/chat/completions",
            &[("authorization", "Bearer sk-test-narrow")],
            "{\"model\":\"up/other\"}",
            403,
            "permission_denied",
            "up/other",
        ),
        ("POST", "/v1/messages", &[("x-api-key", NARROW)], "{\"model\":\"up/other\"}", 403, "permission_error", "up/other"),
        ("POST", "/v1beta/models/up/other:generateContent", &[("x-goog-api-key", NARROW)], "{}", 403, "PERMISSION_DENIED", "up/other"),
    ];
    for (method, path, headers, body, status, kind, words) in cases {
        let answer = gateway.call(method, path, headers, body.as_bytes()).await;
        assert_eq!(answer.status, *status, "{method} {path} {body}: {}", answer.text());
        let error = answer.json()["error"].clone();
        let kinds = [&error["type"], &error["code"], &error["status"]].map(|kind| kind.as_str().unwrap_or("").to_owned());
        assert!(kinds.contains(&(*kind).to_owned()), "{method} {path}: {error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{method} {path}: {error}");
        assert_eq!(answer.header("x-gproxy-request-id").map(str::len), Some(32), "{method} {path}");
    }
    assert!(gateway.upstream.got().is_empty(), "a refused call reached the provider");
    assert!(gateway.journal.entries().is_empty(), "a refused call left a usage row");
}

#[tokio::test]
async fn what_is_permitted_passes_for_a_narrow_caller() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.answers_json("{}");
    let body = b"{\"model\":\"up/allowed-1\"}";
    let answer = gateway.call("POST", "/v1/chat/completions", &[("authorization", "Bearer sk-test-narrow")], body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_providers_refusal_of_our_key_is_not_the_clients() {
    let gateway = Gateway::start("custom").await;
    let body = "{\"error\":{\"message\":\"Incorrect API key provided: sk-provider-canary\"}}";
    let head = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
    gateway.upstream.answers(vec![head.into_bytes().into(), body.as_bytes().to_vec().into()]);
    let mut told = Vec::new();
    // Nobody is asked the second time, since nothing else is known of the key: the client hears why once more.
    for _ in 0..2 {
        let answer = gateway.post("/v1/chat/completions", b"{\"model\":\"up/m\"}").await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        told.push(answer.json()["error"]["message"].clone());
    }
    assert_eq!(told, [r#"provider "up" refused the credential it was given"#; 2]);
    assert_eq!(gateway.upstream.got().len(), 1);
    let row = &gateway.journal.rows(1).await[0];
    assert_eq!((row.status, row.ended, row.usage.total()), (502, gproxy::store::record::Ended::Failed, 0));
}

#[tokio::test]
async fn a_providers_own_error_passes_as_it_is() {
    let gateway = Gateway::start("custom").await;
    let body = "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}";
    let head = format!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    gateway.upstream.answers(vec![head.into_bytes().into(), body.as_bytes().to_vec().into()]);
    let answer = gateway.post("/v1/chat/completions", b"{\"model\":\"up/m\"}").await;
    assert_eq!((answer.status, answer.text(), answer.header("retry-after")), (429, body, Some("7")));
    let row = &gateway.journal.rows(1).await[0];
    assert_eq!((row.status, row.ended, row.usage.total()), (429, gproxy::store::record::Ended::Failed, 0));
}

/// A way to the provider that panics once.
#[derive(Debug)]
pub(crate) struct Trap {
    pub way: Arc<dyn Transport>,
    pub is_armed: AtomicBool,
}

impl Transport for Trap {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        assert!(!self.is_armed.swap(false, Ordering::SeqCst), "the trap is armed");
        self.way.send(request)
    }

    fn dial(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>> {
        self.way.dial(request)
    }
}

#[tokio::test]
async fn a_panic_in_one_call_is_a_500_and_everybody_else_goes_on() {
    let gateway = Gateway::reached_by(|way| Arc::new(Trap { way, is_armed: AtomicBool::new(true) })).await;
    let body = br#"{"model":"up/m","max_tokens":9,"messages":[]}"#;
    let caught = gateway.post("/v1/messages", body).await;
    assert_eq!((caught.status, &caught.json()["error"]["type"]), (500, &"api_error".into()));
    assert!(!caught.text().contains("trap"), "the reason is for the log");
    gateway.upstream.answers_json(r#"{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}"#);
    assert_eq!(gateway.post("/v1/messages", body).await.status, 200);
    let rows = gateway.journal.rows(2).await;
    assert_eq!(rows.iter().map(|row| row.ended).collect::<Vec<_>>(), [Ended::Interrupted, Ended::Complete]);
    assert_eq!(gateway.engine.in_flight(), 0);
}
