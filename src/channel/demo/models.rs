//! The models of the demonstration, in the three shapes of a model list.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer::Refusal,
    script::{CREATED, CREATED_TEXT},
};

/// Every model, and what it does.
const MODELS: &[(&str, &str)] = &[
    ("echo", "says again what was said last"),
    ("lorem", "says as many words as it is told"),
    ("tools", "calls the first tool that it is offered"),
    ("think", "thinks before it speaks"),
    ("embed", "makes vectors"),
    ("image", "makes a picture"),
    ("speech", "makes a sound"),
    ("transcribe", "hears a sound"),
    ("rerank", "orders documents"),
    ("moderate", "judges a text"),
    ("video", "makes a video"),
];

/// Those that talk.
pub(super) const TALKERS: &[&str] = &["echo", "lorem", "tools", "think"];

/// The model of a name.
pub(super) fn known(name: &str) -> Result<&'static str, Refusal> {
    let bare = name.strip_prefix("models/").unwrap_or(name);
    let found = MODELS.iter().find(|(id, _)| *id == bare).map(|(id, _)| *id);
    found.ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        field: Some("model".into()),
        message: format!("model {name:?} does not exist; the demo has {}", MODELS.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ")),
        code: Some("model_not_found"),
    })
}

/// `OpenAI`'s list.
pub(super) fn openai_list() -> Value {
    json!({"object": "list", "data": MODELS.iter().map(|(id, _)| openai(id)).collect::<Vec<_>>()})
}

/// `OpenAI`'s model.
pub(super) fn openai(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "demo"})
}

/// Anthropic's list, in pages.
pub(super) fn claude_list(query: &str) -> Result<Value, Refusal> {
    let limit = number(query, "limit")?.unwrap_or(20).clamp(1, 1000);
    let after = parameter(query, "after_id");
    let before = parameter(query, "before_id");
    let start = after.map_or(0, |id| MODELS.iter().position(|(known, _)| *known == id).map_or(MODELS.len(), |at| at + 1));
    let stop = before.map_or(MODELS.len(), |id| MODELS.iter().position(|(known, _)| *known == id).unwrap_or(0));
    let page: Vec<Value> = MODELS.iter().take(stop).skip(start).take(limit).map(|(id, _)| claude(id)).collect();
    let ends = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    Ok(json!({"first_id": ends(page.first()), "last_id": ends(page.last()), "has_more": start + page.len() < stop, "data": page}))
}

/// Anthropic's model.
pub(super) fn claude(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": CREATED_TEXT, "lifecycle": "active", "max_input_tokens": 200_000, "max_tokens": 64_000})
}

/// Google's list, in pages.
pub(super) fn gemini_list(query: &str) -> Result<Value, Refusal> {
    let start = number(query, "pageToken")?.unwrap_or(0);
    let size = number(query, "pageSize")?.filter(|size| *size > 0).unwrap_or(50);
    let page: Vec<Value> = MODELS.iter().skip(start).take(size).map(|(id, _)| gemini(id)).collect();
    let end = start.saturating_add(page.len());
    let more = end < MODELS.len();
    let mut list = json!({"models": page});
    if more {
        list["nextPageToken"] = end.to_string().into();
    }
    Ok(list)
}

/// Google's model.
pub(super) fn gemini(id: &str) -> Value {
    let methods: &[&str] = match id {
        "embed" => &["embedContent", "batchEmbedContents", "countTokens"],
        "image" => &["predict"],
        "video" => &["predictLongRunning"],
        _ => &["generateContent", "streamGenerateContent", "countTokens"],
    };
    let about = MODELS.iter().find(|(known, _)| *known == id).map_or("", |(_, about)| *about);
    json!({
        "name": format!("models/{id}"), "version": "1", "displayName": id, "description": about,
        "inputTokenLimit": 200_000, "outputTokenLimit": 64_000, "supportedGenerationMethods": methods, "thinking": id == "think",
    })
}

/// A parameter of a query.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
}

fn number(query: &str, name: &str) -> Result<Option<usize>, Refusal> {
    parameter(query, name)
        .map(|text| text.parse().map_err(|_| Refusal::field(name, format!("must be a whole number, not {text:?}"))))
        .transpose()
}
