//! Why an answer ended: `status` and `incomplete_details.reason`.

use std::borrow::Cow;

use super::super::canon::{Part, Stop};

/// What an answer held that tells why it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Something that the caller has to run.
    pub(super) calls: bool,
    pub(super) refusal: bool,
}

impl Seen {
    /// Looks at a block.
    pub(super) fn note(&mut self, part: &Part<'_>) {
        match part {
            Part::Call(_) => self.calls = true,
            Part::Refusal(_) => self.refusal = true,
            Part::ServerCall(call) => self.calls |= super::server::runs_at_the_caller(&call.json),
            Part::Opaque { json, .. } => self.calls |= super::server::runs_at_the_caller(json),
            Part::Text { .. } | Part::Reasoning(_) | Part::Result(_) | Part::Media(_) | Part::ServerResult(_) => {}
        }
    }
}

/// Out of the two words and what the answer held.
pub(super) fn lift<'a>(status: &str, reason: Option<Cow<'a, str>>, seen: Seen) -> Stop<'a> {
    match (status, reason) {
        ("incomplete", Some(reason)) => match &*reason {
            "max_output_tokens" => Stop::MaxTokens,
            "content_filter" => Stop::Filtered(None),
            _ => Stop::Other(reason),
        },
        ("incomplete", None) => Stop::MaxTokens,
        ("cancelled", _) => Stop::Other(Cow::Borrowed("cancelled")),
        _ if seen.calls => Stop::Calls,
        _ if seen.refusal => Stop::Refusal,
        _ => Stop::End,
    }
}

/// `status`, and the reason where it is `incomplete`.
pub(super) fn lower<'s>(stop: &'s Stop<'_>, seen: Seen) -> (&'static str, Option<&'s str>) {
    match stop {
        Stop::MaxTokens | Stop::Window => ("incomplete", Some("max_output_tokens")),
        Stop::Filtered(_) => ("incomplete", Some("content_filter")),
        // Without words of its own a refusal would look like an answer that says nothing.
        Stop::Refusal if !seen.refusal => ("incomplete", Some("content_filter")),
        Stop::Other(word) if &**word == "cancelled" => ("cancelled", None),
        Stop::Other(word) if matches!(&**word, "max_messages" | "steered") => ("incomplete", Some(word)),
        Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Refusal | Stop::Pause | Stop::Other(_) => ("completed", None),
    }
}
