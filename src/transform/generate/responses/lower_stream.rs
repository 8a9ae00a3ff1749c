//! An answer as it is made: canonical events into this dialect's. The last event carries the whole answer, so what was
//! written is kept until then; nothing else is.

use std::collections::BTreeMap;

use super::super::{
    canon::{Block, Call, Input, Part, Reasoning, Stop, Tokens},
    event::{Delta, Event, StreamFault},
    frames::Frames,
    spoke::{Lower, Telling},
};
use super::{
    lift_items::{ITEM, MESSAGE},
    lower_call::Calling,
    lower_items::carried,
    lower_server::{self, Servers},
    stop::{self, Seen},
    stream_item::{Message, Thought, Words},
    stream_out::{Ending, Out},
};
use crate::transform::{Loss, Seal};

/// Writes a stream; or, without events, the answer alone.
#[derive(Debug)]
pub(super) struct Writer {
    out: Out,
    /// Blocks that are open, by their number.
    open: BTreeMap<usize, Open>,
    /// Messages that may still get a part; the last is the newest.
    messages: Vec<Message>,
    servers: Servers,
    /// Seals of parts that are still open, by the part's number.
    late: Vec<(usize, Seal<'static>)>,
    seen: Seen,
    stop: Option<Stop<'static>>,
    usage: Option<Tokens>,
}

/// A block that is open.
#[derive(Debug)]
enum Open {
    Words(Words),
    Thought(Thought),
    Call(Calling),
}

/// Where events and losses go.
pub(super) struct Sink<'s> {
    pub(super) frames: &'s mut Frames,
    pub(super) losses: &'s mut Vec<Loss>,
}

impl Lower for Writer {
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let sink = &mut Sink { frames, losses };
        match event {
            Event::Open(opening) => {
                self.out.open(opening);
                let begun = Ending::of(("in_progress", None));
                self.out.snapshot(sink.frames, "response.created", begun, None);
                self.out.snapshot(sink.frames, "response.in_progress", begun, None);
            }
            Event::BlockOpen { block, choice: 0, head } => self.begin(*block, head, sink),
            Event::BlockOpen { choice, .. } => {
                let path = format!("choices[{choice}]");
                if !sink.losses.iter().any(|loss| loss.path == path) {
                    sink.losses.push(Loss::dropped_because(path, "one answer is all that the target has a place for"));
                }
            }
            Event::Delta { block, delta } => self.delta(*block, delta, sink),
            Event::BlockClose { block } => self.end(*block, sink),
            Event::Stop { choice, stop } if *choice == 0 => self.halt(stop, sink),
            Event::Stop { .. } => {}
            Event::Usage(tokens) => self.usage = Some(*tokens),
            Event::Close => self.close(sink),
            Event::Fault(fault) => self.fault(fault, sink),
            Event::Unknown { name } => sink.losses.push(Loss::dropped(name.as_ref())),
        }
    }
}

impl Writer {
    pub(super) fn new(telling: &Telling) -> Self {
        Self::with(Out::new(telling, true))
    }

    /// One that gathers the answer and writes no events.
    pub(super) fn silent(telling: &Telling) -> Self {
        Self::with(Out::new(telling, false))
    }

    fn with(out: Out) -> Self {
        Self {
            out,
            open: BTreeMap::new(),
            messages: Vec::new(),
            servers: Servers::default(),
            late: Vec::new(),
            seen: Seen::default(),
            stop: None,
            usage: None,
        }
    }

    /// The answer, and how it ended.
    pub(super) fn answer(&self) -> (&Out, Ending<'_>, Option<&Tokens>) {
        (&self.out, self.ending(), self.usage.as_ref())
    }

