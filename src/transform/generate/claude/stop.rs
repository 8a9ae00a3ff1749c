//! Why an answer ended.

use crate::transform::{
    Loss,
    generate::canon::{Stop, Text},
};

/// Reads `stop_reason` and `stop_sequence`.
pub(super) fn lift<'a>(reason: Option<Text<'a>>, sequence: Option<Text<'a>>) -> Stop<'a> {
    let Some(reason) = reason else { return Stop::End };
    match &*reason {
        "end_turn" => Stop::End,
        "stop_sequence" => Stop::Sequence(sequence),
        "max_tokens" => Stop::MaxTokens,
        "model_context_window_exceeded" => Stop::Window,
        "tool_use" => Stop::Calls,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::Other(reason),
    }
}

/// The words for `stop_reason` and `stop_sequence`. `refused`: the answer said no in a block of its own.
pub(super) fn lower<'s>(stop: &'s Stop<'_>, refused: bool, losses: &mut Vec<Loss>) -> (&'static str, Option<&'s str>) {
    let reason = match stop {
        Stop::End if refused => "refusal",
        Stop::End => "end_turn",
        Stop::Sequence(sequence) => return ("stop_sequence", sequence.as_deref()),
        Stop::MaxTokens => "max_tokens",
        Stop::Window => "model_context_window_exceeded",
        Stop::Calls => "tool_use",
        Stop::Refusal | Stop::Filtered(_) => "refusal",
        Stop::Pause => "pause_turn",
        Stop::Other(_) => {
            losses.push(Loss::changed("stop_reason", "the target has no such reason; it says end_turn"));
            "end_turn"
        }
    };
    (reason, None)
}

/// The tier that served an answer, in Anthropic's words; `None` where it has none for it.
pub(super) fn tier(tier: &str) -> Option<&str> {
    match tier {
        "default" => Some("standard"),
        "standard" | "priority" | "batch" => Some(tier),
        _ => None,
    }
}
