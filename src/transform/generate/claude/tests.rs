//! The laws of the dialect, on hand-made scenarios and on recorded exchanges; its rules one by one.

mod answers;
mod laws;
mod requests;
mod streams;
mod turns;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Claude;
use crate::{
    protocol::json::Node,
    transform::{
        Loss,
        generate::{
            Dialect,
            canon::{Block, Part, Request, Rest, Role, Turn},
            spoke::{Asked, Spoke, Target},
            testing::value,
        },
    },
};

/// The scenarios' folder.
fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate/claude"))
}

/// A scenario's file.
fn fixture(scenario: &str, file: &str) -> String {
    let path = fixtures().join(scenario).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// Every scenario with a request.
fn scenarios() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut all: Vec<String> = names.filter(|name| name != "errors").collect();
    all.sort();
    assert!(all.len() > 30, "{all:?}");
    all
}

/// A request of Claude's.
fn lift(body: &str) -> Request<'_> {
    let node = Node::parse(body.as_bytes()).unwrap();
    let mut fields = node.object().unwrap();
    let model = fields.take("model").and_then(Node::text).map_or("claude-opus-4-6", |model| Box::leak(model.into_owned().into_boxed_str()));
    let streams = fields.take("stream").and_then(Node::bool).unwrap_or(false);
    Claude.lift_request(node, Asked { model, streams, goes_on_from: None }).unwrap()
}

/// A request lowered, and its losses as `path: note`.
fn lower(request: &Request<'_>) -> (Value, Vec<String>) {
    let mut losses = Vec::new();
    let body = Claude.lower_request(request, Target::default(), &mut losses).unwrap();
    (value(&body), words(&losses))
}

fn words(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(|loss| format!("{} {}", loss.path, loss.kind.id())).collect()
}

/// A request of another dialect: made of Claude's words, then signed over.
fn foreign(from: Dialect, model: &'static str) -> Request<'static> {
    let mut request = lift(r#"{"messages": [{"role": "user", "content": "Hi."}]}"#);
    request.from = from;
    request.model = model.into();
    request
}

fn block(part: Part<'static>) -> Block<'static> {
    super::lift_block::plain(part, 0)
}

fn text(words: &'static str) -> Block<'static> {
    block(Part::Text { text: words.into(), citations: Vec::new() })
}

fn turn(role: Role, at: usize, blocks: Vec<Block<'static>>) -> Turn<'static> {
    Turn { role, blocks, at, id: None, name: None, rest: Rest::default() }
}

/// A request in its normal form: what means the same is written the same way. Strings are blocks of text, what is null is
/// absent, `stream: false`, `type: custom` and a direct caller say nothing, nor does a choice without tools, and turns
/// of one role are one.
fn normal(mut request: Value) -> Value {
    if request["stream"] == json!(false) {
        request.as_object_mut().unwrap().remove("stream");
    }
    if request.get("tools").is_none_or(|tools| tools == &json!([])) {
        request.as_object_mut().unwrap().remove("tool_choice");
        request.as_object_mut().unwrap().remove("tools");
    }
    for tool in request["tools"].as_array_mut().into_iter().flatten() {
        if tool["type"] == json!("custom") {
            tool.as_object_mut().unwrap().remove("type");
        }
    }
    blocks(&mut request["system"]);
    let mut messages: Vec<Value> = Vec::new();
    for mut message in request["messages"].as_array().cloned().unwrap_or_default() {
        blocks(&mut message["content"]);
        match messages.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => {
                let more = message["content"].as_array().cloned().unwrap();
                last["content"].as_array_mut().unwrap().extend(more);
            }
            None => messages.push(message),
        }
    }
    request["messages"] = messages.into();
    request.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    request
}

fn blocks(content: &mut Value) {
    if let Some(text) = content.as_str() {
        *content = if text.is_empty() { json!([]) } else { json!([{"type": "text", "text": text}]) };
    }
    for block in content.as_array_mut().into_iter().flatten() {
        if block["type"].as_str().is_some_and(|kind| !kind.starts_with("tool_") && kind.contains("tool_")) {
            continue;
        }
        if block["caller"]["type"] == json!("direct") {
            block["caller"] = Value::Null;
        }
        if block["type"] == json!("tool_result") {
            blocks(&mut block["content"]);
        }
        block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
}
