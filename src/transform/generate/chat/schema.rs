//! Schemas: Google's language into JSON Schema, and whether a schema can be held to strictly.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    super::canon::{Raw, Schema},
    leftovers::made,
};

/// The schema as JSON Schema.
pub(super) fn json<'s>(schema: &'s Schema<'_>) -> Raw<'s> {
    match schema {
        Schema::Json(json) => Cow::Borrowed(json),
        Schema::Google(google) => {
            let value = serde_json::from_str(google.get()).unwrap_or_default();
            made(translate(value).to_string())
        }
    }
}

/// Bounds that Google, who writes 64-bit numbers as strings, may give as such.
const BOUNDS: [&str; 6] = ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

fn translate(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut out = Map::new();
    let nullable = members.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("nullable" | "propertyOrdering", _) => {}
            ("type", Value::String(kind)) if kind == "TYPE_UNSPECIFIED" => {}
            ("type", Value::String(kind)) => {
                let kind = Value::String(kind.to_ascii_lowercase());
                let kind = if nullable { Value::Array(vec![kind, "null".into()]) } else { kind };
                out.insert(name, kind);
            }
            ("properties" | "$defs" | "defs", Value::Object(inner)) => {
                out.insert(name, inner.into_iter().map(|(key, value)| (key, translate(value))).collect());
            }
            ("items" | "additionalProperties", value) => {
                out.insert(name, translate(value));
            }
            ("anyOf", Value::Array(all)) => {
                let mut all: Vec<Value> = all.into_iter().map(translate).collect();
                if nullable {
                    all.push(serde_json::json!({"type": "null"}));
                }
                out.insert(name, Value::Array(all));
            }
            ("example", value) => {
                out.insert("examples".into(), Value::Array(vec![value]));
            }
            (bound, Value::String(digits)) if BOUNDS.contains(&bound) => {
                out.insert(name, digits.parse::<u64>().map_or(Value::String(digits), Value::from));
            }
            ("enum", Value::Array(mut words)) => {
                if nullable && !words.contains(&Value::Null) {
                    words.push(Value::Null);
                }
                out.insert(name, Value::Array(words));
            }
            (_, value) => {
                out.insert(name, value);
            }
        }
    }
    Value::Object(out)
}

/// Whether OpenAI can hold an answer to it strictly: each object closed, each of its members required.
pub(super) fn is_strict(json: &str) -> bool {
    serde_json::from_str::<Value>(json).is_ok_and(|schema| schema.get("type").is_some_and(|kind| kind == "object") && closed(&schema))
}

fn closed(schema: &Value) -> bool {
    const UNKNOWN: [&str; 8] =
        ["allOf", "oneOf", "not", "if", "patternProperties", "unevaluatedProperties", "dependentRequired", "prefixItems"];
    let Value::Object(members) = schema else { return schema.is_boolean() };
    if members.keys().any(|name| UNKNOWN.contains(&name.as_str())) {
        return false;
    }
    if let Some(Value::Object(properties)) = members.get("properties") {
        let required = members.get("required").and_then(Value::as_array);
        let all = properties.keys().all(|name| required.is_some_and(|required| required.iter().any(|word| word == name)));
        if !all || members.get("additionalProperties") != Some(&Value::Bool(false)) || !properties.values().all(closed) {
            return false;
        }
    } else if members.get("type").is_some_and(|kind| kind == "object") {
        return false;
    }
    let defs = members.get("$defs").and_then(Value::as_object);
    members.get("items").is_none_or(closed)
        && members.get("anyOf").and_then(Value::as_array).is_none_or(|all| all.iter().all(closed))
        && defs.is_none_or(|defs| defs.values().all(closed))
}
