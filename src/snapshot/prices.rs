//! The operator's price rules over the shipped list.

use std::sync::Arc;

use super::Fault;
use crate::{
    billing::{Catalogue, Match, PriceBook, PriceRule},
    store::record::{ConfigRows, PriceMatch, PriceRuleRow},
    transform::time,
};

/// Makes the book of prices. A rule that cannot be read is left out and told.
pub(super) fn book(rows: &ConfigRows) -> (Arc<PriceBook>, Vec<Fault>) {
    let (book, faults) = PriceBook::build(Catalogue::shipped(), &rules(rows));
    let told = faults.into_iter().map(|fault| Fault::new("price_rule", fault.id.to_string(), "rates_json", fault.reason));
    (Arc::new(book), told.collect())
}

/// The operator's rules.
#[must_use]
pub fn rules(rows: &ConfigRows) -> Vec<PriceRule> {
    rows.price_rules.iter().map(rule).collect()
}

fn rule(row: &PriceRuleRow) -> PriceRule {
    PriceRule {
        id: row.id.0,
        provider: row.provider_id,
        matches: match row.match_kind {
            PriceMatch::Exact => Match::Exact,
            PriceMatch::Glob => Match::Glob,
            PriceMatch::Default => Match::Default,
        },
        pattern: row.pattern.clone(),
        rates_json: row.rates_json.clone(),
        revision: row.updated_at,
        date: day(row.updated_at),
        enabled: row.enabled,
    }
}

/// The day of a moment, by UTC.
fn day(unix_ms: i64) -> String {
    let mut written = time::written(u64::try_from(unix_ms / 1000).unwrap_or(0));
    written.truncate(10);
    written
}
