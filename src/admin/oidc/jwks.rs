//! The public keys of a provider (RFC 7517), as far as they sign.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::runtime::{PublicKey, Scheme};

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jwk {
    /// Its name.
    pub(super) id: Option<String>,
    /// The only way it signs, where it says so.
    pub(super) scheme: Option<Scheme>,
    /// The key.
    pub(super) key: PublicKey,
}

impl Jwk {
    /// Whether it may have signed this way.
    pub(super) fn fits(&self, scheme: Scheme) -> bool {
        self.key.family() == scheme.family() && self.scheme.is_none_or(|own| own == scheme)
    }
}

/// Reads a set of keys. Those that are of no use here are left out; `None` where it is no set.
pub(super) fn read(body: &[u8]) -> Option<Vec<Jwk>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let Set { keys } = serde_json::from_slice(body).ok()?;
    Some(keys.iter().filter_map(one).collect())
}

fn one(value: &Value) -> Option<Jwk> {
    let text = |name: &str| value[name].as_str();
    if text("use").is_some_and(|told| told != "sig") {
        return None;
    }
    let scheme = match text("alg") {
        Some(name) => Some(Scheme::parse(name)?),
        None => None,
    };
    let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty());
    let point = |size: usize| {
        let (x, y) = (number("x")?, number("y")?);
        (x.len() == size && y.len() == size).then(|| [&[4], &*x, &*y].concat())
    };
    let key = match (text("kty")?, text("crv")) {
        ("RSA", _) => PublicKey::Rsa { modulus: shortened(number("n")?), exponent: shortened(number("e")?) },
        ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
        ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(number("x")?),
        _ => return None,
    };
    Some(Jwk { id: text("kid").map(str::to_owned), scheme, key })
}

/// Some providers write leading zeros, which RFC 7518 forbids.
fn shortened(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}
