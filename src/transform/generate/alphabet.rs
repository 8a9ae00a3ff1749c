//! Names that a dialect takes: their letters and their length.

use std::borrow::Cow;

use super::Dialect;

/// The most characters of OpenAI's `user`.
pub(super) const LONGEST_USER: usize = 64;
/// Letters of a digest, and the stroke before it.
const DIGEST: usize = 9;

/// The name in the letters and the length that a dialect takes; `None` where it is so already. The same name always becomes
/// the same one, and two different ones never do: what was replaced is told apart by a digest.
pub(super) fn fitted(name: &str, to: Dialect) -> Option<String> {
    let longest = longest(to);
    if !name.is_empty() && name.len() <= longest && begins(name, to) && name.chars().all(|letter| takes(letter, to)) {
        return None;
    }
    let mut plain = String::from(if begins(name, to) { "" } else { "_" });
    plain.extend(name.chars().map(|letter| if takes(letter, to) { letter } else { '_' }));
    plain.truncate(longest - DIGEST);
    Some(format!("{plain}_{:08x}", digest(name)))
}

const fn longest(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Chat | Dialect::Responses => 64,
        Dialect::Claude | Dialect::Gemini => 128,
    }
}

fn takes(letter: char, dialect: Dialect) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') || (dialect == Dialect::Gemini && matches!(letter, '.' | ':'))
}

fn begins(name: &str, dialect: Dialect) -> bool {
    dialect != Dialect::Gemini || name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
}

/// FNV-1a: short, stable, and no secret depends on it.
pub(super) fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A text within a limit of characters: its beginning and a digest of all of it where it is longer.
pub(super) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    if text.chars().count() <= longest {
        return Cow::Borrowed(text);
    }
    let digest = format!("_{:016x}", fnv(text.as_bytes()));
    let mut short: String = text.chars().take(longest - digest.len()).collect();
    short.push_str(&digest);
    Cow::Owned(short)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{Dialect, fitted, longest};

    #[test]
    fn a_name_that_fits_stays_and_any_other_becomes_one_that_does() {
        let long = "n".repeat(200);
        for to in Dialect::ALL {
            assert_eq!(fitted("read_file-2", to), None);
            for name in ["", "files.read", "mcp:files/read", "7up", "é", &long] {
                let Some(told) = fitted(name, to) else { continue };
                assert!(told.len() <= longest(to), "{told}");
                assert_eq!(fitted(&told, to), None, "{told}");
                assert_eq!(fitted(name, to), Some(told));
            }
        }
        assert_eq!(fitted("files.read", Dialect::Gemini), None);
        assert_ne!(fitted("files.read", Dialect::Claude), fitted("files/read", Dialect::Claude));
        assert_ne!(fitted(&long, Dialect::Chat), fitted(&"n".repeat(201), Dialect::Chat));
    }
}
