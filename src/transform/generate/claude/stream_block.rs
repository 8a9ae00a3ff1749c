//! The blocks of a stream on their way out, one at a time.

use super::{
    OWN, citation, ids,
    lower_answer::{seals, signed, withheld},
    lower_block::input,
    lower_server,
    place::Place,
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::{
        Loss, Seal,
        generate::{
            canon::{Block, Citation, Input, Part, Reasoning},
            event::Delta,
            frames::Frames,
        },
    },
};

/// Writes blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Blocks begun so far.
    count: usize,
    live: Option<Live>,
}

/// The block that is open towards the client.
#[derive(Debug)]
struct Live {
    block: usize,
    index: usize,
    kind: Kind,
    /// A seal that goes behind it.
    seal: Option<Seal<'static>>,
    /// Whether anything was said in it.
    said: bool,
}

/// What an open block is.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Thinking,
    Call,
    /// Free text, which becomes the text of an object when it is whole.
    Free(String),
}

/// A member of a delta.
type Said<'s> = (&'static str, &'s str);

impl Blocks {
    /// Whether any block is open.
    pub(super) fn is_open(&self) -> bool {
        self.live.is_some()
    }

    /// The block that is open.
    pub(super) fn open_block(&self) -> Option<usize> {
        self.live.as_ref().map(|live| live.block)
    }

    /// The open block, where it is of words that may go on in another block.
    pub(super) fn divisible(&self) -> Option<(usize, &Kind)> {
        let live = self.live.as_ref()?;
        matches!(live.kind, Kind::Text | Kind::Thinking).then_some((live.block, &live.kind))
    }

