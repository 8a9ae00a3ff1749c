//! When a provider says to come back, in all the words that providers have for it.
//!
//! Sources: RFC 9110 (10.2.3) for `retry-after`; `OpenAI`'s and Anthropic's rate limit headers; `google.rpc.RetryInfo`;
//! the `resets_in_seconds` of `OpenAI`'s usage limits.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::transform::time;

/// No provider is believed that wants to be left alone for longer.
const LONGEST: Duration = Duration::from_hours(24 * 8);

/// How long a provider wants to be left alone, where its refusal says so. `now_ms` is Unix milliseconds.
#[must_use]
pub fn told(headers: &HeaderMap, body: &[u8], now_ms: u64) -> Option<Duration> {
    by_retry_after(headers, now_ms).or_else(|| by_body(body)).or_else(|| by_limits(headers, now_ms)).map(|span| span.min(LONGEST))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn by_retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let exact = text(headers, "retry-after-ms").and_then(|text| text.parse::<f64>().ok()).and_then(|ms| seconds(ms / 1000.0));
    exact.or_else(|| {
        let text = text(headers, "retry-after")?;
        text.parse::<f64>().ok().and_then(seconds).or_else(|| until(text, now_ms))
    })
}

/// The limits that are used up tell when they are full again; the last of them counts.
fn by_limits(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let openai = ["requests", "tokens"].into_iter().filter_map(|what| {
        let spent = text(headers, &format!("x-ratelimit-remaining-{what}"))? == "0";
        spent.then(|| text(headers, &format!("x-ratelimit-reset-{what}")).and_then(span)).flatten()
    });
    let anthropic = ["requests", "tokens", "input-tokens", "output-tokens"].into_iter().filter_map(|what| {
        let spent = text(headers, &format!("anthropic-ratelimit-{what}-remaining"))? == "0";
        spent.then(|| time::read(text(headers, &format!("anthropic-ratelimit-{what}-reset"))?).map(|at| since(at, now_ms))).flatten()
    });
    let unified = text(headers, "anthropic-ratelimit-unified-reset").and_then(|at| at.parse::<u64>().ok());
    let unified = unified.map(|at| since(at, now_ms));
    openai.chain(anthropic).chain(unified).max()
}

fn by_body(body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    // Google's streams wrap a refusal in an array.
    let error = body.get("error").or_else(|| body.get(0)?.get("error"))?;
    let details = error.get("details").and_then(Value::as_array);
    let google = details.into_iter().flatten().find_map(|detail| span(detail.get("retryDelay")?.as_str()?));
    google.or_else(|| seconds(error.get("resets_in_seconds")?.as_f64()?))
}

/// From now until a moment in Unix seconds.
fn since(at: u64, now_ms: u64) -> Duration {
    Duration::from_millis(at.saturating_mul(1000).saturating_sub(now_ms))
}

fn seconds(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// From now until an HTTP date.
fn until(date: &str, now_ms: u64) -> Option<Duration> {
    let at = httpdate::parse_http_date(date).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since(at.as_secs(), now_ms))
}

/// A span as Go writes it: `1h2m`, `6m0s`, `1.5s`, `20ms`.
fn span(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |length| digits + length);
        sum += number
            * match &rest[digits..unit] {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                "us" | "µs" => 0.000_001,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    seconds(sum)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::told;

    /// 2026-01-01T00:00:00Z.
    const NOW: u64 = 1_767_225_600_000;

    #[test]
    fn every_word_for_later_is_understood() {
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Headers<'_>, &str, Option<u64>); 17] = [
            (&[], "", None),
            (&[("retry-after", "2")], "", Some(2000)),
            (&[("retry-after", "0.25")], "", Some(250)),
            (&[("retry-after", "-1")], "", None),
            (&[("retry-after", "soon")], "", None),
            (&[("retry-after", "999999999")], "", Some(8 * 86_400_000)),
            (&[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")], "", Some(30_000)),
            (&[("retry-after", "Thu, 01 Jan 2015 00:00:30 GMT")], "", Some(0)),
            (&[("retry-after", "9"), ("retry-after-ms", "1500")], "", Some(1500)),
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], "", Some(360_000)),
            (&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "6m0s")], "", None),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20ms")], "", Some(20)),
            (
                &[("anthropic-ratelimit-tokens-remaining", "0"), ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:10Z")],
                "",
                Some(10_000),
            ),
            (&[("anthropic-ratelimit-unified-reset", "1767225660")], "", Some(60_000)),
            (&[], r#"{"error":{"code":429,"details":[{"@type":"x"},{"retryDelay":"34.5s"}]}}"#, Some(34_500)),
            (&[], r#"[{"error":{"code":429,"details":[{"retryDelay":"1s"}]}}]"#, Some(1000)),
            (&[], r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":3600}}"#, Some(3_600_000)),
        ];
        for (pairs, body, expected) in cases {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap()))
                .collect();
            let found = told(&headers, body.as_bytes(), NOW).map(|span| u64::try_from(span.as_millis()).unwrap());
            assert_eq!(found, expected, "{pairs:?} {body}");
        }
    }
}
