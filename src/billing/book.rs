//! Which price holds: the operator's rules over the catalogue.
//!
//! In this order: the provider's exact rule, a global exact rule, the provider's patterns, global patterns, the
//! catalogue, the provider's default, the global default. Of several patterns the longest wins, then the lowest id.

use std::{cmp::Reverse, sync::Arc};

use thiserror::Error;

use super::{
    catalogue::{Catalogue, Limits, Vendor},
    rates::{RatesFault, Tariff},
};
use crate::base::{Glob, ProviderId, QuickMap};

/// How a rule finds its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// The pattern is the upstream model's id.
    Exact,
    /// `*` and `?` in the pattern stand for others.
    Glob,
    /// Every model that nothing else prices, the catalogue included; the pattern is empty.
    Default,
}

/// A rule of the operator, as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRule {
    /// Its row.
    pub id: i64,
    /// The provider it is for; none for all.
    pub provider: Option<ProviderId>,
    /// How it finds its models.
    pub matches: Match,
    /// What it finds them by.
    pub pattern: String,
    /// The prices: see [`Tariff::from_json`].
    pub rates_json: String,
    /// A number that grows with each change of the rule.
    pub revision: i64,
    /// The day of its last change, as `2026-11-25`.
    pub date: String,
    /// Whether it holds.
    pub enabled: bool,
}

/// Who set a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The catalogue.
    Catalogue,
    /// A rule of the operator.
    Rule(i64),
}

/// One price as it is used, with what a usage row keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The prices.
    pub tariff: Tariff,
    /// The model's limits; none with a rule.
    pub limits: Limits,
    /// The catalogue's version, or `rule:{id}@{revision}`.
    pub version: Arc<str>,
    /// Since when the row says so.
    pub date: Arc<str>,
    /// Who set it.
    pub origin: Origin,
}

/// What is known of a model's price.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// It has one.
    Priced(&'a Entry),
    /// It has none, which does not mean that it is free.
    Unpriced,
}

/// A rule that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("price rule {id}: {reason}")]
pub struct RuleFault {
    /// The rule.
    pub id: i64,
    /// What is wrong with it.
    pub reason: Box<str>,
}

/// The prices of one provider, or of all.
#[derive(Debug, Default)]
struct Shelf {
    exact: QuickMap<Box<str>, Entry>,
    globs: Vec<(Glob, i64, Entry)>,
    default: Option<Entry>,
}

/// All prices, compiled for looking them up.
#[derive(Debug)]
pub struct PriceBook {
    catalogue: Arc<Catalogue>,
    own: QuickMap<ProviderId, Shelf>,
    global: Shelf,
}

impl Default for PriceBook {
    fn default() -> Self {
        Self { catalogue: Catalogue::shipped(), own: QuickMap::default(), global: Shelf::default() }
    }
}

impl PriceBook {
    /// Lays rules over a catalogue. A rule that cannot be read is left out and told.
    #[must_use]
    pub fn build(catalogue: Arc<Catalogue>, rules: &[PriceRule]) -> (Self, Vec<RuleFault>) {
        let mut book = Self { catalogue, own: QuickMap::default(), global: Shelf::default() };
        let mut faults = Vec::new();
        let mut enabled: Vec<&PriceRule> = rules.iter().filter(|rule| rule.enabled).collect();
        enabled.sort_by_key(|rule| rule.id);
        for rule in enabled {
            match rule.compile() {
                Ok(entry) => book.shelf(rule.provider).put(rule, entry),
                Err(reason) => faults.push(RuleFault { id: rule.id, reason: reason.into() }),
            }
        }
        for shelf in book.own.values_mut().chain([&mut book.global]) {
            shelf.globs.sort_by_key(|(glob, id, _)| (Reverse(glob.as_str().len()), *id));
        }
        (book, faults)
    }

    fn shelf(&mut self, provider: Option<ProviderId>) -> &mut Shelf {
        match provider {
            Some(provider) => self.own.entry(provider).or_default(),
            None => &mut self.global,
        }
    }

    /// The catalogue below the rules.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whose prices of the catalogue a provider has: those of its channel, else those of the vendor that it is named after.
    #[must_use]
    pub fn vendor(&self, channel: &str, provider: &str) -> Option<Vendor> {
        self.catalogue.vendor(channel).or_else(|| self.catalogue.vendor(provider))
    }

    /// Finds the price of an upstream model. Allocates nothing.
    #[must_use]
    pub fn find(&self, provider: ProviderId, vendor: Option<Vendor>, model: &str) -> Lookup<'_> {
        let own = self.own.get(&provider);
        let shelves = || own.into_iter().chain([&self.global]);
        let exact = || shelves().find_map(|shelf| shelf.exact.get(model));
        let globs = || shelves().find_map(|shelf| shelf.globs.iter().find(|(glob, ..)| glob.matches(model)).map(|(.., entry)| entry));
        let listed = || vendor.and_then(|vendor| self.catalogue.find(vendor, model)).map(|row| &row.entry);
        let default = || shelves().find_map(|shelf| shelf.default.as_ref());
        exact().or_else(globs).or_else(listed).or_else(default).map_or(Lookup::Unpriced, Lookup::Priced)
    }

    /// The limits of an upstream model, as far as the catalogue knows them.
    #[must_use]
    pub fn limits(&self, vendor: Option<Vendor>, model: &str) -> Limits {
        vendor.and_then(|vendor| self.catalogue.find(vendor, model)).map(|row| row.entry.limits).unwrap_or_default()
    }
}

impl Shelf {
    /// Keeps a rule; of two that find the same, the one that came first stays.
    fn put(&mut self, rule: &PriceRule, entry: Entry) {
        match rule.matches {
            Match::Exact => {
                self.exact.entry(rule.pattern.as_str().into()).or_insert(entry);
            }
            Match::Glob => self.globs.push((Glob::new(&rule.pattern), rule.id, entry)),
            Match::Default => {
                self.default.get_or_insert(entry);
            }
        }
    }
}

impl PriceRule {
    pub(super) fn compile(&self) -> Result<Entry, String> {
        check_pattern(self.matches, &self.pattern)?;
        let tariff = Tariff::from_json(&self.rates_json).map_err(|fault: RatesFault| fault.to_string())?;
        Ok(Entry {
            tariff,
            limits: Limits::default(),
            version: format!("rule:{}@{}", self.id, self.revision).into(),
            date: self.date.as_str().into(),
            origin: Origin::Rule(self.id),
        })
    }
}

/// Whether a pattern suits the way of matching.
pub(super) fn check_pattern(matches: Match, pattern: &str) -> Result<(), String> {
    match (matches, pattern.is_empty()) {
        (Match::Exact | Match::Glob, true) => Err("the pattern is empty; expected an upstream model's id or a glob".to_owned()),
        (Match::Default, false) => Err(format!("the pattern is {pattern:?}; a default rule has none")),
        (Match::Exact | Match::Glob, false) | (Match::Default, true) => Ok(()),
    }
}
