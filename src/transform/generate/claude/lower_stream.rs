//! A stream's frames out of its events.
//!
//! Anthropic's stream has one block open at a time. Text and thinking give way to a block that begins beside them, and go
//! on in a new block; a call keeps its place until it ends, and what begins beside it waits.

use std::{borrow::Cow, collections::VecDeque};

use super::{
    lower_answer::{estimate, message_id},
    place::Place,
    stop,
    stream_block::{Blocks, Kind},
    usage::{self, Place as Figures},
};
use crate::transform::{
    Loss, Seal,
    fault::claude_type,
    generate::{
        canon::{Block, Logprob, Part, Reasoning, Rest, Stop, Tokens},
        event::{Delta, Event, Opening, StreamFault},
        frames::Frames,
        spoke::{Lower, Telling},
    },
};

/// Writes a stream.
#[derive(Debug)]
pub(super) struct Lowerer {
    telling: Telling,
    blocks: Blocks,
    waiting: VecDeque<Waiting>,
    /// Blocks that gave way to others and may go on; `true`: of thinking.
    parted: Vec<(usize, bool)>,
    refused: bool,
    stop: Stop<'static>,
    usage: Option<Tokens>,
    /// Whether it was told that other choices are lost.
    chosen: bool,
}

/// A block that began while another was open.
#[derive(Debug)]
struct Waiting {
    block: usize,
    head: Block<'static>,
    deltas: Vec<Delta<'static>>,
    closed: bool,
}

impl Lowerer {
    pub(super) fn new(telling: &Telling) -> Self {
        Self {
            telling: telling.clone(),
            blocks: Blocks::default(),
            waiting: VecDeque::new(),
            parted: Vec::new(),
            refused: false,
            stop: Stop::End,
            usage: None,
            chosen: false,
        }
    }
}

impl Lower for Lowerer {
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        match event {
            Event::Delta { block, delta } => self.delta(*block, delta, frames, losses),
            Event::BlockOpen { block, choice: 0, head } => self.begin(*block, head, frames, losses),
            Event::BlockOpen { .. } => {
                if !std::mem::replace(&mut self.chosen, true) {
                    losses.push(Loss::dropped_because("choices", "the target gives one answer"));
                }
            }
            Event::BlockClose { block } => self.end(*block, frames, losses),
            Event::Open(opening) => self.open(opening, frames, losses),
            Event::Stop { choice: 0, stop } => self.stop = stop.clone().into_owned(),
            Event::Stop { .. } => {}
            Event::Usage(tokens) => self.usage = Some(*tokens),
            Event::Close => self.close(frames, losses),
            Event::Fault(fault) => self.fault(fault, frames),
            Event::Unknown { name } => losses.push(Loss::dropped(&**name)),
        }
    }

    fn keep_alive(&mut self, frames: &mut Frames) {
        frames.event("ping", |o| {
            o.text("type", "ping");
        });
    }
}

impl Lowerer {
    fn open(&mut self, opening: &Opening<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let tokens = opening.usage.unwrap_or_else(|| estimate(&self.telling));
        let tier = opening.service_tier.as_deref();
        let known = tier.and_then(stop::tier);
        if tier.is_some() && known.is_none() {
            losses.push(Loss::dropped("service_tier"));
        }
        let id = message_id(&opening.id, &self.telling);
        let model = if opening.model.is_empty() { &self.telling.model } else { &*opening.model };
        frames.event("message_start", |o| {
            o.text("type", "message_start").object("message", |message| {
                message.text("id", &id).text("type", "message").text("role", "assistant").text("model", model);
                message.array("content", |_| {}).null("stop_reason").null("stop_sequence").object("usage", |usage| {
                    usage::write(&tokens, Figures::Message, usage);
                    usage.some_text("service_tier", known);
                });
            });
        });
    }

    fn begin(&mut self, block: usize, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        self.refused |= matches!(head.part, Part::Refusal(_));
        if self.waiting.is_empty()
            && let Some((open, kind)) = self.blocks.divisible()
        {
            self.parted.push((open, matches!(kind, Kind::Thinking)));
            self.blocks.end(frames);
        }
        if self.blocks.is_open() {
            self.waiting.push_back(Waiting { block, head: head.clone().into_owned(), deltas: Vec::new(), closed: false });
        } else {
            self.blocks.begin(block, head, frames, losses);
        }
    }

