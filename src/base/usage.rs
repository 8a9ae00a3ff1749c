//! What one call used, in disjoint buckets.

use serde::{Deserialize, Serialize};

/// A kind of tokens. No token is in two buckets, so a total is a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Prompt tokens that came from no cache and went into none.
    Input,
    /// Prompt tokens read from the provider's cache.
    CacheRead,
    /// Prompt tokens written to a cache that lives 5 minutes.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Prompt tokens written to a cache that lives 30 minutes.
    #[serde(rename = "cache_write_30m")]
    CacheWrite30m,
    /// Prompt tokens written to a cache that lives an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Answer tokens that the client sees.
    Output,
    /// Answer tokens spent on reasoning.
    Reasoning,
}

impl Bucket {
    /// Every bucket, in the order of their columns.
    pub const ALL: [Self; 7] =
        [Self::Input, Self::CacheRead, Self::CacheWrite5m, Self::CacheWrite30m, Self::CacheWrite1h, Self::Output, Self::Reasoning];
}

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Words.
    Text,
    /// Pictures.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

impl Modality {
    /// Every modality, in the order of the table's columns.
    pub const ALL: [Self; 4] = [Self::Text, Self::Image, Self::Audio, Self::Video];
}

/// Things that are counted by the piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Images made.
    pub images: u64,
    /// Audio or video, in milliseconds.
    pub millis: u64,
    /// Searches run by the provider (web search, rerank units).
    pub searches: u64,
}

/// What one call used: tokens by [`Bucket`] and [`Modality`], and [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    tokens: [[u64; 4]; 7],
    /// What is counted by the piece.
    pub counts: Counts,
}

impl Usage {
    /// How many numbers it has.
    pub const FIGURES: usize = 31;

    /// Tokens of one bucket and modality.
    #[must_use]
    pub fn get(&self, bucket: Bucket, modality: Modality) -> u64 {
        self.tokens[bucket as usize][modality as usize]
    }

    /// Sets the tokens of one bucket and modality.
    pub fn set(&mut self, bucket: Bucket, modality: Modality, tokens: u64) {
        self.tokens[bucket as usize][modality as usize] = tokens;
    }

    /// Tokens of one bucket over all modalities.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> u64 {
        self.tokens[bucket as usize].iter().sum()
    }

    /// All tokens.
    #[must_use]
    pub fn total(&self) -> u64 {
        Bucket::ALL.iter().map(|bucket| self.bucket(*bucket)).sum()
    }

    /// Whether nothing at all was used.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The numbers that are not zero, each with its place among all of them: the buckets in their order, each by modality, then the counts.
    pub fn figures(&self) -> impl Iterator<Item = (u8, u64)> {
        let Counts { images, millis, searches } = self.counts;
        let all = self.tokens.as_flattened().iter().copied().chain([images, millis, searches]);
        (0..).zip(all).filter(|(_, figure)| *figure != 0)
    }

    /// The usage that gives these figures; `None` where there is no such place.
    #[must_use]
    pub fn of_figures(figures: &[(u8, u64)]) -> Option<Self> {
        let mut usage = Self::default();
        for (place, figure) in figures {
            let tokens = usage.tokens.as_flattened_mut();
            let behind = usize::from(*place).checked_sub(tokens.len());
            let slot = match behind {
                None => &mut tokens[usize::from(*place)],
                Some(0) => &mut usage.counts.images,
                Some(1) => &mut usage.counts.millis,
                Some(2) => &mut usage.counts.searches,
                Some(_) => return None,
            };
            *slot = *figure;
        }
        Some(usage)
    }

    /// Whether any token is not text, so that the totals by bucket do not say everything.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.tokens.iter().any(|row| row[1..].iter().any(|tokens| *tokens > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Counts, Modality, Usage};

    #[test]
    fn its_figures_give_a_usage_back() {
        let mut usage = Usage { counts: Counts { images: 2, millis: 0, searches: 7 }, ..Usage::default() };
        for (bucket, tokens) in Bucket::ALL.into_iter().zip(0..) {
            usage.set(bucket, Modality::ALL[bucket as usize % 4], tokens * 1000);
        }
        let figures: Vec<(u8, u64)> = usage.figures().collect();
        assert_eq!(figures.len(), 8, "nothing that is zero");
        assert_eq!(Usage::of_figures(&figures), Some(usage));
        let all: Vec<(u8, u64)> = (0..).zip(1..=Usage::FIGURES as u64).collect();
        assert_eq!(Usage::of_figures(&all).unwrap().figures().collect::<Vec<_>>(), all);
        assert_eq!(Usage::of_figures(&[(31, 1)]), None, "there is no such place");
    }
}
