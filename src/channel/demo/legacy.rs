//! Legacy text completions.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, event},
    chat,
    read::{self, wrong},
    script::{CREATED, End, Seed, words, write},
};

/// Answers a legacy completion: a prompt is what a user said.
pub(super) fn answer(body: &Value) -> Result<Answer, Refusal> {
    let prompts: Vec<String> = match &body["prompt"] {
        Value::Null => vec![String::new()],
        Value::String(prompt) => vec![prompt.clone()],
        // Token ids cannot be read back without a vocabulary.
        Value::Array(tokens) if tokens.iter().all(Value::is_number) => vec![format!("{} tokens", tokens.len())],
        Value::Array(prompts) => prompts
            .iter()
            .map(|prompt| prompt.as_str().map_or_else(|| format!("{} tokens", prompt.as_array().map_or(0, Vec::len)), str::to_owned))
            .collect(),
        other => return Err(wrong("prompt", "a string or an array", other)),
    };
    let mut said = Vec::new();
    let mut total = super::script::Tokens::default();
    for prompt in &prompts {
        let mut one = body.clone();
        one["messages"] = json!([{"role": "user", "content": prompt}]);
        one["tools"] = Value::Null;
        if one["max_tokens"].is_null() {
            one["max_tokens"] = 16.into();
        }
        let ask = read::chat(&one)?;
        let script = write(&ask);
        total.prompt += script.tokens.prompt;
        total.output += script.tokens.output;
        let echo = if body["echo"] == true { prompt.as_str() } else { "" };
        said.extend(script.said.into_iter().map(|said| (format!("{echo}{}", said.text), said.end)));
    }
    let id = Seed::of(&[b"completion", body.to_string().as_bytes()]).id("cmpl-");
    let head = json!({"id": id, "object": "text_completion", "created": CREATED, "model": body["model"], "system_fingerprint": "fp_demo"});
    let with = |choices: Value, usage: Option<Value>| {
        let mut whole = head.clone();
        whole["choices"] = choices;
        if let Some(usage) = usage {
            whole["usage"] = usage;
        }
        whole
    };
    let choice = |at: usize, text: &str, reason: Value| json!({"index": at, "text": text, "logprobs": null, "finish_reason": reason});
    if body["stream"] != true {
        let choices = said.iter().enumerate().map(|(at, (text, end))| choice(at, text, reason(end)));
        return Ok(Answer::json(&with(choices.collect(), Some(chat::usage(&total)))));
    }
    let asked = body["stream_options"]["include_usage"] == true;
    let mut events = Vec::new();
    for (at, (text, end)) in said.iter().enumerate() {
        let null = || asked.then_some(Value::Null);
        events.extend(words(text).map(|word| event(&with(json!([choice(at, word, Value::Null)]), null()))));
        events.push(event(&with(json!([choice(at, "", reason(end))]), null())));
    }
    if asked {
        events.push(event(&with(json!([]), Some(chat::usage(&total)))));
    }
    events.push("data: [DONE]\n\n".into());
    Ok(Answer::events(events))
}

fn reason(end: &End) -> Value {
    match end {
        End::Length => "length".into(),
        End::Done | End::Stop(_) | End::Calls => "stop".into(),
    }
}
