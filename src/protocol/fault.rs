//! An error as each family writes it: as a body, and as an event inside a stream.
//!
//! Sources: `OpenAI`'s error object, Anthropic's error types, Google's canonical codes (`google.rpc.Code`).

use serde_json::{Value, json};

use super::{Family, OperationKind};

/// What went wrong, in a vocabulary that every family has words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The request itself is wrong.
    BadRequest,
    /// No key, or none that works.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// No such path or thing.
    NotFound,
    /// No such model.
    ModelNotFound,
    /// No such thing among those that are kept.
    UnknownThing,
    /// The response that a call goes on from is not kept.
    UnknownPrevious,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    Stalled,
    /// The body is in a content coding, such as gzip, that is not read here.
    Coded,
    /// The call's key belongs to another call.
    KeyReused,
    /// The call was made under its key, and its answer cannot be given again.
    AnswerGone,
    /// Nobody here can do this.
    Unsupported,
    /// More than the caller's limits allow.
    RateLimited,
    /// The caller's budget is spent.
    QuotaSpent,
    /// Too much at once.
    Overloaded,
    /// Our own fault.
    Internal,
    /// The provider's fault.
    Upstream,
    /// The provider was too slow.
    UpstreamTimeout,
}

impl FaultKind {
    /// The stable word in metrics and logs.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::ModelNotFound => "model_not_found",
            Self::UnknownThing => "unknown_thing",
            Self::UnknownPrevious => "unknown_previous",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::Stalled => "request_timeout",
            Self::Coded => "unsupported_encoding",
            Self::KeyReused => "key_reused",
            Self::AnswerGone => "answer_gone",
            Self::Unsupported => "unsupported",
            Self::RateLimited => "rate_limited",
            Self::QuotaSpent => "quota_spent",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
            Self::Upstream => "upstream",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    /// The HTTP status that goes with it in every family; the one place where statuses are chosen.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::UnknownPrevious => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound | Self::ModelNotFound | Self::UnknownThing => 404,
            Self::MethodNotAllowed => 405,
            Self::Stalled => 408,
            Self::AnswerGone => 409,
            Self::TooLarge => 413,
            Self::Coded => 415,
            Self::KeyReused => 422,
            Self::Unsupported => 501,
            Self::RateLimited | Self::QuotaSpent => 429,
            Self::Overloaded => 503,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::UpstreamTimeout => 504,
        }
    }

    /// `OpenAI`'s `type` and `code`.
    const fn openai(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::BadRequest | Self::MethodNotAllowed | Self::UnknownThing => ("invalid_request_error", None),
            Self::Unauthenticated => ("invalid_request_error", Some("invalid_api_key")),
            Self::Forbidden => ("invalid_request_error", Some("permission_denied")),
            Self::NotFound => ("invalid_request_error", Some("unknown_url")),
            Self::ModelNotFound => ("invalid_request_error", Some("model_not_found")),
            Self::UnknownPrevious => ("invalid_request_error", Some("previous_response_not_found")),
            Self::TooLarge => ("invalid_request_error", Some("request_too_large")),
            Self::Stalled => ("invalid_request_error", Some("request_timeout")),
            Self::Coded => ("invalid_request_error", Some("unsupported_content_encoding")),
            Self::KeyReused => ("invalid_request_error", Some("idempotency_key_reused")),
            Self::AnswerGone => ("invalid_request_error", Some("idempotent_answer_gone")),
            Self::Unsupported => ("invalid_request_error", Some("unsupported_operation")),
            Self::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
            Self::QuotaSpent => ("insufficient_quota", Some("insufficient_quota")),
            Self::Overloaded => ("server_error", Some("overloaded")),
            Self::Internal => ("server_error", Some("internal_error")),
            Self::Upstream => ("server_error", Some("upstream_error")),
            Self::UpstreamTimeout => ("server_error", Some("upstream_timeout")),
        }
    }

    /// Anthropic's `type`.
    const fn claude(self) -> &'static str {
        match self {
            Self::BadRequest
            | Self::UnknownPrevious
            | Self::MethodNotAllowed
            | Self::Coded
            | Self::KeyReused
            | Self::AnswerGone
            | Self::Unsupported => "invalid_request_error",
            Self::Unauthenticated => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::NotFound | Self::ModelNotFound | Self::UnknownThing => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited | Self::QuotaSpent => "rate_limit_error",
            Self::Overloaded => "overloaded_error",
            Self::Internal | Self::Upstream => "api_error",
            Self::Stalled | Self::UpstreamTimeout => "timeout_error",
        }
    }

    /// Google's `status`.
    const fn gemini(self) -> &'static str {
        match self {
            Self::BadRequest | Self::UnknownPrevious | Self::MethodNotAllowed | Self::TooLarge | Self::Coded | Self::KeyReused => {
                "INVALID_ARGUMENT"
            }
            Self::AnswerGone => "ALREADY_EXISTS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "PERMISSION_DENIED",
            Self::NotFound | Self::ModelNotFound | Self::UnknownThing => "NOT_FOUND",
            Self::Unsupported => "UNIMPLEMENTED",
            Self::RateLimited | Self::QuotaSpent => "RESOURCE_EXHAUSTED",
            Self::Overloaded | Self::Upstream => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::Stalled | Self::UpstreamTimeout => "DEADLINE_EXCEEDED",
        }
    }
}

/// An error in no family's shape yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// What went wrong.
    pub kind: FaultKind,
    /// In words for the caller.
    pub message: &'a str,
    /// The request's field at fault.
    pub field: Option<&'a str>,
    /// The call.
    pub request_id: &'a str,
}

impl Fault<'_> {
    /// The error's JSON body in a family's shape.
    #[must_use]
    pub fn body(&self, family: Family) -> Value {
        match family {
            Family::OpenAi => {
                let (kind, code) = self.kind.openai();
                json!({"error": {"message": self.message, "type": kind, "param": self.field, "code": code}})
            }
            Family::Claude => {
                json!({"type": "error", "error": {"type": self.kind.claude(), "message": self.message}, "request_id": self.request_id})
            }
            Family::Gemini => json!({"error": {"code": self.kind.status(), "message": self.message, "status": self.kind.gemini()}}),
        }
    }

    /// The error as the last event of a stream that speaks `kind`, framed for SSE.
    #[must_use]
    pub fn event(&self, kind: OperationKind, number: u64) -> String {
        let body = self.body(kind.family());
        match kind {
            OperationKind::ClaudeMessages | OperationKind::Claude => format!("event: error\ndata: {body}\n\n"),
            OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => {
                let (_, code) = self.kind.openai();
                let event = json!({"type": "error", "code": code, "message": self.message, "param": self.field, "sequence_number": number});
                format!("event: error\ndata: {event}\n\n")
            }
            OperationKind::OpenAiChatCompletions | OperationKind::OpenAi | OperationKind::GeminiGenerateContent | OperationKind::Gemini => {
                format!("data: {body}\n\n")
            }
        }
    }
}
