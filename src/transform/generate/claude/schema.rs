//! JSON schemas as Anthropic takes them: a tool's is an object, and strict ones are closed.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    protocol::json::{Fields, Node, ObjectWriter, object},
    transform::generate::{canon::Schema, schema},
};

/// Combinations that Anthropic refuses at the top of a tool's schema.
const COMBINED: &[&str] = &["anyOf", "oneOf", "allOf"];
/// Bounds that a strict schema must not have.
const BOUNDS: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];
/// The schema of a tool that takes nothing.
const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// How a schema is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rigor {
    /// As it stands.
    Open,
    /// Every object closed, bounds left out: what strict output takes.
    Closed,
}

/// Writes a schema; the second value says whether something was left out or added.
pub(super) fn write<'s>(schema: &'s Schema<'_>, rigor: Rigor) -> (Cow<'s, str>, bool) {
    let text = schema::json(schema);
    if rigor == Rigor::Closed
        && let Ok(node) = Node::parse(text.as_bytes())
    {
        let mut closing = Closing { changed: false };
        return (Cow::Owned(closing.schema(node)), closing.changed);
    }
    (text, false)
}

/// The schema of a tool's input: an object, whatever the sender left out.
pub(super) fn input<'s>(schema: Option<&'s Schema<'_>>, rigor: Rigor) -> (Cow<'s, str>, bool) {
    let Some(schema) = schema else { return (Cow::Borrowed(EMPTY), false) };
    let (text, changed) = write(schema, rigor);
    let Some(fields) = serde_json::from_str::<Fields<'_>>(&text).ok() else {
        return (Cow::Borrowed(EMPTY), true);
    };
    let combined = COMBINED.iter().any(|name| fields.peek(name).is_some());
    if fields.peek_text("type").as_deref() == Some("object") && !combined {
        return (text, changed);
    }
    let mut out = Vec::with_capacity(text.len() + 24);
    object(&mut out, |o| {
        o.text("type", "object");
        for (name, value) in fields.rest() {
            if name != "type" && !COMBINED.contains(&&*name) {
                o.raw(&name, value.raw());
            }
        }
    });
    (Cow::Owned(String::from_utf8(out).unwrap_or_default()), changed || combined)
}

/// Whether a schema holds itself, which none that is strict may.
pub(super) fn is_recursive(schema: &Schema<'_>) -> bool {
    let Ok(root) = serde_json::from_str::<Value>(&schema::json(schema)) else { return false };
    descends(&root, &root, &mut Vec::new())
}

/// Whether a way down from `from` comes to one of the references that led to it. `done` holds those, by their names.
fn descends<'v>(root: &'v Value, from: &'v Value, done: &mut Vec<&'v str>) -> bool {
    match from {
        Value::Array(all) => all.iter().any(|one| descends(root, one, done)),
        Value::Object(members) => members.iter().any(|(name, value)| match (name.as_str(), value.as_str()) {
            // What is only defined is looked at where it is named.
            ("$defs" | "definitions", _) => false,
            ("$ref", Some(named)) if done.contains(&named) || named == "#" => true,
            ("$ref", Some(named)) => {
                let Some(target) = named.strip_prefix('#').and_then(|way| root.pointer(way)) else { return false };
                done.push(named);
                let found = descends(root, target, done);
                done.pop();
                found
            }
            _ => descends(root, value, done),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a schema's `type` is an object's, alone or among others (`["object", "null"]`).
fn says_object(kind: Node<'_>) -> bool {
    let is_it = |kind: Node<'_>| kind.text().as_deref() == Some("object");
    is_it(kind) || kind.array().is_some_and(|kinds| kinds.into_iter().any(is_it))
}

/// Closes every object of a schema and leaves bounds out.
struct Closing {
    changed: bool,
}

impl Closing {
    fn schema(&mut self, node: Node<'_>) -> String {
        let Some(mut fields) = node.object() else { return node.json().to_owned() };
        let is_object = fields.peek("type").is_some_and(says_object);
        if is_object && fields.peek("additionalProperties").and_then(Node::bool) != Some(false) {
            self.changed = true;
            fields.take("additionalProperties");
        }
        let closing = is_object && fields.peek("additionalProperties").is_none();
        let mut out = Vec::with_capacity(node.json().len() + 32);
        object(&mut out, |o| {
            for (name, value) in fields.rest() {
                self.member(&name, value, o);
            }
            if closing {
                o.bool("additionalProperties", false);
            }
        });
        String::from_utf8(out).unwrap_or_default()
    }

    fn member(&mut self, name: &str, value: Node<'_>, object: &mut ObjectWriter<'_>) {
        match name {
            _ if BOUNDS.contains(&name) => self.changed = true,
            // None and one are what it can count.
            "minItems" if value.unsigned().is_none_or(|least| least > 1) => self.changed = true,
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                let members = value.object().map(Fields::rest).unwrap_or_default();
                object.object(name, |inner| {
                    for (property, schema) in members {
                        inner.json(&property, &self.schema(schema));
                    }
                });
            }
            "items" | "not" | "additionalProperties" => {
                object.json(name, &self.schema(value));
            }
            "anyOf" | "allOf" | "oneOf" | "prefixItems" => {
                object.array(if name == "oneOf" { "anyOf" } else { name }, |array| {
                    for schema in value.array().unwrap_or_default() {
                        array.json(&self.schema(schema));
                    }
                });
            }
            _ => {
                object.raw(name, value.raw());
            }
        }
    }
}
