//! Who may use what, how much of it, and what it costs. Money is nano-dollars.

use super::{Link, Noun, OnDelete, cell::words, noun::record};
use crate::{
    base::{KeyId, OrganizationId, PermissionId, PriceRuleId, ProviderId, QuotaId, RateLimitId, TeamId, UserId},
    store::cache::Window,
};

words! {
    /// Whose an allowance is.
    ScopeKind {
        /// Of one key.
        Key = "key",
        /// Of a user, over all keys.
        User = "user",
        /// Of a team, over all its users.
        Team = "team",
        /// Of an organization, over all its users.
        Organization = "organization",
    }
}

impl ScopeKind {
    /// The noun that it names.
    #[must_use]
    pub fn noun(self) -> Noun {
        match self {
            Self::Key => Noun::Key,
            Self::User => Noun::User,
            Self::Team => Noun::Team,
            Self::Organization => Noun::Organization,
        }
    }

    pub(in crate::store) fn link(self) -> Link {
        Link { column: "scope_id", noun: self.noun(), on_delete: OnDelete::Cascade }
    }
}

/// Somebody whose an allowance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// What it is.
    pub kind: ScopeKind,
    /// Which one.
    pub id: i64,
}

macro_rules! scopes {
    ($($id:ident => $kind:ident),+ $(,)?) => {$(
        impl From<$id> for Scope {
            fn from(id: $id) -> Self {
                Self { kind: ScopeKind::$kind, id: id.0 }
            }
        }
    )+};
}

scopes! { KeyId => Key, UserId => User, TeamId => Team, OrganizationId => Organization }

record! {
    /// What somebody may use. Without one, nothing.
    NewPermission(PermissionId) in "permissions", unique [scope, scope_id, pattern, operation_group], named pattern, scoped scope_id {
        /// Whose.
        scope: ScopeKind,
        /// Which one's.
        scope_id: i64,
        /// A pattern over route names and `provider/model`.
        pattern: String,
        /// Only for operations of this group; empty for all.
        operation_group: String,
    }
}

impl NewPermission {
    /// A permission for every operation.
    #[must_use]
    pub fn of(scope: impl Into<Scope>, pattern: impl Into<String>) -> Self {
        let scope = scope.into();
        Self { scope: scope.kind, scope_id: scope.id, pattern: pattern.into(), operation_group: String::new() }
    }

    /// Whether it is somebody's.
    #[must_use]
    pub fn is_of(&self, scope: impl Into<Scope>) -> bool {
        scope.into() == Scope { kind: self.scope, id: self.scope_id }
    }
}

record! {
    /// How much somebody may ask in a span of time. What is absent is not limited.
    NewRateLimit(RateLimitId) in "rate_limits", unique [scope, scope_id, pattern], named pattern, scoped scope_id {
        /// Whose.
        scope: ScopeKind,
        /// Which one's.
        scope_id: i64,
        /// Only calls whose route or `provider/model` fits.
        pattern: String,
        /// Calls in any minute.
        #[schemars(range(min = 0))]
        requests_per_minute: Option<i64>,
        /// Calls in any day.
        #[schemars(range(min = 0))]
        requests_per_day: Option<i64>,
        /// Tokens in any minute.
        #[schemars(range(min = 0))]
        tokens_per_minute: Option<i64>,
        /// Tokens in any day.
        #[schemars(range(min = 0))]
        tokens_per_day: Option<i64>,
        /// Calls at a time.
        #[schemars(range(min = 0))]
        concurrency: Option<i64>,
    }
}

words! {
    /// What a quota sets aside for a call before it is made.
    Admission {
        /// The most that the call can cost: it cannot be overspent.
        Strict = "strict",
        /// What such a call usually costs: it can be overspent by what is under way.
        Estimate = "estimate",
    }
}

record! {
    /// How much somebody may spend, in nano-dollars, by window. What is absent is not limited.
    NewQuota(QuotaId) in "quotas", unique [scope, scope_id], named scope, scoped scope_id {
        /// Whose.
        scope: ScopeKind,
        /// Which one's.
        scope_id: i64,
        /// In all.
        total: Option<i64>,
        /// In a day, by UTC.
        daily: Option<i64>,
        /// In a week that begins on Monday, by UTC.
        weekly: Option<i64>,
        /// In a month, by UTC.
        monthly: Option<i64>,
        /// In any five hours.
        rolling_5h: Option<i64>,
        /// In any seven days.
        rolling_7d: Option<i64>,
        /// What is set aside for a call.
        admission: Admission,
    }
}

impl NewQuota {
    /// Its windows, each with its limit.
    #[must_use]
    pub fn windows(&self) -> [(Window, Option<i64>); 6] {
        const HOUR: u64 = 3_600_000;
        [
            (Window::Total, self.total),
            (Window::Day, self.daily),
            (Window::Week, self.weekly),
            (Window::Month, self.monthly),
            (Window::Sliding(5 * HOUR), self.rolling_5h),
            (Window::Sliding(7 * 24 * HOUR), self.rolling_7d),
        ]
    }
}

words! {
    /// Which models a price holds for.
    PriceMatch {
        /// The one that is called so.
        Exact = "exact",
        /// Those whose names fit the pattern.
        Glob = "glob",
        /// Those that have no other price.
        Default = "default",
    }
}

record! {
    /// What the operator says that models cost, over the catalogue.
    NewPriceRule(PriceRuleId) in "price_rules", unique [], named pattern {
        /// Only at this provider; with it, it goes. For all where absent.
        provider_id: Option<ProviderId>,
        /// How `pattern` is meant.
        match_kind: PriceMatch,
        /// Upstream's model id, or a pattern over it.
        pattern: String,
        /// The rates, a JSON object (docs/prices.md).
        rates_json: String,
        /// Whether it holds.
        enabled: bool,
    }
}
