//! A stream's events out of its frames.
//!
//! Anthropic sends block after block: start, pieces, stop. A call of a tool that it runs itself is held until its input is
//! whole, since the canonical form has no pieces of it.

use std::borrow::Cow;

use super::{
    lift_answer, lift_block,
    piece::{Piece, begins},
    server, stop, usage,
};
use crate::{
    protocol::json::{Fields, Node, mended},
    transform::{
        fault::status_of,
        generate::{
            canon::{Block, Call, Input, Part, Reasoning, ServerCall, Stop, Tokens},
            event::{Delta, Event, Opening, StreamFault},
            spoke::Lift,
        },
    },
};

type Sink<'s> = &'s mut dyn FnMut(Event<'_>);

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Lifter {
    id: String,
    opened: bool,
    stopped: bool,
    over: bool,
    /// Blocks given so far.
    count: usize,
    live: Vec<Live>,
    tokens: Tokens,
}

/// A block that has begun and not ended.
#[derive(Debug)]
struct Live {
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Given as this block.
    Given(usize),
    /// A call, given as this block; its input, where it came whole at the beginning, until pieces of it come.
    Call(usize, Option<String>),
    /// A call of a server tool: the block as it began, and its input so far.
    Held(String, String),
}

impl Lift for Lifter {
    fn push(&mut self, name: &[u8], data: &[u8], sink: Sink<'_>) {
        if self.over {
            return;
        }
        if begins(name, data)
            && let Some(piece) = Piece::read(data)
        {
            return self.piece(piece, sink);
        }
        let Some(mut fields) = Node::parse(data).ok().and_then(Node::object) else { return };
        let kind = fields.take("type").and_then(Node::text).unwrap_or_default();
        match &*kind {
            "content_block_delta" => self.odd_piece(data, sink),
            "content_block_start" => self.start(fields, sink),
            "content_block_stop" => self.stop(&mut fields, sink),
            "message_start" => self.open(fields, sink),
            "message_delta" => self.end(fields, sink),
            "message_stop" => self.close(sink),
            "ping" => {}
            "error" => self.fault(fields, sink),
            _ if name == b"error" || fields.peek("error").is_some() => self.fault(fields, sink),
            "" => {}
            other => sink(Event::Unknown { name: Cow::Borrowed(other) }),
        }
    }

    fn finish(&mut self, _sink: Sink<'_>) {}

    fn repeats(&self) -> bool {
        true
    }
}

impl Lifter {
    fn open(&mut self, mut fields: Fields<'_>, sink: Sink<'_>) {
        if self.opened {
            return;
        }
        self.opened = true;
        let mut message = fields.take("message").and_then(Node::object).unwrap_or_default();
        let mut text = |name: &str| message.take(name).and_then(Node::text);
        let (id, model) = (text("id").unwrap_or_default(), text("model").unwrap_or_default());
        (*id).clone_into(&mut self.id);
        let figures = lift_answer::figures(&mut message);
        let (usage, service_tier) = figures.map_or((None, None), |(tokens, tier)| (Some(tokens), tier));
        self.tokens = usage.unwrap_or_default();
        sink(Event::Open(Opening { id, model, created: None, service_tier, usage }));
        for name in ["content", "stop_reason", "stop_sequence"] {
            message.take(name);
        }
        strangers(message, sink);
    }

    fn begin(&mut self, sink: Sink<'_>) {
        if !self.opened {
            self.opened = true;
            sink(Event::Open(Opening::default()));
        }
    }

    fn start(&mut self, mut fields: Fields<'_>, sink: Sink<'_>) {
        self.begin(sink);
        if self.stopped {
            return;
        }
        let index = fields.take("index").and_then(Node::unsigned).unwrap_or(self.count as u64);
        let Some(node) = fields.take("content_block") else { return };
        let kind = node.object().and_then(|block| block.peek_text("type").map(Cow::into_owned)).unwrap_or_default();
        if server::is_call(&kind) {
            self.live.push(Live { index, kind: Kind::Held(node.json().to_owned(), String::new()) });
            return;
        }
        let Ok(mut head) = lift_block::block(node, self.count) else { return };
        let block = self.count;
        self.count += 1;
        let (first, kind) = self.split(&mut head.part, block);
        sink(Event::BlockOpen { block, choice: 0, head });
        for delta in first {
            sink(Event::Delta { block, delta });
        }
        self.live.push(Live { index, kind });
    }

    /// Takes out of a block's beginning what comes in pieces, where some of it came at once.
    fn split<'a>(&self, part: &mut Part<'a>, block: usize) -> (Vec<Delta<'a>>, Kind) {
        let mut first = Vec::new();
        match part {
            Part::Text { text, citations } => {
                first.extend(citations.drain(..).map(|citation| Delta::Cite(Box::new(citation))));
                let words = std::mem::take(text);
                first.extend((!words.is_empty()).then_some(Delta::Text(words)));
            }
            Part::Reasoning(reasoning) if !reasoning.redacted => {
                let Reasoning { text, seal, .. } = std::mem::take(reasoning);
                first.extend(text.into_iter().map(Delta::Reasoning));
                first.extend(seal.map(Delta::Seal));
            }
            Part::Call(call) => return (first, Kind::Call(block, Some(self.begin_call(call, block)))),
            Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Result(_)
            | Part::Media(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => {}
        }
        (first, Kind::Given(block))
    }

    /// A piece of a block that its fast reader passed over.
    fn odd_piece(&mut self, data: &[u8], sink: Sink<'_>) {
        if let Some(piece) = Piece::read(data) {
            return self.piece(piece, sink);
        }
        let mended = std::str::from_utf8(data).ok().and_then(mended);
        if let Some(piece) = mended.as_ref().and_then(|json| Piece::read(json.as_bytes())) {
            self.piece(piece, sink);
        }
    }

    fn begin_call(&self, call: &mut Call<'_>, block: usize) -> String {
        if call.id.is_empty() {
            call.id = lift_answer::call_id(&self.id, block);
        }
        let (Input::Json(input) | Input::Free(input)) = &mut call.input;
        std::mem::take(input).into_owned()
    }

    fn piece(&mut self, piece: Piece<'_>, sink: Sink<'_>) {
        let found = match piece.index {
            Some(index) => self.live.iter_mut().rev().find(|live| live.index == index),
            None => self.live.last_mut(),
        };
        let Some(live) = found else { return };
        let delta = match piece.delta() {
            Ok(delta) => delta,
            Err(name) => return sink(Event::Unknown { name }),
        };
        let Some(delta) = delta else { return };
        match (&mut live.kind, &delta) {
            (Kind::Held(_, input), Delta::Input(more)) => input.push_str(more),
            (Kind::Held(..), _) => {}
            (Kind::Call(block, whole), Delta::Input(_)) => {
                *whole = None;
                sink(Event::Delta { block: *block, delta });
            }
            (Kind::Call(block, _) | Kind::Given(block), _) => sink(Event::Delta { block: *block, delta }),
        }
    }

    fn stop(&mut self, fields: &mut Fields<'_>, sink: Sink<'_>) {
        let index = fields.take("index").and_then(Node::unsigned);
        let found = self.live.iter().rposition(|live| index.is_none_or(|index| live.index == index));
        if let Some(at) = found {
            let live = self.live.remove(at);
            self.finish_block(live.kind, sink);
        }
    }

    fn finish_block(&mut self, kind: Kind, sink: Sink<'_>) {
        let block = match kind {
            Kind::Given(block) | Kind::Call(block, None) => block,
            Kind::Call(block, Some(input)) => {
                sink(Event::Delta { block, delta: Delta::Input(Cow::Owned(input)) });
                block
            }
            Kind::Held(start, input) => {
                let block = self.count;
                let Some(head) = held(&start, &input, block) else { return };
                self.count += 1;
                sink(Event::BlockOpen { block, choice: 0, head });
                block
            }
        };
        sink(Event::BlockClose { block });
    }

    fn end(&mut self, mut fields: Fields<'_>, sink: Sink<'_>) {
        self.begin(sink);
        if let Some(mut usage) = fields.take("usage").and_then(Node::object) {
            usage::merge(&mut self.tokens, &mut usage);
            sink(Event::Usage(self.tokens));
        }
        let mut delta = fields.take("delta").and_then(Node::object).unwrap_or_default();
        let reason = delta.take("stop_reason").and_then(Node::text);
        let sequence = delta.take("stop_sequence").and_then(Node::text);
        if reason.is_some() {
            self.stop_once(stop::lift(reason, sequence), sink);
        }
        strangers(delta, sink);
        strangers(fields, sink);
    }

    fn stop_once(&mut self, stop: Stop<'_>, sink: Sink<'_>) {
        for live in std::mem::take(&mut self.live) {
            self.finish_block(live.kind, sink);
        }
        if !self.stopped {
            self.stopped = true;
            sink(Event::Stop { choice: 0, stop });
        }
    }

    fn close(&mut self, sink: Sink<'_>) {
        self.begin(sink);
        self.stop_once(Stop::End, sink);
        self.over = true;
        sink(Event::Close);
    }

    fn fault(&mut self, fields: Fields<'_>, sink: Sink<'_>) {
        self.over = true;
        sink(Event::Fault(fault(fields)));
    }
}

/// What an error says, within a stream or in an answer's place.
pub(super) fn fault(mut fields: Fields<'_>) -> StreamFault<'_> {
    let error = fields.take("error");
    // Some providers put a bare sentence there.
    let bare = error.and_then(Node::text);
    let mut members = error.and_then(Node::object).unwrap_or_default();
    let code = members.take("type").and_then(Node::text);
    let message = members.take("message").and_then(Node::text).or(bare).unwrap_or_default();
    StreamFault { status: code.as_deref().and_then(status_of), code, message }
}

/// Members that the canonical form has no place for in a stream.
fn strangers(mut fields: Fields<'_>, sink: Sink<'_>) {
    lift_answer::drop_common(&mut fields);
    for (name, value) in fields.rest() {
        if !value.is_null() {
            sink(Event::Unknown { name });
        }
    }
}

/// A server tool's call, now that its input is whole.
fn held(start: &str, input: &str, at: usize) -> Option<Block<'static>> {
    let json = server::with_input(start, input);
    let ServerCall { id, tool, queries, .. } = server::lift_call(Node::parse(json.get().as_bytes()).ok()?).ok()?;
    let id = Cow::Owned(id.into_owned());
    let queries = queries.into_iter().map(|query| Cow::Owned(query.into_owned())).collect();
    Some(lift_block::plain(Part::ServerCall(ServerCall { id, tool, queries, json: Cow::Owned(json) }), at))
}
