//! How credentials are doing, and how that came about: what a restart must not forget.

use std::fmt;

use super::Stored;
use crate::{
    base::{CredentialId, ProviderId},
    store::record::{HealthEventRow, HealthReset, HealthRow, NewHealthEvent},
};

/// What one instance has learnt and the store has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthNews {
    /// What an operator had forgotten; done first.
    pub resets: Vec<HealthReset>,
    /// What is known now of somebody, one row each.
    pub rows: Vec<HealthRow>,
    /// What happened, oldest first.
    pub events: Vec<NewHealthEvent>,
}

impl HealthNews {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resets.is_empty() && self.rows.is_empty() && self.events.is_empty()
    }
}

/// Whose history to show. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthFilter {
    /// At or after, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Before, Unix milliseconds.
    pub to_ms: Option<u64>,
    /// Of a provider and its credentials.
    pub provider_id: Option<ProviderId>,
    /// Of a credential.
    pub credential_id: Option<CredentialId>,
    /// Of a model.
    pub model: Option<String>,
}

/// The health of everybody something stands against, and its history.
pub trait HealthBook: Send + Sync + fmt::Debug {
    /// Everything that stands, also what is over by now.
    fn standing(&self) -> Stored<'_, Vec<HealthRow>>;
    /// Writes what was learnt, in one transaction. A row that was noted later than the one given stays as it is.
    fn learn(&self, news: HealthNews) -> Stored<'_, ()>;
    /// At most `limit` events, newest first, those before the one of an id where it is set.
    fn history(&self, filter: HealthFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<HealthEventRow>>;
    /// Forgets what was over before a moment. Of the events, those from before another moment go and those beyond the newest
    /// `keep`, at most `most` of them; gives how many.
    fn tidy(&self, over_before_ms: u64, events: (u64, u64), most: u64) -> Stored<'_, u64>;
}
