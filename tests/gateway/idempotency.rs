//! `Idempotency-Key`: calls under one key are one call with one bill, in every dialect, whoever leaves, joins or comes back.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use gproxy::{
    pipeline::{Idempotency, Limits},
    store::{
        persist::{RecordsExt as _, memory::MemoryStore},
        record::{Ended, NewRateLimit, ScopeKind},
    },
    testing::SteppedClock,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    harness::{Answer, Gateway, KEY, NARROW},
    identity::{chunked, streams},
    money::{CENT, priced, user},
    refusals::Trap,
    streams::headless,
};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"up/allowed-1","messages":[{"role":"user","content":"hi"}]}"#;
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;

/// A whole answer in each dialect: path, request body, answer.
fn wholes() -> [(&'static str, &'static str, &'static str); 4] {
    [
        (CHAT, ASK, ANSWER),
        (
            "/v1/messages",
            r#"{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":3}}"#,
        ),
        (
            "/v1/responses",
            r#"{"model":"up/m","input":"hi"}"#,
            r#"{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{"input_tokens":7,"output_tokens":3,"total_tokens":10}}"#,
        ),
        (
            "/v1beta/models/up/m:generateContent",
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10}}"#,
        ),
    ]
}

fn headers(key: &str) -> [(&'static str, String); 3] {
    [("authorization", format!("Bearer {KEY}")), ("content-type", "application/json".to_owned()), ("idempotency-key", key.to_owned())]
}

/// A call under a key.
async fn keyed(gateway: &Gateway, (path, body): (&str, &str), key: &str) -> Answer {
    let mut answer = Vec::new();
    open(gateway, (path, body), key).await.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}

async fn open(gateway: &Gateway, (path, body): (&str, &str), key: &str) -> TcpStream {
    let headers = headers(key);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    gateway.open("POST", path, &headers, body.as_bytes()).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

/// A provider that says the pieces of its one answer as it is told to, and counts who asks.
struct Patient {
    gateway: Arc<Gateway>,
    asked: Arc<Semaphore>,
    /// A permit for each piece.
    go: Arc<Semaphore>,
}

impl Patient {
    async fn start(pieces: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Arc::new(Gateway::start_at("custom", listener.local_addr().unwrap()).await);
        let [asked, go] = std::array::from_fn(|_| Arc::new(Semaphore::new(0)));
        let (asks, goes) = (Arc::clone(&asked), Arc::clone(&go));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (pieces, goes) = (pieces.clone(), Arc::clone(&goes));
                asks.add_permits(1);
                tokio::spawn(async move { say(stream, pieces, &goes).await });
            }
        });
        Self { gateway, asked, go }
    }

    /// Lets the provider say one more piece.
    fn say(&self) {
        self.go.add_permits(1);
    }

    /// Waits until as many calls are in flight.
    async fn in_flight(&self, count: usize) {
        let all = async {
            while self.gateway.engine.in_flight() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("the calls come");
    }
}

