//! The four dialects of content generation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::OperationKind;

/// A dialect of content generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses, over HTTP or a WebSocket.
    Responses,
    /// Anthropic Messages.
    Claude,
    /// Gemini generateContent.
    Gemini,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Claude, Self::Gemini];

    /// The dialect of a wire kind; `None` for the kinds of anything but generation.
    #[must_use]
    pub const fn of(kind: OperationKind) -> Option<Self> {
        match kind {
            OperationKind::OpenAiChatCompletions => Some(Self::Chat),
            OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => Some(Self::Responses),
            OperationKind::ClaudeMessages => Some(Self::Claude),
            OperationKind::GeminiGenerateContent => Some(Self::Gemini),
            OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => None,
        }
    }

    /// Its wire kind over HTTP.
    #[must_use]
    pub const fn kind(self) -> OperationKind {
        match self {
            Self::Chat => OperationKind::OpenAiChatCompletions,
            Self::Responses => OperationKind::OpenAiResponses,
            Self::Claude => OperationKind::ClaudeMessages,
            Self::Gemini => OperationKind::GeminiGenerateContent,
        }
    }

    /// The stable word in tags, fixtures and documents.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Claude => "claude",
            Self::Gemini => "gemini",
        }
    }

    /// Finds a dialect by its word.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.id() == id)
    }

    /// What it calls the list of turns, and the list of parts within one.
    pub(super) const fn lists(self) -> (&'static str, &'static str) {
        match self {
            Self::Chat | Self::Claude => ("messages", "content"),
            Self::Responses => ("input", "content"),
            Self::Gemini => ("contents", "parts"),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
