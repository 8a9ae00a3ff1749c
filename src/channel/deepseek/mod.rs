//! DeepSeek: Chat with what it refuses taken out, and Claude's dialect under `/anthropic`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    channel::{
        Adapter, Dispatch, Order, Payload, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            edit::{self, Keep},
            mend::{self, Mend},
            upstream::{self, Destination},
            vendor::has,
        },
    },
    protocol::{Family, Operation, OperationKey, OperationKind, splice::Document},
    runtime::Reply,
};

const CELLS: &[(Operation, OperationKind)] = &[
    (Operation::ListModels, OperationKind::OpenAi),
    (Operation::GetModel, OperationKind::OpenAi),
    (Operation::GenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::StreamGenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::GenerateContent, OperationKind::ClaudeMessages),
    (Operation::StreamGenerateContent, OperationKind::ClaudeMessages),
];

/// Members of a Chat request that it does not take.
const REFUSED: &[&str] = &[
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "max_completion_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "user",
    "verbosity",
    "web_search_options",
    "extra_body",
];

const MEND: Mend = Mend { marks: &["\"insufficient_system_resource\"", "\"prompt_cache_hit_tokens\""], edit: mend_chat };

/// A provider at `DeepSeek`.
#[derive(Debug)]
pub(super) struct DeepSeek {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for DeepSeek {
    const ID: &'static str = "deepseek";
    const BASE_URL: Option<&'static str> = Some("https://api.deepseek.com");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        let base_url = site.base_url.without_tail(&["/v1", "/anthropic"]);
        Ok(Self { site: Site { base_url, ..site } })
    }

    fn serves(&self, key: OperationKey) -> bool {
        has(CELLS, key)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let kind = order.key().kind();
        if let (OperationKind::OpenAiChatCompletions, Payload::Json(document)) = (kind, order.payload_mut()) {
            clean(document);
        }
        let path = order.take_path();
        let path = if kind.family() == Family::Claude { format!("/anthropic{path}") } else { path };
        let to = Destination { path, query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::by_family(kind.family(), upstream::secret(order)?, headers))
    }

    fn receive(&self, key: OperationKey, reply: Reply) -> Reply {
        if key.kind() == OperationKind::OpenAiChatCompletions { mend::reply(reply, MEND) } else { reply }
    }
}

fn clean(document: &mut Document) {
    if let (Some(limit), None) = (document.value("max_completion_tokens").map(<[u8]>::to_vec), document.value("max_tokens")) {
        document.set("max_tokens", limit);
    }
    thinking(document);
    for name in REFUSED {
        document.remove(name);
    }
    edit::elements(document, "messages", |message| {
        if edit::text(message, "role").as_deref() == Some("developer") {
            message.set("role", "\"system\"");
        }
        Keep::Yes
    });
    let tools = edit::elements(document, "tools", |tool| {
        let function = edit::text(tool, "type").as_deref() == Some("function") && tool.value("function").is_some();
        if function { Keep::Yes } else { Keep::No }
    });
    if tools == Some(0) {
        document.remove("tools");
    }
    choice(document, tools.unwrap_or(0));
}

/// Its own switch is `thinking: {type: enabled | disabled}`; SDKs send it inside `extra_body` when told to.
fn thinking(document: &mut Document) {
    let inside = || document.value("extra_body").and_then(edit::object)?.value("thinking").map(<[u8]>::to_vec);
    let Some(asked) = document.value("thinking").map(<[u8]>::to_vec).or_else(inside) else { return };
    match edit::object(&asked).and_then(|asked| edit::text(&asked, "type")).as_deref() {
        Some("enabled" | "adaptive") => document.set("thinking", "{\"type\":\"enabled\"}"),
        Some("disabled") => document.set("thinking", "{\"type\":\"disabled\"}"),
        Some(_) | None => document.remove("thinking"),
    }
}

fn choice(document: &mut Document, tools: usize) {
    let Some(value) = document.value("tool_choice") else { return };
    let known = matches!(value, b"\"none\"" | b"\"auto\"" | b"\"required\"")
        || edit::object(value).is_some_and(|choice| edit::text(&choice, "type").as_deref() == Some("function"));
    if tools == 0 {
        document.set("tool_choice", "\"none\"");
    } else if !known {
        document.remove("tool_choice");
    }
}

/// Its own reason for stopping early, and its own place for the cache hits.
fn mend_chat(document: &mut Document) {
    edit::elements(document, "choices", |choice| {
        if choice.value("finish_reason") == Some(b"\"insufficient_system_resource\"") {
            choice.set("finish_reason", "\"length\"");
        }
        Keep::Yes
    });
    edit::member(document, "usage", |usage| {
        let Some(hits) = usage.peek().number(usage.body(), "prompt_cache_hit_tokens") else { return };
        let details = usage.value("prompt_tokens_details").and_then(|value| serde_json::from_slice::<Map<String, Value>>(value).ok());
        let mut details = details.unwrap_or_default();
        if !details.contains_key("cached_tokens") {
            details.insert("cached_tokens".into(), json!(hits));
            usage.set("prompt_tokens_details", Value::Object(details).to_string());
        }
    });
}

#[cfg(test)]
mod tests;
