//! What a strict budget reserves before a call: all that the call may cost, whichever of its members the provider obeys.

use bytes::Bytes;
use gproxy::store::{
    persist::{RecordsExt as _, memory::MemoryStore},
    record::{Ended, NewPriceRule, PriceMatch, ScopeKind, Source},
};
use serde_json::json;

use crate::{
    harness::{Gateway, KEY},
    money::{CENT, quota, user},
};

/// Ten cents a token of an answer and a search; of `pieces` forty a picture and one a second.
async fn priced(store: &MemoryStore) {
    let words = json!({"input": "0", "output": "100000", "search": "0.1"});
    let pieces = json!({"input": "0", "output": "0", "image": "0.4", "second": "0.01"});
    for (pattern, rates) in [("m", words), ("pieces", pieces)] {
        let (match_kind, rates_json) = (PriceMatch::Exact, rates.to_string());
        store.save(None, NewPriceRule { provider_id: None, match_kind, pattern: pattern.into(), rates_json, enabled: true }).await.unwrap();
    }
}

/// A user who has a dollar.
async fn with_a_dollar() -> Gateway {
    Gateway::configured("openai", async |store| {
        priced(store).await;
        let user = user(store).await;
        store.save(None, quota(ScopeKind::User, user.id.0, 100 * CENT)).await.unwrap();
    })
    .await
}

/// An answer that costs nothing.
fn free() -> String {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1});
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}).to_string()
}

#[tokio::test]
async fn a_strict_budget_lets_in_what_cannot_cost_more_and_nothing_else() {
    const CHAT: &str = "/v1/chat/completions";
    const TEXT: &str = "/v1/completions";
    const IMAGES: &str = "/v1/images/generations";
    const GEMINI: &str = "/v1beta/models/up/m:generateContent";
    let search = |more: serde_json::Value| {
        let mut tool = json!({"type": "web_search_20250305", "name": "web_search"});
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"max_tokens": 1, "tools": [tool]})
    };
    let own =
        json!({"type": "function", "function": {"name": "research", "description": "search and image", "parameters": {"type": "object"}}});
    let gateway = with_a_dollar().await;
    gateway.upstream.always(200, &free());
    let cases = [
        (CHAT, json!({"max_tokens": 10}), 200),
        (CHAT, json!({"max_tokens": 11}), 429),
        (CHAT, json!({"max_tokens": null, "max_completion_tokens": 10}), 200),
        (CHAT, json!({"max_completion_tokens": 1, "max_tokens": 11}), 429),
        (CHAT, json!({"max_completion_tokens": 11, "max_tokens": 1}), 429),
        (CHAT, json!({"max_tokens": "11"}), 429),
        (CHAT, json!({"max_tokens": 10.5}), 429),
        (CHAT, json!({"max_tokens": [1]}), 429),
        (CHAT, json!({}), 429),
        (CHAT, json!({"max_tokens": 5, "n": 2}), 200),
        (CHAT, json!({"max_tokens": 5, "n": 3}), 429),
        (CHAT, json!({"max_tokens": 10, "tools": [own]}), 200),
        (CHAT, json!({"max_tokens": 1, "web_search_options": {}}), 429),
        (TEXT, json!({"max_tokens": 5, "best_of": 3}), 429),
        (TEXT, json!({"max_tokens": 5, "best_of": 2}), 200),
        (IMAGES, json!({"prompt": "a cat"}), 200),
        (IMAGES, json!({"prompt": "a cat", "n": 3}), 429),
        (GEMINI, json!({"generationConfig": {"maxOutputTokens": 10}}), 200),
        (GEMINI, json!({"generationConfig": {"maxOutputTokens": 5, "candidateCount": 3}}), 429),
        (GEMINI, json!({"generation_config": {"max_output_tokens": 11}}), 429),
        ("/v1/messages", search(json!({"max_uses": 9})), 200),
        ("/v1/messages", search(json!({"max_uses": 10})), 429),
        ("/v1/messages", search(json!({})), 429),
        ("/v1/responses", json!({"max_output_tokens": 1, "background": true, "input": "hi"}), 403),
        ("/up/v1/batches", json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions"}), 403),
    ];
    for (path, more, status) in cases {
        let mut body = match path {
            GEMINI => json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            CHAT | "/v1/messages" => json!({"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}),
            TEXT => json!({"model": "up/m", "prompt": "hi"}),
            IMAGES => json!({"model": "up/pieces"}),
            "/v1/responses" => json!({"model": "up/m"}),
            _ => json!({}),
        };
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answered = gateway.post(path, body.to_string().as_bytes()).await;
        assert_eq!(answered.status, status, "{path} {more}: {}", answered.text());
        let audit = gateway.engine.counters().audit().await.unwrap();
        assert!(audit.agrees() && audit.reservations == 0, "{path} {more}: {audit:?}");
    }
    let headers = [("authorization", &*format!("Bearer {KEY}")), ("content-type", "application/sdp")];
    let answered = gateway.call("POST", "/up/v1/realtime/calls?model=m", &headers, b"v=0\r\n").await;
    assert_eq!(answered.status, 403, "{}", answered.text());
}

#[tokio::test]
async fn sound_is_reserved_by_its_bytes_and_pictures_of_a_form_by_its_fields() {
    let gateway = with_a_dollar().await;
    gateway.upstream.always(200, r#"{"text":"words","data":[]}"#);
    let form = |field: (&str, &str), file: usize| {
        let part = |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let file = part("name=\"file\"; filename=\"a\"", &"x".repeat(file));
        let (name, value) = field;
        format!("{}{}{file}--B--\r\n", part("name=\"model\"", "up/pieces"), part(&format!("name=\"{name}\""), value))
    };
    let cases = [
        ("/v1/audio/transcriptions", ("language", "en"), 60_000, 200),
        ("/v1/audio/transcriptions", ("language", "en"), 90_000, 429),
        ("/v1/images/edits", ("n", "2"), 10, 200),
        ("/v1/images/edits", ("n", "3"), 10, 429),
        ("/v1/images/edits", ("size", "1x1"), 10, 429),
    ];
    for (path, field, file, status) in cases {
        let body = form(field, file);
        let headers = [("authorization", &*format!("Bearer {KEY}")), ("content-type", "multipart/form-data; boundary=B")];
        let answered = gateway.call("POST", path, &headers, body.as_bytes()).await;
        assert_eq!(answered.status, status, "{path} {field:?} {file}: {}", answered.text());
    }
}

/// A whole answer of stated length is settled before its last byte leaves, in whatever pieces it comes.
#[tokio::test]
async fn a_large_answer_of_stated_length_is_complete() {
    for size in [1_000, 20_000, 70_000, 300_000, 2_000_000] {
        let gateway = Gateway::configured("openai", async |store| priced(store).await).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: {size}\r\n\r\n");
        let half = Bytes::from(vec![b'x'; size / 2]);
        gateway.upstream.answers(vec![head.into(), half.clone(), half]);
        let answered = gateway.post("/v1/audio/speech", br#"{"model":"up/m","input":"words to say","voice":"alloy"}"#).await;
        assert_eq!((answered.status, answered.body.len()), (200, size));
        let row = gateway.journal.rows(1).await.pop().unwrap();
        assert_eq!((row.ended, row.source), (Ended::Complete, Source::Estimated), "{size} bytes");
    }
}
