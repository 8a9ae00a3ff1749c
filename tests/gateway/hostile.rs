//! Bodies in codings that nobody reads here, and answers that panic on their way: each costs its own call and nothing else.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gproxy::{
    runtime::{Body, BodyFault, BoxFuture, Reply, Socket, Transport, TransportFault, UpstreamRequest},
    store::record::Ended,
};
use http_body::Frame;

use crate::{
    harness::{Gateway, KEY},
    identity::{chunked, streams},
    streams::headless,
};

#[tokio::test]
async fn a_coded_request_is_refused_before_it_is_read() {
    let gateway = Gateway::start("custom").await;
    let bearer = format!("Bearer {KEY}");
    let cases = [
        ("/v1/chat/completions", "gzip", "invalid_request_error"),
        ("/v1/responses", "br", "invalid_request_error"),
        ("/v1/messages", "deflate, gzip", "invalid_request_error"),
        ("/v1beta/models/up/m:generateContent", "zstd", "INVALID_ARGUMENT"),
    ];
    for (path, coding, words) in cases {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-encoding", coding)];
        let answer = gateway.call("POST", path, &headers, b"\x1f\x8b\x08\x00").await;
        assert_eq!((answer.status, answer.header("accept-encoding")), (415, Some("identity")), "{path}: {}", answer.text());
        assert!(answer.text().contains(words) && answer.text().contains(&format!("Content-Encoding: {coding}")), "{}", answer.text());
    }
    assert!(gateway.upstream.got().is_empty());
    gateway.upstream.answers_json(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#);
    let plain = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-encoding", "Identity")];
    assert_eq!(gateway.call("POST", "/v1/chat/completions", &plain, br#"{"model":"up/m"}"#).await.status, 200);
}

#[tokio::test]
async fn a_coded_answer_that_nobody_asked_for_is_none() {
    let gateway = Gateway::start("custom").await;
    for body in [r#"{"model":"up/m"}"#, r#"{"model":"up/m","stream":true}"#] {
        for _ in 0..2 {
            gateway.upstream.answers_with(200, "content-encoding: gzip\r\n", "\u{1f}not really");
        }
        let answer = gateway.post("/v1/chat/completions", body.as_bytes()).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains("not really"), "{}", answer.text());
    }
    let rows = gateway.journal.rows(2).await;
    assert!(rows.iter().all(|row| (row.ended, row.usage.total()) == (Ended::Failed, 0)), "{rows:?}");
}

/// A way to the provider whose answers panic behind their first content.
#[derive(Debug)]
struct Mined(Arc<dyn Transport>);

impl Transport for Mined {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        Box::pin(async move {
            let reply = self.0.send(request).await?;
            Ok(Reply { body: Body::stream(Mine { body: reply.body, told: false }), ..reply })
        })
    }

    fn dial(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>> {
        self.0.dial(request)
    }
}

/// A body that passes its first piece and then panics.
struct Mine {
    body: Body,
    told: bool,
}

impl http_body::Body for Mine {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        assert!(!self.told, "the mine is trodden on");
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.told = polled.is_ready();
        polled
    }
}

#[tokio::test]
async fn an_answer_that_panics_ends_with_an_error_and_is_settled_once() {
    let gateway = Gateway::reached_by(|way| Arc::new(Mined(way))).await;
    for (count, (path, body, stream)) in streams().into_iter().enumerate() {
        let mut pieces = chunked(&headless(stream), &[]);
        pieces.truncate(2);
        gateway.upstream.answers(pieces.into_iter().chain([Bytes::new()]).collect());
        let answer = gateway.post(path, body.as_bytes()).await;
        let text = answer.text();
        assert!(answer.whole && text.contains("error") && text.contains("the gateway failed on this answer"), "{path}: {text}");
        assert!(!text.contains("trodden"), "the reason is for the log");
        let rows = gateway.journal.rows(count + 1).await;
        assert_eq!((rows.len(), rows[count].ended), (count + 1, Ended::Interrupted), "{path}");
        assert_eq!(gateway.engine.metrics.panics.get(), count as u64 + 1);
    }
    assert_eq!(gateway.engine.in_flight(), 0);
}
