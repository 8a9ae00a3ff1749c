//! What every channel upholds, and the means to try one without a network: a permit, a platform that stands still.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::Value;

use super::{Built, CHANNELS, Dispatch, Draft, Order, Payload, PrepareFault, Via, build, find};
use crate::{
    access::{Directory, Permit, admit, identify, key::digest_text},
    base::{KeyId, PermissionId, Secret, UserId},
    protocol::{
        Operation, OperationKey, OperationKind,
        catalog::{BodyShape, CATALOG, CatalogRow},
        peek::Peek,
        splice::Document,
    },
    runtime::{Body, BoxFuture, Clock, Entropy, Instant, Platform, Reply, Spawn, Transport, TransportFault, UpstreamRequest},
    store::record::{ConfigRows, KeyRow, NewKey, NewPermission, NewUser, PermissionRow, UserRow},
};

/// The credential of the tests; it must turn up in no `Debug` output.
pub(crate) const SECRET: &str = "credential-0f7c";

/// A platform on which nothing happens: sleeps end at once, and nothing goes out.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> u64 {
        1_760_000_000_000
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, _span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Spawn for Still {
    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

impl Entropy for Still {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

impl Transport for Still {
    fn send(&self, _request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        Box::pin(std::future::ready(Err(TransportFault::Unsupported("sending in a test"))))
    }

    fn dial(&self, _request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn crate::runtime::Socket>, TransportFault>> {
        Box::pin(std::future::ready(Err(TransportFault::Unsupported("dialling in a test"))))
    }
}

/// The platform of the tests.
pub(crate) fn platform() -> Platform {
    Platform { clock: Arc::new(Still), spawn: Arc::new(Still), entropy: Arc::new(Still), transport: Arc::new(Still) }
}

/// A channel from its id and settings.
pub(crate) fn channel(id: &str, settings: &str) -> Built {
    build(find(id).unwrap(), settings, &platform()).unwrap()
}

/// A permit for anything, given to the one user of a directory of one key.
pub(crate) fn permit(key: OperationKey) -> Permit {
    let user = NewUser::named("u");
    let token = NewKey::of(UserId(1), digest_text("t"), "t");
    let all = NewPermission::of(UserId(1), "*");
    let directory = Directory::build(&ConfigRows {
        users: [UserRow { id: UserId(1), row: user, created_at: 0, updated_at: 0 }].into_iter().collect(),
        keys: [KeyRow { id: KeyId(1), row: token, created_at: 0, updated_at: 0 }].into_iter().collect(),
        permissions: [PermissionRow { id: PermissionId(1), row: all, created_at: 0, updated_at: 0 }].into_iter().collect(),
        ..ConfigRows::default()
    });
    admit(&identify(&directory, Some("t"), 0, None).unwrap(), key, "p", None).unwrap()
}

/// The key of an operation in a kind.
pub(crate) fn key(operation: Operation, kind: OperationKind) -> OperationKey {
    OperationKey::new(operation, kind).unwrap()
}

/// A call: method, path with query, headers, body.
pub(crate) struct Call<'a> {
    pub(crate) key: OperationKey,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'static str, &'static str)],
    pub(crate) body: &'a str,
}

/// A JSON call without headers.
pub(crate) fn post<'a>(key: OperationKey, path: &'a str, body: &'a str) -> Call<'a> {
    Call { key, method: Method::POST, path, headers: &[], body }
}

/// A call without a body.
pub(crate) fn get(key: OperationKey, path: &str) -> Call<'_> {
    Call { key, method: Method::GET, path, headers: &[], body: "" }
}

/// Seals a call as the pipeline would.
pub(crate) fn order(call: &Call<'_>) -> Order {
    let (path, query) = call.path.split_once('?').map_or((call.path, None), |(path, query)| (path, Some(query.to_owned())));
    let body = Bytes::copy_from_slice(call.body.as_bytes());
    let payload = match Peek::scan(&body) {
        Ok(peek) => Payload::Json(Document::new(body.clone(), peek)),
        Err(_) if body.is_empty() => Payload::Empty,
        Err(_) => Payload::Opaque(Body::from(body.clone())),
    };
    let in_body = serde_json::from_str::<Value>(call.body).ok().and_then(|body| body["model"].as_str().map(str::to_owned));
    let in_path = path.split_once("/models/").map(|(_, model)| model.split(':').next().unwrap_or(model).to_owned());
    let model = in_body.or(in_path).unwrap_or_default();
    let headers = call.headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    let draft = Draft { key: call.key, method: call.method.clone(), path: path.into(), query, headers, payload, model: model.into() };
    Order::seal(&permit(call.key), draft, Via { secret: Some(Arc::new(Secret::new(SECRET.into()))), ..Via::default() })
}

