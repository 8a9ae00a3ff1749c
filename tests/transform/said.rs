//! What a body says, read by eyes that know nothing of the converter: words, calls, results, media, the end, the bill.

use std::collections::BTreeMap;

use gproxy::transform::generate::Dialect;
use serde_json::{Value, json};

/// What a request or an answer says, whatever its dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// All words that the model reads or writes, in order, joined.
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Calls: name and input.
    pub(crate) calls: Vec<(String, Value)>,
    /// Results of calls, as words.
    pub(crate) results: Vec<String>,
    /// Pictures, sounds, documents.
    pub(crate) media: usize,
    /// Names of the caller's own tools.
    pub(crate) tools: Vec<String>,
    /// `end`, `calls`, `length`, `filter`, or empty where nothing is said.
    pub(crate) stop: String,
    /// Prompt, completion, read from cache, reasoning.
    pub(crate) usage: Option<[u64; 4]>,
}

pub(crate) fn request(dialect: Dialect, body: &Value) -> Said {
    let mut said = Said::default();
    match dialect {
        Dialect::Chat => {
            for message in list(&body["messages"]) {
                chat_message(message, &mut said);
            }
            said.tools =
                list(&body["tools"]).iter().filter_map(|tool| word(&tool["function"]["name"]).or(word(&tool["custom"]["name"]))).collect();
        }
        Dialect::Responses => {
            words(&body["instructions"], &mut said.text);
            match &body["input"] {
                Value::String(text) => said.text.push_str(text),
                input => list(input).iter().for_each(|item| responses_item(item, &mut said)),
            }
            said.tools = list(&body["tools"])
                .iter()
                .filter(|tool| tool["type"] == "function" || tool["type"] == "custom")
                .filter_map(|tool| word(&tool["name"]))
                .collect();
        }
        Dialect::Claude => {
            claude_content(&body["system"], &mut said);
            for message in list(&body["messages"]) {
                claude_content(&message["content"], &mut said);
            }
            said.tools = list(&body["tools"])
                .iter()
                .filter(|tool| tool["input_schema"].is_object())
                .filter_map(|tool| word(&tool["name"]))
                .collect();
        }
        Dialect::Gemini => {
            gemini_parts(&member(body, "systemInstruction", "system_instruction")["parts"], &mut said);
            for content in list(&body["contents"]) {
                gemini_parts(&content["parts"], &mut said);
            }
            let tools = &body["tools"];
            for tool in if tools.is_object() { std::slice::from_ref(tools) } else { list(tools) } {
                let declared = list(member(tool, "functionDeclarations", "function_declarations"));
                said.tools.extend(declared.iter().filter_map(|declared| word(&declared["name"])));
            }
        }
    }
    said
}

pub(crate) fn answer(dialect: Dialect, body: &Value) -> Said {
    let mut said = Said::default();
    match dialect {
        Dialect::Chat => {
            for choice in list(&body["choices"]) {
                chat_message(&choice["message"], &mut said);
                said.stop = stop(choice["finish_reason"].as_str());
            }
            let usage = &body["usage"];
            said.usage = figures(
                usage,
                [
                    &usage["prompt_tokens"],
                    &usage["completion_tokens"],
                    &usage["prompt_tokens_details"]["cached_tokens"],
                    &usage["completion_tokens_details"]["reasoning_tokens"],
                ],
            );
        }
        Dialect::Responses => {
            for item in list(&body["output"]) {
                responses_item(item, &mut said);
            }
            said.stop = match (body["status"].as_str(), body["incomplete_details"]["reason"].as_str()) {
                (Some("incomplete"), reason) => stop(reason),
                (Some("completed" | "complete"), _) if !said.calls.is_empty() => "calls".into(),
                // Recordings written by hand say it shorter.
                (Some("completed" | "complete"), _) => "end".into(),
                (other, _) => format!("{other:?}"),
            };
            let usage = &body["usage"];
            said.usage = figures(
                usage,
                [
                    &usage["input_tokens"],
                    &usage["output_tokens"],
                    &usage["input_tokens_details"]["cached_tokens"],
                    &usage["output_tokens_details"]["reasoning_tokens"],
                ],
            );
        }
        Dialect::Claude => {
            claude_content(&body["content"], &mut said);
            said.stop = stop(body["stop_reason"].as_str());
            let usage = &body["usage"];
            said.usage = figures(
                usage,
                [
                    &usage["input_tokens"],
                    &usage["output_tokens"],
                    &usage["cache_read_input_tokens"],
                    &usage["output_tokens_details"]["thinking_tokens"],
                ],
            )
            .map(|[input, output, read, thinking]| [input + read + figure(&usage["cache_creation_input_tokens"]), output, read, thinking]);
        }
        Dialect::Gemini => {
            for candidate in list(&body["candidates"]) {
                gemini_parts(&candidate["content"]["parts"], &mut said);
                let calls = !said.calls.is_empty() && candidate["finishReason"] == "STOP";
                said.stop = if calls { "calls".into() } else { stop(candidate["finishReason"].as_str()) };
            }
            if body["promptFeedback"]["blockReason"].is_string() {
                said.stop = "filter".into();
            }
            let usage = &body["usageMetadata"];
            said.usage = figures(
                usage,
                [
                    &usage["promptTokenCount"],
                    &usage["candidatesTokenCount"],
                    &usage["cachedContentTokenCount"],
                    &usage["thoughtsTokenCount"],
                ],
            )
            .map(|[prompt, candidates, read, thoughts]| {
                [prompt + figure(&usage["toolUsePromptTokenCount"]), candidates + thoughts, read, thoughts]
            });
        }
    }
    said
}

