//! The proof of a ledger: that what stands in it is what was written, that nothing was taken away, and that sums are sums.
//!
//! Everything is read once, in the order of its keys; what is held at a time is an hour's groups and a day's.

use std::collections::HashMap;

use crate::{
    base::ProviderId,
    billing::{Catalogue, PriceRule, Tariff, Vendor, named},
    store::{
        persist::{Books, Head, SealedRow, StoreFault},
        record::{ConfigRows, Scope, ScopeKind, Span, Sums, UsageRow},
    },
};

mod budgets;
mod hours;
mod report;

pub use budgets::{Budget, budgets};
use hours::Hours;
pub use report::{Check, Line, Report};

/// Rows that are read at once.
const PAGE: u64 = 1000;
/// How far a call's time may be from the time in its id, milliseconds.
pub(super) const SLACK_MS: u64 = 60_000;
/// Altered rows for which it is looked whether they are copies: each look reads the whole table.
const COPIES: u64 = 10;

/// What the prices of kept versions are, to reckon costs again.
#[derive(Debug)]
pub struct Prices {
    catalogue: std::sync::Arc<Catalogue>,
    rules: HashMap<std::sync::Arc<str>, Tariff>,
    vendors: HashMap<ProviderId, Vendor>,
}

impl Prices {
    /// Of the shipped list, and of the rules that stand.
    #[must_use]
    pub fn new(rules: &[PriceRule], rows: &ConfigRows) -> Self {
        let catalogue = Catalogue::shipped();
        let compiled = rules.iter().filter_map(|rule| rule.compile().ok()).map(|entry| (entry.version, entry.tariff));
        let vendors = rows.providers.iter().filter_map(|provider| {
            let vendor = catalogue.vendor(&provider.channel).or_else(|| catalogue.vendor(&provider.name));
            vendor.map(|vendor| (provider.id, vendor))
        });
        Self { rules: compiled.collect(), vendors: vendors.collect(), catalogue }
    }

    /// What a row should have cost by the price that it names; `None` where that version is not known any more.
    fn cost(&self, row: &UsageRow) -> Option<i64> {
        let price = &row.billed.as_ref()?.price;
        // No version of a rule has a blank in it; of the list one may.
        let listed = price.strip_prefix(self.catalogue.version()).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
        let (version, behind) = price.split_once(' ').unwrap_or((price, ""));
        let (tariff, behind) = match (self.rules.get(version), listed) {
            (Some(tariff), _) => (tariff, behind),
            (None, Some(behind)) => {
                (&self.catalogue.find(*self.vendors.get(&row.begun.provider_id)?, &row.begun.model)?.entry.tariff, behind)
            }
            (None, None) => return None,
        };
        let tier = if behind.is_empty() { None } else { Some(named::tier(tariff, (price, behind))?) };
        if row.usage.is_zero() { Some(0) } else { tariff.cost(&row.usage, tier).ok().map(|cost| cost.nanos.get()) }
    }
}

/// Proves what the database alone can prove. The budgets come back with what their rows come to.
///
/// # Errors
/// Of the store, which ends the proof.
pub async fn ledger(books: &dyn Books, prices: &Prices, rows: &ConfigRows, budgets: &mut [Budget]) -> Result<Report, StoreFault> {
    let mut report = Report::default();
    let head = books.head().await?;
    scopes(rows, &mut report);
    let mut walk = Walk { books, prices, rows, report: &mut report, copies: COPIES, budgets: by_scope(budgets) };
    let whole = walk.all(budgets).await?;
    compare_head(head, &whole, &mut report);
    budgets::compare(books, budgets, &mut report).await?;
    Ok(report)
}

/// The places of budgets, by whose they are.
fn by_scope(budgets: &[Budget]) -> HashMap<Scope, Vec<usize>> {
    let mut places: HashMap<Scope, Vec<usize>> = HashMap::new();
    for (at, budget) in budgets.iter().enumerate() {
        places.entry(budget.scope).or_default().push(at);
    }
    places
}

/// One reading of all rows.
struct Walk<'a> {
    books: &'a dyn Books,
    prices: &'a Prices,
    rows: &'a ConfigRows,
    report: &'a mut Report,
    /// How often it may still be looked for copies.
    copies: u64,
    budgets: HashMap<Scope, Vec<usize>>,
}

