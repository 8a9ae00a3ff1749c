//! What a dialect calls its blocks, and which of them can carry a mark.

use std::borrow::Cow;

use crate::{
    process::{filter::Dialect, tree::Tree},
    protocol::cache_mark::CacheTtl,
};

/// A dialect that has marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Claude,
    Chat,
    Responses,
}

impl Shape {
    pub(super) fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::Claude => Some(Self::Claude),
            Dialect::Chat => Some(Self::Chat),
            Dialect::Responses => Some(Self::Responses),
            Dialect::Gemini => None,
        }
    }

    /// The member that holds the conversation.
    pub(super) fn messages(self) -> &'static str {
        match self {
            Self::Claude | Self::Chat => "messages",
            Self::Responses => "input",
        }
    }

    /// The member that holds the system prompt; Chat has messages instead.
    pub(super) fn system(self) -> &'static str {
        match self {
            Self::Claude => "system",
            Self::Chat => "",
            Self::Responses => "instructions",
        }
    }

    /// The `type` of a block of text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Claude | Self::Chat => "text",
            Self::Responses => "input_text",
        }
    }

    /// The member that is a mark.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Claude => "cache_control",
            Self::Chat | Self::Responses => "prompt_cache_breakpoint",
        }
    }

    /// A mark.
    pub(super) fn mark_json(self, ttl: CacheTtl) -> String {
        match (self, ttl.word()) {
            (Self::Claude, None) => r#"{"type":"ephemeral"}"#.to_owned(),
            (Self::Claude, Some(ttl)) => format!(r#"{{"type":"ephemeral","ttl":"{ttl}"}}"#),
            (Self::Chat | Self::Responses, _) => r#"{"mode":"explicit"}"#.to_owned(),
        }
    }

    /// Whether a prompt can be kept for so long.
    pub(super) fn keeps_for(self, ttl: CacheTtl) -> bool {
        match self {
            Self::Claude => ttl != CacheTtl::Minutes30,
            Self::Chat | Self::Responses => matches!(ttl, CacheTtl::Auto | CacheTtl::Minutes30),
        }
    }

    /// What a trigger's time means here: OpenAI knows one time only.
    pub(super) fn ttl_of(self, ttl: CacheTtl) -> CacheTtl {
        match self {
            Self::Claude => ttl,
            Self::Chat | Self::Responses => CacheTtl::Auto,
        }
    }

    /// Whether a block can carry a mark: no thinking, no empty text.
    pub(super) fn takes_mark(self, block: &mut Tree<'_>) -> bool {
        let Some(kind) = block.member_text("type").map(Cow::into_owned) else { return false };
        if kind == self.text() {
            return block.member_text("text").is_some_and(|text| !text.trim().is_empty());
        }
        match self {
            Self::Claude => !matches!(kind.as_str(), "thinking" | "redacted_thinking"),
            Self::Chat => matches!(kind.as_str(), "image_url" | "input_audio" | "file"),
            Self::Responses => matches!(kind.as_str(), "input_image" | "input_file"),
        }
    }

    /// A string's JSON as a list of one block.
    pub(super) fn list_of(self, string: &str) -> String {
        format!(r#"[{{"type":"{}","text":{string}}}]"#, self.text())
    }
}

/// Whether a tool is only looked up when it is wanted; such a one cannot be marked.
pub(super) fn is_deferred(tool: &mut Tree<'_>) -> bool {
    tool.member("defer_loading").is_some_and(|defer| defer.is("true"))
        || tool.member("default_config").and_then(|config| config.member("defer_loading")).is_some_and(|defer| defer.is("true"))
}

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    Assistant,
    Other,
}

impl Speaker {
    pub(super) fn of(message: &mut Tree<'_>) -> Self {
        match message.member_text("role").as_deref() {
            Some("system" | "developer") => Self::System,
            Some("assistant") => Self::Assistant,
            Some(_) | None => Self::Other,
        }
    }
}
