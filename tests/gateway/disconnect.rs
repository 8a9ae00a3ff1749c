//! A client that leaves, at every event of a stream, in every dialect: its provider is let go at once, the call is settled once,
//! nothing stays reserved.

use bytes::Bytes;
use gproxy::store::{
    persist::{Records as _, RecordsExt as _, memory::MemoryStore},
    record::{Ended, NewKey, OnDisconnect, ScopeKind},
};

use crate::{
    harness::{Gateway, KEY, WAIT},
    identity::{chunked, streams},
    money::{CENT, priced, quota, user},
};

/// A cent for each call that used something, from a budget of many.
async fn budgeted(store: &MemoryStore) {
    priced(store).await;
    let user = user(store).await;
    store.save(None, quota(ScopeKind::User, user.id.0, 1000 * CENT)).await.unwrap();
}

/// Where the events of a stream end.
fn ends(stream: &str) -> Vec<usize> {
    let mut ends: Vec<usize> = stream.match_indices("\n\n").map(|(at, _)| at + 2).collect();
    ends.extend(stream.match_indices("\r\n\r\n").map(|(at, _)| at + 4));
    ends.sort_unstable();
    ends
}

/// How a client that takes a dialect asks for the provider's stream: by whose stream it is, the client's path and body.
fn crossed() -> [(usize, &'static str, &'static str, &'static str); 4] {
    let responses = r#"{"model":"up/m","stream":true,"input":"hi"}"#;
    let claude = r#"{"model":"up/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    [
        (1, "anthropic", "/v1/responses", responses),
        (3, "aistudio", "/v1/messages", claude),
        (2, "openai", "/v1/messages", claude),
        (1, "anthropic", "/v1beta/models/up/m:streamGenerateContent?alt=sse", gemini),
    ]
}

/// Leaves after some bytes of the provider's stream have been sent; the provider holds the rest back.
async fn leave(gateway: &Gateway, (path, body): (&str, &str), (stream, sent): (&str, usize), row: usize) {
    let mut pieces = chunked(stream, &[sent]);
    pieces.truncate(2);
    pieces.push(Bytes::new());
    gateway.upstream.answers(pieces);
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-api-key", KEY)];
    let client = gateway.open("POST", path, &headers, body.as_bytes()).await;
    gateway.upstream.spoken.notified().await;
    drop(client);
    gateway.upstream.gone.notified().await;
    let rows = gateway.journal.rows(row + 1).await;
    assert_eq!(rows.len(), row + 1, "{path} at {sent}: settled once");
    let last = rows.last().unwrap();
    let used = last.usage.total() > 0;
    assert!(last.ended == Ended::Interrupted || used, "{path} at {sent}: {last:?}");
    assert_eq!(last.billed.as_ref().map(|billed| billed.cost.get()), Some(if used { CENT } else { 0 }), "{path} at {sent}");
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{path} at {sent}: {audit:?}");
}

#[tokio::test]
async fn a_client_may_leave_at_every_event_of_a_stream_that_passes() {
    let gateway = Gateway::configured("custom", budgeted).await;
    let mut row = 0;
    for (path, body, stream) in streams() {
        for end in ends(stream) {
            leave(&gateway, (path, body), (stream, end), row).await;
            row += 1;
        }
    }
}

#[tokio::test]
async fn a_client_may_leave_at_every_event_of_a_stream_that_is_turned() {
    for (whose, channel, path, body) in crossed() {
        let gateway = Gateway::configured(channel, budgeted).await;
        let stream = streams()[whose].2;
        for (row, end) in ends(stream).into_iter().enumerate() {
            leave(&gateway, (path, body), (stream, end), row).await;
            let asked = gateway.upstream.last().head;
            assert!(!asked.starts_with(&format!("post {}", path.to_lowercase())), "{path} is turned into the provider's own: {asked}");
        }
    }
}

/// The same, of keys that want an answer read to its end.
async fn draining(store: &MemoryStore) {
    budgeted(store).await;
    for row in store.load().await.unwrap().keys.iter() {
        store.save(Some(row.id), NewKey { on_disconnect: OnDisconnect::Drain, ..row.row.clone() }).await.unwrap();
    }
}

/// Leaves while the provider waits in the midst of its answer; gives the row of a call that was heard to its end and of this one.
async fn leave_and_drain(gateway: &Gateway, (path, body): (&str, &str), pieces: Vec<Bytes>, at: usize) {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-api-key", KEY)];
    let rows = gateway.journal.rows(0).await.len();
    gateway.upstream.answers(pieces.clone());
    assert_eq!(gateway.call("POST", path, &headers, body.as_bytes()).await.status, 200, "{path}");
    let mut waits = pieces;
    waits.insert(at, WAIT);
    gateway.upstream.answers(waits);
    let client = gateway.open("POST", path, &headers, body.as_bytes()).await;
    gateway.upstream.spoken.notified().await;
    drop(client);
    // Long enough for the gateway to hear that it left: another call comes and goes.
    gateway.call("GET", "/v1/models", &headers, b"").await;
    gateway.upstream.go.notify_one();
    let rows = gateway.journal.rows(rows + 2).await.split_off(rows);
    let [heard, left] = &rows[..] else { panic!("{path}: {rows:?}") };
    assert_eq!((left.ended, &left.usage, left.source), (heard.ended, &heard.usage, heard.source), "{path} at {at}");
    let cost = |row: &gproxy::store::record::UsageRow| row.billed.as_ref().map(|billed| billed.cost);
    assert_eq!((left.ended, cost(left)), (Ended::Complete, cost(heard)), "{path} at {at}");
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{path} at {at}: {audit:?}");
}

#[tokio::test]
async fn a_key_that_drains_has_its_answer_read_to_the_end_and_billed_as_told() {
    let gateway = Gateway::configured("custom", draining).await;
    for (path, body, stream) in streams() {
        let ends = ends(stream);
        let pieces = chunked(stream, &[ends[0]]);
        // Before the head, after it, and after the first event.
        for at in 0..3 {
            leave_and_drain(&gateway, (path, body), pieces.clone(), at).await;
        }
    }
    for (whose, channel, path, body) in crossed() {
        let gateway = Gateway::configured(channel, draining).await;
        let stream = streams()[whose].2;
        leave_and_drain(&gateway, (path, body), chunked(stream, &[ends(stream)[0]]), 2).await;
    }
}

#[tokio::test]
async fn a_key_that_drains_has_a_whole_answer_waited_for() {
    let gateway = Gateway::configured("custom", draining).await;
    let whole = r#"{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", whole.len());
    let pieces = vec![Bytes::from(head), Bytes::from_static(whole.as_bytes())];
    for at in 0..2 {
        leave_and_drain(&gateway, ("/v1/chat/completions", r#"{"model":"up/m","messages":[]}"#), pieces.clone(), at).await;
    }
}
