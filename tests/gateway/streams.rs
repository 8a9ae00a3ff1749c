//! What becomes of a stream that does not end as it should.

use bytes::Bytes;
use gproxy::store::record::{Ended, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    harness::{Gateway, KEY},
    identity::{chunked, streams},
};

/// The stream up to its first content: no terminal event, though the connection ends as it should.
fn headless(stream: &str) -> String {
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
