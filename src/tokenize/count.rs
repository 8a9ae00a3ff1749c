//! Counting with what is known of a model.

use std::{
    iter::Sum,
    ops::{Add, AddAssign},
    sync::Arc,
};

use super::{
    estimate,
    exact::{self, Vocabulary},
    model::Encoding,
};

/// A number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub tokens: u64,
    /// Whether the model's own vocabulary says so; otherwise it is an estimate, to be called one.
    pub exact: bool,
}

impl Count {
    /// Nothing, counted exactly.
    pub const NONE: Self = Self { tokens: 0, exact: true };
}

impl Add for Count {
    type Output = Self;

    /// A sum is exact if all of it is.
    fn add(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), exact: self.exact && other.exact }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::NONE, Add::add)
    }
}

/// What is no text. Providers differ, and reckon by size; these are middling figures, always an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A picture of usual size.
    Image,
    /// A page of a document.
    Page,
    /// A second of sound.
    AudioSecond,
    /// A second of moving pictures.
    VideoSecond,
}

impl Media {
    /// So many of it.
    #[must_use]
    pub const fn count(self, number: u64) -> Count {
        let each = match self {
            Self::Image => 1000,
            Self::Page => 1500,
            Self::AudioSecond => 32,
            Self::VideoSecond => 300,
        };
        Count { tokens: number.saturating_mul(each), exact: false }
    }
}

/// What counts for one model.
#[derive(Clone, Debug)]
pub struct Counter(Way);

#[derive(Clone, Debug)]
enum Way {
    Encoding(Encoding),
    Vocabulary(Arc<Vocabulary>),
    Estimate,
}

impl Counter {
    /// What counts for a model: OpenAI's encodings by its name, else its vocabulary where there is one, else an estimate.
    #[must_use]
    pub fn of(model: &str, vocabulary: Option<Arc<Vocabulary>>) -> Self {
        Self(match (Encoding::of(model), vocabulary) {
            (Some(encoding), _) => Way::Encoding(encoding),
            (None, Some(vocabulary)) => Way::Vocabulary(vocabulary),
            (None, None) => Way::Estimate,
        })
    }

    /// What estimates, whatever the model.
    #[must_use]
    pub fn estimate() -> Self {
        Self(Way::Estimate)
    }

    /// Makes ready what counting needs: the first use of an encoding takes a quarter of a second. A counter that nobody
    /// made ready does so at its first count.
    pub fn prepare(&self) {
        self.exactly("a");
    }

    /// Counts the pieces of a text, each by itself. What a provider adds between messages is not in it.
    #[must_use]
    pub fn count<'t>(&self, pieces: impl IntoIterator<Item = &'t str>) -> Count {
        let mut total = Count::NONE;
        let mut quarters = 0;
        for piece in pieces {
            match self.exactly(piece) {
                Some(count) => total += count,
                None => quarters += estimate::quarters(piece),
            }
        }
        if quarters > 0 {
            total += Count { tokens: estimate::tokens(quarters), exact: false };
        }
        total
    }

    fn exactly(&self, piece: &str) -> Option<Count> {
        if piece.is_empty() {
            return Some(Count::NONE);
        }
        match &self.0 {
            Way::Encoding(encoding) => exact::encoded(*encoding, piece),
            Way::Vocabulary(vocabulary) => vocabulary.count(piece),
            Way::Estimate => None,
        }
    }
}
