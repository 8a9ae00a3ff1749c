//! The closed vocabulary of what can be asked, and in which wire shape.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $variant:ident = $id:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$item_doc])* #[serde(rename = $id)] $variant),+
        }

        impl $name {
            /// Every variant, in the order of the vocabulary.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name in records, metrics and configuration.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// Finds a variant by its stable name.
            #[must_use]
            pub fn parse(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.id())
            }
        }
    };
}

vocabulary! {
    /// An action, whoever's wire shape it is asked in.
    Operation {
        /// The models that can be used.
        ListModels = "list_models",
        /// One model's description.
        GetModel = "get_model",
        /// How many tokens a prompt has.
        CountTokens = "count_tokens",
        /// One answer, whole.
        GenerateContent = "generate_content",
        /// One answer, as it is made.
        StreamGenerateContent = "stream_generate_content",
        /// A legacy text completion.
        CreateCompletion = "create_completion",
        /// A long conversation made short.
        CompactContent = "compact_content",
        /// A stored answer.
        RetrieveResponse = "retrieve_response",
        /// A stored answer, forgotten.
        DeleteResponse = "delete_response",
        /// An answer in the making, stopped.
        CancelResponse = "cancel_response",
        /// What a stored answer was asked.
        ListResponseInput = "list_response_input",
        /// A conversation kept by the provider.
        CreateConversation = "create_conversation",
        /// Its description.
        RetrieveConversation = "retrieve_conversation",
        /// Its metadata, changed.
        UpdateConversation = "update_conversation",
        /// A conversation, forgotten.
        DeleteConversation = "delete_conversation",
        /// Its items.
        ListConversationItems = "list_conversation_items",
        /// Items added to it.
        CreateConversationItems = "create_conversation_items",
        /// One item.
        RetrieveConversationItem = "retrieve_conversation_item",
        /// One item, forgotten.
        DeleteConversationItem = "delete_conversation_item",
        /// Vectors of texts.
        CreateEmbedding = "create_embedding",
        /// Vectors of several requests at once (Gemini).
        BatchCreateEmbedding = "batch_create_embedding",
        /// Google's raw prediction call.
        Predict = "predict",
        /// Google's raw prediction call that answers later.
        PredictLongRunning = "predict_long_running",
        /// Pictures from words.
        CreateImage = "create_image",
        /// Pictures from pictures.
        EditImage = "edit_image",
        /// Sound from words.
        CreateSpeech = "create_speech",
        /// Words from sound.
        CreateTranscription = "create_transcription",
        /// English words from sound.
        CreateTranslation = "create_translation",
        /// Documents by relevance.
        Rerank = "rerank",
        /// A text judged.
        CreateModeration = "create_moderation",
        /// A search of the web.
        WebSearch = "web_search",
        /// A video, ordered.
        CreateVideo = "create_video",
        /// The videos ordered.
        ListVideos = "list_videos",
        /// One video's state.
        RetrieveVideo = "retrieve_video",
        /// A video, forgotten.
        DeleteVideo = "delete_video",
        /// A video's bytes.
        DownloadVideo = "download_video_content",
        /// A video made anew.
        RemixVideo = "remix_video",
        /// A character for videos.
        CreateVideoCharacter = "create_video_character",
        /// One character.
        GetVideoCharacter = "get_video_character",
        /// A video, edited.
        EditVideo = "edit_video",
        /// A video, prolonged.
        ExtendVideo = "extend_video",
        /// A file, stored.
        CreateFile = "create_file",
        /// The stored files.
        ListFiles = "list_files",
        /// One file's description.
        RetrieveFile = "retrieve_file",
        /// A file, forgotten.
        DeleteFile = "delete_file",
        /// A file's bytes.
        DownloadFile = "download_file_content",
        /// Many requests at once, answered later.
        CreateBatch = "create_batch",
        /// The batches.
        ListBatches = "list_batches",
        /// One batch's state.
        RetrieveBatch = "retrieve_batch",
        /// A batch, stopped.
        CancelBatch = "cancel_batch",
        /// A batch, forgotten.
        DeleteBatch = "delete_batch",
        /// A batch's answers.
        DownloadBatch = "download_batch_results",
        /// A voice session over WebRTC.
        CreateRealtimeCall = "create_realtime_call",
        /// A voice session over WebSocket.
        ConnectRealtime = "connect_realtime",
    }
}

vocabulary! {
    /// A family of operations, for permissions, documents and screens.
    OperationGroup {
        /// Model lists.
        Models = "models",
        /// Token counts.
        CountTokens = "count_tokens",
        /// Answers.
        GenerateContent = "generate_content",
        /// Compaction.
        Compact = "compact",
        /// Stored conversations and answers.
        Conversations = "conversations",
        /// Vectors.
        Embeddings = "embeddings",
        /// Pictures.
        Images = "images",
        /// Sound.
        Audio = "audio",
        /// Reranking.
        Rerank = "rerank",
        /// Moderation.
        Moderations = "moderations",
        /// Web search.
        Search = "search",
        /// Videos.
        Video = "video",
        /// Files.
        Files = "files",
        /// Batches.
        Batches = "batches",
        /// Voice sessions.
        Realtime = "realtime",
    }
}