    /// Begins a block with what its head holds. One that comes in one piece is closed at once.
    pub(super) fn begin(&mut self, block: usize, head: &Block<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let (before, after) = seals(head);
        if let Some(seal) = before {
            self.whole(frames, |o| {
                withheld(seal, o);
            });
        }
        let place = Place::answer(head.at);
        let kind = match &head.part {
            Part::Text { .. } | Part::Refusal(_) => Kind::Text,
            Part::Reasoning(Reasoning { redacted: true, seal: Some(seal), .. }) => {
                return self.whole(frames, |o| {
                    withheld(seal, o);
                });
            }
            Part::Reasoning(_) => Kind::Thinking,
            Part::Call(call) if matches!(call.input, Input::Free(_)) => Kind::Free(String::new()),
            Part::Call(_) => Kind::Call,
            Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } | Part::Media(_) | Part::Result(_) => {
                return self.piece(&head.part, place, frames, losses);
            }
        };
        let index = self.start(frames, &json(|o| start(head, place, o, losses)));
        self.live = Some(Live { block, index, kind, seal: after.cloned().map(Seal::into_owned), said: false });
        self.first(&head.part, place, frames, losses);
    }

    /// Says what a block's beginning holds already.
    fn first(&mut self, part: &Part<'_>, place: Place, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let mut say = |delta: Delta<'_>| self.delta(&delta, place, frames, losses);
        match part {
            Part::Text { text, citations } => {
                for citation in citations {
                    say(Delta::Cite(Box::new(citation.clone())));
                }
                say(Delta::Text(text.as_ref().into()));
            }
            Part::Refusal(text) => say(Delta::Text(text.as_ref().into())),
            Part::Reasoning(reasoning) => {
                for piece in &reasoning.summary {
                    say(Delta::Summary(piece.as_ref().into(), true));
                }
                for piece in &reasoning.text {
                    say(Delta::Reasoning(piece.as_ref().into()));
                }
                if let Some(seal) = &reasoning.seal {
                    say(Delta::Seal(seal.clone()));
                }
            }
            Part::Call(call) => {
                let (Input::Json(input) | Input::Free(input)) = &call.input;
                say(Delta::Input(input.as_ref().into()));
            }
            Part::Result(_) | Part::Media(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {}
        }
    }

    /// A piece of the open block.
    pub(super) fn delta(&mut self, delta: &Delta<'_>, place: Place, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let Some(live) = &mut self.live else { return };
        let (kind, said): (_, Said<'_>) = match (delta, &mut live.kind) {
            (Delta::Text(text), Kind::Text) => ("text_delta", ("text", text)),
            (Delta::Input(text), Kind::Call) => ("input_json_delta", ("partial_json", text)),
            (Delta::Input(text), Kind::Free(whole)) => return whole.push_str(text),
            (Delta::Reasoning(text), Kind::Thinking) => ("thinking_delta", ("thinking", text)),
            (Delta::Summary(text, fresh), Kind::Thinking) => {
                if *fresh && live.said {
                    say(frames, live.index, "thinking_delta", ("thinking", "\n\n"));
                }
                ("thinking_delta", ("thinking", text))
            }
            (Delta::Seal(seal), Kind::Thinking) => return say(frames, live.index, "signature_delta", ("signature", &seal.write(OWN))),
            (Delta::Seal(seal), _) => {
                live.seal = Some(seal.clone().into_owned());
                return;
            }
            (Delta::Cite(citation), Kind::Text) => return cite(frames, live.index, citation, (place, losses)),
            (Delta::Logprobs(_), _) => return losses.push(Loss::dropped("logprobs")),
            // A piece that does not fit its block: the grammar of lifts forbids it.
            (Delta::Text(_) | Delta::Input(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Cite(_), _) => return,
        };
        if !said.1.is_empty() {
            live.said = true;
            say(frames, live.index, kind, said);
        }
    }

    /// Ends the open block.
    pub(super) fn end(&mut self, frames: &mut Frames) {
        let Some(live) = self.live.take() else { return };
        if let Kind::Free(text) = live.kind {
            let whole = Input::Free(text.into());
            let (object, _) = input(&whole);
            say(frames, live.index, "input_json_delta", ("partial_json", &object));
        }
        stop(frames, live.index);
        if let Some(seal) = live.seal {
            self.whole(frames, |o| {
                signed(&seal, o);
            });
        }
    }

    /// A part that has no pieces.
    fn piece(&mut self, part: &Part<'_>, place: Place, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let block = match part {
            Part::ServerCall(call) => lower_server::call(call).map(|told| (lower_server::joined(&told.start, "{}"), Some(told.input))),
            Part::ServerResult(result) => lower_server::result(result).map(|json| (json, None)),
            Part::Opaque { of, json } if *of == OWN => Some((json.get().to_owned(), None)),
            Part::Text { .. }
            | Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Call(_)
            | Part::Result(_)
            | Part::Media(_)
            | Part::Opaque { .. } => None,
        };
        let Some((json, input)) = block else { return losses.push(Loss::dropped(place.path())) };
        let index = self.start(frames, &json);
        if let Some(input) = input.filter(|input| input != "{}") {
            say(frames, index, "input_json_delta", ("partial_json", &input));
        }
        stop(frames, index);
    }

    /// A block that is whole as it begins.
    fn whole(&mut self, frames: &mut Frames, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        let index = self.start(frames, &json(fill));
        stop(frames, index);
    }

    fn start(&mut self, frames: &mut Frames, block: &str) -> usize {
        let index = self.count;
        self.count += 1;
        frames.event("content_block_start", |o| {
            o.text("type", "content_block_start").unsigned("index", index as u64).json("content_block", block);
        });
        index
    }
}

/// The beginning of a block that comes in pieces.
fn start(head: &Block<'_>, place: Place, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    match &head.part {
        Part::Call(call) => {
            object.text("type", "tool_use").text("id", &ids::call(&call.id)).text("name", &call.name).object("input", |_| {});
        }
        Part::Reasoning(_) => {
            object.text("type", "thinking").text("thinking", "").text("signature", "");
        }
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => {
            object.text("type", "text").text("text", "");
        }
    }
    head.rest.write(OWN, object, || place.path(), losses);
}

fn say(frames: &mut Frames, index: usize, kind: &str, (name, text): Said<'_>) {
    frames.event("content_block_delta", |o| {
        o.text("type", "content_block_delta").unsigned("index", index as u64).object("delta", |delta| {
            delta.text("type", kind).text(name, text);
        });
    });
}

fn cite(frames: &mut Frames, index: usize, citation: &Citation<'_>, (place, losses): (Place, &mut Vec<Loss>)) {
    let Some(json) = citation::lower(citation, place, losses) else { return };
    frames.event("content_block_delta", |o| {
        o.text("type", "content_block_delta").unsigned("index", index as u64).object("delta", |delta| {
            delta.text("type", "citations_delta").json("citation", &json);
        });
    });
}

fn stop(frames: &mut Frames, index: usize) {
    frames.event("content_block_stop", |o| {
        o.text("type", "content_block_stop").unsigned("index", index as u64);
    });
}

fn json(fill: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
    let mut out = Vec::new();
    object(&mut out, fill);
    String::from_utf8(out).unwrap_or_default()
}
