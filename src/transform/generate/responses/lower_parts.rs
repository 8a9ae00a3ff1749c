//! Content parts into their wire form.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::canon::{Block, CacheLife, CacheMark, Citation, Logprob, Media, MediaKind, Part, Rest, Source};
use super::{OWN, lift_items::MESSAGE, lift_parts::PART};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::Loss,
};

/// How parts are called: what the caller gives, or what the model said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Caller,
    Model,
}

/// What writing a part needs to know.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    pub(super) voice: Voice,
    /// Whether the request came in this dialect.
    pub(super) own: bool,
    /// Whether the model takes marks for its cache.
    pub(super) marks: bool,
    pub(super) losses: &'p mut Vec<Loss>,
}

/// Whether a block stands within a message.
pub(super) fn in_message(block: &Block<'_>) -> bool {
    match &block.part {
        Part::Text { .. } | Part::Refusal(_) | Part::Media(_) => true,
        Part::Opaque { of, .. } => *of == OWN && block.rest.hinted(PART).is_some(),
        Part::Reasoning(_) | Part::Call(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) => false,
    }
}

/// Whether a block that stands within a message can be written at all.
pub(super) fn has_form(block: &Block<'_>, voice: Voice, own: bool) -> bool {
    match &block.part {
        Part::Media(media) => match media.kind {
            MediaKind::Image | MediaKind::File => voice == Voice::Caller,
            MediaKind::Audio => own && voice == Voice::Caller,
            MediaKind::Video => false,
        },
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Opaque { .. }
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_) => in_message(block),
    }
}

impl Parts<'_> {
    /// One part; what has no form here is a loss at `path`.
    pub(super) fn write(&mut self, block: &Block<'_>, path: &str, array: &mut ArrayWriter<'_>) {
        match &block.part {
            Part::Text { text, citations } => {
                array.object(|o| {
                    self.text(text, citations, path, o);
                    self.rest(block, path, o);
                });
            }
            Part::Refusal(words) => {
                array.object(|o| {
                    match self.voice {
                        Voice::Model => o.text("type", "refusal").text("refusal", words),
                        Voice::Caller => o.text("type", "input_text").text("text", words),
                    };
                    self.rest(block, path, o);
                });
            }
            Part::Media(media) => self.media(block, media, path, array),
            Part::Opaque { of, json } if *of == OWN => {
                array.raw(json);
            }
            Part::Opaque { .. } | Part::Reasoning(_) | Part::Call(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) => {
                self.losses.push(Loss::dropped(path));
            }
        }
    }

    fn text(&mut self, text: &str, citations: &[Citation<'_>], path: &str, o: &mut ObjectWriter<'_>) {
        if self.voice == Voice::Caller {
            o.text("type", "input_text").text("text", text);
            return;
        }
        o.text("type", "output_text").text("text", text).array("annotations", |a| {
            for citation in citations {
                if !annotation(citation, text, a) {
                    self.losses.push(Loss::dropped(format!("{path}.citations")));
                }
            }
        });
    }

    fn media(&mut self, block: &Block<'_>, media: &Media<'_>, path: &str, array: &mut ArrayWriter<'_>) {
        if self.voice == Voice::Model {
            self.losses.push(Loss::dropped_because(path, "the model's own media cannot be sent back"));
            return;
        }
        if !has_form(block, self.voice, self.own) {
            self.losses.push(Loss::dropped(path));
            return;
        }
        array.object(|o| {
            match media.kind {
                MediaKind::Image => image(media, o),
                MediaKind::File => file(media, o),
                MediaKind::Audio | MediaKind::Video => sound(media, o),
            }
            self.rest(block, path, o);
        });
    }

    fn rest(&mut self, block: &Block<'_>, path: &str, o: &mut ObjectWriter<'_>) {
        mark(block.cache, self.marks || self.own, path, o, self.losses);
        if block.rest.of == Some(OWN) {
            let own = block.rest.members.iter().filter(|(name, _)| of_message(name).is_none());
            for (name, json) in own {
                o.raw(name, json);
            }
        } else {
            block.rest.lose(|| path.to_owned(), self.losses);
        }
    }
}

/// The member of a message that stands among its first block's rest.
pub(super) fn of_message(name: &str) -> Option<&str> {
    name.strip_prefix(MESSAGE)?.strip_prefix('.')
}

