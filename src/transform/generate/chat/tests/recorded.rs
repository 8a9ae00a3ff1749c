//! What was recorded at OpenAI.

use serde_json::{Value, json};

use super::{
    super::super::{
        Dialect,
        testing::{fold_stream, recorded},
    },
    lift_answer, lower_answer, round,
};

/// What may differ: a flag that is not set, one plain text as a part, an older word, a turn without content.
fn normal(mut request: Value) -> Value {
    let body = request.as_object_mut().unwrap();
    if body.get("stream") == Some(&json!(false)) {
        body.remove("stream");
    }
    if let Some(most) = body.remove("max_tokens") {
        body.insert("max_completion_tokens".into(), most);
    }
    if let Some(Value::String(stop)) = body.get("stop").cloned() {
        body.insert("stop".into(), json!([stop]));
    }
    for message in body["messages"].as_array_mut().unwrap() {
        let message = message.as_object_mut().unwrap();
        if message["role"] == "assistant" {
            let calls = message.contains_key("tool_calls");
            let content = message.entry("content").or_insert(Value::Null);
            if content.is_null() || content == "" {
                *content = if calls { Value::Null } else { json!("") };
            }
        }
        if message["content"].is_null() && message["role"] == "user" {
            message.insert("content".into(), json!(""));
        }
        if let Some([only]) = message["content"].as_array().map(Vec::as_slice)
            && only["type"] == "text"
            && only.as_object().unwrap().len() == 2
        {
            message["content"] = only["text"].clone();
        }
    }
    request
}

#[test]
fn requests_come_back() {
    for exchange in recorded(Dialect::Chat) {
        let body = exchange.request.to_string();
        assert_eq!(round(&body), normal(exchange.request), "{}", exchange.name);
    }
}

#[test]
fn answers_and_streams_are_read() {
    for exchange in recorded(Dialect::Chat).iter().filter(|exchange| exchange.status == 200) {
        let answer = if exchange.streams {
            fold_stream(Dialect::Chat, exchange.body.as_bytes()).unwrap_or_else(|fault| panic!("{}: {fault:?}", exchange.name))
        } else {
            lift_answer(&exchange.body)
        };
        assert!(!answer.choices.is_empty() && !answer.id.is_empty(), "{}", exchange.name);
        if exchange.streams {
            continue;
        }
        let whole: Value = serde_json::from_str(&exchange.body).unwrap();
        let back = lower_answer(&answer).0;
        for (told, lowered) in whole["choices"].as_array().unwrap().iter().zip(back["choices"].as_array().unwrap()) {
            for member in ["role", "content", "refusal", "tool_calls", "audio"] {
                assert_eq!(told["message"][member], lowered["message"][member], "{}: {member}", exchange.name);
            }
        }
        for member in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(whole["usage"][member], back["usage"][member], "{}: {member}", exchange.name);
        }
    }
}
