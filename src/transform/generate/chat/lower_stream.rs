//! Events into the chunks of a stream.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Input, Logprob, Media, MediaKind, Part, Reasoning, Source, Stop, Tokens},
        event::{Delta, Event, Opening, StreamFault},
        frames::Frames,
        spoke::{Lower, Telling},
    },
    calls, cite, logprobs,
    lower_answer::{answer_id, path, stop_loss, tier, write_audio, write_image},
    media,
    reasoning::{Sealing, write_entries},
    stop::{self, Said},
    usage,
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::{Loss, Seal, fault::openai_type},
};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Lowerer {
    telling: Telling,
    head: Head,
    choices: Vec<Choice>,
    /// Blocks by their number.
    blocks: Vec<Open>,
    usage: Option<Tokens>,
}

/// What every chunk says.
#[derive(Debug, Default)]
struct Head {
    /// Its members, ready to be written.
    members: String,
    /// Whether a last chunk with usage is to come: all others say that it does.
    usage: bool,
}

#[derive(Debug, Default)]
struct Choice {
    index: usize,
    begun: bool,
    calls: u64,
    thoughts: usize,
    refused: bool,
    /// Letters of text so far.
    letters: u64,
}

#[derive(Debug)]
struct Open {
    choice: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Text that begins at this letter of the choice's words.
    Text {
        begin: u64,
    },
    Refusal,
    /// Thinking, held until its end: what carries a seal is said once more, whole.
    Thought {
        number: usize,
        held: Box<Block<'static>>,
    },
    Call {
        index: u64,
        free: bool,
        empty: bool,
    },
    /// Nothing further of it is written.
    Silent,
}

impl Lowerer {
    pub(super) fn new(telling: &Telling) -> Self {
        Self { telling: telling.clone(), head: Head::default(), choices: Vec::new(), blocks: Vec::new(), usage: None }
    }

    fn open(&mut self, opening: &Opening<'_>, frames: &mut Frames) {
        self.usage = opening.usage;
        self.head = Head { members: head(opening, &self.telling), usage: self.telling.include_usage };
        self.begin(0, frames);
    }

    /// The place of a choice among the choices; its first chunk says who speaks.
    fn begin(&mut self, index: usize, frames: &mut Frames) -> usize {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        if !self.choices[at].begun {
            self.choices[at].begun = true;
            self.head.delta(index, frames, |delta| {
                delta.text("role", "assistant").text("content", "");
            });
        }
        at
    }

    /// The place of the block that is opened, in the sender's words.
    fn place(&self, choice: usize) -> String {
        path(self.telling.from.unwrap_or(Dialect::Chat), choice, self.blocks.len())
    }

    fn open_block(&mut self, index: usize, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let at = self.begin(index, frames);
        let choice = &mut self.choices[at];
        let kind = match &head.part {
            Part::Text { .. } => Kind::Text { begin: choice.letters },
            Part::Refusal(_) => {
                choice.refused = true;
                Kind::Refusal
            }
            Part::Reasoning(thought) => {
                choice.thoughts += 1;
                Kind::Thought { number: choice.thoughts - 1, held: Box::new(held(thought, head)) }
            }
            Part::Call(call) => {
                let number = choice.calls;
                choice.calls += 1;
                self.head.delta(index, frames, |delta| write_call(number, call, head, delta));
                Kind::Call { index: number, free: matches!(call.input, Input::Free(_)), empty: true }
            }
            Part::Media(media) => {
                self.media(index, (Some(head), media), frames, losses);
                Kind::Silent
            }
            Part::ServerResult(result) => {
                for media in &result.media {
                    self.media(index, (None, media), frames, losses);
                }
                losses.push(Loss::dropped(self.place(index)));
                Kind::Silent
            }
            Part::ServerCall(_) | Part::Result(_) | Part::Opaque { .. } => {
                losses.push(Loss::dropped(self.place(index)));
                Kind::Silent
            }
        };
        if !matches!(kind, Kind::Thought { .. } | Kind::Silent) {
            head.rest.lose(|| self.place(index), losses);
        }
        self.blocks.push(Open { choice: at, kind });
        self.whole(head, frames, losses);
    }

