//! Bodies and lists of calls about kept things, read and written.

use serde_json::{Value, json};

use super::{bad, items};
use crate::{
    pipeline::error::GatewayError,
    store::{
        persist::Page,
        record::{KeptItem, KeptRow},
    },
};

/// The most items that one call adds.
const MOST_ITEMS: usize = 20;
/// The most pairs of metadata, and how long their names and values are at most.
const METADATA: (usize, usize, usize) = (16, 64, 512);
/// How many items a list gives where nobody says, and at most.
const LISTED: (u64, u64) = (20, 100);

/// A body as an object; none is an empty one.
pub(super) fn object(body: &[u8]) -> Result<Value, GatewayError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(body).map_err(|fault| bad(format!("the body is no valid JSON ({fault})")))?;
    if value.is_object() { Ok(value) } else { Err(bad("the body is no JSON object")) }
}

/// A conversation as its client sees it.
pub(super) fn conversation(id: &str, created: u64, metadata: Value) -> Value {
    json!({"id": id, "object": "conversation", "created_at": created, "metadata": metadata})
}

/// The same out of its row.
pub(super) fn shown(row: &KeptRow) -> Value {
    serde_json::from_str(&row.body_json)
        .unwrap_or_else(|_| conversation(&row.id, u64::try_from(row.created_at / 1000).unwrap_or_default(), json!({})))
}

/// The metadata of a body: short texts by name.
pub(super) fn metadata(body: &Value) -> Result<Value, GatewayError> {
    let (most, longest_name, longest_value) = METADATA;
    let refused = |what: &str| {
        bad(format!(
            "\"metadata\" {what}; expected at most {most} texts of {longest_value} characters under names of {longest_name} characters"
        ))
        .at("metadata")
    };
    match &body["metadata"] {
        Value::Null => Ok(json!({})),
        Value::Object(members) if members.len() > most => Err(refused(&format!("has {} members", members.len()))),
        Value::Object(members) => {
            for (name, value) in members {
                let text = value.as_str().ok_or_else(|| refused(&format!("has {name:?}, which is no text")))?;
                if name.chars().count() > longest_name || text.chars().count() > longest_value {
                    return Err(refused(&format!("has {name:?}, which is too long")));
                }
            }
            Ok(body["metadata"].clone())
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(refused("is no object")),
    }
}

/// The items of a body, each as its JSON text; `limit` is the most bytes of all.
pub(super) fn items(body: &Value, limit: u64) -> Result<Vec<String>, GatewayError> {
    let list = match &body["items"] {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) if list.len() <= MOST_ITEMS => list,
        Value::Array(list) => return Err(bad(format!("\"items\" has {} items; expected at most {MOST_ITEMS}", list.len())).at("items")),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(bad("\"items\" is no array; expected items").at("items"));
        }
    };
    let mut texts = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        if !item["type"].is_string() && !item["role"].is_string() || item["type"] == "item_reference" {
            return Err(bad(format!("\"items[{at}]\" is no item; expected an object with a type or a role")).at(format!("items[{at}]")));
        }
        texts.push(item.to_string());
    }
    let size: usize = texts.iter().map(String::len).sum();
    if size as u64 > limit {
        return Err(bad(format!("\"items\" has {size} bytes; expected at most {limit}")).at("items"));
    }
    Ok(texts)
}

/// The page that a query asks for; lists begin with the newest.
pub(super) fn page(query: &str) -> Result<Page, GatewayError> {
    let mut page = Page { after: None, newest_first: true, limit: LISTED.0 };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LISTED.1).contains(limit));
                page.limit = limit.ok_or_else(|| bad(format!("\"limit\" is {value:?}; expected 1 to {}", LISTED.1)).at("limit"))?;
            }
            "order" => match &*value {
                "asc" => page.newest_first = false,
                "desc" => page.newest_first = true,
                _ => return Err(bad(format!("\"order\" is {value:?}; expected asc or desc")).at("order")),
            },
            "after" => page.after = Some(value.into_owned()).filter(|after| !after.is_empty()),
            _ => {}
        }
    }
    Ok(page)
}

/// A list of at most `limit` items.
pub(super) fn list(found: impl Iterator<Item = KeptItem>, limit: u64) -> Value {
    let mut found = found.map(|item| items::shown(&item.json, &item.id));
    let data: Vec<Value> = found.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    items::list(data, found.next().is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{items, metadata, object, page};

    #[test]
    fn what_is_no_conversation_is_refused_in_words() {
        let long = "x".repeat(513);
        let many: serde_json::Map<_, _> = (0..17).map(|at| (at.to_string(), "x".into())).collect();
        for (given, word) in [
            (json!([]), "is no object"),
            (json!({"a": 1}), "\"a\", which is no text"),
            (json!({"a": long}), "\"a\", which is too long"),
            (many.into(), "has 17 members"),
        ] {
            let refused = metadata(&json!({"metadata": given})).unwrap_err();
            assert!(refused.public.contains(word), "{refused}");
        }
        for (given, word) in [
            (json!("x"), "is no array"),
            (json!(vec![json!({"role": "user"}); 21]), "has 21 items"),
            (json!([{"id": "x"}]), "\"items[0]\" is no item"),
            (json!([{"role": "user", "content": long}]), "expected at most 300"),
        ] {
            let refused = items(&json!({"items": given}), 300).unwrap_err();
            assert!(refused.public.contains(word), "{refused}");
        }
        assert!(object(b"[]").is_err() && object(b"{").is_err() && object(b" \n").is_ok());
    }

    #[test]
    fn a_page_is_read_and_its_bounds_are_said() {
        let read = page("limit=2&order=asc&after=m%5F1&include=x").unwrap();
        assert_eq!((read.after.as_deref(), read.newest_first, read.limit), (Some("m_1"), false, 2));
        for query in ["limit=0", "limit=101", "limit=x", "order=up"] {
            assert!(page(query).is_err(), "{query}");
        }
    }
}