/// Everything that a body that waits for nothing holds, piece by piece.
pub(crate) fn read(body: Body) -> Vec<Bytes> {
    let mut body = pin!(body);
    let mut pieces = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(piece)) = Pin::as_mut(&mut body).poll_data(&mut cx) {
        pieces.push(piece.unwrap());
    }
    pieces
}

/// What a channel sends for a call: method, address, headers, body.
pub(crate) fn sent(channel: &Built, call: &Call<'_>) -> (Method, Uri, HeaderMap, String) {
    match channel.prepare(order(call)).unwrap() {
        Dispatch::Send(request) => {
            let body = String::from_utf8(read(request.body).concat()).unwrap();
            (request.method, request.uri, request.headers, body)
        }
        Dispatch::Answer(reply) => panic!("answered by itself: {reply:?}"),
    }
}

/// What a channel answers to a call by itself: status, headers, body.
pub(crate) fn answered(channel: &Built, call: &Call<'_>) -> (u16, HeaderMap, Vec<Bytes>) {
    match channel.prepare(order(call)).unwrap() {
        Dispatch::Answer(reply) => (reply.status.as_u16(), reply.headers, read(reply.body)),
        Dispatch::Send(request) => panic!("sent: {request:?}"),
    }
}

/// A reply mended by a channel.
pub(crate) fn received(channel: &Built, key: OperationKey, kind: &'static str, body: &str) -> String {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let reply = Reply::new(http::StatusCode::OK, headers, Body::from(body.to_owned()));
    String::from_utf8(read(channel.receive(key, reply).body).concat()).unwrap()
}

/// Upholds what holds of every channel: the address and the name that the settings say, the secret in its place only.
pub(crate) fn uphold_channel_contract(id: &str, settings: &str) {
    let mut settings: serde_json::Map<String, Value> = serde_json::from_str(settings).unwrap();
    settings.insert("base_url".into(), "http://upstream.test:99/base/".into());
    settings.insert("user_agent".into(), "agent/7".into());
    let channel = channel(id, &Value::Object(settings).to_string());
    assert_eq!(channel.id(), find(id).unwrap().id);
    let mut served = 0;
    for (row, key) in CATALOG.iter().flat_map(|row| [(row, row.key(false)), (row, row.key(true))]) {
        if !channel.serves(key) {
            continue;
        }
        served += 1;
        uphold_on(&channel, row, key);
    }
    assert!(served > 0, "{id} serves nothing");
}

fn uphold_on(channel: &Built, row: &CatalogRow, key: OperationKey) {
    let path = row.path.replace("{model}", "m-1").replace("{id}", "id_1");
    let body = if row.body == BodyShape::Json { "{\"model\":\"m-1\",\"odd\" : [1.50]}" } else { "" };
    let call = Call { key, method: row.method.clone(), path: &path, headers: &[("x-own", "kept")], body };
    let sealed = order(&call);
    assert!(!format!("{sealed:?} {channel:?}").contains(SECRET), "{key:?}: the order or the channel shows the secret");
    let dispatch = channel.prepare(sealed).unwrap();
    assert!(!format!("{dispatch:?}").contains(SECRET), "{key:?}: the request shows the secret");
    let Dispatch::Send(request) = dispatch else { return };
    assert_eq!(request.method, row.method);
    assert!(request.uri.to_string().starts_with("http://upstream.test:99/base/"), "{key:?}: {}", request.uri);
    assert_eq!(request.headers["user-agent"], "agent/7");
    assert_eq!(request.headers["accept-encoding"], "identity");
    assert_eq!(request.headers["x-own"], "kept");
    let in_headers = request.headers.values().filter(|value| value.to_str().is_ok_and(|value| value.contains(SECRET))).count();
    let in_query = request.uri.query().unwrap_or("").matches(SECRET).count();
    assert_eq!(in_headers + in_query, 1, "{key:?}: the secret stands in one place");
    assert!(!request.uri.path().contains(SECRET));
    assert_eq!(String::from_utf8(read(request.body).concat()).unwrap(), body, "{key:?}: bytes that nobody refuses pass");
    if channel.needs_credential() {
        let (_, draft, _) = order(&call).into_parts();
        let bare = Order::seal(&permit(key), draft, Via::default());
        assert!(matches!(channel.prepare(bare), Err(PrepareFault::NoCredential)), "{key:?}");
    }
}

#[test]
fn every_channel_upholds_the_contract() {
    for row in CHANNELS {
        uphold_channel_contract(row.id, "{}");
    }
}

#[test]
fn every_id_and_alias_is_given_once() {
    let mut ids: Vec<&str> = CHANNELS.iter().flat_map(|row| std::iter::once(row.id).chain(row.aliases.iter().copied())).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn settings_that_nobody_knows_are_refused_with_the_nearest_name() {
    for row in CHANNELS {
        let fault = build(row, r#"{"base_url":"https://x.test","user_agnt":"a"}"#, &platform()).unwrap_err();
        assert!(fault.message.contains("did you mean `user_agent`"), "{}: {fault}", row.id);
    }
}
