//! A value that fits a JSON schema: what a model would fill in, without the model.

use serde_json::{Map, Value, json};

/// How deep references may lead before they are taken for endless.
const DEPTH: usize = 12;

/// Makes a value of a schema. `text` is what stands where a text is free.
pub(super) fn instance(schema: &Value, text: &str) -> Value {
    make(schema, schema, text, 0)
}

fn make(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    if depth > DEPTH {
        return Value::Null;
    }
    for name in ["const", "default", "example"] {
        if let Some(value) = schema.get(name).filter(|value| !value.is_null()) {
            return value.clone();
        }
    }
    if let Some(value) = schema["enum"].as_array().and_then(|values| values.iter().find(|value| !value.is_null())) {
        return value.clone();
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.trim_start_matches('#'))) {
        return make(target, root, text, depth + 1);
    }
    for name in ["anyOf", "oneOf", "any_of"] {
        let choices = schema[name].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(choice) = choices.iter().find(|choice| kind(choice) != "null") {
            return make(choice, root, text, depth + 1);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return together(parts, root, text, depth);
    }
    typed(schema, root, text, depth)
}

fn together(parts: &[Value], root: &Value, text: &str, depth: usize) -> Value {
    let mut whole = Map::new();
    for part in parts {
        match make(part, root, text, depth + 1) {
            Value::Object(members) => whole.extend(members),
            other => return other,
        }
    }
    Value::Object(whole)
}

/// The type, in lower case: Gemini's own schemas write it in capitals.
fn kind(schema: &Value) -> String {
    let named = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| !kind.eq_ignore_ascii_case("null")),
        other => other.as_str(),
    };
    match named {
        Some(kind) => kind.to_ascii_lowercase(),
        None if schema.get("properties").is_some() => "object".into(),
        None if schema.get("items").is_some() => "array".into(),
        None => String::new(),
    }
}

fn typed(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    match kind(schema).as_str() {
        "object" => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let required: Option<Vec<&str>> = schema["required"].as_array().map(|names| names.iter().filter_map(Value::as_str).collect());
            // Without a list of what is required, a model fills in everything.
            let wanted = |name: &str| required.as_ref().is_none_or(|names| names.contains(&name));
            let members = properties.iter().filter(|(name, _)| wanted(name));
            Value::Object(members.map(|(name, inner)| (name.clone(), make(inner, root, text, depth + 1))).collect())
        }
        "array" => {
            let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
            let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
            let item = make(&schema["items"], root, text, depth + 1);
            Value::Array((0..least.min(most).min(64)).map(|_| item.clone()).collect())
        }
        "integer" => json!(whole(number(schema, 1.0))),
        "number" => json!(number(schema, 1.5)),
        "boolean" => json!(true),
        "null" => Value::Null,
        "string" => json!(string(schema, text)),
        _ => json!(text),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a bound beyond 64 bits is met as nearly as can be")]
fn whole(number: f64) -> i64 {
    number.ceil() as i64
}

fn number(schema: &Value, usual: f64) -> f64 {
    let bound = |name: &str| schema[name].as_f64();
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1.0));
    let value = usual.max(least.unwrap_or(f64::MIN)).min(most.unwrap_or(f64::MAX));
    match bound("multipleOf") {
        Some(step) if step > 0.0 => (value / step).ceil().max(1.0) * step,
        Some(_) | None => value,
    }
}

fn string(schema: &Value, text: &str) -> String {
    let fixed = match schema["format"].as_str() {
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("time") => "00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ipv4") => "192.0.2.1",
        Some(_) | None => text,
    };
    let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(200)).unwrap_or(200);
    let mut value: String = fixed.chars().take(most).collect();
    let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap_or(0).min(10_000);
    while value.chars().count() < least {
        value.push('x');
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::instance;

    #[test]
    fn an_instance_fits_its_schema() {
        for (schema, wanted) in [
            (json!({"type": "string"}), json!("t")),
            (json!({"type": ["null", "integer"], "minimum": 7}), json!(7)),
            (json!({"type": "number", "maximum": 0.5}), json!(0.5)),
            (json!({"enum": [null, "b"]}), json!("b")),
            (json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}), json!([true, true])),
            (
                json!({"type": "OBJECT", "properties": {"a": {"type": "STRING", "maxLength": 0}, "b": {"type": "INTEGER"}}, "required": ["a"]}),
                json!({"a": ""}),
            ),
            (json!({"properties": {"a": {"anyOf": [{"type": "null"}, {"format": "date", "type": "string"}]}}}), json!({"a": "2026-01-01"})),
            (json!({"$ref": "#/$defs/x", "$defs": {"x": {"const": 5}}}), json!(5)),
            (json!({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}), json!({"a": 1, "b": 2})),
        ] {
            assert_eq!(instance(&schema, "t"), wanted, "{schema}");
        }
    }

    #[test]
    fn a_schema_without_an_end_has_an_instance() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        assert!(instance(&schema, "t")["next"].is_object());
    }
}
