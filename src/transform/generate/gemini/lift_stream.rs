//! A stream, read: each frame is an answer of its own that continues the one before.

use std::borrow::Cow;

use super::{
    super::{
        canon::{Stop, Tokens},
        event::{Event, Opening, StreamFault},
        spoke::Lift,
    },
    fast, fields, lift_answer,
    speaking::{Numbers, Speaking},
    usage,
};
use crate::{
    protocol::json::{Fields, Node, Shape},
    transform::time,
};

/// Where events go.
pub(super) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// What stands around the candidates of each frame, and is read from the first.
const AROUND: &[&str] = &["responseId", "modelVersion", "createTime", "promptFeedback"];

/// The stream as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Lifter {
    opened: bool,
    over: bool,
    numbers: Numbers,
    choices: Vec<Speaking>,
    usage: Option<Tokens>,
    /// Why the prompt was blocked.
    blocked: Option<String>,
    /// Members that nobody knows, told once: each frame repeats them.
    strangers: Vec<String>,
}

impl Lift for Lifter {
    fn push(&mut self, _name: &[u8], data: &[u8], sink: &mut Sink<'_>) {
        if self.opened
            && !self.over
            && let Some(piece) = fast::read(data)
        {
            self.piece(piece, sink);
            return;
        }
        let Ok(node) = Node::parse(data) else { return };
        // Errors arrive within an array even where the stream is none.
        let frames = if node.shape() == Shape::Array { fields::items(node) } else { vec![node] };
        for frame in frames.into_iter().filter_map(Node::object) {
            if !self.over {
                self.frame(frame, sink);
            }
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        if self.over || !self.earned() {
            return;
        }
        self.over = true;
        let mut searches = 0;
        for mut choice in std::mem::take(&mut self.choices) {
            searches += choice.end(&mut self.numbers, sink);
        }
        if let Some(why) = self.blocked.take() {
            sink(Event::Stop { choice: 0, stop: Stop::Filtered(Some(Cow::Owned(why))) });
        }
        if let Some(usage) = self.usage.filter(|_| searches > 0) {
            sink(Event::Usage(Tokens { searches, ..usage }));
        }
        sink(Event::Close);
    }
}

impl Lifter {
    /// Whether every choice has told why it ended.
    fn earned(&self) -> bool {
        if self.choices.is_empty() { self.blocked.is_some() } else { self.choices.iter().all(Speaking::has_reason) }
    }

    fn frame(&mut self, mut frame: Fields<'_>, sink: &mut Sink<'_>) {
        if let Some(error) = frame.some("error") {
            self.over = true;
            sink(Event::Fault(fault(error)));
            return;
        }
        let (tokens, tier) = fields::take(&mut frame, "usageMetadata").and_then(usage::lift).unzip();
        if !self.opened {
            self.open(&mut frame, (tokens, tier.flatten()), sink);
        }
        for (at, node) in fields::list(&mut frame, "candidates").into_iter().enumerate() {
            if let Some(candidate) = node.object() {
                self.candidate(at, candidate, sink);
            }
        }
        if let Some(why) = lift_answer::blocked(&frame).filter(|_| self.choices.is_empty()) {
            self.blocked = Some(why.into_owned());
        }
        self.count(tokens, sink);
        self.strangers(frame, sink);
    }

    /// Tells what of a frame the canonical form has no place for.
    fn strangers(&mut self, mut frame: Fields<'_>, sink: &mut Sink<'_>) {
        for name in AROUND {
            fields::take(&mut frame, name);
        }
        for (name, value) in frame.rest() {
            if !value.is_null() && !self.strangers.iter().any(|told| *told == name) {
                self.strangers.push(name.as_ref().to_owned());
                sink(Event::Unknown { name });
            }
        }
    }

    fn piece(&mut self, piece: fast::Piece<'_>, sink: &mut Sink<'_>) {
        let choice = Self::choice(&mut self.choices, piece.choice);
        choice.say(piece.text, (piece.thought, None), &mut self.numbers, sink);
        self.count(piece.usage, sink);
    }

    /// Tells figures that are new.
    fn count(&mut self, tokens: Option<Tokens>, sink: &mut Sink<'_>) {
        if let Some(tokens) = tokens.filter(|tokens| self.usage != Some(*tokens)) {
            self.usage = Some(tokens);
            sink(Event::Usage(tokens));
        }
    }

    fn choice(choices: &mut Vec<Speaking>, index: usize) -> &mut Speaking {
        let known = choices.iter().position(|choice| choice.index() == index);
        let known = known.unwrap_or_else(|| {
            choices.push(Speaking::new(index));
            choices.len() - 1
        });
        &mut choices[known]
    }

    fn open(&mut self, frame: &mut Fields<'_>, (usage, tier): (Option<Tokens>, Option<String>), sink: &mut Sink<'_>) {
        let word = |frame: &mut Fields<'_>, name: &str| fields::take(frame, name).and_then(Node::text).map(Cow::into_owned);
        let id = word(frame, "responseId").unwrap_or_default();
        let model = word(frame, "modelVersion").unwrap_or_default();
        let created = word(frame, "createTime").and_then(|text| time::read(&text));
        self.opened = true;
        self.numbers.answer.clone_from(&id);
        sink(Event::Open(Opening {
            id: Cow::Owned(id),
            model: Cow::Owned(model),
            created,
            service_tier: tier.map(Cow::Owned),
            usage: usage.map(|tokens| Tokens { output: 0, reasoning: 0, ..tokens }),
        }));
    }

    fn candidate(&mut self, at: usize, mut candidate: Fields<'_>, sink: &mut Sink<'_>) {
        let index = fields::count(&mut candidate, "index").ok().flatten();
        let index = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(at);
        Self::choice(&mut self.choices, index).take(candidate, &mut self.numbers, sink);
    }
}

/// Google's error object, within a stream or in an answer's place.
pub(super) fn fault(error: Node<'_>) -> StreamFault<'static> {
    let Some(mut members) = error.object() else {
        return StreamFault { message: Cow::Owned(error.text().unwrap_or_default().into_owned()), ..StreamFault::default() };
    };
    let owned = |node: Node<'_>| node.text().map(|text| Cow::Owned(text.into_owned()));
    let status = members.some("code").and_then(Node::unsigned).and_then(|code| u16::try_from(code).ok());
    let code = members.some("status").and_then(owned);
    StreamFault { status, code, message: members.some("message").and_then(owned).unwrap_or_default() }
}
