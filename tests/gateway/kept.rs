//! Responses that a provider of another dialect does not keep, kept by the gateway: gone on from, asked for, each caller's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gproxy::{
    access::key,
    base::UserId,
    pipeline::Keeping,
    runtime::native,
    store::{
        persist::{Kept, Link, Page, Records as _, RecordsExt as _, StoreFault, Stored, memory::MemoryStore},
        record::{Keep, KeptItem, KeptRow, NewKey, NewRateLimit, NewUser, ScopeKind},
    },
    testing::ManualClock,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{Answer, Gateway, KEY, NARROW, furnished},
    money::user,
    sockets::{create, dial},
};

const DAY: Duration = Duration::from_hours(24);
const MODEL: &str = "up/allowed-1";

/// A store that can be taken away.
#[derive(Debug)]
struct Shelf {
    store: Arc<MemoryStore>,
    is_down: AtomicBool,
}

impl Shelf {
    fn open<'a, T: Send + 'a>(&'a self, ask: impl FnOnce(&'a MemoryStore) -> Stored<'a, T>) -> Stored<'a, T> {
        if self.is_down.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreFault::Failed("the database is away".into())) });
        }
        ask(&self.store)
    }
}

impl Kept for Shelf {
    fn keep(&self, things: Vec<Keep>) -> Stored<'_, ()> {
        self.open(|store| store.keep(things))
    }
    fn find(&self, user: UserId, id: String) -> Stored<'_, Option<KeptRow>> {
        self.open(|store| store.find(user, id))
    }
    fn line(&self, last: KeptRow) -> Stored<'_, Vec<Link>> {
        self.open(|store| store.line(last))
    }
    fn items(&self, user: UserId, owner: String, page: Page) -> Stored<'_, Vec<KeptItem>> {
        self.open(|store| store.items(user, owner, page))
    }
    fn named(&self, user: UserId, ids: Vec<String>, now_ms: i64) -> Stored<'_, Vec<KeptItem>> {
        self.open(|store| store.named(user, ids, now_ms))
    }
    fn forget(&self, user: UserId, id: String) -> Stored<'_, bool> {
        self.open(|store| store.forget(user, id))
    }
    fn forget_item(&self, user: UserId, owner: String, id: String) -> Stored<'_, bool> {
        self.open(|store| store.forget_item(user, owner, id))
    }
    fn expire(&self, now_ms: i64, most: u64) -> Stored<'_, u64> {
        self.open(|store| store.expire(now_ms, most))
    }
}

struct Kit {
    gateway: Gateway,
    shelf: Arc<Shelf>,
    clock: Arc<ManualClock>,
}

impl Kit {
    async fn start(channel: &str) -> Self {
        Self::with_bytes(channel, 1 << 16).await
    }

    async fn with_bytes(channel: &str, bytes: u64) -> Self {
        let clock = ManualClock::new();
        let mut shelf = None;
        let gateway = Gateway::keeping(channel, clock.clone(), |store| {
            let made = Arc::new(Shelf { store, is_down: AtomicBool::new(false) });
            shelf = Some(Arc::clone(&made));
            Keeping { store: made, span: 30 * DAY, bytes }
        });
        let gateway = gateway.await;
        Self { gateway, shelf: shelf.unwrap(), clock }
    }

    async fn ask(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let headers = [("authorization", &*format!("Bearer {key}")), ("content-type", "application/json")];
        self.gateway.call(method, path, &headers, &body).await
    }

    /// A call that must be answered well.
    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(KEY, method, path, &body).await;
        assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.text());
        answer.json()
    }

    /// One whole turn at a Claude model that says `text`.
    async fn turn(&self, text: &str, body: Value) -> Value {
        self.gateway.upstream.answers_json(&said("claude", text, 0));
        self.good("POST", "/v1/responses", body).await
    }

    fn sent(&self) -> Value {
        serde_json::from_slice(&self.gateway.upstream.last().body).unwrap()
    }
}

