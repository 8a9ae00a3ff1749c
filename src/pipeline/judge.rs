//! What an answer that is none means: whose fault it is, and what that says of the credential's health.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::failover::Outcome;
use crate::{
    health::{Trouble, told},
    protocol::Family,
    route::Cause,
    runtime::{BodyFault, TransportFault},
    transform::fault::Problem,
};

/// What a failure means for the call, and for whoever was asked; `None` where it says nothing of them.
pub(super) type Judged = (Outcome, Option<Trouble>);

/// Codes by which a provider says that the account's money is spent.
const SPENT: [&str; 4] = ["insufficient_quota", "billing_hard_limit_reached", "usage_limit_reached", "billing_error"];
/// How it says so where it has no code for it. At the beginning only: further on a refusal may repeat what the client wrote, and
/// no client may write a credential dead.
const SPENT_WORDS: [&str; 1] = ["your credit balance is too low"];
/// How a provider refuses a key with a status that is not 401.
const WRONG_KEY_WORDS: [&str; 1] = ["api key not valid"];

/// A provider's refusal.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], (family, now_ms): (Family, u64)) -> Judged {
    let problem = Problem::read(family, status.as_u16(), body);
    let begins = |words: &[&str]| {
        let message = problem.message.trim_start().to_lowercase();
        words.iter().any(|word| message.starts_with(word))
    };
    let is_spent = || problem.code.as_deref().is_some_and(|code| SPENT.contains(&code)) || begins(&SPENT_WORDS);
    let span = || told(headers, body, now_ms);
    match status.as_u16() {
        400 | 402 | 403 | 429 if is_spent() => (Outcome::Refused, Some(Trouble::Exhausted(span().map(millis)))),
        402 => (Outcome::Refused, Some(Trouble::Exhausted(span().map(millis)))),
        401 => (Outcome::Refused, Some(Trouble::Refused)),
        400 | 403 if begins(&WRONG_KEY_WORDS) => (Outcome::Refused, Some(Trouble::Refused)),
        403 if problem.is_against_policy() => (Outcome::Declined(Cause::ContentPolicy), None),
        403 => (Outcome::Refused, Some(Trouble::Forbidden)),
        429 => {
            let span = span();
            (Outcome::Limited(span), Some(Trouble::Limited(span.map(millis))))
        }
        408 | 500 | 502..=504 | 506..=599 => (Outcome::Broken, Some(Trouble::Transient)),
        413 => (Outcome::Declined(Cause::ContextLength), None),
        400..=499 if problem.is_too_long() => (Outcome::Declined(Cause::ContextLength), None),
        400..=499 if problem.is_against_policy() => (Outcome::Declined(Cause::ContentPolicy), None),
        _ => (Outcome::Final, None),
    }
}

/// An answer that says nothing but that it was blocked.
pub(super) const BLOCKED: Judged = (Outcome::Declined(Cause::ContentPolicy), None);

/// An error that stands inside an answer which began well. Its words tell the status that it should have had.
pub(super) fn error_within(body: &[u8], (family, now_ms): (Family, u64)) -> Judged {
    let problem = Problem::read(family, 500, body);
    let code = problem.code.as_deref().unwrap_or("").to_lowercase();
    let status = match code.parse::<u16>() {
        Ok(number) if (400..600).contains(&number) => number,
        _ => match code.as_str() {
            "rate_limit_error" | "rate_limit_exceeded" | "resource_exhausted" | "insufficient_quota" => 429,
            "authentication_error" | "invalid_api_key" | "unauthenticated" => 401,
            "permission_error" | "permission_denied" => 403,
            "billing_error" => 402,
            "invalid_request_error"
            | "invalid_argument"
            | "failed_precondition"
            | "request_too_large"
            | "not_found_error"
            | "not_found"
            | "context_length_exceeded"
            | "content_policy_violation"
            | "content_filter"
            | "invalid_prompt" => 400,
            _ => 500,
        },
    };
    refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), &HeaderMap::new(), body, (family, now_ms))
}

/// A request that got no answer.
pub(super) fn no_answer(fault: &TransportFault) -> Judged {
    match fault {
        // It is the client that kept its body back.
        fault if fault.is_stalled() => (Outcome::Unfit, None),
        TransportFault::Timeout("response head") => (Outcome::Silent, Some(Trouble::Transient)),
        TransportFault::Connect(_) | TransportFault::Broken(_) | TransportFault::Timeout(_) | TransportFault::Refused { .. } => {
            (Outcome::Broken, Some(Trouble::Transient))
        }
        // Its connection has had its day, which says nothing of the provider.
        TransportFault::Unbegun(_) => (Outcome::Unbegun, None),
        TransportFault::Unusable(_) | TransportFault::Unsupported(_) => (Outcome::Unfit, None),
    }
}

