//! The OpenAPI document of this API, made of the table of routes: what their handlers take and give says all of it.
//!
//! Routes that the table has not are not in it, and the table takes none without its types.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    TABLE,
    answer::{Answer, ErrorBody, Gives, Json, TextErrorBody, json},
    asks::Asks,
    route::{Route, Style, Takes, member},
};
use crate::{
    admin::role::{Area, Reach, reach},
    store::record::Role,
};

/// Where the document is served.
pub(super) const PATH: &str = "/admin/openapi.json";

/// The route that shows it.
pub(super) fn route() -> Route {
    member::get(PATH, "This document", |_, _| Box::pin(async move { shown() }))
}

fn shown() -> Answer<Json<Map<String, Value>>> {
    static DOCUMENT: LazyLock<Map<String, Value>> = LazyLock::new(document);
    json(&*DOCUMENT)
}

/// The document, OpenAPI 3.1.
#[must_use]
pub fn document() -> Map<String, Value> {
    let mut writer = Writer::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in TABLE.iter() {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[route.method.as_str().to_lowercase()] = Value::Object(writer.operation(route));
    }
    let tags = Area::ALL.iter().map(|area| area.word()).chain([LOGIN, OWN]);
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "GPROXY admin and user API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Paths under `/admin` want the key of a user whose role opens them, paths under `/user` any key. Changes apply at once.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "header": [] }],
        "tags": tags.map(|tag| json!({ "name": tag })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": writer.schemas(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A user's key." },
                "header": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "A user's key." },
            },
        },
    });
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

const LOGIN: &str = "login";
const OWN: &str = "own";

/// Writes operations, and gathers the schemas that they name.
struct Writer {
    /// Of what comes in: what has a default may be absent.
    inputs: SchemaGenerator,
    /// Of what goes out: nothing is absent but what is said to be.
    outputs: SchemaGenerator,
}

impl Writer {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        let (inputs, outputs) = (settings().for_deserialize(), settings().for_serialize());
        Self { inputs: inputs.into_generator(), outputs: outputs.into_generator() }
    }

    /// The schemas that were named.
    fn schemas(mut self) -> Map<String, Value> {
        let mut schemas = self.inputs.take_definitions(true);
        schemas.extend(self.outputs.take_definitions(true));
        schemas
    }

    fn operation(&mut self, route: &Route) -> Map<String, Value> {
        let asks = Asks::of(&route.method, route.path);
        let mut operation = Map::new();
        let mut say = |name: &str, value: Value| operation.insert(name.to_owned(), value);
        say("operationId", name(route).into());
        say("summary", (*route.summary).into());
        say("tags", json!([tag(asks)]));
        say("parameters", self.parameters(route).into());
        say("responses", Value::Object(self.responses(route, asks)));
        if let Takes::Body(schema) = route.shape.takes {
            let schema = schema(&mut self.inputs);
            say("requestBody", json!({ "required": true, "content": { "application/json": { "schema": schema } } }));
        }
        match asks {
            Asks::Nothing => say("security", json!([])),
            Asks::Role(area, access) => say("x-gproxy-roles", roles(|role| reach(role, area, access))),
            Asks::Ruler => say("x-gproxy-roles", roles(|role| if role.is_admin() { Reach::All } else { Reach::Nothing })),
            Asks::Key => None,
        };
        operation
    }

    fn parameters(&mut self, route: &Route) -> Vec<Value> {
        let mut parameters = Vec::new();
        if route.path.contains("{id}") {
            let schema = (route.shape.key)(&mut self.inputs);
            parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
        }
        if let Takes::Query(schema) = route.shape.takes {
            let schema = schema(&mut self.inputs);
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            parameters.extend(members.map(|(name, schema)| parameter(name, schema)));
        }
        parameters
    }

    fn responses(&mut self, route: &Route, asks: Asks) -> Map<String, Value> {
        let mut responses = Map::from_iter([self.success(route)]);
        let schema = match route.style {
            Style::Object => self.outputs.subschema_for::<ErrorBody<'_>>(),
            Style::Text => self.outputs.subschema_for::<TextErrorBody>(),
        };
        for (status, description) in refusals(route, asks) {
            responses.insert(status.as_str().to_owned(), refusal(status, description, &schema));
        }
        responses
    }

    fn success(&mut self, route: &Route) -> (String, Value) {
        let (status, said) = match route.shape.gives {
            Gives::Json(schema) => {
                let schema = schema(&mut self.outputs);
                (StatusCode::OK, json!({ "description": "As asked.", "content": { "application/json": { "schema": schema } } }))
            }
            Gives::Csv => {
                let next = json!({ "description": "Where rows are left: the `before` of the next page.", "schema": { "type": "string" } });
                let content = json!({ "text/csv": { "schema": { "type": "string" } } });
                (StatusCode::OK, json!({ "description": "A table.", "content": content, "headers": { "x-gproxy-next-before": next } }))
            }
            Gives::Nothing => (StatusCode::NO_CONTENT, json!({ "description": "It is done." })),
        };
        (status.as_str().to_owned(), said)
    }
}

/// What a route is called: `get_admin_users_id`.
fn name(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_lowercase();
    [method.as_str()].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn tag(asks: Asks) -> &'static str {
    match asks {
        Asks::Nothing => LOGIN,
        Asks::Key | Asks::Ruler => OWN,
        Asks::Role(area, _) => area.word(),
    }
}

/// Which roles open a route, and how far.
fn roles(reach: impl Fn(Role) -> Reach) -> Value {
    let word = |role: &Role| match reach(*role) {
        Reach::Nothing => None,
        Reach::Organization => Some((role.word().to_owned(), "own".into())),
        Reach::All => Some((role.word().to_owned(), "all".into())),
    };
    Value::Object(Role::ALL.iter().filter_map(word).collect())
}

/// A parameter of the query. A query has no `null`.
fn parameter(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
    }
    if let Some(kinds) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind["type"] != "null");
    }
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}

/// The refusals that a route knows.
fn refusals(route: &Route, asks: Asks) -> Vec<(StatusCode, &'static str)> {
    let changes = matches!(asks, Asks::Nothing) || route.method != Method::GET;
    let body = matches!(route.shape.takes, Takes::Body(_));
    let all = [
        (true, StatusCode::BAD_REQUEST, "What was sent is not what it must be; `field` says where."),
        (true, StatusCode::UNAUTHORIZED, "No key that works was sent."),
        (asks != Asks::Nothing, StatusCode::FORBIDDEN, "The role does not open this, or not for this row."),
        (body || route.path.contains("{id}"), StatusCode::NOT_FOUND, "There is no such row, or none that the caller sees."),
        (changes, StatusCode::CONFLICT, "Another row has the name, or the change would break what must hold."),
        (body, StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
        (asks == Asks::Nothing, StatusCode::TOO_MANY_REQUESTS, "Too many failed tries."),
        (true, StatusCode::SERVICE_UNAVAILABLE, "The database does not answer."),
    ];
    all.into_iter().filter(|(told, ..)| *told).map(|(_, status, description)| (status, description)).collect()
}

fn refusal(status: StatusCode, description: &str, schema: &Schema) -> Value {
    let mut said = json!({ "description": description, "content": { "application/json": { "schema": schema } } });
    let header = match status {
        StatusCode::UNAUTHORIZED => Some(("www-authenticate", "string")),
        StatusCode::TOO_MANY_REQUESTS => Some(("retry-after", "integer")),
        _ => None,
    };
    if let Some((name, kind)) = header {
        said["headers"] = json!({ name: { "schema": { "type": kind } } });
    }
    said
}