/// Members of a message that stand among its first block's rest.
pub(super) fn message_rest(rest: &Rest<'_>, o: &mut ObjectWriter<'_>) {
    if rest.of == Some(OWN) {
        for (name, json) in rest.members.iter().filter_map(|(name, json)| Some((of_message(name)?, json))) {
            o.raw(name, json);
        }
    }
}

fn mark(cache: Option<CacheMark>, takes: bool, path: &str, o: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(CacheMark(life)) = cache else { return };
    if !takes {
        losses.push(Loss::dropped_because(format!("{path}.cache_control"), "this model caches prompts by itself"));
        return;
    }
    o.object("prompt_cache_breakpoint", |o| {
        o.text("mode", "explicit");
        match life {
            CacheLife::Minutes30 => {
                o.text("ttl", "30m");
            }
            CacheLife::Default | CacheLife::Minutes5 | CacheLife::Hour => {}
        }
    });
}

/// An annotation; `false` where this dialect has no form for it.
pub(super) fn annotation(citation: &Citation<'_>, text: &str, array: &mut ArrayWriter<'_>) -> bool {
    if citation.of == OWN {
        array.raw(&citation.json);
        return true;
    }
    let Some(url) = &citation.url else { return false };
    let (start, end) = citation.span.unwrap_or_else(|| (0, text.chars().count() as u64));
    array.object(|o| {
        o.text("type", "url_citation").unsigned("start_index", start).unsigned("end_index", end);
        o.text("title", citation.title.as_deref().unwrap_or(url)).text("url", url);
    });
    true
}

/// Log probabilities, in full.
pub(super) fn logprobs(list: &[Logprob<'_>], array: &mut ArrayWriter<'_>) {
    for one in list {
        array.object(|o| {
            logprob(one, o);
            o.array("top_logprobs", |a| {
                for other in &one.top {
                    a.object(|o| logprob(other, o));
                }
            });
        });
    }
}

fn logprob(one: &Logprob<'_>, o: &mut ObjectWriter<'_>) {
    o.text("token", &one.token);
    match &one.bytes {
        Some(bytes) => o.raw("bytes", bytes),
        None => o.array("bytes", |a| {
            for byte in one.token.bytes() {
                a.number(f64::from(byte));
            }
        }),
    };
    o.number("logprob", one.logprob);
}

fn image(media: &Media<'_>, o: &mut ObjectWriter<'_>) {
    o.text("type", "input_image").some_text("detail", media.detail.as_deref());
    match &media.source {
        Source::FileId(id) => o.text("file_id", id),
        source => o.text("image_url", &address(source, media.mime.as_deref().unwrap_or("image/png"))),
    };
}

fn file(media: &Media<'_>, o: &mut ObjectWriter<'_>) {
    o.text("type", "input_file");
    let plain = if matches!(media.source, Source::Plain(_)) { "text/plain" } else { "application/pdf" };
    let mime = media.mime.as_deref().unwrap_or(plain);
    match &media.source {
        Source::FileId(id) => {
            o.text("file_id", id).some_text("filename", media.name.as_deref());
        }
        // The provider refuses a name beside an address.
        Source::Url(url) => {
            o.text("file_url", url);
        }
        source => {
            let name = media.name.as_deref().unwrap_or(if mime == "text/plain" { "document.txt" } else { "document.pdf" });
            o.text("filename", name).text("file_data", &address(source, mime));
        }
    }
}

fn sound(media: &Media<'_>, o: &mut ObjectWriter<'_>) {
    o.text("type", "input_audio").object("input_audio", |o| {
        if let Source::Base64(data) = &media.source {
            o.text("data", data);
        }
        let format = media.mime.as_deref().and_then(|mime| mime.strip_prefix("audio/")).unwrap_or("wav");
        o.text("format", if format == "mpeg" { "mp3" } else { format.trim_start_matches("x-") });
    });
}

fn address<'s>(source: &'s Source<'_>, mime: &str) -> Cow<'s, str> {
    match source {
        Source::Url(url) | Source::FileId(url) => Cow::Borrowed(url),
        Source::Base64(data) => Cow::Owned(format!("data:{mime};base64,{data}")),
        Source::Plain(words) => Cow::Owned(format!("data:{mime};base64,{}", STANDARD.encode(words.as_bytes()))),
    }
}
