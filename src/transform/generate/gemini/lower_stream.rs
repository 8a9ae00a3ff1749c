//! A stream, written: each frame is an answer of its own; why it ended and what it cost stand in the last.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Input, Part, Tokens},
        event::{Delta, Event, Opening, StreamFault},
        frames::Frames,
        spoke::{Lower, Telling},
    },
    answer_parts::{self, Opens, signature},
    ids,
    lower_answer::{or, tier},
    telling::{Ending, Head},
    usage,
};
use crate::{
    protocol::{
        Family,
        json::{ArrayWriter, ObjectWriter, array},
    },
    transform::{Loss, Seal, fault::google_status},
};

/// The stream as far as it was written.
#[derive(Debug)]
pub(super) struct Lowerer {
    head: Head,
    /// Id and model for an upstream that tells none.
    made: (String, String),
    /// Whether another provider answers.
    foreign: bool,
    /// The answer's id as the upstream said it: ids of calls may be made of it.
    answer: String,
    blocks: Vec<Writing>,
    choices: Vec<Ending>,
    usage: Option<Tokens>,
    tier: Option<String>,
    calls: usize,
}

/// A block as far as it was written.
#[derive(Debug)]
enum Writing {
    /// Words; citations count the bytes of what was said. Its number among the parts of its choice.
    Words { choice: usize, number: usize, said: String, seal: Option<Seal<'static>> },
    /// Thoughts, and whether a piece of the summary was written.
    Thought { choice: usize, summed: bool },
    /// A call, until it is whole.
    Call { choice: usize, head: Box<Block<'static>>, input: String },
    /// Nothing more comes of it.
    Done,
}

impl Lowerer {
    pub(super) fn new(telling: &Telling) -> Self {
        let head = Head::new(&telling.request_id, &telling.model, None);
        let made = (telling.request_id.clone(), telling.model.clone());
        let foreign = telling.from.is_some_and(|from| from != Dialect::Gemini);
        Self { head, made, foreign, answer: String::new(), blocks: Vec::new(), choices: Vec::new(), usage: None, tier: None, calls: 0 }
    }
}

impl Lower for Lowerer {
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        match event {
            Event::Open(opening) => self.open(opening),
            Event::BlockOpen { block, choice, head } => {
                let writing = self.begin(*choice, head, frames, losses);
                if self.blocks.len() <= *block {
                    self.blocks.resize_with(*block + 1, || Writing::Done);
                }
                self.blocks[*block] = writing;
            }
            Event::Delta { block, delta } => self.delta(*block, delta, frames),
            Event::BlockClose { block } => self.end(*block, frames, losses),
            Event::Stop { choice, stop } => self.choice(*choice).stop = Some(stop.clone().into_owned()),
            Event::Usage(tokens) => self.usage = Some(*tokens),
            Event::Close => self.close(frames, losses),
            Event::Fault(fault) => write_fault(fault, frames),
            Event::Unknown { name } => losses.push(Loss::dropped(name.clone())),
        }
    }
}

impl Lowerer {
    fn open(&mut self, opening: &Opening<'_>) {
        self.answer = opening.id.clone().into_owned();
        let created = opening.created.filter(|_| !self.foreign);
        self.head = Head::new(or(&opening.id, &self.made.0), or(&opening.model, &self.made.1), created);
        self.tier = tier(opening.service_tier.as_deref()).map(str::to_owned);
        self.usage = opening.usage;
    }

