//! A provider's error, in the client's own shape and with the status that its SDK expects.
//!
//! Sources: OpenAI's error object and error codes page, Anthropic's error types (529 `overloaded_error` among them),
//! Google's canonical codes (`google.rpc.Code`) and their HTTP mapping.

use std::borrow::Cow;

use crate::protocol::{
    Family,
    json::{Fields, Node, object},
};

/// What providers say when a prompt is longer than the model's window, in lower case.
const TOO_LONG: [&str; 6] = [
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "exceed context limit",
    "context window",
];

/// How providers say that their policy has something against a call: as a code, and in words.
const POLICY_CODES: [&str; 5] =
    ["content_policy_violation", "content_filter", "invalid_prompt", "misalignment_policy_violation", "responsibleaipolicyviolation"];
const POLICY_WORDS: [&str; 4] =
    ["content filtering policy", "content management policy", "rejected as a result of our safety system", "violating our usage policy"];

/// An error of a provider, in no family's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// Its status.
    pub status: u16,
    /// The provider's machine-readable word: OpenAI's `code`, else its `type`; Anthropic's `type`; Google's `status`.
    pub code: Option<Cow<'a, str>>,
    /// Its words.
    pub message: Cow<'a, str>,
    /// The request's field at fault, in the words of the dialect that went to the provider.
    pub param: Option<Cow<'a, str>>,
}

impl<'a> Problem<'a> {
    /// Reads an error body of `family`. A body in no such shape still gives a problem, without the provider's words.
    #[must_use]
    pub fn read(family: Family, status: u16, body: &'a [u8]) -> Self {
        // Google answers a stream's error as the one element of an array.
        let node = Node::parse(body).ok().and_then(|node| node.array().map_or(Some(node), |all| all.first().copied()));
        let error = node.and_then(Node::object).and_then(|mut body| body.some("error"));
        let plain = || Self { status, code: None, message: Cow::Owned(format!("the provider answered with status {status}")), param: None };
        let Some(error) = error else { return plain() };
        if let Some(message) = error.text() {
            return Self { message, ..plain() };
        }
        let Some(mut error) = error.object() else { return plain() };
        let message = text(&mut error, "message").unwrap_or_else(|| plain().message);
        let code = match family {
            Family::OpenAi => text(&mut error, "code").or_else(|| text(&mut error, "type")),
            Family::Claude => text(&mut error, "type"),
            Family::Gemini => text(&mut error, "status"),
        };
        Self { status, code, message, param: text(&mut error, "param") }
    }

    /// `OpenAI`'s own word for it, where it has one: another family's is none.
    #[must_use]
    pub fn openai_word(&self) -> Option<&str> {
        if self.is_too_long() {
            return Some("context_length_exceeded");
        }
        let is_googles = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        self.code.as_deref().filter(|word| *word == "server_error" || !is_googles(word) && !word.ends_with("_error"))
    }

    /// Whether the prompt was longer than the model's window.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        let (code, message) = (self.code.as_deref().unwrap_or("").to_lowercase(), self.message.to_lowercase());
        self.status < 500 && TOO_LONG.iter().any(|words| code.contains(words) || message.contains(words))
    }

    /// Whether the provider's policy has something against the call.
    #[must_use]
    pub fn is_against_policy(&self) -> bool {
        let (code, message) = (self.code.as_deref().unwrap_or("").to_lowercase(), self.message.to_lowercase());
        self.status < 500 && (POLICY_CODES.contains(&code.as_str()) || POLICY_WORDS.iter().any(|words| message.contains(words)))
    }

    /// The status that it has for a client of `family`: 529 is Anthropic's alone.
    #[must_use]
    pub fn status_for(&self, family: Family) -> u16 {
        match (family, self.status) {
            (Family::OpenAi | Family::Gemini, 529) => 503,
            (Family::Claude, 503) => 529,
            (_, status) => status,
        }
    }

    /// The error as a body for a client of `family`.
    #[must_use]
    pub fn write(&self, family: Family, request_id: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + self.message.len());
        let status = self.status_for(family);
        match family {
            Family::OpenAi => object(&mut out, |o| {
                o.object("error", |o| {
                    let code = if self.is_too_long() { Some("context_length_exceeded") } else { openai_code(status) };
                    o.text("message", &self.message).text("type", openai_type(status)).null("param").text_or_null("code", code);
                });
            }),
            Family::Claude => object(&mut out, |o| {
                o.text("type", "error").object("error", |o| {
                    o.text("type", claude_type(status)).text("message", &self.message);
                });
                o.text("request_id", request_id);
            }),
            Family::Gemini => object(&mut out, |o| {
                o.object("error", |o| {
                    o.unsigned("code", status.into()).text("message", &self.message).text("status", google_status(status));
                });
            }),
        }
        out
    }
}

