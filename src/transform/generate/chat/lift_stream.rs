//! The chunks of a stream into events.
//!
//! A choice is over with its `finish_reason`; the answer is over with `[DONE]`, or with the end of the stream behind it.

use std::borrow::Cow;

use super::{
    super::{
        canon::{Block, Media, MediaKind, Part, Rest, Source},
        event::{Delta, Event, Opening, StreamFault},
        spoke::Lift,
    },
    calls::seal_of,
    chunk::{self, ChoiceChunk, Chunk},
    cite, content,
    lift_answer::message_audio,
    lift_calls::Calls,
    lift_messages,
    lift_thoughts::Thoughts,
    logprobs,
    stop::{self, Said},
    usage,
};
use crate::protocol::json::{Fields, Node, Shape};

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Lifter {
    /// The answer's id, once it has begun.
    answer: Option<String>,
    over: bool,
    /// Blocks opened so far.
    blocks: usize,
    choices: Vec<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    index: usize,
    stopped: bool,
    thoughts: Thoughts,
    speech: Option<Speech>,
    refused: bool,
    audio: Option<Audio>,
    calls: Calls,
}

/// The block of words that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Text(usize),
    Refusal(usize),
}

/// A sound that comes in pieces: the canonical form has it whole.
#[derive(Debug, Default)]
struct Audio {
    data: String,
    rest: Rest<'static>,
}

/// Where the events of one choice go.
pub(super) struct Out<'o, 's> {
    pub(super) answer: &'o str,
    pub(super) choice: usize,
    blocks: &'o mut usize,
    sink: &'o mut (dyn FnMut(Event<'_>) + 's),
}

impl Out<'_, '_> {
    pub(super) fn open(&mut self, head: Block<'_>) -> usize {
        let block = *self.blocks;
        *self.blocks += 1;
        (self.sink)(Event::BlockOpen { block, choice: self.choice, head });
        block
    }

    pub(super) fn delta(&mut self, block: usize, delta: Delta<'_>) {
        (self.sink)(Event::Delta { block, delta });
    }

    pub(super) fn close(&mut self, block: usize) {
        (self.sink)(Event::BlockClose { block });
    }

    pub(super) fn unknown(&mut self, name: &'static str) {
        (self.sink)(Event::Unknown { name: Cow::Borrowed(name) });
    }
}

impl Lift for Lifter {
    fn push(&mut self, name: &[u8], data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        if self.over {
            return;
        }
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return self.finish(sink);
        }
        let Some(chunk) = std::str::from_utf8(data).ok().and_then(|text| serde_json::from_str::<Chunk<'_>>(text).ok()) else {
            if !data.is_empty() {
                sink(Event::Unknown { name: Cow::Borrowed("chunk") });
            }
            return;
        };
        if let Some(fault) = fault(name, &chunk) {
            self.over = true;
            sink(Event::Fault(fault));
            return;
        }
        self.open(&chunk, sink);
        for choice in chunk.choices.iter().flatten() {
            self.choice(choice, sink);
        }
        if self.answer.is_some()
            && let Some(tokens) = chunk::node(chunk.usage).and_then(usage::lift)
        {
            sink(Event::Usage(tokens));
        }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if !self.over && !self.choices.is_empty() && self.choices.iter().all(|choice| choice.stopped) {
            self.over = true;
            sink(Event::Close);
        }
    }

    /// The words of a sound come with a piece of it, which is kept.
    fn repeats(&self) -> bool {
        self.choices.iter().all(|choice| choice.audio.is_none())
    }
}

impl Lifter {
    /// Begins the answer with the first chunk that says anything of it: some vendors send an empty one before.
    fn open(&mut self, chunk: &Chunk<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let silent = chunk.choices.as_ref().is_none_or(Vec::is_empty) && chunk.usage.is_none();
        if self.answer.is_some() || silent {
            return;
        }
        let id = chunk::text(chunk.id).unwrap_or_default();
        self.answer = Some(id.as_ref().to_owned());
        sink(Event::Open(Opening {
            id,
            model: chunk::text(chunk.model).unwrap_or_default(),
            created: chunk::unsigned(chunk.created),
            service_tier: chunk::text(chunk.service_tier),
            usage: None,
        }));
    }

