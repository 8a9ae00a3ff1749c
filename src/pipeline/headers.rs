//! Which headers pass, in each direction, and how they are written down.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of a connection, which say nothing about the message.
fn is_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Request headers that are the client's or the way's own business.
fn is_private(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "via"
            | "cookie"
            | "origin"
            | "referer"
            | "dnt"
            | "priority"
            | "content-length"
            | "user-agent"
            | "accept-encoding"
            | "accept-language"
            | "forwarded"
            | "x-real-ip"
            | "cf-connecting-ip"
            | "true-client-ip"
            | "authorization"
            | "x-api-key"
            | "x-goog-api-key"
            | "api-key"
            | "expect"
            | "x-gproxy-session-id"
            | "sec-websocket-key"
            | "sec-websocket-version"
            | "sec-websocket-extensions"
            | "sec-websocket-accept"
    ) || PRIVATE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const PRIVATE_PREFIXES: &[&str] = &["x-forwarded-", "sec-fetch", "sec-ch-ua", "x-gproxy-"];

/// Response headers that belong to the upstream's connection or domain.
fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "set-cookie" | "alt-svc" | "strict-transport-security" | "server" | "via" | "nel" | "report-to" | "cf-ray" | "cf-cache-status"
    )
}

/// What nearly every client says.
const JSON: &str = "application/json";

/// Headers whose values are never written down.
const SECRET: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "chatgpt-account-id",
    "sec-websocket-key",
];

/// What the gateway and the channels add to a client's headers, at most, so that the map need not grow.
const OWN: usize = 8;

/// The client's headers as the upstream gets them.
pub(super) fn towards_upstream(client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(client.len() + OWN);
    let mut nominates = false;
    for (name, value) in client {
        if is_hop(name.as_str()) {
            nominates |= name == header::CONNECTION;
        } else if !is_private(name.as_str()) {
            headers.append(name, value.clone());
        }
    }
    if nominates {
        for name in nominated(client) {
            headers.remove(name);
        }
    }
    headers
}

/// The upstream's headers as the client gets them.
pub(super) fn towards_client(headers: &mut HeaderMap) {
    let mut doomed: Vec<HeaderName> = headers.keys().filter(|name| is_hop(name.as_str()) || is_foreign(name.as_str())).cloned().collect();
    if doomed.contains(&header::CONNECTION) {
        doomed.extend(nominated(headers));
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// A body that was read as JSON goes out as JSON, whatever a bare `curl -d` called it.
pub(super) fn say_json(headers: &mut HeaderMap) {
    let says = |value: &HeaderValue| value == JSON || value.to_str().is_ok_and(|value| value.contains("json"));
    if !headers.get(header::CONTENT_TYPE).is_some_and(says) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    }
}

/// RFC 9110, 7.6.1: what `connection` names goes no further than this hop.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    named.filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
}

/// Headers as a JSON object for the records, secrets blanked.
pub(super) fn as_json(headers: &HeaderMap) -> String {
    let members: serde_json::Map<String, serde_json::Value> = headers
        .iter()
        .map(|(name, value)| {
            let shown = if SECRET.contains(&name.as_str()) || value.is_sensitive() {
                "***".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            (name.as_str().to_owned(), shown.into_owned().into())
        })
        .collect();
    serde_json::Value::Object(members).to_string()
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue};

    use super::{as_json, towards_upstream};

    #[test]
    fn only_what_concerns_the_provider_passes() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a"),
            ("content-type", "application/json"),
            ("x-stainless-os", "Linux"),
            ("x-forwarded-for", "1.2.3.4"),
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("cookie", "a=b"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let passed = towards_upstream(&headers);
        let mut names: Vec<&str> = passed.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-beta", "anthropic-version", "content-type", "x-stainless-os"]);
    }

    #[test]
    fn secrets_are_never_written_down() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer canary"));
        headers.insert("x-api-key", HeaderValue::from_static("canary"));
        assert!(!as_json(&headers).contains("canary"));
    }
}
