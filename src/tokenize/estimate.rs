//! A guess at tokens from the characters of a text.

/// A guess is made in quarters of a token.
const QUARTERS: u64 = 4;

/// Quarters of a token of a text.
pub(super) fn quarters(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    text.chars().map(quarters_of).sum()
}

/// Whole tokens, rounded up.
pub(super) fn tokens(quarters: u64) -> u64 {
    quarters.div_ceil(QUARTERS)
}

/// Four Latin letters are about a token, two of another alphabet, one of Han, Kana or Hangul; an emoji is about two.
fn quarters_of(char: char) -> u64 {
    match u32::from(char) {
        0..=0x024f | 0x1e00..=0x1eff | 0x2000..=0x206f => 1,
        0x2e80..=0x9fff | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0xfe30..=0xfe4f | 0xff00..=0xffef | 0x20000..=0x3ffff => 4,
        0x10000.. => 8,
        _ => 2,
    }
}
