//! What a stream has told of its items so far.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::canon::Rest;
use super::{
    OWN,
    lift_items::{MESSAGE, MESSAGE_ID, MESSAGE_PHASE},
};
use crate::protocol::json::Fields;

/// An item that has begun.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) done: bool,
}

/// What it is, and how much of it was passed on.
#[derive(Debug)]
pub(super) enum Kind {
    Message(Parts),
    /// The last piece of its summary, and whether its own words came.
    Thought {
        block: usize,
        summary: Option<u64>,
        spoken: bool,
    },
    Call {
        block: usize,
        sent: usize,
    },
    /// A tool of the provider's own, or an item that nobody knows.
    Other,
}

/// A message's parts, and what is known of the message itself.
#[derive(Debug, Default)]
pub(super) struct Parts {
    id: Option<Box<RawValue>>,
    phase: Option<Box<RawValue>>,
    parts: Vec<PartState>,
}

#[derive(Debug)]
struct PartState {
    content: u64,
    block: usize,
    /// Bytes of text passed on, and citations.
    sent: usize,
    cited: usize,
    open: bool,
}

impl Parts {
    /// Those of a message that has begun.
    pub(super) fn of(item: &Fields<'_>) -> Self {
        let member = |name: &str| item.peek(name).filter(|value| !value.is_null()).map(|value| value.raw().to_owned());
        Self { id: member("id"), phase: member("phase"), parts: Vec::new() }
    }

    /// What the next block remembers of the message; only the first does.
    pub(super) fn head(&self) -> Rest<'static> {
        let mut rest = Rest::default();
        if self.parts.is_empty() {
            rest.hint(OWN, MESSAGE, Cow::Borrowed(RawValue::TRUE));
            for (name, value) in [(MESSAGE_ID, &self.id), (MESSAGE_PHASE, &self.phase)] {
                if let Some(value) = value {
                    rest.hint(OWN, name, Cow::Owned(value.clone()));
                }
            }
        }
        rest
    }

    pub(super) fn find(&self, content: u64) -> Option<usize> {
        self.parts.iter().rposition(|part| part.content == content)
    }

    pub(super) fn open(&mut self, content: u64, block: usize) -> usize {
        self.parts.push(PartState { content, block, sent: 0, cited: 0, open: true });
        self.parts.len() - 1
    }

    /// The block of a part that is still open.
    pub(super) fn say(&self, at: usize) -> Option<usize> {
        self.parts.get(at).filter(|part| part.open).map(|part| part.block)
    }

    pub(super) fn sent(&mut self, at: usize, bytes: usize) {
        if let Some(part) = self.parts.get_mut(at) {
            part.sent += bytes;
        }
    }

    pub(super) fn length(&self, at: usize) -> usize {
        self.parts.get(at).map_or(0, |part| part.sent)
    }

    pub(super) fn cited(&mut self, at: usize) {
        if let Some(part) = self.parts.get_mut(at) {
            part.cited += 1;
        }
    }

    pub(super) fn citations(&self, at: usize) -> usize {
        self.parts.get(at).map_or(0, |part| part.cited)
    }

    pub(super) fn close(&mut self, at: usize) {
        if let Some(part) = self.parts.get_mut(at) {
            part.open = false;
        }
    }

    /// Ends all parts; gives their blocks.
    pub(super) fn close_all(&mut self) -> Vec<usize> {
        let open = self.parts.iter_mut().filter(|part| part.open);
        open.map(|part| {
            part.open = false;
            part.block
        })
        .collect()
    }
}
