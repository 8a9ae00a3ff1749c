//! Writes a script as Gemini generateContent: chunks, and the response that they add up to.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, event},
    models::parameter,
    read::{Ask, either, gemini},
    script::{End, Script, Tokens, words, write},
};

/// Answers generateContent.
pub(super) fn whole(model: &str, body: &Value) -> Result<Answer, Refusal> {
    let ask = gemini(model, body)?;
    Ok(Answer::json(&fold(&chunks(&ask, &write(&ask), shows(&ask, body)))))
}

/// Answers streamGenerateContent: events where `alt=sse` asks for them, else one array.
pub(super) fn stream(model: &str, body: &Value, query: &str) -> Result<Answer, Refusal> {
    let ask = gemini(model, body)?;
    let chunks = chunks(&ask, &write(&ask), shows(&ask, body));
    match parameter(query, "alt").as_deref() {
        Some("sse") => Ok(Answer::events(chunks.iter().map(event).collect())),
        Some("json") | None => Ok(Answer::array(&chunks)),
        Some(other) => Err(Refusal::field("alt", format!("must be \"sse\" or \"json\", not {other:?}"))),
    }
}

/// Counts the tokens of a request.
pub(super) fn count(model: &str, body: &Value) -> Result<Answer, Refusal> {
    let inner = either(body, "generateContentRequest", "generate_content_request");
    let tokens = gemini(model, if inner.is_object() { inner } else { body })?.tokens;
    let details = json!([{"modality": "TEXT", "tokenCount": tokens.prompt}]);
    Ok(Answer::json(&json!({"totalTokens": tokens.prompt, "promptTokensDetails": details})))
}

/// Thoughts are shown unless they are asked not to be; the real service hides them unless it is asked to show them.
fn shows(ask: &Ask, body: &Value) -> Thoughts {
    let thinking = either(either(body, "generationConfig", "generation_config"), "thinkingConfig", "thinking_config");
    let hidden = *either(thinking, "includeThoughts", "include_thoughts") == false;
    if hidden && !ask.thinks { Thoughts::Hidden } else { Thoughts::Shown }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thoughts {
    Shown,
    Hidden,
}

fn chunks(ask: &Ask, script: &Script, thoughts: Thoughts) -> Vec<Value> {
    let chunk = |at: usize, parts: Value| {
        json!({
            "candidates": [{"content": {"role": "model", "parts": parts}, "index": at}],
            "modelVersion": ask.model, "responseId": ask.seed.id("demo-"),
        })
    };
    let mut chunks = Vec::new();
    for (at, said) in script.said.iter().enumerate() {
        if let (Some(reasoning), Thoughts::Shown) = (&script.reasoning, thoughts) {
            chunks.extend(words(reasoning).map(|word| chunk(at, json!([{"text": word, "thought": true}]))));
        }
        let mut signature = script.signature();
        let mut signed = |mut part: Value| {
            if let Some(signature) = signature.take() {
                part["thoughtSignature"] = signature.into();
            }
            part
        };
        let calls = said.calls.iter().enumerate();
        let calls: Vec<Value> = calls
            .map(|(place, call)| {
                let id = ask.seed.part("call_", at * 100 + place);
                signed(json!({"functionCall": {"id": id, "name": call.tool.name, "args": call.input}}))
            })
            .collect();
        let mut texts: Vec<Value> = words(&said.text).map(|word| chunk(at, json!([{"text": word}]))).collect();
        if let (Some(last), true) = (texts.last_mut(), calls.is_empty()) {
            let part = signed(last["candidates"][0]["content"]["parts"][0].take());
            last["candidates"][0]["content"]["parts"][0] = part;
        }
        chunks.extend(texts);
        if !calls.is_empty() {
            chunks.push(chunk(at, calls.into()));
        }
        let mut last = chunk(at, json!([{"text": ""}]));
        last["candidates"][0]["finishReason"] = match said.end {
            End::Done | End::Stop(_) | End::Calls => "STOP".into(),
            End::Length => "MAX_TOKENS".into(),
        };
        chunks.push(last);
    }
    if let Some(last) = chunks.last_mut() {
        last["usageMetadata"] = usage(&script.tokens);
    }
    chunks
}

/// Usage as Google tells it: the prompt includes what was cached, the answer excludes the thoughts.
fn usage(tokens: &Tokens) -> Value {
    let mut usage = json!({
        "promptTokenCount": tokens.prompt, "candidatesTokenCount": tokens.output,
        "totalTokenCount": tokens.prompt + tokens.output + tokens.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.prompt}],
    });
    if tokens.cached > 0 {
        usage["cachedContentTokenCount"] = tokens.cached.into();
        usage["cacheTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": tokens.cached}]);
    }
    if tokens.reasoning > 0 {
        usage["thoughtsTokenCount"] = tokens.reasoning.into();
    }
    usage
}

/// The response that chunks add up to.
pub(super) fn fold(chunks: &[Value]) -> Value {
    let mut whole = chunks.last().cloned().unwrap_or_else(|| json!({}));
    let mut candidates: Vec<Value> = Vec::new();
    for candidate in chunks.iter().map(|chunk| &chunk["candidates"][0]) {
        let place = candidate["index"].as_u64();
        if !candidates.iter().any(|known| known["index"].as_u64() == place) {
            candidates.push(json!({"content": {"role": "model", "parts": []}, "index": place}));
        }
        let Some(known) = candidates.last_mut() else { continue };
        if let Some(reason) = candidate.get("finishReason") {
            known["finishReason"] = reason.clone();
        }
        let Value::Array(parts) = &mut known["content"]["parts"] else { continue };
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            join(parts, part);
        }
    }
    whole["candidates"] = candidates.into();
    whole
}

/// Adds a part: to the one before, where both are text of the same sort.
fn join(parts: &mut Vec<Value>, part: &Value) {
    let Some(text) = part["text"].as_str() else {
        parts.push(part.clone());
        return;
    };
    if text.is_empty() && !parts.is_empty() && part.get("thoughtSignature").is_none() {
        return;
    }
    let same = |last: &&mut Value| last["text"].is_string() && last["thought"] == part["thought"];
    match parts.last_mut().filter(same) {
        Some(last) => {
            if let Value::String(whole) = &mut last["text"] {
                whole.push_str(text);
            }
            if let Some(signature) = part.get("thoughtSignature") {
                last["thoughtSignature"] = signature.clone();
            }
        }
        None => parts.push(part.clone()),
    }
}
