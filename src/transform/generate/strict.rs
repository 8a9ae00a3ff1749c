//! Whether OpenAI can hold to a schema strictly.

use serde_json::Value;

use super::Dialect;
use crate::transform::Loss;

/// A sender's wish for strictness, as far as OpenAI takes it: others hold strictly to schemas that it refuses.
pub(super) fn kept(
    strict: Option<bool>,
    from: Dialect,
    schema: &str,
    path: impl FnOnce() -> String,
    losses: &mut Vec<Loss>,
) -> Option<bool> {
    let is_openais = matches!(from, Dialect::Chat | Dialect::Responses);
    if strict != Some(true) || is_openais || holds(schema) {
        return strict;
    }
    losses.push(Loss::changed(path(), "not strictly: the target holds to closed schemas only, in which every member is required"));
    Some(false)
}

/// Whether OpenAI can hold an answer to it strictly: each object closed, each of its members required.
pub(super) fn holds(json: &str) -> bool {
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