    fn choice(&mut self, index: usize) -> &mut Ending {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Ending::new(index));
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    /// Writes a part at once, behind what waits.
    fn emit(&mut self, choice: usize, frames: &mut Frames, part: impl FnOnce(&mut ArrayWriter<'_>)) {
        let waiting = std::mem::take(&mut self.choice(choice).waiting);
        frames.event("", |o| {
            o.array("candidates", |a| {
                a.object(|o| {
                    o.object("content", |o| {
                        o.array("parts", |a| {
                            for json in &waiting {
                                a.json(json);
                            }
                            part(a);
                        });
                        o.text("role", "model");
                    });
                    o.unsigned("index", choice as u64);
                });
            });
            self.head.write(o);
        });
    }

    /// Keeps a part for the next frame.
    fn wait(&mut self, choice: usize, part: impl FnOnce(&mut ObjectWriter<'_>)) {
        let mut json = Vec::new();
        crate::protocol::json::object(&mut json, part);
        self.choice(choice).waiting.push(String::from_utf8_lossy(&json).into_owned());
    }

    fn begin(&mut self, choice: usize, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) -> Writing {
        match &head.part {
            Part::Text { text, citations } => {
                let number = self.choice(choice).next();
                self.words(choice, text, frames);
                for citation in citations {
                    self.choice(choice).gathered.cite(citation, number, text);
                }
                Writing::Words { choice, number, said: text.clone().into_owned(), seal: head.seal.clone().map(Seal::into_owned) }
            }
            Part::Refusal(text) => {
                losses.push(Loss::changed("refusal", "a refusal is told as the model's words"));
                let number = self.choice(choice).next();
                self.words(choice, text, frames);
                Writing::Words { choice, number, said: text.clone().into_owned(), seal: None }
            }
            Part::Reasoning(reasoning) => {
                self.choice(choice).next();
                if reasoning.redacted || reasoning.seal.is_some() || !reasoning.text.is_empty() || !reasoning.summary.is_empty() {
                    self.emit(choice, frames, |a| answer_parts::thought(reasoning, |_| {}, a));
                }
                Writing::Thought { choice, summed: !reasoning.summary.is_empty() }
            }
            Part::Call(call) => {
                self.choice(choice).next();
                let (Input::Json(input) | Input::Free(input)) = &call.input;
                Writing::Call { choice, head: Box::new(head.clone().into_owned()), input: input.clone().into_owned() }
            }
            Part::Media(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {
                self.whole(choice, head, frames, losses);
                Writing::Done
            }
        }
    }

    /// A block that is a part of its own, or waits for the end, or is lost.
    fn whole(&mut self, choice: usize, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let mut parts = Vec::new();
        let gathered = &mut self.choice(choice).gathered;
        let mut whole = true;
        array(&mut parts, |a| {
            whole = match &head.part {
                Part::Media(media) => answer_parts::media(media, &head.rest, a, losses),
                part @ (Part::Text { .. }
                | Part::Refusal(_)
                | Part::Reasoning(_)
                | Part::Call(_)
                | Part::Result(_)
                | Part::ServerCall(_)
                | Part::ServerResult(_)
                | Part::Opaque { .. }) => answer_parts::server(part, gathered, a),
            };
        });
        if !whole {
            losses.push(Loss::dropped(format!("content[{}]", head.at)));
        }
        if let Some(inner) = parts.strip_prefix(b"[").and_then(|parts| parts.strip_suffix(b"]")).filter(|inner| !inner.is_empty()) {
            self.choice(choice).next();
            self.emit(choice, frames, |a| _ = a.json(&String::from_utf8_lossy(inner)));
        }
    }

    fn words(&mut self, choice: usize, text: &str, frames: &mut Frames) {
        if !text.is_empty() {
            self.emit(choice, frames, |a| _ = a.object(|o| _ = o.text("text", text)));
        }
    }

    fn thought(&mut self, choice: usize, text: &str, frames: &mut Frames) {
        if !text.is_empty() {
            self.emit(choice, frames, |a| _ = a.object(|o| _ = o.text("text", text).bool("thought", true)));
        }
    }

    fn delta(&mut self, block: usize, delta: &Delta<'_>, frames: &mut Frames) {
        let Some(writing) = self.blocks.get_mut(block) else { return };
        match (delta, writing) {
            (Delta::Text(text), Writing::Words { choice, said, .. }) => {
                said.push_str(text);
                let choice = *choice;
                self.words(choice, text, frames);
            }
            (Delta::Reasoning(text), Writing::Thought { choice, .. }) => {
                let choice = *choice;
                self.thought(choice, text, frames);
            }
            (Delta::Summary(text, fresh), Writing::Thought { choice, summed }) => {
                let joint = if *fresh && *summed { "\n\n" } else { "" };
                *summed = true;
                let choice = *choice;
                let text = if joint.is_empty() { Cow::Borrowed(&**text) } else { Cow::Owned(format!("{joint}{text}")) };
                self.thought(choice, &text, frames);
            }
            (Delta::Seal(seal), Writing::Words { seal: slot, .. }) => *slot = Some(seal.clone().into_owned()),
            (Delta::Seal(seal), Writing::Call { head, .. }) => head.seal = Some(seal.clone().into_owned()),
            (Delta::Seal(seal), Writing::Thought { choice, .. }) => {
                let choice = *choice;
                self.wait(choice, |o| signature(Some(seal), o.text("text", "").bool("thought", true)));
            }
            (Delta::Input(more), Writing::Call { input, .. }) => input.push_str(more),
            (Delta::Cite(_) | Delta::Logprobs(_), Writing::Words { .. }) => self.gather(block, delta),
            // A piece that does not fit its block: the grammar of lifts forbids it.
            (
                Delta::Text(_)
                | Delta::Reasoning(_)
                | Delta::Summary(..)
                | Delta::Seal(_)
                | Delta::Input(_)
                | Delta::Cite(_)
                | Delta::Logprobs(_),
                _,
            ) => {}
        }
    }

    /// Keeps what is told at the end.
    fn gather(&mut self, block: usize, delta: &Delta<'_>) {
        let Some(Writing::Words { choice, number, said, .. }) = self.blocks.get_mut(block) else { return };
        // The text is lent for it, and given back.
        let (choice, number, text) = (*choice, *number, std::mem::take(said));
        let ending = self.choice(choice);
        match delta {
            Delta::Cite(citation) => ending.gathered.cite(citation, number, &text),
            Delta::Logprobs(all) => ending.logprobs.extend(all.iter().map(|logprob| logprob.clone().into_owned())),
            Delta::Text(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Seal(_) | Delta::Input(_) => {}
        }
        if let Some(Writing::Words { said, .. }) = self.blocks.get_mut(block) {
            *said = text;
        }
    }

    fn end(&mut self, block: usize, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let Some(writing) = self.blocks.get_mut(block).map(|writing| std::mem::replace(writing, Writing::Done)) else { return };
        match writing {
            Writing::Words { choice, seal: Some(seal), .. } => self.wait(choice, |o| {
                o.text("text", "");
                signature(Some(&seal), o);
            }),
            Writing::Call { choice, head, input } => self.call(choice, (*head, input), frames, losses),
            Writing::Words { .. } | Writing::Thought { .. } | Writing::Done => {}
        }
    }

    fn call(&mut self, choice: usize, (head, input): (Block<'static>, String), frames: &mut Frames, losses: &mut Vec<Loss>) {
        let Part::Call(mut call) = head.part else { return };
        let made = ids::of_answer(&self.answer, self.calls);
        self.calls += 1;
        call.input = match call.input {
            Input::Json(_) => Input::Json(Cow::Owned(input)),
            Input::Free(_) => Input::Free(Cow::Owned(input)),
        };
        let id = (call.id != made).then(|| call.id.clone());
        let said = std::mem::replace(&mut self.choice(choice).called, true);
        let opens = if self.foreign && !said { Opens::Foreign } else { Opens::No };
        self.emit(choice, frames, |a| {
            a.object(|o| {
                answer_parts::call(&call, (id.as_deref(), || format!("content[{}]", head.at)), &head.rest, o, losses);
                answer_parts::call_signature(head.seal.as_ref(), opens, o);
            });
        });
    }

    fn close(&mut self, frames: &mut Frames, losses: &mut Vec<Loss>) {
        frames.event("", |o| {
            o.array("candidates", |a| self.choices.iter().for_each(|choice| _ = a.object(|o| choice.write(o, losses))));
            if let Some(tokens) = &self.usage {
                usage::lower(tokens, self.tier.as_deref(), o);
            }
            self.head.write(o);
        });
    }
}

/// Google's error object.
fn write_fault(fault: &StreamFault<'_>, frames: &mut Frames) {
    let status = fault.problem().status_for(Family::Gemini);
    frames.event("", |o| {
        o.object("error", |o| {
            o.unsigned("code", u64::from(status)).text("message", &fault.message).text("status", google_status(status));
        });
    });
}
