//! Keeps secrets out of answers, and takes answers back as input without losing them.

use serde_json::{Map, Value};

use crate::snapshot::name::without_userinfo;

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Settings without what looks like a secret: texts under telling names, all headers' values, and passwords in addresses.
pub(super) fn settings(members: &Map<String, Value>) -> Map<String, Value> {
    members.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect()
}

/// Whether a JSON object of settings has what looks like a secret.
#[must_use]
pub fn has_secret_settings(json: &str) -> bool {
    serde_json::from_str(json).is_ok_and(|members| settings(&members) != members)
}

/// Puts the standing secrets back where the input has the mask, as it was given out.
pub(super) fn restore(given: Map<String, Value>, standing: &Map<String, Value>) -> Map<String, Value> {
    given.into_iter().map(|(name, value)| restored(name, value, standing)).collect()
}

/// An address as it is kept, where `given` is that address as it was shown.
pub(super) fn restore_address(given: String, standing: Option<&str>) -> String {
    match standing {
        Some(standing) if without_userinfo(standing) == given => standing.to_owned(),
        _ => given,
    }
}

/// A value of a name without what looks like a secret.
pub(super) fn value(name: &str, value: &Value) -> Value {
    masked(name, value)
}

fn masked(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if tells(name) && !text.is_empty() => MASK.into(),
        Value::String(text) => without_userinfo(text).into(),
        Value::Object(members) if name.to_ascii_lowercase().contains("headers") => {
            members.iter().map(|(name, value)| (name.clone(), if value.is_string() { MASK.into() } else { masked(name, value) })).collect()
        }
        Value::Object(members) => Value::Object(settings(members)),
        Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn tells(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "password", "authorization", "cookie"].iter().any(|word| name.contains(word)) && !name.ends_with("_url")
}

fn restored(name: String, value: Value, standing: &Map<String, Value>) -> (String, Value) {
    let value = match (value, standing.get(&name)) {
        (Value::Object(given), Some(Value::Object(standing))) => Value::Object(restore(given, standing)),
        (Value::String(given), Some(Value::String(standing))) if given == MASK => standing.as_str().into(),
        (Value::String(given), Some(Value::String(standing))) => restore_address(given, Some(standing)).into(),
        (given, _) => given,
    };
    (name, value)
}
