//! Clients that fall silent: before it is known what they speak, and in the midst of a body. Each is waited for by a timer, and gives
//! back what it held.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gproxy::{
    runtime::{BoxFuture, Clock, Instant},
    store::{
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{NewKey, OnDisconnect},
    },
    testing::SteppedClock,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Answer, Gateway, KEY};

/// How long a head, an HTTP/2 preface and the next bytes of a body may take.
const PATIENCE: Duration = Duration::from_secs(30);
const CHAT: &str = "/v1/chat/completions";

async fn gateway() -> (Gateway, Arc<SteppedClock>) {
    let clock = SteppedClock::new();
    (Gateway::timed(Arc::clone(&clock) as _, async |_| {}).await, clock)
}

/// A connection whose own timer is set.
async fn connected(gateway: &Gateway, clock: &SteppedClock) -> TcpStream {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    clock.asked_for(PATIENCE).await;
    stream
}

/// The head of a call with a body of 64 bytes.
fn head(path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: 64\r\n{more}\r\n"
    )
}

/// A body of 64 bytes.
fn body() -> String {
    format!("{:<64}", r#"{"model":"up/m"}"#)
}

/// Lets the gateway have heard all that was sent: another call comes and goes.
async fn heard(gateway: &Gateway) {
    assert_eq!(gateway.call("GET", "/livez", &[], b"").await.status, 200);
}

/// Reads until the gateway has closed the connection.
async fn end(mut stream: TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut data)).await;
    // A reset is an end too, where something was left unread.
    drop(read.expect("the connection is closed"));
    data
}

#[tokio::test]
async fn a_beginning_that_is_no_whole_preface_is_not_waited_for_without_end() {
    let (gateway, clock) = gateway().await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = connected(&gateway, &clock).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        heard(&gateway).await;
        clock.advance(PATIENCE);
        assert_eq!(end(stream).await, b"", "{beginning:?}");
    }
}

#[tokio::test]
async fn a_beginning_may_come_in_pieces_and_its_timer_ends_with_it() {
    const ECHO: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0listened";
    let (gateway, clock) = gateway().await;
    let mut plain = connected(&gateway, &clock).await;
    let mut framed = connected(&gateway, &clock).await;
    for (stream, pieces) in [
        (&mut plain, ["P", "OST /livez HT", "TP/1.1\r\nhost: g\r\n", "connection: close\r\n"]),
        (&mut framed, ["P", "RI * HTTP/2.0\r\n\r", "\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0"]),
    ] {
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            heard(&gateway).await;
        }
    }
    clock.advance(PATIENCE);
    heard(&gateway).await;
    plain.write_all(b"\r\n").await.unwrap();
    assert_eq!(Answer::parse(&end(plain).await).status, 405);
    framed.write_all(b"\0\0\x08\x06\0\0\0\0\0listened").await.unwrap();
    let mut data = Vec::new();
    while !data.windows(ECHO.len()).any(|window| window == ECHO) {
        assert!(framed.read_buf(&mut data).await.unwrap() > 0, "the connection goes on");
    }
}

/// A head, what is sent behind it, and what the refusal says.
const STALLED: &[(&str, &str, &str)] = &[
    (CHAT, "", "request_timeout"),
    (CHAT, "{\"model\":\"up/m\"", "request_timeout"),
    ("/v1/responses", "{", "request_timeout"),
    ("/v1/messages", "{", "timeout_error"),
    ("/v1beta/models/up/m:generateContent", "{", "DEADLINE_EXCEEDED"),
];

#[tokio::test]
async fn a_body_that_stops_is_refused_in_the_dialect_and_gives_its_place_back() {
    let draining = async |store: &MemoryStore| {
        for row in store.load().await.unwrap().keys.iter() {
            store.save(Some(row.id), NewKey { on_disconnect: OnDisconnect::Drain, ..row.row.clone() }).await.unwrap();
        }
    };
    let clocks = [SteppedClock::new(), SteppedClock::new()];
    let gateways =
        [Gateway::timed(Arc::clone(&clocks[0]) as _, async |_| {}).await, Gateway::timed(Arc::clone(&clocks[1]) as _, draining).await];
    for (gateway, clock) in gateways.iter().zip(&clocks) {
        for ((path, begun, words), more) in STALLED.iter().zip(["", "idempotency-key: a\r\n", "origin: https://a.example\r\n", "", ""]) {
            let mut stream = connected(gateway, clock).await;
            stream.write_all(format!("{}{begun}", head(path, more)).as_bytes()).await.unwrap();
            clock.asked_for(PATIENCE).await;
            assert_eq!(gateway.engine.in_flight(), 1, "{path}");
            clock.advance(PATIENCE);
            let answer = Answer::parse(&end(stream).await);
            assert_eq!((answer.status, answer.header("connection")), (408, Some("close")), "{path}: {}", answer.text());
            assert!(answer.text().contains(words) && answer.text().contains("30 seconds"), "{path}: {}", answer.text());
            assert_eq!(gateway.engine.in_flight(), 0, "{path}");
        }
        assert!(gateway.upstream.got().is_empty());
    }
}

#[tokio::test]
async fn a_slow_body_that_goes_on_is_waited_for() {
    let (gateway, clock) = gateway().await;
    gateway.upstream.answers_json("{}");
    let (step, body) = (Duration::from_secs(20), body());
    let mut stream = connected(&gateway, &clock).await;
    stream.write_all(format!("{}{}", head(CHAT, "connection: close\r\n"), &body[..8]).as_bytes()).await.unwrap();
    clock.asked_for(PATIENCE).await;
    for piece in [8..16, 16..24, 24..32] {
        clock.advance(step);
        stream.write_all(&body.as_bytes()[piece]).await.unwrap();
        heard(&gateway).await;
    }
    stream.write_all(&body.as_bytes()[32..]).await.unwrap();
    assert_eq!(Answer::parse(&end(stream).await).status, 200);
}

/// A clock that counts how often somebody asks to be woken after so long.
#[derive(Debug)]
struct Counted(Arc<SteppedClock>, AtomicUsize);

impl Clock for Counted {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.1.fetch_add(usize::from(span == PATIENCE), Ordering::SeqCst);
        self.0.sleep(span)
    }
}

#[tokio::test]
async fn a_body_that_comes_with_its_head_sets_no_timer() {
    let counted = Arc::new(Counted(SteppedClock::new(), AtomicUsize::new(0)));
    let gateway = Gateway::timed(Arc::clone(&counted) as _, async |_| {}).await;
    gateway.upstream.always(200, "{}");
    for times in 1..=3 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(format!("{}{}", head(CHAT, "connection: close\r\n"), body()).as_bytes()).await.unwrap();
        assert_eq!(Answer::parse(&end(stream).await).status, 200);
        assert_eq!(counted.1.load(Ordering::SeqCst), times, "each connection has the one for its beginning");
    }
}
