//! Where a block stands, in the sender's own words: made into text only where something is lost there.

use crate::transform::generate::{
    Dialect,
    names::{Field, path},
};

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    root: Root,
    block: usize,
    inner: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Root {
    Instructions(Dialect),
    Turn(Dialect, usize),
    Answer,
}

impl Place {
    /// A block of the instructions.
    pub(super) fn instructions(from: Dialect, block: usize) -> Self {
        Self { root: Root::Instructions(from), block, inner: None }
    }

    /// A block of a turn.
    pub(super) fn turn(from: Dialect, turn: usize, block: usize) -> Self {
        Self { root: Root::Turn(from, turn), block, inner: None }
    }

    /// A block of an answer.
    pub(super) fn answer(block: usize) -> Self {
        Self { root: Root::Answer, block, inner: None }
    }

    /// A block within this one.
    pub(super) fn within(self, inner: usize) -> Self {
        Self { inner: Some(inner), ..self }
    }

    /// In words.
    pub(super) fn path(self) -> String {
        let block = self.block;
        let mut text = match self.root {
            Root::Instructions(from) => format!("{}[{block}]", path(from, Field::Instructions)),
            Root::Turn(from, turn) => {
                let (turns, parts) = from.lists();
                format!("{turns}[{turn}].{parts}[{block}]")
            }
            Root::Answer => format!("content[{block}]"),
        };
        if let Some(inner) = self.inner {
            text.push_str(&format!(".content[{inner}]"));
        }
        text
    }

    /// A member of the block, in words.
    pub(super) fn member(self, name: &str) -> String {
        format!("{}.{name}", self.path())
    }
}
