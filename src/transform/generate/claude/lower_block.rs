//! Blocks of a request on their way out.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    OWN,
    cache::Marks,
    citation, ids,
    lift_block::FOUND,
    lower_server,
    media::{self, NoPlace},
    place::Place,
    server,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter, object},
    transform::{
        Loss,
        generate::{
            Dialect,
            canon::{Block, Call, CallResult, Input, Media, Part, Reasoning, ServerResult},
        },
    },
};

/// Whose message a block goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    User,
    Assistant,
    /// The operator, in the system prompt or within the conversation: words only.
    System,
}

/// Writes blocks.
#[derive(Debug)]
pub(super) struct Pen<'p> {
    pub(super) from: Dialect,
    pub(super) marks: Marks,
    pub(super) losses: &'p mut Vec<Loss>,
}

impl Pen<'_> {
    /// Writes a block behind what `out` holds; tells whether there was anything to write.
    pub(super) fn block(&mut self, block: &Block<'_>, says: Says, place: Place, out: &mut Vec<u8>) -> bool {
        if block.seal.is_some() {
            self.losses.push(Loss::dropped_because(place.member("thought_signature"), "the target seals thinking only"));
        }
        let written = match &block.part {
            Part::Text { text, citations } => {
                self.text(text, |o, losses| citation::write_own(citations, o, place, losses), (block, place), out)
            }
            Part::Refusal(text) => self.text(text, |_, _| {}, (block, place), out),
            Part::Reasoning(reasoning) => self.reasoning(reasoning, says, (block, place), out),
            Part::Call(call) if says == Says::Assistant => {
                object(out, |o| self.call(call, (block, place), o));
                true
            }
            Part::Result(result) if says == Says::User => {
                object(out, |o| self.result(result, (block, place), o));
                true
            }
            Part::Media(media) if says == Says::User => self.media(media, (block, place), out),
            Part::ServerCall(call) => self.own(&call.json, server::is_own(&call.json), place, out),
            Part::ServerResult(result) => self.server_result(result, (block, place), out),
            Part::Opaque { of, json } => self.own(json, *of == OWN, place, out),
            Part::Call(_) | Part::Result(_) | Part::Media(_) => {
                self.losses.push(Loss::dropped_because(place.path(), "the target has no place for it in this turn"));
                false
            }
        };
        if !written && block.cache.is_some() {
            self.losses.push(Loss::dropped_because(place.member("cache_control"), "its block was left out"));
        }
        written
    }

    /// A block of words of our own making.
    pub(super) fn words(text: &str, out: &mut Vec<u8>) {
        object(out, |o| {
            o.text("type", "text").text("text", text);
        });
    }

    fn text(
        &mut self,
        text: &str,
        cite: impl FnOnce(&mut ObjectWriter<'_>, &mut Vec<Loss>),
        (block, place): (&Block<'_>, Place),
        out: &mut Vec<u8>,
    ) -> bool {
        // Anthropic refuses blocks of text without words.
        if text.trim().is_empty() {
            return false;
        }
        object(out, |o| {
            o.text("type", "text").text("text", text);
            cite(o, self.losses);
            self.tail(block, place, o);
        });
        true
    }

    fn reasoning(&mut self, reasoning: &Reasoning<'_>, says: Says, (block, place): (&Block<'_>, Place), out: &mut Vec<u8>) -> bool {
        let seal = reasoning.seal.as_ref().and_then(|seal| seal.opened_by(OWN));
        let Some(seal) = seal.filter(|_| says == Says::Assistant) else {
            // Thoughts that were shown and that nobody signed mean nothing to any provider.
            match &reasoning.seal {
                Some(_) => {
                    self.losses.push(Loss::dropped_because(place.path(), "the target takes back only thinking that it signed itself"));
                }
                None => block.rest.lose(|| place.path(), self.losses),
            }
            return false;
        };
        object(out, |o| {
            if reasoning.redacted {
                o.text("type", "redacted_thinking").text("data", seal);
            } else {
                o.text("type", "thinking").text("thinking", &shown(reasoning)).text("signature", seal);
            }
            block.rest.write(OWN, o, || place.path(), self.losses);
        });
        true
    }

    fn call(&mut self, call: &Call<'_>, (block, place): (&Block<'_>, Place), object: &mut ObjectWriter<'_>) {
        object.text("type", "tool_use").text("id", &ids::call(&call.id));
        object.text("name", &call.name);
        let (input, mended) = input(&call.input);
        if mended {
            self.losses.push(Loss::changed(place.member("arguments"), "no JSON object; carried as the text of one"));
        }
        object.json("input", &input);
        self.tail(block, place, object);
    }

    fn result(&mut self, result: &CallResult<'_>, (block, place): (&Block<'_>, Place), object: &mut ObjectWriter<'_>) {
        object.text("type", "tool_result").text("tool_use_id", &ids::call(&result.id));
        let mut out = Vec::new();
        for inner in &result.content {
            let before = out.len();
            if before > 0 {
                out.push(b',');
            }
            if !self.block(inner, Says::User, place.within(inner.at), &mut out) {
                out.truncate(before);
            }
        }
        if let Some(value) = result.object.as_ref().filter(|_| result.content.is_empty()) {
            Self::words(value.get(), &mut out);
        }
        if !out.is_empty() {
            object.array("content", |array| raw(&out, array));
        }
        if let Some(failed) = result.failed {
            object.bool("is_error", failed);
        }
        self.tail(block, place, object);
    }

    fn media(&mut self, media: &Media<'_>, (block, place): (&Block<'_>, Place), out: &mut Vec<u8>) -> bool {
        if let Some(json) = block.rest.hinted(FOUND) {
            return self.own(json, true, place, out);
        }
        let kind = match media::form(media, self.from) {
            Ok(kind) => kind,
            Err(NoPlace(why)) => {
                self.losses.push(Loss::dropped_because(place.path(), why));
                return false;
            }
        };
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.losses.push(Loss::dropped(place.member("detail")));
        }
        object(out, |o| {
            o.text("type", kind);
            media::write(media, &block.rest, o);
            self.tail(block, place, o);
        });
        true
    }

    fn server_result(&mut self, result: &ServerResult<'_>, (block, place): (&Block<'_>, Place), out: &mut Vec<u8>) -> bool {
        if server::is_own(&result.json) {
            return self.own(&result.json, true, place, out);
        }
        let Some(words) = lower_server::readable(result) else { return self.own(&result.json, false, place, out) };
        self.losses.push(Loss::changed(place.path(), "what a tool of another provider found became plain text"));
        self.text(&words, |_, _| {}, (block, place), out)
    }

    /// JSON of a dialect's own: written back to it, lost to any other.
    fn own(&mut self, json: &RawValue, own: bool, place: Place, out: &mut Vec<u8>) -> bool {
        if own {
            out.extend_from_slice(json.get().as_bytes());
        } else {
            self.losses.push(Loss::dropped(place.path()));
        }
        own
    }

    /// The cache mark, and what the canonical form has no word for.
    fn tail(&mut self, block: &Block<'_>, place: Place, object: &mut ObjectWriter<'_>) {
        self.marks.write((block.cache, &block.rest), object, || place.path(), self.losses);
        block.rest.write(OWN, object, || place.path(), self.losses);
    }
}