vocabulary! {
    /// The wire shape that a request arrives in: a content dialect for generation, a provider family for all else.
    OperationKind {
        /// OpenAI Chat Completions.
        OpenAiChatCompletions = "open_ai_chat_completions",
        /// OpenAI Responses.
        OpenAiResponses = "open_ai_responses",
        /// OpenAI Responses, an event a WebSocket message.
        OpenAiResponsesWebSocket = "open_ai_responses_web_socket",
        /// Anthropic Messages.
        ClaudeMessages = "claude_messages",
        /// Gemini generateContent.
        GeminiGenerateContent = "gemini_generate_content",
        /// OpenAI's shape of anything but generation.
        OpenAi = "open_ai",
        /// Anthropic's shape of anything but generation.
        Claude = "claude",
        /// Google's shape of anything but generation.
        Gemini = "gemini",
    }
}

vocabulary! {
    /// Whose conventions a request follows: its errors, its keys, its names.
    Family {
        /// OpenAI and the many that follow it.
        OpenAi = "open_ai",
        /// Anthropic.
        Claude = "claude",
        /// Google.
        Gemini = "gemini",
    }
}

impl OperationKind {
    /// Whose conventions the kind follows.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::OpenAiChatCompletions | Self::OpenAiResponses | Self::OpenAiResponsesWebSocket | Self::OpenAi => Family::OpenAi,
            Self::ClaudeMessages | Self::Claude => Family::Claude,
            Self::GeminiGenerateContent | Self::Gemini => Family::Gemini,
        }
    }
}

impl Operation {
    /// The family of operations that this one belongs to.
    #[must_use]
    pub const fn group(self) -> OperationGroup {
        match self {
            Self::ListModels | Self::GetModel => OperationGroup::Models,
            Self::CountTokens => OperationGroup::CountTokens,
            Self::GenerateContent | Self::StreamGenerateContent | Self::CreateCompletion => OperationGroup::GenerateContent,
            Self::CompactContent => OperationGroup::Compact,
            Self::RetrieveResponse
            | Self::DeleteResponse
            | Self::CancelResponse
            | Self::ListResponseInput
            | Self::CreateConversation
            | Self::RetrieveConversation
            | Self::UpdateConversation
            | Self::DeleteConversation
            | Self::ListConversationItems
            | Self::CreateConversationItems
            | Self::RetrieveConversationItem
            | Self::DeleteConversationItem => OperationGroup::Conversations,
            Self::CreateEmbedding | Self::BatchCreateEmbedding => OperationGroup::Embeddings,
            Self::CreateImage | Self::EditImage | Self::Predict => OperationGroup::Images,
            Self::CreateSpeech | Self::CreateTranscription | Self::CreateTranslation => OperationGroup::Audio,
            Self::Rerank => OperationGroup::Rerank,
            Self::CreateModeration => OperationGroup::Moderations,
            Self::WebSearch => OperationGroup::Search,
            Self::PredictLongRunning
            | Self::CreateVideo
            | Self::ListVideos
            | Self::RetrieveVideo
            | Self::DeleteVideo
            | Self::DownloadVideo
            | Self::RemixVideo
            | Self::CreateVideoCharacter
            | Self::GetVideoCharacter
            | Self::EditVideo
            | Self::ExtendVideo => OperationGroup::Video,
            Self::CreateFile | Self::ListFiles | Self::RetrieveFile | Self::DeleteFile | Self::DownloadFile => OperationGroup::Files,
            Self::CreateBatch | Self::ListBatches | Self::RetrieveBatch | Self::CancelBatch | Self::DeleteBatch | Self::DownloadBatch => {
                OperationGroup::Batches
            }
            Self::CreateRealtimeCall | Self::ConnectRealtime => OperationGroup::Realtime,
        }
    }
}

/// What is asked, and in which wire shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperationKey {
    operation: Operation,
    kind: OperationKind,
}

impl OperationKey {
    /// Pairs an operation with a kind that can carry it, or refuses: generation is asked in a content dialect, all else in a family's shape.
    #[must_use]
    pub const fn new(operation: Operation, kind: OperationKind) -> Option<Self> {
        let generates = matches!(operation, Operation::GenerateContent | Operation::StreamGenerateContent);
        let dialect = !matches!(kind, OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini);
        if generates == dialect { Some(Self { operation, kind }) } else { None }
    }

    /// What is asked.
    #[must_use]
    pub const fn operation(self) -> Operation {
        self.operation
    }

    /// In which wire shape.
    #[must_use]
    pub const fn kind(self) -> OperationKind {
        self.kind
    }
}