async fn say(mut stream: TcpStream, pieces: Vec<Bytes>, go: &Semaphore) {
    let mut request = vec![0; 64 * 1024];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    for piece in pieces {
        go.acquire().await.unwrap().forget();
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
}

fn json_pieces(body: &str) -> Vec<Bytes> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    vec![Bytes::from(head + body)]
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_callers_with_one_key_are_one_call_and_one_row() {
    let provider = Patient::start(json_pieces(ANSWER)).await;
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let gateway = Arc::clone(&provider.gateway);
            tokio::spawn(async move { keyed(&gateway, (CHAT, ASK), "one").await })
        })
        .collect();
    provider.in_flight(50).await;
    provider.say();
    let mut replayed = 0;
    for caller in callers {
        let answer = caller.await.unwrap();
        assert_eq!((answer.status, answer.text(), answer.whole), (200, ANSWER, true));
        replayed += usize::from(is_replayed(&answer));
    }
    assert_eq!((replayed, provider.asked.available_permits()), (49, 1));
    assert_eq!(provider.gateway.journal.rows(1).await.len(), 1);
    assert_eq!(provider.gateway.engine.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_stream_hears_it_from_its_beginning() {
    for (path, body, stream) in streams() {
        let stream = stream.replace("\r\n", "\n");
        // Nothing of an answer passes before its first content.
        let begun = headless(&stream);
        let mut pieces = chunked(&stream, &[begun.len()]);
        let first = [pieces.remove(0), pieces.remove(0)].concat();
        let provider = Patient::start(vec![first.into(), pieces.concat().into()]).await;
        let start = |count: usize| -> Vec<_> {
            (0..count)
                .map(|_| {
                    let gateway = Arc::clone(&provider.gateway);
                    tokio::spawn(async move { keyed(&gateway, (path, body), "one").await })
                })
                .collect()
        };
        let mut leader = open(&provider.gateway, (path, body), "one").await;
        provider.say();
        let mut heard = Vec::new();
        let content = begun.trim_end().rsplit("\n\n").next().unwrap();
        while !String::from_utf8_lossy(&heard).contains(content) {
            assert!(leader.read_buf(&mut heard).await.unwrap() > 0, "{path}: the first events pass at once");
        }
        let later = start(25);
        provider.in_flight(26).await;
        provider.say();
        for caller in later {
            let answer = caller.await.unwrap();
            assert_eq!((answer.text(), answer.whole), (stream.as_str(), true), "{path}");
            assert!(is_replayed(&answer), "{path}");
        }
        leader.read_to_end(&mut heard).await.unwrap();
        assert_eq!(Answer::parse(&heard).text(), stream, "{path}");
        assert_eq!(provider.asked.available_permits(), 1, "{path}");
        let rows = provider.gateway.journal.rows(1).await;
        assert_eq!((rows.len(), rows[0].ended, rows[0].usage.total()), (1, Ended::Complete, 10), "{path}");
    }
}

#[tokio::test]
async fn a_finished_answer_is_given_again_in_every_dialect_and_billed_once() {
    let gateway = Gateway::configured("custom", priced).await;
    for (at, (path, body, answer)) in wholes().into_iter().enumerate() {
        gateway.upstream.answers_json(answer);
        let key = format!("whole-{at}");
        let first = keyed(&gateway, (path, body), &key).await;
        let again = keyed(&gateway, (path, body), &key).await;
        for (answered, replayed) in [(&first, false), (&again, true)] {
            assert_eq!((answered.status, answered.text(), is_replayed(answered)), (200, answer, replayed), "{path}");
            assert_eq!(answered.header("content-type"), Some("application/json"), "{path}");
            assert_eq!(answered.header("x-request-id"), Some("up-1"), "{path}: what the provider said of its call");
        }
        assert_eq!(again.header("x-gproxy-original-request-id"), first.header("x-gproxy-request-id"), "{path}");
        assert_ne!(again.header("x-gproxy-request-id"), first.header("x-gproxy-request-id"), "{path}");
    }
    for (at, (path, body, stream)) in streams().into_iter().enumerate() {
        gateway.upstream.answers(chunked(stream, &[stream.len() / 3]));
        let key = format!("stream-{at}");
        for replayed in [false, true, true] {
            let answered = keyed(&gateway, (path, body), &key).await;
            assert_eq!((answered.text(), is_replayed(&answered), answered.whole), (stream, replayed, true), "{path}");
            assert_eq!(answered.header("content-type"), Some("text/event-stream"), "{path}");
        }
    }
    assert_eq!(gateway.upstream.got().len(), 8);
    assert!(gateway.upstream.got().iter().all(|got| !got.head.contains("idempotency-key")), "it is a key of ours, not of the provider's");
    let rows = gateway.journal.rows(8).await;
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.billed.as_ref().unwrap().cost.get() == CENT), "{rows:?}");
}

#[tokio::test]
async fn a_converted_answer_is_given_again_as_it_was_converted() {
    let gateway = Gateway::start("openai").await;
    let (path, body, _) = wholes()[1];
    gateway.upstream.answers_json(ANSWER);
    let first = keyed(&gateway, (path, body), "one").await;
    assert_eq!((first.status, &first.json()["type"]), (200, &json!("message")));
    let again = keyed(&gateway, (path, body), "one").await;
    assert!(is_replayed(&again) && again.body == first.body);
    assert_eq!(gateway.upstream.got().len(), 1);
}

