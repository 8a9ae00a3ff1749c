//! Writes a script as Chat Completions: chunks, and the whole that they add up to.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, event},
    read::{Ask, chat},
    script::{CREATED, Call, End, Said, Script, Tokens, words, write},
};

/// Answers a Chat request.
pub(super) fn answer(body: &Value) -> Result<Answer, Refusal> {
    let ask = chat(body)?;
    let script = write(&ask);
    if body["stream"] != true {
        return Ok(Answer::json(&whole(&ask, &script)));
    }
    let mut events: Vec<_> = chunks(&ask, &script, body["stream_options"]["include_usage"] == true).iter().map(event).collect();
    events.push("data: [DONE]\n\n".into());
    Ok(Answer::events(events))
}

fn whole(ask: &Ask, script: &Script) -> Value {
    let choices = script.said.iter().enumerate().map(|(at, said)| {
        let content = if said.calls.is_empty() { json!(said.text) } else { Value::Null };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if !said.calls.is_empty() {
            message["tool_calls"] = said.calls.iter().enumerate().map(|(place, call)| tool_call(ask, call, (at, place))).collect();
        }
        json!({"index": at, "message": message, "logprobs": null, "finish_reason": reason(said)})
    });
    let choices: Vec<Value> = choices.collect();
    let mut whole = head(ask, "chat.completion");
    whole["choices"] = choices.into();
    whole["usage"] = usage(&script.tokens);
    whole
}

fn chunks(ask: &Ask, script: &Script, include_usage: bool) -> Vec<Value> {
    let chunk = |choices: Value| {
        let mut chunk = head(ask, "chat.completion.chunk");
        chunk["choices"] = choices;
        if include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let one =
        |at: usize, delta: Value, reason: Value| chunk(json!([{"index": at, "delta": delta, "logprobs": null, "finish_reason": reason}]));
    let mut chunks = Vec::new();
    for (at, said) in script.said.iter().enumerate() {
        let first = if said.calls.is_empty() { json!("") } else { Value::Null };
        chunks.push(one(at, json!({"role": "assistant", "content": first, "refusal": null}), Value::Null));
        chunks.extend(words(&said.text).map(|word| one(at, json!({"content": word}), Value::Null)));
        for (place, call) in said.calls.iter().enumerate() {
            let mut opening = tool_call(ask, call, (at, place));
            opening["index"] = place.into();
            let (holder, member) = if call.tool.custom { ("custom", "input") } else { ("function", "arguments") };
            opening[holder][member] = "".into();
            chunks.push(one(at, json!({"tool_calls": [opening]}), Value::Null));
            for piece in pieces(&call.text()) {
                chunks.push(one(at, json!({"tool_calls": [{"index": place, holder: {member: piece}}]}), Value::Null));
            }
        }
        chunks.push(one(at, json!({}), json!(reason(said))));
    }
    if include_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(&script.tokens);
        chunks.push(last);
    }
    chunks
}

fn head(ask: &Ask, object: &str) -> Value {
    json!({
        "id": ask.seed.id("chatcmpl-"), "object": object, "created": CREATED, "model": ask.model,
        "service_tier": "default", "system_fingerprint": "fp_demo",
    })
}

fn tool_call(ask: &Ask, call: &Call, (at, place): (usize, usize)) -> Value {
    let id = ask.seed.part("call_", at * 100 + place);
    if call.tool.custom {
        json!({"id": id, "type": "custom", "custom": {"name": call.tool.name, "input": call.text()}})
    } else {
        json!({"id": id, "type": "function", "function": {"name": call.tool.name, "arguments": call.text()}})
    }
}

/// Cuts arguments as a stream does, at no particular place.
pub(super) fn pieces(text: &str) -> Vec<String> {
    text.chars().collect::<Vec<_>>().chunks(12).map(|piece| piece.iter().collect()).collect()
}

fn reason(said: &Said) -> &'static str {
    match said.end {
        End::Done | End::Stop(_) => "stop",
        End::Length => "length",
        End::Calls => "tool_calls",
    }
}

/// Usage as Chat tells it: totals that include their parts.
pub(super) fn usage(tokens: &Tokens) -> Value {
    let completion = tokens.output + tokens.reasoning;
    json!({
        "prompt_tokens": tokens.prompt, "completion_tokens": completion, "total_tokens": tokens.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
