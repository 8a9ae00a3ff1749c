//! Providers' streams by hand, and the law of each dialect for what a client may read.

use gproxy::transform::generate::Dialect;
use serde_json::{Value, json};

/// What an answer says: words, then perhaps a call, its input in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says<'a> {
    pub(crate) words: &'a [&'a str],
    pub(crate) call: Option<(&'a str, &'a [&'a str])>,
}

impl Says<'_> {
    /// Its words, and its calls.
    pub(crate) fn all(&self) -> (String, Vec<(String, Value)>) {
        let call = |(name, input): (&str, &[&str])| (name.to_owned(), serde_json::from_str(&input.concat()).unwrap());
        (self.words.concat(), self.call.map(call).into_iter().collect())
    }
}

/// How a client of a dialect asks the route `smart`.
pub(crate) fn ask(client: Dialect) -> (&'static str, &'static str) {
    match client {
        Dialect::Chat => (
            "/v1/chat/completions",
            r#"{"model":"smart","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        ),
        Dialect::Responses => ("/v1/responses", r#"{"model":"smart","stream":true,"store":false,"max_output_tokens":99,"input":"hi"}"#),
        Dialect::Claude => {
            ("/v1/messages", r#"{"model":"smart","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#)
        }
        Dialect::Gemini => {
            ("/v1beta/models/smart:streamGenerateContent?alt=sse", r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#)
        }
    }
}

/// A provider's stream, event by event. The event that makes a call whole says `CALLED`, the one that makes the answer complete `END`.
pub(crate) fn stream(upstream: Dialect, says: &Says<'_>) -> Vec<String> {
    match upstream {
        Dialect::Chat => chat(says),
        Dialect::Responses => responses(says),
        Dialect::Claude => claude(says),
        Dialect::Gemini => gemini(says),
    }
}

fn chat(says: &Says<'_>) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let mut chunk = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        if !chunk["choices"][0]["finish_reason"].is_null() {
            chunk["system_fingerprint"] = json!("END");
        }
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(says.words.iter().map(|words| chunk(json!({"content": words}), Value::Null)));
    if let Some((name, input)) = says.call {
        let head = json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}});
        events.push(chunk(json!({"tool_calls": [head]}), Value::Null));
        let piece = |piece| chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), Value::Null);
        events.extend(input.iter().map(piece));
    }
    events.push(chunk(json!({}), json!(if says.call.is_some() { "tool_calls" } else { "stop" })));
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    let last = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage});
    events.push(format!("data: {last}\n\n"));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn claude(says: &Says<'_>) -> Vec<String> {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    });
    let delta = |index: usize, delta: Value| event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
    let start = |index: usize, block: Value| event(json!({"type": "content_block_start", "index": index, "content_block": block}));
    let mut events = vec![event(json!({"type": "message_start", "message": message})), start(0, json!({"type": "text", "text": ""}))];
    events.extend(says.words.iter().map(|words| delta(0, json!({"type": "text_delta", "text": words}))));
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    if let Some((name, input)) = says.call {
        events.push(start(1, json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": {}})));
        events.extend(input.iter().map(|piece| delta(1, json!({"type": "input_json_delta", "partial_json": piece}))));
        events.push(event(json!({"type": "content_block_stop", "index": 1, "note": "CALLED"})));
    }
    let reason = if says.call.is_some() { "tool_use" } else { "end_turn" };
    let stop = json!({"stop_reason": reason, "stop_sequence": null});
    events.push(event(json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 3}})));
    events.push(event(json!({"type": "message_stop", "note": "END"})));
    events
}

fn responses(says: &Says<'_>) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    let mut event = |kind: &str, mut value: Value| {
        value["type"] = json!(kind);
        value["sequence_number"] = json!(events.len());
        events.push(format!("event: {kind}\ndata: {value}\n\n"));
    };
    let response = |status: &str, output: Value, usage: Value| json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, "output": output, "usage": usage});
    let text = says.words.concat();
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let message =
        |status: &str, content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content});
    let at = |mut value: Value| {
        value["item_id"] = json!("msg_1");
        value["output_index"] = json!(0);
        value["content_index"] = json!(0);
        value
    };
    event("response.created", json!({"response": response("in_progress", json!([]), Value::Null)}));
    event("response.output_item.added", json!({"output_index": 0, "item": message("in_progress", json!([]))}));
    event("response.content_part.added", at(json!({"part": part("")})));
    for words in says.words {
        event("response.output_text.delta", at(json!({"delta": words})));
    }
    event("response.output_text.done", at(json!({"text": text})));
    event("response.content_part.done", at(json!({"part": part(&text)})));
    let mut output = vec![message("completed", json!([part(&text)]))];
    event("response.output_item.done", json!({"output_index": 0, "item": output[0]}));
    if let Some((name, input)) = says.call {
        let call = |status: &str, arguments: &str| json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": name, "arguments": arguments, "status": status});
        event("response.output_item.added", json!({"output_index": 1, "item": call("in_progress", "")}));
        for piece in input {
            event("response.function_call_arguments.delta", json!({"item_id": "fc_1", "output_index": 1, "delta": piece}));
        }
        event("response.function_call_arguments.done", json!({"item_id": "fc_1", "output_index": 1, "arguments": input.concat()}));
        event("response.output_item.done", json!({"output_index": 1, "item": call("completed", &input.concat()), "note": "CALLED"}));
        output.push(call("completed", &input.concat()));
    }
    let usage = json!({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10});
    event("response.completed", json!({"response": response("completed", json!(output), usage), "note": "END"}));
    events
}

