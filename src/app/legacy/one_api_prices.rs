//! one-api's and new-api's options: what a unit of quota is worth, and what models cost.
//!
//! A ratio of 1 is two dollars for a million tokens; a price is dollars for a call.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    LegacyFault,
    draft::Draft,
    tables::{Row, Tables, decimal},
};
use crate::{
    billing::Tariff,
    store::record::{NewPriceRule, PriceMatch},
};

/// Units of quota that are a dollar, where the file does not say.
const UNITS: i64 = 500_000;
/// Dollars for a million tokens at a ratio of 1.
const AT_ONE: f64 = 2.0;

/// The maps of models and numbers that prices are made of.
const MAPS: &[&str] = &["ModelRatio", "CompletionRatio", "ModelPrice", "CacheRatio", "CreateCacheRatio", "GroupRatio"];

/// The options that are wanted.
#[derive(Debug)]
pub(super) struct Options {
    units: i64,
    maps: BTreeMap<&'static str, BTreeMap<String, f64>>,
}

/// Reads the table.
pub(super) fn options(tables: &Tables, draft: &mut Draft) -> Result<Options, LegacyFault> {
    let mut options = Options { units: UNITS, maps: BTreeMap::new() };
    for row in tables.rows("options") {
        let name = row.need_text("key")?;
        let value = row.text("value")?;
        if let Some(known) = MAPS.iter().copied().find(|known| *known == name) {
            options.maps.insert(known, numbers(&row, &name)?);
        } else if name == "QuotaPerUnit" {
            let text = value.unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and smaller than 2^53")]
            let units =
                text.parse::<f64>().ok().filter(|units| units.fract() == 0.0 && (1.0..9e15).contains(units)).map(|units| units as i64);
            options.units = units.ok_or_else(|| row.fault_of("value", &text, "a whole number of units for QuotaPerUnit"))?;
        } else {
            draft.report.left_out("options", name, "nothing here is like them; secrets among them are not shown");
            continue;
        }
        draft.report.took("options");
    }
    Ok(options)
}

fn numbers(row: &Row<'_>, name: &str) -> Result<BTreeMap<String, f64>, LegacyFault> {
    let number = |(model, value): (String, Value)| match value.as_f64().filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok((model, number)),
        None => Err(row.fault_of("value", &value.to_string(), format!("a number of at least 0 for {model:?} in {name}"))),
    };
    row.object("value")?.into_iter().map(number).collect()
}

impl Options {
    fn of(&self, map: &str) -> impl Iterator<Item = (&String, f64)> {
        self.maps.get(map).into_iter().flatten().map(|(model, number)| (model, *number))
    }

    fn get(&self, map: &str, model: &str) -> Option<f64> {
        self.maps.get(map)?.get(model).copied()
    }

    /// Units of quota as nano-dollars; below zero is nothing.
    pub(super) fn nanos(&self, row: &Row<'_>, column: &str, units: i64) -> Result<i64, LegacyFault> {
        let nanos = i128::from(units.max(0)) * 1_000_000_000 / i128::from(self.units);
        i64::try_from(nanos).map_err(|_| row.fault(column, "a quota of at most 9,223,372,036 dollars"))
    }
}

/// Makes rules of what models cost.
pub(super) fn read(options: &Options, draft: &mut Draft) {
    for (model, price) in options.of("ModelPrice") {
        put(draft, model, [("request", price)].into_iter());
    }
    for (model, ratio) in options.of("ModelRatio") {
        if options.get("ModelPrice", model).is_some() {
            draft.report.left_out("prices", model, "have a ratio and a price for a call, which counts there");
            continue;
        }
        let Some(completion) = options.get("CompletionRatio", model) else {
            let why = "have no CompletionRatio in the file: the shipped list's price holds where it has one; else add a rule";
            draft.report.left_out("prices", model, why);
            continue;
        };
        let input = ratio * AT_ONE;
        let more = [("cache_read", "CacheRatio"), ("cache_write_5m", "CreateCacheRatio")];
        let more = more.into_iter().filter_map(|(unit, map)| Some((unit, input * options.get(map, model)?)));
        put(draft, model, [("input", input), ("output", input * completion)].into_iter().chain(more));
    }
    for (group, ratio) in options.of("GroupRatio") {
        if (ratio - 1.0).abs() > f64::EPSILON {
            draft.report.note("GroupRatio", format!("{group} {ratio}"), "make calls of a group dearer or cheaper, which nothing here does");
        }
    }
}

fn put(draft: &mut Draft, model: &str, rates: impl Iterator<Item = (&'static str, f64)>) {
    let rates: Map<String, Value> = rates.map(|(unit, price)| (unit.to_owned(), decimal(&format!("{price:.9}")).into())).collect();
    let rates_json = Value::Object(rates).to_string();
    if Tariff::from_json(&rates_json).is_err() || model.trim().is_empty() {
        draft.report.left_out("prices", model, "are no prices that are kept here");
        return;
    }
    let match_kind = if model.contains('*') { PriceMatch::Glob } else { PriceMatch::Exact };
    let rule = NewPriceRule { provider_id: None, match_kind, pattern: model.to_owned(), rates_json, enabled: true };
    draft.put(&rule, []);
    draft.report.took("prices");
}
