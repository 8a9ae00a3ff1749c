//! Conversations out of nothing, written in every dialect by hands that know nothing of the converter.

use gproxy::transform::generate::Dialect;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A conversation and its options: what every dialect can say.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) system: Option<String>,
    pub(crate) rounds: Vec<Round>,
    /// The last words, which want an answer.
    pub(crate) last: String,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: u64,
    pub(crate) choice: Option<Choice>,
}

/// What the person asked, what the model called, what that gave, what the model said.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) ask: String,
    pub(crate) image: Option<&'static str>,
    /// Words before the calls.
    pub(crate) before: Option<String>,
    /// Tool, input, result.
    pub(crate) calls: Vec<(usize, Value, String)>,
    pub(crate) said: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Choice {
    Auto,
    Required,
    Named,
}

const TOOLS: [&str; 3] = ["get_weather", "read-file", "run"];
const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Words of any script, which begin and end with a letter.
pub(crate) fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z漢é🎉]([ -~\n\té漢字🎉\u{200d}\u{2028}]{0,12}[a-zA-Z漢é🎉])?"
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000..100_000_i64).prop_map(Value::from),
        (-8..8_i32).prop_map(|eighths| json!(f64::from(eighths) / 8.0 + 0.0625)),
        "[ -~é漢🎉\n]{0,8}".prop_map(Value::from),
    ]
}

/// A call's input: an object.
pub(crate) fn arguments() -> impl Strategy<Value = Value> {
    let nested = prop_oneof![
        3 => scalar().boxed(),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from).boxed(),
        1 => prop::collection::btree_map("[a-z]{1,4}", scalar(), 0..3).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()).boxed(),
    ];
    prop::collection::btree_map("[a-zé_]{1,6}", nested, 0..4).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
}

fn round() -> impl Strategy<Value = Round> {
    let image = prop_oneof![4 => Just(None), 1 => Just(Some(IMAGE))];
    let calls = prop::collection::vec((0..TOOLS.len(), arguments(), words()), 0..3);
    (words(), image, prop::option::of(words()), calls, words()).prop_map(|(ask, image, before, calls, said)| Round {
        ask,
        image,
        before,
        calls,
        said,
    })
}

pub(crate) fn talk() -> impl Strategy<Value = Talk> {
    let temperature = prop::option::of((0..=8_i32).prop_map(|eighths| f64::from(eighths) / 8.0));
    let choice = prop::option::of(prop_oneof![Just(Choice::Auto), Just(Choice::Required), Just(Choice::Named)]);
    (prop::option::of(words()), prop::collection::vec(round(), 0..4), words(), temperature, 16..4000_u64, choice)
        .prop_map(|(system, rounds, last, temperature, max_tokens, choice)| Talk { system, rounds, last, temperature, max_tokens, choice })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string", "description": "Where."}}, "required": ["city"]})
}

impl Talk {
    /// The same conversation as it was before its later rounds.
    pub(crate) fn until(&self, rounds: usize) -> Self {
        let last = self.rounds.get(rounds).map_or(&self.last, |round| &round.ask).clone();
        let mut rounds = self.rounds[..rounds].to_vec();
        // The last words stand without a picture, as those of the next round do.
        for round in &mut rounds {
            round.image = None;
        }
        Self { rounds, last, ..self.clone() }
    }

    /// The request in a dialect's normal form.
    pub(crate) fn write(&self, dialect: Dialect, model: &str) -> Value {
        match dialect {
            Dialect::Chat => self.chat(model),
            Dialect::Responses => self.responses(model),
            Dialect::Claude => self.claude(model),
            Dialect::Gemini => self.gemini(),
        }
    }

