//! Where a call's time went: in its row, and for its client where the operator wants that.

use gproxy::{
    pipeline::{Limits, Timing},
    store::record::UsageRow,
};

use crate::{harness::Gateway, identity::streams};

const PATH: &str = "/v1/chat/completions";
const BODY: &[u8] = br#"{"model":"up/m","messages":[]}"#;
const ANSWER: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// The phases of a row that follow each other, in microseconds.
fn in_turn(row: &UsageRow) -> u64 {
    let phases = row.phases.unwrap();
    phases.figures().iter().map(|us| u64::from(*us)).sum::<u64>() - u64::from(phases.gap_us)
}

#[tokio::test]
async fn a_row_says_where_the_time_went() {
    let gateway = Gateway::start("custom").await;
    for _ in 0..2 {
        gateway.upstream.answers_json(ANSWER);
        assert_eq!(gateway.post(PATH, BODY).await.status, 200);
    }
    let rows = gateway.journal.rows(2).await;
    for row in &rows {
        assert!(in_turn(row) <= row.latency_us, "{row:?}");
        assert!(in_turn(row) * 2 > row.latency_us, "most of the time is accounted for: {row:?}");
        assert!(row.phases.unwrap().head_us > 0, "{row:?}");
    }
    assert!(rows[0].phases.unwrap().connect_us > 0, "the first call opens a connection");
}

#[tokio::test]
async fn a_streams_row_has_its_longest_pause() {
    let gateway = Gateway::start("custom").await;
    let (path, body, stream) = streams()[0];
    let half = stream.len() / 2;
    gateway.upstream.answers(crate::identity::chunked(stream, &[half]));
    gateway.post(path, body.as_bytes()).await;
    let row = gateway.journal.rows(1).await.pop().unwrap();
    let phases = row.phases.unwrap();
    assert!(u64::from(phases.gap_us) <= row.latency_us && in_turn(&row) <= row.latency_us, "{row:?}");
}

#[tokio::test]
async fn a_client_is_told_where_the_operator_wants_it() {
    for (timing, names) in [(Timing::Kept, ""), (Timing::Told, "queue auth route journal connect head total")] {
        let gateway = Gateway::with_limits("custom", Limits { timing, ..Limits::default() }).await;
        gateway.upstream.answers_with(200, "server-timing: theirs;dur=1\r\n", ANSWER);
        let answer = gateway.post(PATH, BODY).await;
        let told = answer.header("server-timing").unwrap_or_default();
        let ours: Vec<&str> = told.split(", ").filter_map(|metric| Some(metric.split_once(";dur=")?.0)).collect();
        assert_eq!(ours.join(" "), if names.is_empty() { "theirs" } else { names }, "{told}");
    }
}
