//! What is answered: text, calls, reasoning and what they cost. No dialect.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    read::{Ask, Choice, Tool},
    schema,
};

/// When everything was made. A clock would make two equal requests differ.
pub(super) const CREATED: u64 = 1_767_225_600;
/// [`CREATED`] as Anthropic and Google write it.
pub(super) const CREATED_TEXT: &str = "2026-01-01T00:00:00Z";

/// The digest of a request, where ids come from.
#[derive(Clone, Debug)]
pub(super) struct Seed(String);

impl Seed {
    /// Of what the request says.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        Self(digest.finalize().iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect())
    }

    /// An id.
    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", &self.0[..24])
    }

    /// The id of the part at a place.
    pub(super) fn part(&self, prefix: &str, at: usize) -> String {
        Self::of(&[self.0.as_bytes(), &at.to_be_bytes()]).id(prefix)
    }

    /// The first 32 bits.
    pub(super) fn number(&self) -> u64 {
        u64::from_str_radix(&self.0[..8], 16).unwrap_or(0)
    }
}

/// Why an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is said.
    Done,
    /// The limit is reached.
    Length,
    /// This sequence would have come next.
    Stop(String),
    /// The client is to run tools.
    Calls,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) tool: Tool,
    pub(super) input: Value,
}

impl Call {
    /// The input as text: JSON, or the free text of a custom tool.
    pub(super) fn text(&self) -> String {
        if self.tool.custom { self.input.as_str().unwrap_or("").to_owned() } else { self.input.to_string() }
    }
}

/// One of the answers.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) end: End,
}

/// What an answer costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    /// The whole prompt.
    pub(super) prompt: u64,
    /// Of it, read from a cache.
    pub(super) cached: u64,
    /// Of it, written to a cache.
    pub(super) written: u64,
    /// Whether what is written stays for an hour.
    pub(super) long: bool,
    /// The answers without reasoning.
    pub(super) output: u64,
    /// Reasoning.
    pub(super) reasoning: u64,
}

/// The whole answer.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) reasoning: Option<String>,
    pub(super) said: Vec<Said>,
    pub(super) tokens: Tokens,
}

impl Script {
    /// The reasoning's seal, as opaque as the real ones.
    pub(super) fn signature(&self) -> Option<String> {
        use base64::Engine as _;
        let reasoning = self.reasoning.as_ref()?;
        let seal = Seed::of(&[b"signature", reasoning.as_bytes()]);
        Some(base64::engine::general_purpose::STANDARD.encode(format!("demo-{}", seal.0)))
    }
}

/// The estimate that everything here is counted with: a token has four bytes.
pub(super) fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// Cuts a text into the pieces that a stream sends: words with the space behind them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ').filter(|piece| !piece.is_empty())
}

/// Writes the answer to what is asked.
pub(super) fn write(ask: &Ask) -> Script {
    let reasoning = (ask.model == "think" || ask.thinks).then(|| {
        let heard = if ask.heard.is_empty() { "nothing" } else { ask.heard.as_str() };
        format!("The user said: {heard}. I will answer that plainly.")
    });
    let mut spent = ask.tokens;
    spent.reasoning = reasoning.as_deref().map_or(0, tokens);
    let calls = calls(ask);
    let plain = if calls.is_empty() { text(ask) } else { String::new() };
    let said: Vec<Said> = (0..ask.answers)
        .map(|at| {
            let text = if at == 0 || plain.is_empty() { plain.clone() } else { format!("{plain} ({})", at + 1) };
            let room = ask.limit.map(|limit| limit.saturating_sub(spent.reasoning));
            say(text, calls.clone(), &ask.stops, room)
        })
        .collect();
    spent.output = said.iter().map(|said| tokens(&said.text) + said.calls.iter().map(|call| tokens(&call.text())).sum::<u64>()).sum();
    Script { reasoning, said, tokens: spent }
}

fn say(mut text: String, calls: Vec<Call>, stops: &[String], room: Option<u64>) -> Said {
    if !calls.is_empty() {
        return Said { text, calls, end: End::Calls };
    }
    let mut end = End::Done;
    let first = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| Some((text.find(stop.as_str())?, stop))).min();
    if let Some((at, stop)) = first {
        text.truncate(at);
        end = End::Stop(stop.clone());
    }
    if let Some(room) = room.filter(|room| tokens(&text) > *room) {
        let mut at = usize::try_from(room * 4).unwrap_or(usize::MAX).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        end = End::Length;
    }
    Said { text, calls, end }
}

/// The tools that are called. After a result the answer is a text, but where a call is demanded the last tool is
/// called, which ends the loops of agents that take their final answer as a call.
fn calls(ask: &Ask) -> Vec<Call> {
    let demanded = match &ask.choice {
        Choice::None => return Vec::new(),
        Choice::Auto => false,
        Choice::Any | Choice::Named(_) => true,
    };
    let likes = ask.model == "tools" || (ask.model == "think" && ask.heard.contains("tool"));
    if ask.tools.is_empty() || !(demanded || (likes && ask.results.is_empty())) {
        return Vec::new();
    }
    let chosen: Vec<&Tool> = match &ask.choice {
        Choice::Named(name) => ask.tools.iter().filter(|tool| tool.name == *name).collect(),
        Choice::None | Choice::Auto | Choice::Any => {
            if !ask.results.is_empty() {
                ask.tools.last().into_iter().collect()
            } else if ask.heard.to_lowercase().contains("parallel") && ask.parallel {
                ask.tools.iter().collect()
            } else {
                ask.tools.first().into_iter().collect()
            }
        }
    };
    let input = |tool: &Tool| match (tool.custom, &tool.schema) {
        (true, _) => json!(ask.heard),
        (false, Value::Object(_)) => match schema::instance(&tool.schema, &ask.heard) {
            Value::Object(members) => Value::Object(members),
            _ => json!({}),
        },
        (false, _) => json!({}),
    };
    chosen.into_iter().map(|tool| Call { tool: tool.clone(), input: input(tool) }).collect()
}

fn text(ask: &Ask) -> String {
    if let Some(schema) = &ask.schema {
        return schema::instance(schema, &ask.heard).to_string();
    }
    let plain = match (ask.results.is_empty(), ask.model.as_str()) {
        (false, _) => format!("The tool answered: {}", ask.results.join("; ")),
        (true, "lorem") => lorem(&ask.heard),
        (true, _) if ask.heard.is_empty() && ask.images > 0 => format!("I see {} image(s).", ask.images),
        (true, _) if ask.heard.is_empty() => "Nothing was said.".to_owned(),
        (true, _) => ask.heard.clone(),
    };
    if ask.json { json!({"answer": plain}).to_string() } else { plain }
}

/// As many words as the first number of the text says, 60 without one.
fn lorem(heard: &str) -> String {
    const WORDS: [&str; 12] =
        ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "do", "eiusmod", "tempor"];
    let number = heard.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse::<usize>().ok());
    let count = number.unwrap_or(60).min(100_000);
    (0..count).map(|at| WORDS[at % WORDS.len()]).collect::<Vec<_>>().join(" ")
}
