//! Items as lists of JSON texts: taken out of an input, joined to one, shown to whoever asks for them.

use serde_json::{Value, json};

use crate::protocol::json::{ArrayWriter, Node, Shape, array, object};

/// The most characters of an id.
pub(super) const LONGEST_ID: usize = 255;

/// The items of an input, each as it came; a text is the user's message. `None` where it is no input, which its reader will say.
pub(super) fn of_input(input: Option<&[u8]>) -> Option<Vec<String>> {
    let Some(input) = input else { return Some(Vec::new()) };
    let node = Node::parse(input).ok()?;
    match node.shape() {
        Shape::Null => Some(Vec::new()),
        Shape::Text => {
            let mut item = Vec::new();
            object(&mut item, |o| {
                o.text("type", "message").text("role", "user").raw("content", node.raw());
            });
            Some(vec![String::from_utf8(item).ok()?])
        }
        Shape::Array => Some(node.array()?.into_iter().map(|item| item.json().to_owned()).collect()),
        Shape::Bool | Shape::Number | Shape::Object => None,
    }
}

/// Items as an array.
pub(super) fn joined<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = Vec::new();
    array(&mut out, |a: &mut ArrayWriter<'_>| {
        for item in items {
            a.json(item);
        }
    });
    String::from_utf8(out).unwrap_or_default()
}

/// The id that an item is only named by.
pub(super) fn reference(item: &str) -> Option<String> {
    let fields = Node::parse(item.as_bytes()).ok()?.object()?;
    let named = match fields.peek_text("type") {
        Some(kind) => kind == "item_reference",
        None => fields.peek("role").is_none(),
    };
    fields.peek_text("id").filter(|_| named).map(std::borrow::Cow::into_owned)
}

/// The id that an item has of its own, where it can be kept under it.
pub(super) fn own_id(item: &str) -> Option<String> {
    let id = Node::parse(item.as_bytes()).ok()?.object()?.peek_text("id")?.into_owned();
    (!id.is_empty() && id.chars().count() <= LONGEST_ID).then_some(id)
}

/// An item as its list shows it: with an id, a type, and content in parts.
pub(super) fn shown(json: &str, id: &str) -> Value {
    let mut item: Value = serde_json::from_str(json).unwrap_or(Value::Null);
    if let Value::String(text) = item {
        item = json!({"role": "user", "content": text});
    }
    let Value::Object(members) = &mut item else { return item };
    members.insert("id".to_owned(), id.into());
    if members.get("type").is_none_or(Value::is_null) {
        members.insert("type".to_owned(), "message".into());
    }
    if members["type"] == "message" {
        let kind = if members.get("role").is_some_and(|role| role == "assistant") { "output_text" } else { "input_text" };
        if let Some(text) = members.get("content").and_then(Value::as_str).map(str::to_owned) {
            let mut part = json!({"type": kind, "text": text});
            if kind == "output_text" {
                part["annotations"] = json!([]);
            }
            members.insert("content".to_owned(), json!([part]));
        }
        members.entry("status").or_insert_with(|| "completed".into());
    }
    item
}

/// A list in the shape of every list of this family.
pub(super) fn list(data: Vec<Value>, has_more: bool) -> Value {
    let end = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    json!({"object": "list", "first_id": end(data.first()), "last_id": end(data.last()), "has_more": has_more, "data": data})
}

#[cfg(test)]
mod tests {
    use super::{of_input, reference, shown};

    #[test]
    fn an_input_is_a_text_or_items_and_nothing_else() {
        let message = r#"{"type":"message","role":"user","content":"h\u00e9"}"#.to_owned();
        for (input, items) in [
            (Some(r#""h\u00e9""#), Some(vec![message])),
            (Some(r#"[ {"a": 1} ,"b"]"#), Some(vec![r#"{"a": 1}"#.to_owned(), r#""b""#.to_owned()])),
            (Some("null"), Some(Vec::new())),
            (None, Some(Vec::new())),
            (Some("7"), None),
            (Some("{}"), None),
        ] {
            assert_eq!(of_input(input.map(str::as_bytes)), items, "{input:?}");
        }
    }

    #[test]
    fn an_item_is_named_by_its_type_or_by_having_an_id_alone() {
        for (item, id) in [
            (r#"{"type":"item_reference","id":"rs_1"}"#, Some("rs_1")),
            (r#"{"id":"rs_1"}"#, Some("rs_1")),
            (r#"{"type":null,"id":"rs_1"}"#, Some("rs_1")),
            (r#"{"role":"user","id":"msg_1","content":"x"}"#, None),
            (r#"{"type":"reasoning","id":"rs_1"}"#, None),
            (r#""text""#, None),
        ] {
            assert_eq!(reference(item).as_deref(), id, "{item}");
        }
    }

    #[test]
    fn an_item_is_shown_whole() {
        let item = shown(r#"{"role":"assistant","content":"hi"}"#, "msg_1");
        assert_eq!(
            item,
            serde_json::json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "hi", "annotations": []}]})
        );
    }
}