    /// What a block holds from its beginning.
    fn whole(&mut self, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let block = self.blocks.len() - 1;
        let mut push = |delta: Delta<'_>| self.delta(block, &delta, frames, losses);
        match &head.part {
            Part::Text { text, citations } => {
                if !text.is_empty() {
                    push(Delta::Text(Cow::Borrowed(text)));
                }
                for citation in citations {
                    push(Delta::Cite(Box::new(citation.clone())));
                }
                head.seal.iter().for_each(|seal| push(Delta::Seal(seal.clone())));
            }
            Part::Refusal(text) if !text.is_empty() => push(Delta::Text(Cow::Borrowed(text))),
            Part::Reasoning(thought) => {
                thought.summary.iter().for_each(|piece| push(Delta::Summary(Cow::Borrowed(piece), true)));
                thought.text.iter().for_each(|piece| push(Delta::Reasoning(Cow::Borrowed(piece))));
                thought.seal.iter().for_each(|seal| push(Delta::Seal(seal.clone())));
            }
            Part::Call(call) => {
                let (Input::Json(input) | Input::Free(input)) = &call.input;
                if !input.is_empty() {
                    push(Delta::Input(Cow::Borrowed(input)));
                }
            }
            Part::Refusal(_) | Part::Media(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {}
        }
    }

    /// A piece of media; where there is no place for it that is told.
    fn media(&self, index: usize, (block, media): (Option<&Block<'_>>, &Media<'_>), frames: &mut Frames, losses: &mut Vec<Loss>) {
        match (media.kind, &media.source) {
            (MediaKind::Image, _) if media::url(media).is_some() => self.head.delta(index, frames, |delta| {
                delta.array("images", |list| {
                    list.object(|image| write_image(block, media, image));
                });
            }),
            (MediaKind::Audio, Source::Base64(_)) => {
                let none = super::content::words(Cow::Borrowed(""), 0);
                self.head.delta(index, frames, |delta| write_audio(block.unwrap_or(&none), media, "", delta));
            }
            _ => losses.push(Loss::dropped(self.place(index))),
        }
    }

    fn delta(&mut self, block: usize, delta: &Delta<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let Some(open) = self.blocks.get_mut(block) else { return };
        let choice = &mut self.choices[open.choice];
        let (head, index) = (&self.head, choice.index);
        match (delta, &mut open.kind) {
            (Delta::Text(text), Kind::Text { .. }) => {
                choice.letters += cite::letters(text);
                head.text(index, "content", text, frames);
            }
            (Delta::Text(text), Kind::Refusal) => head.text(index, "refusal", text, frames),
            (Delta::Reasoning(_) | Delta::Summary(..) | Delta::Seal(_), Kind::Thought { held, .. }) => {
                think(head, index, held, delta, frames);
            }
            (Delta::Input(input), Kind::Call { index: number, free, empty }) => {
                *empty = *empty && input.is_empty();
                head.input(index, (*number, *free), input, frames);
            }
            (Delta::Seal(seal), Kind::Call { index: number, .. }) => head.delta(index, frames, |delta| {
                delta.array("tool_calls", |list| {
                    list.object(|call| {
                        call.unsigned("index", *number);
                        calls::write_seal(Some(&seal.write(Dialect::Gemini)), call);
                    });
                });
            }),
            (Delta::Seal(seal), Kind::Text { .. }) => sign(head, index, seal, frames),
            (Delta::Cite(citation), Kind::Text { begin }) => match cite::lower(citation, (*begin, choice.letters)) {
                Some(json) => head.delta(index, frames, |delta| {
                    delta.array("annotations", |list| {
                        list.raw(&json);
                    });
                }),
                None => losses.push(Loss::dropped("citations")),
            },
            (Delta::Logprobs(all), _) => head.logprobs(index, all, frames),
            (Delta::Seal(_) | Delta::Cite(_), _) => {
                losses.push(Loss::dropped(path(self.telling.from.unwrap_or(Dialect::Chat), index, block)));
            }
            (Delta::Text(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Input(_), _) => {}
        }
    }

    fn close_block(&mut self, block: usize, frames: &mut Frames) {
        let Some(open) = self.blocks.get_mut(block) else { return };
        let index = self.choices[open.choice].index;
        match std::mem::replace(&mut open.kind, Kind::Silent) {
            Kind::Thought { number, held } => {
                let Part::Reasoning(thought) = &held.part else { return };
                let seal = thought.seal.as_ref().and_then(|seal| Sealing::Client.text(seal));
                if seal.is_some() || held.rest.of == Some(Dialect::Chat) {
                    self.head.delta(index, frames, |delta| {
                        delta.array("reasoning_details", |list| write_entries(thought, &held.rest, number, seal.as_deref(), list));
                    });
                }
            }
            // Clients parse what they gathered, and nothing is no JSON.
            Kind::Call { index: number, free: false, empty: true } => self.head.input(index, (number, false), "{}", frames),
            Kind::Call { .. } | Kind::Text { .. } | Kind::Refusal | Kind::Silent => {}
        }
    }

    fn stop(&mut self, index: usize, stop: &Stop<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let at = self.begin(index, frames);
        let choice = &self.choices[at];
        let (word, less) = stop::lower(stop, Said { calls: choice.calls > 0, refusal: choice.refused });
        if less {
            losses.push(stop_loss(stop));
        }
        self.head.chunk(frames, |list| {
            list.object(|choice| {
                choice.unsigned("index", index as u64).object("delta", |_| {}).text("finish_reason", word);
            });
        });
    }

    fn close(&mut self, frames: &mut Frames) {
        if let Some(tokens) = self.usage.filter(|_| self.head.usage) {
            frames.event("", |chunk| {
                chunk.members(&self.head.members);
                chunk.array("choices", |_| {}).object("usage", |object| usage::write(&tokens, object));
            });
        }
        frames.done();
    }
}

impl Lower for Lowerer {
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        match event {
            Event::Open(opening) => self.open(opening, frames),
            Event::BlockOpen { choice, head, .. } => self.open_block(*choice, head, frames, losses),
            Event::Delta { block, delta } => self.delta(*block, delta, frames, losses),
            Event::BlockClose { block } => self.close_block(*block, frames),
            Event::Stop { choice, stop } => self.stop(*choice, stop, frames, losses),
            Event::Usage(tokens) => self.usage = Some(*tokens),
            Event::Close => self.close(frames),
            Event::Fault(fault) => write_fault(fault, frames),
            Event::Unknown { name } => losses.push(Loss::dropped(name.as_ref())),
        }
    }
}

/// What every chunk says, as the members of an object.
fn head(opening: &Opening<'_>, telling: &Telling) -> String {
    let mut out = Vec::with_capacity(192);
    object(&mut out, |chunk| {
        chunk.text("id", &answer_id(&opening.id, telling)).text("object", "chat.completion.chunk");
        chunk.unsigned("created", opening.created.unwrap_or(telling.now));
        chunk.text("model", if opening.model.is_empty() { &telling.model } else { &opening.model });
        chunk.some_text("service_tier", opening.service_tier.as_deref().and_then(tier));
    });
    String::from_utf8(out).unwrap_or_default().trim_start_matches('{').trim_end_matches('}').to_owned()
}

impl Head {
    fn chunk(&self, frames: &mut Frames, fill: impl FnOnce(&mut crate::protocol::json::ArrayWriter<'_>)) {
        frames.event("", |chunk| {
            chunk.members(&self.members).array("choices", fill);
            if self.usage {
                chunk.null("usage");
            }
        });
    }

    fn delta(&self, index: usize, frames: &mut Frames, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.chunk(frames, |list| {
            list.object(|choice| {
                choice.unsigned("index", index as u64).object("delta", fill).null("finish_reason");
            });
        });
    }

    fn text(&self, index: usize, member: &str, text: &str, frames: &mut Frames) {
        if !text.is_empty() {
            self.delta(index, frames, |delta| {
                delta.text(member, text);
            });
        }
    }

    fn input(&self, index: usize, (number, free): (u64, bool), input: &str, frames: &mut Frames) {
        if input.is_empty() {
            return;
        }
        let (inner, member) = if free { ("custom", "input") } else { ("function", "arguments") };
        self.delta(index, frames, |delta| {
            delta.array("tool_calls", |list| {
                list.object(|call| {
                    call.unsigned("index", number).object(inner, |object| {
                        object.text(member, input);
                    });
                });
            });
        });
    }

    fn logprobs(&self, index: usize, all: &[Logprob<'_>], frames: &mut Frames) {
        self.chunk(frames, |list| {
            list.object(|choice| {
                choice.unsigned("index", index as u64).object("delta", |_| {});
                logprobs::write(all, choice);
                choice.null("finish_reason");
            });
        });
    }
}

/// A block of thinking as it is held: what comes is added to it.
fn held(thought: &Reasoning<'_>, head: &Block<'_>) -> Block<'static> {
    let empty = Reasoning { id: thought.id.clone(), redacted: thought.redacted, ..Reasoning::default() };
    Block { part: Part::Reasoning(empty), cache: None, seal: None, at: head.at, rest: head.rest.clone() }.into_owned()
}

fn write_call(number: u64, call: &super::super::canon::Call<'_>, head: &Block<'_>, delta: &mut ObjectWriter<'_>) {
    let (kind, member) = match call.input {
        Input::Json(_) => ("function", "arguments"),
        Input::Free(_) => ("custom", "input"),
    };
    delta.array("tool_calls", |list| {
        list.object(|object| {
            object.unsigned("index", number).text("id", &call.id).text("type", kind);
            object.object(kind, |inner| {
                inner.text("name", &call.name).text(member, "");
            });
            calls::write_seal(head.seal.as_ref().map(|seal| seal.write(Dialect::Gemini)).as_deref(), object);
        });
    });
}

/// Thinking: said as it comes, and held.
fn think(head: &Head, index: usize, held: &mut Block<'static>, delta: &Delta<'_>, frames: &mut Frames) {
    let Part::Reasoning(thought) = &mut held.part else { return };
    match delta {
        Delta::Reasoning(words) => {
            if thought.text.is_empty() && !thought.summary.is_empty() {
                head.text(index, "reasoning_content", "\n\n", frames);
            }
            append(&mut thought.text, words, false);
            head.text(index, "reasoning_content", words, frames);
        }
        Delta::Summary(words, fresh) => {
            if *fresh && !thought.summary.is_empty() {
                head.text(index, "reasoning_content", "\n\n", frames);
            }
            append(&mut thought.summary, words, *fresh);
            head.text(index, "reasoning_content", words, frames);
        }
        Delta::Seal(seal) => thought.seal = Some(seal.clone().into_owned()),
        Delta::Text(_) | Delta::Input(_) | Delta::Cite(_) | Delta::Logprobs(_) => {}
    }
}

fn append(pieces: &mut Vec<Cow<'static, str>>, words: &str, fresh: bool) {
    match pieces.last_mut() {
        Some(last) if !fresh => last.to_mut().push_str(words),
        _ => pieces.push(Cow::Owned(words.to_owned())),
    }
}

/// A thought signature that belongs to the text.
fn sign(head: &Head, index: usize, seal: &Seal<'_>, frames: &mut Frames) {
    head.delta(index, frames, |delta| calls::write_seal(Some(&seal.write(Dialect::Gemini)), delta));
}

/// The error that ends a broken stream.
fn write_fault(fault: &StreamFault<'_>, frames: &mut Frames) {
    let problem = fault.problem();
    let code = problem.openai_word().unwrap_or(match problem.status {
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_request",
        _ => "server_error",
    });
    let message = if fault.message.is_empty() { "the model's provider broke the answer off" } else { &fault.message };
    frames.event("", |event| {
        event.object("error", |error| {
            error.text("message", message).text("type", openai_type(problem.status)).null("param").text("code", code);
        });
    });
}