    fn choice(&mut self, chunk: &ChoiceChunk<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let index = chunk::unsigned(chunk.index).and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        let answer = self.answer.as_deref().unwrap_or("");
        self.choices[at].push(chunk, &mut Out { answer, choice: index, blocks: &mut self.blocks, sink });
    }
}

impl Choice {
    fn push(&mut self, chunk: &ChoiceChunk<'_>, out: &mut Out<'_, '_>) {
        if self.stopped {
            return;
        }
        if let Some(delta) = &chunk.delta {
            self.delta(delta, out);
        }
        if let Some(node) = chunk::node(chunk.logprobs) {
            self.logprobs(node, out);
        }
        if let Some(word) = chunk::text(chunk.finish_reason) {
            self.close(out);
            let said = Said { calls: self.calls.any(), refusal: self.refused };
            self.stopped = true;
            (out.sink)(Event::Stop { choice: self.index, stop: stop::lift(Some(word), said) });
        }
    }

    fn delta(&mut self, delta: &chunk::Delta<'_>, out: &mut Out<'_, '_>) {
        if Thoughts::are_in(delta) {
            self.hush(out);
            self.thoughts.push(delta, out);
        }
        if let Some(text) = chunk::text(delta.content) {
            let block = self.text(out);
            out.delta(block, Delta::Text(text));
        } else if let Some(parts) = chunk::node(delta.content).filter(|node| node.shape() == Shape::Array) {
            self.parts(parts, out);
        }
        if let Some(text) = chunk::text(delta.refusal) {
            let block = self.refusal(out);
            out.delta(block, Delta::Text(text));
        }
        if let Some(seal) = chunk::node(delta.extra_content).and_then(seal_of) {
            let block = self.text(out);
            out.delta(block, Delta::Seal(seal));
        }
        self.rare(delta, out);
        if let Some(pieces) = delta.tool_calls.as_deref().filter(|pieces| !pieces.is_empty()) {
            self.quiet(out);
            self.calls.push(pieces, out);
        }
        if let Some(function) = &delta.function_call {
            self.quiet(out);
            self.calls.push_legacy(function, out);
        }
    }

    /// Annotations, pictures, sound.
    fn rare(&mut self, delta: &chunk::Delta<'_>, out: &mut Out<'_, '_>) {
        for annotation in chunk::node(delta.annotations).and_then(Node::array).unwrap_or_default() {
            let block = self.text(out);
            out.delta(block, Delta::Cite(Box::new(cite::lift(annotation))));
        }
        for (at, image) in chunk::node(delta.images).and_then(Node::array).unwrap_or_default().into_iter().enumerate() {
            self.quiet(out);
            match lift_messages::image(image, at) {
                Ok(whole) => {
                    let block = out.open(whole);
                    out.close(block);
                }
                Err(_) => out.unknown("images"),
            }
        }
        if let Some(audio) = chunk::node(delta.audio).and_then(Node::object) {
            self.audio(audio, out);
        }
    }

    fn audio(&mut self, mut audio: Fields<'_>, out: &mut Out<'_, '_>) {
        if let Some(words) = audio.text("transcript").ok().flatten().filter(|words| !words.is_empty()) {
            let block = self.text(out);
            out.delta(block, Delta::Text(words));
        }
        let sound = self.audio.get_or_insert_default();
        sound.data.push_str(&audio.text("data").ok().flatten().unwrap_or_default());
        message_audio(audio, &mut sound.rest);
    }

