//! API keys: how they are made, and the digest that they are looked up by.

use sha2::{Digest as _, Sha256};

use crate::{base::Secret, runtime::Entropy};

/// The SHA-256 of a whole key.
pub type Digest = [u8; 32];

/// A fresh key, shown once.
#[derive(Debug)]
pub struct FreshKey {
    /// The key itself: `sk-`, a public id of 12 characters, a secret of 36.
    pub key: Secret<String>,
    /// The part that is safe to show and to log.
    pub prefix: String,
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PUBLIC: usize = 12;
const SECRET: usize = 36;

/// Makes a key with some 214 bits of randomness in its secret part.
#[must_use]
pub fn generate(entropy: &dyn Entropy) -> FreshKey {
    let mut text = String::with_capacity(3 + PUBLIC + SECRET);
    text.push_str("sk-");
    while text.len() < 3 + PUBLIC + SECRET {
        let mut random = [0; 64];
        entropy.fill(&mut random);
        // Values from 248 up would favour the alphabet's beginning.
        let fair = random.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(*byte % 62)]));
        text.extend(fair.take(3 + PUBLIC + SECRET - text.len()));
    }
    let prefix = prefix(&text);
    FreshKey { key: Secret::new(text), prefix }
}

/// The part of a key that is safe to show: of our own keys `sk-` and the public id, of others the first characters, at most a third.
#[must_use]
pub fn prefix(key: &str) -> String {
    let shown = if key.starts_with("sk-") && key.len() == 3 + PUBLIC + SECRET { 3 + PUBLIC } else { (key.len() / 3).min(8) };
    key.chars().take(shown).collect()
}

/// What a key is looked up by.
#[must_use]
pub fn digest(key: &str) -> Digest {
    Sha256::digest(key.as_bytes()).into()
}

/// The digest as it is stored, 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest_text(key: &str) -> String {
    digest(key).iter().fold(String::with_capacity(64), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        text
    })
}

/// Reads a stored digest.
#[must_use]
pub fn parse_digest(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}
