//! What a request asks, read from each dialect, and what is wrong with it.

use serde_json::Value;

use super::{
    answer::Refusal,
    models,
    script::{Seed, Tokens},
};

mod claude;
mod gemini;
mod openai;

pub(super) use claude::{claude, counted};
pub(super) use gemini::{either, gemini};
pub(super) use openai::{chat, responses};

/// A tool that may be called.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    /// Of its arguments.
    pub(super) schema: Value,
    /// It takes free text.
    pub(super) custom: bool,
    /// The namespace that it stands in.
    pub(super) namespace: Option<String>,
}

/// Whether a tool must be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Choice {
    /// None may be.
    None,
    /// As the model likes.
    #[default]
    Auto,
    /// One must be.
    Any,
    /// This one must be.
    Named(String),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) seed: Seed,
    /// The model's id.
    pub(super) model: String,
    /// The last text of the user.
    pub(super) heard: String,
    /// Results of tools at the conversation's end.
    pub(super) results: Vec<String>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Choice,
    /// Whether several calls may come at once.
    pub(super) parallel: bool,
    /// Tokens that the answer may have.
    pub(super) limit: Option<u64>,
    pub(super) stops: Vec<String>,
    /// How many answers.
    pub(super) answers: u64,
    /// The schema that the answer must fit.
    pub(super) schema: Option<Value>,
    /// Whether the answer must be JSON.
    pub(super) json: bool,
    /// Whether reasoning was asked for.
    pub(super) thinks: bool,
    pub(super) images: u64,
    /// What the prompt costs.
    pub(super) tokens: Tokens,
}

impl Ask {
    fn new(model: &str, body: &Value) -> Self {
        Self {
            seed: Seed::of(&[model.as_bytes(), body.to_string().as_bytes()]),
            model: model.to_owned(),
            heard: String::new(),
            results: Vec::new(),
            tools: Vec::new(),
            choice: Choice::Auto,
            parallel: true,
            limit: None,
            stops: Vec::new(),
            answers: 1,
            schema: None,
            json: false,
            thinks: false,
            images: 0,
            tokens: Tokens::default(),
        }
    }
}

/// The model of a request, where it is one of those that talk.
fn talker(name: &str) -> Result<&str, Refusal> {
    let model = models::known(name)?;
    if models::TALKERS.contains(&model) { Ok(model) } else { Err(Refusal::field("model", format!("{model:?} is not a chat model"))) }
}

/// Weighs a prompt as it is read.
#[derive(Debug, Default)]
pub(super) struct Scale {
    bytes: u64,
    /// What stood before the last turn of the user, once the model has spoken.
    settled: u64,
    spoken: bool,
    /// Up to the last cache mark, and whether it stays for an hour.
    marked: Option<(u64, bool)>,
    images: u64,
}

/// What an image weighs.
const IMAGE_TOKENS: u64 = 85;

impl Scale {
    fn text(&mut self, text: &str) {
        self.bytes += text.len() as u64;
    }

    fn json(&mut self, value: &Value) {
        if !value.is_null() {
            self.bytes += value.to_string().len() as u64;
        }
    }

    fn image(&mut self) {
        self.images += 1;
    }

    /// The model has spoken.
    fn model_spoke(&mut self) {
        self.spoken = true;
    }

    /// A turn of the user begins.
    fn user_speaks(&mut self) {
        if self.spoken {
            self.settled = self.bytes;
            self.spoken = false;
        }
    }

    fn mark(&mut self, part: &Value) {
        if let Some(control) = part.get("cache_control").filter(|control| control.is_object()) {
            self.marked = Some((self.bytes, control["ttl"] == "1h"));
        }
    }

    fn prompt(&self) -> u64 {
        (self.bytes.div_ceil(4) + self.images * IMAGE_TOKENS).max(1)
    }

    /// A provider that caches by itself: what was settled is read again, and what comes on top is half written where asked.
    fn automatic(&self, writes: bool) -> Tokens {
        let (prompt, cached) = (self.prompt(), self.settled / 4);
        Tokens { prompt, cached, written: if writes { (prompt - cached) / 2 } else { 0 }, ..Tokens::default() }
    }

    /// A provider that caches up to marks: what was settled is read again, the rest up to the mark is written.
    fn marked(&self) -> Tokens {
        let Some((marked, long)) = self.marked else { return Tokens { prompt: self.prompt(), ..Tokens::default() } };
        let cached = self.settled.min(marked) / 4;
        Tokens { prompt: self.prompt(), cached, written: marked / 4 - cached, long, ..Tokens::default() }
    }
}

/// The array that a member is.
pub(super) fn list<'a>(body: &'a Value, name: &str) -> Result<&'a [Value], Refusal> {
    match &body[name] {
        Value::Null => Err(Refusal::required(name)),
        Value::Array(values) if values.is_empty() => Err(Refusal::field(name, "must have at least one element")),
        Value::Array(values) => Ok(values),
        other => Err(wrong(name, "an array", other)),
    }
}

/// The whole number that a member is, from 1.
pub(super) fn count(body: &Value, name: &str) -> Result<Option<u64>, Refusal> {
    match &body[name] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(number) if number > 0 => Ok(Some(number)),
            Some(_) | None => Err(wrong(name, "a whole number from 1", value)),
        },
    }
}

/// The text that a member is.
pub(super) fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    match &body[name] {
        Value::Null => Err(Refusal::required(name)),
        Value::String(text) => Ok(text),
        other => Err(wrong(name, "a string", other)),
    }
}

/// A member has the wrong type.
pub(super) fn wrong(name: &str, expected: &str, found: &Value) -> Refusal {
    let mut found = found.to_string();
    if found.len() > 40 {
        found = found.chars().take(40).chain("...".chars()).collect();
    }
    Refusal::field(name, format!("must be {expected}, not {found}"))
}

/// Stop sequences: one text, or several.
fn stops(value: &Value, name: &str) -> Result<Vec<String>, Refusal> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(stop) => Ok(vec![stop.clone()]),
        Value::Array(stops) => {
            stops.iter().map(|stop| stop.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "an array of strings", stop))).collect()
        }
        other => Err(wrong(name, "an array of strings", other)),
    }
}

/// The schemas of a function tool may stand under several names; without one, anything goes.
fn tool(name: &Value, schema: &Value) -> Option<Tool> {
    Some(Tool { name: name.as_str()?.to_owned(), schema: schema.clone(), custom: false, namespace: None })
}
