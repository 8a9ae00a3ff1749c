//! A guess at usage from lengths, for answers that were broken off or whose provider tells nothing.

use crate::base::{Bucket, Modality, Usage};

/// So many bytes of text are about one token.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of so many bytes of text, rounded up.
#[must_use]
pub fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Completes what was seen of a call's usage: a side of which nothing is known is guessed, and the answer is never
/// less than what was relayed of it. The caller marks the result as estimated.
#[must_use]
pub fn fill(seen: Option<Usage>, prompt_bytes: u64, relayed_text_bytes: u64) -> Usage {
    let mut usage = seen.unwrap_or_default();
    let prompt = [Bucket::Input, Bucket::CacheRead, Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h];
    if prompt.iter().all(|bucket| usage.bucket(*bucket) == 0) {
        usage.set(Bucket::Input, Modality::Text, tokens(prompt_bytes));
    }
    let told = usage.bucket(Bucket::Output) + usage.bucket(Bucket::Reasoning);
    let missing = tokens(relayed_text_bytes).saturating_sub(told);
    usage.set(Bucket::Output, Modality::Text, usage.get(Bucket::Output, Modality::Text) + missing);
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_rounds_up_and_never_lowers_what_was_told() {
        let usage = fill(None, 9, 5);
        assert_eq!((usage.bucket(Bucket::Input), usage.bucket(Bucket::Output)), (3, 2));
        let mut seen = Usage::default();
        seen.set(Bucket::CacheRead, Modality::Text, 7);
        seen.set(Bucket::Reasoning, Modality::Text, 4);
        seen.set(Bucket::Output, Modality::Text, 1);
        let usage = fill(Some(seen), 4000, 40);
        assert_eq!((usage.bucket(Bucket::Input), usage.bucket(Bucket::CacheRead)), (0, 7));
        assert_eq!((usage.bucket(Bucket::Output), usage.bucket(Bucket::Reasoning)), (6, 4));
        assert_eq!(fill(Some(seen), 4000, 8), seen);
        assert!(fill(None, 0, 0).is_zero());
    }
}
