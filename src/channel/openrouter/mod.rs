//! OpenRouter: three dialects under one Bearer key, with its model list and its errors brought to `OpenAI`'s shape.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    channel::{
        Adapter, Dispatch, Order, PrepareFault, SettingsFault, Site,
        kit::{
            auth, edit,
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
    (Operation::GenerateContent, OperationKind::OpenAiResponses),
    (Operation::StreamGenerateContent, OperationKind::OpenAiResponses),
    (Operation::GenerateContent, OperationKind::ClaudeMessages),
    (Operation::StreamGenerateContent, OperationKind::ClaudeMessages),
    (Operation::CreateEmbedding, OperationKind::OpenAi),
];

/// A provider at `OpenRouter`.
#[derive(Debug)]
pub(super) struct OpenRouter {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for OpenRouter {
    const ID: &'static str = "openrouter";
    const BASE_URL: Option<&'static str> = Some("https://openrouter.ai/api");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site })
    }

    fn serves(&self, key: OperationKey) -> bool {
        has(CELLS, key)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let to = Destination { path: order.take_path(), query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::bearer(upstream::secret(order)?, headers))
    }

    fn receive(&self, key: OperationKey, reply: Reply) -> Reply {
        let models = matches!(key.operation(), Operation::ListModels | Operation::GetModel);
        if models && reply.status.is_success() {
            return mend::reply(reply, Mend { marks: &[], edit: mend::openai_models });
        }
        match key.kind().family() {
            Family::OpenAi => mend::reply(reply, Mend { marks: &["\"error\""], edit: mend_error }),
            Family::Claude | Family::Gemini => reply,
        }
    }
}

/// Its codes are numbers where `OpenAI` has texts, and it gives no type.
fn mend_error(document: &mut Document) {
    edit::member(document, "error", |error| {
        let Some(code) = error.peek().number(error.body(), "code") else { return };
        error.set("code", Value::from(code.to_string()).to_string());
        if error.value("type").is_none_or(|kind| kind == b"null") {
            error.set("type", Value::from(error_type(code)).to_string());
        }
    });
}

fn error_type(code: u64) -> &'static str {
    match code {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests;
