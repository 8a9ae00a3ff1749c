//! What a request asks of the provider.

use serde_json::Value;

use super::{Dialect, answer, wire::Request};

/// How a stream is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events.
    Events,
    /// One JSON array, element by element: Gemini's, where `alt=sse` is not asked for.
    Array,
}

/// Whole, or as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In one piece.
    Whole,
    /// As a stream.
    Stream,
}

/// A request as the provider understands it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) dialect: Dialect,
    pub(super) model: String,
    pub(super) delivery: Delivery,
    pub(super) form: Form,
    /// Whether a stream of chat completions shall end with its usage.
    pub(super) usage: bool,
    /// Whether the last turn is the assistant's, for the model to go on with.
    pub(super) prefill: bool,
    /// What the assistant has said of the answer so far.
    pub(super) said: String,
}

impl Ask {
    /// Reads a request; `None` where path or body are none of the four dialects'.
    pub(super) fn read(request: &Request) -> Option<Self> {
        if request.method != "POST" {
            return None;
        }
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let plain = |dialect, turns: &str| {
            let delivery = if body["stream"].as_bool() == Some(true) { Delivery::Stream } else { Delivery::Whole };
            let usage = body["stream_options"]["include_usage"].as_bool() == Some(true);
            let (prefill, said) = said(&body[turns], "content");
            Some(Self { dialect, model: body["model"].as_str()?.to_owned(), delivery, form: Form::Events, usage, prefill, said })
        };
        // Vendors put one prefix or another before it.
        if path.ends_with("/chat/completions") {
            plain(Dialect::Chat, "messages")
        } else if path.ends_with("/responses") {
            plain(Dialect::Responses, "input")
        } else if path.ends_with("/messages") {
            plain(Dialect::Claude, "messages")
        } else {
            gemini(path, query, &body)
        }
    }

    /// How many tokens the answer to it has.
    pub(super) fn tokens(&self) -> usize {
        answer::pieces(&self.said).len()
    }
}

fn gemini(path: &str, query: &str, body: &Value) -> Option<Ask> {
    let (model, method) = path.rsplit_once("/models/")?.1.rsplit_once(':')?;
    let delivery = match method {
        "generateContent" => Delivery::Whole,
        "streamGenerateContent" => Delivery::Stream,
        _ => return None,
    };
    let form = if query.split('&').any(|pair| pair == "alt=sse") { Form::Events } else { Form::Array };
    let model = percent_encoding::percent_decode_str(model).decode_utf8().ok()?.into_owned();
    let (prefill, said) = said(&body["contents"], "parts");
    Some(Ask { dialect: Dialect::Gemini, model, delivery, form, usage: true, prefill, said })
}

/// Whether the last turn is the assistant's, and what the assistant said last, if it said anything.
fn said(turns: &Value, content: &str) -> (bool, String) {
    let Some(turns) = turns.as_array() else { return (false, String::new()) };
    let by_assistant = |turn: &&Value| matches!(turn["role"].as_str(), Some("assistant" | "model"));
    let prefill = turns.last().as_ref().is_some_and(by_assistant);
    let text = turns.iter().rfind(by_assistant).map(|turn| text(&turn[content])).unwrap_or_default();
    (prefill, text)
}

/// The text of a turn: a string, or what its parts say.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}
