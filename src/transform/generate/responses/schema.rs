//! JSON Schema out of Google's language for schemas.

use std::borrow::Cow;

use super::super::canon::Schema;
use crate::protocol::json::{Fields, Node, ObjectWriter, Shape, array, object, text};

/// A schema as JSON Schema text.
pub(super) fn json<'s>(schema: &'s Schema<'_>) -> Cow<'s, str> {
    match schema {
        Schema::Json(json) => Cow::Borrowed(json.get()),
        Schema::Google(json) => {
            let mut out = Vec::with_capacity(json.get().len() + 16);
            match Node::parse(json.get().as_bytes()) {
                Ok(node) => convert(node, &mut out),
                Err(_) => out.extend_from_slice(json.get().as_bytes()),
            }
            String::from_utf8(out).map_or(Cow::Borrowed("{}"), Cow::Owned)
        }
    }
}

fn convert(schema: Node<'_>, out: &mut Vec<u8>) {
    let Some(mut fields) = schema.object() else {
        out.extend_from_slice(schema.json().as_bytes());
        return;
    };
    let nullable = fields.take("nullable").and_then(Node::bool) == Some(true);
    fields.take("propertyOrdering");
    object(out, |o| members(fields, nullable, o));
}

fn members(mut fields: Fields<'_>, nullable: bool, o: &mut ObjectWriter<'_>) {
    if let Some(kind) = fields.take("type").and_then(Node::text) {
        let kind = kind.to_ascii_lowercase();
        if nullable {
            o.array("type", |a| {
                a.text(&kind).text("null");
            });
        } else {
            o.text("type", &kind);
        }
    }
    for (name, value) in fields.rest() {
        match &*name {
            "properties" | "defs" | "$defs" => {
                o.json(&name, &written(|out| each_member(value, out)));
            }
            "items" | "additionalProperties" if value.shape() == Shape::Object => {
                o.json(&name, &written(|out| convert(value, out)));
            }
            "anyOf" | "prefixItems" => {
                o.json(&name, &written(|out| each_element(value, out)));
            }
            // Google writes 64-bit whole numbers as strings.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                let number = value.text().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty());
                o.json(&name, number.as_deref().unwrap_or(value.json()));
            }
            _ => {
                o.raw(&name, value.raw());
            }
        }
    }
}

fn written(fill: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    fill(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn each_member(map: Node<'_>, out: &mut Vec<u8>) {
    let fields = map.object().unwrap_or_default();
    out.push(b'{');
    for (at, (name, value)) in fields.rest().into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, &name);
        out.push(b':');
        convert(value, out);
    }
    out.push(b'}');
}

fn each_element(list: Node<'_>, out: &mut Vec<u8>) {
    array(out, |a| {
        for value in list.array().unwrap_or_default() {
            a.json(&written(|out| convert(value, out)));
        }
    });
}
