//! The reference's permissions, limits, quotas and prices.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    LegacyFault,
    draft::{Draft, NO_PROVIDER},
    reference::Names,
    reference_people::Owners,
    tables::{Otherwise, Row, Tables, decimal},
};
use crate::{
    billing::Tariff,
    store::record::{Admission, NewPriceRule, NewQuota, NewRateLimit, PriceMatch, ScopeKind},
};

/// What the reference calls the prices of a million tokens, and what they are here.
const PRICES: &[(&str, &str)] = &[
    ("input_price", "input"),
    ("output_price", "output"),
    ("cache_read_price", "cache_read"),
    ("cache_creation_5m_price", "cache_write_5m"),
    ("cache_creation_30m_price", "cache_write_30m"),
    ("cache_creation_1h_price", "cache_write_1h"),
    ("image_output_price", "output.image"),
];

/// Reads them.
pub(super) fn read(tables: &Tables, owners: &Owners, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("route_permissions") {
        let pattern = row.need_text("route_pattern")?;
        if let Some((scope, owner)) = owner(&row, owners, draft, ("route_permissions", &pattern))? {
            draft.permission(scope, owner, pattern);
            draft.report.took("route_permissions");
        }
    }
    rate_limits(tables, owners, draft)?;
    for row in tables.rows("quotas") {
        quota(&row, owners, draft)?;
    }
    prices(tables, providers, draft)
}

fn owner(
    row: &Row<'_>,
    owners: &Owners,
    draft: &mut Draft,
    (what, label): (&str, &str),
) -> Result<Option<(ScopeKind, Value)>, LegacyFault> {
    let word = row.need_text("scope")?;
    let kind = match word.as_str() {
        "org" => ScopeKind::Organization,
        "team" => ScopeKind::Team,
        "user" => ScopeKind::User,
        other => return Err(row.fault_of("scope", other, "org, team or user")),
    };
    let id = row.need_int("scope_id")?;
    let found = owners.get(&kind).and_then(|names| names.get(&id)).cloned();
    if found.is_none() {
        draft.report.left_out(what, format!("{word} {label}"), "whose they are is left out or gone");
    }
    Ok(found.map(|owner| (kind, owner)))
}

/// Limits of one owner and pattern may stand several times there, and all hold: the strictest of each figure is kept.
pub(super) fn rate_limits(tables: &Tables, owners: &Owners, draft: &mut Draft) -> Result<(), LegacyFault> {
    let mut kept: BTreeMap<(ScopeKind, String, String), (NewRateLimit, Value)> = BTreeMap::new();
    for row in tables.rows("rate_limits") {
        let pattern = row.need_text("route_pattern")?;
        let figures = [row.int("rpm")?, row.int("rpd")?, row.int("total_tokens")?];
        let Some((scope, owner)) = owner(&row, owners, draft, ("rate_limits", &pattern))? else { continue };
        let at = (scope, owner.to_string(), pattern.clone());
        draft.report.took("rate_limits");
        match kept.get_mut(&at) {
            None => {
                let limit = limit(scope, pattern, figures);
                kept.insert(at, (limit, owner));
            }
            Some((standing, _)) => {
                draft.report.note(
                    "rate_limits",
                    format!("{scope} {pattern}"),
                    "stand several times; the strictest figures are kept in one",
                );
                let least = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
                standing.requests_per_minute = least(standing.requests_per_minute, figures[0]);
                standing.requests_per_day = least(standing.requests_per_day, figures[1]);
                standing.tokens_per_day = least(standing.tokens_per_day, figures[2]);
            }
        }
    }
    for (limit, owner) in kept.into_values() {
        draft.put(&limit, [("owner", owner)]);
    }
    Ok(())
}

/// A limit of calls in a minute and in a day, and of tokens in a day.
pub(super) fn limit(scope: ScopeKind, pattern: String, [rpm, rpd, tokens]: [Option<i64>; 3]) -> NewRateLimit {
    NewRateLimit {
        scope,
        scope_id: 0,
        pattern,
        requests_per_minute: rpm,
        requests_per_day: rpd,
        tokens_per_minute: None,
        tokens_per_day: tokens,
        concurrency: None,
    }
}