fn gemini(says: &Says<'_>) -> Vec<String> {
    let chunk = |parts: Value, more: Value| {
        let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
        let mut chunk = json!({"modelVersion": "m", "responseId": "r-1"});
        if !more.is_null() {
            candidate["finishReason"] = json!("STOP");
            chunk["usageMetadata"] = more;
            chunk["note"] = json!("END");
        }
        chunk["candidates"] = json!([candidate]);
        chunk
    };
    let mut chunks: Vec<Value> = says.words.iter().map(|words| chunk(json!([{"text": words}]), Value::Null)).collect();
    if let Some((name, input)) = says.call {
        let args: Value = serde_json::from_str(&input.concat()).unwrap();
        let mut called = chunk(json!([{"functionCall": {"name": name, "args": args}}]), Value::Null);
        called["note"] = json!("CALLED");
        chunks.push(called);
    }
    chunks.push(chunk(json!([]), json!({"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10})));
    chunks.into_iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

/// What a whole answer says: its words, and its calls.
pub(crate) fn read(client: Dialect, body: &Value) -> (String, Vec<(String, Value)>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parsed = |value: &Value| serde_json::from_str(value.as_str().unwrap()).unwrap();
    let (mut words, mut calls) = (String::new(), Vec::new());
    match client {
        Dialect::Chat => {
            let message = &body["choices"][0]["message"];
            words.push_str(&text(&message["content"]));
            let call = |call: &Value| (text(&call["function"]["name"]), parsed(&call["function"]["arguments"]));
            calls.extend(list(&message["tool_calls"]).iter().map(call));
        }
        Dialect::Responses => {
            for item in list(&body["output"]) {
                for part in list(&item["content"]) {
                    words.push_str(&text(&part["text"]));
                }
                if item["type"] == "function_call" {
                    calls.push((text(&item["name"]), parsed(&item["arguments"])));
                }
            }
        }
        Dialect::Claude => {
            for block in list(&body["content"]) {
                words.push_str(&text(&block["text"]));
                if block["type"] == "tool_use" {
                    calls.push((text(&block["name"]), block["input"].clone()));
                }
            }
        }
        Dialect::Gemini => {
            for part in list(&body["candidates"][0]["content"]["parts"]) {
                words.push_str(&text(&part["text"]));
                if part["functionCall"].is_object() {
                    calls.push((text(&part["functionCall"]["name"]), part["functionCall"]["args"].clone()));
                }
            }
        }
    }
    (words, calls)
}

/// Whether a client's stream is one: one beginning, counted events and blocks, one end, one usage.
pub(crate) fn check(client: Dialect, stream: &str) -> Result<(), String> {
    let mut events = Vec::new();
    for event in stream.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':')) {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).ok_or_else(|| format!("an event without data: {event}"))?;
        if data != "[DONE]" {
            events.push(serde_json::from_str::<Value>(data).map_err(|error| format!("{error}: {data}"))?);
        }
    }
    let count = |fits: &dyn Fn(&Value) -> bool| events.iter().filter(|event| fits(event)).count();
    let is = |kind: &'static str| move |event: &Value| event["type"] == kind;
    let last = events.last().cloned().unwrap_or_default();
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    match client {
        Dialect::Chat => {
            must(stream.ends_with("data: [DONE]\n\n") && stream.matches("[DONE]").count() == 1, "one [DONE] at the end")?;
            must(count(&|event| event["choices"][0]["finish_reason"].is_string()) == 1, "one finish_reason")?;
            must(count(&|event| event["usage"].is_object()) == 1 && last["usage"].is_object(), "one usage at the end")?;
            must(count(&|event| event["id"] != events[0]["id"]) == 0, "one id")
        }
        Dialect::Responses => {
            let numbered = events.iter().zip(0_u64..).all(|(event, number)| event["sequence_number"] == number);
            must(numbered, "events counted from 0")?;
            must(count(&is("response.created")) == 1 && count(&is("response.completed")) == 1, "one beginning and one end")?;
            must(is("response.completed")(&last), "nothing behind the end")?;
            let opened = count(&is("response.output_item.added"));
            must(opened == count(&is("response.output_item.done")), "each item ends")
        }
        Dialect::Claude => {
            must(is("message_start")(&events[0]) && count(&is("message_start")) == 1, "one beginning")?;
            must(is("message_stop")(&last) && count(&is("message_stop")) == 1, "one end")?;
            must(count(&is("message_delta")) == 1, "one stop and usage")?;
            let indexes = |kind| events.iter().filter(|event| is(kind)(event)).map(|event| event["index"].as_u64()).collect::<Vec<_>>();
            let started = indexes("content_block_start");
            must(started.iter().zip(0..).all(|(index, number)| *index == Some(number)), "blocks counted from 0")?;
            must(started == indexes("content_block_stop"), "each block ends before the next one begins")
        }
        Dialect::Gemini => must(count(&|event| event["candidates"][0]["finishReason"].is_string()) == 1, "one finishReason"),
    }
}
