//! What a call may cost, before it is made.
//!
//! The worst case is what a strict quota reserves: for every candidate the dearest way in which the prompt may be billed
//! and the longest answer that may come back. It bounds the cost as long as the prompt is not longer than was estimated
//! and the upstream reports no other tier than the ordinary one or the one that was asked for.

use super::{
    book::Lookup,
    catalogue::Limits,
    price::{FINE, PROMPT, View},
    rates::{Piece, Tariff, Unit},
};
use crate::base::{Bucket, Counts, Modality, MoneyFault, Nanos};

/// The longest answer of a model whose limit nobody knows, in tokens.
pub const UNKNOWN_OUTPUT: u64 = 131_072;
/// The usual length of an answer where nobody has measured it, in tokens.
pub const TYPICAL_OUTPUT: u64 = 1_000;

/// What a quota reserves before a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The worst case: more than the quota cannot be spent.
    #[default]
    Strict,
    /// A typical cost: each call in flight may spend up to [`Quote::slack`] more.
    Estimate,
}

/// What a call is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Words only, in and out.
    Text,
    /// Pictures, sound or video, in or out. The estimated prompt is cut at the model's limit then.
    #[default]
    Any,
}

/// What is known of a call before it is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Estimated tokens of the whole prompt; see [`estimate_tokens`].
    pub prompt: u64,
    /// What it is made of.
    pub content: Content,
    /// Whether it asks for a cache that lives an hour.
    pub hour_cache: bool,
    /// The most that may come back, in tokens for one answer, as the client says; 0 for calls that answer no tokens.
    pub max_output: Option<u64>,
    /// The usual length of its answers, where it was measured.
    pub typical_output: Option<u64>,
    /// How many answers it asks for; 0 counts as one.
    pub answers: u64,
    /// The most pieces that may be counted.
    pub pieces: Counts,
    /// The service tier that it asks for.
    pub tier: Option<&'a str>,
}

/// One place where a call may go.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its price.
    pub price: Lookup<'a>,
    /// The limits of its model.
    pub limits: Limits,
}

/// What a call may cost, over all candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// The most.
    pub worst: Nanos,
    /// The usual; never above the most.
    pub typical: Nanos,
    /// How many candidates have no price. A caller with a budget is refused where there are any, or goes without them.
    pub unpriced: usize,
    /// The longest answer that was reckoned with, in tokens.
    pub output: u64,
}

impl Quote {
    /// What to reserve.
    #[must_use]
    pub fn reserve(&self, admission: Admission) -> Nanos {
        match admission {
            Admission::Strict => self.worst,
            Admission::Estimate => self.typical,
        }
    }

    /// By how much the call may overspend a reservation of its typical cost.
    #[must_use]
    pub fn slack(&self) -> Nanos {
        self.worst.checked_sub(self.typical).unwrap_or_default()
    }

    /// Reckons what a call may cost at each candidate.
    ///
    /// # Errors
    /// [`MoneyFault::TooLarge`] where it is beyond nine billion dollars.
    pub fn of(ask: &Ask<'_>, candidates: &[Candidate<'_>]) -> Result<Self, MoneyFault> {
        let mut quote = Self::default();
        for candidate in candidates {
            let output = ask.most_output(candidate.limits);
            quote.output = quote.output.max(output);
            match candidate.price {
                Lookup::Unpriced => quote.unpriced += 1,
                Lookup::Priced(entry) => {
                    let prompt = ask.prompt_for(candidate.limits);
                    quote.worst = quote.worst.max(ask.worst(&entry.tariff, prompt, output)?);
                    quote.typical = quote.typical.max(ask.typical(&entry.tariff, prompt, output)?);
                }
            }
        }
        quote.typical = quote.typical.min(quote.worst);
        Ok(quote)
    }
}

/// Tokens of a prompt, from its bytes: a quarter of them, rounded up.
#[must_use]
pub fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

