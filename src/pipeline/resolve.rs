//! What the call is about: its body read and looked at, its model, its provider.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::{authenticate::Authenticated, error::GatewayError, form, kept::Draft};
use crate::{
    access::Caller,
    base::{Bucket, Modality, Usage},
    billing::Lookup,
    channel::Payload,
    protocol::{
        Operation, OperationKey, OperationKind,
        catalog::{BodyShape, CatalogRow, ModelPosition, StreamSwitch},
        dispatch::Implementation,
        fault::FaultKind,
        peek::Peek,
        splice::Document,
    },
    route::{Member, MemberState},
    runtime::Body,
    snapshot::{Provider, Snapshot},
    transform::compact,
};

/// What may stand in a path segment (RFC 3986), and the slash of model ids.
pub(super) const SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}').add(b'%');

/// A call whose provider, model and shape are known.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) call: Authenticated,
    /// What the client asks.
    pub(super) key: OperationKey,
    /// What its provider is asked instead; the same where the client's bytes pass.
    pub(super) target: OperationKey,
    /// Whether the gateway answers by itself.
    pub(super) is_local: bool,
    /// Whether the client wants a stream.
    pub(super) streams: bool,
    pub(super) provider: Arc<Provider>,
    /// The upstream's id; empty where the call has none.
    pub(super) model: Arc<str>,
    /// The provider's name for it that the client meant, before it turned out to be a variant.
    pub(super) inbound: Arc<str>,
    /// The route that the client named, by which it is permitted too.
    pub(super) route: Option<Arc<str>>,
    /// What is counted of the route's member that was chosen.
    pub(super) member: Option<Arc<MemberState>>,
    pub(super) payload: Payload,
    /// Bytes of the prompt, for estimates.
    pub(super) prompt_bytes: u64,
    /// Whether the usage chunk that we asked for must not reach the client.
    pub(super) hides_usage: bool,
    /// What is to be kept of its answer, where the gateway keeps it.
    pub(super) draft: Option<Box<Draft>>,
}

/// What a body says of the call.
enum Looked {
    Json(Document),
    Form { body: Bytes, model: Option<Range<usize>>, streams: bool },
    Unread(Body),
}

/// Reads the body as far as the call's row wants it read, and finds model and provider.
///
/// # Errors
/// A body that is too large or no JSON, a missing or unknown model, an unknown provider, an operation that the provider does not serve.
pub(super) async fn resolve(mut call: Authenticated, snapshot: &Snapshot, limit: u64) -> Result<Resolved, (Caller, GatewayError)> {
    let body = std::mem::take(&mut call.call.inbound.body);
    let content_type = call.call.inbound.headers.get(CONTENT_TYPE).cloned();
    match look(call.call.row, body, content_type, limit).await.and_then(|looked| place(&call, looked, snapshot)) {
        Ok(placed) => {
            let Placed { key, target, is_local, streams, found, payload, path, query, prompt_bytes, hides_usage } = placed;
            let Found { provider, model, inbound, route, member } = found;
            call.call.path = path.unwrap_or(call.call.path);
            call.call.query = query.or(call.call.query);
            Ok(Resolved {
                call,
                key,
                target,
                is_local,
                streams,
                provider,
                model,
                inbound,
                route,
                member,
                payload,
                prompt_bytes,
                hides_usage,
                draft: None,
            })
        }
        Err(error) => Err((call.caller, error)),
    }
}

async fn look(row: &CatalogRow, body: Body, content_type: Option<HeaderValue>, limit: u64) -> Result<Looked, GatewayError> {
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_form = content_type.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"));
    match row.body {
        BodyShape::Empty => Ok(Looked::Unread(Body::Empty)),
        BodyShape::Opaque => Ok(Looked::Unread(body)),
        BodyShape::Form if is_form => {
            let body = body.collect(limit).await?;
            let parts = form::scan(&body, content_type).map_err(|message| GatewayError::new(FaultKind::BadRequest, message))?;
            let streams = parts.text(&body, "stream") == Some("true");
            Ok(Looked::Form { model: parts.range("model"), body, streams })
        }
        BodyShape::Json | BodyShape::Form => {
            let body = body.collect(limit).await?;
            let body = if may_hold_summaries(row) { unsealed(body)? } else { body };
            let peek = Peek::scan(&body)?;
            Ok(Looked::Json(Document::new(body, peek)))
        }
    }
}

