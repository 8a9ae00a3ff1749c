//! WebSockets: Codex dials `/v1/responses` before it tries anything else.

use futures_util::{SinkExt, StreamExt};
use gproxy::store::{
    persist::RecordsExt as _,
    record::{NewPriceRule, PriceMatch, ScopeKind},
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};

use crate::{
    harness::{Gateway, KEY},
    identity::{chunked, streams},
    money::{CENT, quota, user},
};

pub(crate) async fn dial(gateway: &Gateway, path: &str, key: &str) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, Error> {
    let mut request = format!("ws://{}{path}", gateway.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

/// Asks once, and reads the events up to the last.
pub(crate) async fn create(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>, asked: &str) -> Vec<Value> {
    socket.send(Message::text(asked)).await.unwrap();
    let mut events: Vec<Value> = Vec::new();
    while events.last().is_none_or(|event| event["type"] != "response.completed") {
        let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
        events.push(serde_json::from_str(&message).unwrap());
        assert_ne!(events.last().unwrap()["type"], "error", "{events:?}");
    }
    events
}

#[tokio::test]
async fn each_message_is_a_call_and_each_event_a_message() {
    let gateway = Gateway::start("custom").await;
    let (_, _, stream) = streams()[2];
    let mut socket = dial(&gateway, "/v1/responses", KEY).await.unwrap();
    for turn in 1..3 {
        gateway.upstream.answers(chunked(stream, &[30, 31, 100]));
        socket.send(Message::text(r#"{"type":"response.create","model":"up/m","input":"hi"}"#)).await.unwrap();
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "response.completed") {
            let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
            kinds.push(serde_json::from_str::<Value>(&message).unwrap()["type"].as_str().unwrap().to_owned());
        }
        assert_eq!(kinds, ["response.created", "response.output_text.delta", "response.completed"]);
        let sent: Value = serde_json::from_slice(&gateway.upstream.last().body).unwrap();
        assert_eq!((&sent["model"], &sent["stream"], sent.get("type")), (&"m".into(), &true.into(), None));
        assert_eq!(gateway.journal.rows(turn).await[turn - 1].usage.total(), 10);
    }
    socket.send(Message::text(r#"{"type":"response.create","model":"nobody"}"#)).await.unwrap();
    let refused: Value = serde_json::from_str(&socket.next().await.unwrap().unwrap().into_text().unwrap()).unwrap();
    assert_eq!(
        (&refused["type"], &refused["status"], &refused["error"]["code"]),
        (&"error".into(), &404.into(), &"model_not_found".into())
    );
}

#[tokio::test]
async fn a_socket_without_a_known_key_is_refused_before_it_opens() {
    let gateway = Gateway::start("custom").await;
    let Err(Error::Http(response)) = dial(&gateway, "/v1/responses", "sk-wrong").await else { panic!("it opened") };
    assert_eq!(response.status().as_u16(), 401);
}

#[tokio::test]
async fn a_realtime_session_is_relayed_and_metered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = Gateway::start_at("custom", listener.local_addr().unwrap()).await;
    let upstream = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let asked = socket.next().await.unwrap().unwrap();
        let done = r#"{"type":"response.done","response":{"usage":{"total_tokens":10,"input_tokens":7,"output_tokens":3}}}"#;
        socket.send(Message::text(done)).await.unwrap();
        socket.close(None).await.unwrap();
        asked.into_text().unwrap().to_string()
    });
    let mut socket = dial(&provider, "/v1/realtime?model=up/voice", KEY).await.unwrap();
    socket.send(Message::text(r#"{"type":"response.create"}"#)).await.unwrap();
    let done = socket.next().await.unwrap().unwrap();
    assert!(done.into_text().unwrap().contains("response.done"));
    assert_eq!(upstream.await.unwrap(), r#"{"type":"response.create"}"#);
    let row = provider.journal.rows(1).await.pop().unwrap();
    assert_eq!((row.usage.total(), &*row.begun.model), (10, "voice"));
}

#[tokio::test]
async fn a_realtime_session_spends_from_its_callers_budget_answer_by_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // An answer of 4,096 tokens costs 4 dollars and 10 cents; there are 5 dollars.
    let gateway = Gateway::configured_at("custom", address, async |store| {
        let rates = serde_json::json!({"input": "0", "output": "1000"}).to_string();
        let rule =
            NewPriceRule { provider_id: None, match_kind: PriceMatch::Exact, pattern: "voice".into(), rates_json: rates, enabled: true };
        store.save(None, rule).await.unwrap();
        let user = user(store).await;
        store.save(None, quota(ScopeKind::User, user.id.0, 500 * CENT)).await.unwrap();
    })
    .await;
    let upstream = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for tokens in [100, 900] {
            let usage = serde_json::json!({"total_tokens": tokens, "input_tokens": 0, "output_tokens": tokens});
            let done = serde_json::json!({"type": "response.done", "response": {"usage": usage}}).to_string();
            socket.send(Message::text(done)).await.unwrap();
        }
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    });
    let mut socket = dial(&gateway, "/v1/realtime?model=up/voice", KEY).await.unwrap();
    let mut kinds = Vec::new();
    let mut reason = None;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => kinds.push(serde_json::from_str::<Value>(&text).unwrap()),
            Message::Close(frame) => reason = frame,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kinds.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>(), ["response.done", "response.done", "error"]);
    assert_eq!(kinds[2]["error"]["code"], "insufficient_quota");
    assert_eq!(u16::from(reason.unwrap().code), 1008);
    assert!(upstream.await.unwrap(), "the provider is left as well");
    let costs: Vec<i64> = gateway.journal.rows(2).await.iter().map(|row| row.billed.as_ref().unwrap().cost.get()).collect();
    assert_eq!(costs, [10 * CENT, 90 * CENT]);
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{audit:?}");
    let Err(Error::Http(refused)) = dial(&gateway, "/v1/realtime?model=up/voice", KEY).await else { panic!("it opened") };
    assert_eq!(refused.status().as_u16(), 429, "no other session has room");
}
