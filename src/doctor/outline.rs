//! A prompt in the order in which its provider caches it: tools, system, what was said; each as digests of its blocks.
//!
//! Sources: OpenAI's guide to prompt caching (tools and schemas stand before the messages, `prompt_cache_key`,
//! `prompt_cache_retention`), Anthropic's (tools, system, messages; what of `tool_choice` and `thinking` breaks a cache), Google's.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher as _},
    ops::Range,
};

use super::difference::{DEPTH, common, holds_content, is_mark, part_text, place};
use crate::protocol::{
    OperationKind,
    json::{Fields, Node, Shape},
};

/// Prompts of more blocks are not read.
const MOST_BLOCKS: usize = 16_384;
const MINUTE: u64 = 60_000;

/// A prompt's sections in their order, the conversation last, and whether a call that has them generates content.
pub(super) const fn sections(kind: OperationKind) -> &'static [&'static str] {
    match kind {
        OperationKind::OpenAiChatCompletions => &["prompt_cache_key", "tools", "functions", "response_format", "messages"],
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => {
            &["prompt_cache_key", "tools", "text.format", "prompt", "instructions", "input"]
        }
        OperationKind::ClaudeMessages => &["tools", "system", "tool_choice", "thinking", "messages"],
        OperationKind::GeminiGenerateContent => &["systemInstruction", "system_instruction", "tools", "toolConfig", "contents"],
        OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => &[],
    }
}

/// The value of a section.
pub(super) fn section<'a>(body: &Fields<'a>, name: &str) -> Option<Node<'a>> {
    let mut names = name.split('.');
    let first = body.peek(names.next()?)?;
    names.try_fold(first, |value, name| value.object()?.peek(name)).filter(|value| !value.is_null())
}

/// One section.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Where it stands in the body.
    pub(super) span: Range<usize>,
    /// Its blocks, and where each begins.
    pub(super) blocks: Vec<u64>,
    starts: Vec<usize>,
}

/// What is marked to be cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Anything is.
    pub(super) any: bool,
    /// Something of the conversation is.
    pub(super) talk: bool,
    /// Something is for an hour.
    pub(super) hour: bool,
}

/// A prompt's outline.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// In the order of [`sections`].
    pub(super) sections: Vec<Section>,
    pub(super) marks: Marks,
    /// For how long its provider keeps it, in milliseconds.
    pub(super) ttl_ms: u64,
    /// Whether what was said before rests at the provider.
    pub(super) continues: bool,
    /// So many blocks of the conversation say what the system prompt says elsewhere.
    leads: usize,
}

impl Outline {
    /// Reads a body; `None` where it holds no prompt, or one of too many blocks.
    pub(super) fn read(kind: OperationKind, text: &str) -> Option<Self> {
        let body = Node::parse(text.as_bytes()).ok()?.object()?;
        let names = sections(kind);
        let mut reading = Reading { blocks: 0, marks: Marks::default(), hasher: DefaultHasher::new(), text };
        let mut sections = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            let read = section(&body, name).map_or_else(|| Some(Section::default()), |value| reading.section(name, value))?;
            reading.marks.talk &= at + 1 == names.len();
            sections.push(read);
        }
        let talk = section(&body, names.last()?)?;
        let mut marks = reading.marks;
        if let Some(root) = body.peek("cache_control").filter(|mark| !mark.is_null()) {
            marks = Marks { any: true, talk: true, hour: marks.hour || is_for_an_hour(root) };
        }
        let is_named = |name: &str| body.peek(name).is_some_and(|value| !value.is_null());
        let continues = is_named("previous_response_id") || is_named("conversation") || is_named("cachedContent");
        Some(Self { sections, marks, ttl_ms: ttl(&body, marks), continues, leads: leads(talk) })
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        self.sections.iter().map(|section| section.blocks.len() * 16).sum()
    }

    /// The first block that somebody else than the system says.
    pub(super) fn opening(&self) -> Option<u64> {
        self.sections.last()?.blocks.get(self.leads).copied()
    }

    /// How many blocks two prompts have in common at their beginning.
    pub(super) fn shared(&self, other: &Self) -> usize {
        let mut shared = 0;
        for (one, other) in self.sections.iter().zip(&other.sections) {
            shared += leading(&one.blocks, &other.blocks);
            if one.blocks != other.blocks {
                break;
            }
        }
        shared
    }

    /// Whether a later prompt is of the same conversation: most of what was said recurs, and most of what stands before that. Sessions have
    /// other calls beside (titles, summaries, agents of their own), whose prompts are none the worse for being others.
    pub(super) fn is_akin(&self, text: &str, later: &Self, later_text: &str) -> bool {
        let (Some(was), Some(is)) = (self.talk(), later.talk()) else { return false };
        let goes_on = later.continues || (recurring(was, is) > 0 && recurring(was, is) * 2 >= was.len());
        goes_on && self.is_fixed_alike(text, later, later_text)
    }

    /// What was said, without the system's part of it.
    fn talk(&self) -> Option<&[u64]> {
        self.sections.last()?.blocks.get(self.leads..)
    }

    fn is_fixed_alike(&self, text: &str, later: &Self, later_text: &str) -> bool {
        let (was, is) = (self.fixed(), later.fixed());
        if recurring(&was, &is) * 2 >= was.len().max(is.len()) {
            return true;
        }
        let (mut same, mut all) = (0, 0);
        for (one, other) in self.fixed_spans().zip(later.fixed_spans()) {
            let (one, other) = (text.as_bytes().get(one).unwrap_or_default(), later_text.as_bytes().get(other).unwrap_or_default());
            same += alike(one, other);
            all += one.len().max(other.len());
        }
        same * 2 >= all
    }

    /// The blocks before what was said.
    fn fixed(&self) -> Vec<u64> {
        let Some((talk, before)) = self.sections.split_last() else { return Vec::new() };
        before.iter().flat_map(|section| &section.blocks).chain(&talk.blocks[..self.leads]).copied().collect()
    }

    fn fixed_spans(&self) -> impl Iterator<Item = Range<usize>> {
        let (talk, before) = self.sections.split_last().map_or((None, &[][..]), |(talk, before)| (Some(talk), before));
        let lead = talk.map(|talk| talk.span.start..talk.starts.get(self.leads).copied().unwrap_or(talk.span.end));
        before.iter().map(|section| section.span.clone()).chain(lead)
    }
}

