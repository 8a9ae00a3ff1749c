//! From a key to a caller.

use std::sync::Arc;

use super::{
    directory::{Directory, User},
    key,
};
use crate::base::{Glob, KeyId, UserId};

/// Proof that a known, enabled key of an enabled user stands behind a request. Only [`identify`] makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    key: KeyId,
    user: Arc<User>,
}

impl Caller {
    /// Whose key it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user.id
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Whether the admin API is open to the caller. It opens no model.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.user.is_admin
    }

    pub(super) fn permissions(&self) -> &[Glob] {
        &self.user.permissions
    }
}

/// Why no caller stands behind a request. The texts tell an attacker nothing about which keys exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No key was sent.
    #[error(
        "no API key was sent; expected one in the Authorization header (Bearer), in x-api-key, in x-goog-api-key or in the query parameter key"
    )]
    NoKey,
    /// Nobody has this key.
    #[error("the API key is not known here")]
    UnknownKey,
    /// The key, or its user, is switched off.
    #[error("the API key is disabled")]
    Disabled,
    /// The key's time is over.
    #[error("the API key has expired")]
    Expired,
}

/// Finds who is behind `token` at `now_ms` (Unix milliseconds).
///
/// # Errors
/// [`Unauthenticated`].
pub fn identify(directory: &Directory, token: Option<&str>, now_ms: u64) -> Result<Caller, Unauthenticated> {
    let token = token.filter(|token| !token.is_empty()).ok_or(Unauthenticated::NoKey)?;
    // The look-up goes by digest, so its time says nothing about how much of a guess was right.
    let key = directory.find(&key::digest(token)).ok_or(Unauthenticated::UnknownKey)?;
    if !key.enabled || !key.user.enabled {
        return Err(Unauthenticated::Disabled);
    }
    if key.expires_at.is_some_and(|at| u64::try_from(at).unwrap_or(0) <= now_ms) {
        return Err(Unauthenticated::Expired);
    }
    Ok(Caller { key: key.id, user: Arc::clone(&key.user) })
}
