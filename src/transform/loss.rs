//! What a conversion could not carry, and what it refused to.

use std::{borrow::Cow, fmt};

use crate::protocol::json::WrongShape;

/// What happened to a part of a request or an answer that the other side has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossKind {
    /// It was left out.
    Dropped,
    /// It was carried as something near to it.
    Changed,
}

impl LossKind {
    /// The stable word in records and headers.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Changed => "changed",
        }
    }
}

/// One thing that a conversion could not carry as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Loss {
    /// Where it stood, in the sender's own words: `messages[2].content[0].cache_control`.
    pub path: String,
    /// What became of it.
    pub kind: LossKind,
    /// Why, or what stands in its place. A constant sentence: never a value out of the request.
    pub note: Cow<'static, str>,
}

impl Loss {
    /// Left out, since the target has no place for it.
    pub fn dropped(path: impl Into<String>) -> Self {
        Self { path: path.into(), kind: LossKind::Dropped, note: Cow::Borrowed("the target has no place for it") }
    }

    /// Left out for a reason of its own.
    pub fn dropped_because(path: impl Into<String>, note: &'static str) -> Self {
        Self { path: path.into(), kind: LossKind::Dropped, note: Cow::Borrowed(note) }
    }

    /// Carried as something near to it.
    pub fn changed(path: impl Into<String>, note: &'static str) -> Self {
        Self { path: path.into(), kind: LossKind::Changed, note: Cow::Borrowed(note) }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.path, self.kind.id(), self.note)
    }
}

/// A request that has no form at all in the target's shape: the caller's own fault, answered with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request is not what its own shape says.
    #[error(transparent)]
    Shape(#[from] WrongShape),
    /// The target cannot do what is asked, and leaving it out would change the answer's meaning.
    #[error("{path:?} cannot be served by this model: {why}")]
    Impossible {
        /// Where, in the sender's own words.
        path: String,
        /// Why, and what would work.
        why: &'static str,
    },
}

impl Refused {
    /// The target cannot do what stands at `path`.
    pub fn impossible(path: impl Into<String>, why: &'static str) -> Self {
        Self::Impossible { path: path.into(), why }
    }

    /// Where the fault lies, dotted; empty for the whole body.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Shape(fault) => &fault.path,
            Self::Impossible { path, .. } => path,
        }
    }
}
