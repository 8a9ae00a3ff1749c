//! Scripted faults, the referee's own calls, and what only a plain request shows: whole answers, arrays, prefills.

use std::time::Duration;

use gproxy::{
    lab::{Dialect, PROMPT, Script, text},
    runtime::{Body, Profile, Timers, UpstreamRequest},
};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::{clock::GUARD, provider::Bench};

const LIMIT: u64 = 1 << 20;

/// An answer to a plain request.
struct Plain {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Plain {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn send(bench: &Bench, method: Method, path: &str, body: String) -> Plain {
    let uri = format!("http://{}{path}", bench.provider.address()).parse().unwrap();
    let timers = Timers::default();
    let request = UpstreamRequest { method, uri, headers: HeaderMap::new(), body: Body::from(body), profile: Profile::default(), timers };
    let reply = bench.platform.transport.send(request).await.unwrap();
    let (status, headers) = (reply.status.as_u16(), reply.headers.clone());
    let body = String::from_utf8(reply.body.collect(LIMIT).await.unwrap().to_vec()).unwrap();
    Plain { status, headers, body }
}

/// Path and body of a request, with what the assistant has said already.
fn request(dialect: Dialect, model: &str, (stream, said): (bool, Option<&str>)) -> (String, Value) {
    let turns = |assistant: &str, put: fn(&str) -> (&'static str, Value)| {
        let turn = |role: &str, text: &str| {
            let (name, content) = put(text);
            json!({ "role": role, name: content })
        };
        let mut turns = vec![turn("user", PROMPT)];
        turns.extend(said.map(|said| turn(assistant, said)));
        turns
    };
    let plain = |text: &str| ("content", json!(text));
    match dialect {
        Dialect::Chat => {
            ("/v1/chat/completions".into(), json!({ "model": model, "messages": turns("assistant", plain), "stream": stream }))
        }
        Dialect::Responses => ("/v1/responses".into(), json!({ "model": model, "input": turns("assistant", plain), "stream": stream })),
        Dialect::Claude => {
            ("/v1/messages".into(), json!({ "model": model, "max_tokens": 999, "messages": turns("assistant", plain), "stream": stream }))
        }
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let parts = |text: &str| ("parts", json!([{ "text": text }]));
            (format!("/v1beta/models/{model}:{method}"), json!({ "contents": turns("model", parts) }))
        }
    }
}

async fn ask(bench: &Bench, dialect: Dialect, model: &str, how: (bool, Option<&str>)) -> Plain {
    let (path, body) = request(dialect, model, how);
    send(bench, Method::POST, &path, body.to_string()).await
}

/// A stream as it stands on the wire.
pub(crate) async fn stream(bench: &Bench, dialect: Dialect, model: &str) -> String {
    ask(bench, dialect, model, (true, None)).await.body
}

/// The words of a whole answer, and its output tokens.
fn words(dialect: Dialect, answer: &Value) -> (String, u64) {
    let (text, usage) = match dialect {
        Dialect::Chat => ("/choices/0/message/content", "/usage/completion_tokens"),
        Dialect::Responses => ("/output/0/content/0/text", "/usage/output_tokens"),
        Dialect::Claude => ("/content/0/text", "/usage/output_tokens"),
        Dialect::Gemini => ("/candidates/0/content/parts/0/text", "/usageMetadata/candidatesTokenCount"),
    };
    let at = |path: &str| answer.pointer(path).unwrap_or_else(|| panic!("{path} in {answer}"));
    (at(text).as_str().unwrap().to_owned(), at(usage).as_u64().unwrap())
}

#[tokio::test]
async fn a_whole_answer_is_the_same_sixty_words() {
    let bench = Bench::start().await;
    for dialect in Dialect::ALL {
        let answer = ask(&bench, dialect, "healthy", (false, None)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(words(dialect, &answer.json()), (text(), 60), "{dialect}");
    }
}

#[tokio::test]
async fn a_prefill_is_continued_or_refused() {
    let bench = Bench::start().await;
    let said = "one two three";
    for dialect in Dialect::ALL {
        let answer = ask(&bench, dialect, "healthy", (false, Some(said))).await.json();
        let (rest, tokens) = words(dialect, &answer);
        assert_eq!((format!("{said}{rest}"), tokens), (text(), 57), "{dialect}");
        for stream in [false, true] {
            let refused = ask(&bench, dialect, "healthy-without-prefill", (stream, Some(said))).await;
            assert_eq!(refused.status, 400, "{dialect}");
            assert!(refused.json()["error"]["message"].as_str().unwrap().contains("prefill"), "{dialect}");
        }
    }
    let prefills: Vec<bool> = bench.provider.attempts(Some("healthy")).iter().map(|attempt| attempt.prefill).collect();
    assert_eq!(prefills, [true; 4]);
}

#[tokio::test]
async fn gemini_without_events_is_one_array() {
    let bench = Bench::start().await;
    let path = "/v1beta/models/healthy:streamGenerateContent";
    let (_, body) = request(Dialect::Gemini, "healthy", (true, None));
    let answer = send(&bench, Method::POST, path, body.to_string()).await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/json"));
    let chunks = answer.json();
    let chunks = chunks.as_array().unwrap();
    let said: String = chunks.iter().map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap()).collect();
    assert_eq!((said, chunks.len()), (text(), 61));
    assert_eq!(chunks[60]["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn the_referee_scripts_attempts_and_reads_the_ledger() {
    let bench = Bench::start().await;
    let scripts = json!({ "mine": [
        { "status": 503, "retry_after": "7", "headers": { "x-ratelimit-reset-requests": "9s" } },
        { "reset": true },
        {},
    ] });
    assert_eq!(send(&bench, Method::POST, "/__lab/scripts", scripts.to_string()).await.status, 200);
    let first = ask(&bench, Dialect::Chat, "mine", (false, None)).await;
    assert_eq!(first.status, 503);
    assert_eq!(first.headers["retry-after"], "7");
    assert_eq!(first.headers["x-ratelimit-reset-requests"], "9s");
    assert_eq!(bench.client.ask(Dialect::Chat, "mine", GUARD).await.status, None);
    assert!(bench.client.ask(Dialect::Claude, "mine", GUARD).await.is_complete());
    assert!(bench.client.ask(Dialect::Gemini, "mine", GUARD).await.is_complete());
    let ledger = send(&bench, Method::GET, "/__lab/ledger?model=mine", String::new()).await.json();
    let statuses: Vec<&Value> = ledger["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [&json!(503), &Value::Null, &json!(200), &json!(200)]);
    assert_eq!(send(&bench, Method::POST, "/__lab/reset", String::new()).await.status, 200);
    assert!(bench.provider.attempts(None).is_empty());
    // Its script is gone as well.
    assert_eq!(ask(&bench, Dialect::Chat, "mine", (false, None)).await.status, 404);
}

#[tokio::test]
async fn a_wrong_script_is_refused_with_its_place() {
    let bench = Bench::start().await;
    for (scripts, wrong) in [
        (json!({ "mine": [{}, { "stutus": 500 }] }), "mine[1]"),
        (json!({ "mine": [{ "status": "500" }] }), "mine[0].status"),
        (json!({ "mine": [] }), "one script or more"),
        (json!([]), "expected"),
    ] {
        let answer = send(&bench, Method::POST, "/__lab/scripts", scripts.to_string()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(wrong), "{wrong} in {}", answer.body);
    }
    assert_eq!(send(&bench, Method::GET, "/__lab/nothing", String::new()).await.status, 404);
    assert_eq!(send(&bench, Method::POST, "/v1/chat/completions", "no json".into()).await.status, 404);
}

#[tokio::test]
async fn a_stream_is_cut_at_the_byte() {
    let bench = Bench::start().await;
    let whole = stream(&bench, Dialect::Claude, "script").await;
    for cut in [1, 100, 1000] {
        let (path, body) = request(Dialect::Claude, &format!("script,cut_byte={cut}"), (true, None));
        let uri = format!("http://{}{path}", bench.provider.address()).parse().unwrap();
        let timers = Timers::default();
        let (headers, body) = (HeaderMap::new(), Body::from(body.to_string()));
        let request = UpstreamRequest { method: Method::POST, uri, headers, body, profile: Profile::default(), timers };
        let mut reply = bench.platform.transport.send(request).await.unwrap();
        let mut got = Vec::new();
        let broke = loop {
            match std::future::poll_fn(|cx| std::pin::Pin::new(&mut reply.body).poll_data(cx)).await {
                Some(Ok(data)) => got.extend_from_slice(&data),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        // Ids differ from answer to answer, their length does not.
        assert!(broke && got.len() == cut && whole.len() > cut, "{cut}: {} bytes, broken {broke}", got.len());
    }
}

#[tokio::test]
async fn a_slow_head_a_stall_and_a_pause_are_scripts_too() {
    let bench = Bench::start().await;
    bench.provider.script("slow", vec![Script { head_ms: 700, ..Script::default() }]);
    bench.provider.script("stalls", vec![Script { stall_event: Some(3), stall_ms: 900, ..Script::default() }]);
    bench.provider.script("pauses", vec![Script { pause_event: Some(3), pause_ms: 800, ..Script::default() }]);
    for (model, span, words) in [("slow", 700, 60), ("stalls", 900, 3), ("pauses", 800, 60)] {
        let wake = async {
            let asleep = bench.clock.asleep().await;
            bench.clock.advance(asleep);
            asleep
        };
        let (seen, asleep) = tokio::join!(bench.client.ask(Dialect::Responses, model, GUARD), wake);
        assert_eq!((asleep, seen.text.split_whitespace().count()), (Duration::from_millis(span), words), "{model}");
    }
}
