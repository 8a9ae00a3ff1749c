//! Where two JSON texts begin to differ: the byte, and the way to it.
//!
//! They are read as a provider reads a prompt. White space between values, members without a value and marks of what is to be cached
//! say nothing; a content that is a bare text is the same as one text part. The order of members counts: providers write schemas
//! and arguments into the prompt as they stand.

use std::borrow::Cow;

use crate::protocol::json::{Node, Shape};

/// Deeper than this, values are compared by their bytes.
pub(super) const DEPTH: usize = 24;
/// Members that mark what is to be cached, and are no part of the prompt.
const MARKS: [&str; 2] = ["cache_control", "prompt_cache_breakpoint"];

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Member(Cow<'a, str>),
    Element(usize),
}

/// In which manner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Something else stands there.
    Changed,
    /// The later text has more, behind all that the earlier one has of this value.
    Longer,
    /// The later text has less.
    Shorter,
}

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference<'a> {
    pub(super) way: Vec<Step<'a>>,
    /// Its place in the later text.
    pub(super) byte: usize,
    pub(super) how: How,
}

/// The first difference of a later value from an earlier one. `text` is the later text, of which the later value is a part.
pub(super) fn first<'a>(before: Node<'a>, after: Node<'a>, (text, name): (&str, &'a str)) -> Option<Difference<'a>> {
    let mut walk = Walk { text, root: name, way: Vec::new() };
    let (byte, how) = walk.values(before, after)?;
    Some(Difference { way: walk.way, byte, how })
}

/// Whether a member marks what is to be cached.
pub(super) fn is_mark(name: &str) -> bool {
    MARKS.contains(&name)
}

/// Whether a member's value is a content: a bare text, or parts.
pub(super) fn holds_content(name: &str) -> bool {
    matches!(name, "content" | "system" | "output")
}

