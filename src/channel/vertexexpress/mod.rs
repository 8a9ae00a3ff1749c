//! Vertex AI in express mode: Gemini's dialect with the key in the query. It has no model list, so one is kept here.

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    channel::{
        Adapter, Dispatch, Order, PrepareFault, SettingsFault, Site,
        kit::upstream::{self, Destination},
    },
    protocol::{Operation, OperationKey, OperationKind},
    runtime::{Body, Reply},
};

/// The list that ships; the settings may replace it.
const MODELS: &str = include_str!("models.json");

/// A provider at Vertex AI, express mode.
#[derive(Debug)]
pub(super) struct VertexExpress {
    site: Site,
    models: Vec<String>,
}

/// What can be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Ids of the models that are listed, in place of those that ship.
    #[serde(default)]
    models: Option<Vec<String>>,
}

impl Adapter for VertexExpress {
    const ID: &'static str = "vertexexpress";
    const BASE_URL: Option<&'static str> = Some("https://aiplatform.googleapis.com");
    type Settings = Settings;

    fn build(site: Site, settings: Settings) -> Result<Self, SettingsFault> {
        let shipped = || serde_json::from_str(MODELS);
        let models = settings.models.map_or_else(shipped, Ok);
        let models = models.map_err(|error| SettingsFault { path: "models".into(), message: error.to_string() })?;
        let base_url = site.base_url.without_tail(&["/v1", "/v1beta1"]);
        Ok(Self { site: Site { base_url, ..site }, models })
    }

    fn serves(&self, key: OperationKey) -> bool {
        match key.kind() {
            OperationKind::GeminiGenerateContent => true,
            OperationKind::Gemini => {
                matches!(key.operation(), Operation::ListModels | Operation::GetModel | Operation::CountTokens | Operation::CreateEmbedding)
            }
            OperationKind::OpenAiChatCompletions
            | OperationKind::OpenAiResponses
            | OperationKind::OpenAiResponsesWebSocket
            | OperationKind::ClaudeMessages
            | OperationKind::OpenAi
            | OperationKind::Claude => false,
        }
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let path = order.take_path();
        let query = order.take_query().filter(|query| !query.is_empty());
        if order.key().operation() == Operation::ListModels {
            return self.list(query.as_deref());
        }
        if order.key().operation() == Operation::GetModel {
            return Ok(self.get(path.rsplit_once("/models/").map_or("", |(_, model)| model)));
        }
        let path = match path.strip_prefix("/v1beta/models/") {
            Some(rest) => format!("/v1beta1/publishers/google/models/{rest}"),
            None => path,
        };
        let secret = form_urlencoded::byte_serialize(upstream::secret(&order)?.expose().as_bytes()).collect::<String>();
        let query = query.map_or_else(|| format!("key={secret}"), |query| format!("{query}&key={secret}"));
        upstream::request(&self.site, order, Destination { path, query: Some(query) }, |_, _| Ok(()))
    }
}

impl VertexExpress {
    fn list(&self, query: Option<&str>) -> Result<Dispatch, PrepareFault> {
        let number = |name: &'static str| {
            let mut pairs = form_urlencoded::parse(query.unwrap_or("").as_bytes());
            let found = pairs.find(|(key, value)| key == name && !value.is_empty());
            let parsed = found.map(|(_, value)| value.parse::<usize>());
            parsed.transpose().map_err(|_| PrepareFault::Request { field: Some(name), message: format!("{name} must be a whole number") })
        };
        let start = number("pageToken")?.unwrap_or(0).min(self.models.len());
        let size = number("pageSize")?.filter(|size| *size > 0).unwrap_or(50);
        let end = start.saturating_add(size).min(self.models.len());
        let mut page = json!({"models": self.models[start..end].iter().map(|id| model(id)).collect::<Vec<_>>()});
        if end < self.models.len() {
            page["nextPageToken"] = end.to_string().into();
        }
        Ok(answer(StatusCode::OK, &page))
    }

    fn get(&self, id: &str) -> Dispatch {
        if self.models.iter().any(|known| known == id) {
            return answer(StatusCode::OK, &model(id));
        }
        let message = format!("models/{id} is not found");
        answer(StatusCode::NOT_FOUND, &json!({"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}))
    }
}

fn model(id: &str) -> Value {
    let methods = ["generateContent", "streamGenerateContent", "countTokens"];
    json!({"name": format!("models/{id}"), "displayName": id, "version": "001", "supportedGenerationMethods": methods})
}

fn answer(status: StatusCode, value: &Value) -> Dispatch {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"))]);
    Dispatch::Answer(Box::new(Reply::new(status, headers, Body::from(value.to_string()))))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{
        channel::contract::{answered, channel, get, key, post, sent},
        protocol::{Operation as O, OperationKind as K},
    };

    #[test]
    fn the_key_goes_in_the_query() {
        let vertex = channel("vertexexpress", "{}");
        for (operation, path, uri) in [
            (O::GenerateContent, "/v1beta/models/g:generateContent", "g:generateContent?key=credential-0f7c"),
            (
                O::StreamGenerateContent,
                "/v1beta/models/g:streamGenerateContent?alt=sse",
                "g:streamGenerateContent?alt=sse&key=credential-0f7c",
            ),
        ] {
            let (_, out, headers, _) = sent(&vertex, &post(key(operation, K::GeminiGenerateContent), path, "{}"));
            assert_eq!(out.to_string(), format!("https://aiplatform.googleapis.com/v1beta1/publishers/google/models/{uri}"));
            assert!(!headers.contains_key("x-goog-api-key"));
        }
    }

    #[test]
    fn models_are_listed_in_pages_from_the_list_at_hand() {
        let vertex = channel("vertexexpress", r#"{"models":["a","b","c"]}"#);
        let list = key(O::ListModels, K::Gemini);
        for (query, names, next) in [
            ("", vec!["models/a", "models/b", "models/c"], None),
            ("?pageSize=2", vec!["models/a", "models/b"], Some("2")),
            ("?pageSize=2&pageToken=2", vec!["models/c"], None),
            ("?pageToken=9", vec![], None),
        ] {
            let (status, _, body) = answered(&vertex, &get(list, &format!("/v1beta/models{query}")));
            let body: Value = serde_json::from_slice(&body.concat()).unwrap();
            let found: Vec<&str> = body["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
            assert_eq!((status, found, body["nextPageToken"].as_str()), (200, names, next), "{query}");
        }
        assert_eq!(answered(&vertex, &get(key(O::GetModel, K::Gemini), "/v1beta/models/b")).0, 200);
        let (status, _, body) = answered(&vertex, &get(key(O::GetModel, K::Gemini), "/v1beta/models/z"));
        let body: Value = serde_json::from_slice(&body.concat()).unwrap();
        assert_eq!((status, body["error"]["status"].as_str()), (404, Some("NOT_FOUND")));
        assert!(channel("vertexexpress", "{}").serves(list));
    }
}
