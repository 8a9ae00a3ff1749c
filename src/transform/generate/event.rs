//! An answer as it is made: the canonical events of a stream.
//!
//! Grammar, held by [`super::grammar`]: `Open`, then blocks, each `BlockOpen (Delta | Cite)* BlockClose`, which may be
//! interleaved, then `Stop` for each choice, at last `Close`. `Usage` may come anywhere behind `Open`; its latest figures
//! count. `Fault` ends a stream at any place.

use std::borrow::Cow;

use super::canon::{Block, Citation, Logprob, Stop, Text, Tokens};
use crate::transform::{
    Seal,
    fault::{self, Problem},
};

/// One event of an answer in the making.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Event<'a> {
    /// The answer begins.
    Open(Opening<'a>),
    /// A block begins. It holds what is known of it at its beginning: a call its id and name, text mostly nothing.
    /// A block that comes in one piece holds all of it.
    BlockOpen {
        /// The block's number, counted over the whole answer from 0 in the order of opening.
        block: usize,
        /// The choice it belongs to.
        choice: usize,
        head: Block<'a>,
    },
    /// A piece of a block.
    Delta { block: usize, delta: Delta<'a> },
    /// A block ends.
    BlockClose { block: usize },
    /// A choice ends.
    Stop { choice: usize, stop: Stop<'a> },
    /// Figures so far; later ones replace earlier ones.
    Usage(Tokens),
    /// The answer is complete: the upstream sent its dialect's terminal event.
    Close,
    /// The answer cannot be completed: what the upstream said of it.
    Fault(StreamFault<'a>),
    /// Something of the upstream's dialect that has no canonical word; reported as lost by other dialects.
    Unknown { name: Text<'a> },
}

/// How an answer begins.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Opening<'a> {
    /// The provider's id of the answer; empty where it gives none.
    pub(in crate::transform) id: Text<'a>,
    pub(in crate::transform) model: Text<'a>,
    /// Unix seconds.
    pub(in crate::transform) created: Option<u64>,
    pub(in crate::transform) service_tier: Option<Text<'a>>,
    /// What is known of usage at the beginning (Claude's `message_start`).
    pub(in crate::transform) usage: Option<Tokens>,
}

/// A piece of a block.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Delta<'a> {
    /// Words of text or of a refusal.
    Text(Text<'a>),
    /// Thinking.
    Reasoning(Text<'a>),
    /// A summary of thinking; `true`: a new piece of the summary begins with it.
    Summary(Text<'a>, bool),
    /// The seal of thinking, or of the part itself.
    Seal(Seal<'a>),
    /// Of a call's input, JSON text or free text.
    Input(Text<'a>),
    /// A citation of the text so far.
    Cite(Box<Citation<'a>>),
    /// Log probabilities of the text just sent.
    Logprobs(Vec<Logprob<'a>>),
}

/// What an upstream said when it gave up within a stream.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct StreamFault<'a> {
    /// The status that it would have had as an answer, where the dialect tells.
    pub(in crate::transform) status: Option<u16>,
    /// The dialect's own word: `overloaded_error`, `server_error`, `UNAVAILABLE`.
    pub(in crate::transform) code: Option<Text<'a>>,
    pub(in crate::transform) message: Text<'a>,
}

impl StreamFault<'_> {
    /// The same as an error: with the status that its word means where it tells none.
    pub(in crate::transform) fn problem(&self) -> Problem<'_> {
        let status = self.status.or_else(|| self.code.as_deref().and_then(fault::status_of)).unwrap_or(500);
        Problem { status, code: self.code.as_deref().map(Cow::Borrowed), message: Cow::Borrowed(&self.message), param: None }
    }
}