/// Whether a row's bodies are in the shape of Responses, the only one in which summaries are sealed.
fn may_hold_summaries(row: &CatalogRow) -> bool {
    let key = row.key(false);
    match key.kind() {
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => true,
        OperationKind::OpenAi => matches!(key.operation(), Operation::CompactContent | Operation::CountTokens),
        OperationKind::OpenAiChatCompletions
        | OperationKind::ClaudeMessages
        | OperationKind::GeminiGenerateContent
        | OperationKind::Claude
        | OperationKind::Gemini => false,
    }
}

/// A body without summaries that this gateway sealed: no provider could read them.
fn unsealed(body: Bytes) -> Result<Bytes, GatewayError> {
    if !compact::is_sealed(&body) {
        return Ok(body);
    }
    let opened = compact::opened(&body).map_err(|fault| GatewayError::new(FaultKind::BadRequest, fault.to_string()))?;
    Ok(opened.map_or(body, Bytes::from))
}

struct Placed {
    key: OperationKey,
    target: OperationKey,
    is_local: bool,
    streams: bool,
    found: Found,
    payload: Payload,
    /// The path and the query where the model's name stood in them.
    path: Option<String>,
    query: Option<String>,
    prompt_bytes: u64,
    hides_usage: bool,
}

fn place(call: &Authenticated, looked: Looked, snapshot: &Snapshot) -> Result<Placed, GatewayError> {
    let classified = &call.call;
    let row = classified.row;
    let streams = match (row.stream, &looked) {
        (StreamSwitch::Always, _) => true,
        (StreamSwitch::Flag, Looked::Json(document)) => document.peek().flag(document.body(), "stream"),
        (StreamSwitch::Flag, Looked::Form { streams, .. }) => *streams,
        (StreamSwitch::SseFormat, Looked::Json(document)) => document.value("stream_format") == Some(b"\"sse\""),
        (StreamSwitch::Never | StreamSwitch::Flag | StreamSwitch::SseFormat, _) => false,
    };
    let key = row.key(streams);
    let named = named_model(call, &looked)?;
    if named.is_none() && row.model != ModelPosition::Absent && classified.scope.is_none() {
        return Err(GatewayError::new(FaultKind::BadRequest, "\"model\" is missing; expected \"provider/model\"").at("model"));
    }
    if named.is_none()
        && matches!(row.model, ModelPosition::Body)
        && !matches!(key.operation(), Operation::CreateModeration | Operation::CreateImage)
    {
        return Err(GatewayError::new(FaultKind::BadRequest, "\"model\" is missing; expected the id of a model").at("model"));
    }
    let found = find(classified.scope.as_deref(), named.as_deref(), snapshot)?;
    let model = &found.model;
    let (target, is_local) = served(key, streams, &found.provider)?;
    let prompt_bytes = match &looked {
        Looked::Json(document) => document.body().len() as u64,
        Looked::Form { body, .. } => body.len() as u64,
        Looked::Unread(_) => 0,
    };
    let renamed = named.as_deref().is_some_and(|named| named != &**model);
    let mut hides_usage = false;
    let payload = match looked {
        Looked::Unread(Body::Empty) => Payload::Empty,
        Looked::Unread(body) => Payload::Opaque(body),
        Looked::Form { body, model: Some(range), .. } if renamed => {
            Payload::Opaque(Body::from(vec![body.slice(..range.start), Bytes::copy_from_slice(model.as_bytes()), body.slice(range.end..)]))
        }
        Looked::Form { body, .. } => Payload::Opaque(Body::from(body)),
        Looked::Json(mut document) => {
            if renamed && key == target {
                rename(&mut document, row.model, named.as_deref().unwrap_or_default(), model);
            }
            if key == target && key.kind() == OperationKind::OpenAiChatCompletions && streams {
                hides_usage = ask_for_usage(&mut document);
            }
            Payload::Json(document)
        }
    };
    let path = classified.model.as_ref().map(|range| {
        let encoded = utf8_percent_encode(model, SEGMENT);
        format!("{}{encoded}{}", &classified.path[..range.start], &classified.path[range.end..])
    });
    let query = match row.model {
        ModelPosition::Query => classified.query.as_deref().map(|query| rename_in_query(query, model)),
        ModelPosition::Body | ModelPosition::Path | ModelPosition::Form | ModelPosition::Absent => None,
    };
    Ok(Placed { key, target, is_local, streams, found, payload, path, query, prompt_bytes, hides_usage })
}

