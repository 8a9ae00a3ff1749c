//! The conversation on its way out: the operator's words first, then turns that alternate.
//!
//! Anthropic wants the user to begin, results of tools at the head of their turn, and the operator's later words behind a
//! turn of the user's that the model answers. Nothing here depends on what comes later but within the last turn, so that a
//! longer conversation begins as the shorter one.

use std::ops::Range;

use super::{
    OWN,
    lower_block::{Pen, Says},
    models::Model,
    place::Place,
};
use crate::{
    protocol::json::{ArrayWriter, array},
    transform::{
        Loss,
        generate::canon::{Block, Part, Request, Role, Turn},
    },
};

/// Sends the operator's first words to the system prompt: how many turns these are.
pub(super) fn leading(request: &Request<'_>) -> usize {
    let leading = request.turns.iter().take_while(|turn| operator(turn.role)).count();
    // Somebody has to be answered: where the operator alone speaks, it is in the last of its turns.
    if leading == request.turns.len() { leading.saturating_sub(1) } else { leading }
}

/// Writes the system prompt: the instructions, the operator's first turns, and `words` of our own. `None` where it is empty.
pub(super) fn system(request: &Request<'_>, leading: usize, words: Option<&str>, pen: &mut Pen<'_>) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    let instructions = request.instructions.iter().map(|block| (block, Place::instructions(request.from, block.at)));
    let turns = request.turns[..leading].iter();
    let led = turns.flat_map(|turn| turn.blocks.iter().map(|block| (block, Place::turn(request.from, turn.at, block.at))));
    for (block, place) in instructions.chain(led) {
        element(&mut list, |out| pen.block(block, Says::System, place, out));
    }
    for turn in &request.turns[..leading] {
        turn.rest.lose(|| path(request, turn), pen.losses);
    }
    if let Some(words) = words {
        element(&mut list, |out| {
            Pen::words(words, out);
            true
        });
    }
    (!list.is_empty()).then_some(list)
}

/// Writes an element of a list with its comma; takes both back where there was nothing to write.
fn element(list: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Range<usize> {
    let before = list.len();
    if before > 0 {
        list.push(b',');
    }
    let begin = list.len();
    if !write(list) {
        list.truncate(before);
        return 0..0;
    }
    begin..list.len()
}

/// One message: pieces of the turns that it is made of.
struct Message<'r> {
    says: Says,
    first: &'r Turn<'r>,
    results: Vec<Range<usize>>,
    others: Vec<Range<usize>>,
}

/// Writes `messages` behind what `out` holds.
pub(super) fn messages(request: &Request<'_>, leading: usize, model: &Model, pen: &mut Pen<'_>, out: &mut Vec<u8>) {
    let turns = &request.turns[leading..];
    let mut scratch = Vec::new();
    let mut messages: Vec<Message<'_>> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let says = speaker(turn, &turns[number + 1..], messages.last().map(|message| message.says), model);
        add(request, turn, says, pen, (&mut messages, &mut scratch));
    }
    // A Claude client knows what it does: some of the models do take it.
    let headless = messages.first().filter(|message| message.says != Says::User && request.from != OWN);
    if let Some(first) = headless {
        pen.losses.push(Loss::changed(path(request, first.first), "the target wants the user to begin: a short turn was put before"));
    }
    if let Some(last) = messages.last().filter(|message| message.says == Says::Assistant && !model.prefill) {
        pen.losses.push(Loss::changed(path(request, last.first), "the model does not continue a turn of its own"));
    }
    array(out, |list| {
        if headless.is_some() {
            list.json(r#"{"role":"user","content":[{"type":"text","text":"(The conversation goes on.)"}]}"#);
        }
        for message in &messages {
            write(message, &scratch, pen, list);
        }
    });
}

const fn operator(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// In whose name a turn goes out. The operator's words within the conversation keep their role where the model knows it
/// and they stand behind the user's; else they are the user's.
fn speaker(turn: &Turn<'_>, later: &[Turn<'_>], last: Option<Says>, model: &Model) -> Says {
    match turn.role {
        Role::User => Says::User,
        Role::Assistant => Says::Assistant,
        Role::System | Role::Developer => {
            let answered = later.iter().find(|turn| !operator(turn.role)).is_none_or(|turn| turn.role == Role::Assistant);
            let behind = matches!(last, Some(Says::User | Says::System));
            if model.system_turns && behind && answered { Says::System } else { Says::User }
        }
    }
}

type Sheets<'s, 'r> = (&'s mut Vec<Message<'r>>, &'s mut Vec<u8>);

fn add<'r>(request: &Request<'_>, turn: &'r Turn<'r>, says: Says, pen: &mut Pen<'_>, (messages, scratch): Sheets<'_, 'r>) {
    let wrapped = operator(turn.role) && says == Says::User;
    let mut message = Message { says, first: turn, results: Vec::new(), others: Vec::new() };
    for block in &turn.blocks {
        let place = Place::turn(request.from, turn.at, block.at);
        let piece = match wrap(block).filter(|_| wrapped) {
            Some(words) => {
                pen.losses.push(Loss::changed(place.path(), "the operator's words became marked words of the user's"));
                element(scratch, |out| {
                    Pen::words(&words, out);
                    true
                })
            }
            None => element(scratch, |out| pen.block(block, says, place, out)),
        };
        if !piece.is_empty() {
            let pieces = if matches!(block.part, Part::Result(_)) { &mut message.results } else { &mut message.others };
            pieces.push(piece);
        }
    }
    if turn.name.is_some() {
        pen.losses.push(Loss::dropped(format!("{}.name", path(request, turn))));
    }
    if message.results.is_empty() && message.others.is_empty() {
        return turn.rest.lose(|| path(request, turn), pen.losses);
    }
    match messages.last_mut().filter(|last| last.says == says) {
        Some(last) => {
            last.results.append(&mut message.results);
            last.others.append(&mut message.others);
            turn.rest.lose(|| path(request, turn), pen.losses);
        }
        None => {
            if turn.rest.of != Some(OWN) {
                turn.rest.lose(|| path(request, turn), pen.losses);
            }
            messages.push(message);
        }
    }
}

/// The operator's words, marked as such. What has no words is written as it is.
fn wrap(block: &Block<'_>) -> Option<String> {
    match &block.part {
        Part::Text { text, .. } | Part::Refusal(text) if !text.trim().is_empty() => {
            Some(format!("<system-instruction>\n{text}\n</system-instruction>"))
        }
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => None,
    }
}

fn write(message: &Message<'_>, scratch: &[u8], pen: &mut Pen<'_>, list: &mut ArrayWriter<'_>) {
    let role = match message.says {
        Says::User => "user",
        Says::Assistant => "assistant",
        Says::System => "system",
    };
    list.object(|o| {
        o.text("role", role);
        o.array("content", |content| {
            for piece in message.results.iter().chain(&message.others) {
                if let Some(json) = scratch.get(piece.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
                    content.json(json);
                }
            }
        });
        if message.first.rest.of == Some(OWN) {
            message.first.rest.write(OWN, o, String::new, pen.losses);
        }
    });
}

fn path(request: &Request<'_>, turn: &Turn<'_>) -> String {
    format!("{}[{}]", request.from.lists().0, turn.at)
}
