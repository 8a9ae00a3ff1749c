//! What would become of a call: `POST /admin/explain`.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    answer::{Answer, Json, json},
    route::{Body, Call, Route, admin::post},
};
use crate::{
    access::{Caller, stand_in},
    admin::{Admin, AdminFault},
    base::KeyId,
    pipeline::{self, Cues, Engine, Explanation, Inbound},
    runtime,
};

/// The call that is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainInput {
    /// Its method; POST where nothing is said.
    #[serde(default)]
    pub method: Option<String>,
    /// Its path, with its query, such as `/v1/chat/completions`.
    pub path: String,
    /// Its headers. A key in them means nothing.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its body, a JSON value.
    #[serde(default)]
    pub body: Option<Value>,
    /// With which key it is made; with the caller's own where nothing is said.
    #[serde(default)]
    pub key_id: Option<KeyId>,
    /// The address that it comes from.
    #[serde(default)]
    pub peer: Option<String>,
}

/// All of them.
pub(super) fn routes() -> [Route; 1] {
    [post("/admin/explain", "What would become of a call, without making it", |admin, call| Box::pin(explain(admin, call)))]
}

async fn explain(admin: Admin<'_>, call: Call<'_, Body<ExplainInput>>) -> Answer<Json<Explanation>> {
    let input = call.input()?;
    let engine = call.engine.ok_or_else(|| AdminFault::Conflict("this instance serves no calls".to_owned()))?;
    let peer = input.peer.as_deref().map(address).transpose()?;
    admin.control().refresh().await.map_err(AdminFault::from)?;
    let caller = match input.key_id {
        None => admin.caller().clone(),
        Some(id) => caller(engine, id, peer)?,
    };
    json(&of(engine, input, (caller, peer)).await?)
}

/// What would become of a call of a caller's.
///
/// # Errors
/// [`AdminFault::Invalid`] of a member of the input.
pub async fn of(engine: &Engine, input: ExplainInput, (caller, peer): (Caller, Option<IpAddr>)) -> Result<Explanation, AdminFault> {
    let inbound = inbound(engine, input, peer)?;
    Ok(pipeline::explain(engine, Box::new(inbound), caller).await)
}

/// Who calls with the key of an id.
///
/// # Errors
/// [`AdminFault::Missing`]; [`AdminFault::Invalid`] where the key does not work.
pub fn caller(engine: &Engine, id: KeyId, peer: Option<IpAddr>) -> Result<Caller, AdminFault> {
    let snapshot = engine.snapshot.load();
    let row = snapshot.rows().keys.get(id).ok_or_else(|| AdminFault::missing("key", id))?;
    let now_ms = engine.platform.clock.unix_ms();
    stand_in(snapshot.directory(), &row.digest, now_ms, peer).map_err(|refusal| AdminFault::invalid("key_id", refusal.to_string()))
}

/// An address.
///
/// # Errors
/// [`AdminFault::Invalid`].
pub fn address(text: &str) -> Result<IpAddr, AdminFault> {
    text.parse().map_err(|_| AdminFault::invalid("peer", format!("is {text:?}; expected an IP address")))
}

fn inbound(engine: &Engine, input: ExplainInput, peer: Option<IpAddr>) -> Result<Inbound, AdminFault> {
    let ExplainInput { method, path, headers, body, .. } = input;
    let method = method.as_deref().unwrap_or("POST");
    let method = Method::try_from(method).map_err(|_| AdminFault::invalid("method", format!("is {method:?}; expected an HTTP method")))?;
    let uri = path.parse::<Uri>().ok().filter(|uri| uri.path().starts_with('/') && uri.authority().is_none());
    let uri = uri.ok_or_else(|| AdminFault::invalid("path", format!("is {path:?}; expected a path such as \"/v1/chat/completions\"")))?;
    let (request_id, at_ms) = engine.request_id();
    let body = match body {
        None => runtime::Body::Empty,
        Some(value) => runtime::Body::from(value.to_string()),
    };
    let headers = read(headers)?;
    let (cues, arrived) = (Cues::of(&headers), engine.platform.clock.now());
    Ok(Inbound { request_id, arrived, at_ms, method, uri, headers, cues, body, peer, memory: None })
}

fn read(headers: BTreeMap<String, String>) -> Result<HeaderMap, AdminFault> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let (Ok(key), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::try_from(value)) else {
            return Err(AdminFault::invalid(format!("headers.{name}"), "is no header; expected a name and a value that HTTP can carry"));
        };
        map.append(key, value);
    }
    Ok(map)
}
