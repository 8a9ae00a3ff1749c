//! Schemas as JSON Schema: Google's language, where a sender wrote it, put into it.
//!
//! Google's has types in capitals, `nullable` in place of a union with null, an order of properties of its own, and numbers
//! that are written as strings.

use std::borrow::Cow;

use super::canon::Schema;
use crate::protocol::json::{Node, ObjectWriter, object};

/// So deep goes a schema; what lies deeper is copied.
const DEPTH: usize = 24;

/// A schema as the text of its JSON Schema. What is no object comes back as it is.
pub(super) fn json<'s>(schema: &'s Schema<'_>) -> Cow<'s, str> {
    match schema {
        Schema::Json(json) => Cow::Borrowed(json.get()),
        Schema::Google(json) => {
            let mut out = Vec::with_capacity(json.get().len() + 32);
            translate(Node::of(json), DEPTH, &mut out);
            Cow::Owned(String::from_utf8_lossy(&out).into_owned())
        }
    }
}

/// Any value that a schema stands for; what is none is copied.
fn translate(node: Node<'_>, depth: usize, out: &mut Vec<u8>) {
    let Some(mut fields) = node.object().filter(|_| depth > 0) else {
        out.extend_from_slice(node.json().as_bytes());
        return;
    };
    let nullable = fields.take("nullable").and_then(Node::bool).unwrap_or(false);
    let order = fields.take("propertyOrdering").or_else(|| fields.take("property_ordering"));
    let order: Vec<Cow<'_, str>> = order.and_then(Node::array).unwrap_or_default().into_iter().filter_map(Node::text).collect();
    object(out, |o| {
        for (name, value) in fields.rest() {
            member(&name, value, Within { nullable, order: &order, depth: depth - 1 }, o);
        }
    });
}

#[derive(Clone, Copy)]
struct Within<'w, 'a> {
    nullable: bool,
    order: &'w [Cow<'a, str>],
    depth: usize,
}

fn member(name: &str, value: Node<'_>, within: Within<'_, '_>, out: &mut ObjectWriter<'_>) {
    match name {
        "type" => kind(value, within.nullable, out),
        "format" => format(value, out),
        "enum" if within.nullable => choices(value, out),
        "properties" => properties(value, within, out),
        "items" | "additionalProperties" | "additional_properties" => {
            nested(out, if name == "items" { "items" } else { "additionalProperties" }, value, within.depth);
        }
        "anyOf" | "any_of" => each("anyOf", value, within, out),
        "prefixItems" | "prefix_items" => each("prefixItems", value, Within { nullable: false, ..within }, out),
        "defs" | "$defs" => properties_of("$defs", value, within.depth, out),
        "ref" => _ = out.raw("$ref", value.raw()),
        "example" => {
            out.array("examples", |a| {
                a.raw(value.raw());
            });
        }
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => number(name, value, out),
        "min_items" => number("minItems", value, out),
        "max_items" => number("maxItems", value, out),
        "min_length" => number("minLength", value, out),
        "max_length" => number("maxLength", value, out),
        "min_properties" => number("minProperties", value, out),
        "max_properties" => number("maxProperties", value, out),
        _ => _ = out.raw(name, value.raw()),
    }
}

fn nested(out: &mut ObjectWriter<'_>, name: &str, value: Node<'_>, depth: usize) {
    let mut inner = Vec::new();
    translate(value, depth, &mut inner);
    out.json(name, &String::from_utf8_lossy(&inner));
}

fn kind(value: Node<'_>, nullable: bool, out: &mut ObjectWriter<'_>) {
    let Some(word) = value.text().map(|word| word.to_ascii_lowercase()) else {
        out.raw("type", value.raw());
        return;
    };
    if word == "type_unspecified" {
        return;
    }
    if nullable && word != "null" {
        out.array("type", |a| {
            a.text(&word).text("null");
        });
    } else {
        out.text("type", &word);
    }
}

/// Google's formats of numbers say nothing that JSON Schema has a word for, and strict readers refuse them.
fn format(value: Node<'_>, out: &mut ObjectWriter<'_>) {
    if !matches!(value.text().as_deref(), Some("int32" | "int64" | "float" | "double" | "enum")) {
        out.raw("format", value.raw());
    }
}

fn choices(value: Node<'_>, out: &mut ObjectWriter<'_>) {
    let all = value.array().unwrap_or_default();
    out.array("enum", |a| {
        for choice in &all {
            a.raw(choice.raw());
        }
        if !all.iter().any(|choice| choice.is_null()) {
            a.json("null");
        }
    });
}

fn properties(value: Node<'_>, within: Within<'_, '_>, out: &mut ObjectWriter<'_>) {
    let Some(mut fields) = value.object() else { return };
    out.object("properties", |o| {
        for name in within.order {
            if let Some(schema) = fields.take(name) {
                nested(o, name, schema, within.depth);
            }
        }
        for (name, schema) in fields.rest() {
            nested(o, &name, schema, within.depth);
        }
    });
}

fn properties_of(name: &str, value: Node<'_>, depth: usize, out: &mut ObjectWriter<'_>) {
    let Some(fields) = value.object() else { return };
    out.object(name, |o| {
        for (name, schema) in fields.rest() {
            nested(o, &name, schema, depth);
        }
    });
}

fn each(name: &str, value: Node<'_>, within: Within<'_, '_>, out: &mut ObjectWriter<'_>) {
    out.array(name, |a| {
        for schema in value.array().unwrap_or_default() {
            let mut inner = Vec::new();
            translate(schema, within.depth, &mut inner);
            a.json(&String::from_utf8_lossy(&inner));
        }
        if within.nullable {
            a.json(r#"{"type":"null"}"#);
        }
    });
}

/// Numbers that protojson writes as strings.
fn number(name: &str, value: Node<'_>, out: &mut ObjectWriter<'_>) {
    match value.text().and_then(|text| text.parse().ok()) {
        Some(number) => _ = out.unsigned(name, number),
        None => _ = out.raw(name, value.raw()),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::{Value, value::RawValue};

    use super::{Schema, json};

    #[test]
    fn googles_language_becomes_json_schema() {
        let google = r#"{"type":"OBJECT","propertyOrdering":["b","a"],"nullable":true,"properties":{
            "a":{"type":"STRING","format":"enum","enum":["x","y"],"nullable":true},
            "b":{"type":"ARRAY","minItems":"1","items":{"type":"INTEGER","format":"int32"}},
            "type":{"any_of":[{"type":"NUMBER"},{"type":"BOOLEAN"}],"nullable":true}},"required":["a"]}"#;
        let google = Schema::Google(Cow::Owned(RawValue::from_string(google.to_owned()).unwrap()));
        let schema = json(&google);
        assert!(schema.find("\"b\"") < schema.find("\"a\""), "in the order that is asked for: {schema}");
        assert_eq!(
            serde_json::from_str::<Value>(&schema).unwrap(),
            serde_json::json!({"type": ["object", "null"], "required": ["a"], "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", "y", null]},
                "b": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
                "type": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
            }})
        );
    }
}
