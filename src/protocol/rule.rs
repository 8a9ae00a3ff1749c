//! The rules that an operator writes: which calls each is for, and what it does to them.
//!
//! Words only. `process` compiles and applies them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    Operation,
    cache_mark::{CachePick, CacheTarget, CacheTtl},
    json::{Node, WrongShape},
};

mod read;
mod show;
pub mod words;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub kind: RuleKind,
    /// Which calls it is for.
    pub filter: RuleFilter,
    /// Its place among the rules of its kind and set.
    pub sort_order: i64,
    /// Whether it does anything.
    pub enabled: bool,
}

impl Rule {
    /// Reads a rule from its JSON object.
    ///
    /// # Errors
    /// [`WrongShape`] with the path at fault, what it was, what was expected and the nearest known name.
    pub fn parse(json: &str) -> Result<Self, WrongShape> {
        Node::parse(json.as_bytes()).and_then(read::rule)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?.to_string();
        Self::parse(&value).map_err(D::Error::custom)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        show::rule(self, serializer)
    }
}

/// Which calls a rule is for. All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// A pattern that the client's or the provider's name of the model fits.
    pub model_pattern: Option<String>,
    /// The operations as the provider is asked for them.
    pub operation_keys: Option<Vec<Operation>>,
    /// A regular expression that fits one of the client's own headers, written `name: value`.
    pub header_pattern: Option<String>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Adds to the system prompt.
    SystemText(SystemText),
    /// Marks where the prompt is cached.
    CacheBreakpoint(CacheBreakpoint),
    /// Sets, deletes or merges a member.
    Rewrite(Rewrite),
    /// Replaces text.
    Transform(Transform),
    /// Sets a header.
    Header(HeaderRule),
}

impl RuleKind {
    /// The kinds in the order in which they are applied.
    pub const ORDER: &[&str] = &["system_text", "cache_breakpoint", "rewrite", "transform", "header"];

    /// The stable word.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        Self::ORDER[self.rank()]
    }

    /// The place in the order of application.
    #[must_use]
    pub const fn rank(&self) -> usize {
        match self {
            Self::SystemText(_) => 0,
            Self::CacheBreakpoint(_) => 1,
            Self::Rewrite(_) => 2,
            Self::Transform(_) => 3,
            Self::Header(_) => 4,
        }
    }
}

/// A text for the system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemText {
    /// The text.
    pub text: String,
    /// On which side of what is there.
    pub position: Side,
}

/// Before or behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Before.
    #[default]
    Prepend,
    /// Behind.
    Append,
}

/// A place to cache the prompt at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBreakpoint {
    /// Where.
    pub target: CacheTarget,
    /// Which block there.
    pub pick: CachePick,
    /// For how long.
    pub ttl: CacheTtl,
}

/// A change to a member of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Where, dotted.
    pub path: String,
    /// What is done there.
    pub action: RewriteAction,
}

/// What is done to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteAction {
    /// It becomes this value; objects around it are made.
    Set(Json),
    /// It goes.
    Delete,
    /// Its members become these; the others stay.
    Merge(Json),
}

/// A JSON value as its text, numbers as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Takes a value's text.
    #[must_use]
    pub fn of(node: Node<'_>) -> Self {
        Self(node.json().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A replacement of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// On which way.
    pub phase: Phase,
    /// Where.
    pub locate: Locate,
    /// What is done there, one after the other.
    pub actions: Vec<TextAction>,
    /// So many replacements at most, over one request or one whole answer.
    pub limit: Option<u64>,
}

/// The way that a transform rule works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Towards the provider.
    #[default]
    Request,
    /// Towards the client.
    Response,
    /// Both.
    Both,
}

/// Where a transform rule works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locate {
    /// The strings at these dotted paths.
    Paths(Vec<String>),
    /// What a regular expression finds in the body's text.
    Match(String),
}

/// What a transform rule does to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextAction {
    /// The whole text becomes another, where it is `from` or nothing is asked for.
    ReplaceText {
        /// What it must be.
        from: Option<String>,
        /// What it becomes.
        with: String,
    },
    /// What the pattern finds becomes another text; `$1` and `${name}` stand for groups.
    ReplaceRegex {
        /// The regular expression.
        pattern: String,
        /// What each find becomes.
        with: String,
    },
}

/// A header for the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What becomes of the one that is there.
    pub mode: HeaderMode,
}

/// What becomes of a header that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderMode {
    /// It is replaced.
    #[default]
    Override,
    /// The values that it lacks are added, with commas.
    Merge,
}

#[cfg(test)]
mod tests;
