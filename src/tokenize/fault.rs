//! Why a vocabulary cannot be used.

/// A `tokenizer.json` that we cannot count with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyFault {
    /// It is not what such a file is.
    #[error("no tokenizer.json: {0}")]
    Syntax(String),
    /// It is one of a kind that is not built in.
    #[error("{part} is {was}; expected {expected}")]
    Unsupported {
        /// The part of the file.
        part: &'static str,
        /// What stands there.
        was: String,
        /// What could.
        expected: &'static str,
    },
}
