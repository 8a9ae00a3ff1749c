//! One choice of a stream, read: parts of one kind that follow each other are one block.

use std::borrow::Cow;

use super::{
    super::{
        canon::{Block, Call, Input, Part, Reasoning, Rest, ServerTool, Text},
        event::{Delta, Event},
    },
    fields,
    grounds::Grounds,
    ids, lift_part,
    lift_stream::Sink,
    logprobs,
    partial::Partial,
    stop,
};
use crate::{
    protocol::json::{Fields, Node},
    transform::Seal,
};

/// What blocks and ids are counted by.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The answer's id.
    pub(super) answer: String,
    blocks: usize,
    calls: usize,
    servers: usize,
}

impl Numbers {
    fn block(&mut self) -> usize {
        self.blocks += 1;
        self.blocks - 1
    }
}

/// The choice as far as it was read.
#[derive(Debug)]
pub(super) struct Speaking {
    index: usize,
    open: Option<Open>,
    partial: Option<Partial>,
    called: bool,
    tools: Vec<ServerTool>,
    reason: Option<String>,
    /// `groundingMetadata`, `citationMetadata`, `urlContextMetadata`: the last of each counts, and it tells of the whole.
    grounds: [Option<String>; 3],
}

/// The block of words that the next part may continue.
#[derive(Debug)]
struct Open {
    block: usize,
    thought: bool,
    sealed: bool,
    /// What was said: citations count its bytes.
    text: String,
}

impl Speaking {
    pub(super) fn new(index: usize) -> Self {
        Self { index, open: None, partial: None, called: false, tools: Vec::new(), reason: None, grounds: [None, None, None] }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn has_reason(&self) -> bool {
        self.reason.is_some()
    }

    /// Takes the choice's share of a frame.
    pub(super) fn take(&mut self, mut candidate: Fields<'_>, numbers: &mut Numbers, sink: &mut Sink<'_>) {
        if let Ok(Some(mut content)) = fields::object(&mut candidate, "content") {
            for node in fields::list(&mut content, "parts") {
                self.part(node, numbers, sink);
            }
        }
        if let Ok(Some(reason)) = fields::text(&mut candidate, "finishReason") {
            self.reason = Some(reason.into_owned());
        }
        if candidate.is_empty() {
            return;
        }
        let logprobs = fields::take(&mut candidate, "logprobsResult").map(logprobs::lift).unwrap_or_default();
        if let Some(open) = self.open.as_ref().filter(|_| !logprobs.is_empty()) {
            sink(Event::Delta { block: open.block, delta: Delta::Logprobs(logprobs) });
        }
        let grounds = Grounds::take(&mut candidate);
        for (slot, node) in self.grounds.iter_mut().zip([grounds.grounding, grounds.citations, grounds.urls]) {
            if let Some(node) = node {
                *slot = Some(node.json().to_owned());
            }
        }
        // Judgements of safety and figures beside the answer are known, and harmless to leave.
        let harmless = |name: &str| matches!(name, "safetyRatings" | "finishMessage" | "avgLogprobs" | "tokenCount");
        for (name, _) in candidate.rest().into_iter().filter(|(name, _)| !harmless(name)) {
            sink(Event::Unknown { name });
        }
    }

    /// The choice is over: what was held back until now. Gives the searches that Google ran.
    pub(super) fn end(&mut self, numbers: &mut Numbers, sink: &mut Sink<'_>) -> u64 {
        self.complete(sink);
        let held = std::mem::take(&mut self.grounds);
        let mut nodes = held.iter().map(|json| json.as_deref().and_then(|json| Node::parse(json.as_bytes()).ok()));
        let mut next = || nodes.next().flatten();
        let grounds = Grounds { grounding: next(), citations: next(), urls: next() };
        if let Some(open) = self.open.as_ref().filter(|open| !open.thought) {
            for mut cited in grounds.cited() {
                cited.citation.span = cited.place(&open.text);
                sink(Event::Delta { block: open.block, delta: Delta::Cite(Box::new(cited.citation)) });
            }
        }
        self.close(sink);
        for block in grounds.blocks(&numbers.answer, numbers.blocks, &self.tools) {
            self.whole(block, numbers, sink);
        }
        let reason = self.reason.take().unwrap_or_default();
        sink(Event::Stop { choice: self.index, stop: stop::lift(Cow::Owned(reason), self.called) });
        grounds.searches()
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        if let Some(open) = self.open.take() {
            sink(Event::BlockClose { block: open.block });
        }
    }

    fn part(&mut self, node: Node<'_>, numbers: &mut Numbers, sink: &mut Sink<'_>) {
        if self.piece(node, numbers, sink) {
            return;
        }
        let Ok(block) = lift_part::lift(node, numbers.blocks) else {
            sink(Event::Unknown { name: Cow::Borrowed("parts") });
            return;
        };
        match block.part {
            Part::Text { text, .. } => {
                self.say(text, (false, block.seal), numbers, sink);
                block.rest.members.into_iter().for_each(|(name, _)| sink(Event::Unknown { name }));
            }
            Part::Reasoning(Reasoning { mut text, seal, redacted: false, .. }) => {
                self.say(text.pop().unwrap_or_default(), (true, seal), numbers, sink);
                block.rest.members.into_iter().for_each(|(name, _)| sink(Event::Unknown { name }));
            }
            Part::Call(call) => self.call(call, (block.seal, block.rest), numbers, sink),
            Part::ServerCall(mut call) => {
                if call.id.is_empty() {
                    call.id = Cow::Owned(ids::of_server(&numbers.answer, numbers.servers));
                }
                numbers.servers += 1;
                self.tools.push(call.tool.clone());
                self.whole(Block { part: Part::ServerCall(call), ..block }, numbers, sink);
            }
            Part::ServerResult(mut result) => {
                if result.id.is_empty() {
                    result.id = Cow::Owned(ids::of_server(&numbers.answer, numbers.servers.saturating_sub(1)));
                }
                self.whole(Block { part: Part::ServerResult(result), ..block }, numbers, sink);
            }
            part @ (Part::Reasoning(_) | Part::Refusal(_) | Part::Result(_) | Part::Media(_) | Part::Opaque { .. }) => {
                self.whole(Block { part, ..block }, numbers, sink);
            }
        }
    }

    /// Words or thoughts, and the signature that came with them.
    pub(super) fn say(&mut self, text: Text<'_>, (thought, seal): (bool, Option<Seal<'_>>), numbers: &mut Numbers, sink: &mut Sink<'_>) {
        if text.is_empty() && seal.is_none() {
            return;
        }
        let goes_on = self.open.as_ref().is_some_and(|open| open.thought == thought && !(open.sealed && seal.is_some()));
        if !goes_on {
            self.close(sink);
            let (block, at) = (numbers.block(), numbers.blocks - 1);
            let part =
                if thought { Part::Reasoning(Reasoning::default()) } else { Part::Text { text: Cow::Borrowed(""), citations: Vec::new() } };
            sink(Event::BlockOpen { block, choice: self.index, head: Block { part, cache: None, seal: None, at, rest: Rest::default() } });
            self.open = Some(Open { block, thought, sealed: false, text: String::new() });
        }
        let Some(open) = &mut self.open else { return };
        if !thought {
            open.text.push_str(&text);
        }
        if !text.is_empty() {
            let delta = if thought { Delta::Reasoning(text) } else { Delta::Text(text) };
            sink(Event::Delta { block: open.block, delta });
        }
        if let Some(seal) = seal {
            open.sealed = true;
            sink(Event::Delta { block: open.block, delta: Delta::Seal(seal) });
        }
    }