    /// Parts instead of a string: thinking and text, as Mistral sends them.
    fn parts(&mut self, parts: Node<'_>, out: &mut Out<'_, '_>) {
        let mut blocks = Vec::new();
        if content::lift(Some(parts), &mut blocks).is_err() {
            return out.unknown("content");
        }
        for block in blocks {
            match block.part {
                Part::Text { text, .. } if !text.is_empty() => {
                    let block = self.text(out);
                    out.delta(block, Delta::Text(text));
                }
                Part::Reasoning(thought) => {
                    self.hush(out);
                    thought.text.into_iter().for_each(|words| self.thoughts.words(words, out));
                }
                Part::Text { .. } => {}
                Part::Refusal(_)
                | Part::Call(_)
                | Part::Result(_)
                | Part::Media(_)
                | Part::ServerCall(_)
                | Part::ServerResult(_)
                | Part::Opaque { .. } => out.unknown("content"),
            }
        }
    }

    fn logprobs(&mut self, node: Node<'_>, out: &mut Out<'_, '_>) {
        let all = node.object().map(|mut told| logprobs::lift(&mut told)).unwrap_or_default();
        if let (Some(Speech::Text(block) | Speech::Refusal(block)), false) = (self.speech, all.is_empty()) {
            out.delta(block, Delta::Logprobs(all));
        }
    }

    fn text(&mut self, out: &mut Out<'_, '_>) -> usize {
        if let Some(Speech::Text(block)) = self.speech {
            return block;
        }
        self.quiet(out);
        let block = out.open(content::words(Cow::Borrowed(""), 0));
        self.speech = Some(Speech::Text(block));
        block
    }

    fn refusal(&mut self, out: &mut Out<'_, '_>) -> usize {
        if let Some(Speech::Refusal(block)) = self.speech {
            return block;
        }
        self.quiet(out);
        self.refused = true;
        let block = out.open(content::block(Part::Refusal(Cow::Borrowed("")), 0));
        self.speech = Some(Speech::Refusal(block));
        block
    }

    /// Ends the words that are open.
    fn hush(&mut self, out: &mut Out<'_, '_>) {
        if let Some(Speech::Text(block) | Speech::Refusal(block)) = self.speech.take() {
            out.close(block);
        }
    }

    /// Ends words and thinking that are open: something else begins.
    fn quiet(&mut self, out: &mut Out<'_, '_>) {
        self.hush(out);
        self.thoughts.close(out);
    }

    /// Ends everything: the choice is over.
    fn close(&mut self, out: &mut Out<'_, '_>) {
        self.quiet(out);
        if let Some(audio) = self.audio.take() {
            let media = Media { kind: MediaKind::Audio, source: Source::Base64(audio.data.into()), mime: None, name: None, detail: None };
            let block = out.open(Block { rest: audio.rest, ..content::block(Part::Media(media), 0) });
            out.close(block);
        }
        self.calls.finish(out);
    }
}

/// An error where a chunk should be.
fn fault<'a>(name: &[u8], chunk: &Chunk<'a>) -> Option<StreamFault<'a>> {
    let inner = chunk::node(chunk.error).or_else(|| chunk.choices.iter().flatten().find_map(|choice| chunk::node(choice.error)));
    if let Some(error) = inner {
        return Some(read_fault(error));
    }
    let broken = chunk.choices.iter().flatten().any(|choice| chunk::text(choice.finish_reason).as_deref() == Some("error"));
    if name != b"error" && chunk::text(chunk.object).as_deref() != Some("error") && !broken {
        return None;
    }
    let status = chunk::unsigned(chunk.code).and_then(status_of);
    Some(StreamFault { status, code: chunk::text(chunk.code), message: chunk::text(chunk.message).unwrap_or_default() })
}

/// What an `error` says: an object, or a bare sentence.
pub(super) fn read_fault(error: Node<'_>) -> StreamFault<'_> {
    let Some(mut fields) = error.object() else {
        return StreamFault { message: error.text().unwrap_or_default(), ..StreamFault::default() };
    };
    let code = fields.some("code");
    let status = code.and_then(Node::unsigned).or(fields.unsigned("status").ok().flatten()).and_then(status_of);
    let word = code.and_then(Node::text).or(fields.text("type").ok().flatten());
    StreamFault { status, code: word, message: fields.text("message").ok().flatten().unwrap_or_default() }
}

fn status_of(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}