    fn delta(&mut self, block: usize, delta: &Delta<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        if self.blocks.open_block() != Some(block) {
            if let Some(at) = self.parted.iter().position(|(parted, _)| *parted == block) {
                let (_, thinking) = self.parted.remove(at);
                self.begin(block, &continuation(block, thinking), frames, losses);
            }
            if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.block == block) {
                return waiting.deltas.push(own(delta));
            }
        }
        if self.blocks.open_block() == Some(block) {
            self.blocks.delta(delta, Place::answer(block), frames, losses);
        }
    }

    fn end(&mut self, block: usize, frames: &mut Frames, losses: &mut Vec<Loss>) {
        self.parted.retain(|(parted, _)| *parted != block);
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.block == block) {
            waiting.closed = true;
        }
        if self.blocks.open_block() == Some(block) {
            self.blocks.end(frames);
            self.resume(frames, losses);
        }
    }

    /// Lets blocks that waited have their turn.
    fn resume(&mut self, frames: &mut Frames, losses: &mut Vec<Loss>) {
        while !self.blocks.is_open()
            && let Some(next) = self.waiting.pop_front()
        {
            self.blocks.begin(next.block, &next.head, frames, losses);
            for delta in &next.deltas {
                self.blocks.delta(delta, Place::answer(next.block), frames, losses);
            }
            if next.closed {
                self.blocks.end(frames);
            }
        }
    }

    fn close(&mut self, frames: &mut Frames, losses: &mut Vec<Loss>) {
        // The grammar closes every block before its choice stops; a lift that did not is not the client's trouble.
        while self.blocks.is_open() {
            self.blocks.end(frames);
            self.resume(frames, losses);
        }
        let (reason, sequence) = stop::lower(&self.stop, self.refused, losses);
        if self.usage.is_none() {
            losses.push(Loss::changed("usage", "the upstream told none; the prompt is an estimate"));
        }
        let tokens = self.usage.unwrap_or_else(|| estimate(&self.telling));
        frames.event("message_delta", |o| {
            o.text("type", "message_delta").object("delta", |delta| {
                delta.text("stop_reason", reason).text_or_null("stop_sequence", sequence);
            });
            o.object("usage", |usage| usage::write(&tokens, Figures::End, usage));
        });
        frames.event("message_stop", |o| {
            o.text("type", "message_stop");
        });
    }

    fn fault(&self, fault: &StreamFault<'_>, frames: &mut Frames) {
        let kind = claude_type(fault.problem().status);
        frames.event("error", |o| {
            o.text("type", "error").object("error", |error| {
                error.text("type", kind).text("message", &fault.message);
            });
            if !self.telling.request_id.is_empty() {
                o.text("request_id", &self.telling.request_id);
            }
        });
    }
}

/// The block in which one that gave way goes on.
fn continuation(at: usize, thinking: bool) -> Block<'static> {
    let part = if thinking { Part::Reasoning(Reasoning::default()) } else { Part::Text { text: Cow::Borrowed(""), citations: Vec::new() } };
    Block { part, cache: None, seal: None, at, rest: Rest::default() }
}

/// A piece that waits.
fn own(delta: &Delta<'_>) -> Delta<'static> {
    let text = |text: &Cow<'_, str>| Cow::Owned(text.as_ref().to_owned());
    match delta {
        Delta::Text(words) => Delta::Text(text(words)),
        Delta::Reasoning(words) => Delta::Reasoning(text(words)),
        Delta::Summary(words, fresh) => Delta::Summary(text(words), *fresh),
        Delta::Input(words) => Delta::Input(text(words)),
        Delta::Seal(seal) => Delta::Seal(Seal::into_owned(seal.clone())),
        Delta::Cite(citation) => Delta::Cite(Box::new((**citation).clone().into_owned())),
        Delta::Logprobs(all) => Delta::Logprobs(all.iter().cloned().map(Logprob::into_owned).collect()),
    }
}
