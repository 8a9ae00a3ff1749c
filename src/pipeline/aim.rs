//! What one target is sent of a call: the client's bytes, with the model's name where the client had its own for it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::{
    resolve::{Content, Resolved},
    target::Target,
};
use crate::{
    channel::Payload,
    protocol::{OperationKey, OperationKind, catalog::ModelPosition, splice::Document},
    runtime::Body,
    snapshot::Provider,
};

/// What may stand in a path segment (RFC 3986), and the slash of model ids.
pub(super) const SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}').add(b'%');

/// A call as one target is asked it.
#[derive(Debug)]
pub(super) struct Aimed {
    pub(super) provider: Arc<Provider>,
    pub(super) model: Arc<str>,
    /// The provider's name for the model that the client meant.
    pub(super) inbound: Arc<str>,
    /// What the provider is asked.
    pub(super) key: OperationKey,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// The headers in the place of the client's, where those mean nothing to the provider.
    pub(super) headers: Option<HeaderMap>,
    pub(super) payload: Payload,
    /// Whether the usage chunk that we asked for must not reach the client.
    pub(super) hides_usage: bool,
}

/// Aims a call at a target. A body that is not in hand goes with it.
pub(super) fn aim(call: &mut Resolved, target: &Target) -> Aimed {
    let Target { provider, model, inbound, key, .. } = target;
    let row = call.call.call.row;
    let passes = call.key == *key;
    let renamed = call.named.as_deref().is_some_and(|named| named != &**model);
    let mut hides_usage = false;
    let payload = match &mut call.content {
        Content::Empty => Payload::Empty,
        Content::Unread(body) => Payload::Opaque(std::mem::take(body)),
        Content::Form { body, model: Some(range) } if renamed => spliced(body, range, model.to_string()),
        Content::Offer { body, model: Some(range) } if renamed => spliced(body, range, Value::from(&**model).to_string()),
        Content::Form { body, .. } | Content::Offer { body, .. } => Payload::Opaque(Body::from(body.clone())),
        Content::Json(document) => {
            let mut document = document.clone();
            if renamed && passes {
                rename(&mut document, row.model, call.named.as_deref().unwrap_or_default(), model);
            }
            if passes && key.kind() == OperationKind::OpenAiChatCompletions && call.streams {
                hides_usage = ask_for_usage(&mut document);
            }
            Payload::Json(document)
        }
    };
    let classified = &call.call.call;
    let path = classified.model.as_ref().map_or_else(
        || classified.path.clone(),
        |range| {
            let encoded = utf8_percent_encode(model, SEGMENT);
            format!("{}{encoded}{}", &classified.path[..range.start], &classified.path[range.end..])
        },
    );
    let query = match row.model {
        ModelPosition::Query => classified.query.as_deref().map(|query| rename_in_query(query, model)),
        ModelPosition::Body | ModelPosition::Path | ModelPosition::Form | ModelPosition::Absent => classified.query.clone(),
    };
    Aimed {
        provider: Arc::clone(provider),
        model: Arc::clone(model),
        inbound: Arc::clone(inbound),
        key: *key,
        method: classified.inbound.method.clone(),
        path,
        query,
        headers: None,
        payload,
        hides_usage,
    }
}

/// A body with another model in its place.
fn spliced(body: &Bytes, at: &Range<usize>, model: String) -> Payload {
    Payload::Opaque(Body::from(vec![body.slice(..at.start), Bytes::from(model), body.slice(at.end..)]))
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
