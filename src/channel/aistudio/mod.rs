//! Google's AI Studio: Gemini's dialect, and `OpenAI`'s chat and models under a path of their own.

use serde::Deserialize;

use crate::{
    channel::{
        Adapter, Dispatch, Order, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            upstream::{self, Destination},
        },
    },
    protocol::{Family, OperationGroup, OperationKey, OperationKind},
};

/// A provider at AI Studio.
#[derive(Debug)]
pub(super) struct AiStudio {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for AiStudio {
    const ID: &'static str = "aistudio";
    const BASE_URL: Option<&'static str> = Some("https://generativelanguage.googleapis.com");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        let base_url = site.base_url.without_tail(&["/openai", "/v1beta"]);
        Ok(Self { site: Site { base_url, ..site } })
    }

    fn serves(&self, key: OperationKey) -> bool {
        match key.kind() {
            OperationKind::GeminiGenerateContent | OperationKind::Gemini | OperationKind::OpenAiChatCompletions => true,
            OperationKind::OpenAi => key.operation().group() == OperationGroup::Models,
            OperationKind::OpenAiResponses
            | OperationKind::OpenAiResponsesWebSocket
            | OperationKind::ClaudeMessages
            | OperationKind::Claude => false,
        }
    }

    fn prefers(&self) -> Option<OperationKind> {
        Some(OperationKind::GeminiGenerateContent)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let family = order.key().kind().family();
        let path = order.take_path();
        let path = match (family, path.strip_prefix("/v1/")) {
            (Family::OpenAi, Some(rest)) => format!("/v1beta/openai/{rest}"),
            (Family::OpenAi | Family::Claude | Family::Gemini, _) => path,
        };
        let to = Destination { path, query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::by_family(family, upstream::secret(order)?, headers))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        channel::contract::{channel, get, key, post, sent},
        protocol::{Operation as O, OperationKind as K},
    };

    #[test]
    fn each_dialect_has_its_path_and_its_proof() {
        for base in ["https://g.test", "https://g.test/v1beta/", "https://g.test/v1beta/openai/"] {
            let studio = channel("aistudio", &format!("{{\"base_url\":\"{base}\"}}"));
            let gemini = key(O::StreamGenerateContent, K::GeminiGenerateContent);
            for (call, uri, header, value) in [
                (
                    post(gemini, "/v1beta/models/g-1:streamGenerateContent?alt=sse", "{}"),
                    "https://g.test/v1beta/models/g-1:streamGenerateContent?alt=sse",
                    "x-goog-api-key",
                    "credential-0f7c",
                ),
                (
                    get(key(O::ListModels, K::Gemini), "/v1beta/models?pageSize=5"),
                    "https://g.test/v1beta/models?pageSize=5",
                    "x-goog-api-key",
                    "credential-0f7c",
                ),
                (
                    post(key(O::GenerateContent, K::OpenAiChatCompletions), "/v1/chat/completions", "{}"),
                    "https://g.test/v1beta/openai/chat/completions",
                    "authorization",
                    "Bearer credential-0f7c",
                ),
                (
                    get(key(O::GetModel, K::OpenAi), "/v1/models/g-1"),
                    "https://g.test/v1beta/openai/models/g-1",
                    "authorization",
                    "Bearer credential-0f7c",
                ),
            ] {
                let (_, out, headers, _) = sent(&studio, &call);
                assert_eq!(out, uri);
                assert_eq!(headers[header], value);
            }
        }
    }
}
