//! What becomes of a stream that does not end as it should.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gproxy::{
    store::{
        persist::memory::MemoryStore,
        record::{Ended, Source},
    },
    testing::SteppedClock,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    harness::{Answer, Gateway, KEY},
    identity::{chunked, streams},
};

/// The stream up to its first content: no terminal event, though the connection ends as it should.
pub(crate) fn headless(stream: &str) -> String {
    let stream = stream.replace("\r\n", "\n");
    let content =
        ["\"content\":", "text_delta", "output_text.delta", "\"parts\""].iter().filter_map(|word| stream.find(word)).min().unwrap();
    let end = content + stream[content..].find("\n\n").unwrap() + 2;
    stream[..end].to_owned()
}

#[tokio::test]
async fn a_stream_without_its_end_ends_with_the_dialects_error() {
    let gateway = Gateway::start("custom").await;
    for (count, (path, body, stream)) in streams().into_iter().enumerate() {
        gateway.upstream.answers(chunked(&headless(stream), &[]));
        let answer = gateway.post(path, body.as_bytes()).await;
        let text = answer.text();
        assert!(text.starts_with(&headless(stream)) && text.contains("error"), "{path}: {text}");
        assert!(!text.contains("[DONE]") && !text.contains("message_stop") && !text.contains("response.completed"), "{path}: {text}");
        let row = gateway.journal.rows(count + 1).await.pop().unwrap();
        assert_eq!(row.ended, Ended::Interrupted, "{path}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_stream_with_an_error_event() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[0];
    let content = stream.find("content").unwrap();
    let mut pieces = chunked(stream, &[content + stream[content..].find("\n\n").unwrap() + 2]);
    pieces.truncate(2);
    gateway.upstream.answers(pieces);
    let answer = gateway.post(path, body.as_bytes()).await;
    assert!(answer.text().contains("content") && answer.text().contains("\"error\""), "{}", answer.text());
    assert_eq!(gateway.journal.rows(1).await[0].ended, Ended::Interrupted);
}

#[tokio::test]
async fn an_event_that_is_no_json_is_left_out_and_the_rest_passes() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[0];
    let (first, rest) = stream.split_at(stream.find("\n\n").unwrap() + 2);
    let broken = format!("{first}data: {{\"choices\":[{{\"delta\n\n{rest}");
    gateway.upstream.answers(chunked(&broken, &[]));
    let answer = gateway.post(path, body.as_bytes()).await;
    assert_eq!(answer.text(), stream);
    assert_eq!(gateway.journal.rows(1).await[0].usage.total(), 10);
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_upstream_and_is_settled_once() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[1];
    let mut pieces = chunked(stream, &[stream.find("event: message_delta").unwrap()]);
    pieces.truncate(2);
    pieces.push(Bytes::new());
    gateway.upstream.answers(pieces);
    let mut client = gateway.open("POST", path, &[("x-api-key", KEY)], body.as_bytes()).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("text_delta") {
        assert!(client.read_buf(&mut seen).await.unwrap() > 0);
    }
    client.shutdown().await.unwrap();
    drop(client);
    gateway.upstream.gone.notified().await;
    let rows = gateway.journal.rows(1).await;
    assert_eq!((rows[0].ended, rows[0].source), (Ended::Interrupted, Source::Estimated));
    assert!(rows[0].usage.total() >= 8, "{:?}", rows[0]);
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_after_done_has_finished() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[0];
    let mut pieces = chunked(stream, &[]);
    pieces.truncate(2);
    pieces.push(Bytes::new());
    gateway.upstream.answers(pieces);
    let mut client = gateway.open("POST", path, &[("authorization", &format!("Bearer {KEY}"))], body.as_bytes()).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("[DONE]") {
        assert!(client.read_buf(&mut seen).await.unwrap() > 0);
    }
    // It is on record before the client could know that it is done.
    assert_eq!(gateway.journal.rows(1).await[0].ended, Ended::Complete);
    drop(client);
    gateway.upstream.gone.notified().await;
    assert_eq!(gateway.journal.rows(1).await.len(), 1);
}

/// The words that end each dialect, and what is owed where the provider does not say the last of them.
#[tokio::test]
async fn a_complete_stream_ends_though_its_provider_keeps_the_line_open() {
    for (path, body, stream) in streams() {
        for silent in [false, true] {
            let clock = SteppedClock::new();
            let gateway = Gateway::timed(Arc::clone(&clock) as _, async |_: &MemoryStore| {}).await;
            let sent = if silent { stream.replace("data: [DONE]\n\n", "") } else { stream.to_owned() };
            let mut pieces = chunked(&sent, &[]);
            // In place of the body's end the line stays open.
            *pieces.last_mut().unwrap() = Bytes::new();
            gateway.upstream.answers(pieces);
            let bearer = format!("Bearer {KEY}");
            let mut client = gateway.open("POST", path, &[("authorization", &bearer)], body.as_bytes()).await;
            clock.asked_for(Duration::from_secs(2)).await;
            clock.advance(Duration::from_secs(2));
            let mut seen = Vec::new();
            client.read_to_end(&mut seen).await.unwrap();
            let answer = Answer::parse(&seen);
            assert!(answer.whole, "{path}");
            assert_eq!(answer.text(), stream, "{path}");
            let row = gateway.journal.rows(1).await.remove(0);
            assert_eq!((row.ended, row.usage.total()), (Ended::Complete, 10), "{path}");
            gateway.upstream.gone.notified().await;
        }
    }
}

#[tokio::test]
async fn the_error_that_ends_a_stream_of_responses_counts_on() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[2];
    let cut = stream.find("event: response.completed").unwrap();
    let numbered = stream[..cut].replace("\"delta\":\"x\"", "\"delta\":\"x\",\"sequence_number\": 41");
    gateway.upstream.answers(chunked(&numbered, &[]));
    let answer = gateway.post(path, body.as_bytes()).await;
    assert!(answer.text().ends_with("\"sequence_number\":42,\"type\":\"error\"}\n\n"), "{}", answer.text());
}
