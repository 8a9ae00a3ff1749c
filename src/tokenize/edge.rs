//! No vocabularies: all is estimated.

use super::{Count, VocabularyFault, model::Encoding};

/// Never counts.
pub(super) fn encoded(_: Encoding, _: &str) -> Option<Count> {
    None
}

/// A model's vocabulary; there is none here.
#[derive(Debug)]
pub enum Vocabulary {}

impl Vocabulary {
    /// Refuses every file.
    ///
    /// # Errors
    /// Always.
    pub fn parse(_: &[u8]) -> Result<Self, VocabularyFault> {
        Err(VocabularyFault::Unsupported { part: "the platform", was: "an edge runtime".into(), expected: "a native build" })
    }

    pub(super) fn count(&self, _: &str) -> Option<Count> {
        match *self {}
    }
}
