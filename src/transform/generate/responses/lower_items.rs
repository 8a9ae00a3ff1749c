//! Turns into items.

use std::borrow::Cow;

use super::super::{
    Dialect,
    canon::{Block, Call, CallResult, Input, Part, Reasoning, Role, Turn},
};
use super::{
    OWN, ids,
    lift_items::{MESSAGE, MESSAGE_ID, MESSAGE_PHASE, MESSAGE_STATUS},
    lower_parts::{self, Parts, Voice},
    server,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::{Loss, Seal},
};

/// Writes the items of a request.
#[derive(Debug)]
pub(super) struct Items<'l> {
    pub(super) from: Dialect,
    pub(super) marks: bool,
    pub(super) losses: &'l mut Vec<Loss>,
}

impl Items<'_> {
    /// The items of a turn.
    pub(super) fn turn(&mut self, turn: &Turn<'_>, array: &mut ArrayWriter<'_>) {
        if turn.name.is_some() {
            self.losses.push(Loss::dropped(format!("{}.name", self.turn_path(turn))));
        }
        let mut at = 0;
        let mut written = false;
        while let Some(block) = turn.blocks.get(at) {
            // Other dialects write an empty text where a turn is made of calls alone.
            if !self.own() && is_silent(block) {
                self.loose_seal(turn, block, array);
                at += 1;
            } else if lower_parts::in_message(block) {
                let message = message_len(&turn.blocks[at..]);
                self.message(turn, &turn.blocks[at..at + message], !written, array);
                written = true;
                at += message;
            } else {
                self.item(turn, at, array);
                at += 1;
            }
        }
        if !written {
            let from = self.turn_path(turn);
            turn.rest.lose(|| from, self.losses);
        }
    }

    fn own(&self) -> bool {
        self.from == OWN
    }

    fn turn_path(&self, turn: &Turn<'_>) -> String {
        format!("{}[{}]", self.from.lists().0, turn.at)
    }

    fn path(&self, turn: &Turn<'_>, block: &Block<'_>) -> String {
        format!("{}.{}[{}]", self.turn_path(turn), self.from.lists().1, block.at)
    }

    fn message(&mut self, turn: &Turn<'_>, blocks: &[Block<'_>], first: bool, array: &mut ArrayWriter<'_>) {
        for block in blocks {
            self.loose_seal(turn, block, array);
        }
        let voice = if turn.role == Role::Assistant { Voice::Model } else { Voice::Caller };
        let own = self.own();
        if !blocks.iter().any(|block| lower_parts::has_form(block, voice, own)) {
            let paths = blocks.iter().map(|block| Loss::dropped(self.path(turn, block))).collect::<Vec<_>>();
            self.losses.extend(paths);
            return;
        }
        let turn_path = self.turn_path(turn);
        array.object(|o| {
            o.text("type", "message").text("role", role(turn.role));
            match blocks.first() {
                Some(head) if voice == Voice::Model => said(head, o),
                _ => {
                    o.some_text("id", turn.id.as_deref().filter(|_| own && first));
                }
            }
            o.array("content", |a| {
                let paths: Vec<String> = blocks.iter().map(|block| self.path(turn, block)).collect();
                let mut parts = Parts { voice, own, marks: self.marks, losses: &mut *self.losses };
                for (block, path) in blocks.iter().zip(&paths) {
                    parts.write(block, path, a);
                }
            });
            if first {
                turn.rest.write(OWN, o, || turn_path, self.losses);
            }
        });
    }

    fn item(&mut self, turn: &Turn<'_>, at: usize, array: &mut ArrayWriter<'_>) {
        let block = &turn.blocks[at];
        let path = self.path(turn, block);
        self.loose_seal(turn, block, array);
        if block.cache.is_some() {
            self.losses.push(Loss::dropped(format!("{path}.cache_control")));
        }
        match &block.part {
            Part::Reasoning(reasoning) => self.reasoning(reasoning, block, path, array),
            Part::Call(call) => {
                array.object(|o| {
                    self.call(call, o);
                    block.rest.write(OWN, o, || path, self.losses);
                });
            }
            Part::Result(result) => self.result(result, block, path, array),
            Part::ServerCall(call) if server::own_kind(&call.json).is_some() => {
                array.raw(&call.json);
            }
            Part::ServerResult(result) => match server::own_kind(&result.json) {
                Some(kind) if kind.ends_with("_output") => {
                    array.raw(&result.json);
                }
                // The call's own item holds it.
                Some(_) => {}
                None => self.losses.push(Loss::dropped(path)),
            },
            Part::Opaque { of, json } if *of == OWN => {
                array.raw(json);
            }
            Part::ServerCall(_) | Part::Opaque { .. } | Part::Text { .. } | Part::Refusal(_) | Part::Media(_) => {
                self.losses.push(Loss::dropped(path));
            }
        }
    }

    fn reasoning(&mut self, reasoning: &Reasoning<'_>, block: &Block<'_>, path: String, array: &mut ArrayWriter<'_>) {
        let opened = reasoning.seal.as_ref().and_then(|seal| seal.opened_by(OWN));
        // Without its maker's seal it is only known where it is kept under its id.
        if opened.is_none() && (!self.own() || reasoning.seal.is_some()) {
            // Thoughts that were shown and that nobody signed mean nothing to any provider.
            match &reasoning.seal {
                Some(_) => self.losses.push(Loss::dropped_because(path, "thinking goes back to its maker only, and only sealed")),
                None => block.rest.lose(|| path, self.losses),
            }
            return;
        }
        let own = self.own();
        array.object(|o| {
            o.text("type", "reasoning").some_text("id", reasoning.id.as_deref().filter(|_| own));
            if own {
                write_reasoning(reasoning, o);
            } else {
                // OpenAI refuses `content` in an item that it is sent: what a client calls the thinking was its summary.
                o.array("summary", |a| pieces(reasoning.summary.iter().chain(&reasoning.text), "summary_text", a));
            }
            o.some_text("encrypted_content", opened);
            block.rest.write(OWN, o, || path, self.losses);
        });
    }

    /// The seal of another part, made by this dialect's provider and carried by a dialect that has no item for it.
    fn loose_seal(&mut self, turn: &Turn<'_>, block: &Block<'_>, array: &mut ArrayWriter<'_>) {
        let Some(seal) = &block.seal else { return };
        match seal.opened_by(OWN) {
            Some(data) => {
                array.object(|o| {
                    o.text("type", "reasoning").array("summary", |_| {}).text("encrypted_content", data);
                });
            }
            None => self.losses.push(Loss::dropped_because(self.path(turn, block), "a seal goes back to its maker only")),
        }
    }

    fn call(&mut self, call: &Call<'_>, o: &mut ObjectWriter<'_>) {
        let free = matches!(call.input, Input::Free(_));
        o.text("type", if free { "custom_tool_call" } else { "function_call" });
        o.some_text("id", call.item_id.as_deref().filter(|_| self.from == OWN));
        o.text("call_id", &ids::call(&call.id)).text("name", &call.name);
        o.some_text("namespace", call.namespace.as_deref());
        match &call.input {
            Input::Free(words) => o.text("input", words),
            Input::Json(json) if json.trim().is_empty() => o.text("arguments", "{}"),
            Input::Json(json) => o.text("arguments", json),
        };
    }

    fn result(&mut self, result: &CallResult<'_>, block: &Block<'_>, path: String, array: &mut ArrayWriter<'_>) {
        if result.failed == Some(true) {
            self.losses.push(Loss::dropped_because(
                format!("{path}.is_error"),
                "the target has no mark for a result that failed; its text is kept",
            ));
        }
        array.object(|o| {
            o.text("type", if result.free { "custom_tool_call_output" } else { "function_call_output" });
            o.some_text("id", result.item_id.as_deref().filter(|_| self.from == OWN));
            o.text("call_id", &ids::call(&result.id));
            match plain_output(result) {
                Some(text) => {
                    o.text("output", &text);
                }
                None => {
                    o.array("output", |a| {
                        let mut parts = Parts { voice: Voice::Caller, own: self.from == OWN, marks: self.marks, losses: &mut *self.losses };
                        for piece in &result.content {
                            parts.write(piece, &format!("{path}.content[{}]", piece.at), a);
                        }
                    });
                }
            }
            block.rest.write(OWN, o, || path, self.losses);
        });
    }
}

