//! What a call costs, and how sure we are of it.
//!
//! Pure: prices come from the shipped catalogue and the operator's rules, usage from the meter. Everything is computed
//! exactly and rounded once for each request. A price that is not known is never zero: it is [`Lookup::Unpriced`].

mod book;
mod catalogue;
mod check;
mod named;
mod price;
mod quote;
mod rates;
mod rules;
#[cfg(test)]
mod tests;
pub mod verify;

pub use book::{Entry, Lookup, Match, Origin, PriceBook, PriceRule, RuleFault};
pub use catalogue::{Catalogue, CatalogueFault, CatalogueRow, Limits, Source, Vendor};
pub use check::{Oddity, check};
pub use price::{Cost, Missing, Parts, ServiceTier};
pub use quote::{Admission, Ask, Candidate, Content, Quote, TYPICAL_OUTPUT, UNKNOWN_OUTPUT, estimate_tokens};
pub use rates::{Band, Piece, RatesFault, Tariff, Unit};
pub use rules::{RuleLine, RuleLineFault, export, import};
