//! JSON Schema in Google's language, which has types in capitals, `nullable` in place of a union with null, and none of
//! `$ref`, `const`, `oneOf`, `additionalProperties` and their like. The way back is every dialect's: [`super::super::schema`].

use std::borrow::Cow;

use crate::{
    protocol::json::{Fields, Node, ObjectWriter, Shape, object},
    transform::Loss,
};

/// So deep goes a schema; references within may go round in circles.
const DEPTH: usize = 24;

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

    use super::{to_google, without_dialect};

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
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
