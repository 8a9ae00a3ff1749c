//! The four dialects in which the lab speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::OperationKind;

/// A dialect of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Claude Messages.
    Claude,
    /// Gemini generateContent.
    Gemini,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Claude, Self::Gemini];

    /// Its name on the command line and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Claude => "claude",
            Self::Gemini => "gemini",
        }
    }

    /// Finds a dialect by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The kind that the rest of the house calls it.
    #[must_use]
    pub const fn kind(self) -> OperationKind {
        match self {
            Self::Chat => OperationKind::OpenAiChatCompletions,
            Self::Responses => OperationKind::OpenAiResponses,
            Self::Claude => OperationKind::ClaudeMessages,
            Self::Gemini => OperationKind::GeminiGenerateContent,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