/// What a provider answers: thoughts that it signed, words, and a call.
fn said(channel: &str, text: &str, turn: usize) -> String {
    let id = format!("up_{turn}");
    let value = match channel {
        "claude" => json!({"id": "msg_same", "type": "message", "role": "assistant", "model": "m", "stop_sequence": null,
            "content": [{"type": "thinking", "thinking": "hm \u{2026}", "signature": format!("c2lnbmVk{turn}")}, {"type": "text", "text": text},
                {"type": "tool_use", "id": id, "name": "f", "input": {"a": turn}}],
            "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 5}}),
        "aistudio" => json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true}, {"text": text},
                {"functionCall": {"id": id, "name": "f", "args": {"a": turn}}, "thoughtSignature": "c2lnbmVk"}]}}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}, "modelVersion": "m", "responseId": "same"}),
        _ => json!({"id": "chatcmpl-same", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": text,
                "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": format!("{{\"a\":{turn}}}")}}]}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}),
    };
    value.to_string()
}

fn asked(more: Value) -> Value {
    let tool = json!({"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}, "strict": false});
    let mut body = json!({"model": MODEL, "tools": [tool], "reasoning": {"effort": "low"}, "max_output_tokens": 9000});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// What a client sends in its turn.
fn input(turn: usize, call: &str) -> Value {
    match turn {
        0 => json!("weather, please \u{1f327}"),
        1 => json!([{"type": "function_call_output", "call_id": call, "output": "rain"}]),
        2 => {
            json!([{"role": "user", "content": "and  then?"}, {"type": "function_call_output", "call_id": call, "output": [{"type": "input_text", "text": "sun"}]}])
        }
        _ => {
            json!([{"type": "function_call_output", "call_id": call, "output": ""}, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go on"}]}])
        }
    }
}

fn call_of(response: &Value) -> String {
    let output = response["output"].as_array().unwrap();
    output.iter().find(|item| item["type"] == "function_call").unwrap()["call_id"].as_str().unwrap().to_owned()
}

/// The law: what is put before the input is what a client would send that keeps everything itself, to the byte; and the
/// messages of one turn are how the next one's begin.
#[tokio::test]
async fn a_line_is_replayed_as_if_its_client_had_sent_it_whole() {
    for channel in ["claude", "aistudio", "nvidia"] {
        let (leaning, whole) = (Kit::start(channel).await, Kit::start(channel).await);
        let (mut previous, mut items, mut last) = (Value::Null, Vec::<Value>::new(), Value::Null);
        let mut before = Vec::new();
        for turn in 0..5 {
            let own = input(turn, &if turn == 0 { String::new() } else { call_of(&last) });
            for kit in [&leaning, &whole] {
                kit.gateway.upstream.answers_json(&said(channel, &format!("turn {turn}"), turn));
            }
            let mut body = asked(json!({"input": own}));
            if !previous.is_null() {
                body["previous_response_id"] = previous.clone();
            }
            last = leaning.good("POST", "/v1/responses", body).await;
            assert_eq!((&last["previous_response_id"], &last["store"]), (&previous, &true.into()), "{channel}");
            match own {
                Value::String(text) => items.push(json!({"role": "user", "content": text})),
                own => items.extend(own.as_array().unwrap().clone()),
            }
            whole.good("POST", "/v1/responses", asked(json!({"input": items}))).await;
            let (one, other) = (leaning.gateway.upstream.last(), whole.gateway.upstream.last());
            assert_eq!(String::from_utf8(one.body.clone()).unwrap(), String::from_utf8(other.body).unwrap(), "{channel}, turn {turn}");
            begins_like(channel, &before, &one.body);
            before = one.body;
            items.extend(last["output"].as_array().unwrap().clone());
            previous = last["id"].clone();
        }
    }
}

/// A request's turns are its last member, so that a longer conversation begins as the shorter one did.
fn begins_like(channel: &str, before: &[u8], now: &[u8]) {
    let turns = |body: &[u8]| {
        let at = [&b"\"contents\":["[..], b"\"messages\":["].iter().find_map(|name| memchr::memmem::find(body, name));
        body[at.unwrap()..].to_vec()
    };
    if !before.is_empty() {
        let (before, now) = (turns(before), turns(now));
        assert!(before.ends_with(b"]}") && now.starts_with(&before[..before.len() - 2]), "{channel}: {}", String::from_utf8_lossy(&now));
    }
}

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"streamed\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn stream(cut: usize) -> Vec<Bytes> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    vec![Bytes::from(head), Bytes::copy_from_slice(&STREAM.as_bytes()[..cut])]
}

fn ended(answer: &Answer) -> Value {
    let line = answer.text().lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn a_stream_is_kept_before_its_end_and_only_with_an_end() {
    let kit = Kit::start("claude").await;
    kit.gateway.upstream.answers(stream(STREAM.len()));
    let streamed = asked(json!({"input": "hi", "stream": true, "instructions": "Be brief."}));
    let answer = kit.ask(KEY, "POST", "/v1/responses", &streamed).await;
    let end = ended(&answer);
    assert_eq!(end["type"], "response.completed");
    let response = &end["response"];
    let kept = kit.good("GET", &format!("/v1/responses/{}", response["id"].as_str().unwrap()), Value::Null).await;
    assert_eq!(&kept, response, "what is kept is what was streamed");
    kit.turn("more", asked(json!({"input": "go on", "previous_response_id": response["id"]}))).await;
    assert_eq!(kit.sent().get("system"), None, "instructions are not carried over");
    let words = &kit.sent()["messages"][1]["content"];
    assert!(words == "streamed" || words[0]["text"] == "streamed", "{words}");
    kit.gateway.upstream.answers(stream(STREAM.len() - 60));
    let answer = kit.ask(KEY, "POST", "/v1/responses", &asked(json!({"input": "hi", "stream": true}))).await;
    let first: Value = serde_json::from_str(answer.text().lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
    let cut = format!("/v1/responses/{}", first["response"]["id"].as_str().unwrap());
    assert_eq!(kit.ask(KEY, "GET", &cut, &Value::Null).await.status, 404, "{}", answer.text());
    let head = Bytes::from("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n");
    kit.gateway.upstream.answers(vec![head, said("claude", "in one piece", 0).into()]);
    let end = ended(&kit.ask(KEY, "POST", "/v1/responses", &streamed).await);
    let whole = format!("/v1/responses/{}", end["response"]["id"].as_str().unwrap());
    assert_eq!(kit.good("GET", &whole, Value::Null).await, end["response"], "a stream that was made of a whole answer is kept too");
}

#[tokio::test]
async fn a_refusal_on_a_socket_says_what_is_not_there() {
    let kit = Kit::start("claude").await;
    let mut socket = dial(&kit.gateway, "/v1/responses", KEY).await.unwrap();
    let asked = json!({"type": "response.create", "model": MODEL, "input": "x", "previous_response_id": "resp_nobody"});
    socket.send(Message::text(asked.to_string())).await.unwrap();
    let refused: Value = serde_json::from_str(&socket.next().await.unwrap().unwrap().into_text().unwrap()).unwrap();
    let error = &refused["error"];
    assert_eq!((&refused["status"], &error["code"]), (&400.into(), &"previous_response_not_found".into()));
    assert_eq!(error["param"], "previous_response_id");
}

#[tokio::test]
async fn each_message_of_a_socket_can_go_on_from_the_one_before() {
    let kit = Kit::start("claude").await;
    let mut socket = dial(&kit.gateway, "/v1/responses", KEY).await.unwrap();
    let mut previous = Value::Null;
    for text in ["one", "two", "three"] {
        kit.gateway.upstream.answers(stream(STREAM.len()));
        let asked = json!({"type": "response.create", "model": MODEL, "input": text, "previous_response_id": previous});
        let events = create(&mut socket, &asked.to_string()).await;
        previous = events.last().unwrap()["response"]["id"].clone();
    }
    let texts: Vec<String> = kit.sent()["messages"].as_array().unwrap().iter().map(|turn| turn["content"].to_string()).collect();
    assert_eq!(texts.len(), 5, "{texts:?}");
    assert!(texts[0].contains("one") && texts[1].contains("streamed") && texts[4].contains("three"), "{texts:?}");
}

#[tokio::test]
async fn a_socket_remembers_its_last_response_that_nobody_keeps() {
    let kit = Kit::start("claude").await;
    let mut socket = dial(&kit.gateway, "/v1/responses", KEY).await.unwrap();
    let mut ids: Vec<String> = Vec::new();
    for (text, stores) in [("one", false), ("two", false), ("three", true)] {
        kit.gateway.upstream.answers(stream(STREAM.len()));
        let asked = json!({"type": "response.create", "model": MODEL, "input": text, "store": stores, "previous_response_id": ids.last()});
        let events = create(&mut socket, &asked.to_string()).await;
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["previous_response_id"].as_str(), ids.last().map(String::as_str));
        ids.push(response["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(kit.sent()["messages"].as_array().unwrap().len(), 5);
    let lost = kit.ask(KEY, "POST", "/v1/responses", &asked(json!({"input": "x", "previous_response_id": ids[1]}))).await;
    refused(&lost, 400, json!("previous_response_id"), json!("previous_response_not_found"));
    kit.turn("on", asked(json!({"input": "four", "previous_response_id": ids[2]}))).await;
    assert_eq!(kit.sent()["messages"].as_array().unwrap().len(), 7, "what is kept behind it has all that was said");
}

fn refused(answer: &Answer, status: u16, param: Value, code: Value) {
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["param"], &error["code"]), (status, &param, &code), "{}", answer.text());
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[tokio::test]
async fn what_is_not_there_is_said_as_openai_says_it() {
    let kit = Kit::start("claude").await;
    let first = kit.turn("hi", asked(json!({"input": "hi"}))).await;
    let hers = first["id"].as_str().unwrap();
    let item = first["output"][0]["id"].as_str().unwrap();
    let unkept = kit.turn("hi", asked(json!({"input": "hi", "store": false}))).await;
    assert_eq!(unkept.get("store"), None);
    let calls = kit.gateway.upstream.got().len();
    let lost = (400, json!("previous_response_id"), json!("previous_response_not_found"));
    for (key, id) in [(NARROW, hers), (KEY, "resp_nobody"), (KEY, unkept["id"].as_str().unwrap())] {
        let answer = kit.ask(key, "POST", "/v1/responses", &asked(json!({"input": "x", "previous_response_id": id}))).await;
        refused(&answer, lost.0, lost.1.clone(), lost.2.clone());
    }
    let reference = json!([{"type": "item_reference", "id": item}]);
    refused(&kit.ask(NARROW, "POST", "/v1/responses", &asked(json!({"input": reference}))).await, 404, json!("input"), Value::Null);
    let path = format!("/v1/responses/{hers}");
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/input_items")), ("POST", format!("{path}/cancel"))]
    {
        refused(&kit.ask(NARROW, method, &path, &Value::Null).await, 404, Value::Null, Value::Null);
    }
    refused(&kit.ask(KEY, "POST", &format!("{path}/cancel"), &Value::Null).await, 400, Value::Null, Value::Null);
    refused(&kit.ask(KEY, "GET", &format!("{path}?stream=true"), &Value::Null).await, 400, json!("stream"), Value::Null);
    let both = asked(json!({"input": "x", "previous_response_id": hers, "conversation": "conv_1"}));
    refused(&kit.ask(KEY, "POST", "/v1/responses", &both).await, 400, json!("previous_response_id"), Value::Null);
    let background = asked(json!({"input": "x", "background": true}));
    refused(&kit.ask(KEY, "POST", "/v1/responses", &background).await, 400, json!("background"), Value::Null);
    kit.clock.advance(30 * DAY);
    let answer = kit.ask(KEY, "POST", "/v1/responses", &asked(json!({"input": "x", "previous_response_id": hers}))).await;
    refused(&answer, lost.0, lost.1, lost.2);
    assert_eq!(kit.gateway.upstream.got().len(), calls, "no refused call reached the provider");
}

#[tokio::test]
async fn without_its_store_a_call_that_leans_on_it_is_told_to_come_again() {
    let kit = Kit::start("claude").await;
    let first = kit.turn("hi", asked(json!({"input": "hi"}))).await;
    kit.shelf.is_down.store(true, Ordering::SeqCst);
    let leaning = asked(json!({"input": "x", "previous_response_id": first["id"]}));
    refused(&kit.ask(KEY, "POST", "/v1/responses", &leaning).await, 503, Value::Null, json!("overloaded"));
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    refused(&kit.ask(KEY, "GET", &path, &Value::Null).await, 503, Value::Null, json!("overloaded"));
    refused(&kit.ask(KEY, "POST", "/v1/conversations", &json!({})).await, 503, Value::Null, json!("overloaded"));
    let answered = kit.turn("still here", asked(json!({"input": "who leans on nothing is answered"}))).await;
    assert_eq!(answered["status"], "completed");
    kit.shelf.is_down.store(false, Ordering::SeqCst);
    kit.turn("back", leaning).await;
}

#[tokio::test]
async fn what_is_kept_can_be_asked_for_and_forgotten() {
    let kit = Kit::start("claude").await;
    let body = asked(
        json!({"input": [{"role": "user", "content": "a"}, {"type": "message", "id": "msg_own", "role": "developer", "content": "b"}]}),
    );
    let first = kit.turn("hi", body).await;
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(kit.good("GET", &path, Value::Null).await, first);
    assert_eq!(kit.good("GET", &format!("/up{path}"), Value::Null).await, first, "a provider that keeps none may be named");
    let listed = kit.good("GET", &format!("{path}/input_items?order=asc&limit=1"), Value::Null).await;
    assert_eq!((&listed["has_more"], &listed["data"][0]["content"][0]["text"]), (&true.into(), &"a".into()), "{listed}");
    let after = listed["last_id"].as_str().unwrap();
    let listed = kit.good("GET", &format!("{path}/input_items?order=asc&after={after}"), Value::Null).await;
    assert_eq!((&listed["has_more"], &listed["first_id"]), (&false.into(), &"msg_own".into()), "{listed}");
    assert_eq!(kit.good("DELETE", &path, Value::Null).await, json!({"id": first["id"], "object": "response", "deleted": true}));
    assert_eq!(kit.ask(KEY, "GET", &path, &Value::Null).await.status, 404);
    assert_eq!(kit.ask(KEY, "GET", "/nobody/v1/responses/resp_1", &Value::Null).await.status, 404);
    let next = kit.turn("hi", asked(json!({"input": "x"}))).await;
    let users = kit.shelf.store.load().await.unwrap().users;
    kit.shelf.store.delete::<NewUser>(users.iter().find(|user| user.name == "all").unwrap().id).await.unwrap();
    let gone = format!("/v1/responses/{}", next["id"].as_str().unwrap());
    assert_eq!(kit.ask(KEY, "GET", &gone, &Value::Null).await.status, 404, "a user's things go with the user");
}

#[tokio::test]
async fn items_that_are_only_named_are_found() {
    let kit = Kit::start("claude").await;
    let first = kit.turn("hi", asked(json!({"input": "hi"}))).await;
    let output = first["output"].as_array().unwrap();
    let result = json!({"type": "function_call_output", "call_id": call_of(&first), "output": "rain"});
    let named: Vec<Value> = output.iter().map(|item| json!({"type": "item_reference", "id": item["id"]})).collect();
    let with = |items: &[Value]| {
        let all = [&[json!({"role": "user", "content": "hi"})], items, std::slice::from_ref(&result)].concat();
        asked(json!({"input": all}))
    };
    let second = kit.turn("more", with(&named)).await;
    let by_name = kit.gateway.upstream.last().body;
    kit.turn("more", with(output)).await;
    assert_eq!(by_name, kit.gateway.upstream.last().body);
    kit.turn("more", asked(json!({"input": "and?", "previous_response_id": second["id"]}))).await;
    assert_eq!(kit.sent()["messages"].as_array().unwrap().len(), 5, "names in what was kept are found too");
}

#[tokio::test]
async fn a_conversation_takes_what_is_said_in_it() {
    let kit = Kit::start("claude").await;
    let made = kit
        .good("POST", "/v1/conversations", json!({"metadata": {"topic": "x"}, "items": [{"role": "user", "content": "I am Ann."}]}))
        .await;
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/conversations/{id}");
    assert_eq!((&made["object"], &made["metadata"]), (&"conversation".into(), &json!({"topic": "x"})));
    let answer = kit.turn("hello Ann", asked(json!({"input": "who am I?", "conversation": id}))).await;
    assert_eq!(answer["conversation"], json!({"id": id}));
    let result = json!([{"type": "function_call_output", "call_id": call_of(&answer), "output": "rain"}]);
    kit.turn("goodbye Ann", asked(json!({"input": result, "conversation": {"id": id}}))).await;
    let roles: Vec<Value> = kit.sent()["messages"].as_array().unwrap().iter().map(|turn| turn["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{}", kit.sent());
    let listed = kit.good("GET", &format!("{path}/items?order=asc&limit=100"), Value::Null).await;
    let kinds: Vec<&str> = listed["data"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    let turn = ["reasoning", "message", "function_call"];
    assert_eq!(kinds, [&["message", "message"], &turn[..], &["function_call_output"], &turn].concat());
    let more = kit.good("POST", &format!("{path}/items"), json!({"items": [{"role": "user", "content": "one more"}]})).await;
    let item = format!("{path}/items/{}", more["first_id"].as_str().unwrap());
    assert_eq!(kit.good("GET", &item, Value::Null).await["content"][0]["text"], "one more");
    assert_eq!(kit.good("DELETE", &item, Value::Null).await["id"], id);
    assert_eq!(kit.ask(KEY, "GET", &item, &Value::Null).await.status, 404);
    assert_eq!(kit.good("POST", &path, json!({"metadata": {"a": "b"}})).await["metadata"], json!({"a": "b"}));
    assert_eq!(kit.good("GET", &path, Value::Null).await["metadata"], json!({"a": "b"}));
    kit.clock.advance(29 * DAY);
    kit.turn("still here", asked(json!({"input": "hi", "conversation": id, "store": false}))).await;
    kit.clock.advance(29 * DAY);
    assert_eq!(kit.good("GET", &path, Value::Null).await["id"], id, "its time begins anew with each use");
    for method in ["GET", "DELETE"] {
        assert_eq!(kit.ask(NARROW, method, &path, &Value::Null).await.status, 404);
    }
    refused(
        &kit.ask(NARROW, "POST", "/v1/responses", &asked(json!({"input": "x", "conversation": id}))).await,
        404,
        json!("conversation"),
        Value::Null,
    );
    assert_eq!(kit.good("DELETE", &path, Value::Null).await, json!({"id": id, "object": "conversation.deleted", "deleted": true}));
    assert_eq!(kit.ask(KEY, "GET", &path, &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_provider_that_keeps_its_own_gets_what_its_client_sent() {
    let kit = Kit::start("custom").await;
    let body = format!(
        r#"{{ "model": "{MODEL}", "previous_response_id":"resp_theirs", "conversation":null,"store":true,"input":[{{"type":"item_reference","id":"x"}}] }}"#
    );
    kit.gateway.upstream.answers_json(r#"{"id":"resp_theirs2","object":"response","output":[]}"#);
    let answer = kit.gateway.post("/v1/responses", body.as_bytes()).await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"id":"resp_theirs2","object":"response","output":[]}"#));
    assert_eq!(String::from_utf8(kit.gateway.upstream.last().body).unwrap(), body.replace(MODEL, "allowed-1"));
    kit.gateway.upstream.answers_json(r#"{"id":"resp_theirs2"}"#);
    assert_eq!(kit.good("GET", "/up/v1/responses/resp_theirs2", Value::Null).await, json!({"id": "resp_theirs2"}));
    assert_eq!(kit.ask(KEY, "GET", "/v1/responses/resp_theirs2", &Value::Null).await.status, 404, "it is not kept here");
}

#[tokio::test]
async fn what_is_too_large_is_answered_and_not_kept() {
    let kit = Kit::with_bytes("claude", 2000).await;
    let large = kit.turn("ok", asked(json!({"input": "x".repeat(3000)}))).await;
    assert_eq!(large["store"], false, "and the answer says so");
    let answer = kit.ask(KEY, "POST", "/v1/responses", &asked(json!({"input": "x", "previous_response_id": large["id"]}))).await;
    assert_eq!(answer.status, 400);
    let kit = Kit::with_bytes("claude", 1 << 20).await;
    let mut previous = kit.turn("ok", asked(json!({"input": "x".repeat(600_000)}))).await["id"].clone();
    previous = kit.turn("ok", asked(json!({"input": "x".repeat(400_000), "previous_response_id": previous}))).await["id"].clone();
    let answer =
        kit.ask(KEY, "POST", "/v1/responses", &asked(json!({"input": "x".repeat(100_000), "previous_response_id": previous}))).await;
    refused(&answer, 413, json!("input"), json!("request_too_large"));
    let tokens = kit.turn("ok", asked(json!({"input": "small", "previous_response_id": null}))).await;
    assert_eq!(tokens["previous_response_id"], Value::Null);
}

#[tokio::test]
async fn counts_and_compactions_lean_on_what_is_kept() {
    let kit = Kit::start("nvidia").await;
    kit.gateway.upstream.answers_json(&said("nvidia", &"many words ".repeat(200), 1));
    let first = kit.good("POST", "/v1/responses", asked(json!({"input": "hi"}))).await;
    let count = |body: Value| async { kit.good("POST", "/v1/responses/input_tokens", body).await["input_tokens"].as_u64().unwrap() };
    let alone = count(json!({"model": MODEL, "input": "go on"})).await;
    let leaning = count(json!({"model": MODEL, "input": "go on", "previous_response_id": first["id"]})).await;
    assert!(leaning > alone + 300, "{alone}, {leaning}");
    kit.gateway.upstream.answers_json(&said("nvidia", "a summary", 2));
    kit.good("POST", "/v1/responses/compact", json!({"model": MODEL, "input": "go on", "previous_response_id": first["id"]})).await;
    assert!(String::from_utf8(kit.gateway.upstream.last().body).unwrap().contains("many words many words"));
}

/// A gateway that keeps, with a key that opens nothing and two requests a minute for the one that opens everything.
async fn limited() -> Gateway {
    let (platform, _tasks) = native::platform();
    let shelf = furnished(&platform, "claude", "{}").await;
    let gateway = Gateway::configured("claude", async |store| {
        let nobody = store.save(None, NewUser::named("nobody")).await.unwrap();
        store.save(None, NewKey::of(nobody.id, key::digest_text(OPENS_NOTHING), key::prefix(OPENS_NOTHING))).await.unwrap();
        let limit = NewRateLimit {
            scope: ScopeKind::User,
            scope_id: user(store).await.id.0,
            pattern: "*".into(),
            requests_per_minute: Some(2),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            concurrency: None,
        };
        store.save(None, limit).await.unwrap();
    })
    .await;
    gateway.engine.keep(Keeping { store: shelf, span: 30 * DAY, bytes: 1 << 16 });
    gateway
}

const OPENS_NOTHING: &str = "sk-test-nothing";

#[tokio::test]
async fn a_key_that_opens_nothing_keeps_nothing_and_opens_no_socket() {
    let gateway = limited().await;
    let bearer = format!("Bearer {OPENS_NOTHING}");
    for (method, path) in [
        ("POST", "/v1/conversations"),
        ("POST", "/up/v1/conversations"),
        ("GET", "/v1/conversations/conv_1"),
        ("POST", "/v1/conversations/conv_1/items"),
        ("GET", "/v1/responses/resp_1"),
    ] {
        let answer = gateway.call(method, path, &[("authorization", &bearer)], b"{}").await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &"permission_denied".into()), "{method} {path}");
    }
    let refused = dial(&gateway, "/v1/responses", OPENS_NOTHING).await.err().unwrap();
    assert!(matches!(refused, tokio_tungstenite::tungstenite::Error::Http(answer) if answer.status().as_u16() == 403));
    assert!(dial(&gateway, "/v1/responses", KEY).await.is_ok());
}

#[tokio::test]
async fn what_is_kept_counts_in_its_callers_limits() {
    let gateway = limited().await;
    for left in ["1", "0"] {
        let made = gateway.post("/v1/conversations", b"{}").await;
        assert_eq!((made.status, made.header("x-ratelimit-remaining-requests")), (200, Some(left)), "{}", made.text());
    }
    for path in ["/v1/conversations", "/up/v1/conversations", "/v1/conversations/conv_1/items"] {
        assert_eq!(gateway.post(path, b"{}").await.status, 429, "{path}");
    }
}
