//! The answer in Gemini's generateContent: server-sent events, or one JSON array that grows.

use serde_json::{Value, json};

use super::{PROMPT_TOKENS, Parts, broken, data, pieces};
use crate::lab::ask::{Ask, Form};

pub(super) fn whole(ask: &Ask, serial: u64) -> Value {
    let pieces = pieces(&ask.said);
    chunk(ask, serial, &pieces.concat(), (Some("STOP"), pieces.len()))
}

pub(super) fn stream(ask: &Ask, serial: u64) -> Parts {
    let pieces = pieces(&ask.said);
    let chunks: Vec<Value> = pieces.iter().enumerate().map(|(index, piece)| chunk(ask, serial, piece, (None, index + 1))).collect();
    let last = chunk(ask, serial, "", (Some("STOP"), pieces.len()));
    match ask.form {
        Form::Events => {
            let content: Vec<Vec<u8>> = chunks.iter().map(data).collect();
            let garbage = content.first().map(|event| broken(event)).unwrap_or_default();
            Parts { content, closing: vec![data(&last)], garbage, ..Parts::default() }
        }
        Form::Array => {
            let element = |(index, chunk): (usize, &Value)| format!("{}{chunk}", if index == 0 { "[" } else { ",\r\n" }).into_bytes();
            Parts {
                content: chunks.iter().enumerate().map(element).collect(),
                closing: vec![format!(",\r\n{last}").into_bytes()],
                terminal: Some(b"]\r\n".to_vec()),
                garbage: b",\r\n{\"candidates\":[\"garbage}".to_vec(),
                ..Parts::default()
            }
        }
    }
}

fn chunk(ask: &Ask, serial: u64, text: &str, (reason, tokens): (Option<&str>, usize)) -> Value {
    let mut candidate = json!({ "index": 0, "content": { "role": "model", "parts": [{ "text": text }] } });
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": PROMPT_TOKENS, "candidatesTokenCount": tokens, "totalTokenCount": PROMPT_TOKENS + tokens,
            "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": PROMPT_TOKENS }],
        },
        "modelVersion": ask.model, "responseId": format!("lab{serial:08}"),
    })
}