    fn chat(&self, model: &str) -> Value {
        let mut messages: Vec<Value> = self.system.iter().map(|text| json!({"role": "system", "content": text})).collect();
        for (at, round) in self.rounds.iter().enumerate() {
            messages.push(json!({"role": "user", "content": match round.image {
                None => json!(round.ask),
                Some(image) => json!([
                    {"type": "text", "text": round.ask},
                    {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{image}")}},
                ]),
            }}));
            if !round.calls.is_empty() {
                let calls: Vec<Value> = round
                    .ids(at)
                    .map(|(id, name, input, _)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}}))
                    .collect();
                messages.push(json!({"role": "assistant", "content": round.before, "tool_calls": calls}));
                messages.extend(round.ids(at).map(|(id, _, _, result)| json!({"role": "tool", "tool_call_id": id, "content": result})));
            }
            messages.push(json!({"role": "assistant", "content": round.said}));
        }
        messages.push(json!({"role": "user", "content": self.last}));
        let tools =
            TOOLS.map(|name| json!({"type": "function", "function": {"name": name, "description": "Does.", "parameters": schema()}}));
        let mut body = json!({"model": model, "messages": messages, "tools": tools, "max_completion_tokens": self.max_tokens});
        set(&mut body, "temperature", self.temperature.map(Value::from));
        set(
            &mut body,
            "tool_choice",
            self.choice.map(|choice| match choice {
                Choice::Auto => json!("auto"),
                Choice::Required => json!("required"),
                Choice::Named => json!({"type": "function", "function": {"name": TOOLS[1]}}),
            }),
        );
        body
    }

    fn responses(&self, model: &str) -> Value {
        let message =
            |role: &str, kind: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]});
        let spoken = |text: &str| {
            let mut spoken = message("assistant", "output_text", text);
            spoken["content"][0]["annotations"] = json!([]);
            spoken
        };
        let mut input: Vec<Value> = Vec::new();
        for (at, round) in self.rounds.iter().enumerate() {
            let mut ask = message("user", "input_text", &round.ask);
            if let Some(image) = round.image {
                let picture = json!({"type": "input_image", "image_url": format!("data:image/png;base64,{image}")});
                ask["content"].as_array_mut().unwrap().push(picture);
            }
            input.push(ask);
            if !round.calls.is_empty() {
                input.extend(round.before.iter().map(|text| spoken(text)));
                input.extend(round.ids(at).map(
                    |(id, name, input, _)| json!({"type": "function_call", "call_id": id, "name": name, "arguments": input.to_string()}),
                ));
                input.extend(
                    round.ids(at).map(|(id, _, _, result)| json!({"type": "function_call_output", "call_id": id, "output": result})),
                );
            }
            input.push(spoken(&round.said));
        }
        input.push(message("user", "input_text", &self.last));
        let tools =
            TOOLS.map(|name| json!({"type": "function", "name": name, "description": "Does.", "parameters": schema(), "strict": false}));
        let mut body = json!({"model": model, "input": input, "tools": tools, "max_output_tokens": self.max_tokens});
        set(&mut body, "instructions", self.system.clone().map(Value::from));
        set(&mut body, "temperature", self.temperature.map(Value::from));
        set(
            &mut body,
            "tool_choice",
            self.choice.map(|choice| match choice {
                Choice::Auto => json!("auto"),
                Choice::Required => json!("required"),
                Choice::Named => json!({"type": "function", "name": TOOLS[1]}),
            }),
        );
        body
    }

    fn claude(&self, model: &str) -> Value {
        let text = |text: &str| json!({"type": "text", "text": text});
        let mut messages: Vec<Value> = Vec::new();
        for (at, round) in self.rounds.iter().enumerate() {
            let mut ask = vec![text(&round.ask)];
            ask.extend(
                round.image.map(|image| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}})),
            );
            messages.push(json!({"role": "user", "content": ask}));
            if !round.calls.is_empty() {
                let mut calls: Vec<Value> = round.before.iter().map(|before| text(before)).collect();
                calls.extend(round.ids(at).map(|(id, name, input, _)| json!({"type": "tool_use", "id": id, "name": name, "input": input})));
                messages.push(json!({"role": "assistant", "content": calls}));
                let results: Vec<Value> = round
                    .ids(at)
                    .map(|(id, _, _, result)| json!({"type": "tool_result", "tool_use_id": id, "content": [text(result)]}))
                    .collect();
                messages.push(json!({"role": "user", "content": results}));
            }
            messages.push(json!({"role": "assistant", "content": [text(&round.said)]}));
        }
        messages.push(json!({"role": "user", "content": [text(&self.last)]}));
        let tools = TOOLS.map(|name| json!({"name": name, "description": "Does.", "input_schema": schema()}));
        let mut body = json!({"model": model, "messages": messages, "tools": tools, "max_tokens": self.max_tokens});
        set(&mut body, "system", self.system.as_ref().map(|system| json!([text(system)])));
        set(&mut body, "temperature", self.temperature.map(Value::from));
        set(
            &mut body,
            "tool_choice",
            self.choice.map(|choice| match choice {
                Choice::Auto => json!({"type": "auto"}),
                Choice::Required => json!({"type": "any"}),
                Choice::Named => json!({"type": "tool", "name": TOOLS[1]}),
            }),
        );
        body
    }

    fn gemini(&self) -> Value {
        let mut contents: Vec<Value> = Vec::new();
        for (at, round) in self.rounds.iter().enumerate() {
            let mut ask = vec![json!({"text": round.ask})];
            ask.extend(round.image.map(|image| json!({"inlineData": {"mimeType": "image/png", "data": image}})));
            contents.push(json!({"role": "user", "parts": ask}));
            if !round.calls.is_empty() {
                let mut calls: Vec<Value> = round.before.iter().map(|text| json!({"text": text})).collect();
                calls.extend(round.ids(at).map(|(id, name, input, _)| json!({"functionCall": {"id": id, "name": name, "args": input}})));
                contents.push(json!({"role": "model", "parts": calls}));
                let results: Vec<Value> = round
                    .ids(at)
                    .map(|(id, name, _, result)| json!({"functionResponse": {"id": id, "name": name, "response": {"output": result}}}))
                    .collect();
                contents.push(json!({"role": "user", "parts": results}));
            }
            contents.push(json!({"role": "model", "parts": [{"text": round.said}]}));
        }
        contents.push(json!({"role": "user", "parts": [{"text": self.last}]}));
        let declared = TOOLS.map(|name| json!({"name": name, "description": "Does.", "parametersJsonSchema": schema()}));
        let mut config = json!({"maxOutputTokens": self.max_tokens});
        set(&mut config, "temperature", self.temperature.map(Value::from));
        let mut body = json!({"contents": contents, "tools": [{"functionDeclarations": declared}], "generationConfig": config});
        set(&mut body, "systemInstruction", self.system.as_ref().map(|system| json!({"parts": [{"text": system}]})));
        set(
            &mut body,
            "toolConfig",
            self.choice.map(|choice| match choice {
                Choice::Auto => json!({"functionCallingConfig": {"mode": "AUTO"}}),
                Choice::Required => json!({"functionCallingConfig": {"mode": "ANY"}}),
                Choice::Named => json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [TOOLS[1]]}}),
            }),
        );
        body
    }
}

impl Round {
    /// Each call: id, name, input, result.
    fn ids(&self, round: usize) -> impl Iterator<Item = (String, &'static str, &Value, &str)> {
        self.calls.iter().enumerate().map(move |(at, (tool, input, result))| (format!("call_{round}{at}"), TOOLS[*tool], input, &**result))
    }
}

fn set(body: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body[name] = value;
    }
}
