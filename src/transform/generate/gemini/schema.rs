//! Google's language of schemas and JSON Schema, each into the other.
//!
//! Google's has types in capitals, `nullable` in place of a union with null, an order of properties of its own, numbers that
//! are written as strings, and none of `$ref`, `const`, `oneOf`, `additionalProperties` and their like.

use std::borrow::Cow;

use crate::{
    protocol::json::{Fields, Node, ObjectWriter, Shape, object},
    transform::Loss,
};

/// So deep goes a schema; references within may go round in circles.
const DEPTH: usize = 24;

/// Google's language into JSON Schema. What is no object comes back as it is.
pub(in crate::transform::generate) fn to_json_schema(json: &str) -> String {
    let Some(node) = parse(json) else { return json.to_owned() };
    let mut out = Vec::with_capacity(json.len());
    lower_case(node, DEPTH, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// JSON Schema without the member that names its dialect.
pub(super) fn without_dialect(json: &str) -> Cow<'_, str> {
    let Some(mut fields) = json.contains("\"$schema\"").then(|| parse(json)).flatten().and_then(Node::object) else {
        return Cow::Borrowed(json);
    };
    if fields.take("$schema").is_none() {
        return Cow::Borrowed(json);
    }
    let mut out = Vec::with_capacity(json.len());
    object(&mut out, |o| {
        for (name, value) in fields.rest() {
            o.raw(&name, value.raw());
        }
    });
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn parse(json: &str) -> Option<Node<'_>> {
    Node::parse(json.as_bytes()).ok().filter(|node| node.shape() == Shape::Object)
}

/// Any value that a schema stands for; what is none is copied.
fn lower_case(node: Node<'_>, depth: usize, out: &mut Vec<u8>) {
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
        "anyOf" | "any_of" => any_of(value, within, out),
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
    lower_case(value, depth, &mut inner);
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

fn any_of(value: Node<'_>, within: Within<'_, '_>, out: &mut ObjectWriter<'_>) {
    out.array("anyOf", |a| {
        for schema in value.array().unwrap_or_default() {
            let mut inner = Vec::new();
            lower_case(schema, within.depth, &mut inner);
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

/// JSON Schema into Google's language. What it has no word for is lost at `path`.
pub(super) fn to_google(json: &str, path: &str, losses: &mut Vec<Loss>) -> String {
    let Some(node) = parse(json) else { return r#"{"type":"OBJECT"}"#.to_owned() };
    let mut capitals = Capitals { root: node, path, losses };
    let mut out = Vec::with_capacity(json.len());
    capitals.schema(node, DEPTH, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

struct Capitals<'a, 'l> {
    root: Node<'a>,
    path: &'l str,
    losses: &'l mut Vec<Loss>,
}

impl<'a> Capitals<'a, '_> {
    fn schema(&mut self, node: Node<'a>, depth: usize, out: &mut Vec<u8>) {
        let Some(mut fields) = self.resolved(node, depth).and_then(Node::object).filter(|_| depth > 0) else {
            out.extend_from_slice(br#"{"type":"STRING"}"#);
            return;
        };
        object(out, |o| {
            self.kind(&mut fields, o);
            for (name, value) in fields.rest() {
                self.member(&name, value, depth - 1, o);
            }
        });
    }

    /// What a reference refers to.
    fn resolved(&self, node: Node<'a>, depth: usize) -> Option<Node<'a>> {
        let Some(target) = node.object()?.peek_text("$ref") else { return Some(node) };
        if depth == 0 {
            return None;
        }
        let mut here = self.root;
        for step in target.strip_prefix("#/")?.split('/') {
            here = here.object()?.take(&step.replace("~1", "/").replace("~0", "~"))?;
        }
        self.resolved(here, depth - 1)
    }

    /// `type`, which may be a union with null, or follow from what else is said.
    fn kind(&mut self, fields: &mut Fields<'a>, out: &mut ObjectWriter<'_>) {
        let implied = || if fields.peek("properties").is_some() { "OBJECT" } else { "STRING" };
        let free = fields.peek("anyOf").is_some() || fields.peek("oneOf").is_some();
        let said = fields.peek("type");
        let all: Vec<Cow<'a, str>> =
            said.map_or_else(Vec::new, |node| node.array().unwrap_or_else(|| vec![node]).into_iter().filter_map(Node::text).collect());
        let real: Vec<&Cow<'a, str>> = all.iter().filter(|word| **word != "null").collect();
        match real.as_slice() {
            [] if free => {}
            [] => _ = out.text("type", implied()),
            [one, more @ ..] => {
                if !more.is_empty() {
                    self.losses.push(Loss::changed(format!("{}.type", self.path), "of several types Google takes the first"));
                }
                out.text("type", &one.to_ascii_uppercase());
            }
        }
        if real.len() < all.len() {
            out.bool("nullable", true);
        }
        if real.first().is_some_and(|word| **word == "array") && fields.peek("items").is_none() {
            out.object("items", |o| {
                o.text("type", "STRING");
            });
        }
        fields.take("type");
    }

    fn member(&mut self, name: &str, value: Node<'a>, depth: usize, out: &mut ObjectWriter<'_>) {
        match name {
            "properties" => {
                let members = value.object().map(Fields::rest).unwrap_or_default();
                out.object("properties", |o| {
                    for (name, schema) in members {
                        self.nested(&name, schema, depth, o);
                    }
                });
            }
            "items" => self.nested("items", value, depth, out),
            "anyOf" | "oneOf" => {
                out.array("anyOf", |a| {
                    for schema in value.array().unwrap_or_default() {
                        let mut inner = Vec::new();
                        self.schema(schema, depth, &mut inner);
                        a.json(&String::from_utf8_lossy(&inner));
                    }
                });
            }
            "const" if value.shape() == Shape::Text => {
                out.array("enum", |a| {
                    a.raw(value.raw());
                });
            }
            "enum" if value.array().is_some_and(|all| all.iter().all(|choice| choice.shape() == Shape::Text)) => {
                _ = out.raw(name, value.raw());
            }
            "title" | "description" | "default" | "format" | "pattern" | "minimum" | "maximum" | "minItems" | "maxItems" | "minLength"
            | "maxLength" | "minProperties" | "maxProperties" | "required" | "nullable" => _ = out.raw(name, value.raw()),
            // Names of schemas and of their dialect: what they stand for is written in their place.
            "$schema" | "$defs" | "definitions" | "$id" | "$ref" => {}
            _ => self.losses.push(Loss::dropped(format!("{}.{name}", self.path))),
        }
    }

    fn nested(&mut self, name: &str, value: Node<'a>, depth: usize, out: &mut ObjectWriter<'_>) {
        let mut inner = Vec::new();
        self.schema(value, depth, &mut inner);
        out.json(name, &String::from_utf8_lossy(&inner));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{to_google, to_json_schema, without_dialect};

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn googles_language_becomes_json_schema() {
        let google = r#"{"type":"OBJECT","propertyOrdering":["b","a"],"nullable":true,"properties":{
            "a":{"type":"STRING","format":"enum","enum":["x","y"],"nullable":true},
            "b":{"type":"ARRAY","minItems":"1","items":{"type":"INTEGER","format":"int32"}},
            "type":{"any_of":[{"type":"NUMBER"},{"type":"BOOLEAN"}],"nullable":true}},"required":["a"]}"#;
        let schema = to_json_schema(google);
        assert!(schema.find("\"b\"") < schema.find("\"a\""), "in the order that is asked for: {schema}");
        assert_eq!(
            value(&schema),
            json!({"type": ["object", "null"], "required": ["a"], "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", "y", null]},
                "b": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
                "type": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
            }})
        );
    }

    #[test]
    fn json_schema_becomes_googles_language() {
        let schema = r##"{"$schema":"x","type":"object","additionalProperties":false,"$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"v":{"const":"k"}}}},
            "properties":{"n":{"$ref":"#/$defs/node"},"s":{"type":["string","null"]},"l":{"type":"array"},"o":{"oneOf":[{"type":"integer"}]}}}"##;
        let mut losses = Vec::new();
        let google = value(&to_google(schema, "tools[0].parameters", &mut losses));
        assert_eq!(google["properties"]["s"], json!({"type": "STRING", "nullable": true}));
        assert_eq!(google["properties"]["l"], json!({"type": "ARRAY", "items": {"type": "STRING"}}));
        assert_eq!(google["properties"]["o"], json!({"anyOf": [{"type": "INTEGER"}]}));
        assert_eq!(google["properties"]["n"]["properties"]["v"], json!({"type": "STRING", "enum": ["k"]}));
        assert!(!google.to_string().contains("$ref") && !google.to_string().contains("additional"));
        assert_eq!(losses.len(), 1);
        assert_eq!(losses[0].path, "tools[0].parameters.additionalProperties");
    }

    #[test]
    fn only_the_name_of_the_dialect_is_taken_out() {
        assert_eq!(without_dialect(r#"{"$schema":"x","type":"object"}"#), r#"{"type":"object"}"#);
        let inner = r#"{"type":"object","properties":{"$schema":{"type":"string"}}}"#;
        assert_eq!(without_dialect(inner), inner);
    }
}
