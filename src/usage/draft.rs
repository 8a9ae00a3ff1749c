//! What one event (or one whole body) says, before it is known to be valid.

use super::{claude, gemini, gemini::Pair, meter::Shape, openai, wire::Wire};
use crate::protocol::{
    Operation, OperationKey, OperationKind,
    frame::walk::{Member, Value, Visit},
};

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Chat Completions, and legacy completions.
    Chat,
    /// Responses, their compaction, realtime sessions.
    Responses,
    /// Claude Messages.
    Claude,
    /// Gemini, and Google's other calls.
    Gemini,
    /// Everything else in `OpenAI`'s shape.
    Other,
}

/// Calls whose answers are, or hold, Responses.
const RESPONSES: [Operation; 3] = [Operation::CompactContent, Operation::RetrieveResponse, Operation::ConnectRealtime];

impl Dialect {
    pub(super) fn of(key: OperationKey) -> Self {
        match key.kind() {
            OperationKind::OpenAiChatCompletions => Self::Chat,
            OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => Self::Responses,
            OperationKind::ClaudeMessages | OperationKind::Claude => Self::Claude,
            OperationKind::GeminiGenerateContent | OperationKind::Gemini => Self::Gemini,
            OperationKind::OpenAi if key.operation() == Operation::CreateCompletion => Self::Chat,
            OperationKind::OpenAi if RESPONSES.contains(&key.operation()) => Self::Responses,
            OperationKind::OpenAi => Self::Other,
        }
    }
}

/// The part of an event that the walk is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Region {
    /// No usage.
    #[default]
    None,
    /// A usage object.
    Usage,
    /// What the provider's tools used.
    Tools,
    /// A reranker's `meta`.
    Meta,
}

/// What one event says.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    dialect: Dialect,
    operation: Operation,
    pub(super) shape: Shape,
    pub(super) region: Region,
    /// Depth of the region's members.
    inside: usize,
    /// The numbers.
    pub(super) wire: Wire,
    /// A modality in the making.
    pub(super) pair: Pair,
    /// There is a usage object.
    pub(super) usage: bool,
    /// There is a choice.
    pub(super) choice: bool,
    /// Bytes of text for the client.
    pub(super) text: u64,
    /// The text is sound.
    pub(super) sound: bool,
    /// The model that answers.
    pub(super) model: Option<&'a [u8]>,
    /// The service tier that was used.
    pub(super) tier: Option<&'a [u8]>,
    /// The dialect's terminal event.
    pub(super) done: bool,
    /// The answer has come to its own end.
    pub(super) finished: bool,
    /// The provider says that it failed.
    pub(super) error: bool,
    /// An answer begins.
    pub(super) begun: bool,
    /// The event only announces its item.
    pub(super) added: bool,
    /// Searches of the web, and pages opened that are listed among them.
    pub(super) searches: u64,
    /// Those pages.
    pub(super) pages: u64,
    /// Images made.
    pub(super) images: u64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(key: OperationKey, dialect: Dialect, shape: Shape) -> Self {
        Self {
            dialect,
            operation: key.operation(),
            shape,
            region: Region::None,
            inside: 0,
            wire: Wire::default(),
            pair: Pair::default(),
            usage: false,
            choice: false,
            text: 0,
            sound: false,
            model: None,
            tier: None,
            done: false,
            finished: false,
            error: false,
            begun: false,
            added: false,
            searches: 0,
            pages: 0,
            images: 0,
        }
    }

    /// The terminal event of a dialect, and not that of a failure.
    pub(super) fn end_well(&mut self) {
        self.done = true;
        self.finished = true;
    }

    /// Whether this is the chunk that Chat sends for `include_usage`.
    pub(super) fn is_usage_chunk(&self) -> bool {
        self.dialect == Dialect::Chat && self.usage && !self.choice && !self.error
    }

    fn open(&mut self, member: &Member<'a>) {
        let region = match (member.depth, member.key) {
            (1, b"usage" | b"usageMetadata") => Region::Usage,
            (2, b"usage" | b"usageMetadata") if matches!(member.parent, b"response" | b"message" | b"x_groq") => Region::Usage,
            (3, b"usage") if member.parent == b"choices" => Region::Usage,
            (1, b"tool_usage") => Region::Tools,
            (2, b"tool_usage") if member.parent == b"response" => Region::Tools,
            (1, b"meta") if self.operation == Operation::Rerank => Region::Meta,
            (1, b"error") => {
                self.error = true;
                return;
            }
            (2, b"") if member.parent == b"choices" => {
                self.choice = true;
                return;
            }
            _ => return,
        };
        self.enter(region, member.depth + 1);
    }

    /// Reads what follows as usage, whose members stand `depth` brackets deep.
    pub(super) fn enter(&mut self, region: Region, depth: usize) {
        self.usage |= region == Region::Usage;
        self.region = region;
        self.inside = depth;
    }
}

impl<'a> Visit<'a> for Draft<'a> {
    #[inline]
    fn member(&mut self, member: Member<'a>) {
        if self.region != Region::None {
            if let Some(level) = member.depth.checked_sub(self.inside) {
                return match self.dialect {
                    Dialect::Chat | Dialect::Responses | Dialect::Other => openai::counted(self, &member, level),
                    Dialect::Claude => claude::counted(self, &member, level),
                    Dialect::Gemini => gemini::counted(self, &member, level),
                };
            }
            self.region = Region::None;
        }
        match member.value {
            Value::Object => self.open(&member),
            Value::Text(text) => match self.dialect {
                Dialect::Chat => openai::chat(self, &member, text),
                Dialect::Responses => openai::responses(self, &member, text),
                Dialect::Claude => claude::heard(self, &member, text),
                Dialect::Gemini => gemini::heard(self, &member, text),
                Dialect::Other => openai::other(self, &member, text),
            },
            Value::Number(number) => match self.dialect {
                Dialect::Other => openai::numbered(self, &member, number),
                Dialect::Gemini => gemini::numbered(self, &member, number),
                Dialect::Chat | Dialect::Responses | Dialect::Claude => {}
            },
            Value::Array | Value::Bool | Value::Null => {}
        }
    }
}
