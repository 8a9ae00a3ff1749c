//! Why a foreign file cannot be read.

use std::path::PathBuf;

use super::Format;
use crate::{admin::AdminFault, store::persist::StoreFault};

/// Why a foreign file cannot be read. It never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum LegacyFault {
    /// The file is of no known format.
    #[error("{path}: is nothing that can be imported: {found}; expected {expected}")]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// What it looks like.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// The file is of another format than was said.
    #[error("{path}: is no file of {format}: {found}")]
    Other {
        /// Which file.
        path: PathBuf,
        /// What was said.
        format: Format,
        /// What is missing in it.
        found: String,
    },
    /// The file is damaged.
    #[error("{path}: cannot be read: {message}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A value is not what it has to be.
    #[error("{path}: {place} {found}; expected {expected}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// Table, row and column, or the path in the document.
        place: String,
        /// What it is.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// Values are sealed, and nothing was given to open them.
    #[error(
        "{path}: {place} is sealed; expected the secret that it was sealed under, by --source-key-file, GPROXY_SOURCE_SECRET_KEY or \
         DATABASE_SECRET_KEY"
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Table, row and column.
        place: String,
    },
    /// What was given does not open them.
    #[error("{path}: {place} does not open: it was sealed under another secret, or changed since")]
    WrongKey {
        /// Which file.
        path: PathBuf,
        /// Table, row and column.
        place: String,
    },
    /// The file cannot be opened.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite cannot read the file.
    #[error("{path} cannot be read as SQLite: {source}")]
    Sqlite {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A password cannot be hashed.
    #[error(transparent)]
    Password(#[from] AdminFault),
}