/// Writes elements that stand in `list`, joined with commas.
fn raw(list: &[u8], array: &mut ArrayWriter<'_>) {
    if let Ok(list) = std::str::from_utf8(list) {
        array.json(list);
    }
}

/// The thinking as it was signed: its text, else its summary.
pub(super) fn shown<'r>(reasoning: &'r Reasoning<'_>) -> Cow<'r, str> {
    match (reasoning.text.as_slice(), reasoning.summary.as_slice()) {
        ([], []) => Cow::Borrowed(""),
        ([one], _) | ([], [one]) => Cow::Borrowed(one),
        ([], pieces) => Cow::Owned(pieces.join("\n\n")),
        (pieces, _) => Cow::Owned(pieces.concat()),
    }
}

/// A call's input as the object that Anthropic wants; whether it had to be made one.
pub(super) fn input<'i>(input: &'i Input<'_>) -> (Cow<'i, str>, bool) {
    let (text, free) = match input {
        Input::Json(text) => (text, false),
        Input::Free(text) => (text, true),
    };
    // Other dialects encode "no arguments" as no text at all.
    if !free && text.trim().is_empty() {
        return (Cow::Borrowed("{}"), false);
    }
    let whole = !free && text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok();
    if whole {
        return (Cow::Borrowed(text), false);
    }
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.text("input", text);
    });
    (Cow::Owned(String::from_utf8(out).unwrap_or_default()), true)
}
