//! How credentials are doing, as it rests in the database and travels between instances; and how it changed.

use serde::{Deserialize, Serialize};

use super::cell::words;
use crate::base::{CredentialId, ProviderId};

words! {
    /// Why somebody is not asked, or that it is over.
    HealthWord {
        /// The provider or the way to it failed.
        Transient = "transient",
        /// Too many calls.
        RateLimited = "rate_limited",
        /// The account's money or quota is spent.
        Exhausted = "exhausted",
        /// The credential may not use the model.
        Forbidden = "forbidden",
        /// The credential is wrong.
        Dead = "dead",
        /// It answered again.
        Recovered = "recovered",
        /// An operator had it forgotten.
        Reset = "reset",
    }
}

/// What was last known of one credential and model, or of all its models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRow {
    /// The provider.
    pub provider_id: ProviderId,
    /// The credential; `None` where the provider itself is meant.
    pub credential_id: Option<CredentialId>,
    /// When the credential's record was last changed: a changed one begins anew. 0 for a provider.
    pub changed: i64,
    /// The model; `None` for all of them.
    pub model: Option<String>,
    /// When it was learnt, Unix milliseconds.
    pub noted_ms: u64,
    /// What stands against it; `None`: nothing any more.
    pub rest: Option<RestRow>,
}

/// What stands against somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestRow {
    /// Why.
    pub why: HealthWord,
    /// Until when, Unix milliseconds.
    pub until_ms: u64,
    /// Whether the provider said until when.
    pub is_told: bool,
    /// Whether the credential was refused.
    pub is_dead: bool,
    /// Failures in a row.
    pub failures: u32,
}

/// That an operator had somebody's health forgotten: a credential's, all of a provider's, or everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReset {
    /// The provider.
    pub provider_id: Option<ProviderId>,
    /// The credential.
    pub credential_id: Option<CredentialId>,
    /// When, Unix milliseconds: what was learnt later stands.
    pub at_ms: u64,
}

impl HealthReset {
    /// Whether it is about somebody.
    #[must_use]
    pub fn means(&self, provider: ProviderId, credential: Option<CredentialId>) -> bool {
        self.provider_id.is_none_or(|id| id == provider) && self.credential_id.is_none_or(|id| credential == Some(id))
    }
}

/// How somebody's health changed, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHealthEvent {
    /// When, Unix milliseconds.
    pub at: u64,
    /// The provider.
    pub provider_id: ProviderId,
    /// The credential; `None` where the provider itself is meant.
    pub credential_id: Option<CredentialId>,
    /// The model; `None` for all of them.
    pub model: Option<String>,
    /// What happened.
    pub event: HealthWord,
    /// Until when it is not asked first, Unix milliseconds; `None` where it is over, or where nobody knows.
    pub until_ms: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
}

/// How somebody's health changed, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEventRow {
    /// Its id; later ones are higher.
    pub id: i64,
    /// What happened.
    pub event: NewHealthEvent,
}
