//! What calls used, summed by hour and by day: small enough to be kept when the calls' rows are gone.

use std::sync::Arc;

use super::{Begun, UsageRow};
use crate::{
    base::{Bucket, CredentialId, KeyId, OrganizationId, ProviderId, TeamId, UserId},
    protocol::Operation,
};

/// Seals are whole numbers below this: two of them fit into a column of any engine when they are added.
pub const SEALS: i64 = 1 << 62;

/// The most that one call counts for in a sum of tokens, so that no sum of real calls leaves its column.
const MOST_TOKENS: i64 = 1 << 47;
/// The most nano-dollars that one call counts for in a sum: 36 million dollars.
const MOST_COST: i64 = 1 << 55;

/// How long the calls of one rollup began within. All in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Span {
    /// Both, the shorter one first.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// Its length in hours, which also names it in the database.
    #[must_use]
    pub const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.hours().unsigned_abs() * 3_600_000
    }

    /// The beginning of the one that holds a moment, Unix milliseconds.
    #[must_use]
    pub const fn begins(self, at_ms: u64) -> u64 {
        at_ms - at_ms % self.ms()
    }
}

/// What all calls of a rollup have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// Who called.
    pub user_id: UserId,
    /// With which key.
    pub key_id: KeyId,
    /// The user's team at that time.
    pub team_id: Option<TeamId>,
    /// The user's organization at that time.
    pub organization_id: Option<OrganizationId>,
    /// Which provider served.
    pub provider_id: ProviderId,
    /// With which credential.
    pub credential_id: Option<CredentialId>,
    /// What was asked.
    pub operation: Operation,
    /// The upstream's id of the model.
    pub model: Arc<str>,
}

impl Dimensions {
    /// Whether they are a call's.
    #[must_use]
    pub fn are_of(&self, begun: &Begun) -> bool {
        let Self { user_id, key_id, team_id, organization_id, provider_id, credential_id, operation, model } = self;
        (*user_id, *key_id, *team_id, *organization_id) == (begun.user_id, begun.key_id, begun.team_id, begun.organization_id)
            && (*provider_id, *credential_id, *operation) == (begun.provider_id, begun.credential_id, begun.operation)
            && **model == *begun.model
    }

    /// Those of a call.
    #[must_use]
    pub fn of(begun: &Begun) -> Self {
        Self {
            user_id: begun.user_id,
            key_id: begun.key_id,
            team_id: begun.team_id,
            organization_id: begun.organization_id,
            provider_id: begun.provider_id,
            credential_id: begun.credential_id,
            operation: begun.operation,
            model: Arc::clone(&begun.model),
        }
    }
}

/// Sums over calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Calls.
    pub requests: i64,
    /// Tokens by bucket, in the order of [`Bucket::ALL`].
    pub tokens: [i64; 7],
    /// Images made.
    pub images: i64,
    /// Audio or video, in milliseconds.
    pub millis: i64,
    /// Searches run by the provider.
    pub searches: i64,
    /// What the priced ones cost, nano-dollars.
    pub cost: i64,
    /// Calls that have a price.
    pub priced: i64,
    /// Calls without a price that used tokens.
    pub unpriced: i64,
    /// The calls' seals, added up modulo [`SEALS`].
    pub seal: i64,
}

impl Sums {
    /// Of one call, with its seal.
    #[must_use]
    pub fn of(row: &UsageRow, seal: i64) -> Self {
        let least = |figure: u64, most: i64| i64::try_from(figure).unwrap_or(i64::MAX).min(most);
        let counts = row.usage.counts;
        let cost = row.billed.as_ref().map(|billed| billed.cost.get().clamp(0, MOST_COST));
        Self {
            requests: 1,
            tokens: Bucket::ALL.map(|bucket| least(row.usage.bucket(bucket), MOST_TOKENS)),
            images: least(counts.images, MOST_TOKENS),
            millis: least(counts.millis, MOST_TOKENS),
            searches: least(counts.searches, MOST_TOKENS),
            cost: cost.unwrap_or(0),
            priced: i64::from(cost.is_some()),
            unpriced: i64::from(cost.is_none() && row.usage.total() > 0),
            seal,
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.figures_mut().into_iter().zip(other.figures()) {
            *sum = sum.saturating_add(more);
        }
        self.seal = (self.seal + other.seal).rem_euclid(SEALS);
    }

    /// Every figure but the seal, in the order of their columns.
    #[must_use]
    pub fn figures(&self) -> [i64; 14] {
        let Self {
            requests,
            tokens: [fresh, read, short, middle, long, output, reasoning],
            images,
            millis,
            searches,
            cost,
            priced,
            unpriced,
            seal: _,
        } = *self;
        [requests, fresh, read, short, middle, long, output, reasoning, images, millis, searches, cost, priced, unpriced]
    }

    /// The same, to be set.
    pub(in crate::store) fn figures_mut(&mut self) -> [&mut i64; 14] {
        let Self {
            requests,
            tokens: [fresh, read, short, middle, long, output, reasoning],
            images,
            millis,
            searches,
            cost,
            priced,
            unpriced,
            seal: _,
        } = self;
        [requests, fresh, read, short, middle, long, output, reasoning, images, millis, searches, cost, priced, unpriced]
    }
}
