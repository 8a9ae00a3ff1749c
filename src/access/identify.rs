//! From a key to a caller.

use std::{net::IpAddr, sync::Arc};

use super::{
    allowance::Allowance,
    directory::{Directory, Key},
    key,
};
use crate::{
    base::{KeyId, OrganizationId, TeamId, UserId},
    store::record::{OnDisconnect, Role},
};

/// Proof that a known, enabled key of an enabled user stands behind a request. Only [`identify`] makes one, and [`stand_in`].
#[derive(Clone, Debug)]
pub struct Caller {
    key: Arc<Key>,
}

impl Caller {
    /// Whose key it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.key.user.id
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.user.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key.id
    }

    /// The user's team.
    #[must_use]
    pub fn team(&self) -> Option<TeamId> {
        self.key.user.team
    }

    /// The user's organization.
    #[must_use]
    pub fn organization(&self) -> Option<OrganizationId> {
        self.key.user.organization
    }

    /// What the user may do in the control plane. It opens no model.
    #[must_use]
    pub fn role(&self) -> Role {
        self.key.user.role
    }

    /// What a hung-up client means.
    #[must_use]
    pub fn on_disconnect(&self) -> OnDisconnect {
        self.key.on_disconnect
    }

    /// Whether the whole control plane is open to the caller.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role().is_admin()
    }

    /// What the key itself was given, where it was given something.
    #[must_use]
    pub fn own(&self) -> Option<&Allowance> {
        self.key.allowance.as_deref()
    }

    /// What the user, its team and its organization were given.
    #[must_use]
    pub fn shared(&self) -> &[Arc<Allowance>] {
        &self.key.user.allowances
    }

    /// Every allowance that counts the caller's calls, the key's first.
    pub fn allowances(&self) -> impl Iterator<Item = &Allowance> {
        self.own().into_iter().chain(self.shared().iter().map(|shared| &**shared))
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
    /// The key does not work from the caller's address.
    #[error("the API key is not allowed from this address")]
    Elsewhere,
}

/// Finds who is behind `token` at `now_ms` (Unix milliseconds), calling from an address where one is known.
///
/// # Errors
/// [`Unauthenticated`].
pub fn identify(directory: &Directory, token: Option<&str>, now_ms: u64, from: Option<IpAddr>) -> Result<Caller, Unauthenticated> {
    let token = token.filter(|token| !token.is_empty()).ok_or(Unauthenticated::NoKey)?;
    // The look-up goes by digest, so its time says nothing about how much of a guess was right.
    checked(directory.find(&key::digest(token)), now_ms, from)
}

/// Who would be behind a key of this digest: for telling what would become of a call that is not made.
///
/// # Errors
/// [`Unauthenticated`].
pub fn stand_in(directory: &Directory, digest: &str, now_ms: u64, from: Option<IpAddr>) -> Result<Caller, Unauthenticated> {
    checked(key::parse_digest(digest).and_then(|digest| directory.find(&digest)), now_ms, from)
}

fn checked(key: Option<&Arc<Key>>, now_ms: u64, from: Option<IpAddr>) -> Result<Caller, Unauthenticated> {
    let key = key.ok_or(Unauthenticated::UnknownKey)?;
    if !key.enabled || !key.user.enabled {
        return Err(Unauthenticated::Disabled);
    }
    if key.expires_at.is_some_and(|at| u64::try_from(at).unwrap_or(0) <= now_ms) {
        return Err(Unauthenticated::Expired);
    }
    if let Some(networks) = &key.networks
        && !from.is_some_and(|from| networks.iter().any(|network| network.contains(from)))
    {
        return Err(Unauthenticated::Elsewhere);
    }
    Ok(Caller { key: Arc::clone(key) })
}
