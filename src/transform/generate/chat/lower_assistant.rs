//! The model's own messages of a conversation: words, thinking that goes back, and all calls of one answer together.

use super::{
    super::{
        Dialect,
        canon::{Block, Media, MediaKind, Part, Reasoning, Source, Turn},
    },
    calls,
    leftovers::write_outer,
    lower_answer::write_image,
    lower_messages::Writer,
    media,
    reasoning::{self, Sealing},
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::Loss,
};

impl<'r> Writer<'r, '_> {
    /// The model's message. Several turns of it are one.
    pub(super) fn assistant(&mut self, turns: &'r [Turn<'r>], list: &mut ArrayWriter<'_>) {
        let blocks: Vec<(&'r Turn<'r>, &'r Block<'r>)> =
            turns.iter().flat_map(|turn| turn.blocks.iter().map(move |block| (turn, block))).collect();
        let said = self.sort(&blocks);
        if said.is_empty() && !self.task.own {
            for turn in turns {
                self.lose_rest(turn);
            }
            return;
        }
        list.object(|message| {
            message.text("role", "assistant");
            if !said.texts.is_empty() {
                let texts: Vec<&Block<'_>> = said.texts.iter().map(|(_, block)| *block).collect();
                self.content(said.texts[0].0, &texts, message);
            } else if said.calls.is_empty() && said.refusals.is_empty() && said.media.is_empty() {
                message.text("content", "");
            } else {
                message.null("content");
            }
            if !said.refusals.is_empty() {
                message.text("refusal", &said.refusals.concat());
            }
            reasoning::write(said.thoughts.iter().copied(), Sealing::Provider, message);
            write_media(&said.media, message);
            self.extras(&said.texts, message);
            self.calls(&said.calls, message);
            let (first, others) = (&turns[0], &turns[1..]);
            self.rest(first, message);
            for turn in others {
                self.lose_rest(turn);
            }
        });
    }

    fn sort(&mut self, blocks: &[(&'r Turn<'r>, &'r Block<'r>)]) -> Said<'r> {
        let mut said = Said::default();
        for &(turn, block) in blocks {
            let path = self.path(turn, block.at);
            match &block.part {
                Part::Text { text, .. } if text.is_empty() => {}
                Part::Text { .. } | Part::Opaque { of: Dialect::Chat, .. } => said.texts.push((turn, block)),
                Part::Refusal(words) => said.refusals.push(words),
                Part::Reasoning(thought) => {
                    let foreign = thought.seal.as_ref().is_some_and(|seal| seal.owner != Dialect::Chat);
                    if !self.wants(block, thought) {
                        self.losses.push(Loss::dropped_because(path, "the model takes no thinking back"));
                        continue;
                    }
                    if foreign {
                        self.losses.push(Loss::dropped_because(path, "only its own provider can read the seal"));
                    }
                    said.thoughts.push((block, thought));
                }
                Part::Call(call) => {
                    if call.namespace.is_some() {
                        self.losses.push(Loss::dropped(format!("{path}.namespace")));
                    }
                    said.calls.push((turn, block));
                }
                Part::Media(media) if self.task.own || media.kind == MediaKind::Image && !self.task.profile.openai => {
                    said.media.push((block, media));
                }
                Part::ServerResult(result) if result.output.as_deref().is_some_and(|output| !output.is_empty()) => {
                    self.losses.push(Loss::dropped_because(path, "what the provider's tool found stays behind"));
                }
                Part::Media(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {
                    self.losses.push(Loss::dropped(path));
                }
            }
        }
        said
    }

    /// Whether earlier thinking goes back: to models that want it, and to whoever wrote it.
    fn wants(&self, block: &Block<'_>, thought: &Reasoning<'_>) -> bool {
        let own =
            self.task.own || block.rest.of == Some(Dialect::Chat) || thought.seal.as_ref().is_some_and(|seal| seal.owner == Dialect::Chat);
        let worded = !thought.text.is_empty() || !thought.summary.is_empty();
        own && (worded || thought.seal.as_ref().is_some_and(|seal| seal.owner == Dialect::Chat))
            || self.task.profile.wants_reasoning && worded
    }

    /// Citations, and a signature on the text: only whoever sent them gets them back.
    fn extras(&mut self, texts: &[(&Turn<'_>, &Block<'_>)], message: &mut ObjectWriter<'_>) {
        let mut annotations = Vec::new();
        for (turn, block) in texts {
            if let Part::Text { citations, .. } = &block.part {
                if self.task.own {
                    annotations.extend(citations.iter().filter(|citation| citation.of == Dialect::Chat).map(|citation| &citation.json));
                } else if !citations.is_empty() {
                    self.losses.push(Loss::dropped(format!("{}.citations", self.path(turn, block.at))));
                }
            }
        }
        if !annotations.is_empty() {
            message.array("annotations", |list| {
                for json in &annotations {
                    list.raw(json);
                }
            });
        }
        for (turn, block) in texts.iter().filter(|(_, block)| block.seal.is_some()) {
            let seal = self.google_seal(turn, block);
            if seal.is_some() {
                calls::write_seal(seal, message);
                break;
            }
        }
    }

    /// The thought signature that goes to a model of Google's.
    fn google_seal<'b>(&mut self, turn: &Turn<'_>, block: &'b Block<'_>) -> Option<&'b str> {
        let seal = block.seal.as_ref()?;
        let opened = seal.opened_by(Dialect::Gemini).filter(|_| self.task.profile.google);
        if opened.is_none() {
            self.losses.push(Loss::dropped_because(self.path(turn, block.at), "only its own provider can read the seal"));
        }
        opened
    }

    fn calls(&mut self, blocks: &[(&'r Turn<'r>, &'r Block<'r>)], message: &mut ObjectWriter<'_>) {
        if blocks.is_empty() {
            return;
        }
        message.array("tool_calls", |list| {
            for (turn, block) in blocks {
                let Part::Call(call) = &block.part else { continue };
                let seal = self.google_seal(turn, block);
                let mut call = call.clone();
                let id = call.id.clone();
                call.id = self.call_id(&id);
                let empty = if self.task.own { "" } else { "{}" };
                list.object(|object| calls::write(&call, &block.rest, seal, empty, object));
                if !self.task.own {
                    let path = self.path(turn, block.at);
                    block.rest.lose(|| path, self.losses);
                }
            }
        });
    }
}

