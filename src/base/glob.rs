//! The pattern that permissions, limits and prices match names with.

use std::fmt;

/// A pattern over a whole name: `*` stands for any run of characters, `?` for one; all else is literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

impl Glob {
    /// Takes any text as a pattern; every text is a valid one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Tells whether the whole of `name` fits. Linear in pattern times name at worst, without allocation.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.fits(name, |_| true)
    }

    /// Tells whether every name that fits `other` fits this one. Where that is hard to say, it says no.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // Read as a name, a run in the other pattern may only be taken by a run in this one.
        self.fits(&other.0, |byte| byte != b'*')
    }

    fn fits(&self, name: &str, is_one: impl Fn(u8) -> bool) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(b'?') if is_one(name[n]) => {
                    p += 1;
                    n += char_len(name[n]);
                }
                Some(byte) if *byte == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => {
                    let Some((star_at, taken)) = star else { return false };
                    star = Some((star_at, taken + 1));
                    p = star_at + 1;
                    n = taken + 1;
                }
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes of the UTF-8 character that begins with `first`.
fn char_len(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_pattern_fits_the_whole_name_or_nothing() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*", "openai/gpt-5", true),
            ("openai/*", "openai/gpt-5", true),
            ("openai/*", "openai", false),
            ("gpt-?", "gpt-5", true),
            ("gpt-?", "gpt-é", true),
            ("gpt-?", "gpt-", false),
            ("*mini*", "gpt-5-mini-2026", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("", "x", false),
            ("GPT", "gpt", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), fits, "{pattern} against {name}");
        }
    }

    #[test]
    fn a_pattern_covers_those_that_open_no_more() {
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", "openai/gpt-?", true),
            ("openai/*", "openai/gpt-*", true),
            ("openai/*", "openai/*", true),
            ("openai/*", "*", false),
            ("openai/*", "openai*", false),
            ("gpt-?", "gpt-?", true),
            ("gpt-?", "gpt-*", false),
            ("gpt-?", "gpt-5", true),
            ("gpt-5", "gpt-?", false),
            ("*mini*", "gpt-*-mini", true),
            ("a*b", "a*", false),
        ] {
            assert_eq!(Glob::new(wide).covers(&Glob::new(narrow)), covers, "{wide} over {narrow}");
        }
    }
}
