//! Anthropic's API: its own dialect, and `OpenAI`'s chat and models where Anthropic offers them.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json, value::RawValue};

use crate::{
    channel::{
        Adapter, Dispatch, Order, Payload, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            mend::{self, Mend},
            upstream::{self, Destination},
        },
    },
    protocol::{Family, Operation, OperationGroup, OperationKey, OperationKind, splice::Document},
    runtime::Reply,
};

const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// A provider at Anthropic's API.
#[derive(Debug)]
pub(super) struct Claude {
    site: Site,
    settings: Settings,
}

/// What can be set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Text that stands first in `system` of every generation.
    anthropic_prelude_text: Option<String>,
    /// Whether `beta=true` is added to the query.
    #[serde(deserialize_with = "flag")]
    anthropic_append_beta_query: bool,
    /// Betas that every request asks for.
    #[serde(alias = "extra_beta_headers", deserialize_with = "names")]
    anthropic_extra_beta_headers: Vec<String>,
}

impl Adapter for Claude {
    const ID: &'static str = "anthropic";
    const BASE_URL: Option<&'static str> = Some("https://api.anthropic.com");
    type Settings = Settings;

    fn build(site: Site, settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site, settings })
    }

    fn serves(&self, key: OperationKey) -> bool {
        match key.kind() {
            OperationKind::ClaudeMessages | OperationKind::Claude | OperationKind::OpenAiChatCompletions => true,
            OperationKind::OpenAi => key.operation().group() == OperationGroup::Models,
            OperationKind::OpenAiResponses
            | OperationKind::OpenAiResponsesWebSocket
            | OperationKind::GeminiGenerateContent
            | OperationKind::Gemini => false,
        }
    }

    fn prefers(&self) -> Option<OperationKind> {
        Some(OperationKind::ClaudeMessages)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let key = order.key();
        let claude = key.kind().family() == Family::Claude;
        let prelude = self.settings.anthropic_prelude_text.as_deref().filter(|text| !text.is_empty());
        if let (OperationKind::ClaudeMessages, Some(prelude), Payload::Json(document)) = (key.kind(), prelude, order.payload_mut()) {
            prepend_system(document, prelude);
        }
        let query = order.take_query();
        let query = if claude && self.settings.anthropic_append_beta_query { Some(with_beta(query)) } else { query };
        let to = Destination { path: order.take_path(), query };
        upstream::request(&self.site, order, to, |order, headers| {
            let secret = upstream::secret(order)?;
            if key.kind() == OperationKind::OpenAiChatCompletions {
                return auth::bearer(secret, headers);
            }
            if claude {
                self.betas(headers)?;
            }
            auth::by_family(Family::Claude, secret, headers)
        })
    }

    fn receive(&self, key: OperationKey, reply: Reply) -> Reply {
        let openai_models = matches!(key.operation(), Operation::ListModels | Operation::GetModel) && key.kind() == OperationKind::OpenAi;
        if openai_models { mend::reply(reply, Mend { marks: &[], edit: mend::openai_models }) } else { reply }
    }
}

impl Claude {
    /// The client's betas and the settings', each once.
    fn betas(&self, headers: &mut HeaderMap) -> Result<(), PrepareFault> {
        if self.settings.anthropic_extra_beta_headers.is_empty() {
            return Ok(());
        }
        let theirs = headers.get_all(ANTHROPIC_BETA).iter().filter_map(|value| value.to_str().ok());
        let ours = self.settings.anthropic_extra_beta_headers.iter().map(String::as_str);
        let mut betas: Vec<&str> = Vec::new();
        for beta in theirs.flat_map(|value| value.split(',')).chain(ours).map(str::trim).filter(|beta| !beta.is_empty()) {
            if !betas.iter().any(|known| known.eq_ignore_ascii_case(beta)) {
                betas.push(beta);
            }
        }
        let value = HeaderValue::from_str(&betas.join(","))
            .map_err(|_| PrepareFault::Address("anthropic_extra_beta_headers cannot stand in a header".into()))?;
        headers.insert(ANTHROPIC_BETA, value);
        Ok(())
    }
}

fn with_beta(query: Option<String>) -> String {
    match query {
        Some(query) if query.split('&').any(|pair| pair == "beta=true") => query,
        Some(query) if !query.is_empty() => format!("{query}&beta=true"),
        Some(_) | None => "beta=true".into(),
    }
}

/// Puts a text first in `system`, as a block of its own so that the client's blocks keep their cache marks.
fn prepend_system(document: &mut Document, prelude: &str) {
    let block = json!({"type": "text", "text": prelude}).to_string();
    let system = match document.value("system") {
        None | Some(b"null") => Value::from(prelude).to_string(),
        Some(value) if value.starts_with(b"\"") => {
            format!("[{block},{{\"type\":\"text\",\"text\":{}}}]", String::from_utf8_lossy(value))
        }
        Some(value) => {
            let Ok(blocks) = serde_json::from_slice::<Vec<&RawValue>>(value) else { return };
            let blocks: Vec<&str> = std::iter::once(block.as_str()).chain(blocks.iter().map(|block| block.get())).collect();
            format!("[{}]", blocks.join(","))
        }
    };
    document.set("system", system);
}

/// `true`, or the text `"true"` of older configurations.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Ok(flag),
        Value::String(text) => text.parse().map_err(|_| D::Error::custom(format!("expected a boolean, not {text:?}"))),
        Value::Null => Ok(false),
        other => Err(D::Error::custom(format!("expected a boolean, not {other}"))),
    }
}

/// A list of names, or one text with commas.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of strings, or one string with commas")]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Names::Many(names) => names,
    })
}

#[cfg(test)]
mod tests;