/// What the provider is asked, and whether the gateway answers by itself.
fn served(key: OperationKey, streams: bool, provider: &Provider) -> Result<(OperationKey, bool), GatewayError> {
    match provider.dispatch.of(key, &*provider.channel) {
        Implementation::Passthrough => Ok((key, false)),
        Implementation::Local => Ok((key, true)),
        Implementation::TransformTo(target) => {
            // Calls that have no streamed key of their own stream where their target does.
            let streamed = OperationKey::new(Operation::StreamGenerateContent, target.kind()).filter(|key| provider.channel.serves(*key));
            let whole = target.operation() == Operation::GenerateContent && key.operation() == Operation::CreateCompletion;
            Ok((streamed.filter(|_| streams && whole).unwrap_or(target), false))
        }
        Implementation::Unsupported => {
            let message = format!(
                "provider {:?} does not serve {} in the {} shape; ask it in a dialect of its own (see the models and endpoints it lists)",
                provider.name,
                key.operation(),
                key.kind()
            );
            Err(GatewayError::new(FaultKind::Unsupported, message))
        }
    }
}

/// The model as the client named it.
fn named_model(call: &Authenticated, looked: &Looked) -> Result<Option<String>, GatewayError> {
    let classified = &call.call;
    Ok(match (classified.row.model, looked) {
        (ModelPosition::Path, _) => {
            let encoded = classified.model.clone().map_or("", |range| &classified.path[range]);
            Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned())
        }
        (ModelPosition::Query, _) => classified.query.as_deref().and_then(|query| {
            form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model").map(|(_, value)| value.into_owned())
        }),
        (ModelPosition::Body | ModelPosition::Form, Looked::Json(document)) => {
            document.peek().text(document.body(), "model")?.map(std::borrow::Cow::into_owned)
        }
        (ModelPosition::Form | ModelPosition::Body, Looked::Form { body, model, .. }) => {
            model.clone().map(|range| String::from_utf8_lossy(&body[range]).into_owned())
        }
        (ModelPosition::Absent, _) | (ModelPosition::Body | ModelPosition::Form, Looked::Unread(_)) => None,
    })
}

/// Whom a name stands for.
struct Found {
    provider: Arc<Provider>,
    model: Arc<str>,
    inbound: Arc<str>,
    route: Option<Arc<str>>,
    member: Option<Arc<MemberState>>,
}

/// Finds whom a call means: within a provider's paths its aliases and variants; else global aliases, then routes,
/// then `provider/model`.
fn find(scope: Option<&str>, named: Option<&str>, snapshot: &Snapshot) -> Result<Found, GatewayError> {
    if let Some(scope) = scope {
        if let Some(provider) = snapshot.provider(scope) {
            return Ok(at_provider(provider, named.unwrap_or_default(), snapshot));
        }
        if snapshot.names().has_namespace(scope) {
            let found = named.and_then(|named| at_route(scope, named, snapshot));
            return found.ok_or_else(|| {
                let message = format!("unknown model {:?}; expected a route of the namespace {scope:?}", named.unwrap_or_default());
                GatewayError::new(FaultKind::ModelNotFound, message).at("model")
            });
        }
        // `/openai/v1/...` without a provider of that name is the family's plain path (people's habit elsewhere).
        if !["openai", "anthropic", "gemini"].contains(&scope) {
            return Err(GatewayError::new(FaultKind::NotFound, format!("unknown provider {scope:?} in the path; {}", known(snapshot))));
        }
    }
    let Some(named) = named else {
        let message = format!("this call names no model, so its path must name the provider: /{{provider}}/v1/...; {}", known(snapshot));
        return Err(GatewayError::new(FaultKind::NotFound, message));
    };
    let renamed = snapshot.names().global(named);
    let meant = renamed.as_deref().unwrap_or(named);
    if let Some(found) = at_route("", meant, snapshot) {
        return Ok(found);
    }
    let split = meant.split_once('/').and_then(|(provider, model)| Some((snapshot.provider(provider)?, model)));
    split.map(|(provider, model)| at_provider(provider, model, snapshot)).ok_or_else(|| {
        let message = format!("unknown model {named:?}; expected \"provider/model\" or the name of a route; {}", known(snapshot));
        GatewayError::new(FaultKind::ModelNotFound, message).at("model")
    })
}

