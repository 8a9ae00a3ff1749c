//! One chunk of a stream, read in a single pass: what the hot path needs is borrowed, what is rare stays text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::json::Node;

type Raw<'a> = Option<&'a RawValue>;

/// A chunk.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    pub(super) object: Raw<'a>,
    pub(super) created: Raw<'a>,
    pub(super) model: Raw<'a>,
    pub(super) service_tier: Raw<'a>,
    pub(super) choices: Option<Vec<ChoiceChunk<'a>>>,
    pub(super) usage: Raw<'a>,
    pub(super) error: Raw<'a>,
    pub(super) message: Raw<'a>,
    pub(super) code: Raw<'a>,
}

/// One choice's part of a chunk.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChoiceChunk<'a> {
    #[serde(borrow)]
    pub(super) index: Raw<'a>,
    pub(super) delta: Option<Delta<'a>>,
    pub(super) finish_reason: Raw<'a>,
    pub(super) logprobs: Raw<'a>,
    pub(super) error: Raw<'a>,
}

/// What is new.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
    pub(super) refusal: Raw<'a>,
    pub(super) reasoning_content: Raw<'a>,
    pub(super) reasoning: Raw<'a>,
    pub(super) reasoning_details: Raw<'a>,
    pub(super) tool_calls: Option<Vec<CallChunk<'a>>>,
    pub(super) function_call: Option<Function<'a>>,
    pub(super) annotations: Raw<'a>,
    pub(super) images: Raw<'a>,
    pub(super) audio: Raw<'a>,
    pub(super) extra_content: Raw<'a>,
}

/// A piece of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallChunk<'a> {
    #[serde(borrow)]
    pub(super) index: Raw<'a>,
    pub(super) id: Raw<'a>,
    pub(super) function: Option<Function<'a>>,
    pub(super) custom: Option<Function<'a>>,
    pub(super) extra_content: Raw<'a>,
}

/// A function's or custom tool's name and input.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Raw<'a>,
    #[serde(alias = "input")]
    pub(super) arguments: Raw<'a>,
}

/// The value as a node.
pub(super) fn node(raw: Raw<'_>) -> Option<Node<'_>> {
    Some(Node::of(raw?)).filter(|node| !node.is_null())
}

/// A string that is not empty.
pub(super) fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    // The usual case needs no parser: no escapes.
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return (!inner.is_empty()).then_some(Cow::Borrowed(inner));
    }
    node(raw)?.text().filter(|text| !text.is_empty())
}

/// A whole number.
pub(super) fn unsigned(raw: Raw<'_>) -> Option<u64> {
    node(raw)?.unsigned()
}
