//! The answer in Claude's Messages.

use serde_json::{Value, json};

use super::{PROMPT_TOKENS, Parts, broken, named, pieces};
use crate::lab::ask::Ask;

pub(super) fn whole(ask: &Ask, serial: u64) -> Value {
    let pieces = pieces(&ask.said);
    let mut message = message(ask, serial);
    message["content"] = json!([{ "type": "text", "text": pieces.concat(), "citations": null }]);
    message["stop_reason"] = json!("end_turn");
    message["usage"] = usage(pieces.len());
    message
}

pub(super) fn stream(ask: &Ask, serial: u64) -> Parts {
    let pieces = pieces(&ask.said);
    let delta =
        |piece: &String| named(&json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece } }));
    let content: Vec<Vec<u8>> = pieces.iter().map(delta).collect();
    Parts {
        opening: vec![
            named(&json!({ "type": "message_start", "message": message(ask, serial) })),
            named(&json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })),
            named(&json!({ "type": "ping" })),
        ],
        garbage: content.first().map(|event| broken(event)).unwrap_or_default(),
        content,
        closing: vec![
            named(&json!({ "type": "content_block_stop", "index": 0 })),
            named(&json!({
                "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": usage(pieces.len()),
            })),
        ],
        terminal: Some(named(&json!({ "type": "message_stop" }))),
    }
}

/// A message as it begins: no content, one token.
fn message(ask: &Ask, serial: u64) -> Value {
    json!({
        "id": format!("msg_lab{serial:08}"), "type": "message", "role": "assistant", "model": ask.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(1),
    })
}

fn usage(output: usize) -> Value {
    json!({
        "input_tokens": PROMPT_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": output,
        "service_tier": "standard",
    })
}
