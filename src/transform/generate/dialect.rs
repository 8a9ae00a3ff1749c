//! The four dialects of content generation.

use crate::protocol::OperationKind;

/// A dialect of content generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
