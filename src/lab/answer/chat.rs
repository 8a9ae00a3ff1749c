//! The answer in OpenAI's Chat Completions.

use serde_json::{Value, json};

use super::{CREATED, PROMPT_TOKENS, Parts, broken, data, pieces};
use crate::lab::ask::Ask;

pub(super) fn whole(ask: &Ask, serial: u64) -> Value {
    let pieces = pieces(&ask.said);
    json!({
        "id": id(serial), "object": "chat.completion", "created": CREATED, "model": ask.model, "system_fingerprint": "fp_lab",
        "service_tier": "default",
        "choices": [{
            "index": 0, "logprobs": null, "finish_reason": "stop",
            "message": { "role": "assistant", "content": pieces.concat(), "refusal": null, "annotations": [] },
        }],
        "usage": usage(pieces.len()),
    })
}

pub(super) fn stream(ask: &Ask, serial: u64) -> Parts {
    let pieces = pieces(&ask.said);
    let content: Vec<Vec<u8>> = pieces.iter().map(|piece| delta(ask, serial, &json!({ "content": piece }), &Value::Null)).collect();
    let mut closing = vec![delta(ask, serial, &json!({}), &json!("stop"))];
    if ask.usage {
        let mut last = chunk(ask, serial, &json!([]));
        last["usage"] = usage(pieces.len());
        closing.push(data(&last));
    }
    Parts {
        opening: vec![delta(ask, serial, &json!({ "role": "assistant", "content": "", "refusal": null }), &Value::Null)],
        garbage: content.first().map(|event| broken(event)).unwrap_or_default(),
        content,
        closing,
        terminal: Some(b"data: [DONE]\n\n".to_vec()),
    }
}

fn delta(ask: &Ask, serial: u64, delta: &Value, reason: &Value) -> Vec<u8> {
    data(&chunk(ask, serial, &json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }])))
}

fn chunk(ask: &Ask, serial: u64, choices: &Value) -> Value {
    let mut chunk = json!({
        "id": id(serial), "object": "chat.completion.chunk", "created": CREATED, "model": ask.model, "system_fingerprint": "fp_lab",
        "service_tier": "default", "choices": choices,
    });
    if ask.usage {
        chunk["usage"] = Value::Null;
    }
    chunk
}

fn usage(completion: usize) -> Value {
    json!({
        "prompt_tokens": PROMPT_TOKENS, "completion_tokens": completion, "total_tokens": PROMPT_TOKENS + completion,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn id(serial: u64) -> String {
    format!("chatcmpl-lab{serial:08}")
}