fn stop(reason: Option<&str>) -> String {
    match reason {
        Some("stop" | "end_turn" | "stop_sequence" | "STOP" | "pause_turn") => "end",
        Some("tool_calls" | "function_call" | "tool_use") => "calls",
        Some("length" | "max_tokens" | "MAX_TOKENS" | "max_output_tokens" | "model_context_window_exceeded") => "length",
        Some("content_filter" | "refusal" | "SAFETY" | "PROHIBITED_CONTENT" | "RECITATION" | "BLOCKLIST" | "SPII") => "filter",
        Some(other) => other,
        None => "",
    }
    .to_owned()
}

fn figures(usage: &Value, figures: [&Value; 4]) -> Option<[u64; 4]> {
    usage.is_object().then(|| figures.map(figure))
}

fn figure(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn words(value: &Value, into: &mut String) {
    if let Some(text) = value.as_str() {
        into.push_str(text);
    }
}

/// Arguments as a value; no arguments and an empty object are the same.
fn input(text: &Value) -> Value {
    match text {
        Value::String(text) if text.trim().is_empty() => json!({}),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        Value::Null => json!({}),
        other => other.clone(),
    }
}

fn chat_message(message: &Value, said: &mut Said) {
    words(&message["reasoning_content"], &mut said.reasoning);
    let mut here = String::new();
    match &message["content"] {
        Value::String(text) => here.push_str(text),
        parts => {
            for part in list(parts) {
                words(&part["text"], &mut here);
                words(&part["refusal"], &mut here);
                said.media += usize::from(["image_url", "input_audio", "file"].iter().any(|kind| part["type"] == *kind));
            }
        }
    }
    words(&message["refusal"], &mut here);
    // Words that are spoken.
    if here.is_empty() {
        words(&message["audio"]["transcript"], &mut here);
    }
    if message["role"] == "tool" {
        said.results.push(here);
    } else {
        said.text.push_str(&here);
    }
    for call in list(&message["tool_calls"]) {
        let (function, custom) = (&call["function"], &call["custom"]);
        match word(&function["name"]) {
            Some(name) => said.calls.push((name, input(&function["arguments"]))),
            None => said.calls.push((word(&custom["name"]).unwrap_or_default(), custom["input"].clone())),
        }
    }
}

fn responses_item(item: &Value, said: &mut Said) {
    match item["type"].as_str().unwrap_or("message") {
        "message" => responses_content(&item["content"], &mut said.text, &mut said.media),
        "function_call" => said.calls.push((word(&item["name"]).unwrap_or_default(), input(&item["arguments"]))),
        "custom_tool_call" => said.calls.push((word(&item["name"]).unwrap_or_default(), item["input"].clone())),
        "function_call_output" | "custom_tool_call_output" => {
            let mut here = String::new();
            responses_content(&item["output"], &mut here, &mut said.media);
            said.results.push(here);
        }
        "reasoning" => {
            for part in list(&item["summary"]).iter().chain(list(&item["content"])) {
                words(&part["text"], &mut said.reasoning);
            }
        }
        _ => {}
    }
}

fn responses_content(content: &Value, text: &mut String, media: &mut usize) {
    match content {
        Value::String(whole) => text.push_str(whole),
        parts => {
            for part in list(parts) {
                words(&part["text"], text);
                words(&part["refusal"], text);
                *media += usize::from(["input_image", "input_file", "input_audio"].iter().any(|kind| part["type"] == *kind));
            }
        }
    }
}

fn claude_content(content: &Value, said: &mut Said) {
    match content {
        Value::String(text) => said.text.push_str(text),
        blocks => {
            for block in list(blocks) {
                match block["type"].as_str().unwrap_or_default() {
                    "text" => words(&block["text"], &mut said.text),
                    "thinking" => words(&block["thinking"], &mut said.reasoning),
                    "image" | "document" => said.media += 1,
                    "tool_use" => said.calls.push((word(&block["name"]).unwrap_or_default(), block["input"].clone())),
                    "tool_result" => {
                        let mut inner = Said::default();
                        claude_content(&block["content"], &mut inner);
                        said.media += inner.media;
                        said.results.push(inner.text);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn gemini_parts(parts: &Value, said: &mut Said) {
    for part in list(parts) {
        if part["thought"] == true {
            words(&part["text"], &mut said.reasoning);
            continue;
        }
        words(&part["text"], &mut said.text);
        said.media += usize::from(is_medium(part));
        let call = member(part, "functionCall", "function_call");
        if let Some(name) = word(&call["name"]) {
            said.calls.push((name, input(&call["args"])));
        }
        let result = member(part, "functionResponse", "function_response");
        if result.is_object() {
            let response = &result["response"];
            let words = ["output", "result", "error", "content"].iter().find_map(|member| word(&response[*member]));
            said.results.push(words.unwrap_or_else(|| response.to_string()));
            said.media += list(&result["parts"]).iter().filter(|part| is_medium(part)).count();
        }
    }
}

fn is_medium(part: &Value) -> bool {
    member(part, "inlineData", "inline_data").is_object() || member(part, "fileData", "file_data").is_object()
}

/// Google takes its members in either spelling.
fn member<'a>(of: &'a Value, camel: &str, snake: &str) -> &'a Value {
    if of[camel].is_null() { &of[snake] } else { &of[camel] }
}

/// The whole answer that a stream makes, put together from its pieces. `None` where it ends with an error.
pub(crate) fn whole(dialect: Dialect, stream: &str) -> Option<Value> {
    let events = events(stream);
    match dialect {
        Dialect::Chat => chat_whole(&events),
        Dialect::Responses => responses_whole(&events),
        Dialect::Claude => claude_whole(&events),
        Dialect::Gemini => gemini_whole(&events),
    }
}

/// The same for a stream that may have been cut: `None` where it did not earn its end.
pub(crate) fn whole_or_none(dialect: Dialect, stream: &str) -> Option<Value> {
    let events = events(stream);
    let earned = match dialect {
        Dialect::Chat => events.iter().any(|event| list(&event["choices"]).iter().any(|choice| choice["finish_reason"].is_string())),
        Dialect::Responses => events.iter().any(|event| event["type"] == "response.completed" || event["type"] == "response.incomplete"),
        Dialect::Claude => events.iter().any(|event| event["type"] == "message_stop"),
        Dialect::Gemini => {
            events.iter().any(|event| list(&event["candidates"]).iter().any(|candidate| candidate["finishReason"].is_string()))
        }
    };
    if earned { whole(dialect, stream) } else { None }
}

/// The data of each event; `[DONE]` as a string.
pub(crate) fn events(stream: &str) -> Vec<Value> {
    stream
        .replace("\r\n", "\n")
        .split("\n\n")
        .filter_map(|event| {
            let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
            let data = data.join("\n");
            (!data.is_empty()).then(|| serde_json::from_str(&data).unwrap_or(Value::String(data)))
        })
        .collect()
}

fn append(slot: &mut Value, more: &Value) {
    if let Some(more) = more.as_str() {
        *slot = Value::String(format!("{}{more}", slot.as_str().unwrap_or_default()));
    }
}

fn chat_whole(events: &[Value]) -> Option<Value> {
    let mut choices: BTreeMap<u64, Value> = BTreeMap::new();
    let mut usage = Value::Null;
    for event in events.iter().filter(|event| event.is_object()) {
        if event["error"].is_object() {
            return None;
        }
        if event["usage"].is_object() {
            usage = event["usage"].clone();
        }
        for choice in list(&event["choices"]) {
            let whole = choices.entry(figure(&choice["index"])).or_insert_with(|| json!({"message": {"tool_calls": []}}));
            let (delta, message) = (&choice["delta"], &mut whole["message"]);
            for member in ["content", "refusal", "reasoning_content"] {
                append(&mut message[member], &delta[member]);
            }
            for piece in list(&delta["tool_calls"]) {
                let at = usize::try_from(figure(&piece["index"])).unwrap();
                let calls = message["tool_calls"].as_array_mut().unwrap();
                while calls.len() <= at {
                    calls.push(json!({}));
                }
                for (of, member) in [("function", "name"), ("function", "arguments"), ("custom", "name"), ("custom", "input")] {
                    if piece[of][member].is_string() {
                        append(&mut calls[at][of][member], &piece[of][member]);
                    }
                }
            }
            if choice["finish_reason"].is_string() {
                whole["finish_reason"] = choice["finish_reason"].clone();
            }
        }
    }
    Some(json!({"choices": choices.into_values().collect::<Vec<_>>(), "usage": usage}))
}

fn responses_whole(events: &[Value]) -> Option<Value> {
    // The provider's own earlier streams count nothing.
    for (at, event) in events.iter().enumerate().filter(|_| events[0]["sequence_number"].is_number()) {
        assert_eq!(event["sequence_number"], at, "{event}");
    }
    let last = events.last()?;
    let ended = ["response.completed", "response.incomplete"].iter().any(|kind| last["type"] == *kind);
    if !ended {
        return None;
    }
    let response = last["response"].clone();
    let mut streamed = String::new();
    for event in events.iter().filter(|event| event["type"] == "response.output_text.delta" || event["type"] == "response.refusal.delta") {
        words(&event["delta"], &mut streamed);
    }
    assert_eq!(streamed, answer(Dialect::Responses, &response).text, "the pieces make the whole");
    Some(response)
}

fn claude_whole(events: &[Value]) -> Option<Value> {
    let mut message = Value::Null;
    for event in events {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let at = usize::try_from(figure(&event["index"])).unwrap();
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(content.len(), at);
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = &mut message["content"][usize::try_from(figure(&event["index"])).unwrap()];
                append(&mut block["text"], &event["delta"]["text"]);
                append(&mut block["thinking"], &event["delta"]["thinking"]);
                append(&mut block["partial"], &event["delta"]["partial_json"]);
            }
            "content_block_stop" => {
                let block = &mut message["content"][usize::try_from(figure(&event["index"])).unwrap()];
                if block["partial"].is_string() {
                    block["input"] = input(&block["partial"]);
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, figure) in event["usage"].as_object().into_iter().flatten() {
                    message["usage"][name] = figure.clone();
                }
            }
            "message_stop" => return Some(message),
            "error" => return None,
            _ => {}
        }
    }
    None
}

fn gemini_whole(events: &[Value]) -> Option<Value> {
    let mut whole = json!({"candidates": []});
    for event in events {
        if event["error"].is_object() {
            return None;
        }
        for member in ["usageMetadata", "promptFeedback"] {
            if event[member].is_object() {
                whole[member] = event[member].clone();
            }
        }
        for candidate in list(&event["candidates"]) {
            let at = usize::try_from(figure(&candidate["index"])).unwrap();
            let candidates = whole["candidates"].as_array_mut().unwrap();
            while candidates.len() <= at {
                candidates.push(json!({"content": {"parts": []}}));
            }
            candidates[at]["content"]["parts"].as_array_mut().unwrap().extend(list(&candidate["content"]["parts"]).iter().cloned());
            if candidate["finishReason"].is_string() {
                candidates[at]["finishReason"] = candidate["finishReason"].clone();
            }
        }
    }
    Some(whole)
}
