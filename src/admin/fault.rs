//! Why a use case refused.

use super::oidc::SignInFault;
use crate::store::persist::StoreFault;

/// Why a use case refused. The texts are for its caller, and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum AdminFault {
    /// A member of the input is not what it must be.
    #[error("{message}")]
    Invalid {
        /// Which member.
        field: String,
        /// What it was and what was expected.
        message: String,
    },
    /// No such row, or not the caller's.
    #[error("no {what} with id {id}")]
    Missing {
        /// The noun.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// Another row has this name.
    #[error("{what} {value:?} exists already")]
    Taken {
        /// The noun.
        what: &'static str,
        /// The name.
        value: String,
    },
    /// The caller's role, or its organization, does not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The change would lock everybody out, or another such rule.
    #[error("{0}")]
    Conflict(String),
    /// The name or the password is wrong, or there is no such user. It does not say which.
    #[error("wrong name or password")]
    WrongLogin,
    /// A sign-in by way of an identity provider came to nothing.
    #[error(transparent)]
    SignIn(#[from] SignInFault),
    /// Too many failures.
    #[error("too many failed logins; try again in {retry_after} seconds")]
    Throttled {
        /// Seconds until it is worth another try.
        retry_after: u64,
    },
    /// The store refused or is down.
    #[error("the store failed")]
    Store(#[source] StoreFault),
}

impl AdminFault {
    /// Makes an [`AdminFault::Invalid`].
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// Makes an [`AdminFault::Missing`].
    pub fn missing(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::Missing { what, id: id.to_string() }
    }
}

impl From<StoreFault> for AdminFault {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Taken { what, value } => Self::Taken { what, value },
            StoreFault::Missing { what, id } => Self::missing(what, id),
            StoreFault::Schema(_) | StoreFault::Moved | StoreFault::Failed(_) => Self::Store(fault),
        }
    }
}
