//! Exchanges with the real provider.

use serde_json::Value;

use super::{
    super::super::{
        Dialect,
        testing::{fold_stream, recorded},
    },
    lift, lift_answer, lower, lower_answer,
};

/// A request in its normal form: what has two ways to be written is written in one of them.
fn normal(mut request: Value) -> Value {
    if let Some(text) = request["input"].as_str() {
        request["input"] = serde_json::json!([{"role": "user", "content": text}]);
    }
    for item in request["input"].as_array_mut().unwrap() {
        let fields = item.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        if !fields.contains_key("type") {
            fields.insert("type".to_owned(), "message".into());
        }
        let said = fields.get("role").is_some_and(|role| role == "assistant");
        if let Some(content) = fields.get_mut("content") {
            normal_content(content, said);
        }
        let output = fields.get("output").and_then(Value::as_array);
        if let Some([only]) = output.map(Vec::as_slice)
            && only["type"] == "input_text"
        {
            fields["output"] = only["text"].clone();
        }
        if fields["type"] != "message"
            && fields.get("status").is_some_and(|status| status == "completed")
            && fields.contains_key("arguments")
        {
            fields.remove("status");
        }
    }
    if let Some(reasoning) = request["reasoning"].as_object_mut() {
        reasoning.retain(|_, value| !value.is_null());
        // The older name of the same wish.
        if let Some(summary) = reasoning.remove("generate_summary") {
            reasoning.insert("summary".to_owned(), summary);
        }
    }
    if request["instructions"] == "" {
        request["instructions"] = Value::Null;
    }
    let fields = request.as_object_mut().unwrap();
    if fields.get("stream") == Some(&Value::Bool(false)) {
        fields.remove("stream");
    }
    if let Some(tools) = fields.get_mut("tools").and_then(Value::as_array_mut) {
        for tool in tools.iter_mut().filter(|tool| tool["type"] == "function") {
            tool.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
    }
    fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    request
}

fn normal_content(content: &mut Value, said: bool) {
    if let Some(text) = content.as_str() {
        *content = serde_json::json!([{"type": "input_text", "text": text}]);
    }
    for part in content.as_array_mut().unwrap().iter_mut().filter(|_| said) {
        if part["type"] == "input_text" || part["type"] == "output_text" {
            *part = serde_json::json!({"type": "output_text", "text": part["text"], "annotations": part.get("annotations").cloned().unwrap_or_else(|| Value::Array(Vec::new()))});
        }
    }
}

/// The first place where two values differ.
fn difference(one: &Value, other: &Value, path: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            let member = |map: &serde_json::Map<String, Value>, name: &String| map.get(name).cloned().unwrap_or_else(|| "(absent)".into());
            names.into_iter().find_map(|name| difference(&member(one, name), &member(other, name), &format!("{path}.{name}")))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().find_map(|(at, (one, other))| difference(one, other, &format!("{path}[{at}]")))
        }
        _ if one == other => None,
        _ => Some(format!("{path}: {one:.200} is not {other:.200}")),
    }
}

#[test]
fn every_recorded_request_comes_back_equal() {
    for exchange in recorded(Dialect::Responses) {
        let body = exchange.request.to_string();
        let mut request = lift(&body);
        request.model = exchange.request["model"].as_str().unwrap().to_owned().into();
        let (back, losses) = lower(&request);
        assert_eq!(difference(&normal(back), &normal(exchange.request), ""), None, "{}", exchange.name);
        assert_eq!(losses, [], "{}", exchange.name);
    }
}

/// An answer without what echoes the request, nor what is counted elsewhere.
fn essence(mut answer: Value) -> Value {
    let mut kept = serde_json::Map::new();
    for name in ["id", "model", "status", "incomplete_details", "output", "service_tier"] {
        kept.insert(name.to_owned(), answer[name].take());
    }
    for item in kept["output"].as_array_mut().unwrap() {
        let fields = item.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        let kind = fields["type"].clone();
        if kind == "message" {
            for part in fields["content"].as_array_mut().unwrap() {
                part.as_object_mut().unwrap().entry("logprobs").or_insert_with(|| Value::Array(Vec::new()));
                for one in part["logprobs"].as_array_mut().unwrap() {
                    // The provider itself rounds them in the answer, not in the events before.
                    one["logprob"] = one["logprob"].as_f64().map(|number| (number * 1e4).round() + 0.0).into();
                }
            }
        }
        // An empty list of the thinking's own words says what none says.
        if kind == "reasoning" && fields.get("content").is_some_and(|content| content == &Value::Array(Vec::new())) {
            fields.remove("content");
        }
    }
    // Some recordings were written by hand.
    if kept["status"] == "complete" {
        kept.insert("status".to_owned(), "completed".into());
    }
    // A message that says nothing is not written.
    let silent = |item: &Value| {
        item["type"] == "message" && item["content"].as_array().unwrap().iter().all(|part| part.get("text").is_some_and(|text| text == ""))
    };
    kept["output"].as_array_mut().unwrap().retain(|item| !silent(item));
    let usage = answer["usage"].take();
    if usage.is_object() {
        kept.insert("input_tokens".to_owned(), usage["input_tokens"].clone());
        kept.insert("output_tokens".to_owned(), usage["output_tokens"].clone());
        kept.insert("cached".to_owned(), usage["input_tokens_details"]["cached_tokens"].clone());
        kept.insert("reasoning".to_owned(), usage["output_tokens_details"]["reasoning_tokens"].clone());
    }
    Value::Object(kept)
}

#[test]
fn every_recorded_answer_comes_back_equal() {
    for exchange in recorded(Dialect::Responses).into_iter().filter(|exchange| exchange.status == 200 && !exchange.streams) {
        let answer: Value = serde_json::from_str(&exchange.body).unwrap();
        // Answers in the background are not answers yet.
        if matches!(answer["status"].as_str(), Some("queued" | "in_progress")) {
            continue;
        }
        let (back, losses) = lower_answer(&lift_answer(&exchange.body));
        assert_eq!(difference(&essence(back), &essence(answer), ""), None, "{}", exchange.name);
        assert_eq!(losses, [], "{}", exchange.name);
    }
}

#[test]
fn every_recorded_stream_folds_to_what_it_ends_with() {
    for exchange in recorded(Dialect::Responses).into_iter().filter(|exchange| exchange.status == 200 && exchange.streams) {
        let folded =
            fold_stream(Dialect::Responses, exchange.body.as_bytes()).unwrap_or_else(|fault| panic!("{}: {fault:?}", exchange.name));
        let last = exchange.body.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        let answer = last["response"].to_string();
        let (mut one, mut other) = (essence(lower_answer(&folded).0), essence(lower_answer(&lift_answer(&answer)).0));
        // A stream tells the tier that was asked for, and only its end the one that was given.
        (one["service_tier"], other["service_tier"]) = (Value::Null, Value::Null);
        // Tools of the provider's own are told when they are done, and they need not be done in order.
        for answer in [&mut one, &mut other] {
            answer["output"].as_array_mut().unwrap().sort_by_key(|item| item["id"].to_string());
        }
        // The provider encrypts anew for its last event.
        for item in one["output"].as_array_mut().unwrap().iter_mut().chain(other["output"].as_array_mut().unwrap()) {
            if item.get("encrypted_content").is_some() {
                item["encrypted_content"] = Value::Null;
            }
        }
        assert_eq!(difference(&one, &other, ""), None, "{}", exchange.name);
    }
}
