//! `finishReason`: why an answer ended.

use std::borrow::Cow;

use super::super::canon::{Stop, Text};
use crate::transform::Loss;

/// Reasons by which a filter of Google's cuts in.
const FILTERS: [&str; 10] = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Every other reason beyond the model's own end.
const OTHERS: [&str; 14] = [
    "FINISH_REASON_UNSPECIFIED",
    "LANGUAGE",
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "CONTINUATION",
    "BLOCKED_REASON_UNSPECIFIED",
];

/// What a reason means. `called`: whether the answer calls one of the caller's tools, which Google does not tell.
pub(super) fn lift(reason: Text<'_>, called: bool) -> Stop<'_> {
    match &*reason {
        "STOP" if called => Stop::Calls,
        "STOP" => Stop::End,
        "MAX_TOKENS" => Stop::MaxTokens,
        word if FILTERS.contains(&word) => Stop::Filtered(Some(reason)),
        _ => Stop::Other(reason),
    }
}

/// The reason for an end, in Google's words.
pub(super) fn lower<'s>(stop: &'s Stop<'_>, losses: &mut Vec<Loss>) -> Cow<'s, str> {
    Cow::Borrowed(match stop {
        Stop::End | Stop::Sequence(None) | Stop::Calls => "STOP",
        Stop::Sequence(Some(_)) => {
            losses.push(Loss::dropped("stop_sequence"));
            "STOP"
        }
        Stop::MaxTokens | Stop::Window => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
        Stop::Filtered(why) => why.as_deref().filter(|word| FILTERS.contains(word)).unwrap_or("SAFETY"),
        Stop::Pause => {
            losses.push(Loss::changed("stop_reason", "a paused turn is told as a finished one"));
            "STOP"
        }
        Stop::Other(word) if OTHERS.contains(&&**word) => word,
        Stop::Other(_) => "OTHER",
    })
}
