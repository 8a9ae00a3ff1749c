//! Why a turn read less from its provider's cache than it could have, and what helps.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a turn read less from its provider's cache than it could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Something of what the last turn sent is another thing now.
    PrefixChanged,
    /// The same, among the tools, which stand before everything else.
    ToolsChanged,
    /// Another credential of the provider was asked.
    AnotherCredential,
    /// Another provider was asked.
    AnotherProvider,
    /// Another model was asked.
    ModelChanged,
    /// More time went by than the provider keeps a prompt.
    GapTooLong,
    /// The prompt is shorter than what the provider caches.
    TooShort,
    /// Claude caches what is marked, and nothing was.
    NoMark,
    /// Tools or system prompt were marked, and nothing of the conversation.
    MarksTooEarly,
    /// None of these.
    Unknown,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PrefixChanged,
        Self::ToolsChanged,
        Self::AnotherCredential,
        Self::AnotherProvider,
        Self::ModelChanged,
        Self::GapTooLong,
        Self::TooShort,
        Self::NoMark,
        Self::MarksTooEarly,
        Self::Unknown,
    ];

    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PrefixChanged => "the prompt changed within what was sent before",
            Self::ToolsChanged => "the tools changed",
            Self::AnotherCredential => "another credential served it",
            Self::AnotherProvider => "another provider served it",
            Self::ModelChanged => "another model was asked",
            Self::GapTooLong => "too much time went by",
            Self::TooShort => "the prompt is too short to be cached",
            Self::NoMark => "nothing is marked to be cached",
            Self::MarksTooEarly => "the conversation is not marked to be cached",
            Self::Unknown => "unknown",
        }
    }

    /// What helps.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::PrefixChanged => {
                "Keep what was sent once as it is: take dates, counters and ids out of the system prompt or put them into the last message, \
                 and append to the conversation instead of rewriting it. Where the client cannot be changed, a `rewrite` or `transform` rule \
                 can take the changing text out."
            }
            Self::ToolsChanged => {
                "Send the same tools in the same order at every turn, with the members of their schemas in the same order, and load new ones \
                 only at the beginning of a session."
            }
            Self::AnotherCredential => {
                "Leave the provider's `credential_cache_affinity_enabled` on with `round_robin`, let the client name its session \
                 (`x-gproxy-session-id`, `prompt_cache_key`), and see /admin/health for why the credential of before was passed over."
            }
            Self::AnotherProvider => {
                "Give the route `\"affinity\": {\"enabled\": true}`, so that a session stays with its member, and see /admin/health for why \
                 the member of before was passed over."
            }
            Self::ModelChanged => {
                "Each model has a cache of its own: stay with one for a session. Where a route chose the model, give it \
                 `\"affinity\": {\"enabled\": true}`."
            }
            Self::GapTooLong => {
                "Where turns are far apart, ask for a longer life: `\"ttl\": \"1h\"` in Claude's `cache_control` (a `cache_breakpoint` rule \
                 can set it), `\"prompt_cache_retention\": \"24h\"` with OpenAI."
            }
            Self::TooShort => {
                "Nothing is lost: providers cache prompts from 1,024 tokens on, some of Claude's and Gemini's models from 2,048 or 4,096 on."
            }
            Self::NoMark => {
                "Let the client set `cache_control`, or a `cache_breakpoint` rule: one mark at the end of the system prompt, one at the last \
                 message (`{\"target\": \"message\", \"index\": -1}`)."
            }
            Self::MarksTooEarly => "Mark the last message too: a `cache_breakpoint` rule `{\"target\": \"message\", \"index\": -1}` does.",
            Self::Unknown => {
                "The same prompt went to the same account in time. Providers let go of caches early when they are busy, some report none at \
                 all, and Claude looks back no more than 20 blocks from a mark. With OpenAI a `prompt_cache_key` of its own for each session \
                 helps to find the cache again."
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
