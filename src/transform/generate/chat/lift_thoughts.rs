//! Thinking out of the pieces of a stream.
//!
//! Vendors send it in plain words, in details, or in both at once; a gateway sends it in plain words and repeats it in details
//! once its seal is known.

use super::{
    super::{
        canon::{Part, Reasoning},
        event::Delta,
    },
    chunk::{self, Delta as Piece},
    content,
    lift_stream::Out,
    reasoning::{self, Detail, Kind},
};
use crate::protocol::json::Node;

/// The thinking of one choice.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    block: usize,
    /// Which entry of the details it is, once one came.
    key: Option<(Option<String>, Option<u64>)>,
    /// Bytes that came in plain words and that no detail has repeated yet.
    unrepeated: usize,
    /// Whether a summary was begun.
    summary: bool,
}

impl Thoughts {
    /// Whether a chunk holds any thinking.
    pub(super) fn are_in(piece: &Piece<'_>) -> bool {
        let worded = |raw| chunk::text(raw).is_some();
        worded(piece.reasoning_content)
            || worded(piece.reasoning)
            || piece.reasoning_details.is_some_and(|list| list.get().len() > "[]".len())
    }

    /// Takes what a chunk holds of thinking.
    pub(super) fn push(&mut self, piece: &Piece<'_>, out: &mut Out<'_, '_>) {
        let plain = chunk::text(piece.reasoning_content).or_else(|| chunk::text(piece.reasoning));
        let details: Vec<Detail<'_>> = match piece.reasoning_details {
            None => Vec::new(),
            raw => chunk::node(raw).and_then(Node::array).unwrap_or_default().into_iter().filter_map(reasoning::detail).collect(),
        };
        let worded = details.iter().any(|detail| !detail.text.is_empty());
        let both = plain.is_some() && worded;
        if let Some(plain) = plain.filter(|_| !worded) {
            self.words(plain, out);
        }
        for detail in details {
            self.detail(detail, both, out);
        }
    }

    /// Takes thinking in plain words.
    pub(super) fn words(&mut self, words: std::borrow::Cow<'_, str>, out: &mut Out<'_, '_>) {
        let open = self.open.get_or_insert_with(|| {
            let block = out.open(content::block(Part::Reasoning(Reasoning::default()), 0));
            Open { block, key: None, unrepeated: 0, summary: false }
        });
        if open.key.is_none() {
            open.unrepeated += words.len();
        }
        out.delta(open.block, Delta::Reasoning(words));
    }

    /// Takes one entry of the details. `fresh`: its words are new for sure.
    fn detail(&mut self, detail: Detail<'_>, fresh: bool, out: &mut Out<'_, '_>) {
        if detail.kind == Kind::Encrypted {
            return self.encrypted(detail, out);
        }
        if self.open.as_ref().is_some_and(|open| !open.takes(&detail)) {
            self.close(out);
        }
        if self.open.is_none() && detail.text.is_empty() && detail.seal.is_none() {
            return;
        }
        let Detail { kind, text, seal, id, index, rest } = detail;
        let key = (id.as_deref().map(str::to_owned), index);
        let open = self.open.get_or_insert_with(|| {
            let head = content::block(Part::Reasoning(Reasoning { id, ..Reasoning::default() }), 0);
            let block = out.open(super::super::canon::Block { rest, ..head });
            Open { block, key: None, unrepeated: 0, summary: false }
        });
        open.key.get_or_insert(key);
        if !fresh && open.unrepeated > 0 {
            open.unrepeated = open.unrepeated.saturating_sub(text.len());
        } else if !text.is_empty() && kind == Kind::Summary {
            out.delta(open.block, Delta::Summary(text, !open.summary));
            open.summary = true;
        } else if !text.is_empty() {
            out.delta(open.block, Delta::Reasoning(text));
        }
        if let Some(seal) = seal {
            out.delta(open.block, Delta::Seal(seal));
            self.close(out);
        }
    }

    /// Encrypted thinking: of the block before it where both say so, else a block of its own.
    fn encrypted(&mut self, detail: Detail<'_>, out: &mut Out<'_, '_>) {
        let named = detail.id.is_some() || detail.index.is_some();
        let joined = self.open.as_ref().filter(|open| {
            named && open.key.as_ref().is_some_and(|(id, index)| *id == detail.id.as_deref().map(str::to_owned) && *index == detail.index)
        });
        if let (Some(open), Some(seal)) = (joined, &detail.seal) {
            out.delta(open.block, Delta::Seal(seal.clone()));
            return self.close(out);
        }
        self.close(out);
        if detail.seal.is_some() {
            let whole = Reasoning { id: detail.id, seal: detail.seal, redacted: true, ..Reasoning::default() };
            let block = out.open(super::super::canon::Block { rest: detail.rest, ..content::block(Part::Reasoning(whole), 0) });
            out.close(block);
        }
    }

    /// Closes the block that is open: something else begins.
    pub(super) fn close(&mut self, out: &mut Out<'_, '_>) {
        if let Some(open) = self.open.take() {
            out.close(open.block);
        }
    }
}

impl Open {
    /// Whether an entry is a piece of this block.
    fn takes(&self, detail: &Detail<'_>) -> bool {
        self.key.as_ref().is_none_or(|(id, index)| *index == detail.index && (detail.id.is_none() || id.as_deref() == detail.id.as_deref()))
    }
}
