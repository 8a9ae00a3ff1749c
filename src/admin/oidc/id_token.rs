//! An ID token: who signed it, for whom, for which sign-in (OpenID Connect Core 1.0, section 3.1.3.7).
//!
//! Pure but for the [`Verify`] that it is given. The header chooses nothing but a key: the algorithm must be one of public keys and
//! fit the key, so neither `none` nor a public key taken for a shared secret has a way in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{fault::Rejected, jwks::Jwk};
use crate::runtime::{Scheme, Signed, Verify};

/// How far the provider's clock may be from ours.
const LEEWAY_S: u64 = 120;

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// When the sign-in began, Unix milliseconds.
    pub(super) since_ms: u64,
    pub(super) now_ms: u64,
}

/// What a token that is believed says of a person.
#[derive(Debug, PartialEq)]
pub(super) struct Claims {
    /// Who it is to the provider, for ever.
    pub(super) subject: String,
    /// All of it.
    pub(super) members: Map<String, Value>,
}

/// Checks a token. [`Rejected::UnknownKey`] may be another thing once the keys are read anew.
pub(super) fn check(token: &str, keys: &[Jwk], verify: &dyn Verify, expected: &Expected<'_>) -> Result<Claims, Rejected> {
    let payload = believed(token, keys, verify)?;
    let members: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| Rejected::Malformed)?;
    addressed(&members, expected)?;
    timely(&members, expected)?;
    let nonce = text(&members, "nonce").unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(Rejected::Nonce);
    }
    let subject = text(&members, "sub").filter(|subject| !subject.is_empty() && subject.len() <= 255);
    Ok(Claims { subject: subject.ok_or(Rejected::Subject)?.to_owned(), members })
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What a key of the provider's signed.
fn believed(token: &str, keys: &[Jwk], verify: &dyn Verify) -> Result<Vec<u8>, Rejected> {
    let (message, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Rejected::Malformed)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Malformed);
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Rejected::Malformed)?;
    let scheme = Scheme::parse(&header.alg).ok_or(Rejected::Algorithm)?;
    if header.crit.is_some() {
        return Err(Rejected::Critical);
    }
    let signature = decoded(signature)?;
    let signed = Signed { message: message.as_bytes(), signature: &signature };
    let is_named = |key: &&Jwk| header.kid.is_none() || key.id == header.kid;
    let mut fitting = keys.iter().filter(is_named).filter(|key| key.fits(scheme)).peekable();
    if fitting.peek().is_none() {
        return Err(Rejected::UnknownKey);
    }
    if fitting.any(|key| verify.verify(&key.key, scheme, signed)) {
        return decoded(payload);
    }
    // Without a name the right key may be one that is not read yet.
    Err(if header.kid.is_none() { Rejected::UnknownKey } else { Rejected::Signature })
}

fn addressed(members: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Rejected> {
    if text(members, "iss") != Some(expected.issuer) {
        return Err(Rejected::Issuer);
    }
    let is_us = |value: &Value| value.as_str() == Some(expected.client_id);
    let (is_for_us, others) = match members.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_us), all.iter().any(|one| !is_us(one))),
        one => (one.is_some_and(is_us), false),
    };
    // Of several, the one who asked for it must be named.
    let asked = members.get("azp").map_or(!others, is_us);
    if is_for_us && asked { Ok(()) } else { Err(Rejected::Audience) }
}

fn timely(members: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Rejected> {
    let (now, since) = (expected.now_ms / 1000, expected.since_ms / 1000);
    let expires = seconds(members, "exp").ok_or(Rejected::Expired)?;
    if expires.saturating_add(LEEWAY_S) <= now {
        return Err(Rejected::Expired);
    }
    let issued = seconds(members, "iat").ok_or(Rejected::Untimely)?;
    let begins = seconds(members, "nbf").unwrap_or(issued);
    let is_of_now = issued.max(begins) <= now.saturating_add(LEEWAY_S) && issued.saturating_add(LEEWAY_S) >= since;
    if is_of_now { Ok(()) } else { Err(Rejected::Untimely) }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

/// A NumericDate: seconds, which may have a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float becomes the nearest number that there is")]
fn seconds(members: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = members.get(name)?;
    value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}
