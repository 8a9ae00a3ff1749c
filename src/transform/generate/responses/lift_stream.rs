//! An answer as it is made, out of this dialect's events.
//!
//! Items are told apart by `output_index`, or by `item_id` where that is absent. Whatever a provider leaves out (parts that
//! are never announced, items that only the last event holds) is made up for when the item, or the answer, is complete.

use std::borrow::Cow;

use super::super::{
    canon::{Block, Part, Rest, Stop},
    event::{Delta, Event, Opening},
    spoke::Lift,
};
use super::{
    lift_answer::{self, Head},
    lift_items, lift_parts,
    piece::{self, Piece},
    reading::{Item, Kind, Parts},
    stop::{self, Seen},
};
use crate::{
    protocol::json::{Fields, Node},
    transform::Seal,
};

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    opened: bool,
    over: bool,
    items: Vec<Item>,
    /// How many blocks were opened.
    blocks: usize,
    seen: Seen,
    searches: u64,
}

/// Where events go.
pub(super) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

impl Lift for Reader {
    fn push(&mut self, name: &[u8], data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        if self.over {
            return;
        }
        if let Some(piece) = piece::read(name, data)
            && let Some(block) = self.place(&piece)
        {
            return sink(Event::Delta { block, delta: Delta::Text(piece.delta) });
        }
        let Some(fields) = std::str::from_utf8(data).ok().and_then(|text| serde_json::from_str::<Fields<'_>>(text).ok()) else { return };
        let kind = fields.peek_text("type");
        let kind = kind.as_deref().or_else(|| std::str::from_utf8(name).ok()).unwrap_or_default();
        if kind == "error" || fields.peek("error").is_some_and(|error| !error.is_null()) {
            self.fault(fields, sink);
            return;
        }
        if let Some(kind) = kind.strip_prefix("response.") {
            self.event(kind, &fields, sink);
        }
    }

    fn finish(&mut self, _sink: &mut dyn FnMut(Event<'_>)) {}
}

impl Reader {
    /// The block that a piece goes on with; `None` where it begins one, or goes on with none. The piece counts as sent.
    fn place(&mut self, piece: &Piece<'_>) -> Option<usize> {
        let item = self.items.iter_mut().rfind(|item| item.index == Some(piece.output_index))?;
        let Kind::Message(parts) = &mut item.kind else { return None };
        let at = parts.find(piece.content_index)?;
        let block = parts.say(at)?;
        parts.sent(at, piece.delta.len());
        Some(block)
    }

    fn event(&mut self, kind: &str, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        match kind {
            "output_text.delta" | "refusal.delta" => self.words(kind == "refusal.delta", fields, sink),
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => self.input(fields, "delta", sink),
            "function_call_arguments.done" => self.input(fields, "arguments", sink),
            "custom_tool_call_input.done" => self.input(fields, "input", sink),
            "reasoning_summary_text.delta" => self.summary(fields, sink),
            "reasoning_text.delta" => self.thinking(fields, sink),
            "output_text.annotation.added" => self.annotation(fields, sink),
            "output_text.done" | "refusal.done" => self.words_done(kind == "refusal.done", fields, sink),
            "content_part.added" => self.part_added(fields, sink),
            "content_part.done" => self.part_done(fields, sink),
            "output_item.added" => self.added(fields, sink),
            "output_item.done" => self.done(fields, sink),
            "created" | "in_progress" | "queued" => {
                if let Some(mut response) = fields.peek("response").and_then(Node::object) {
                    self.open(&mut response, sink);
                }
            }
            "completed" | "incomplete" | "failed" | "cancelled" => self.ended(kind, fields, sink),
            _ => {}
        }
    }

    fn open(&mut self, response: &mut Fields<'_>, sink: &mut Sink<'_>) {
        if self.opened {
            return;
        }
        self.opened = true;
        let head = Head::read(response).unwrap_or_default();
        let Head { id, model, created, service_tier, .. } = head;
        sink(Event::Open(Opening { id, model, created, service_tier, usage: None }));
    }

    /// An answer that begins without saying so.
    fn opened(&mut self, sink: &mut Sink<'_>) {
        if !self.opened {
            self.opened = true;
            sink(Event::Open(Opening::default()));
        }
    }

    /// The item that an event is about.
    fn find(&self, fields: &Fields<'_>) -> Option<usize> {
        if let Some(index) = fields.peek("output_index").and_then(Node::unsigned) {
            return self.items.iter().rposition(|item| item.index == Some(index));
        }
        match fields.peek_text("item_id") {
            Some(id) => self.items.iter().rposition(|item| item.id == *id),
            None => self.items.len().checked_sub(1),
        }
    }

    /// The item that an event is about; a message where none was announced.
    fn message(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) -> usize {
        if let Some(at) = self.find(fields) {
            return at;
        }
        self.opened(sink);
        let index = fields.peek("output_index").and_then(Node::unsigned);
        let id = fields.peek_text("item_id").unwrap_or_default().into_owned();
        self.items.push(Item { index, id, kind: Kind::Message(Parts::default()), done: false });
        self.items.len() - 1
    }

    fn open_block(&mut self, head: Block<'_>, sink: &mut Sink<'_>) -> usize {
        let block = self.blocks;
        self.blocks += 1;
        self.seen.note(&head.part);
        self.searches += u64::from(lift_answer::is_search(&head.part));
        sink(Event::BlockOpen { block, choice: 0, head: Block { at: block, ..head } });
        block
    }

    /// A part of a message, opened where it is not.
    fn part(&mut self, item: usize, content: u64, refusal: bool, sink: &mut Sink<'_>) -> Option<usize> {
        let Kind::Message(parts) = &self.items.get(item)?.kind else { return None };
        if let Some(at) = parts.find(content) {
            return Some(at);
        }
        let rest = parts.head();
        let part = if refusal { Part::Refusal(Cow::Borrowed("")) } else { Part::Text { text: Cow::Borrowed(""), citations: Vec::new() } };
        let mut head = lift_parts::block(part, 0);
        head.rest = rest;
        let block = self.open_block(head, sink);
        let Kind::Message(parts) = &mut self.items.get_mut(item)?.kind else { return None };
        Some(parts.open(content, block))
    }

    fn words(&mut self, refusal: bool, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let item = self.message(fields, sink);
        let content = fields.peek("content_index").and_then(Node::unsigned).unwrap_or(0);
        let Some(at) = self.part(item, content, refusal, sink) else { return };
        let Some(Kind::Message(parts)) = self.items.get_mut(item).map(|item| &mut item.kind) else { return };
        let Some(block) = parts.say(at) else { return };
        if let Some(words) = fields.peek("delta").and_then(Node::text).filter(|words| !words.is_empty()) {
            parts.sent(at, words.len());
            sink(Event::Delta { block, delta: Delta::Text(words) });
        }
        let logprobs = fields.peek("logprobs").filter(|list| list.json() != "[]");
        let logprobs = lift_parts::logprobs(logprobs);
        if !logprobs.is_empty() {
            sink(Event::Delta { block, delta: Delta::Logprobs(logprobs) });
        }
    }

    /// The whole text: what the pieces left out is sent.
    fn words_done(&mut self, refusal: bool, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let item = self.message(fields, sink);
        let content = fields.peek("content_index").and_then(Node::unsigned).unwrap_or(0);
        let Some(text) = fields.peek(if refusal { "refusal" } else { "text" }).and_then(Node::text) else { return };
        if let Some(at) = self.part(item, content, refusal, sink) {
            self.complete_words(item, at, &text, sink);
        }
    }

    fn complete_words(&mut self, item: usize, at: usize, text: &str, sink: &mut Sink<'_>) {
        let Some(Kind::Message(parts)) = self.items.get_mut(item).map(|item| &mut item.kind) else { return };
        let Some(block) = parts.say(at) else { return };
        if let Some(more) = text.get(parts.length(at)..).filter(|more| !more.is_empty()) {
            parts.sent(at, more.len());
            sink(Event::Delta { block, delta: Delta::Text(Cow::Borrowed(more)) });
        }
    }

    fn annotation(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let item = self.message(fields, sink);
        let content = fields.peek("content_index").and_then(Node::unsigned).unwrap_or(0);
        let Some(citation) = fields.peek("annotation").and_then(lift_parts::citation) else { return };
        let Some(at) = self.part(item, content, false, sink) else { return };
        let Some(Kind::Message(parts)) = self.items.get_mut(item).map(|item| &mut item.kind) else { return };
        if let Some(block) = parts.say(at) {
            parts.cited(at);
            sink(Event::Delta { block, delta: Delta::Cite(Box::new(citation)) });
        }
    }

    fn part_added(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let kind = fields.peek("part").and_then(Node::object).and_then(|part| part.peek_text("type"));
        let refusal = match kind.as_deref() {
            Some("refusal") => true,
            Some("reasoning_text") => return,
            _ => false,
        };
        let item = self.message(fields, sink);
        let content = fields.peek("content_index").and_then(Node::unsigned).unwrap_or(0);
        self.part(item, content, refusal, sink);
    }

    fn part_done(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let Some(item) = self.find(fields) else { return };
        let content = fields.peek("content_index").and_then(Node::unsigned).unwrap_or(0);
        let Some(whole) = fields.peek("part") else { return };
        self.complete_part(item, content, whole, sink);
    }

    /// Sends what is missing of a part, and ends it.
    fn complete_part(&mut self, item: usize, content: u64, whole: Node<'_>, sink: &mut Sink<'_>) {
        let Ok(block) = lift_parts::part(whole, 0) else { return };
        let (text, citations, refusal) = match block.part {
            Part::Text { text, citations } => (text, citations, false),
            Part::Refusal(words) => (words, Vec::new(), true),
            _ => return,
        };
        let Some(at) = self.part(item, content, refusal, sink) else { return };
        self.complete_words(item, at, &text, sink);
        let Some(Kind::Message(parts)) = self.items.get_mut(item).map(|item| &mut item.kind) else { return };
        let Some(block) = parts.say(at) else { return };
        for citation in citations.into_iter().skip(parts.citations(at)) {
            sink(Event::Delta { block, delta: Delta::Cite(Box::new(citation)) });
        }
        parts.close(at);
        sink(Event::BlockClose { block });
    }

    fn input(&mut self, fields: &Fields<'_>, member: &str, sink: &mut Sink<'_>) {
        let Some(item) = self.find(fields) else { return };
        let Some(text) = fields.peek(member).and_then(Node::text) else { return };
        let Some(Kind::Call { block, sent }) = self.items.get_mut(item).filter(|item| !item.done).map(|item| &mut item.kind) else {
            return;
        };
        let from = if member == "delta" { 0 } else { *sent };
        if let Some(more) = text.get(from..).filter(|more| !more.is_empty()) {
            *sent += more.len();
            sink(Event::Delta { block: *block, delta: Delta::Input(Cow::Borrowed(more)) });
        }
    }

    fn summary(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let Some(item) = self.find(fields) else { return };
        let index = fields.peek("summary_index").and_then(Node::unsigned).unwrap_or(0);
        let Some(words) = fields.peek("delta").and_then(Node::text) else { return };
        if let Some(Kind::Thought { block, summary, .. }) = self.items.get_mut(item).filter(|item| !item.done).map(|item| &mut item.kind) {
            let fresh = summary.replace(index) != Some(index);
            sink(Event::Delta { block: *block, delta: Delta::Summary(words, fresh) });
        }
    }

    fn thinking(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let Some(item) = self.find(fields) else { return };
        let Some(words) = fields.peek("delta").and_then(Node::text) else { return };
        if let Some(Kind::Thought { block, spoken, .. }) = self.items.get_mut(item).filter(|item| !item.done).map(|item| &mut item.kind) {
            *spoken = true;
            sink(Event::Delta { block: *block, delta: Delta::Reasoning(words) });
        }
    }

    fn added(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        self.opened(sink);
        let index = fields.peek("output_index").and_then(Node::unsigned);
        let Some(node) = fields.peek("item") else { return };
        self.begin(index, node, sink);
    }

    /// An item begins. Tools of the provider's own have nothing to tell before they are done.
    fn begin(&mut self, index: Option<u64>, node: Node<'_>, sink: &mut Sink<'_>) -> Option<usize> {
        let item = node.object()?;
        let id = item.peek_text("id").unwrap_or_default().into_owned();
        let kind = match &*lift_items::kind_of(&item) {
            "message" => Kind::Message(Parts::of(&item)),
            "reasoning" => {
                let mut head = lift_items::blocks(node, item, "reasoning").ok()?.pop()?;
                if let Part::Reasoning(reasoning) = &mut head.part {
                    (reasoning.seal, reasoning.text, reasoning.summary) = (None, Vec::new(), Vec::new());
                }
                head.rest.members.clear();
                Kind::Thought { block: self.open_block(head, sink), summary: None, spoken: false }
            }
            kind @ ("function_call" | "custom_tool_call") => {
                let mut head = lift_items::blocks(node, item, kind).ok()?.pop()?;
                head.rest = Rest::default();
                let sent = call_input(&head).map_or(0, str::len);
                Kind::Call { block: self.open_block(head, sink), sent }
            }
            _ => Kind::Other,
        };
        self.items.push(Item { index, id, kind, done: false });
        Some(self.items.len() - 1)
    }

    fn done(&mut self, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        self.opened(sink);
        let index = fields.peek("output_index").and_then(Node::unsigned);
        if let Some(node) = fields.peek("item") {
            self.complete(index, node, sink);
        }
    }

    /// An item by its place, by its id, or by the order in which it came where its place was never told.
    fn known(&self, index: Option<u64>, id: &str) -> Option<usize> {
        let by_index = self.items.iter().rposition(|item| index.is_some() && item.index == index);
        let by_id = || self.items.iter().rposition(|item| !id.is_empty() && item.id == id);
        let by_order = || usize::try_from(index?).ok().filter(|at| self.items.get(*at).is_some_and(|item| item.index.is_none()));
        by_index.or_else(by_id).or_else(by_order)
    }

    /// Sends what is missing of an item, and ends it.
    fn complete(&mut self, index: Option<u64>, node: Node<'_>, sink: &mut Sink<'_>) {
        let Some(fields) = node.object() else { return };
        let id = fields.peek_text("id").unwrap_or_default();
        let known = self.known(index, &id);
        let Some(at) = known.or_else(|| self.begin(index, node, sink)) else { return };
        if std::mem::replace(&mut self.items[at].done, true) {
            return;
        }
        match &self.items[at].kind {
            Kind::Message(_) => self.complete_message(at, &fields, sink),
            Kind::Call { block, sent } => {
                let (block, sent) = (*block, *sent);
                let kind = lift_items::kind_of(&fields).into_owned();
                let whole = lift_items::blocks(node, fields, &kind).ok().and_then(|mut blocks| blocks.pop());
                if let Some(more) = whole.as_ref().and_then(call_input).and_then(|input| input.get(sent..)).filter(|more| !more.is_empty())
                {
                    sink(Event::Delta { block, delta: Delta::Input(Cow::Borrowed(more)) });
                }
                sink(Event::BlockClose { block });
            }
            Kind::Thought { block, summary, spoken } => complete_thought((*block, summary.is_some(), *spoken), fields, node, sink),
            Kind::Other => {
                let kind = lift_items::kind_of(&fields).into_owned();
                for head in lift_items::blocks(node, fields, &kind).unwrap_or_default() {
                    let block = self.open_block(head, sink);
                    sink(Event::BlockClose { block });
                }
            }
        }
    }

    fn complete_message(&mut self, at: usize, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let parts = fields.peek("content").and_then(Node::array).unwrap_or_default();
        for (content, whole) in parts.into_iter().enumerate() {
            self.complete_part(at, content as u64, whole, sink);
        }
        self.close_parts(at, sink);
    }

    fn close_parts(&mut self, at: usize, sink: &mut Sink<'_>) {
        let Some(Kind::Message(parts)) = self.items.get_mut(at).map(|item| &mut item.kind) else { return };
        for block in parts.close_all() {
            sink(Event::BlockClose { block });
        }
    }

    /// The answer is over: what was never streamed is made up for, and all that is open ends.
    fn ended(&mut self, kind: &str, fields: &Fields<'_>, sink: &mut Sink<'_>) {
        let mut response = fields.peek("response").and_then(Node::object).unwrap_or_default();
        self.open(&mut response.clone(), sink);
        if kind == "failed" {
            if let Some(tokens) = lift_answer::tokens(&mut response, self.searches) {
                sink(Event::Usage(tokens));
            }
            self.fault(response, sink);
            return;
        }
        for (index, item) in response.take("output").and_then(Node::array).unwrap_or_default().into_iter().enumerate() {
            self.complete(Some(index as u64), item, sink);
        }
        for at in 0..self.items.len() {
            self.close_parts(at, sink);
            if let (Kind::Call { block, .. } | Kind::Thought { block, .. }, false) = (&self.items[at].kind, self.items[at].done) {
                sink(Event::BlockClose { block: *block });
            }
        }
        if let Some(tokens) = lift_answer::tokens(&mut response, self.searches) {
            sink(Event::Usage(tokens));
        }
        let head = Head::read(&mut response).unwrap_or_default();
        let stop: Stop<'_> = stop::lift(kind, head.reason, self.seen);
        sink(Event::Stop { choice: 0, stop });
        for (name, _) in lift_answer::beyond(response).rest() {
            sink(Event::Unknown { name });
        }
        self.over = true;
        sink(Event::Close);
    }

    /// `error` events, and answers that failed.
    fn fault(&mut self, fields: Fields<'_>, sink: &mut Sink<'_>) {
        self.over = true;
        sink(Event::Fault(lift_answer::fault(fields)));
    }
}

/// What is missing of reasoning, its seal, and its end.
fn complete_thought((block, summarised, spoken): (usize, bool, bool), fields: Fields<'_>, node: Node<'_>, sink: &mut Sink<'_>) {
    let whole = lift_items::blocks(node, fields, "reasoning").ok().and_then(|mut blocks| blocks.pop());
    if let Some(Part::Reasoning(reasoning)) = whole.map(|block| block.part) {
        if !summarised {
            for piece in reasoning.summary {
                sink(Event::Delta { block, delta: Delta::Summary(piece, true) });
            }
        }
        // A foreign summary comes back as the text that it was: then it was streamed as a summary.
        let foreign = reasoning.seal.as_ref().is_some_and(|seal: &Seal<'_>| seal.owner != super::OWN);
        if !(spoken || foreign && summarised) {
            for piece in reasoning.text {
                sink(Event::Delta { block, delta: Delta::Reasoning(piece) });
            }
        }
        if let Some(seal) = reasoning.seal {
            sink(Event::Delta { block, delta: Delta::Seal(seal) });
        }
    }
    sink(Event::BlockClose { block });
}

fn call_input<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match &block.part {
        Part::Call(call) => {
            let (super::super::canon::Input::Json(input) | super::super::canon::Input::Free(input)) = &call.input;
            Some(input)
        }
        _ => None,
    }
}