/// The pieces of a message of the model's, by their place in it.
#[derive(Default)]
struct Said<'r> {
    thoughts: Vec<(&'r Block<'r>, &'r Reasoning<'r>)>,
    texts: Vec<(&'r Turn<'r>, &'r Block<'r>)>,
    refusals: Vec<&'r str>,
    media: Vec<(&'r Block<'r>, &'r Media<'r>)>,
    calls: Vec<(&'r Turn<'r>, &'r Block<'r>)>,
}

impl Said<'_> {
    fn is_empty(&self) -> bool {
        self.thoughts.is_empty() && self.texts.is_empty() && self.refusals.is_empty() && self.media.is_empty() && self.calls.is_empty()
    }
}

/// Media that the model made: only vendors that make them take them back.
fn write_media(media: &[(&Block<'_>, &Media<'_>)], message: &mut ObjectWriter<'_>) {
    if media.iter().any(|(_, media)| media::url(media).is_some()) {
        message.array("images", |list| {
            for (block, media) in media.iter().filter(|(_, media)| media::url(media).is_some()) {
                list.object(|image| write_image(Some(*block), media, image));
            }
        });
    }
    for (block, media) in media {
        if let (MediaKind::Audio, Source::FileId(id)) = (media.kind, &media.source) {
            message.object("audio", |audio| {
                audio.text("id", id);
                write_outer(&block.rest, audio);
            });
        }
    }
}
