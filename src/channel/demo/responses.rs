//! Writes a script as Responses: events, of which the last holds the whole.

use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refusal, named_event},
    chat::pieces,
    kept,
    read::{Ask, responses},
    script::{CREATED, Call, End, Script, Tokens, words, write},
};

/// Answers a Responses request.
pub(super) fn answer(body: &Value) -> Result<Answer, Refusal> {
    previous(body)?;
    let ask = responses(body)?;
    let events = events(&ask, &write(&ask), body);
    if body["stream"] == true {
        return Ok(Answer::events(events.iter().map(named_event).collect()));
    }
    let last = events.last().map_or(Value::Null, |last| last["response"].clone());
    Ok(Answer::json(&last))
}

/// Counts the tokens of a request.
pub(super) fn count(body: &Value) -> Result<Answer, Refusal> {
    let tokens = responses(body)?.tokens;
    Ok(Answer::json(&json!({"object": "response.input_tokens", "input_tokens": tokens.prompt})))
}

/// Makes a conversation short: one sealed item.
pub(super) fn compact(body: &Value) -> Result<Answer, Refusal> {
    let ask = responses(body)?;
    let mut tokens = ask.tokens;
    tokens.output = tokens.prompt.div_ceil(4);
    // The client's types take nothing but output items here, so what the user said last is sealed with the rest.
    let output = json!([
        {"type": "compaction", "id": ask.seed.part("cmp_", 1), "encrypted_content": ask.seed.id("demo-compaction-")},
    ]);
    let id = ask.seed.id("resp_");
    Ok(Answer::json(&json!({
        "id": id, "object": "response.compaction", "created_at": CREATED, "output": output, "usage": usage(&tokens),
    })))
}

fn previous(body: &Value) -> Result<(), Refusal> {
    match body["previous_response_id"].as_str() {
        Some(id) if kept::size("resp_", id).is_none() => {
            let refusal = Refusal::field("previous_response_id", format!("previous response with id {id:?} not found"));
            Err(Refusal { code: Some("previous_response_not_found"), ..refusal })
        }
        Some(_) | None => Ok(()),
    }
}

/// Builds the events with their numbers, and the output as it grows.
struct Writer {
    events: Vec<Value>,
    output: Vec<Value>,
}

impl Writer {
    fn push(&mut self, kind: &str, members: Value) {
        let mut event = Map::new();
        event.insert("type".into(), kind.into());
        event.insert("sequence_number".into(), self.events.len().into());
        if let Value::Object(members) = members {
            event.extend(members);
        }
        self.events.push(Value::Object(event));
    }

    /// An item: how it opens, what happens inside, and how it stands in the end.
    fn item(&mut self, opening: Value, inside: impl FnOnce(&mut Self, usize), whole: Value) {
        let at = self.output.len();
        self.push("response.output_item.added", json!({"output_index": at, "item": opening}));
        inside(self, at);
        self.push("response.output_item.done", json!({"output_index": at, "item": whole}));
        self.output.push(whole);
    }
}

fn events(ask: &Ask, script: &Script, body: &Value) -> Vec<Value> {
    let mut writer = Writer { events: Vec::new(), output: Vec::new() };
    let opening = response(ask, body, &[], None);
    writer.push("response.created", json!({"response": opening}));
    writer.push("response.in_progress", json!({"response": opening}));
    reasoning(&mut writer, ask, script, body);
    let mut end = &End::Done;
    for said in script.said.iter().take(1) {
        end = &said.end;
        if !said.text.is_empty() || said.calls.is_empty() {
            message(&mut writer, ask, &said.text, end);
        }
        for (place, call) in said.calls.iter().enumerate() {
            tool_call(&mut writer, ask, call, place);
        }
    }
    let done = response(ask, body, &writer.output, Some((end, &script.tokens)));
    let kind = if *end == End::Length { "response.incomplete" } else { "response.completed" };
    writer.push(kind, json!({"response": done}));
    writer.events
}

fn reasoning(writer: &mut Writer, ask: &Ask, script: &Script, body: &Value) {
    let Some(text) = &script.reasoning else { return };
    let id = ask.seed.part("rs_", 0);
    let mut opening = json!({"type": "reasoning", "id": id, "summary": []});
    let sealed = body["include"].as_array().is_some_and(|names| names.iter().any(|name| name == "reasoning.encrypted_content"));
    if let (true, Some(signature)) = (sealed, script.signature()) {
        opening["encrypted_content"] = signature.into();
    }
    let mut whole = opening.clone();
    let part = json!({"type": "summary_text", "text": text});
    whole["summary"] = json!([part]);
    writer.item(
        opening,
        |writer, at| {
            let place = json!({"item_id": id, "output_index": at, "summary_index": 0});
            writer.push("response.reasoning_summary_part.added", with(&place, json!({"part": {"type": "summary_text", "text": ""}})));
            for word in words(text) {
                writer.push("response.reasoning_summary_text.delta", with(&place, json!({"delta": word})));
            }
            writer.push("response.reasoning_summary_text.done", with(&place, json!({"text": text})));
            writer.push("response.reasoning_summary_part.done", with(&place, json!({"part": part})));
        },
        whole,
    );
}

