//! How upstreams want their key, by family.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::{base::Secret, channel::PrepareFault, protocol::Family};

/// Anthropic's version header; theirs is sent on, else the newest that the API has.
pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Puts the key where a family's own API takes it: Bearer, `x-api-key` (with `anthropic-version`), `x-goog-api-key`.
///
/// # Errors
/// [`PrepareFault::Address`] where the key cannot stand in a header.
pub fn by_family(family: Family, secret: &Secret<String>, headers: &mut HeaderMap) -> Result<(), PrepareFault> {
    match family {
        Family::OpenAi => bearer(secret, headers),
        Family::Claude => {
            headers.insert(X_API_KEY, value(secret.expose().clone())?);
            headers.entry(ANTHROPIC_VERSION).or_insert(HeaderValue::from_static("2023-06-01"));
            Ok(())
        }
        Family::Gemini => {
            headers.insert(X_GOOG_API_KEY, value(secret.expose().clone())?);
            Ok(())
        }
    }
}

/// How a vendor takes its key, given the family of the call.
pub type Proof = fn(Family, &Secret<String>, &mut HeaderMap) -> Result<(), PrepareFault>;

/// `Authorization: Bearer`, whatever the family.
///
/// # Errors
/// [`PrepareFault::Address`] where the key cannot stand in a header.
pub fn always_bearer(_family: Family, secret: &Secret<String>, headers: &mut HeaderMap) -> Result<(), PrepareFault> {
    bearer(secret, headers)
}

/// `Authorization: Bearer`.
///
/// # Errors
/// [`PrepareFault::Address`] where the key cannot stand in a header.
pub fn bearer(secret: &Secret<String>, headers: &mut HeaderMap) -> Result<(), PrepareFault> {
    headers.insert(AUTHORIZATION, value(["Bearer ", secret.expose()].concat())?);
    Ok(())
}

/// Takes the text over as it lies: nothing else of the size of a key is copied for each call.
fn value(text: String) -> Result<HeaderValue, PrepareFault> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(text))
        .map_err(|_| PrepareFault::Address("the credential cannot stand in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