/// A quota of what is left in all: what was spent there is not counted here.
pub(super) fn left(scope: ScopeKind, total: Option<i64>, used: i64) -> NewQuota {
    NewQuota {
        scope,
        scope_id: 0,
        total: total.map(|total| total.saturating_sub(used).max(0)),
        daily: None,
        weekly: None,
        monthly: None,
        rolling_5h: None,
        rolling_7d: None,
        admission: Admission::Estimate,
    }
}

fn quota(row: &Row<'_>, owners: &Owners, draft: &mut Draft) -> Result<(), LegacyFault> {
    let (total, used) = (row.dollars("quota_total")?, row.dollars("cost_used")?.unwrap_or(0));
    let windows = ["quota_daily", "quota_weekly", "quota_monthly", "quota_5h", "quota_7d"];
    let [daily, weekly, monthly, rolling_5h, rolling_7d] = windows.map(|column| row.dollars(column));
    for window in ["day", "week", "month", "five_hour", "seven_day"] {
        row.skip(&format!("{window}_used"));
        row.skip(&format!("{window}_anchor"));
    }
    let Some((scope, owner)) = owner(row, owners, draft, ("quotas", ""))? else { return Ok(()) };
    if used > 0 {
        let why = "have spent of their quota: the total here is what is left, and the windows begin anew";
        draft.report.note("quotas", format!("{scope} {owner}"), why);
    }
    let quota = NewQuota {
        daily: daily?,
        weekly: weekly?,
        monthly: monthly?,
        rolling_5h: rolling_5h?,
        rolling_7d: rolling_7d?,
        ..left(scope, total, used)
    };
    draft.put(&quota, [("owner", owner)]);
    draft.report.took("quotas");
    Ok(())
}

fn prices(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("price_rules") {
        let (model, word) = (row.need_text("model_match")?, row.text("match_type")?.unwrap_or_else(|| "exact".to_owned()));
        let (match_kind, pattern) = match word.as_str() {
            "exact" => (PriceMatch::Exact, model.clone()),
            "contains" => (PriceMatch::Glob, format!("*{model}*")),
            other => return Err(row.fault_of("match_type", other, "exact or contains")),
        };
        let provider = match row.int("provider_id")? {
            None => Value::Null,
            Some(id) => match providers.get(&id) {
                Some(name) => name.clone(),
                None => {
                    draft.report.left_out("price_rules", model, "what their provider_id names is left out or gone");
                    continue;
                }
            },
        };
        let enabled = row.flag("enabled", Otherwise::Yes)?;
        let rates = rates(&row)?;
        let rates_json = Value::Object(rates).to_string();
        if let Err(fault) = Tariff::from_json(&rates_json) {
            draft.report.left_out("price_rules", model, format!("have no prices for tokens that are kept here: {fault}"));
            continue;
        }
        let provider_id = (!provider.is_null()).then_some(NO_PROVIDER);
        draft.put(&NewPriceRule { provider_id, match_kind, pattern, rates_json, enabled }, [("provider", provider)]);
        draft.report.took("price_rules");
    }
    let rows = tables.rows("price_rule_rates");
    if !rows.is_empty() {
        for row in &rows {
            for column in ["price_rule_id", "metric", "unit", "unit_size", "price_usd", "conditions_json", "sort_order"] {
                row.skip(column);
            }
        }
        let why = format!("{} rows: rates by metric and condition are written otherwise here: see docs/prices.md", rows.len());
        draft.report.note_all("price_rule_rates", why);
    }
    Ok(())
}

fn rates(row: &Row<'_>) -> Result<Map<String, Value>, LegacyFault> {
    let mut rates = Map::new();
    for (column, unit) in PRICES {
        let Some(text) = row.text(column)? else { continue };
        let plain = decimal(&text);
        let wanted = || row.fault_of(column, &text, "dollars for a million tokens, at least 0");
        if plain.parse::<f64>().ok().is_none_or(|price| price < 0.0) {
            return Err(wanted());
        }
        rates.insert((*unit).to_owned(), plain.into());
    }
    Ok(rates)
}
