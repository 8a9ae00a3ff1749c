//! A client that asks in one dialect and reads the answer strictly: what no vendor would send is a fault of the gateway.

mod chat;
mod claude;
mod gemini;
mod refusal;
mod responses;
mod sse;

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Dialect,
    answer::{self, PROMPT},
};
use crate::runtime::{Body, BodyFault, Instant, Platform, Profile, Reply, Timers, TransportFault, UpstreamRequest};

/// The longest refusal that is read, in bytes.
const REFUSAL: u64 = 1 << 20;

/// How an answer ended, as its reader saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "detail")]
pub enum Ending {
    /// The whole answer, and the dialect's proper end.
    Complete,
    /// An error in the dialect's own shape, before the stream or in it; its message.
    Failed(String),
    /// A proper end, or no word of a fault, though words are missing.
    Truncated,
    /// Broken off without a word.
    Cut(String),
    /// Something that the dialect does not say.
    Malformed(String),
    /// Nothing, until the wall.
    Hung,
}

/// One answer as it was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The status, where a head came.
    pub status: Option<u16>,
    /// How it ended.
    pub ending: Ending,
    /// The words.
    pub text: String,
    /// The model that it names.
    pub model: Option<String>,
    /// The tokens of the answer that it names.
    pub usage: Option<u64>,
    /// Milliseconds until the first word.
    pub first_ms: Option<u64>,
    /// Milliseconds until the end.
    pub ms: u64,
}

impl Seen {
    /// Whether it is the whole answer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ending == Ending::Complete
    }
}

/// What a reader has gathered.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    model: Option<String>,
    usage: Option<u64>,
    /// The dialect's proper end came.
    finished: bool,
    /// The dialect's error came.
    failed: Option<String>,
}

/// Reads the events of one dialect.
trait Reader: Send {
    /// Takes an event by its name and data.
    ///
    /// # Errors
    /// What the dialect does not say.
    fn event(&mut self, event: &sse::Event, heard: &mut Heard) -> Result<(), String>;
}

/// Someone who asks a gateway or a provider.
#[derive(Clone, Debug)]
pub struct Client {
    platform: Platform,
    base: String,
    key: String,
}

impl Client {
    /// Asks at `base` (`http://host:port`) with `key`.
    #[must_use]
    pub fn new(platform: &Platform, base: String, key: String) -> Self {
        Self { platform: platform.clone(), base, key }
    }

    /// Asks for the answer as a stream, for as long as `wall` at most.
    pub async fn ask(&self, dialect: Dialect, model: &str, wall: Duration) -> Seen {
        let begun = self.platform.clock.now();
        let mut seen = Seen { status: None, ending: Ending::Hung, text: String::new(), model: None, usage: None, first_ms: None, ms: 0 };
        // What was seen until then stays; the request itself is dropped, and its connection with it.
        tokio::select! {
            ending = self.read(dialect, model, (&mut seen, begun)) => seen.ending = ending,
            () = self.platform.clock.sleep(wall) => {}
        }
        seen.ms = self.since(begun);
        seen
    }

