//! What one call costs: exact, rounded once, and honest about what has no price.

use super::rates::{Band, Piece, TOKEN_UNITS, Tariff, Unit, WHOLE};
use crate::base::{Bucket, Modality, MoneyFault, Nanos, Usage};

/// Exact sums are in this part of a nano-dollar: a price is for a million units, a multiplier is in millionths.
pub(super) const FINE: i128 = 1_000_000 * WHOLE as i128;
/// A column for each bucket, then one for each piece.
const PARTS: usize = Bucket::ALL.len() + Piece::ALL.len();
/// What upstreams call the tier that has no name.
const STANDARD: [&str; 4] = ["", "default", "standard", "auto"];

/// What one call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// All of it.
    pub nanos: Nanos,
    /// What it is made of; the parts add up to the whole.
    pub parts: Parts,
    /// What was used and has no price. Where it is not empty the call belongs into the unpriced inbox.
    pub missing: Missing,
    /// The context tier: the prompt had more tokens than this; 0 where the plain prices were used.
    pub above: u64,
    /// What became of the service tier that the upstream reported.
    pub tier: ServiceTier,
}

/// What became of a reported service tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTier {
    /// None was reported, or the ordinary one.
    Standard,
    /// It has prices of its own, or a multiplier.
    Own,
    /// It has none, and was billed as the ordinary one.
    Unknown,
}

/// A cost by bucket and piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts([Nanos; PARTS]);

impl Parts {
    /// What the tokens of one bucket cost.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> Nanos {
        self.0[bucket as usize]
    }

    /// What one kind of pieces cost.
    #[must_use]
    pub fn piece(&self, piece: Piece) -> Nanos {
        self.0[Bucket::ALL.len() + piece as usize]
    }
}

/// Units that were used and have no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing(u32);

impl Missing {
    /// Whether everything that was used has a price.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The units.
    pub fn units(self) -> impl Iterator<Item = Unit> {
        Unit::all().filter(move |unit| self.0 & (1 << unit.slot()) != 0)
    }

    fn add(&mut self, unit: Unit) {
        self.0 |= 1 << unit.slot();
    }
}

/// Which bands of a tariff hold for one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    bands: &'a [Band],
    /// A bit for each band that holds; the most particular first.
    holds: u64,
    /// The tier's multiplier, in millionths.
    times: u32,
    tier: ServiceTier,
}

impl<'a> View<'a> {
    /// For a prompt of so many tokens, cached ones included, on a service tier.
    pub(super) fn new(tariff: &'a Tariff, prompt: u64, tier: Option<&str>) -> Self {
        let bands = tariff.bands();
        let plain = tier.is_none_or(|tier| STANDARD.iter().any(|plain| plain.eq_ignore_ascii_case(tier)));
        let mut view = Self { bands, holds: 0, times: WHOLE, tier: if plain { ServiceTier::Standard } else { ServiceTier::Unknown } };
        let mut times = None;
        for (at, band) in bands.iter().enumerate() {
            if let Some(own) = &band.tier {
                if !tier.is_some_and(|tier| tier.eq_ignore_ascii_case(own)) {
                    continue;
                }
                view.tier = ServiceTier::Own;
            }
            if band.above == 0 || band.above < prompt {
                view.holds |= 1 << at;
                times = times.or(band.times());
            }
        }
        view.times = times.unwrap_or(WHOLE);
        view
    }

    /// The bands that hold, the most particular first.
    fn held(self) -> impl Iterator<Item = &'a Band> {
        let mut left = self.holds;
        std::iter::from_fn(move || {
            let at = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            self.bands.get(at)
        })
    }

    /// The price of a unit in millionths, after the tier's multiplier.
    pub(super) fn price(self, unit: Unit) -> Option<i128> {
        match unit {
            Unit::Tokens(bucket, modality) => {
                let chain = fallbacks(bucket);
                let along = |modality| chain.iter().find_map(move |bucket| self.given(Unit::Tokens(*bucket, modality)));
                along(modality).or_else(|| if modality == Modality::Text { None } else { along(Modality::Text) })
            }
            Unit::Piece(_) => self.given(unit),
        }
    }

    /// The price that the tariff gives for just this unit.
    pub(super) fn given(self, unit: Unit) -> Option<i128> {
        let slot = unit.slot();
        let (band, price) = self.held().find_map(|band| Some((band, band.at(slot)?)))?;
        let times = if slot < TOKEN_UNITS && band.tier.is_none() { self.times } else { WHOLE };
        // Below 2^63 times 2^30.
        Some(price.wide() * i128::from(times))
    }

    /// Whether the modality has a price of its own; else its tokens are billed as text.
    pub(super) fn gives(self, modality: Modality) -> bool {
        self.held().any(|band| band.gives(modality))
    }

    fn above(self) -> u64 {
        self.held().next().map_or(0, |band| band.above)
    }
}

