//! The conversation as `messages`.
//!
//! Chat wants each answer's calls in one message and their results right behind it, in messages of their own that hold
//! words only. What else a result holds follows as a message of the user's.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::{
    super::{
        Dialect,
        canon::{Block, CacheLife, CacheMark, CallResult, Media, Part, Rest, Role, Turn},
        names::Field,
    },
    leftovers::write_outer,
    lower_request::Task,
    media,
    profile::Marks,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::{Loss, Refused},
};

/// Writes all messages.
pub(super) fn write(task: &Task<'_>, list: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) -> Result<(), Refused> {
    let mut writer = Writer { task, losses, held: Vec::new(), fault: None };
    writer.instructions(list);
    let turns = &task.request.turns;
    let mut at = 0;
    while let Some(turn) = turns.get(at) {
        let run = if turn.role == Role::Assistant && !task.own { run(&turns[at..]) } else { 1 };
        writer.turns(&turns[at..at + run], list);
        at += run;
    }
    writer.flush(list);
    writer.fault.map_or(Ok(()), Err)
}

/// How many turns of the model follow each other: they are one message.
fn run(turns: &[Turn<'_>]) -> usize {
    turns.iter().take_while(|turn| turn.role == Role::Assistant).count()
}

pub(super) struct Writer<'r, 'l> {
    pub(super) task: &'r Task<'r>,
    pub(super) losses: &'l mut Vec<Loss>,
    /// Media of results that wait for the end of the results: call, path, media.
    held: Vec<(&'r str, String, &'r Media<'r>)>,
    /// The first thing that cannot be written at all.
    fault: Option<Refused>,
}

impl<'r> Writer<'r, '_> {
    pub(super) fn path(&self, turn: &Turn<'_>, at: usize) -> String {
        let (turns, parts) = self.task.request.from.lists();
        format!("{turns}[{}].{parts}[{at}]", turn.at)
    }

    fn instructions(&mut self, list: &mut ArrayWriter<'_>) {
        let blocks = &self.task.request.instructions;
        let field = self.task.path(Field::Instructions);
        let mut kept: Vec<(&Block<'r>, &str)> = Vec::new();
        for block in blocks {
            if let Part::Text { text, .. } = &block.part {
                kept.push((block, text));
            } else {
                self.losses.push(Loss::dropped(format!("{field}[{}]", block.at)));
            }
            block.rest.lose(|| format!("{field}[{}]", block.at), self.losses);
        }
        if kept.is_empty() {
            return;
        }
        list.object(|message| {
            message.text("role", "system");
            if self.task.profile.marks != Marks::Absent && kept.iter().any(|(block, _)| block.cache.is_some()) {
                message.array("content", |parts| {
                    for (block, text) in kept.iter().filter(|(_, text)| !text.is_empty()) {
                        parts.object(|part| {
                            part.text("type", "text").text("text", text);
                            self.mark(block, || format!("{field}[{}]", block.at), part);
                        });
                    }
                });
                return;
            }
            for (block, _) in kept.iter().filter(|(block, _)| block.cache.is_some()) {
                self.losses.push(Loss::dropped(format!("{field}[{}].cache_control", block.at)));
            }
            let words: Vec<&str> = kept.iter().map(|(_, text)| *text).filter(|text| !text.is_empty()).collect();
            message.text("content", &words.join("\n\n"));
        });
    }

    fn turns(&mut self, turns: &'r [Turn<'r>], list: &mut ArrayWriter<'_>) {
        let turn = &turns[0];
        match turn.role {
            Role::Assistant => {
                self.flush(list);
                self.assistant(turns, list);
            }
            Role::System => self.spoken(turn, "system", turn.blocks.iter().collect(), list),
            Role::Developer => {
                // Only OpenAI's own models know the newer word.
                let role = if self.task.own || self.task.profile.openai { "developer" } else { "system" };
                self.spoken(turn, role, turn.blocks.iter().collect(), list);
            }
            Role::User => self.user(turn, list),
        }
    }

    fn user(&mut self, turn: &'r Turn<'r>, list: &mut ArrayWriter<'_>) {
        let mut others = Vec::new();
        for block in &turn.blocks {
            if let Part::Result(result) = &block.part {
                self.result(turn, block, result, list);
            } else {
                others.push(block);
            }
        }
        if others.is_empty() && !turn.blocks.is_empty() {
            return;
        }
        self.spoken(turn, "user", others, list);
    }

    /// A message of the operator's or the user's.
    fn spoken(&mut self, turn: &Turn<'_>, role: &str, blocks: Vec<&Block<'_>>, list: &mut ArrayWriter<'_>) {
        self.flush(list);
        let kept: Vec<&Block<'_>> = blocks.into_iter().filter(|block| self.keeps(turn, block, role)).collect();
        if kept.is_empty() && !self.task.own {
            self.lose_rest(turn);
            return;
        }
        list.object(|message| {
            message.text("role", role);
            self.content(turn, &kept, message);
            self.rest(turn, message);
        });
    }

    /// Whether a block has a place in a message of this role; where it has none that is told.
    fn keeps(&mut self, turn: &Turn<'_>, block: &Block<'_>, role: &str) -> bool {
        let kept = match &block.part {
            Part::Text { text, .. } => !text.is_empty() || self.task.own,
            Part::Media(_) => role == "user",
            Part::Opaque { of, .. } => *of == Dialect::Chat,
            Part::Refusal(_) | Part::Reasoning(_) | Part::Call(_) | Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) => false,
        };
        let silent = matches!(&block.part, Part::Text { text, .. } if text.is_empty());
        if !kept && !silent {
            self.losses.push(Loss::dropped(self.path(turn, block.at)));
        }
        kept
    }

    /// `content`: a string where it is one plain text, else parts.
    pub(super) fn content(&mut self, turn: &Turn<'_>, blocks: &[&Block<'_>], message: &mut ObjectWriter<'_>) {
        if blocks.is_empty() {
            message.text("content", "");
            return;
        }
        if let [Block { part: Part::Text { text, .. }, cache, rest, .. }] = blocks
            && (cache.is_none() || self.marks() == Marks::Absent)
            && (rest.members.is_empty() || !self.task.own)
        {
            message.text("content", text);
            self.part_losses(turn, blocks[0], cache.is_some());
            return;
        }
        message.array("content", |parts| blocks.iter().for_each(|block| self.part(turn, block, parts)));
    }

    fn part_losses(&mut self, turn: &Turn<'_>, block: &Block<'_>, marked: bool) {
        let path = self.path(turn, block.at);
        if marked {
            self.losses.push(Loss::dropped(format!("{path}.cache_control")));
        }
        if !self.task.own {
            block.rest.lose(|| path, self.losses);
        }
    }

    fn part(&mut self, turn: &Turn<'_>, block: &Block<'_>, parts: &mut ArrayWriter<'_>) {
        let path = self.path(turn, block.at);
        if let Part::Opaque { json, .. } = &block.part {
            parts.raw(json);
            return;
        }
        parts.object(|part| {
            match &block.part {
                Part::Text { text, .. } => {
                    part.text("type", "text").text("text", text);
                }
                Part::Refusal(text) => {
                    part.text("type", "refusal").text("refusal", text);
                }
                Part::Media(media) => {
                    if let Err(refused) = media::write_part(media, &block.rest, &path, part, self.losses) {
                        self.fault.get_or_insert(refused);
                    }
                }
                Part::Reasoning(_)
                | Part::Call(_)
                | Part::Result(_)
                | Part::ServerCall(_)
                | Part::ServerResult(_)
                | Part::Opaque { .. } => {}
            }
            self.mark(block, || path.clone(), part);
            if self.task.own {
                write_outer(&block.rest, part);
            } else {
                block.rest.lose(|| path, self.losses);
            }
        });
    }

    /// How marks for the cache are written: a sender of our own dialect is taken at its word.
    fn marks(&self) -> Marks {
        match self.task.profile.marks {
            Marks::Absent if self.task.own => Marks::Breakpoint,
            marks @ (Marks::Absent | Marks::Breakpoint | Marks::Control) => marks,
        }
    }

    fn mark(&mut self, block: &Block<'_>, path: impl FnOnce() -> String, part: &mut ObjectWriter<'_>) {
        let Some(CacheMark(life)) = block.cache else { return };
        let control = self.task.own && life != CacheLife::Default || self.marks() == Marks::Control;
        if control {
            part.object("cache_control", |control| {
                control.text("type", "ephemeral");
                match life {
                    CacheLife::Hour => control.text("ttl", "1h"),
                    CacheLife::Minutes5 => control.text("ttl", "5m"),
                    CacheLife::Default | CacheLife::Minutes30 => control,
                };
            });
        } else if self.marks() == Marks::Breakpoint {
            part.object("prompt_cache_breakpoint", |mark| {
                mark.text("mode", "explicit");
            });
        } else {
            self.losses.push(Loss::dropped(format!("{}.cache_control", path())));
        }
    }

    pub(super) fn rest(&mut self, turn: &Turn<'_>, message: &mut ObjectWriter<'_>) {
        message.some_text("name", turn.name.as_deref());
        if self.task.own {
            write_outer(&turn.rest, message);
        } else {
            self.lose_rest(turn);
        }
    }

    pub(super) fn lose_rest(&mut self, turn: &Turn<'_>) {
        let (turns, _) = self.task.request.from.lists();
        turn.rest.lose(|| format!("{turns}[{}]", turn.at), self.losses);
    }

    fn result(&mut self, turn: &'r Turn<'r>, block: &'r Block<'r>, result: &'r CallResult<'r>, list: &mut ArrayWriter<'_>) {
        let path = self.path(turn, block.at);
        if result.failed == Some(true) {
            self.losses.push(Loss::dropped_because(format!("{path}.is_error"), "a result has no mark of failure here; its words say it"));
        }
        if block.cache.is_some() {
            self.losses.push(Loss::dropped(format!("{path}.cache_control")));
        }
        let kept = self.words_of(result, &path);
        list.object(|message| {
            message.text("role", "tool").text("tool_call_id", &self.call_id(&result.id));
            match &result.object {
                Some(object) if result.content.is_empty() => {
                    message.text("content", object.get());
                }
                _ => self.content(turn, &kept, message),
            }
            if !self.task.own {
                block.rest.lose(|| path, self.losses);
            }
            self.rest(turn, message);
        });
    }

    /// What of a result can stand in its message; media wait.
    fn words_of(&mut self, result: &'r CallResult<'r>, path: &str) -> Vec<&'r Block<'r>> {
        let mut kept: Vec<&Block<'_>> = Vec::new();
        for piece in &result.content {
            match &piece.part {
                Part::Text { text, .. } if !text.is_empty() => kept.push(piece),
                Part::Media(_) if self.task.own => kept.push(piece),
                Part::Media(media) => {
                    self.losses
                        .push(Loss::changed(format!("{path}.content[{}]", piece.at), "it follows the results in a message of the user's"));
                    self.held.push((&result.id, format!("{path}.content[{}]", piece.at), media));
                }
                Part::Text { .. } => {}
                Part::Refusal(_)
                | Part::Reasoning(_)
                | Part::Call(_)
                | Part::Result(_)
                | Part::ServerCall(_)
                | Part::ServerResult(_)
                | Part::Opaque { .. } => self.losses.push(Loss::dropped(format!("{path}.content[{}]", piece.at))),
            }
        }
        kept
    }

    /// Writes the media that results held back.
    fn flush(&mut self, list: &mut ArrayWriter<'_>) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        list.object(|message| {
            message.text("role", "user").array("content", |parts| {
                for (id, path, media) in held {
                    let id = self.call_id(id).into_owned();
                    parts.object(|part| {
                        part.text("type", "text").text("text", &format!("Output of the tool call {id}:"));
                    });
                    parts.object(|part| {
                        if let Err(refused) = media::write_part(media, &Rest::default(), &path, part, self.losses) {
                            self.fault.get_or_insert(refused);
                        }
                    });
                }
            });
        });
    }

    /// An id that is short enough: OpenAI takes 40 letters.
    pub(super) fn call_id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        const MOST: usize = 40;
        if self.task.own || id.len() <= MOST {
            return Cow::Borrowed(id);
        }
        let digest: String = Sha256::digest(id.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Cow::Owned(format!("call_{digest}"))
    }
}