    /// A block that comes in one piece.
    fn whole(&mut self, head: Block<'_>, numbers: &mut Numbers, sink: &mut Sink<'_>) {
        self.close(sink);
        let block = numbers.block();
        sink(Event::BlockOpen { block, choice: self.index, head });
        sink(Event::BlockClose { block });
    }

    fn call(&mut self, call: Call<'_>, around: (Option<Seal<'_>>, Rest<'_>), numbers: &mut Numbers, sink: &mut Sink<'_>) {
        let (Input::Json(args) | Input::Free(args)) = call.input.clone();
        let block = self.begin(call, around, numbers, sink);
        sink(Event::Delta { block, delta: Delta::Input(args) });
        sink(Event::BlockClose { block });
    }

    /// Opens a call's block, its input still empty.
    fn begin(
        &mut self,
        mut call: Call<'_>,
        (seal, rest): (Option<Seal<'_>>, Rest<'_>),
        numbers: &mut Numbers,
        sink: &mut Sink<'_>,
    ) -> usize {
        self.complete(sink);
        self.close(sink);
        self.called = true;
        if call.id.is_empty() {
            call.id = Cow::Owned(ids::of_answer(&numbers.answer, numbers.calls));
        }
        numbers.calls += 1;
        call.input = Input::Json(Cow::Borrowed(""));
        let block = numbers.block();
        sink(Event::BlockOpen { block, choice: self.index, head: Block { part: Part::Call(call), cache: None, seal, at: block, rest } });
        block
    }

    /// A call that comes in pieces: begun with its name, continued without, ended by a piece that says no more of it.
    fn piece(&mut self, node: Node<'_>, numbers: &mut Numbers, sink: &mut Sink<'_>) -> bool {
        let Some(mut part) = node.object() else { return false };
        let Ok(Some(mut call)) = fields::object(&mut part, "functionCall") else { return false };
        let more = fields::flag(&mut call, "willContinue").ok().flatten().unwrap_or(false);
        let begins = fields::peek(&call, "name").is_some();
        if begins && !more && fields::peek(&call, "partialArgs").is_none() || !begins && self.partial.is_none() {
            return false;
        }
        if begins {
            let seal = lift_part::seal(&mut part).ok().flatten();
            let Ok(head) = lift_part::function_call(&mut call.clone()) else { return false };
            let block = self.begin(head, (seal, Rest::default()), numbers, sink);
            self.partial = Some(Partial::new(block));
        }
        if let Some(partial) = &mut self.partial {
            partial.add(&mut call);
        }
        if !more {
            self.complete(sink);
        }
        true
    }

    /// Ends the call that came in pieces.
    fn complete(&mut self, sink: &mut Sink<'_>) {
        if let Some(partial) = self.partial.take() {
            sink(Event::Delta { block: partial.block, delta: Delta::Input(Cow::Owned(partial.json())) });
            sink(Event::BlockClose { block: partial.block });
        }
    }
}
