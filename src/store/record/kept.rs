//! What is kept of a caller's responses and conversations, so that a later call can lean on it.

use crate::base::UserId;

/// What a kept thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptKind {
    /// An answer and what it answered.
    Response,
    /// A list of items with a name.
    Conversation,
}

impl KeptKind {
    /// Its stable word.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Conversation => "conversation",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Response, Self::Conversation].into_iter().find(|kind| kind.id() == word)
    }
}

/// One kept thing without its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// Whose it is. Nobody else finds it.
    pub user_id: UserId,
    /// Its id, unique to its user; at most 255 characters.
    pub id: String,
    /// What it is.
    pub kind: KeptKind,
    /// The response that it goes on from.
    pub previous: Option<String>,
    /// The id of the first response of its line; its own where it is the first.
    pub thread: String,
    /// How many responses its line has before it.
    pub depth: u32,
    /// Bytes of input and output of its line, its own included.
    pub bytes: u64,
    /// The object as its client saw it; a response's `output` is empty here.
    pub body_json: String,
    /// A JSON array: the items that its call brought along.
    pub input_json: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub expires_at: i64,
}

/// One item: of a response's output, or of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptItem {
    /// Its id; at most 255 characters.
    pub id: String,
    /// The item, as it came.
    pub json: String,
}

/// A thing with items to put behind those that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The thing.
    pub row: KeptRow,
    /// The items, in order.
    pub items: Vec<KeptItem>,
}
