//! Credentials that are renewed: one call to the token endpoint for all that wait, whatever instance they came to, and a provider that
//! refuses a token is asked once more with a new one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gproxy::{store::record::Ended, testing::SteppedClock};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use crate::harness::{Gateway, SECRET, Upstream, furnished};

const CHAT: &[u8] = br#"{"model":"up/m","messages":[]}"#;
const ANSWER: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// A token endpoint that takes each refresh token once, and knows one at a time.
struct Issuer {
    address: std::net::SocketAddr,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug)]
struct Books {
    /// The only refresh token that is good now.
    good: String,
    asked: usize,
    refused: usize,
    /// What the next calls are answered with instead.
    faults: Vec<(u16, &'static str)>,
    expires_in: u64,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Books { good: SECRET.to_owned(), asked: 0, refused: 0, faults: Vec::new(), expires_in: 3600 };
        let books = Arc::new(Mutex::new(books));
        let kept = Arc::clone(&books);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let books = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut data = vec![0; 8192];
                    let mut length = 0;
                    // The form is the last of the request, and short.
                    while !String::from_utf8_lossy(&data[..length]).contains("client_id=house") {
                        length += stream.read(&mut data[length..]).await.unwrap();
                    }
                    let (status, body) =
                        books.lock().unwrap_or_else(PoisonError::into_inner).answer(&String::from_utf8_lossy(&data[..length]));
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).await.unwrap();
                    stream.write_all(body.as_bytes()).await.unwrap();
                });
            }
        });
        Self { address, books }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn counts(&self) -> (usize, usize) {
        let books = self.books();
        (books.asked, books.refused)
    }

    fn settings(&self, provider: &Upstream) -> String {
        let (token_url, base_url) = (format!("http://{}/token", self.address), format!("http://{}", provider.address));
        serde_json::json!({"base_url": base_url, "oauth": {"token_url": token_url, "client_id": "house"}}).to_string()
    }
}

impl Books {
    fn answer(&mut self, request: &str) -> (u16, String) {
        self.asked += 1;
        if let Some((status, body)) = self.faults.pop() {
            return (status, body.to_owned());
        }
        let sent = request.split("&refresh_token=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
        if !request.contains("grant_type=refresh_token&") || sent != self.good {
            self.refused += 1;
            return (400, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        self.good = format!("refresh-{}", self.asked);
        let body = serde_json::json!({
            "access_token": format!("access-{}", self.asked), "token_type": "Bearer",
            "expires_in": self.expires_in, "refresh_token": self.good,
        });
        (200, body.to_string())
    }
}

struct House {
    clock: Arc<SteppedClock>,
    issuer: Issuer,
    one: Gateway,
    other: Gateway,
}

/// Two instances on one store, in front of a provider each.
async fn house() -> House {
    let (clock, issuer) = (SteppedClock::new(), Issuer::start().await);
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    for upstream in [&first, &second] {
        upstream.always(200, ANSWER);
    }
    let platform = gproxy::testing::platform_with(Arc::clone(&clock) as _);
    let store = furnished(&platform, "custom", &issuer.settings(&first)).await;
    let one = Gateway::sharing(&store, Arc::clone(&clock) as _, first).await;
    let other = Gateway::sharing(&store, Arc::clone(&clock) as _, second).await;
    House { clock, issuer, one, other }
}

/// The tokens that the provider was called with, in order.
fn tokens(gateway: &Gateway) -> Vec<String> {
    let line = |head: &str| head.lines().find_map(|line| line.strip_prefix("authorization: bearer ")).unwrap().to_owned();
    gateway.upstream.got().iter().map(|got| line(&got.head)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_callers_at_two_instances_cost_one_renewal() {
    let House { clock, issuer, one, other } = house().await;
    let (one, other) = (Arc::new(one), Arc::new(other));
    for round in 1..=2 {
        let mut callers = JoinSet::new();
        for number in 0..500 {
            let gateway = Arc::clone(if number % 2 == 0 { &one } else { &other });
            callers.spawn(async move { gateway.post("/v1/chat/completions", CHAT).await.status });
        }
        // An instance that finds the other one at it looks again in a moment.
        let ticking = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                loop {
                    clock.asked_for(Duration::from_millis(200)).await;
                    clock.advance(Duration::from_millis(200));
                }
            }
        });
        let served = callers.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(served, 500, "round {round}");
        ticking.abort();
        assert_eq!(issuer.counts(), (round, 0), "round {round}");
        assert!(tokens(&one).iter().rev().take(100).all(|token| *token == format!("access-{round}")));
        clock.advance(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_is_served() {
    let House { issuer, one, .. } = house().await;
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 200);
    one.upstream.answers_with(401, "", r#"{"error":{"message":"token revoked"}}"#);
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 200);
    assert_eq!((issuer.counts(), tokens(&one)), ((2, 0), ["access-1", "access-1", "access-2"].map(str::to_owned).to_vec()));
    // Where the new one is refused too, that is all, and nothing is asked again and again.
    for _ in 0..2 {
        one.upstream.answers_with(401, "", r#"{"error":{"message":"account closed"}}"#);
    }
    let refused = one.post("/v1/chat/completions", CHAT).await;
    assert_eq!((refused.status, issuer.counts()), (502, (3, 0)), "{}", refused.text());
    assert!(!refused.text().contains("access-"), "{}", refused.text());
    let rows = one.journal.rows(3).await;
    assert_eq!(rows.iter().map(|row| row.ended).collect::<Vec<_>>(), [Ended::Complete, Ended::Complete, Ended::Failed]);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_while_calls_go_on() {
    let House { clock, issuer, one, .. } = house().await;
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 200);
    clock.advance(Duration::from_secs(3600 - 30));
    issuer.books().faults.push((503, "{}"));
    // The endpoint fails, which hurts nobody yet, and is left alone for a while.
    for _ in 0..3 {
        assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 200);
        while issuer.counts().0 < 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(issuer.counts(), (2, 0));
    clock.advance(Duration::from_mins(1));
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 200);
    assert_eq!((issuer.counts(), tokens(&one).pop().as_deref()), ((3, 0), Some("access-3")));
}

#[tokio::test]
async fn a_spent_refresh_token_is_asked_with_once_and_an_endpoint_that_fails_is_left_alone_for_a_while() {
    let House { clock, issuer, one, other } = house().await;
    issuer.books().faults.push((500, "{}"));
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 502);
    assert_eq!((one.post("/v1/chat/completions", CHAT).await.status, issuer.counts().0), (429, 1));
    clock.advance(Duration::from_secs(16));
    issuer.books().good = "somebody else's".to_owned();
    assert_eq!(one.post("/v1/chat/completions", CHAT).await.status, 502);
    assert_eq!(issuer.counts(), (2, 1));
    // The other instance reads it where it was written down.
    assert_eq!((other.post("/v1/chat/completions", CHAT).await.status, issuer.counts()), (502, (2, 1)));
    assert!(one.upstream.got().is_empty() && other.upstream.got().is_empty());
}
