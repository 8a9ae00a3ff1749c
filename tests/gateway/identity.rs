//! Same kind in and out: the bytes pass, but for the declared edits (docs/declared-edits.md).

use bytes::Bytes;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::harness::{Gateway, KEY, SECRET};

/// JSON text as clients really send it: odd spaces, repeated keys, numbers that no double holds, unknown members.
fn json(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,30}".prop_map(|digits| digits),
        "-?[0-9]\\.[0-9]{1,20}[eE][+-]?[0-9]{1,3}".prop_map(|digits| digits),
        "\"([a-z é\u{4f60}]|\\\\n|\\\\u00e9|\\\\\"|\\\\\\\\|[{}\\[\\],:]){0,12}\"".prop_map(|text| text),
    ];
    let space = prop_oneof![Just(""), Just(" "), Just("\n\t"), Just("\r\n")];
    leaf.prop_recursive(depth, 40, 5, move |inner| {
        let space = space.clone();
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), space.clone())
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))),
            (prop::collection::vec(("[abc]", inner), 0..5), space).prop_map(|(members, space)| format!(
                "{{{space}{}}}",
                members.iter().map(|(key, value)| format!("\"{key}\"{space}:{space}{value}{space}")).collect::<Vec<_>>().join(",")
            )),
        ]
    })
}

/// A request body around a model, with members of any kind before and behind it.
fn body() -> impl Strategy<Value = (String, String)> {
    (prop::collection::vec(("[d-z]{2,6}", json(5)), 0..4), prop::collection::vec(("[d-z]{2,6}", json(5)), 0..4), "[ \n]{0,2}").prop_map(
        |(before, behind, space)| {
            let members = |members: &[(String, String)]| {
                members
                    .iter()
                    .filter(|(key, _)| key != "model" && key != "stream")
                    .map(|(key, value)| format!("\"{key}\":{space}{value}"))
                    .collect::<Vec<_>>()
            };
            let write = |model: &str| {
                let mut all = members(&before);
                all.push(format!("\"model\"{space}:{space}\"{model}\""));
                all.extend(members(&behind));
                format!("{space}{{{space}{}}}{space}", all.join(","))
            };
            (write("up/some-model"), write("some-model"))
        },
    )
}