/// The text of a part that is nothing but a text.
pub(super) fn part_text(part: Node<'_>) -> Option<Node<'_>> {
    let mut members = part.object()?;
    let is_text = members.peek_text("type").is_some_and(|kind| kind.ends_with("text"));
    members.take("type");
    let text = members.take("text").filter(|text| text.shape() == Shape::Text)?;
    let is_bare = members.rest().iter().all(|(name, value)| is_mark(name) || value.is_null());
    (is_text && is_bare).then_some(text)
}

/// Where a piece of a text begins in it.
pub(super) fn place(piece: &str, text: &str) -> usize {
    piece.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

/// How many bytes two texts have in common at their beginning.
pub(super) fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

type Found = Option<(usize, How)>;

struct Walk<'a, 't> {
    text: &'t str,
    /// What the value itself is called.
    root: &'a str,
    way: Vec<Step<'a>>,
}

/// A member that says something.
struct Member<'a> {
    name: Cow<'a, str>,
    /// Where its name begins in its object's text.
    from: usize,
    value: Node<'a>,
}

impl<'a> Walk<'a, '_> {
    fn values(&mut self, before: Node<'a>, after: Node<'a>) -> Found {
        if before.json() == after.json() {
            return None;
        }
        if self.way.len() >= DEPTH {
            return Some(self.bytes(before, after));
        }
        match (before.shape(), after.shape()) {
            (Shape::Object, Shape::Object) => self.members(before, after),
            (Shape::Array, Shape::Array) => self.elements(&before.array().unwrap_or_default(), after),
            (Shape::Text, Shape::Text) if before.text() == after.text() => None,
            (Shape::Text, Shape::Array) if self.is_content() => self.text_and_parts(before, after),
            (Shape::Array, Shape::Text) if self.is_content() => self.parts_and_text(before, after),
            (_, _) => Some(self.bytes(before, after)),
        }
    }

    fn is_content(&self) -> bool {
        match self.way.last() {
            Some(Step::Member(name)) => holds_content(name),
            Some(Step::Element(_)) => false,
            None => holds_content(self.root),
        }
    }

    fn bytes(&self, before: Node<'_>, after: Node<'_>) -> (usize, How) {
        let same = common(before.json().as_bytes(), after.json().as_bytes());
        (self.begin(after) + same, How::Changed)
    }

    fn begin(&self, value: Node<'_>) -> usize {
        place(value.json(), self.text)
    }

    fn end(&self, value: Node<'_>) -> usize {
        self.begin(value) + value.json().len()
    }

    /// Goes one step further, and stays there where a difference is found.
    fn step(&mut self, step: Step<'a>, before: Node<'a>, after: Node<'a>) -> Found {
        self.way.push(step);
        let found = self.values(before, after);
        if found.is_none() {
            self.way.pop();
        }
        found
    }

    fn found(&mut self, step: Step<'a>, byte: usize, how: How) -> (usize, How) {
        self.way.push(step);
        (byte, how)
    }

    fn members(&mut self, before: Node<'a>, after: Node<'a>) -> Found {
        let (was, is) = (members(before), members(after));
        for (was, is) in was.iter().zip(&is) {
            if was.name != is.name {
                let same = common(&before.json().as_bytes()[was.from..], &after.json().as_bytes()[is.from..]);
                return Some(self.found(Step::Member(is.name.clone()), self.begin(after) + is.from + same, How::Changed));
            }
            if let Some(found) = self.step(Step::Member(is.name.clone()), was.value, is.value) {
                return Some(found);
            }
        }
        let both = was.len().min(is.len());
        if let Some(more) = is.get(both) {
            let byte = both.checked_sub(1).map_or_else(|| self.begin(after) + more.from, |last| self.end(is[last].value));
            return Some(self.found(Step::Member(more.name.clone()), byte, How::Longer));
        }
        let gone = was.into_iter().nth(both)?;
        Some(self.found(Step::Member(gone.name), self.end(after) - 1, How::Shorter))
    }

    fn elements(&mut self, was: &[Node<'a>], after: Node<'a>) -> Found {
        let is = after.array().unwrap_or_default();
        for (at, (was, is)) in was.iter().zip(&is).enumerate() {
            if let Some(found) = self.step(Step::Element(at), *was, *is) {
                return Some(found);
            }
        }
        let both = was.len().min(is.len());
        if let Some(more) = is.get(both) {
            let byte = both.checked_sub(1).map_or_else(|| self.begin(*more), |last| self.end(is[last]));
            return Some(self.found(Step::Element(both), byte, How::Longer));
        }
        if was.len() > both { Some(self.found(Step::Element(both), self.end(after) - 1, How::Shorter)) } else { None }
    }

    /// A bare text that has become parts.
    fn text_and_parts(&mut self, before: Node<'a>, after: Node<'a>) -> Found {
        let parts = after.array().unwrap_or_default();
        let Some(text) = parts.first().copied().and_then(part_text) else { return Some(self.bytes(before, after)) };
        self.way.push(Step::Element(0));
        if let Some(found) = self.step(Step::Member("text".into()), before, text) {
            return Some(found);
        }
        self.way.pop();
        if parts.len() > 1 { Some(self.found(Step::Element(1), self.end(parts[0]), How::Longer)) } else { None }
    }

    /// Parts that have become a bare text.
    fn parts_and_text(&mut self, before: Node<'a>, after: Node<'a>) -> Found {
        let parts = before.array().unwrap_or_default();
        let Some(text) = parts.first().copied().and_then(part_text) else { return Some(self.bytes(before, after)) };
        if let Some(found) = self.values(text, after) {
            return Some(found);
        }
        if parts.len() > 1 { Some(self.found(Step::Element(1), self.end(after) - 1, How::Shorter)) } else { None }
    }
}

/// The members of an object that say something, in their order.
fn members(object: Node<'_>) -> Vec<Member<'_>> {
    let text = object.json().as_bytes();
    let mut behind = 1;
    let mut all = Vec::new();
    for (name, value) in object.object().unwrap_or_default().rest() {
        let between = text.get(behind..).unwrap_or_default();
        let from = behind + between.iter().take_while(|byte| matches!(byte, b',' | b' ' | b'\n' | b'\r' | b'\t')).count();
        behind = place(value.json(), object.json()) + value.json().len();
        if !is_mark(&name) && !value.is_null() {
            all.push(Member { name, from, value });
        }
    }
    all
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
