//! The frame that streams are made of: a piece of a block, read in one pass.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{OWN, citation};
use crate::{
    protocol::json::Node,
    transform::{Seal, generate::event::Delta},
};

/// How such a frame begins, as Anthropic writes it.
const BEGINNING: &[u8] = br#"{"type":"content_block_delta","#;

/// A piece of a block.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    delta: Said<'a>,
}

#[derive(Debug, Deserialize)]
struct Said<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(borrow)]
    thinking: Option<Words<'a>>,
    #[serde(borrow)]
    signature: Option<Words<'a>>,
    #[serde(borrow)]
    partial_json: Option<Words<'a>>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

/// A string, borrowed where it has no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Words<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether a frame is a piece of a block, told without reading it; not every one can be.
pub(super) fn begins(name: &[u8], data: &[u8]) -> bool {
    name == b"content_block_delta" || data.starts_with(BEGINNING)
}

impl<'a> Piece<'a> {
    /// Reads a frame; `None` where it is not a piece of a block.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(data).ok()?).ok()
    }

    /// What it says: `Ok(None)` where that is nothing, the kind's name where nobody knows it.
    pub(super) fn delta(self) -> Result<Option<Delta<'a>>, Cow<'a, str>> {
        let Said { kind, text, thinking, signature, partial_json, citation } = self.delta;
        let some = |words: Option<Words<'a>>| words.map(|words| words.0).filter(|words| !words.is_empty());
        Ok(match &*kind.0 {
            "text_delta" => some(text).map(Delta::Text),
            "thinking_delta" => some(thinking).map(Delta::Reasoning),
            "signature_delta" => some(signature).map(|signature| Delta::Seal(Seal::read(OWN, signature))),
            "input_json_delta" => some(partial_json).map(Delta::Input),
            "citations_delta" => citation
                .and_then(|citation| Node::parse(citation.get().as_bytes()).ok())
                .and_then(citation::lift)
                .map(|citation| Delta::Cite(Box::new(citation))),
            _ => return Err(kind.0),
        })
    }
}