    fn ending(&self) -> Ending<'_> {
        Ending::of(stop::lower(self.stop.as_ref().unwrap_or(&Stop::End), self.seen))
    }

    fn begin(&mut self, number: usize, head: &Block<'_>, sink: &mut Sink<'_>) {
        self.seen.note(&head.part);
        let path = || format!("content[{}]", head.at);
        if let Some(seal) = &head.seal {
            self.loose("rs_next", seal, sink);
        }
        if head.rest.of.is_some_and(|of| of != super::OWN) {
            head.rest.lose(path, sink.losses);
        }
        match &head.part {
            Part::Text { text, citations } => {
                self.open.insert(number, Open::Words(Words::new(head)));
                self.say(number, text, sink);
                for citation in citations {
                    self.delta(number, &Delta::Cite(Box::new(citation.clone())), sink);
                }
            }
            Part::Refusal(words) => {
                self.open.insert(number, Open::Words(Words::new(head)));
                self.say(number, words, sink);
            }
            Part::Reasoning(reasoning) => self.think(number, head, reasoning, sink),
            Part::Call(call) => self.call(number, head, call, sink),
            Part::ServerCall(call) => {
                self.settle(sink);
                self.servers.call(call, path, &mut self.out, sink);
            }
            Part::ServerResult(result) => self.servers.result(result, path, &mut self.out, sink),
            Part::Media(media) => {
                self.settle(sink);
                lower_server::media(media, path, &mut self.out, sink);
            }
            Part::Opaque { of, json } if *of == super::OWN && head.rest.hinted(super::lift_parts::PART).is_none() => {
                self.settle(sink);
                self.out.whole(sink.frames, json.get());
            }
            Part::Opaque { .. } | Part::Result(_) => sink.losses.push(Loss::dropped(path())),
        }
    }

    fn think(&mut self, number: usize, head: &Block<'_>, reasoning: &Reasoning<'_>, sink: &mut Sink<'_>) {
        let own = head.rest.hinted(ITEM).is_some();
        let prefix = if reasoning.redacted { "rs_redacted" } else { "rs" };
        let mut thought = Thought::new(prefix, reasoning.id.as_deref(), own, &head.rest);
        if own || reasoning.redacted {
            self.settle(sink);
            thought.start(&mut self.out, sink.frames);
        }
        self.open.insert(number, Open::Thought(thought));
        for piece in &reasoning.summary {
            self.delta(number, &Delta::Summary(piece.as_ref().into(), true), sink);
        }
        for piece in &reasoning.text {
            self.delta(number, &Delta::Reasoning(piece.as_ref().into()), sink);
        }
        if let Some(seal) = &reasoning.seal {
            self.delta(number, &Delta::Seal(seal.clone()), sink);
        }
    }

    fn call(&mut self, number: usize, head: &Block<'_>, call: &Call<'_>, sink: &mut Sink<'_>) {
        self.settle(sink);
        let mut calling = Calling::begin(call, &head.rest, &mut self.out, sink.frames);
        let (Input::Json(input) | Input::Free(input)) = &call.input;
        if !input.is_empty() {
            calling.add(input, &mut self.out, sink.frames);
        }
        self.open.insert(number, Open::Call(calling));
    }

    fn delta(&mut self, number: usize, delta: &Delta<'_>, sink: &mut Sink<'_>) {
        match delta {
            Delta::Text(words) => self.say(number, words, sink),
            Delta::Cite(citation) => {
                self.start_words(number, sink);
                if let Some(Open::Words(words)) = self.open.get_mut(&number)
                    && !words.cite(citation, &mut self.out, sink.frames)
                {
                    sink.losses.push(Loss::dropped(format!("content[{number}].citations")));
                }
            }
            Delta::Logprobs(logprobs) => {
                self.start_words(number, sink);
                if let Some(Open::Words(words)) = self.open.get_mut(&number) {
                    words.weigh(logprobs.clone(), &mut self.out, sink.frames);
                }
            }
            Delta::Reasoning(words) => self.thought(number, words, None, sink),
            Delta::Summary(words, fresh) => self.thought(number, words, Some(*fresh), sink),
            Delta::Seal(seal) => self.seal(number, seal, sink),
            Delta::Input(input) => {
                if let Some(Open::Call(calling)) = self.open.get_mut(&number) {
                    calling.add(input, &mut self.out, sink.frames);
                }
            }
        }
    }

    fn say(&mut self, number: usize, words: &str, sink: &mut Sink<'_>) {
        if words.is_empty() {
            return;
        }
        self.start_words(number, sink);
        if let Some(Open::Words(part)) = self.open.get_mut(&number) {
            part.say(words, &mut self.out, sink.frames);
        }
    }

    /// Gives a part its place in a message: the newest one's where nothing came in between.
    fn start_words(&mut self, number: usize, sink: &mut Sink<'_>) {
        let Some(Open::Words(words)) = self.open.get(&number) else { return };
        if words.started() {
            return;
        }
        let own = words.head().hinted(MESSAGE).is_some();
        let newest = self.messages.last().is_some_and(|message| message.spot.index + 1 == self.out.len());
        if own || !newest {
            self.settle(sink);
            let Some(Open::Words(words)) = self.open.get(&number) else { return };
            self.messages.push(Message::begin(words.head(), &mut self.out, sink.frames));
        }
        if let (Some(Open::Words(words)), Some(message)) = (self.open.get_mut(&number), self.messages.last_mut()) {
            words.start(message, &mut self.out, sink.frames);
        }
    }

    /// Thinking; `fresh` is known of summaries only. What another dialect thought is shown as a summary: clients show that.
    fn thought(&mut self, number: usize, words: &str, fresh: Option<bool>, sink: &mut Sink<'_>) {
        let Some(Open::Thought(thought)) = self.open.get(&number) else { return };
        if words.is_empty() && !thought.started() {
            return;
        }
        if !thought.started() {
            self.settle(sink);
        }
        let Some(Open::Thought(thought)) = self.open.get_mut(&number) else { return };
        if !thought.started() {
            thought.start(&mut self.out, sink.frames);
        }
        match fresh {
            None if thought.own() => thought.think(words, &mut self.out, sink.frames),
            fresh => thought.summarise(words, fresh.unwrap_or(false), &mut self.out, sink.frames),
        }
    }

    fn seal(&mut self, number: usize, seal: &Seal<'_>, sink: &mut Sink<'_>) {
        if let Some(Open::Thought(thought)) = self.open.get(&number)
            && !thought.started()
        {
            self.settle(sink);
        }
        match self.open.get_mut(&number) {
            Some(Open::Thought(thought)) => {
                if !thought.started() {
                    thought.start(&mut self.out, sink.frames);
                }
                thought.seal(&carried(seal));
            }
            // Clients keep items in the order in which they are done, so the part's own item comes first.
            Some(Open::Words(_) | Open::Call(_)) => self.late.push((number, seal.clone().into_owned())),
            None => self.loose("rs_prev", seal, sink),
        }
    }

    /// A seal that rides on another part has an item of its own here.
    fn loose(&mut self, prefix: &'static str, seal: &Seal<'_>, sink: &mut Sink<'_>) {
        self.settle(sink);
        let mut thought = Thought::new(prefix, None, false, &super::super::canon::Rest::default());
        thought.start(&mut self.out, sink.frames);
        thought.seal(&carried(seal));
        thought.end(&mut self.out, sink.frames);
    }

    fn end(&mut self, number: usize, sink: &mut Sink<'_>) {
        match self.open.remove(&number) {
            Some(Open::Words(words)) => {
                let message = words.message().and_then(|index| self.messages.iter_mut().find(|message| message.spot.index == index));
                if let Some(message) = message {
                    words.end(message, &mut self.out, sink.frames);
                    self.overtaken(words.message(), sink);
                }
            }
            Some(Open::Thought(thought)) => thought.end(&mut self.out, sink.frames),
            Some(Open::Call(calling)) => calling.end(&mut self.out, sink.frames),
            None => {}
        }
        let (mine, others) = std::mem::take(&mut self.late).into_iter().partition(|(of, _)| *of == number);
        self.late = others;
        for (_, seal) in mine {
            self.loose("rs_prev", &seal, sink);
        }
    }

    /// A message that others have overtaken ends with its last part.
    fn overtaken(&mut self, message: Option<usize>, sink: &mut Sink<'_>) {
        if message.is_some_and(|index| index + 1 < self.out.len()) {
            self.settle(sink);
        }
    }

    /// Ends the messages that have no open part, since something else begins.
    fn settle(&mut self, sink: &mut Sink<'_>) {
        self.finish_messages("completed", sink);
    }

    fn finish_messages(&mut self, status: &str, sink: &mut Sink<'_>) {
        for message in std::mem::take(&mut self.messages) {
            if message.open == 0 {
                message.end(status, &mut self.out, sink.frames);
            } else {
                self.messages.push(message);
            }
        }
    }

    fn halt(&mut self, stop: &Stop<'_>, sink: &mut Sink<'_>) {
        self.stop = Some(stop.clone().into_owned());
        let loss = match stop {
            Stop::Pause => Some(Loss::changed("stop_reason", "the target has no word for a pause")),
            Stop::Sequence(Some(_)) => Some(Loss::dropped("stop_sequence")),
            Stop::Window | Stop::Filtered(Some(_)) => Some(Loss::changed("stop_reason", "the nearest reason")),
            Stop::Other(_) if self.ending().status == "completed" => Some(Loss::changed("stop_reason", "the target has no word for it")),
            Stop::End | Stop::Sequence(None) | Stop::MaxTokens | Stop::Calls | Stop::Refusal | Stop::Filtered(None) | Stop::Other(_) => {
                None
            }
        };
        sink.losses.extend(loss);
        let status = if self.ending().status == "incomplete" { "incomplete" } else { "completed" };
        self.finish_messages(status, sink);
        self.servers.finish(&mut self.out, sink);
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        let kind = match self.ending().status {
            // There is no event for an answer that was called off.
            "incomplete" | "cancelled" => "response.incomplete",
            _ => "response.completed",
        };
        let ending = Ending::of(stop::lower(self.stop.as_ref().unwrap_or(&Stop::End), self.seen));
        self.out.snapshot(sink.frames, kind, ending, self.usage.as_ref());
    }

    /// An answer that has begun ends as one that failed: that is what clients look for. Before it has, there is but an error.
    fn fault(&mut self, fault: &StreamFault<'_>, sink: &mut Sink<'_>) {
        let problem = fault.problem();
        let code = problem.openai_word().unwrap_or(match problem.status {
            429 => "rate_limit_exceeded",
            400..=499 => "invalid_prompt",
            _ => "server_error",
        });
        let message = if fault.message.is_empty() { "the model's provider broke the answer off" } else { &fault.message };
        if self.out.has_begun() {
            let ending = Ending { status: "failed", reason: None, fault: Some((code, message)) };
            self.out.snapshot(sink.frames, "response.failed", ending, self.usage.as_ref());
        } else {
            self.out.event(sink.frames, "error", |o| {
                o.text("code", code).text("message", message).null("param");
            });
        }
    }
}