#[tokio::test]
async fn another_call_under_the_same_key_is_refused_in_the_callers_dialect() {
    let gateway = Gateway::start("custom").await;
    let openai = ("/error/code", "idempotency_key_reused");
    let expected = [openai, ("/error/type", "invalid_request_error"), openai, ("/error/status", "INVALID_ARGUMENT")];
    for ((path, body, answer), (pointer, word)) in wholes().into_iter().zip(expected) {
        gateway.upstream.answers_json(answer);
        assert_eq!(keyed(&gateway, (path, body), "one").await.status, 200, "{path}");
        let other = body.replacen("hi", "ho", 1);
        let refused = keyed(&gateway, (path, &other), "one").await;
        assert_eq!((refused.status, refused.header("x-should-retry")), (422, Some("false")), "{path}");
        let told: Value = refused.json();
        assert_eq!(told.pointer(pointer), Some(&json!(word)), "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("Idempotency-Key"), "{told}");
        let elsewhere = format!("/up{path}");
        assert_eq!(keyed(&gateway, (&elsewhere, body), "one").await.status, 422, "{path}: the same body on another path");
    }
    assert_eq!(gateway.upstream.got().len(), 4, "each operation has keys of its own");
}

#[tokio::test]
async fn callers_have_keys_of_their_own() {
    let gateway = Gateway::start("custom").await;
    let narrow = format!("Bearer {NARROW}");
    for (answer, bearer) in [("{\"a\":1}", format!("Bearer {KEY}")), ("{\"a\":2}", narrow)] {
        gateway.upstream.answers_json(answer);
        for _ in 0..2 {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", "one")];
            assert_eq!(gateway.call("POST", CHAT, &headers, ASK.as_bytes()).await.text(), answer);
        }
    }
    assert_eq!(gateway.upstream.got().len(), 2);
}

#[tokio::test]
async fn after_a_day_the_call_is_made_anew() {
    let clock = SteppedClock::new();
    let gateway = Gateway::timed(Arc::clone(&clock) as _, async |_: &MemoryStore| {}).await;
    gateway.upstream.always(200, ANSWER);
    let expected = [(0, false), (86_399_999, true), (1, false), (86_399_999, true)];
    for (wait_ms, replayed) in expected {
        clock.advance(Duration::from_millis(wait_ms));
        assert_eq!(is_replayed(&keyed(&gateway, (CHAT, ASK), "one").await), replayed, "{wait_ms} ms later");
    }
    assert_eq!(gateway.upstream.got().len(), 2);
}

#[tokio::test]
async fn what_failed_is_made_anew() {
    let gateway = Gateway::start("custom").await;
    let refusal = r#"{"error":{"message":"no"}}"#;
    gateway.upstream.answers_with(400, "", refusal);
    assert_eq!(keyed(&gateway, (CHAT, ASK), "refused").await.status, 400);
    gateway.upstream.always(503, refusal);
    assert_eq!(keyed(&gateway, (CHAT, ASK), "failed").await.status, 503);
    let (path, body, stream) = streams()[0];
    gateway.upstream.answers(chunked(&stream[..stream.find("\n\n").unwrap() + 2], &[]));
    assert!(keyed(&gateway, (path, body), "broken").await.text().contains("error"));
    gateway
        .upstream
        .answers(vec![Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"a\"")]);
    let broken = keyed(&gateway, (CHAT, ASK), "cut").await;
    assert!(broken.status >= 500 || !broken.whole, "{broken:?}");

    gateway.upstream.always(200, ANSWER);
    for key in ["refused", "failed", "cut"] {
        for replayed in [false, true] {
            let answer = keyed(&gateway, (CHAT, ASK), key).await;
            assert_eq!((answer.status, answer.text(), is_replayed(&answer)), (200, ANSWER, replayed), "{key}");
        }
    }
    gateway.upstream.answers(chunked(stream, &[]));
    for replayed in [false, true] {
        let answer = keyed(&gateway, (path, body), "broken").await;
        assert_eq!((answer.text(), is_replayed(&answer)), (stream, replayed));
    }
}

