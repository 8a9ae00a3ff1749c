//! The body of a whole answer.

use super::{
    super::{
        Dialect,
        canon::{Answer, Block, Choice, Media, MediaKind, Part, Reasoning, Source, Stop},
        spoke::Telling,
    },
    calls, cite,
    leftovers::{write_inner, write_outer},
    logprobs, media,
    reasoning::{self, Sealing},
    stop::{self, Said},
    usage,
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::Loss,
};

/// Writes an answer.
pub(super) fn lower(answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    object(&mut out, |body| {
        body.text("id", &answer_id(&answer.id, telling)).text("object", "chat.completion");
        body.unsigned("created", answer.created.unwrap_or(telling.now));
        body.text("model", if answer.model.is_empty() { &telling.model } else { &answer.model });
        body.array("choices", |list| {
            for choice in &answer.choices {
                list.object(|object| write_choice(answer, choice, object, losses));
            }
        });
        if let Some(tokens) = &answer.usage {
            body.object("usage", |object| usage::write(tokens, object));
        }
        body.some_text("service_tier", answer.service_tier.as_deref().and_then(tier));
        answer.rest.write(Dialect::Chat, body, String::new, losses);
    });
    out
}

/// The answer's id, made from the call's where the upstream gives none.
pub(super) fn answer_id(id: &str, telling: &Telling) -> String {
    if id.is_empty() { format!("chatcmpl-{}", telling.request_id) } else { id.to_owned() }
}

/// A service tier in OpenAI's words, where it has one for it.
pub(super) fn tier(word: &str) -> Option<&str> {
    match word {
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" => Some(word),
        "standard" | "STANDARD" => Some("default"),
        _ => None,
    }
}

/// The place of a block in the sender's words.
pub(super) fn path(from: Dialect, choice: usize, at: usize) -> String {
    match from {
        Dialect::Chat => format!("choices[{choice}].message.content[{at}]"),
        Dialect::Responses => format!("output[{at}]"),
        Dialect::Claude => format!("content[{at}]"),
        Dialect::Gemini => format!("candidates[{choice}].content.parts[{at}]"),
    }
}

fn write_choice(answer: &Answer<'_>, choice: &Choice<'_>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let parts = Parts::sort(answer, choice, losses);
    object.unsigned("index", choice.index as u64);
    object.object("message", |message| parts.write(choice, message, losses));
    logprobs::write(&choice.logprobs, object);
    let said = Said { calls: !parts.calls.is_empty(), refusal: !parts.refusals.is_empty() };
    let (word, less) = stop::lower(&choice.stop, said);
    if less {
        losses.push(stop_loss(&choice.stop));
    }
    object.text("finish_reason", word);
    let path = || format!("choices[{}]", choice.index);
    if choice.rest.of == Some(Dialect::Chat) {
        write_outer(&choice.rest, object);
    } else {
        choice.rest.lose(path, losses);
    }
}

/// What is lost of a stop that has no word here.
pub(super) fn stop_loss(stop: &Stop<'_>) -> Loss {
    if matches!(stop, Stop::Sequence(_)) {
        return Loss::dropped("stop_sequence");
    }
    Loss::changed("stop_reason", "the nearest finish_reason")
}

/// The pieces of a message by their place in it.
#[derive(Default)]
struct Parts<'r> {
    thoughts: Vec<(&'r Block<'r>, &'r Reasoning<'r>)>,
    texts: Vec<&'r Block<'r>>,
    refusals: Vec<&'r str>,
    images: Vec<(Option<&'r Block<'r>>, &'r Media<'r>)>,
    audio: Option<(&'r Block<'r>, &'r Media<'r>)>,
    calls: Vec<&'r Block<'r>>,
}

