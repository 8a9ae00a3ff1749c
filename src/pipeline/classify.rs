//! What is asked: the operation, its wire kind, and whose path it came by. Also takes the key out, before anything is logged.

use std::{borrow::Cow, ops::Range};

use http::{HeaderMap, HeaderName, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;

use super::{
    cues::{Cue, Cues},
    error::GatewayError,
    inbound::Inbound,
};
use crate::{
    base::Secret,
    protocol::{
        Family,
        catalog::{self, CatalogRow},
        fault::FaultKind,
    },
};

/// First segments of paths that belong to no provider.
const VERSIONS: [&str; 4] = ["v1", "v1beta", "v1alpha", "v2"];
const GOOGLES_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const KEY_HEADERS: [HeaderName; 3] = [HeaderName::from_static("x-api-key"), GOOGLES_KEY, HeaderName::from_static("api-key")];

/// A call whose operation is known.
#[derive(Debug)]
pub(super) struct Classified {
    /// In a box, since each room hands the call on.
    pub(super) inbound: Box<Inbound>,
    pub(super) row: &'static CatalogRow,
    /// The provider, or the family alias, that the path begins with.
    pub(super) scope: Option<String>,
    /// The path as the catalogue writes it.
    pub(super) path: String,
    /// Where the model stands in `path`.
    pub(super) model: Option<Range<usize>>,
    /// The query without the key.
    pub(super) query: Option<String>,
    pub(super) token: Option<Secret<String>>,
}

/// Whose conventions an error must follow when nothing else is known: told from the path, then the headers.
#[must_use]
pub fn family_of(path: &str, headers: &HeaderMap, query: Option<&str>) -> Family {
    family_by_path(path).unwrap_or_else(|| hint(Cues::of(headers), query))
}

/// The family whose path this is, where it is one family's alone.
fn family_by_path(path: &str) -> Option<Family> {
    let unscoped = split_scope(path).1;
    if unscoped.starts_with("/v1/messages") {
        Some(Family::Claude)
    } else if unscoped.starts_with("/v1beta") || is_gemini_verb(&unscoped) {
        Some(Family::Gemini)
    } else {
        None
    }
}

/// Tells the families apart where they share a path.
fn hint(cues: Cues, query: Option<&str>) -> Family {
    if cues.has(Cue::GooglesKey) || query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("key="))) {
        Family::Gemini
    } else if cues.has(Cue::AnthropicVersion) {
        Family::Claude
    } else {
        Family::OpenAi
    }
}

/// Finds the catalogue's row of a call.
///
/// # Errors
/// An unknown path, a method that the path does not take, an id that leads elsewhere.
pub(super) fn classify(mut inbound: Box<Inbound>) -> Result<Box<Classified>, (Box<Inbound>, Family, GatewayError)> {
    let query = inbound.uri.query().map(str::to_owned);
    let hint = hint(inbound.cues, query.as_deref());
    let (scope, path) = split_scope(inbound.uri.path());
    let path = canonical(&path, hint).into_owned();
    let scope = scope.map(str::to_owned);
    let (token, query) = take_key(&mut inbound.headers, inbound.cues, query);
    if inbound.uri.query().is_some() {
        inbound.uri = without_query(&inbound.uri);
    }
    match catalog::find(&inbound.method, &path, hint) {
        Ok(found) => {
            let row = found.row();
            if let Err((id, stray)) = found.ids(&path) {
                let message = format!("the id {id:?} in the path {stray}; expected one segment");
                return Err((inbound, row.key(false).kind().family(), GatewayError::new(FaultKind::BadRequest, message)));
            }
            Ok(Box::new(Classified { inbound, row, scope, path, model: found.model, query, token }))
        }
        Err(missed) => {
            let family = family_by_path(inbound.uri.path()).unwrap_or(hint);
            Err((inbound, family, missed.into()))
        }
    }
}

/// Splits `/{scope}/v1/...` into the scope and the rest.
fn split_scope(path: &str) -> (Option<&str>, Cow<'_, str>) {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
    let second = behind.split('/').next().unwrap_or("");
    if !VERSIONS.contains(&first) && VERSIONS.contains(&second) {
        (Some(first), Cow::Borrowed(&path[first.len() + 1..]))
    } else {
        (None, Cow::Borrowed(path))
    }
}