    /// Sends JSON to the admin API, and gives its JSON back.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub(super) async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map_or(Body::Empty, |body| Body::from(body.to_string()));
        let say = |error: &dyn std::fmt::Display| format!("{path}: {error}");
        let reply = self.send(method, path, (HeaderMap::new(), body), Duration::from_secs(30)).await.map_err(|fault| say(&fault))?;
        let status = reply.status;
        let body = reply.body.collect(REFUSAL).await.map_err(|fault| say(&fault))?;
        if !status.is_success() {
            return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|error| say(&error))
    }

    /// The tokens of answers that the gateway's records name for a model; for every model where it is empty.
    pub(super) async fn recorded(&self, model: &str) -> Option<u64> {
        let query = if model.is_empty() { String::new() } else { format!("?model={model}") };
        self.admin(Method::GET, &format!("/admin/usage/summary{query}"), None).await.ok()?["output_tokens"].as_u64()
    }

    async fn read(&self, dialect: Dialect, model: &str, (seen, begun): (&mut Seen, Instant)) -> Ending {
        let (path, headers, body) = question(dialect, model);
        let long = Duration::from_mins(10);
        let reply = match self.send(Method::POST, &path, (headers, Body::from(body.to_string())), long).await {
            Ok(reply) => reply,
            Err(fault) => return Ending::Cut(fault.to_string()),
        };
        seen.status = Some(reply.status.as_u16());
        if reply.status != StatusCode::OK {
            return refused(dialect, reply).await;
        }
        let kind = reply.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            return Ending::Malformed(format!("the content type of a stream is {kind:?}"));
        }
        self.follow(dialect, reply.body, (seen, begun)).await
    }

    async fn follow(&self, dialect: Dialect, mut body: Body, (seen, begun): (&mut Seen, Instant)) -> Ending {
        let mut reader: Box<dyn Reader> = match dialect {
            Dialect::Chat => Box::<chat::Chunks>::default(),
            Dialect::Responses => Box::<responses::Events>::default(),
            Dialect::Claude => Box::<claude::Events>::default(),
            Dialect::Gemini => Box::<gemini::Chunks>::default(),
        };
        let (mut heard, mut events) = (Heard::default(), sse::Events::default());
        loop {
            let piece = poll_fn(|cx| Pin::new(&mut body).poll_data(cx)).await;
            let taken = match &piece {
                Some(Ok(data)) => take(data, &mut events, (&mut *reader, &mut heard)),
                Some(Err(_)) | None => Ok(()),
            };
            if seen.first_ms.is_none() && !heard.text.is_empty() {
                seen.first_ms = Some(self.since(begun));
            }
            seen.text.clone_from(&heard.text);
            seen.model.clone_from(&heard.model);
            seen.usage = heard.usage;
            match (taken, piece) {
                (Err(message), _) => return Ending::Malformed(message),
                (Ok(()), Some(Ok(_))) => {}
                (Ok(()), Some(Err(fault))) => return ended(heard, Some(fault)),
                (Ok(()), None) if !events.is_idle() => return Ending::Malformed("the stream ends inside of an event".into()),
                (Ok(()), None) => return ended(heard, None),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        (mut headers, body): (HeaderMap, Body),
        long: Duration,
    ) -> Result<Reply, TransportFault> {
        let unusable = |what: &str| TransportFault::Unusable(what.to_owned());
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(|_| unusable("the address"))?;
        let key = HeaderValue::from_str(&format!("Bearer {}", self.key)).map_err(|_| unusable("the key"))?;
        headers.insert(header::AUTHORIZATION, key);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let timers = Timers { connect: Duration::from_secs(5), head: long, content: long, idle: long, total: long };
        let request = UpstreamRequest { method, uri, headers, body, profile: Profile::default(), timers };
        self.platform.transport.send(request).await
    }

    fn since(&self, begun: Instant) -> u64 {
        u64::try_from(self.platform.clock.now().since(begun).as_millis()).unwrap_or(u64::MAX)
    }
}

fn take(data: &Bytes, events: &mut sse::Events, (reader, heard): (&mut dyn Reader, &mut Heard)) -> Result<(), String> {
    for event in events.push(data)? {
        if heard.finished && !event.data.is_empty() {
            return Err(format!("an event after the end: {}", event.data));
        }
        if heard.failed.is_some() {
            return Err(format!("an event after the error: {}", event.data));
        }
        reader.event(&event, heard)?;
    }
    Ok(())
}

/// What a stream's end means.
fn ended(heard: Heard, fault: Option<BodyFault>) -> Ending {
    let whole = answer::text();
    match (heard.failed, heard.finished, fault) {
        (Some(message), _, _) => Ending::Failed(message),
        (None, true, _) if heard.text == whole => Ending::Complete,
        (None, true, _) if !whole.starts_with(&heard.text) => Ending::Malformed(format!("other words than were asked for: {}", heard.text)),
        (None, true, _) | (None, false, None) => Ending::Truncated,
        (None, false, Some(fault)) => Ending::Cut(fault.to_string()),
    }
}

async fn refused(dialect: Dialect, reply: Reply) -> Ending {
    let status = reply.status.as_u16();
    match reply.body.collect(REFUSAL).await {
        Ok(body) => match refusal::message(dialect, status, &body) {
            Ok(message) => Ending::Failed(message),
            Err(message) => Ending::Malformed(format!("{status}: {message}")),
        },
        Err(fault) => Ending::Cut(fault.to_string()),
    }
}

/// The path, the headers and the body with which a dialect asks for a stream.
fn question(dialect: Dialect, model: &str) -> (String, HeaderMap, Value) {
    let turns = json!([{ "role": "user", "content": PROMPT }]);
    let mut headers = HeaderMap::new();
    let (path, body) = match dialect {
        Dialect::Chat => (
            "/v1/chat/completions".to_owned(),
            json!({ "model": model, "messages": turns, "stream": true, "stream_options": { "include_usage": true } }),
        ),
        Dialect::Responses => ("/v1/responses".to_owned(), json!({ "model": model, "input": PROMPT, "stream": true, "store": false })),
        Dialect::Claude => {
            headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
            ("/v1/messages".to_owned(), json!({ "model": model, "max_tokens": 1024, "messages": turns, "stream": true }))
        }
        Dialect::Gemini => (
            format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            json!({ "contents": [{ "role": "user", "parts": [{ "text": PROMPT }] }] }),
        ),
    };
    (path, headers, body)
}

/// A text member.
fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, String> {
    value.pointer(path).and_then(Value::as_str).ok_or_else(|| format!("{path} is no text in {value}"))
}

/// A whole number.
fn count(value: &Value, path: &str) -> Result<u64, String> {
    value.pointer(path).and_then(Value::as_u64).ok_or_else(|| format!("{path} is no count in {value}"))
}

/// An event's data as an object.
fn object(event: &sse::Event) -> Result<Value, String> {
    match serde_json::from_str(&event.data) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => Err(format!("an event's data is no JSON object: {}", event.data)),
    }
}