/// Where the price of tokens is looked for: in the modality along the buckets, then as text along the buckets.
///
/// Reasoning is billed as output, a cache read as input. A cache write takes the price of the next longer life, else of
/// the next shorter one, else of input.
fn fallbacks(bucket: Bucket) -> &'static [Bucket] {
    match bucket {
        Bucket::Input => &[Bucket::Input],
        Bucket::CacheRead => &[Bucket::CacheRead, Bucket::Input],
        Bucket::CacheWrite5m => &[Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h, Bucket::Input],
        Bucket::CacheWrite30m => &[Bucket::CacheWrite30m, Bucket::CacheWrite1h, Bucket::CacheWrite5m, Bucket::Input],
        Bucket::CacheWrite1h => &[Bucket::CacheWrite1h, Bucket::CacheWrite30m, Bucket::CacheWrite5m, Bucket::Input],
        Bucket::Output => &[Bucket::Output],
        Bucket::Reasoning => &[Bucket::Reasoning, Bucket::Output],
    }
}

/// Buckets that make up a prompt.
pub(super) const PROMPT: [Bucket; 5] =
    [Bucket::Input, Bucket::CacheRead, Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h];

/// A sum that is being made.
#[derive(Debug, Default)]
struct Sum {
    fine: [i128; PARTS],
    missing: Missing,
    pieces_priced: bool,
}

impl Tariff {
    /// What a call cost, on the service tier that the upstream reported.
    ///
    /// # Errors
    /// [`MoneyFault::TooLarge`] where the cost is beyond nine billion dollars.
    pub fn cost(&self, usage: &Usage, service_tier: Option<&str>) -> Result<Cost, MoneyFault> {
        let prompt = PROMPT.iter().fold(0_u64, |sum, bucket| sum.saturating_add(tokens_of(usage, *bucket)));
        let view = View::new(self, prompt, service_tier);
        let mut sum = Sum::default();
        self.add_pieces(&mut sum, view, usage)?;
        self.add_tokens(&mut sum, view, usage)?;
        let (nanos, parts) = round(&sum.fine)?;
        Ok(Cost { nanos, parts, missing: sum.missing, above: view.above(), tier: view.tier })
    }

    fn add_pieces(&self, sum: &mut Sum, view: View<'_>, usage: &Usage) -> Result<(), MoneyFault> {
        // Each with the parts of a piece that one count stands for.
        let counts = [
            (Piece::Request, u64::from(!usage.is_zero()), 1),
            (Piece::Image, usage.counts.images, 1),
            (Piece::Second, usage.counts.millis, 1000),
            (Piece::Search, usage.counts.searches, 1),
        ];
        for (piece, count, parts) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
            let Some(price) = view.price(Unit::Piece(piece)) else {
                // Images and seconds of a model that is paid by token are in its tokens; requests are rarely paid for.
                let included = piece == Piece::Request || (piece != Piece::Search && self.prices_tokens());
                if !included {
                    sum.missing.add(Unit::Piece(piece));
                }
                continue;
            };
            sum.pieces_priced |= piece != Piece::Request;
            // The price is in millionths of a whole nano-dollar, so a thousandth of it is exact.
            let fine = i128::from(count).checked_mul(price / parts).ok_or(MoneyFault::TooLarge)?;
            sum.fine[Bucket::ALL.len() + piece as usize] = fine;
        }
        Ok(())
    }

    fn add_tokens(&self, sum: &mut Sum, view: View<'_>, usage: &Usage) -> Result<(), MoneyFault> {
        for bucket in Bucket::ALL {
            for modality in Modality::ALL {
                let count = usage.get(bucket, modality);
                if count == 0 {
                    continue;
                }
                let Some(price) = view.price(Unit::Tokens(bucket, modality)) else {
                    // What is paid by the piece may report tokens too.
                    if self.prices_tokens() || !sum.pieces_priced {
                        sum.missing.add(Unit::Tokens(bucket, modality));
                    }
                    continue;
                };
                let part = &mut sum.fine[bucket as usize];
                let fine = i128::from(count).checked_mul(price).and_then(|fine| part.checked_add(fine));
                *part = fine.ok_or(MoneyFault::TooLarge)?;
            }
        }
        Ok(())
    }

    fn prices_tokens(&self) -> bool {
        self.bands().iter().any(Band::prices_tokens)
    }
}

fn tokens_of(usage: &Usage, bucket: Bucket) -> u64 {
    Modality::ALL.iter().fold(0, |sum: u64, modality| sum.saturating_add(usage.get(bucket, *modality)))
}

/// Rounds the whole once; each part is the step that the rounded running sum makes, so that they add up.
fn round(fine: &[i128; PARTS]) -> Result<(Nanos, Parts), MoneyFault> {
    let mut parts = Parts::default();
    let (mut running, mut rounded) = (0_i128, Nanos::ZERO);
    for (part, fine) in parts.0.iter_mut().zip(fine).filter(|(_, fine)| **fine > 0) {
        running = running.checked_add(*fine).ok_or(MoneyFault::TooLarge)?;
        let next = Nanos::rounded(running, FINE)?;
        *part = next.checked_sub(rounded).ok_or(MoneyFault::TooLarge)?;
        rounded = next;
    }
    Ok((rounded, parts))
}
