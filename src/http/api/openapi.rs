//! The OpenAPI document of this API, made of the table of routes: what their handlers take and give says all of it.
//!
//! Routes that the table has not are not in it, and the table takes none without its types.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, transform::RecursiveTransform};
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
            "responses": writer.refusals(),
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
                settings.transforms.push(Box::new(RecursiveTransform(without_empty_default)));
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
        let mut say = |name: &str, value: Value| drop(operation.insert(name.to_owned(), value));
        say("operationId", name(route).into());
        say("summary", (*route.summary).into());
        say("tags", json!([tag(asks)]));
        say("parameters", self.parameters(route).into());
        say("responses", Value::Object(self.responses(route, asks)));
        if let Takes::Body(schema) = route.shape.takes {
            let schema = schema(&mut self.inputs);
            let required = requires(&self.inputs, &schema);
            say("requestBody", json!({ "required": required, "content": { "application/json": { "schema": schema } } }));
        }
        match asks {
            Asks::Nothing => say("security", json!([])),
            Asks::Role(area, access) => say("x-gproxy-roles", roles(|role| reach(role, area, access))),
            Asks::Ruler => say("x-gproxy-roles", roles(|role| if role.is_admin() { Reach::All } else { Reach::Nothing })),
            Asks::Key => {}
        }
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
        for refusal in REFUSALS.iter().filter(|refusal| (refusal.of)(route, asks)) {
            let reference = json!({ "$ref": format!("#/components/responses/{}", refusal.name(route.style)) });
            responses.insert(refusal.status.as_str().to_owned(), reference);
        }
        responses
    }

    /// Every refusal, in both formats.
    fn refusals(&mut self) -> Map<String, Value> {
        let mut told = Map::new();
        for style in [Style::Object, Style::Text] {
            let schema = match style {
                Style::Object => self.outputs.subschema_for::<ErrorBody<'_>>(),
                Style::Text => self.outputs.subschema_for::<TextErrorBody>(),
            };
            told.extend(REFUSALS.iter().map(|refusal| (refusal.name(style), refusal.said(&schema))));
        }
        told
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
            Gives::Redirect => {
                let text = json!({ "schema": { "type": "string" } });
                (StatusCode::FOUND, json!({ "description": "On to another address.", "headers": { "location": text, "set-cookie": text } }))
            }
            Gives::Nothing => (StatusCode::NO_CONTENT, json!({ "description": "It is done." })),
        };
        (status.as_str().to_owned(), said)
    }
}

/// That nothing is said where nothing is said needs no saying.
fn without_empty_default(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
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

/// Whether an input must have something. One without a body is read as an empty one.
fn requires(schemas: &SchemaGenerator, schema: &Schema) -> bool {
    let named = schema.get("$ref").and_then(Value::as_str).and_then(|path| schemas.definitions().get(path.rsplit('/').next()?));
    named.unwrap_or(schema.as_value()).get("required").is_some()
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

/// A refusal, and which routes know it.
struct Told {
    status: StatusCode,
    name: &'static str,
    description: &'static str,
    /// A header that comes with it, and its type.
    header: Option<(&'static str, &'static str)>,
    of: fn(&Route, Asks) -> bool,
}

const fn told(status: StatusCode, name: &'static str, description: &'static str, of: fn(&Route, Asks) -> bool) -> Told {
    Told { status, name, description, header: None, of }
}

const REFUSALS: &[Told] = &[
    told(StatusCode::BAD_REQUEST, "Invalid", "What was sent is not what it must be; `field` says where.", |_, _| true),
    Told {
        header: Some(("www-authenticate", "string")),
        ..told(StatusCode::UNAUTHORIZED, "Unauthenticated", "No key that works was sent, or no such name and password.", |_, _| true)
    },
    told(StatusCode::FORBIDDEN, "Forbidden", "The role does not open this, or not for this row.", |route, asks| {
        asks != Asks::Nothing || by_provider(route)
    }),
    told(StatusCode::NOT_FOUND, "Missing", "There is no such row, or none that the caller sees.", |route, _| {
        takes_body(route) || route.path.contains("{id}") || by_provider(route)
    }),
    told(StatusCode::CONFLICT, "Conflict", "Another row has the name, or the change would break what must hold.", |route, _| {
        route.method != Method::GET
    }),
    told(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body is too large.", |route, _| takes_body(route)),
    Told {
        header: Some(("retry-after", "integer")),
        ..told(StatusCode::TOO_MANY_REQUESTS, "Throttled", "Too many failed tries.", |_, asks| asks == Asks::Nothing)
    },
    told(StatusCode::BAD_GATEWAY, "BadGateway", "The identity provider does not answer as it must.", |route, _| by_provider(route)),
    told(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "The database does not answer.", |_, _| true),
];

/// Whether an identity provider has a say in it, where one is set up.
fn by_provider(route: &Route) -> bool {
    route.path.starts_with("/login/oidc")
}

fn takes_body(route: &Route) -> bool {
    matches!(route.shape.takes, Takes::Body(_))
}

impl Told {
    fn name(&self, style: Style) -> String {
        match style {
            Style::Object => self.name.to_owned(),
            Style::Text => format!("{}Text", self.name),
        }
    }

    fn said(&self, schema: &Schema) -> Value {
        let mut said = json!({ "description": self.description, "content": { "application/json": { "schema": schema } } });
        if let Some((name, kind)) = self.header {
            said["headers"] = json!({ name: { "schema": { "type": kind } } });
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Writer};

    #[test]
    fn a_name_means_one_schema() {
        let mut writer = Writer::new();
        for route in TABLE.iter() {
            let _ = writer.operation(route);
        }
        let (inputs, outputs) = (writer.inputs.take_definitions(true), writer.outputs.take_definitions(true));
        let both: Vec<&String> = inputs.keys().filter(|name| outputs.contains_key(*name)).collect();
        assert!(both.iter().any(|name| *name == "Role"), "the schemas were not found");
        for name in both {
            assert_eq!(inputs[name], outputs[name], "{name} is one thing where it comes in and another where it goes out");
        }
    }

    #[test]
    fn no_name_had_to_be_numbered() {
        let mut writer = Writer::new();
        for route in TABLE.iter() {
            let _ = writer.operation(route);
        }
        let schemas = writer.schemas();
        let numbered: Vec<&String> = schemas.keys().filter(|name| name.ends_with(|last: char| last.is_ascii_digit())).collect();
        assert_eq!(numbered, Vec::<&String>::new(), "two types are called alike; rename one with #[schemars(rename = ...)]");
    }
}
