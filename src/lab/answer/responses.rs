//! The answer in OpenAI's Responses.

use serde_json::{Value, json};

use super::{CREATED, PROMPT_TOKENS, Parts, broken, named, pieces};
use crate::lab::ask::Ask;

pub(super) fn whole(ask: &Ask, serial: u64) -> Value {
    let pieces = pieces(&ask.said);
    finished(ask, serial, &pieces)
}

pub(super) fn stream(ask: &Ask, serial: u64) -> Parts {
    let pieces = pieces(&ask.said);
    let (item, text) = (item_id(serial), pieces.concat());
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
    let at = || json!({ "item_id": item, "output_index": 0, "content_index": 0 });
    let mut numbers = Numbers(0);
    let opening = vec![
        numbers.event("response.created", json!({ "response": response(ask, serial, "in_progress") })),
        numbers.event("response.in_progress", json!({ "response": response(ask, serial, "in_progress") })),
        numbers.event("response.output_item.added", json!({ "output_index": 0, "item": message(serial, "in_progress", &json!([])) })),
        numbers.event("response.content_part.added", with(at(), "part", part(""))),
    ];
    let delta =
        |piece: &String| numbers.event("response.output_text.delta", with(with(at(), "delta", json!(piece)), "logprobs", json!([])));
    let content: Vec<Vec<u8>> = pieces.iter().map(delta).collect();
    let closing = vec![
        numbers.event("response.output_text.done", with(with(at(), "text", json!(text)), "logprobs", json!([]))),
        numbers.event("response.content_part.done", with(at(), "part", part(&text))),
        numbers
            .event("response.output_item.done", json!({ "output_index": 0, "item": message(serial, "completed", &json!([part(&text)])) })),
    ];
    let terminal = Some(numbers.event("response.completed", json!({ "response": finished(ask, serial, &pieces) })));
    Parts { opening, garbage: content.first().map(|event| broken(event)).unwrap_or_default(), content, closing, terminal }
}

/// Numbers the events of one stream.
struct Numbers(u64);

impl Numbers {
    fn event(&mut self, kind: &str, mut value: Value) -> Vec<u8> {
        value["type"] = json!(kind);
        value["sequence_number"] = json!(self.0);
        self.0 += 1;
        named(&value)
    }
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn message(serial: u64, status: &str, content: &Value) -> Value {
    json!({ "id": item_id(serial), "type": "message", "role": "assistant", "status": status, "content": content })
}

fn finished(ask: &Ask, serial: u64, pieces: &[String]) -> Value {
    let part = json!({ "type": "output_text", "text": pieces.concat(), "annotations": [], "logprobs": [] });
    let mut response = response(ask, serial, "completed");
    response["output"] = json!([message(serial, "completed", &json!([part]))]);
    response["usage"] = json!({
        "input_tokens": PROMPT_TOKENS, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": pieces.len(), "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": PROMPT_TOKENS + pieces.len(),
    });
    response
}

fn response(ask: &Ask, serial: u64, status: &str) -> Value {
    json!({
        "id": format!("resp_lab{serial:08}"), "object": "response", "created_at": CREATED, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "model": ask.model, "output": [],
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": { "effort": null, "summary": null }, "store": false,
        "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": null, "user": null, "metadata": {},
    })
}

fn item_id(serial: u64) -> String {
    format!("msg_lab{serial:08}")
}
