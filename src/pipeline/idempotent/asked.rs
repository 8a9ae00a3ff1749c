//! What is asked under an `Idempotency-Key`: the key by its caller and operation, and a digest of all that makes the call.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use crate::{
    pipeline::{authenticate::Authenticated, engine::Engine, error::GatewayError, form, unread},
    protocol::{catalog::CatalogRow, fault::FaultKind},
    runtime::Body,
};

/// The header that says which calls are one.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header as people write it.
pub(super) const SHOWN: &str = "Idempotency-Key";
/// The longest key, in bytes.
const LONGEST: usize = 255;

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// A call as it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The caller's API key, the operation, and the `Idempotency-Key`.
    pub(super) name: Digest,
    /// The path, the query and the body.
    pub(super) content: Digest,
}

impl Asked {
    /// Reads the key and the body of a call, and leaves it the body alone.
    ///
    /// # Errors
    /// A key that is empty, too long or given twice; a body that broke off or is too large.
    pub(super) async fn read(engine: &Engine, call: &mut Authenticated) -> Result<Self, GatewayError> {
        let body = std::mem::take(&mut call.call.inbound.body);
        let name = match key_of(&call.call.inbound.headers) {
            Ok(key) => name(call, key),
            Err(error) => return Err(unread(engine, body, error).await),
        };
        let body = body.collect(engine.limits.body).await?;
        let content = content(call, &body);
        call.call.inbound.body = Body::from(body);
        // To a provider it would be a key of our account, and two callers may well have the same.
        call.call.inbound.headers.remove(IDEMPOTENCY_KEY);
        Ok(Self { name, content })
    }
}

/// Whether a row's calls are kept to one: those that are paid and sent.
pub(super) fn covers(row: &CatalogRow) -> bool {
    row.metered() && row.method == Method::POST
}

fn key_of(headers: &HeaderMap) -> Result<&[u8], GatewayError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes);
    let key = keys.next().unwrap_or_default();
    if keys.any(|other| other != key) {
        return Err(bad("is given more than once with different values"));
    }
    if key.is_empty() || key.len() > LONGEST {
        return Err(bad(&format!("has {} bytes", key.len())));
    }
    Ok(key)
}

fn bad(what: &str) -> GatewayError {
    GatewayError::new(FaultKind::BadRequest, format!("the header {SHOWN} {what}; expected one value of 1 to {LONGEST} bytes")).at(SHOWN)
}

fn name(call: &Authenticated, key: &[u8]) -> Digest {
    let operation = call.call.row.key(false);
    digest(&[&call.caller.key().0.to_le_bytes(), operation.operation().id().as_bytes(), operation.kind().id().as_bytes(), key])
}

fn content(call: &Authenticated, body: &[u8]) -> Digest {
    let classified = &call.call;
    let (scope, query) = (classified.scope.as_deref().unwrap_or_default(), classified.query.as_deref().unwrap_or_default());
    let content_type = classified.inbound.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = vec![scope.as_bytes(), classified.path.as_bytes(), query.as_bytes()];
    parts.extend(form::between_boundaries(body, content_type));
    digest(&parts)
}

/// A digest of parts that tells `["ab", "c"]` from `["a", "bc"]`.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, IDEMPOTENCY_KEY, digest, key_of};

    #[test]
    fn a_key_has_1_to_255_bytes_and_is_one() {
        for (keys, wanted) in [
            (vec!["k".to_owned()], Ok("k".to_owned())),
            (vec!["k".to_owned(), "k".to_owned()], Ok("k".to_owned())),
            (vec!["x".repeat(255)], Ok("x".repeat(255))),
            (vec![String::new()], Err("has 0 bytes")),
            (vec!["x".repeat(256)], Err("has 256 bytes")),
            (vec!["a".to_owned(), "b".to_owned()], Err("more than once")),
        ] {
            let mut headers = HeaderMap::new();
            for key in &keys {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap());
            }
            match (key_of(&headers), wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted.as_bytes()),
                (Err(error), Err(wanted)) => {
                    assert!(error.public.contains(wanted) && error.public.contains("Idempotency-Key"), "{}", error.public);
                    assert_eq!(error.field.as_deref(), Some("Idempotency-Key"));
                }
                (found, wanted) => panic!("{keys:?}: {found:?}, expected {wanted:?}"),
            }
        }
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"", b"a"]), digest(&[b"a", b""]));
        assert_eq!(digest(&[b"a"]), digest(&[b"a"]));
    }
}
