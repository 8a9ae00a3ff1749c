//! Writes a script as Anthropic Messages: events, and the message that they add up to.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, named_event},
    chat::pieces,
    read::{Ask, claude, counted},
    script::{End, Script, words, write},
};

/// Answers a Messages request.
pub(super) fn answer(body: &Value) -> Result<Answer, Refusal> {
    let ask = claude(body)?;
    let events = events(&ask, &write(&ask));
    if body["stream"] == true { Ok(Answer::events(events.iter().map(named_event).collect())) } else { Ok(Answer::json(&fold(&events))) }
}

/// Counts the tokens of a request.
pub(super) fn count(body: &Value) -> Result<Answer, Refusal> {
    Ok(Answer::json(&json!({"input_tokens": counted(body)?.tokens.prompt})))
}

fn events(ask: &Ask, script: &Script) -> Vec<Value> {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": ask.seed.id("msg_"), "type": "message", "role": "assistant", "model": ask.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(script, 1),
    }})];
    let mut at = 0;
    let mut block = |opening: Value, deltas: Vec<Value>| {
        events.push(json!({"type": "content_block_start", "index": at, "content_block": opening}));
        if at == 0 {
            events.push(json!({"type": "ping"}));
        }
        events.extend(deltas.into_iter().map(|delta| json!({"type": "content_block_delta", "index": at, "delta": delta})));
        events.push(json!({"type": "content_block_stop", "index": at}));
        at += 1;
    };
    if let (Some(reasoning), Some(signature)) = (&script.reasoning, script.signature()) {
        let mut deltas: Vec<Value> = words(reasoning).map(|word| json!({"type": "thinking_delta", "thinking": word})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": signature}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    let mut end = &End::Done;
    for said in script.said.iter().take(1) {
        end = &said.end;
        if !said.text.is_empty() {
            block(json!({"type": "text", "text": ""}), words(&said.text).map(|word| json!({"type": "text_delta", "text": word})).collect());
        }
        for (place, call) in said.calls.iter().enumerate() {
            let input = call.input.to_string();
            let pieces = std::iter::once(String::new()).chain(pieces(&input));
            let deltas = pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
            block(json!({"type": "tool_use", "id": ask.seed.part("toolu_", place), "name": call.tool.name, "input": {}}), deltas);
        }
    }
    let (reason, sequence) = match end {
        End::Done => ("end_turn", Value::Null),
        End::Length => ("max_tokens", Value::Null),
        End::Stop(sequence) => ("stop_sequence", json!(sequence)),
        End::Calls => ("tool_use", Value::Null),
    };
    let mut spent = usage(script, script.tokens.output + script.tokens.reasoning);
    if let Some(spent) = spent.as_object_mut() {
        spent.remove("cache_creation");
        spent.remove("service_tier");
        if script.tokens.reasoning > 0 {
            spent.insert("output_tokens_details".into(), json!({"thinking_tokens": script.tokens.reasoning}));
        }
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": spent}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// Usage as Anthropic tells it: the prompt in three parts that exclude each other.
fn usage(script: &Script, output: u64) -> Value {
    let tokens = &script.tokens;
    let (short, long) = if tokens.long { (0, tokens.written) } else { (tokens.written, 0) };
    json!({
        "input_tokens": tokens.prompt - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written, "cache_read_input_tokens": tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output, "service_tier": "standard",
    })
}

/// The message that events add up to.
pub(super) fn fold(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        match event["type"].as_str() {
            Some("message_start") => message = event["message"].clone(),
            Some("content_block_start") => {
                blocks.push(event["content_block"].clone());
                input.clear();
            }
            Some("content_block_delta") => {
                let Some(block) = blocks.last_mut() else { continue };
                let delta = &event["delta"];
                for name in ["text", "thinking", "signature"] {
                    if let (Some(piece), Some(Value::String(whole))) = (delta[name].as_str(), block.get_mut(name)) {
                        whole.push_str(piece);
                    }
                }
                input.push_str(delta["partial_json"].as_str().unwrap_or(""));
            }
            Some("content_block_stop") => {
                if let (Some(block), false) = (blocks.last_mut(), input.is_empty()) {
                    block["input"] = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
                }
            }
            Some("message_delta") => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                for (name, value) in event["usage"].as_object().into_iter().flatten() {
                    message["usage"][name] = value.clone();
                }
            }
            Some(_) | None => {}
        }
    }
    message["content"] = blocks.into();
    message
}