/// An answer that broke off before it said anything.
pub(super) fn broken_off(fault: &BodyFault) -> Judged {
    match fault {
        BodyFault::Timeout(_) => (Outcome::Silent, Some(Trouble::Transient)),
        BodyFault::Broken(_) | BodyFault::Stalled { .. } | BodyFault::TooLarge { .. } => (Outcome::Broken, Some(Trouble::Transient)),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::{
        Cause::{ContentPolicy, ContextLength},
        Family::{Claude, Gemini, OpenAi},
        Outcome::{self, Broken, Declined, Final, Limited, Refused},
        Trouble::{self, Exhausted, Forbidden, Transient},
        error_within, refusal,
    };

    #[test]
    fn every_refusal_has_its_meaning() {
        let later = Some(Duration::from_secs(7));
        let cases: [(u16, bool, &str, Outcome, Option<Trouble>); 21] = [
            (400, false, r#"{"error":{"message":"no such field"}}"#, Final, None),
            (400, false, r#"{"error":{"message":"Your credit balance is too low"}}"#, Refused, Some(Exhausted(None))),
            (400, false, r#"{"error":{"message":"API key not valid. Please pass a valid API key."}}"#, Refused, Some(Trouble::Refused)),
            // What a client wrote and the provider repeats says nothing of the credential.
            (400, false, r#"{"error":{"message":"Invalid value: 'insufficient_quota'. Your credit balance is too low."}}"#, Final, None),
            (400, false, r#"{"error":{"message":"unknown role \"API key not valid\""}}"#, Final, None),
            (401, false, "", Refused, Some(Trouble::Refused)),
            (402, false, "", Refused, Some(Exhausted(None))),
            (403, false, "", Refused, Some(Forbidden)),
            (404, false, "", Final, None),
            (408, false, "", Broken, Some(Transient)),
            (409, false, "", Final, None),
            (413, false, "", Declined(ContextLength), None),
            (422, false, "", Final, None),
            (429, false, "", Limited(None), Some(Trouble::Limited(None))),
            (429, true, "", Limited(later), Some(Trouble::Limited(Some(7000)))),
            (429, true, r#"{"error":{"code":"insufficient_quota"}}"#, Refused, Some(Exhausted(Some(7000)))),
            (500, false, "<html>", Broken, Some(Transient)),
            (501, false, "", Final, None),
            (503, true, "", Broken, Some(Transient)),
            (504, false, "", Broken, Some(Transient)),
            (529, false, "", Broken, Some(Transient)),
        ];
        for (status, is_told, body, outcome, trouble) in cases {
            let mut headers = HeaderMap::new();
            if is_told {
                headers.insert("retry-after", HeaderValue::from_static("7"));
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal(status, &headers, body.as_bytes(), (OpenAi, 0)), (outcome, trouble), "{status} {body}");
        }
    }

    #[test]
    fn why_a_call_is_declined_is_told_by_each_dialects_words() {
        let (long, policy) = (Declined(ContextLength), Declined(ContentPolicy));
        let cases = [
            (OpenAi, 400, r#"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#, long),
            (OpenAi, 400, r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However","code":null}}"#, long),
            (OpenAi, 400, r#"{"error":{"message":"x","type":"invalid_request_error","code":"content_policy_violation"}}"#, policy),
            (OpenAi, 400, r#"{"error":{"message":"The response was filtered","code":"content_filter","status":400}}"#, policy),
            (OpenAi, 400, r#"{"error":{"message":"Invalid prompt: flagged","code":"invalid_prompt"}}"#, policy),
            (OpenAi, 403, r#"{"error":{"message":"x","code":"misalignment_policy_violation"}}"#, policy),
            (OpenAi, 403, r#"{"error":{"message":"no access","code":"forbidden"}}"#, Refused),
            (
                Claude,
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                long,
            ),
            (
                Claude,
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 198000 + 8000 > 200000"}}"#,
                long,
            ),
            (Claude, 413, r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, long),
            (
                Claude,
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
                policy,
            ),
            (
                Gemini,
                400,
                r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}"#,
                long,
            ),
            (Gemini, 400, r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"x"}}"#, Final),
            (
                Gemini,
                400,
                r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"input token count exceeds the maximum number of tokens allowed"}}]"#,
                long,
            ),
            (OpenAi, 422, r#"{"error":{"message":"unknown field"}}"#, Final),
        ];
        for (family, status, body, outcome) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal(status, &HeaderMap::new(), body.as_bytes(), (family, 0)).0, outcome, "{body}");
            let within = error_within(body.as_bytes(), (family, 0)).0;
            assert!(status != 400 || within == outcome || within == Broken, "{body}: {within:?}");
        }
    }

    #[test]
    fn an_error_within_an_answer_is_told_by_its_words() {
        let cases = [
            (Claude, r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Broken),
            (Claude, r#"{"type":"error","error":{"type":"invalid_request_error","message":"x"}}"#, Final),
            (Claude, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, Limited(None)),
            (OpenAi, r#"{"error":{"code":503,"message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"code":"503","message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"type":"server_error","message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"code":"content_policy_violation","message":"x"}}"#, Declined(ContentPolicy)),
            (Gemini, r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}"#, Limited(None)),
            (Gemini, r#"[{"error":{"code":503,"status":"UNAVAILABLE","message":"x"}}]"#, Broken),
        ];
        for (family, body, outcome) in cases {
            assert_eq!(error_within(body.as_bytes(), (family, 0)).0, outcome, "{body}");
        }
    }
}