fn message(writer: &mut Writer, ask: &Ask, text: &str, end: &End) {
    let id = ask.seed.part("msg_", 0);
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let item =
        |status: &str, content: Value| json!({"type": "message", "id": id, "role": "assistant", "status": status, "content": content});
    let status = if *end == End::Length { "incomplete" } else { "completed" };
    writer.item(
        item("in_progress", json!([])),
        |writer, at| {
            let place = json!({"item_id": id, "output_index": at, "content_index": 0});
            writer.push("response.content_part.added", with(&place, json!({"part": part("")})));
            for word in words(text) {
                writer.push("response.output_text.delta", with(&place, json!({"delta": word, "logprobs": []})));
            }
            writer.push("response.output_text.done", with(&place, json!({"text": text, "logprobs": []})));
            writer.push("response.content_part.done", with(&place, json!({"part": part(text)})));
        },
        item(status, json!([part(text)])),
    );
}

fn tool_call(writer: &mut Writer, ask: &Ask, call: &Call, place: usize) {
    let custom = call.tool.custom;
    let (kind, prefix, member) = if custom { ("custom_tool_call", "ctc_", "input") } else { ("function_call", "fc_", "arguments") };
    let id = ask.seed.part(prefix, place);
    let text = call.text();
    let item = |status: &str, text: &str| {
        let mut item = json!({"type": kind, "id": id, "call_id": ask.seed.part("call_", place), "name": call.tool.name, member: text});
        if !custom {
            item["status"] = status.into();
        }
        if let Some(namespace) = &call.tool.namespace {
            item["namespace"] = namespace.as_str().into();
        }
        item
    };
    let event = if custom { "response.custom_tool_call_input" } else { "response.function_call_arguments" };
    writer.item(
        item("in_progress", ""),
        |writer, at| {
            let place = json!({"item_id": id, "output_index": at});
            for piece in pieces(&text) {
                writer.push(&format!("{event}.delta"), with(&place, json!({"delta": piece})));
            }
            writer.push(&format!("{event}.done"), with(&place, json!({member: text})));
        },
        item("completed", &text),
    );
}

fn with(place: &Value, members: Value) -> Value {
    let mut whole = place.clone();
    if let (Value::Object(whole), Value::Object(members)) = (&mut whole, members) {
        whole.extend(members);
    }
    whole
}

/// The response object: in progress without an end.
fn response(ask: &Ask, body: &Value, output: &[Value], end: Option<(&End, &Tokens)>) -> Value {
    let (status, details) = match end {
        None => ("in_progress", Value::Null),
        Some((End::Length, _)) => ("incomplete", json!({"reason": "max_output_tokens"})),
        Some((End::Done | End::Stop(_) | End::Calls, _)) => ("completed", Value::Null),
    };
    let or = |name: &str, usual: Value| if body[name].is_null() { usual } else { body[name].clone() };
    json!({
        "id": kept::id("resp_", ask.seed.number()), "object": "response", "created_at": CREATED, "status": status,
        "background": false, "error": null, "incomplete_details": details, "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"], "metadata": or("metadata", json!({})), "model": ask.model, "output": output,
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)), "previous_response_id": body["previous_response_id"],
        "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": {"effort": body["reasoning"]["effort"], "summary": body["reasoning"]["summary"]},
        "safety_identifier": body["safety_identifier"], "service_tier": "default", "temperature": or("temperature", json!(1.0)),
        "text": text_config(&body["text"]), "tool_choice": or("tool_choice", json!("auto")), "tools": tools(&body["tools"]),
        "top_p": or("top_p", json!(1.0)), "truncation": or("truncation", json!("disabled")), "user": body["user"],
        "usage": end.map(|(_, tokens)| usage(tokens)),
    })
}

fn text_config(asked: &Value) -> Value {
    let mut config = if asked.is_object() { asked.clone() } else { json!({}) };
    if config["format"].is_null() {
        config["format"] = json!({"type": "text"});
    }
    config
}

/// The tools as they come back: with the members that a client may leave out.
fn tools(tools: &Value) -> Value {
    let mut tools = tools.as_array().cloned().unwrap_or_default();
    for tool in tools.iter_mut().filter(|tool| tool["type"] == "function") {
        if tool.get("strict").is_none() {
            tool["strict"] = true.into();
        }
        if tool.get("parameters").is_none() {
            tool["parameters"] = Value::Null;
        }
    }
    tools.into()
}

/// Usage as Responses tells it.
fn usage(tokens: &Tokens) -> Value {
    let output = tokens.output + tokens.reasoning;
    json!({
        "input_tokens": tokens.prompt, "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + output,
    })
}

/// A response as it was kept, of which only the id is known.
pub(super) fn stored(id: &str, status: &str) -> Result<Value, Refusal> {
    let body = json!({"model": "echo", "input": "This response was kept."});
    let ask = responses(&body)?;
    let mut whole = events(&ask, &write(&ask), &body).pop().map_or(Value::Null, |mut last| last["response"].take());
    whole["id"] = id.into();
    whole["status"] = status.into();
    Ok(whole)
}
