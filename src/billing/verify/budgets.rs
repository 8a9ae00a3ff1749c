//! Budgets: what their counters begin with against the rows.

use super::{Check, Report};
use crate::{
    base::{KeyId, OrganizationId, TeamId, UserId},
    store::{
        cache::{Counts, Meter, SLOTS, Window},
        persist::{Books, StoreFault, UsageFilter},
        record::{ConfigRows, Scope, ScopeKind},
    },
};

/// One window of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub scope: Scope,
    /// Its counter.
    pub meter: Meter,
    /// Where its window begins, Unix milliseconds.
    pub from_ms: u64,
    /// What its rows cost so far, nano-dollars.
    pub rows: i64,
    /// Whether rows within the window may be gone.
    is_partial: bool,
}

impl Budget {
    /// Adds a row, where it began within the window.
    pub(super) fn add(&mut self, at_ms: u64, cost: i64) {
        if at_ms >= self.from_ms {
            self.rows = self.rows.saturating_add(cost);
        }
    }

    /// Notes that the rows of an hour may be gone.
    pub(super) fn note_closed(&mut self, at_ms: u64) {
        self.is_partial |= at_ms >= self.from_ms;
    }

    /// The rows that it counts.
    #[must_use]
    pub fn filter(&self) -> UsageFilter {
        let id = self.scope.id;
        match self.scope.kind {
            ScopeKind::Key => UsageFilter { key_id: Some(KeyId(id)), ..UsageFilter::default() },
            ScopeKind::User => UsageFilter { user_id: Some(UserId(id)), ..UsageFilter::default() },
            ScopeKind::Team => UsageFilter { team_id: Some(TeamId(id)), ..UsageFilter::default() },
            ScopeKind::Organization => UsageFilter { organization_id: Some(OrganizationId(id)), ..UsageFilter::default() },
        }
    }

    fn told(&self) -> String {
        format!("{} {}, {}", self.scope.kind, self.scope.id, self.meter.window.name())
    }

    /// What a counter holds against the rows: `before` was read before the rows were, `after` after them. Gives how they differ.
    ///
    /// A call spends when it ends, and counts from when it began where a counter was set from rows: calls across the window's
    /// beginning may count or not, and `waiting` nano-dollars may have no row yet.
    ///
    /// # Errors
    /// Of the store.
    pub async fn drift(&self, books: &dyn Books, (before, after): (i64, i64), waiting: i64) -> Result<Option<String>, StoreFault> {
        let (begun, ended) = books.spent_since(self.filter(), self.from_ms).await?;
        let least = match self.meter.window {
            Window::Sliding(length) => {
                let slot = length.div_ceil(SLOTS).max(1);
                books.spent_since(self.filter(), self.from_ms.saturating_add(2 * slot)).await?.0
            }
            Window::Total | Window::Day | Window::Week | Window::Month => begun,
        };
        let most = begun.saturating_add(ended).saturating_add(waiting);
        let told = self.told();
        let differ = before > most || after < least;
        Ok(differ.then(|| format!("{told}: counted {before} to {after} nano-dollars; the rows say {least} to {most}")))
    }
}

/// Every window of every budget, at a moment.
#[must_use]
pub fn budgets(rows: &ConfigRows, now_ms: u64) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for quota in &rows.quotas {
        for (window, limit) in quota.windows() {
            if limit.is_none() {
                continue;
            }
            let meter = Meter { kind: quota.scope.into(), scope: quota.scope_id, record: quota.id.0, counts: Counts::NanoDollars, window };
            let place = window.place(now_ms);
            let from_ms = match window {
                Window::Sliding(_) => window.begins(place.saturating_sub(SLOTS)),
                Window::Total | Window::Day | Window::Week | Window::Month => window.begins(place),
            };
            budgets.push(Budget { scope: Scope { kind: quota.scope, id: quota.scope_id }, meter, from_ms, rows: 0, is_partial: false });
        }
    }
    budgets
}

/// What counters would begin with, from rollups, against the rows that were read.
pub(super) async fn compare(books: &dyn Books, budgets: &[Budget], report: &mut Report) -> Result<(), StoreFault> {
    for budget in budgets {
        report.looked(Check::Budgets);
        let (summed, _) = books.spent_since(budget.filter(), budget.from_ms).await?;
        // Where rows may be gone only their sums tell, which were proven above.
        if !budget.is_partial && summed != budget.rows {
            let (told, rows) = (budget.told(), budget.rows);
            report.differs(Check::Budgets, format!("{told}: begins with {summed} nano-dollars; its rows say {rows}"));
        }
    }
    Ok(())
}
