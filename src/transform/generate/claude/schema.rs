//! JSON schemas as Anthropic takes them: Google's language put into JSON Schema, and strict schemas closed.

use crate::{
    protocol::json::{Fields, Node, ObjectWriter, object},
    transform::generate::canon::Schema,
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
/// Members of Google's that JSON Schema does not have.
const GOOGLES: &[&str] = &["nullable", "propertyOrdering", "example"];

/// How a schema is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rigor {
    /// As it stands.
    Open,
    /// Every object closed, bounds left out: what strict output takes.
    Closed,
}

struct Rewrite {
    google: bool,
    closed: bool,
    changed: bool,
}

/// Writes a schema; the second value says whether something was left out or added.
pub(super) fn write(schema: &Schema<'_>, rigor: Rigor) -> (String, bool) {
    let (json, google) = match schema {
        Schema::Json(json) => (json, false),
        Schema::Google(json) => (json, true),
    };
    if rigor == Rigor::Open && !google {
        return (json.get().to_owned(), false);
    }
    let mut rewrite = Rewrite { google, closed: rigor == Rigor::Closed, changed: false };
    let text = match Node::parse(json.get().as_bytes()) {
        Ok(node) => rewrite.schema(node),
        Err(_) => json.get().to_owned(),
    };
    (text, rewrite.changed)
}

/// The schema of a tool's input: an object, whatever the sender left out.
pub(super) fn input(schema: Option<&Schema<'_>>, rigor: Rigor) -> (String, bool) {
    let Some(schema) = schema else { return (r#"{"type":"object","properties":{}}"#.to_owned(), false) };
    let (text, changed) = write(schema, rigor);
    let Some(fields) = serde_json::from_str::<Fields<'_>>(&text).ok() else {
        return (r#"{"type":"object","properties":{}}"#.to_owned(), true);
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
    (String::from_utf8(out).unwrap_or_default(), changed || combined)
}

impl Rewrite {
    fn schema(&mut self, node: Node<'_>) -> String {
        let Some(mut fields) = node.object() else { return node.json().to_owned() };
        let nullable = self.google && fields.peek("nullable").and_then(Node::bool) == Some(true);
        let is_object = fields.peek_text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("object"));
        if self.closed && is_object && fields.peek("additionalProperties").and_then(Node::bool) != Some(false) {
            self.changed = true;
            fields.take("additionalProperties");
        }
        let closing = self.closed && is_object && fields.peek("additionalProperties").is_none();
        let mut out = Vec::with_capacity(node.json().len() + 32);
        object(&mut out, |o| {
            for (name, value) in fields.rest() {
                self.member(&name, value, nullable, o);
            }
            if closing {
                o.bool("additionalProperties", false);
            }
        });
        String::from_utf8(out).unwrap_or_default()
    }

    fn member(&mut self, name: &str, value: Node<'_>, nullable: bool, object: &mut ObjectWriter<'_>) {
        let left_out = (self.google && GOOGLES.contains(&name)) || (self.closed && BOUNDS.contains(&name));
        if left_out {
            self.changed |= self.closed && BOUNDS.contains(&name);
            return;
        }
        match name {
            "type" if self.google => kind(value, nullable, object),
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
                let name = if self.closed && name == "oneOf" { "anyOf" } else { name };
                object.array(name, |array| {
                    for schema in value.array().unwrap_or_default() {
                        array.json(&self.schema(schema));
                    }
                });
            }
            // Google writes 64-bit numbers as strings.
            _ if self.google && name.starts_with('m') => {
                let number = value.text().filter(|text| text.parse::<u64>().is_ok());
                object.json(name, number.as_deref().unwrap_or(value.json()));
            }
            _ => {
                object.raw(name, value.raw());
            }
        }
    }
}

/// A type in Google's capitals, and whether it may be null.
fn kind(value: Node<'_>, nullable: bool, object: &mut ObjectWriter<'_>) {
    let word = value.text().unwrap_or_default().to_ascii_lowercase();
    match (word.as_str(), nullable) {
        ("" | "type_unspecified", _) => {}
        (word, false) => {
            object.text("type", word);
        }
        (word, true) => {
            object.array("type", |array| {
                array.text(word).text("null");
            });
        }
    }
}