/// Google's clients use `/v1`, `/v1alpha` and `/v1beta` for the same things; the catalogue writes `/v1beta`.
fn canonical(path: &str, hint: Family) -> Cow<'_, str> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    if let Some(rest) = path.strip_prefix("/v1alpha/") {
        return Cow::Owned(format!("/v1beta/{rest}"));
    }
    match path.strip_prefix("/v1/models") {
        Some(rest) if is_gemini_verb(path) || hint == Family::Gemini => Cow::Owned(format!("/v1beta/models{rest}")),
        _ => Cow::Borrowed(path),
    }
}

fn is_gemini_verb(path: &str) -> bool {
    path.contains("/models/")
        && path.rsplit_once(':').is_some_and(|(_, verb)| !verb.contains('/') && verb.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// Takes the caller's key out of headers and query: it goes no further than `authenticate`.
fn take_key(headers: &mut HeaderMap, cues: Cues, query: Option<String>) -> (Option<Secret<String>>, Option<String>) {
    let bearer = headers.remove(AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
    let mut token = bearer;
    if cues.has(Cue::GooglesKey) || cues.has(Cue::OtherKey) {
        for name in KEY_HEADERS {
            let value = headers.remove(name);
            token = token.or_else(|| value.and_then(|value| Some(value.to_str().ok()?.trim().to_owned())));
        }
    }
    let Some(query) = query else { return (token.map(Secret::new), None) };
    let mut kept = String::with_capacity(query.len());
    for pair in query.split('&') {
        if let Some(key) = pair.strip_prefix("key=") {
            token = token.or_else(|| Some(percent_decode_str(key).decode_utf8_lossy().into_owned()));
        } else if !pair.is_empty() {
            if !kept.is_empty() {
                kept.push('&');
            }
            kept.push_str(pair);
        }
    }
    (token.map(Secret::new), Some(kept).filter(|kept| !kept.is_empty()))
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn without_query(uri: &Uri) -> Uri {
    uri.path().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Cues, Family, canonical, split_scope, take_key};

    #[test]
    fn a_provider_before_the_version_is_the_scope() {
        for (path, scope, rest) in [
            ("/v1/chat/completions", None, "/v1/chat/completions"),
            ("/openai/v1/chat/completions", Some("openai"), "/v1/chat/completions"),
            ("/aistudio/v1beta/models/x:generateContent", Some("aistudio"), "/v1beta/models/x:generateContent"),
            ("/v1/v1/x", None, "/v1/v1/x"),
            ("/a/b/v1/x", None, "/a/b/v1/x"),
            ("/", None, "/"),
        ] {
            let (found, left) = split_scope(path);
            assert_eq!((found, &*left), (scope, rest), "{path}");
        }
    }

    #[test]
    fn googles_versions_are_one() {
        for (path, hint, wanted) in [
            ("/v1/models/gemini-3:generateContent", Family::OpenAi, "/v1beta/models/gemini-3:generateContent"),
            ("/v1/models/openai/gpt-5", Family::OpenAi, "/v1/models/openai/gpt-5"),
            ("/v1/models", Family::Gemini, "/v1beta/models"),
            ("/v1alpha/models/x:countTokens", Family::Gemini, "/v1beta/models/x:countTokens"),
            ("/v1/models/", Family::OpenAi, "/v1/models"),
        ] {
            assert_eq!(canonical(path, hint), wanted, "{path}");
        }
    }

    #[test]
    fn every_place_of_a_key_is_read_and_emptied() {
        for (name, value) in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer  sk-1"),
            ("x-api-key", "sk-1"),
            ("x-goog-api-key", "sk-1"),
            ("api-key", "sk-1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            let cues = Cues::of(&headers);
            let (token, _) = take_key(&mut headers, cues, None);
            assert_eq!(token.unwrap().expose(), "sk-1", "{name}");
            assert!(headers.is_empty(), "{name}");
        }
        let (token, query) = take_key(&mut HeaderMap::new(), Cues::default(), Some("alt=sse&key=sk%2D1&x=y".into()));
        assert_eq!(token.unwrap().expose(), "sk-1");
        assert_eq!(query.as_deref(), Some("alt=sse&x=y"));
        let (none, query) = take_key(&mut HeaderMap::new(), Cues::default(), Some("key=".into()));
        assert_eq!(none.unwrap().expose(), "");
        assert_eq!(query, None);
    }
}
