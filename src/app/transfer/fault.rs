//! Why nothing was exported or imported.

use std::path::PathBuf;

use crate::{
    app::{config::KeyFault, legacy::LegacyFault},
    store::persist::StoreFault,
};

/// Why nothing was exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferFault {
    /// The text is no bundle of this version.
    #[error("{place}: {message}")]
    Bundle {
        /// Where in the bundle.
        place: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The bundle's secrets are sealed, and nothing was given to open them.
    #[error("the bundle's secrets are sealed; expected a passphrase, by --passphrase-file or GPROXY_BUNDLE_PASSPHRASE")]
    NoPassphrase,
    /// Something was given that does not open them.
    #[error("{place}: the passphrase does not open it: it is another one, or the bundle was changed")]
    WrongPassphrase {
        /// Where in the bundle.
        place: String,
    },
    /// The passphrase holds nothing.
    #[error("the passphrase is blank; expected at least one character")]
    BlankPassphrase,
    /// The passphrase cannot be made a key.
    #[error("the passphrase cannot be made a key: {0}")]
    Derivation(String),
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another gateway's file cannot be read.
    #[error(transparent)]
    Legacy(#[from] LegacyFault),
    /// There is no key of the database.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The store refused or is down.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl TransferFault {
    pub(super) fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Bundle { place: place.into(), message: message.into() }
    }
}