impl Ask<'_> {
    fn prompt_for(&self, limits: Limits) -> u64 {
        match self.content {
            Content::Text => self.prompt,
            // The bytes of a picture say little about its tokens, but a prompt cannot be longer than what the model takes.
            Content::Any => limits.prompt.map_or(self.prompt, |limit| self.prompt.min(limit)),
        }
    }

    /// What the client allows, else what the model can, else [`UNKNOWN_OUTPUT`]; for each answer.
    fn most_output(&self, limits: Limits) -> u64 {
        self.max_output.or(limits.output).unwrap_or(UNKNOWN_OUTPUT).saturating_mul(self.answers.max(1))
    }

    fn worst(&self, tariff: &Tariff, prompt: u64, output: u64) -> Result<Nanos, MoneyFault> {
        // Below each limit of a band another price may hold, and shorter need not be cheaper.
        let lengths = || tariff.bands().iter().map(|band| band.above).filter(|above| (1..prompt).contains(above)).chain([prompt]);
        let mut most = 0;
        // The ordinary tier counts even where another is asked for: the upstream may fall back to it.
        for tier in [None].into_iter().chain(self.tier.map(Some)) {
            for length in lengths() {
                let view = View::new(tariff, length, tier);
                let input = self.dearest(view, PROMPT.into_iter().filter(|bucket| self.hour_cache || *bucket != Bucket::CacheWrite1h));
                let answer = self.dearest(view, [Bucket::Output, Bucket::Reasoning].into_iter());
                most = most.max(sum([(length, input), (output, answer)], self.pieces(view)?)?);
            }
        }
        rounded_up(most)
    }

    fn typical(&self, tariff: &Tariff, prompt: u64, output: u64) -> Result<Nanos, MoneyFault> {
        let view = View::new(tariff, prompt, self.tier);
        let usual = self.typical_output.unwrap_or(TYPICAL_OUTPUT).saturating_mul(self.answers.max(1)).min(output);
        let [input, answer] =
            [Bucket::Input, Bucket::Output].map(|bucket| view.price(Unit::Tokens(bucket, Modality::Text)).unwrap_or_default());
        rounded_up(sum([(prompt, input), (usual, answer)], self.pieces(view)?)?)
    }

    /// The highest price of a token in any of the buckets.
    fn dearest(&self, view: View<'_>, buckets: impl Iterator<Item = Bucket>) -> i128 {
        let counts = |modality: &Modality| match self.content {
            Content::Text => *modality == Modality::Text,
            // What has no price of its own is billed as text.
            Content::Any => *modality == Modality::Text || view.gives(*modality),
        };
        let modalities = Modality::ALL.map(|modality| Some(modality).filter(counts));
        let prices =
            buckets.flat_map(|bucket| modalities.iter().flatten().filter_map(move |modality| view.price(Unit::Tokens(bucket, *modality))));
        prices.max().unwrap_or_default()
    }

    fn pieces(&self, view: View<'_>) -> Result<i128, MoneyFault> {
        let counts = [
            (Piece::Request, 1, 1),
            (Piece::Image, self.pieces.images, 1),
            (Piece::Second, self.pieces.millis, 1000),
            (Piece::Search, self.pieces.searches, 1),
        ];
        counts.into_iter().try_fold(0_i128, |sum, (piece, count, parts)| {
            let price = view.price(Unit::Piece(piece)).unwrap_or_default() / parts;
            i128::from(count).checked_mul(price).and_then(|cost| cost.checked_add(sum)).ok_or(MoneyFault::TooLarge)
        })
    }
}

fn sum(tokens: [(u64, i128); 2], pieces: i128) -> Result<i128, MoneyFault> {
    tokens.into_iter().try_fold(pieces, |sum, (count, price)| {
        i128::from(count).checked_mul(price).and_then(|cost| cost.checked_add(sum)).ok_or(MoneyFault::TooLarge)
    })
}

/// Rounded up, so that no rounding of the cost is above it.
fn rounded_up(fine: i128) -> Result<Nanos, MoneyFault> {
    let floor = fine.div_euclid(FINE);
    Nanos::from_wide(floor + i128::from(floor * FINE < fine))
}