/// A result that is no more than one text.
fn plain_output<'r>(result: &'r CallResult<'_>) -> Option<Cow<'r, str>> {
    match (result.content.as_slice(), &result.object) {
        ([], Some(object)) => Some(Cow::Borrowed(object.get())),
        ([], None) => Some(Cow::Borrowed("")),
        ([Block { part: Part::Text { text, .. }, cache: None, rest, .. }], _) if rest.members.is_empty() => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

/// `summary`, and `content` where there is some.
pub(super) fn write_reasoning(reasoning: &Reasoning<'_>, o: &mut ObjectWriter<'_>) {
    o.array("summary", |a| pieces(&reasoning.summary, "summary_text", a));
    if !reasoning.text.is_empty() {
        o.array("content", |a| pieces(&reasoning.text, "reasoning_text", a));
    }
}

fn pieces<'p>(pieces: impl IntoIterator<Item = &'p Cow<'p, str>>, kind: &str, a: &mut ArrayWriter<'_>) {
    for piece in pieces {
        a.object(|o| {
            o.text("type", kind).text("text", piece);
        });
    }
}

/// A message of the model's: what its first block remembers of it.
fn said(head: &Block<'_>, o: &mut ObjectWriter<'_>) {
    let hint = |name| head.rest.hinted(name);
    if let Some(id) = hint(MESSAGE_ID) {
        o.raw("id", id);
    }
    match hint(MESSAGE_STATUS) {
        Some(status) => {
            o.raw("status", status);
        }
        // A message that was once an answer has a status.
        None if hint(MESSAGE_ID).is_some() => {
            o.text("status", "completed");
        }
        None => {}
    }
    if let Some(phase) = hint(MESSAGE_PHASE) {
        o.raw("phase", phase);
    }
    lower_parts::message_rest(&head.rest, o);
}

/// Whether a block is a text of no words.
fn is_silent(block: &Block<'_>) -> bool {
    matches!(&block.part, Part::Text { text, citations } if text.is_empty() && citations.is_empty())
}

/// How many of the blocks stand in the first one's message.
pub(super) fn message_len(blocks: &[Block<'_>]) -> usize {
    let more = blocks.iter().skip(1).take_while(|block| lower_parts::in_message(block) && block.rest.hinted(MESSAGE).is_none());
    1 + more.count()
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// A seal as this dialect's clients carry it.
pub(super) fn carried<'s>(seal: &'s Seal<'_>) -> Cow<'s, str> {
    seal.write(OWN)
}
