//! How a prompt differs from the one before it: gone on at its end, or changed within what was sent before.

use super::{
    difference::{self, Difference, How, Step},
    outline::{self, Outline, Section, leading},
    path,
};
use crate::protocol::{
    OperationKind,
    json::{Fields, Node},
};

/// Where a prompt changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The way to it: names and numbers, no values.
    pub path: String,
    /// The byte of the body that was sent.
    pub byte: usize,
}

/// How a prompt differs from the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    /// It begins with all that the last one was.
    Grown,
    /// Something of what the last one was is another thing.
    Changed(Place),
    /// The same, among the tools.
    Tools(Place),
}

/// A prompt: its body, and the outline of that.
pub(super) type Prompt<'a> = (&'a str, &'a Outline);

/// How a prompt differs from the one before it, of the same dialect.
pub(super) fn shift(kind: OperationKind, (before, was): Prompt<'_>, (after, is): Prompt<'_>) -> Shift {
    let names = outline::sections(kind);
    for (at, (name, (was, now))) in names.iter().zip(was.sections.iter().zip(&is.sections)).enumerate() {
        let is_talk = at + 1 == names.len();
        if is_talk && (is.continues || now.blocks.starts_with(&was.blocks)) {
            break;
        }
        if was.blocks == now.blocks {
            continue;
        }
        let grows = if is_talk { Grows::AtItsEnd(was) } else { Grows::Not };
        match within(name, (before, after), (grows, now)) {
            None => {}
            Some(place) if matches!(*name, "tools" | "functions") => return Shift::Tools(place),
            Some(place) => return Shift::Changed(place),
        }
    }
    Shift::Grown
}

/// Whether a section may have more than before.
enum Grows<'a> {
    /// What stands behind it would move.
    Not,
    /// It is the conversation, and was this.
    AtItsEnd(&'a Section),
}

/// Where a section differs.
fn within(name: &str, (before, after): (&str, &str), (grows, now): (Grows<'_>, &Section)) -> Option<Place> {
    let (was, is) = (members(before)?, members(after)?);
    let whole = |byte| Some(Place { path: name.to_owned(), byte });
    match (outline::section(&was, name), outline::section(&is, name)) {
        (None, None) => None,
        (None, Some(_)) => whole(now.span.start),
        (Some(_), None) => whole(after.trim_end().len().saturating_sub(1)),
        (Some(was), Some(is)) => {
            let found = difference::first(was, is, (after, name))?;
            match grows {
                Grows::AtItsEnd(was) if is_at_the_end(&found, (was, now)) => None,
                Grows::AtItsEnd(_) | Grows::Not => Some(Place { path: path::shown(name, &found.way), byte: found.byte }),
            }
        }
    }
}

fn members(text: &str) -> Option<Fields<'_>> {
    Node::parse(text.as_bytes()).ok()?.object()
}

/// Whether a difference is that the last message goes on: it has more parts than before.
fn is_at_the_end(found: &Difference<'_>, (was, now): (&Section, &Section)) -> bool {
    let is_last = leading(&was.blocks, &now.blocks) + 1 == was.blocks.len();
    let [Step::Element(_), Step::Member(name), Step::Element(_)] = &found.way[..] else { return false };
    is_last && found.how == How::Longer && matches!(&**name, "content" | "parts")
}

#[cfg(test)]
#[path = "shift_tests.rs"]
mod tests;
