//! What calls are given and what they give, as the objects that Google takes; thinking as one text.

use std::borrow::Cow;

use super::super::canon::{Block, CallResult, Part, Reasoning};
use crate::protocol::json::{Node, ObjectWriter, Shape, object as write};

/// Arguments of a call as an object.
#[derive(Debug)]
pub(super) enum Args<'a> {
    /// As they came, or none.
    Whole(&'a str),
    /// No object: under a name of ours.
    Wrapped(String),
}

impl Args<'_> {
    pub(super) fn json(&self) -> &str {
        match self {
            Self::Whole(json) => json,
            Self::Wrapped(json) => json,
        }
    }
}

/// Arguments as the model wrote them, which may be nothing, or broken.
pub(super) fn object(json: &str) -> Args<'_> {
    let trimmed = json.trim();
    if trimmed.is_empty() {
        return Args::Whole("{}");
    }
    match Node::parse(trimmed.as_bytes()) {
        Ok(node) if node.shape() == Shape::Object => Args::Whole(trimmed),
        Ok(_) | Err(_) => Args::Wrapped(wrapped("arguments", json)),
    }
}

/// A text as the only member of an object.
pub(super) fn wrapped(name: &str, text: &str) -> String {
    let mut out = Vec::new();
    write(&mut out, |o| {
        o.text(name, text);
    });
    String::from_utf8_lossy(&out).into_owned()
}

/// The words of a result under Google's own names for them.
pub(super) fn outcome(result: &CallResult<'_>, out: &mut ObjectWriter<'_>) {
    let text = words(&result.content);
    if result.failed == Some(true) {
        out.text("error", &text);
    } else {
        out.text("output", &text);
    }
}

fn words<'r>(content: &'r [Block<'_>]) -> Cow<'r, str> {
    let mut texts = content.iter().filter_map(|block| match &block.part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(&**text),
        Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => None,
    });
    let first = texts.next().unwrap_or("");
    let more: Vec<&str> = texts.collect();
    if more.is_empty() {
        return Cow::Borrowed(first);
    }
    Cow::Owned(std::iter::once(first).chain(more).collect::<Vec<_>>().join("\n"))
}

/// Thinking in one piece: the thinking itself, or its summary.
pub(super) fn thinking<'r>(reasoning: &'r Reasoning<'_>) -> Cow<'r, str> {
    let (pieces, joint) = if reasoning.text.is_empty() { (&reasoning.summary, "\n\n") } else { (&reasoning.text, "") };
    match pieces.as_slice() {
        [] => Cow::Borrowed(""),
        [one] => Cow::Borrowed(one),
        many => Cow::Owned(many.join(joint)),
    }
}
