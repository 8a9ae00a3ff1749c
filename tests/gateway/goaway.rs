//! A provider that takes its leave of HTTP/2 connections (GOAWAY), over real sockets and TLS: what the client gets, over which connections
//! the provider was asked, and what is on record.

use std::{sync::Arc, time::Duration};

use gproxy::{
    lab::{Attempt, Ending, PROMPT, Provider, Script, Settings, TOKENS, text},
    runtime::{
        Platform,
        native::{self, HyperTransport},
    },
    store::record::Ended,
    testing::{ManualClock, SteppedClock},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::harness::{Gateway, KEY};

const PATH: &str = "/v1/chat/completions";
const MODEL: &str = "leaves";
/// How long the provider pauses, by its own clock.
const PAUSE: Duration = Duration::from_secs(1);

/// A gateway before the lab's provider, which does this, one script an attempt. The gateway's clock stands still: whoever would
/// pause before a second try would never come to it.
async fn start(scripts: Vec<Script>) -> (Gateway, Provider, Arc<SteppedClock>) {
    let ((platform, _tasks), clock) = (native::platform(), SteppedClock::new());
    let loopback = "127.0.0.1:0".parse().unwrap();
    let settings = Settings { listen: loopback, pace: Duration::ZERO, secured: Some(loopback) };
    let provider = Provider::start(&Platform { clock: Arc::clone(&clock) as _, ..platform.clone() }, settings).await.unwrap();
    provider.script(MODEL, scripts);
    let secured = provider.secured().unwrap();
    let transport = Arc::new(HyperTransport::trusting(&secured.certificate));
    let platform = Platform { transport, clock: ManualClock::new(), ..platform };
    (Gateway::before(&format!("https://{}", secured.address), platform).await, provider, clock)
}

fn call(stream: bool) -> Vec<u8> {
    json!({ "model": format!("up/{MODEL}"), "messages": [{ "role": "user", "content": PROMPT }], "stream": stream })
        .to_string()
        .into_bytes()
}

/// The words of a stream that came to its end.
fn words(stream: &str) -> String {
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
    let events = stream.split("\n\n").filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok());
    events.filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

/// How each attempt ended, and over which connection it came.
fn asked(provider: &Provider) -> Vec<(Option<Ending>, Option<u64>)> {
    provider.attempts(Some(MODEL)).iter().map(|Attempt { ending, connection, .. }| (*ending, *connection)).collect()
}

/// So many calls are on record, each once, and each with the whole answer's tokens.
async fn billed(gateway: &Gateway, calls: usize) {
    let rows = gateway.journal.rows(calls).await;
    let told: Vec<_> = rows.iter().map(|row| (row.ended, row.usage.bucket(gproxy::base::Bucket::Output))).collect();
    assert_eq!(told, vec![(Ended::Complete, TOKENS as u64); calls]);
}

#[tokio::test]
async fn a_request_that_was_not_begun_with_goes_over_another_connection_at_once() {
    for stream in [false, true] {
        let (gateway, provider, _clock) = start(vec![Script { goaway: true, ..Script::default() }, Script::default()]).await;
        let answer = gateway.post(PATH, &call(stream)).await;
        assert_eq!((answer.status, answer.whole), (200, true), "{}", answer.text());
        let said =
            if stream { words(answer.text()) } else { answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned() };
        assert_eq!(said, text());
        assert_eq!(answer.header("x-gproxy-attempts"), Some("2"));
        assert_eq!(asked(&provider), [(Some(Ending::GoneAway), Some(1)), (Some(Ending::Whole), Some(2))]);
        billed(&gateway, 1).await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_over_its_connection_and_the_next_call_over_another() {
    let leaves = Script { goaway_event: Some(20), pause_event: Some(40), pause_ms: 1000, ..Script::default() };
    let (gateway, provider, clock) = start(vec![leaves, Script::default()]).await;
    let headers = [("authorization", &*format!("Bearer {KEY}")), ("content-type", "application/json")];
    let mut running = gateway.open("POST", PATH, &headers, &call(true)).await;
    let mut heard = Vec::new();
    // What was said behind the GOAWAY has come, so the GOAWAY has too.
    while !String::from_utf8_lossy(&heard).contains("thirty-nine") {
        assert!(running.read_buf(&mut heard).await.unwrap() > 0);
    }
    clock.asked_for(PAUSE).await;
    let next = gateway.post(PATH, &call(true)).await;
    assert_eq!((next.status, words(next.text())), (200, text()));
    assert_eq!(next.header("x-gproxy-attempts"), None, "the first try has a connection of its own");
    assert_eq!(asked(&provider), [(None, Some(1)), (Some(Ending::Whole), Some(2))]);
    clock.advance(PAUSE);
    running.read_to_end(&mut heard).await.unwrap();
    let first = crate::harness::Answer::parse(&heard);
    assert_eq!((first.status, first.whole, words(first.text())), (200, true, text()));
    billed(&gateway, 2).await;
    assert_eq!(asked(&provider), [(Some(Ending::Whole), Some(1)), (Some(Ending::Whole), Some(2))]);
}

#[tokio::test]
async fn who_begins_with_nothing_is_asked_twice_and_then_told() {
    let (gateway, provider, _clock) = start(vec![Script { goaway: true, ..Script::default() }]).await;
    let answer = gateway.post(PATH, &call(false)).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(asked(&provider), [(Some(Ending::GoneAway), Some(1)), (Some(Ending::GoneAway), Some(2))]);
    let rows = gateway.journal.rows(1).await;
    assert_eq!((rows.len(), rows[0].ended, rows[0].usage.total()), (1, Ended::Failed, 0));
}