#[tokio::test]
async fn a_repeat_counts_in_no_limit_and_a_refusal_by_one_is_not_kept() {
    let clock = SteppedClock::new();
    let gateway = Gateway::timed(Arc::clone(&clock) as _, async |store: &MemoryStore| {
        let scope_id = user(store).await.id.0;
        let limit = NewRateLimit {
            scope: ScopeKind::User,
            scope_id,
            pattern: "up/*".into(),
            requests_per_minute: Some(1),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            concurrency: None,
        };
        store.save(None, limit).await.unwrap();
    })
    .await;
    gateway.upstream.always(200, ANSWER);
    let first = keyed(&gateway, (CHAT, ASK), "one").await;
    assert_eq!((first.status, first.header("x-ratelimit-remaining-requests")), (200, Some("0")));
    let again = keyed(&gateway, (CHAT, ASK), "one").await;
    assert_eq!((again.status, again.header("x-ratelimit-remaining-requests")), (200, None), "what is left was true at the first call");
    assert_eq!(keyed(&gateway, (CHAT, ASK), "two").await.status, 429);
    clock.advance(Duration::from_mins(2));
    let later = keyed(&gateway, (CHAT, ASK), "two").await;
    assert_eq!((later.status, is_replayed(&later)), (200, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_finds_its_answer_when_it_comes_back() {
    let (path, body, stream) = streams()[1];
    let mut pieces = chunked(stream, &[stream.find("event: message_delta").unwrap()]);
    let first = [pieces.remove(0), pieces.remove(0)].concat();
    let provider = Patient::start(vec![first.into(), pieces.concat().into()]).await;
    let mut leader = open(&provider.gateway, (path, body), "one").await;
    provider.say();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("text_delta") {
        assert!(leader.read_buf(&mut heard).await.unwrap() > 0);
    }
    drop(leader);
    provider.say();
    let rows = provider.gateway.journal.rows(1).await;
    assert_eq!((rows[0].ended, rows[0].usage.total()), (Ended::Complete, 10), "the call goes on for who comes back");
    let again = keyed(&provider.gateway, (path, body), "one").await;
    assert_eq!((again.text(), is_replayed(&again)), (stream, true));
    assert_eq!((provider.asked.available_permits(), provider.gateway.journal.rows(1).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_joined_hears_the_rest_when_the_first_and_others_leave() {
    let (path, body, stream) = streams()[2];
    let mut pieces = chunked(stream, &[stream.find("event: response.completed").unwrap()]);
    let first = [pieces.remove(0), pieces.remove(0)].concat();
    let provider = Patient::start(vec![first.into(), pieces.concat().into()]).await;
    let leader = open(&provider.gateway, (path, body), "one").await;
    provider.in_flight(1).await;
    let other = open(&provider.gateway, (path, body), "one").await;
    let gateway = Arc::clone(&provider.gateway);
    let stays = tokio::spawn(async move { keyed(&gateway, (path, body), "one").await });
    provider.in_flight(3).await;
    provider.say();
    drop((leader, other));
    provider.say();
    let answer = stays.await.unwrap();
    assert_eq!((answer.text(), answer.whole), (stream, true));
    assert_eq!(provider.gateway.journal.rows(1).await[0].ended, Ended::Complete);
}

#[tokio::test]
async fn a_call_that_panics_is_a_500_and_leaves_its_key_free() {
    let gateway = Gateway::reached_by(|way| Arc::new(Trap { way, is_armed: AtomicBool::new(true) })).await;
    let caught = keyed(&gateway, (CHAT, ASK), "one").await;
    assert_eq!((caught.status, &caught.json()["error"]["code"]), (500, &json!("internal_error")));
    gateway.upstream.answers_json(ANSWER);
    let again = keyed(&gateway, (CHAT, ASK), "one").await;
    assert_eq!((again.status, is_replayed(&again)), (200, false));
    let metrics = gateway.engine.metrics.render().unwrap();
    assert!(metrics.contains("gproxy_panics_total 1"), "{metrics}");
    assert_eq!(gateway.engine.in_flight(), 0);
}

fn bounded(idempotency: Idempotency) -> Limits {
    Limits { body: 1 << 20, idempotency, ..Limits::default() }
}

#[tokio::test]
async fn an_answer_that_is_too_large_passes_and_is_not_given_again() {
    let gateway = Gateway::with_limits("custom", bounded(Idempotency { answer: 300, ..Idempotency::default() })).await;
    for (at, (path, body, stream)) in streams().into_iter().enumerate() {
        let long = format!("{}{stream}", ": filler\n\n".repeat(100));
        gateway.upstream.answers(chunked(&long, &[100, 200, 500]));
        let key = format!("large-{at}");
        let first = keyed(&gateway, (path, body), &key).await;
        assert_eq!((first.text(), first.whole), (long.as_str(), true), "{path}");
        let again = keyed(&gateway, (path, body), &key).await;
        assert_eq!((again.status, again.header("x-should-retry")), (409, Some("false")), "{path}");
        let message = again.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("Idempotency-Key") && message.contains("too large"), "{message}");
    }
    assert_eq!(gateway.upstream.got().len(), 4);
    assert_eq!(gateway.journal.rows(4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_let_go_when_nobody_hears_what_is_not_kept() {
    let gateway = Gateway::with_limits("custom", bounded(Idempotency { answer: 300, ..Idempotency::default() })).await;
    let (path, body, stream) = streams()[0];
    let long = stream.replacen("\n\n", &format!("\n\n{}", ": filler\n\n".repeat(100)), 1);
    let mut pieces = chunked(&long, &[long.len() - 60]);
    pieces.truncate(2);
    pieces.push(Bytes::new());
    gateway.upstream.answers(pieces);
    let client = open(&gateway, (path, body), "one").await;
    gateway.upstream.spoken.notified().await;
    drop(client);
    gateway.upstream.gone.notified().await;
    assert_eq!(gateway.journal.rows(1).await[0].ended, Ended::Interrupted);
    gateway.upstream.answers(chunked(stream, &[]));
    let again = keyed(&gateway, (path, body), "one").await;
    assert_eq!((again.status, is_replayed(&again)), (200, false), "its key is free again");
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let room = Idempotency { bytes: 2 * (ANSWER.len() as u64 + 96), answer: 1 << 20, ..Idempotency::default() };
    let gateway = Gateway::with_limits("custom", bounded(room)).await;
    gateway.upstream.always(200, ANSWER);
    for key in ["one", "two", "three"] {
        assert_eq!(keyed(&gateway, (CHAT, ASK), key).await.status, 200);
    }
    let statuses = ["one", "two", "three"].map(|key| keyed(&gateway, (CHAT, ASK), key));
    let answers = futures_util::future::join_all(statuses).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [409, 200, 200], "the oldest answer made room");
    assert!(answers[0].text().contains("was dropped"), "{}", answers[0].text());
    assert_eq!(gateway.upstream.got().len(), 3);

    let few = Gateway::with_limits("custom", bounded(Idempotency { calls: 1, ..Idempotency::default() })).await;
    few.upstream.always(200, ANSWER);
    for (key, replayed) in [("one", false), ("two", false), ("two", true), ("one", false)] {
        assert_eq!(is_replayed(&keyed(&few, (CHAT, ASK), key).await), replayed, "{key}");
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_the_header_may_be_switched_off() {
    let gateway = Gateway::start("custom").await;
    for (key, wanted) in [(String::new(), "has 0 bytes"), ("x".repeat(256), "has 256 bytes")] {
        let refused = keyed(&gateway, (CHAT, ASK), &key).await;
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(refused.status == 400 && message.contains(wanted), "{message}");
    }
    assert_eq!(gateway.upstream.got().len(), 0);
    let off = Gateway::with_limits("custom", bounded(Idempotency { span: Duration::ZERO, ..Idempotency::default() })).await;
    off.upstream.always(200, ANSWER);
    for _ in 0..2 {
        assert!(!is_replayed(&keyed(&off, (CHAT, ASK), "one").await));
    }
    assert_eq!(off.upstream.got().len(), 2);
}

#[tokio::test]
async fn a_form_is_known_again_under_another_boundary() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.answers_json(r#"{"text":"ok"}"#);
    let mut statuses = Vec::new();
    for (boundary, word) in [("aaaa", "sound"), ("bbbbbb", "sound"), ("cc", "noise")] {
        let form = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nup/m\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n{word}\r\n--{boundary}--\r\n"
        );
        let (bearer, content_type) = (format!("Bearer {KEY}"), format!("multipart/form-data; boundary={boundary}"));
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type.as_str()), ("idempotency-key", "one")];
        let answer = gateway.call("POST", "/v1/audio/transcriptions", &headers, form.as_bytes()).await;
        statuses.push((answer.status, is_replayed(&answer)));
    }
    assert_eq!(statuses, [(200, false), (200, true), (422, false)]);
    assert_eq!(gateway.upstream.got().len(), 1);
}