/// How many of the blocks are among others.
fn recurring(blocks: &[u64], others: &[u64]) -> usize {
    let others: HashSet<u64> = others.iter().copied().collect();
    blocks.iter().filter(|block| others.contains(block)).count()
}

/// How many blocks two rows have in common at their beginning.
pub(super) fn leading(one: &[u64], other: &[u64]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// How many bytes two texts have in common at both ends.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let head = common(one, other);
    let tail = one[head..].iter().rev().zip(other[head..].iter().rev()).take_while(|(one, other)| one == other).count();
    head + tail
}

/// How many messages of a conversation are the system's, at its beginning.
fn leads(talk: Node<'_>) -> usize {
    let is_system = |message: &&Node<'_>| {
        let role = message.object().and_then(|message| message.peek_text("role"));
        role.is_some_and(|role| role == "system" || role == "developer")
    };
    talk.array().unwrap_or_default().iter().take_while(is_system).count()
}

/// How long a provider keeps a prompt, as it is asked to.
fn ttl(body: &Fields<'_>, marks: Marks) -> u64 {
    let retention = body.peek_text("prompt_cache_retention");
    let options = body.peek("prompt_cache_options").and_then(Node::object).and_then(|options| options.peek_text("ttl"));
    match (retention.as_deref(), options.as_deref()) {
        (Some("24h"), _) => 24 * 60 * MINUTE,
        _ if marks.hour => 60 * MINUTE,
        (_, Some("30m")) => 30 * MINUTE,
        (_, _) => 5 * MINUTE,
    }
}

fn is_for_an_hour(mark: Node<'_>) -> bool {
    mark.object().and_then(|mark| mark.peek_text("ttl")).is_some_and(|ttl| ttl == "1h")
}

/// Makes digests, and sees marks on the way.
struct Reading<'t> {
    blocks: usize,
    marks: Marks,
    hasher: DefaultHasher,
    text: &'t str,
}

impl Reading<'_> {
    fn section(&mut self, name: &str, value: Node<'_>) -> Option<Section> {
        let start = place(value.json(), self.text);
        let blocks = if value.shape() == Shape::Array { value.array()? } else { vec![value] };
        self.blocks += blocks.len();
        if self.blocks > MOST_BLOCKS {
            return None;
        }
        let (digests, starts) = (Vec::with_capacity(blocks.len()), Vec::with_capacity(blocks.len()));
        let mut section = Section { span: start..start + value.json().len(), blocks: digests, starts };
        for block in blocks {
            self.hasher = DefaultHasher::new();
            if holds_content(name) {
                self.part(block, 0);
            } else {
                self.value("", block, 0);
            }
            section.blocks.push(self.hasher.finish());
            section.starts.push(place(block.json(), self.text));
        }
        Some(section)
    }

    /// Takes a value in, whatever stands between its members. Marks are seen, and are no part of it.
    fn value(&mut self, name: &str, value: Node<'_>, depth: usize) {
        if depth >= DEPTH {
            return self.write(b'r', value.json());
        }
        match value.shape() {
            Shape::Object => {
                self.write(b'{', "");
                for (name, value) in value.object().unwrap_or_default().rest() {
                    if value.is_null() {
                        continue;
                    }
                    if is_mark(&name) {
                        self.mark(value);
                    } else {
                        self.write(b'n', &name);
                        self.value(&name, value, depth + 1);
                    }
                }
                self.write(b'}', "");
            }
            Shape::Array => {
                self.write(b'[', "");
                for element in value.array().unwrap_or_default() {
                    if holds_content(name) { self.part(element, depth + 1) } else { self.value("", element, depth + 1) }
                }
                self.write(b']', "");
            }
            Shape::Text if holds_content(name) => {
                self.write(b'[', "");
                self.write(b't', &value.text().unwrap_or_default());
                self.write(b']', "");
            }
            Shape::Text => self.write(b't', &value.text().unwrap_or_default()),
            Shape::Null | Shape::Bool | Shape::Number => self.write(b'r', value.json()),
        }
    }

    /// Takes a part of a content in; one that is nothing but a text as that text.
    fn part(&mut self, part: Node<'_>, depth: usize) {
        match part_text(part) {
            Some(text) => {
                let members = part.object().unwrap_or_default().rest();
                members.iter().filter(|(name, value)| is_mark(name) && !value.is_null()).for_each(|(_, mark)| self.mark(*mark));
                self.write(b't', &text.text().unwrap_or_default());
            }
            None => self.value("", part, depth),
        }
    }

    fn mark(&mut self, mark: Node<'_>) {
        self.marks.any = true;
        self.marks.talk = true;
        self.marks.hour |= is_for_an_hour(mark);
    }

    fn write(&mut self, tag: u8, text: &str) {
        self.hasher.write_u8(tag);
        self.hasher.write_usize(text.len());
        self.hasher.write(text.as_bytes());
    }
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
