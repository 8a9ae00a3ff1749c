//! Groq: Chat and Responses, with what it refuses taken out.

use serde::Deserialize;

use crate::{
    channel::{
        Adapter, Dispatch, Order, Payload, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            edit::{self, Keep},
            upstream::{self, Destination},
            vendor::has,
        },
    },
    protocol::{Operation, OperationKey, OperationKind, splice::Document},
};

const CELLS: &[(Operation, OperationKind)] = &[
    (Operation::ListModels, OperationKind::OpenAi),
    (Operation::GetModel, OperationKind::OpenAi),
    (Operation::GenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::StreamGenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::GenerateContent, OperationKind::OpenAiResponses),
    (Operation::StreamGenerateContent, OperationKind::OpenAiResponses),
];

/// A provider at Groq.
#[derive(Debug)]
pub(super) struct Groq {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for Groq {
    const ID: &'static str = "groq";
    const BASE_URL: Option<&'static str> = Some("https://api.groq.com/openai");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site })
    }

    fn serves(&self, key: OperationKey) -> bool {
        has(CELLS, key)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        match (order.key().kind(), order.payload_mut()) {
            (OperationKind::OpenAiChatCompletions, Payload::Json(document)) => clean_chat(document),
            (OperationKind::OpenAiResponses, Payload::Json(document)) => clean_responses(document),
            (_, Payload::Json(_) | Payload::Empty | Payload::Opaque(_)) => {}
        }
        let to = Destination { path: order.take_path(), query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::bearer(upstream::secret(order)?, headers))
    }
}

fn clean_chat(document: &mut Document) {
    for name in ["logit_bias", "logprobs", "top_logprobs"] {
        document.remove(name);
    }
    if document.value("n").is_some_and(|n| n != b"1") {
        document.set("n", "1");
    }
    edit::elements(document, "messages", |message| {
        message.remove("name");
        Keep::Yes
    });
    functions_only(document);
}

fn clean_responses(document: &mut Document) {
    for name in ["previous_response_id", "include", "safety_identifier", "prompt_cache_key", "prompt"] {
        document.remove(name);
    }
    if document.value("store") == Some(b"true") {
        document.set("store", "false");
    }
    functions_only(document);
}

fn functions_only(document: &mut Document) {
    let left =
        edit::elements(
            document,
            "tools",
            |tool| {
                if edit::text(tool, "type").as_deref() == Some("function") { Keep::Yes } else { Keep::No }
            },
        );
    if left == Some(0) {
        document.remove("tools");
        document.remove("tool_choice");
    }
}

#[cfg(test)]
mod tests;