impl Walk<'_> {
    /// Reads everything; gives the sum over all days.
    async fn all(&mut self, budgets: &mut [Budget]) -> Result<Sums, StoreFault> {
        let mut hours = Hours::default();
        let mut behind = String::new();
        loop {
            let page = self.books.rows(behind, PAGE).await?;
            let Some(last) = page.last() else { break };
            behind = last.id.clone();
            for row in page {
                self.row(row, &mut hours, budgets).await?;
            }
        }
        hours.end(self.books, self.report).await?;
        hours::note_closed(&hours, &self.budgets, budgets);
        Ok(hours.whole())
    }

    async fn row(&mut self, row: SealedRow, hours: &mut Hours, budgets: &mut [Budget]) -> Result<(), StoreFault> {
        for check in [Check::RowsIntact, Check::RowsOnce, Check::RowsSound, Check::RowsInTime, Check::PricesKept] {
            self.report.looked(check);
        }
        let told = format!("row {}", row.id);
        if let Some(column) = row.negative {
            self.report.differs(Check::RowsSound, format!("{told}: {column} is below zero"));
        }
        if row.cost.is_some() && row.price.is_empty() {
            self.report.differs(Check::PricesKept, format!("{told}: it cost something and names no price version"));
        }
        let id_ms = u64::from_str_radix(row.id.get(..12).unwrap_or_default(), 16).unwrap_or(0);
        let at = u64::try_from(row.at).unwrap_or(0);
        let in_time = at.abs_diff(id_ms) <= SLACK_MS;
        if !in_time {
            self.report.differs(Check::RowsInTime, format!("{told}: says {at} ms, and its id {id_ms} ms"));
        }
        let is_copy = !row.is_intact && self.altered(&row, &told).await?;
        match &row.row {
            Err(fault) => self.report.differs(Check::RowsSound, format!("{told}: {fault}")),
            Ok(read) => {
                self.costs(read, &told);
                self.owner(read, &told);
                self.spend(read, budgets);
            }
        }
        let place = if in_time { at } else { id_ms };
        if !is_copy {
            hours.take(&row, place);
        }
        hours.close_before(id_ms.saturating_sub(SLACK_MS), self.books, self.report).await
    }

    /// Tells of a row that is not what was sealed; whether it is another's copy.
    async fn altered(&mut self, row: &SealedRow, told: &str) -> Result<bool, StoreFault> {
        if row.seal != 0 && self.copies > 0 {
            self.copies -= 1;
            if let Some(other) = self.books.alike(row.id.clone(), row.seal).await?.first() {
                self.report.differs(Check::RowsOnce, format!("{told}: has the seal of row {other}"));
                return Ok(true);
            }
        }
        let why = if row.seal == 0 { "has no seal: gproxy did not write it" } else { "is not as it was written" };
        self.report.differs(Check::RowsIntact, format!("{told}: {why}"));
        Ok(false)
    }

    fn costs(&mut self, row: &UsageRow, told: &str) {
        let (Some(billed), Some(cost)) = (&row.billed, self.prices.cost(row)) else { return };
        self.report.looked(Check::CostsRight);
        if billed.cost.get() != cost {
            let is = billed.cost.get();
            self.report.differs(Check::CostsRight, format!("{told}: cost {is} nano-dollars; by price {} it is {cost}", billed.price));
        }
    }

    /// A key that stands belongs to one user.
    fn owner(&mut self, row: &UsageRow, told: &str) {
        let Some(key) = self.rows.keys.get(row.begun.key_id) else { return };
        self.report.looked(Check::ScopesStand);
        if key.user_id != row.begun.user_id {
            let (key, user, owner) = (row.begun.key_id, row.begun.user_id, key.user_id);
            self.report.differs(Check::ScopesStand, format!("{told}: says user {user}, and its key {key} is of user {owner}"));
        }
    }

    fn spend(&self, row: &UsageRow, budgets: &mut [Budget]) {
        let (Some(billed), begun) = (&row.billed, &row.begun) else { return };
        let scopes =
            [Some(begun.key_id.into()), Some(begun.user_id.into()), begun.team_id.map(Into::into), begun.organization_id.map(Into::into)];
        for scope in scopes.into_iter().flatten() {
            for at in self.budgets.get(&scope).into_iter().flatten() {
                budgets[*at].add(begun.at, billed.cost.get());
            }
        }
    }
}

/// Nobody's permissions, limits and budgets.
fn scopes(rows: &ConfigRows, report: &mut Report) {
    let stands = |kind: ScopeKind, id: i64| match kind {
        ScopeKind::Key => rows.keys.get(id.into()).is_some(),
        ScopeKind::User => rows.users.get(id.into()).is_some(),
        ScopeKind::Team => rows.teams.get(id.into()).is_some(),
        ScopeKind::Organization => rows.organizations.get(id.into()).is_some(),
    };
    let permissions = rows.permissions.iter().map(|row| ("permission", row.id.0, row.scope, row.scope_id));
    let limits = rows.rate_limits.iter().map(|row| ("limit", row.id.0, row.scope, row.scope_id));
    let quotas = rows.quotas.iter().map(|row| ("budget", row.id.0, row.scope, row.scope_id));
    for (what, id, kind, scope) in permissions.chain(limits).chain(quotas) {
        report.looked(Check::ScopesStand);
        if !stands(kind, scope) {
            report.differs(Check::ScopesStand, format!("{what} {id}: is of {kind} {scope}, which does not stand"));
        }
    }
}

/// The head against what all days come to.
fn compare_head(head: Option<Head>, whole: &Sums, report: &mut Report) {
    report.looked(Check::Head);
    let Some(head) = head else { return report.differs(Check::Head, "the sum over all calls is missing".to_owned()) };
    if !head.is_ours {
        let told = "the ledger is sealed with another key: give the DATABASE_SECRET_KEY that it was written with";
        return report.differs(Check::Head, told.to_owned());
    }
    if !head.is_intact {
        report.differs(Check::Head, "the sum over all calls is not as it was written".to_owned());
    }
    if (head.requests, head.cost, head.seal) != (whole.requests, whole.cost, whole.seal) {
        let (written, stand) = (head.requests, whole.requests);
        let (cost, stands) = (head.cost, whole.cost);
        report.differs(
            Check::Head,
            format!("{written} calls of {cost} nano-dollars were written; days and rows know of {stand} of {stands}"),
        );
    }
    if head.adopted > 0 {
        report.note(format!("{} rows are from before the seals and were taken as they stood", head.adopted));
    }
}

/// The name of a span in words.
fn span_name(span: Span) -> &'static str {
    match span {
        Span::Hour => "hour",
        Span::Day => "day",
    }
}