impl<'r> Parts<'r> {
    fn sort(answer: &Answer<'_>, choice: &'r Choice<'r>, losses: &mut Vec<Loss>) -> Self {
        let mut parts = Self::default();
        for (at, block) in choice.blocks.iter().enumerate() {
            match &block.part {
                Part::Text { .. } => parts.texts.push(block),
                Part::Refusal(words) => parts.refusals.push(words),
                Part::Reasoning(thought) => parts.thoughts.push((block, thought)),
                Part::Call(_) => parts.calls.push(block),
                Part::Media(media) if media.kind == MediaKind::Image && media::url(media).is_some() => {
                    parts.images.push((Some(block), media));
                }
                Part::Media(media) if media.kind == MediaKind::Audio && matches!(media.source, Source::Base64(_)) => {
                    parts.audio = Some((block, media));
                }
                Part::ServerResult(result) => {
                    let images = result.media.iter().filter(|media| media.kind == MediaKind::Image && media::url(media).is_some());
                    parts.images.extend(images.map(|media| (None, media)));
                    losses.push(Loss::dropped(path(answer.from, choice.index, at)));
                }
                Part::Media(_) | Part::Result(_) | Part::ServerCall(_) | Part::Opaque { .. } => {
                    losses.push(Loss::dropped(path(answer.from, choice.index, at)));
                }
            }
            let kept = matches!(block.part, Part::Reasoning(_) | Part::Call(_) | Part::Media(_)) && block.rest.of == Some(Dialect::Chat);
            if !kept {
                block.rest.lose(|| path(answer.from, choice.index, at), losses);
            }
        }
        parts
    }

    fn write(&self, choice: &Choice<'_>, message: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
        let words: String = self.texts.iter().map(|block| text(block)).collect();
        message.text("role", "assistant");
        let silent = self.texts.is_empty() && self.refusals.is_empty() && self.images.is_empty() && self.calls.is_empty();
        if self.audio.is_some() || words.is_empty() && !silent {
            message.null("content");
        } else {
            message.text("content", &words);
        }
        message.text_or_null("refusal", (!self.refusals.is_empty()).then(|| self.refusals.concat()).as_deref());
        reasoning::write(self.thoughts.iter().copied(), Sealing::Client, message);
        self.write_annotations(message, losses);
        let signed = self.texts.iter().find_map(|block| block.seal.as_ref());
        calls::write_seal(signed.map(|seal| seal.write(Dialect::Gemini)).as_deref(), message);
        self.write_images(message);
        if let Some((block, media)) = self.audio {
            write_audio(block, media, &words, message);
        }
        if !self.calls.is_empty() {
            message.array("tool_calls", |list| {
                for block in &self.calls {
                    let Part::Call(call) = &block.part else { continue };
                    let seal = block.seal.as_ref().map(|seal| seal.write(Dialect::Gemini));
                    list.object(|object| calls::write(call, &block.rest, seal.as_deref(), "{}", object));
                }
            });
        }
        write_inner(&choice.rest, "message", message);
    }

    fn write_annotations(&self, message: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
        if self.texts.iter().all(|block| citations(block).is_empty()) {
            return;
        }
        message.array("annotations", |list| {
            let mut begin = 0;
            for block in &self.texts {
                let end = begin + cite::letters(text(block));
                for citation in citations(block) {
                    match cite::lower(citation, (begin, end)) {
                        Some(json) => {
                            list.raw(&json);
                        }
                        None => losses.push(Loss::dropped("citations")),
                    }
                }
                begin = end;
            }
        });
    }

    fn write_images(&self, message: &mut ObjectWriter<'_>) {
        if self.images.is_empty() {
            return;
        }
        message.array("images", |list| {
            for (block, media) in &self.images {
                list.object(|image| write_image(*block, media, image));
            }
        });
    }
}

/// Writes one picture that the model made.
pub(super) fn write_image(block: Option<&Block<'_>>, media: &Media<'_>, image: &mut ObjectWriter<'_>) {
    let Some(url) = media::url(media) else { return };
    image.text("type", "image_url").object("image_url", |inner| {
        inner.text("url", &url).some_text("detail", media.detail.as_deref());
        if let Some(block) = block {
            write_inner(&block.rest, "image_url", inner);
        }
    });
    if let Some(block) = block {
        write_outer(&block.rest, image);
    }
}

/// Writes the sound of an answer.
pub(super) fn write_audio(block: &Block<'_>, media: &Media<'_>, transcript: &str, message: &mut ObjectWriter<'_>) {
    let Source::Base64(data) = &media.source else { return };
    message.object("audio", |audio| {
        if block.rest.of != Some(Dialect::Chat) {
            audio.text("id", "audio_0").unsigned("expires_at", 0);
        }
        audio.text("data", data).text("transcript", transcript);
        write_outer(&block.rest, audio);
    });
}

fn text<'b>(block: &'b Block<'_>) -> &'b str {
    if let Part::Text { text, .. } = &block.part { text } else { "" }
}

fn citations<'b>(block: &'b Block<'b>) -> &'b [super::super::canon::Citation<'b>] {
    if let Part::Text { citations, .. } = &block.part { citations } else { &[] }
}
