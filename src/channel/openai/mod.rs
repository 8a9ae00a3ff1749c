//! OpenAI's own API: every operation of its family, by the same paths.

use serde::Deserialize;

use crate::{
    channel::{
        Adapter, Dispatch, Order, Payload, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            upstream::{self, Destination},
        },
    },
    protocol::{Family, OperationGroup, OperationKey, OperationKind},
};

/// A provider at OpenAI's API.
#[derive(Debug)]
pub(super) struct OpenAi {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for OpenAi {
    const ID: &'static str = "openai";
    const BASE_URL: Option<&'static str> = Some("https://api.openai.com");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site })
    }

    fn serves(&self, key: OperationKey) -> bool {
        key.kind().family() == Family::OpenAi
    }

    fn prefers(&self) -> Option<OperationKind> {
        Some(OperationKind::OpenAiResponses)
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        spare_sampling(&mut order);
        let to = Destination { path: order.take_path(), query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::bearer(upstream::secret(order)?, headers))
    }
}

/// The models of this line refuse sampling parameters, which many clients always send.
fn spare_sampling(order: &mut Order) {
    let generates = order.key().operation().group() == OperationGroup::GenerateContent;
    let refuses = order.draft().model.contains("gpt-5");
    if let (true, true, Payload::Json(document)) = (generates, refuses, order.payload_mut()) {
        document.remove("temperature");
        document.remove("top_p");
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        channel::contract::{channel, key, post, sent},
        protocol::{Operation as O, OperationKind as K},
    };

    #[test]
    fn sampling_parameters_go_only_where_the_model_refuses_them() {
        let openai = channel("openai", "{}");
        let (chat, responses) = (key(O::GenerateContent, K::OpenAiChatCompletions), key(O::StreamGenerateContent, K::OpenAiResponses));
        for (key, path, body, wanted) in [
            (chat, "/v1/chat/completions", r#"{"model":"gpt-5.1","temperature":0,"top_p":1,"n":1}"#, r#"{"model":"gpt-5.1","n":1}"#),
            (responses, "/v1/responses", r#"{"top_p":1,"model":"x/gpt-5-mini"}"#, r#"{"model":"x/gpt-5-mini"}"#),
            (chat, "/v1/chat/completions", r#"{"model":"gpt-4.1","temperature":0}"#, r#"{"model":"gpt-4.1","temperature":0}"#),
        ] {
            let (_, uri, headers, out) = sent(&openai, &post(key, path, body));
            assert_eq!(uri.to_string(), format!("https://api.openai.com{path}"));
            assert_eq!(headers["authorization"], "Bearer credential-0f7c");
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn a_base_that_ends_in_the_version_does_not_double_it() {
        for base in ["https://x.test", "https://x.test/", "https://x.test/v1", "https://x.test/v1/"] {
            let openai = channel("openai", &format!("{{\"base_url\":\"{base}\"}}"));
            let call = post(key(O::CreateEmbedding, K::OpenAi), "/v1/embeddings", "{}");
            assert_eq!(sent(&openai, &call).1, "https://x.test/v1/embeddings");
        }
    }
}