fn text<'a>(fields: &mut Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    fields.take(name).and_then(Node::text)
}

/// The status that a word for an error goes with, whichever family's word it is.
#[must_use]
pub fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error"
        | "invalid_request"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE" => 400,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "billing_error" => 402,
        "permission_error" | "permission_denied" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "too_many_requests" | "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "api_error" | "server_error" | "internal_error" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "upstream_error" => 502,
        "overloaded" | "server_is_overloaded" | "slow_down" | "UNAVAILABLE" => 503,
        "timeout_error" | "upstream_timeout" | "DEADLINE_EXCEEDED" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// OpenAI's `type` of a status.
#[must_use]
pub const fn openai_type(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn openai_code(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("invalid_api_key"),
        403 => Some("permission_denied"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        503 => Some("overloaded"),
        _ => None,
    }
}

/// Anthropic's `type` of a status.
#[must_use]
pub const fn claude_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Google's canonical code of a status.
#[must_use]
pub const fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::{Family, Problem};

    const CLAUDE: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
    const GOOGLE: &str = r#"[{"error":{"code":429,"message":"Quota.","status":"RESOURCE_EXHAUSTED","details":[]}}]"#;
    const OPENAI: &str =
        r#"{"error":{"message":"Too long.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;

    fn written(from: Family, status: u16, body: &str, to: Family) -> (u16, String) {
        let problem = Problem::read(from, status, body.as_bytes());
        (problem.status_for(to), String::from_utf8(problem.write(to, "r1")).unwrap())
    }

    #[test]
    fn each_family_reads_the_others_errors_in_its_own_words() {
        for (from, status, body, to, wanted) in [
            (
                Family::Claude,
                529,
                CLAUDE,
                Family::OpenAi,
                (503, r#"{"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded"}}"#),
            ),
            (Family::Claude, 529, CLAUDE, Family::Gemini, (503, r#"{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}"#)),
            (
                Family::Gemini,
                429,
                GOOGLE,
                Family::Claude,
                (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"Quota."},"request_id":"r1"}"#),
            ),
            (
                Family::Gemini,
                429,
                GOOGLE,
                Family::OpenAi,
                (429, r#"{"error":{"message":"Quota.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}"#),
            ),
            (
                Family::OpenAi,
                400,
                OPENAI,
                Family::Claude,
                (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Too long."},"request_id":"r1"}"#),
            ),
            (
                Family::OpenAi,
                503,
                "<html>",
                Family::Claude,
                (
                    529,
                    r#"{"type":"error","error":{"type":"overloaded_error","message":"the provider answered with status 503"},"request_id":"r1"}"#,
                ),
            ),
        ] {
            let (status, body) = written(from, status, body, to);
            assert_eq!((status, body.as_str()), wanted, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_by_any_providers_words() {
        for (family, body) in [
            (
                Family::Claude,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ),
            (Family::OpenAi, OPENAI),
            (
                Family::Gemini,
                r#"{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
            ),
        ] {
            assert!(Problem::read(family, 400, body.as_bytes()).is_too_long(), "{body}");
        }
        assert!(!Problem::read(Family::Claude, 529, CLAUDE.as_bytes()).is_too_long());
    }
}