/// A model as one of a provider's, by its aliases and then its variants.
fn at_provider(provider: &Arc<Provider>, named: &str, snapshot: &Snapshot) -> Found {
    let names = snapshot.names();
    let inbound: Arc<str> = names.of_provider(&provider.name, named).map_or_else(|| named.into(), Into::into);
    let model = Arc::clone(names.variant(provider.id, &inbound).unwrap_or(&inbound));
    Found { provider: Arc::clone(provider), model, inbound, route: None, member: None }
}

/// The first member of the route of that name whose provider serves.
fn at_route(namespace: &str, named: &str, snapshot: &Snapshot) -> Option<Found> {
    let plan = snapshot.names().plan(namespace, named, &|member| price(member, snapshot))?;
    let (provider, stop) = plan.stops.into_iter().find_map(|stop| Some((snapshot.provider_of(stop.provider)?, stop)))?;
    let (route, member) = (Some(plan.route), Some(stop.state));
    Some(Found { provider: Arc::clone(provider), inbound: Arc::clone(&stop.model), model: stop.model, route, member })
}

/// What a thousand fresh tokens and a thousand of answer cost at a member, in nano-dollars; `None` where it has no price.
fn price(member: &Member, snapshot: &Snapshot) -> Option<u64> {
    let provider = snapshot.provider_of(member.provider)?;
    let Lookup::Priced(entry) = snapshot.prices().find(provider.id, provider.vendor, &member.model) else { return None };
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, 1000);
    usage.set(Bucket::Output, Modality::Text, 1000);
    u64::try_from(entry.tariff.cost(&usage, None).ok()?.nanos.get()).ok()
}

fn known(snapshot: &Snapshot) -> String {
    format!("{} providers are configured", snapshot.providers().len())
}

/// Writes the upstream's model id where the client's stood.
fn rename(document: &mut Document, position: ModelPosition, named: &str, model: &str) {
    match position {
        ModelPosition::Path => {
            // Gemini repeats the model inside some bodies, as `models/{id}`.
            let full = format!("models/{named}");
            for member in ["model", "requests", "generateContentRequest"] {
                let Some(mut value) = document.value(member).and_then(|text| serde_json::from_slice::<Value>(text).ok()) else { continue };
                if rename_within(&mut value, &full, model) {
                    document.set(member, value.to_string());
                }
            }
        }
        ModelPosition::Body | ModelPosition::Form | ModelPosition::Query | ModelPosition::Absent => {
            document.set("model", Value::from(model).to_string());
        }
    }
}

fn rename_within(value: &mut Value, full: &str, model: &str) -> bool {
    match value {
        Value::String(text) if text == full => {
            *text = format!("models/{model}");
            true
        }
        Value::Array(items) => {
            let mut changed = false;
            for item in items {
                changed |= rename_within(item, full, model);
            }
            changed
        }
        Value::Object(members) => members.get_mut("model").is_some_and(|inner| rename_within(inner, full, model)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Asks a Chat stream for its usage; tells whether the client had not.
pub(super) fn ask_for_usage(document: &mut Document) -> bool {
    let asked = |options: &Value| options.get("include_usage") == Some(&Value::Bool(true));
    let mut options: Value = document.value("stream_options").and_then(|text| serde_json::from_slice(text).ok()).unwrap_or(Value::Null);
    if asked(&options) {
        return false;
    }
    if !options.is_object() {
        options = Value::Object(serde_json::Map::new());
    }
    options["include_usage"] = true.into();
    document.set("stream_options", options.to_string());
    true
}

fn rename_in_query(query: &str, model: &str) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        out.append_pair(&name, if name == "model" { model } else { &value });
    }
    out.finish()
}