#[test]
fn request_and_answer_bytes_pass_but_for_the_model_id() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(Gateway::start("custom"));
    let mut runner = TestRunner::new(Config { cases: 120, ..Config::default() });
    let paths = prop::sample::select(vec!["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/moderations"]);
    runner
        .run(&(body(), json(6), paths), |((sent, wanted), answered, path)| {
            runtime.block_on(async {
                gateway.upstream.answers_json(&answered);
                let answer = gateway.post(path, sent.as_bytes()).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert_eq!(String::from_utf8_lossy(&gateway.upstream.last().body), wanted);
                assert_eq!(answer.text(), answered);
                assert_eq!(answer.header("x-request-id"), Some("up-1"));
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_scoped_call_passes_to_the_last_byte() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(Gateway::start("custom"));
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    runner
        .run(&body(), |(_, sent)| {
            runtime.block_on(async {
                gateway.upstream.answers_json("{}");
                gateway.post("/up/v1/chat/completions", sent.as_bytes()).await;
                assert_eq!(String::from_utf8_lossy(&gateway.upstream.last().body), sent);
            });
            Ok(())
        })
        .unwrap();
}

const CHAT: &str = "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u{4f60}\u{597d}\"}}],\"unknown\":1e400}\n\n: a comment\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\ndata: [DONE]\n\n";
const CLAUDE: &str = "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\r\n\r\nevent: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\nevent: brand_new\r\ndata: {\"type\":\"brand_new\",\"x\":[1]}\r\n\r\nevent: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\u{e9}\"}}\r\n\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\r\n\r\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n";
const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"total_tokens\":10}}}\n\n";
const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\r\n\r\ndata: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":3,\"totalTokenCount\":10}}\r\n\r\n";

/// Streams in four dialects: path, request body, the stream.
pub(crate) fn streams() -> [(&'static str, &'static str, &'static str); 4] {
    [
        ("/v1/chat/completions", "{\"model\":\"up/m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", CHAT),
        ("/v1/messages", "{\"model\":\"up/m\",\"stream\":true}", CLAUDE),
        ("/v1/responses", "{\"model\":\"up/m\",\"stream\":true}", RESPONSES),
        ("/v1beta/models/up/m:streamGenerateContent?alt=sse", "{}", GEMINI),
    ]
}

/// A chunked event stream, cut into pieces at the given places of its body.
pub(crate) fn chunked(stream: &str, cuts: &[usize]) -> Vec<Bytes> {
    let mut pieces = vec![Bytes::from_static(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
    )];
    let mut at = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        if cut > at {
            let part = &stream.as_bytes()[at..cut];
            pieces.push([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat().into());
            at = cut;
        }
    }
    pieces.push(Bytes::from_static(b"0\r\n\r\n"));
    pieces
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_at_every_byte_arrives_unchanged_and_metered() {
    let gateway = Gateway::start("custom").await;
    let mut calls = 0;
    for (path, body, stream) in streams() {
        for cut in 1..stream.len() {
            gateway.upstream.answers(chunked(stream, &[cut]));
            let answer = gateway.post(path, body.as_bytes()).await;
            assert_eq!(answer.text(), stream, "{path} cut at {cut}");
            assert!(answer.whole);
            calls += 1;
        }
    }
    let rows = gateway.journal.rows(calls).await;
    for row in &rows {
        assert_eq!(row.usage.total(), 10, "{row:?}");
        assert_eq!(row.ended, gproxy::store::record::Ended::Complete, "{row:?}");
    }
    assert_eq!(rows.len(), calls);
}

#[tokio::test]
async fn a_usage_chunk_that_the_client_did_not_ask_for_is_asked_and_kept_back() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.answers(chunked(CHAT, &[40, 200]));
    let answer = gateway.post("/v1/chat/completions", b"{\"model\":\"up/m\",\"stream\":true}").await;
    assert!(!answer.text().contains("\"usage\""), "{}", answer.text());
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(
        String::from_utf8(gateway.upstream.last().body).unwrap(),
        "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}"
    );
    assert_eq!(gateway.journal.rows(1).await[0].usage.total(), 10);
}

#[tokio::test]
async fn a_large_body_passes_and_one_too_large_is_refused_in_the_dialect() {
    let gateway = Gateway::start("custom").await;
    let large = format!("{{\"messages\":[\"{}\"],\"model\":\"up/m\"}}", "x\\n".repeat(300_000));
    gateway.upstream.answers_json("{}");
    assert_eq!(gateway.post("/v1/chat/completions", large.as_bytes()).await.status, 200);
    assert_eq!(gateway.upstream.last().body.len(), large.len() - 3);
    let huge = format!("{{\"model\":\"up/m\",\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let answer = gateway.call("POST", "/v1/messages", &[("x-api-key", KEY), ("anthropic-version", "2023-06-01")], huge.as_bytes()).await;
    assert_eq!((answer.status, answer.json()["error"]["type"].as_str()), (413, Some("request_too_large")));
}

#[tokio::test]
async fn keys_stay_on_their_side() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.answers_json("{\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}");
    let answer = gateway
        .call(
            "POST",
            &format!("/v1/embeddings?key={KEY}&x=1"),
            &[("x-api-key", KEY), ("cookie", "canary=1")],
            b"{\"model\":\"up/m\",\"input\":\"a\"}",
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let got = gateway.upstream.last();
    assert!(!got.head.contains(KEY) && !got.head.contains("canary=1"), "{}", got.head);
    assert!(got.head.contains(SECRET) && got.head.contains("/v1/embeddings?x=1 http"), "{}", got.head);
    assert!(!answer.head.contains(SECRET) && !answer.text().contains(SECRET));
    let records = format!("{:?}", gateway.journal.entries());
    assert!(!records.contains(KEY) && !records.contains(SECRET));
}
