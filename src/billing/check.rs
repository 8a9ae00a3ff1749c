//! What looks wrong in a tariff. An oddity is a question to a person, not a fault: prices may be odd and right.

use std::fmt;

use super::{
    price::View,
    rates::{Band, TOKEN_UNITS, Tariff, Unit},
};
use crate::base::{Bucket, Modality};

/// Something that looks like a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// Nothing costs anything.
    Free,
    /// Reading from the cache costs more than fresh input.
    CacheRead,
    /// Writing to the cache costs less than the input, or more than four times as much.
    CacheWrite,
    /// The output costs less than half of the input, or more than thirty times as much.
    Output,
    /// A longer prompt is cheaper.
    Above,
    /// The tier `batch` or `flex` costs more than the ordinary one.
    CheapTier,
    /// The tier `priority` or `fast` costs less than the ordinary one.
    DearTier,
    /// More than 1000 dollars for a million tokens, or 20 where there is no price of output.
    Dear,
}

impl Oddity {
    /// Its name in a catalogue's excuses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::Output => "output",
            Self::Above => "above",
            Self::CheapTier => "cheap_tier",
            Self::DearTier => "dear_tier",
            Self::Dear => "dear",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "nothing costs anything",
            Self::CacheRead => "reading from the cache costs more than fresh input",
            Self::CacheWrite => "writing to the cache costs less than the input, or more than four times as much",
            Self::Output => "the output costs less than half of the input, or more than thirty times as much",
            Self::Above => "a longer prompt is cheaper",
            Self::CheapTier => "the tier batch or flex costs more than the ordinary one",
            Self::DearTier => "the tier priority or fast costs less than the ordinary one",
            Self::Dear => "a million tokens cost more than 1000 dollars, or 20 without a price of output",
        })
    }
}

const fn text(bucket: Bucket) -> Unit {
    Unit::Tokens(bucket, Modality::Text)
}

/// Prices are compared in the parts of a nano-dollar that sums are made in.
const DOLLAR: i128 = 1_000_000_000_000_000;

/// What looks wrong in a tariff: each oddity once, in order.
#[must_use]
pub fn check(tariff: &Tariff) -> Vec<Oddity> {
    let cells = || tariff.bands().iter().flat_map(Band::cells);
    let free = cells().all(|(_, price)| price.get() == 0);
    let mut found = Vec::new();
    if free {
        found.push(Oddity::Free);
    }
    if cells().any(|(unit, price)| unit.slot() < TOKEN_UNITS && price.get() > 1000 * 1_000_000_000) {
        found.push(Oddity::Dear);
    }
    let base = View::new(tariff, 0, None);
    for band in tariff.bands() {
        // A view of one token more than the band's limit sees the band.
        let tier = band.tier.as_deref();
        let view = View::new(tariff, band.above.saturating_add(1), tier);
        let Some(input) = view.given(text(Bucket::Input)) else { continue };
        found.extend(against_input(view, input, free || (tier.is_some() && band.get(text(Bucket::Output)).is_none())));
        let plain = View::new(tariff, band.above.saturating_add(1), None);
        for unit in [text(Bucket::Input), text(Bucket::Output)] {
            let (Some(here), Some(first), Some(ordinary)) = (view.given(unit), base.given(unit), plain.given(unit)) else { continue };
            match tier {
                None if here < first => found.push(Oddity::Above),
                Some("batch" | "flex") if here > ordinary => found.push(Oddity::CheapTier),
                Some("priority" | "fast") if here < ordinary => found.push(Oddity::DearTier),
                None | Some(_) => {}
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What is odd beside the price of input; the ratio of the output is left out where the band does not set it.
fn against_input(view: View<'_>, input: i128, skip_output: bool) -> impl Iterator<Item = Oddity> {
    let price = |bucket| view.given(text(bucket));
    let writes = [Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h];
    let output = price(Bucket::Output);
    let off = |output: i128| 2 * output < input || output > 30 * input;
    [
        price(Bucket::CacheRead).is_some_and(|read| read > input).then_some(Oddity::CacheRead),
        writes.into_iter().filter_map(price).any(|write| write < input || write > 4 * input).then_some(Oddity::CacheWrite),
        (!skip_output && output.is_some_and(off)).then_some(Oddity::Output),
        (output.is_none() && input > 20 * DOLLAR).then_some(Oddity::Dear),
    ]
    .into_iter()
    .flatten()
}
