//! What an answer that is none means: whose fault it is, and what that says of the credential's health.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::failover::Outcome;
use crate::{
    health::{Trouble, told},
    protocol::Family,
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
        403 => (Outcome::Refused, Some(Trouble::Forbidden)),
        429 => {
            let span = span();
            (Outcome::Limited(span), Some(Trouble::Limited(span.map(millis))))
        }
        408 | 500 | 502..=504 | 506..=599 => (Outcome::Broken, Some(Trouble::Transient)),
        _ => (Outcome::Final, None),
    }
}

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
            | "invalid_prompt" => 400,
            _ => 500,
        },
    };
    refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), &HeaderMap::new(), body, (family, now_ms))
}

/// A request that got no answer.
pub(super) fn no_answer(fault: &TransportFault) -> Judged {
    match fault {
        TransportFault::Timeout("response head") => (Outcome::Silent, Some(Trouble::Transient)),
        TransportFault::Connect(_) | TransportFault::Broken(_) | TransportFault::Timeout(_) | TransportFault::Refused { .. } => {
            (Outcome::Broken, Some(Trouble::Transient))
        }
        TransportFault::Unusable(_) | TransportFault::Unsupported(_) => (Outcome::Unfit, None),
    }
}

/// An answer that broke off before it said anything.
pub(super) fn broken_off(fault: &BodyFault) -> Judged {
    match fault {
        BodyFault::Timeout(_) => (Outcome::Silent, Some(Trouble::Transient)),
        BodyFault::Broken(_) | BodyFault::TooLarge { .. } => (Outcome::Broken, Some(Trouble::Transient)),
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
        Family::{Claude, Gemini, OpenAi},
        Outcome::{self, Broken, Final, Limited, Refused},
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
            (413, false, "", Final, None),
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
    fn an_error_within_an_answer_is_told_by_its_words() {
        let cases = [
            (Claude, r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Broken),
            (Claude, r#"{"type":"error","error":{"type":"invalid_request_error","message":"x"}}"#, Final),
            (Claude, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, Limited(None)),
            (OpenAi, r#"{"error":{"code":503,"message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"code":"503","message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"type":"server_error","message":"x"}}"#, Broken),
            (OpenAi, r#"{"error":{"code":"content_policy_violation","message":"x"}}"#, Final),
            (Gemini, r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}"#, Limited(None)),
            (Gemini, r#"[{"error":{"code":503,"status":"UNAVAILABLE","message":"x"}}]"#, Broken),
        ];
        for (family, body, outcome) in cases {
            assert_eq!(error_within(body.as_bytes(), (family, 0)).0, outcome, "{body}");
        }
    }
}
