//! What one key, user, team or organization was given: permissions, limits, a quota.

use std::collections::HashMap;

use crate::{
    base::{Glob, RateLimitId},
    protocol::OperationGroup,
    store::record::{ConfigRows, NewQuota, NewRateLimit, QuotaRow, Scope},
};

/// A permission made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Route names and `provider/model` that it opens.
    pub pattern: Glob,
    /// The only operations that it opens, where it does not open all.
    pub group: Option<OperationGroup>,
}

/// A rate limit made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its record.
    pub id: RateLimitId,
    /// Route names and `provider/model` that it counts.
    pub pattern: Glob,
    /// Its figures.
    pub row: NewRateLimit,
}

/// What one scope was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Whose it is.
    pub scope: Scope,
    /// What it opens. A key's own narrow what its user may; all others add up.
    pub grants: Box<[Grant]>,
    /// How much may be asked.
    pub limits: Box<[Limit]>,
    /// How much may be spent.
    pub quota: Option<QuotaRow>,
}

impl Allowance {
    /// One that opens nothing and limits nothing.
    #[must_use]
    pub fn none(scope: Scope) -> Self {
        Self { scope, grants: Box::default(), limits: Box::default(), quota: None }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.limits.is_empty() && self.quota.is_none()
    }
}

/// The allowances of some scopes, gathered in one walk over their rows.
#[derive(Debug, Default)]
pub(super) struct Gathered(HashMap<Scope, Given>);

/// What one scope was given, as far as it was read.
#[derive(Debug, Default)]
struct Given {
    grants: Vec<Grant>,
    limits: Vec<Limit>,
    quota: Option<QuotaRow>,
}

impl Gathered {
    /// Those for which `wanted` says so.
    pub(super) fn of(rows: &ConfigRows, wanted: impl Fn(Scope) -> bool) -> Self {
        let mut gathered = Self::default();
        for row in &rows.permissions {
            let scope = Scope { kind: row.scope, id: row.scope_id };
            // A group that this version does not know opens nothing rather than everything.
            let group = (!row.operation_group.is_empty()).then(|| OperationGroup::parse(&row.operation_group));
            if wanted(scope) && group != Some(None) {
                gathered.at(scope).grants.push(Grant { pattern: Glob::new(&row.pattern), group: group.flatten() });
            }
        }
        for row in &rows.rate_limits {
            let scope = Scope { kind: row.scope, id: row.scope_id };
            if wanted(scope) {
                gathered.at(scope).limits.push(Limit { id: row.id, pattern: Glob::new(&row.pattern), row: row.row.clone() });
            }
        }
        for row in &rows.quotas {
            let NewQuota { scope, scope_id, .. } = row.row;
            let scope = Scope { kind: scope, id: scope_id };
            if wanted(scope) {
                gathered.at(scope).quota = Some(row.clone());
            }
        }
        gathered
    }

    fn at(&mut self, scope: Scope) -> &mut Given {
        self.0.entry(scope).or_default()
    }

    /// One scope's, taken out.
    pub(super) fn take(&mut self, scope: impl Into<Scope>) -> Allowance {
        let scope = scope.into();
        match self.0.remove(&scope) {
            Some(Given { grants, limits, quota }) => Allowance { scope, grants: grants.into(), limits: limits.into(), quota },
            None => Allowance::none(scope),
        }
    }
}
