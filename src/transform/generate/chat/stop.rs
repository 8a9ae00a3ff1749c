//! Why an answer ended: `finish_reason`.

use std::borrow::Cow;

use super::super::canon::{Stop, Text};

/// What else is known of the choice that ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// It calls tools.
    pub(super) calls: bool,
    /// It holds a refusal of Chat's own kind.
    pub(super) refusal: bool,
}

/// Reads a `finish_reason`.
pub(super) fn lift(word: Option<Text<'_>>, said: Said) -> Stop<'_> {
    let word = word.unwrap_or(Cow::Borrowed("stop"));
    match &*word {
        // Forced calls end with "stop" at OpenAI, all of them with some vendors.
        "tool_calls" | "function_call" => Stop::Calls,
        "stop" | "" if said.calls => Stop::Calls,
        "stop" | "" if said.refusal => Stop::Refusal,
        "stop" | "" | "eos" | "end_turn" | "stop_sequence" => Stop::End,
        "length" | "max_tokens" | "insufficient_system_resource" => Stop::MaxTokens,
        "model_length" | "model_context_window_exceeded" => Stop::Window,
        "content_filter" | "sensitive" => Stop::Filtered(None),
        _ => Stop::Other(word),
    }
}

/// The word for it, and whether it says less than was known.
pub(super) fn lower(stop: &Stop<'_>, said: Said) -> (&'static str, bool) {
    match stop {
        Stop::End | Stop::Sequence(None) => ("stop", false),
        Stop::Refusal if said.refusal => ("stop", false),
        Stop::Sequence(Some(_)) | Stop::Pause | Stop::Other(_) => ("stop", true),
        Stop::MaxTokens => ("length", false),
        Stop::Window => ("length", true),
        Stop::Calls => ("tool_calls", false),
        Stop::Filtered(None) | Stop::Refusal => ("content_filter", false),
        Stop::Filtered(Some(_)) => ("content_filter", true),
    }
}
