//! The one table of what can be asked: method, path, where the model stands, how a stream is asked for.
//!
//! Classification, upstream paths, the documentation and the tests all read it. Paths are written without a
//! provider prefix. `{model}` may hold slashes, `{id}` may not. Sources: the public API references of `OpenAI`,
//! Anthropic and Google; Cohere's for `/v2/rerank`.

use std::{ops::Range, sync::LazyLock};

use http::Method;

use super::{
    Operation, OperationKey, OperationKind,
    segment::{self, Stray},
};
use crate::base::QuickMap;

/// Where a request names its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPosition {
    /// The top-level member `model` of a JSON body, or `session.model`.
    Body,
    /// The part of the path that the pattern calls `{model}`.
    Path,
    /// The text part `model` of a multipart body.
    Form,
    /// The query parameter `model`; of an offer, its session's `model` too.
    Query,
    /// Nowhere: the call is about a thing that a provider keeps.
    Absent,
}

/// How a client asks for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSwitch {
    /// It cannot.
    Never,
    /// The path says it.
    Always,
    /// The body's `stream` is true (in a form: the text `true`).
    Flag,
    /// The body's `stream_format` is `sse`.
    SseFormat,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyShape {
    /// Nothing that matters.
    Empty,
    /// A JSON object.
    Json,
    /// A multipart form, read for its text parts.
    Form,
    /// SDP, or a form of it and a session's settings, which are read for their model.
    Offer,
    /// Bytes that pass unread.
    Opaque,
}

/// One way to ask one operation.
#[derive(Debug)]
pub struct CatalogRow {
    /// The operation and its wire shape. A generation row names the whole answer; [`CatalogRow::key`] gives the streamed one.
    operation: Operation,
    kind: OperationKind,
    /// HTTP method.
    pub method: Method,
    /// Path pattern without a provider prefix.
    pub path: &'static str,
    /// Where the model stands.
    pub model: ModelPosition,
    /// How a stream is asked for.
    pub stream: StreamSwitch,
    /// What the request carries.
    pub body: BodyShape,
}

impl CatalogRow {
    /// The key of a call on this row, given whether it asks for a stream.
    ///
    /// # Panics
    /// Never: a test walks the whole table.
    #[must_use]
    pub fn key(&self, streams: bool) -> OperationKey {
        let operation = match (self.operation, streams) {
            (Operation::GenerateContent, true) => Operation::StreamGenerateContent,
            (operation, _) => operation,
        };
        #[expect(clippy::expect_used, reason = "the test `every_row_has_a_key` walks the whole table")]
        OperationKey::new(operation, self.kind).expect("a catalogue row pairs an operation with a kind that can carry it")
    }

    /// Whether calls on this row use tokens or other paid things, and so leave a usage row.
    #[must_use]
    pub fn metered(&self) -> bool {
        use Operation as O;
        matches!(
            self.operation,
            O::GenerateContent
                | O::StreamGenerateContent
                | O::CreateCompletion
                | O::CompactContent
                | O::CreateEmbedding
                | O::BatchCreateEmbedding
                | O::Predict
                | O::PredictLongRunning
                | O::CreateImage
                | O::EditImage
                | O::CreateSpeech
                | O::CreateTranscription
                | O::CreateTranslation
                | O::Rerank
                | O::CreateModeration
                | O::WebSearch
                | O::CreateVideo
                | O::RemixVideo
                | O::EditVideo
                | O::ExtendVideo
                | O::ConnectRealtime
                | O::CreateRealtimeCall
        )
    }
}

macro_rules! rows {
    ($($method:ident $path:literal $operation:ident $kind:ident $model:ident $stream:ident $body:ident;)+) => {
        /// The table.
        pub static CATALOG: &[CatalogRow] = &[$(CatalogRow {
            operation: Operation::$operation,
            kind: OperationKind::$kind,
            method: Method::$method,
            path: $path,
            model: ModelPosition::$model,
            stream: StreamSwitch::$stream,
            body: BodyShape::$body,
        }),+];
    };
}

rows! {
    POST   "/v1/chat/completions"                          GenerateContent   OpenAiChatCompletions Body   Flag   Json;
    POST   "/v1/responses"                                 GenerateContent   OpenAiResponses       Body   Flag   Json;
    GET    "/v1/responses"                                 GenerateContent   OpenAiResponsesWebSocket Body Always Empty;
    POST   "/v1/messages"                                  GenerateContent   ClaudeMessages        Body   Flag   Json;
    POST   "/v1beta/models/{model}:generateContent"        GenerateContent   GeminiGenerateContent Path   Never  Json;
    POST   "/v1beta/models/{model}:streamGenerateContent"  GenerateContent   GeminiGenerateContent Path   Always Json;
    POST   "/v1/completions"                               CreateCompletion  OpenAi Body   Flag      Json;
    POST   "/v1/responses/compact"                         CompactContent    OpenAi Body   Never     Json;
    POST   "/v1/responses/input_tokens"                    CountTokens       OpenAi Body   Never     Json;
    POST   "/v1/messages/count_tokens"                     CountTokens       Claude Body   Never     Json;
    POST   "/v1beta/models/{model}:countTokens"            CountTokens       Gemini Path   Never     Json;
    GET    "/v1/models"                                    ListModels        OpenAi Absent Never     Empty;
    GET    "/v1/models"                                    ListModels        Claude Absent Never     Empty;
    GET    "/v1beta/models"                                ListModels        Gemini Absent Never     Empty;
    GET    "/v1/models/{model}"                            GetModel          OpenAi Path   Never     Empty;
    GET    "/v1/models/{model}"                            GetModel          Claude Path   Never     Empty;
    GET    "/v1beta/models/{model}"                        GetModel          Gemini Path   Never     Empty;
    POST   "/v1/embeddings"                                CreateEmbedding   OpenAi Body   Never     Json;
    POST   "/v1beta/models/{model}:embedContent"           CreateEmbedding   Gemini Path   Never     Json;
    POST   "/v1beta/models/{model}:batchEmbedContents"     BatchCreateEmbedding Gemini Path Never    Json;
    POST   "/v1beta/models/{model}:predict"                Predict           Gemini Path   Never     Json;
    POST   "/v1beta/models/{model}:predictLongRunning"     PredictLongRunning Gemini Path  Never     Json;
    POST   "/v1/images/generations"                        CreateImage       OpenAi Body   Flag      Json;
    POST   "/v1/images/edits"                              EditImage         OpenAi Form   Flag      Form;
    POST   "/v1/audio/speech"                              CreateSpeech      OpenAi Body   SseFormat Json;
    POST   "/v1/audio/transcriptions"                      CreateTranscription OpenAi Form Flag      Form;
    POST   "/v1/audio/translations"                        CreateTranslation OpenAi Form   Never     Form;
    POST   "/v1/rerank"                                    Rerank            OpenAi Body   Never     Json;
    POST   "/v2/rerank"                                    Rerank            OpenAi Body   Never     Json;
    POST   "/v1/moderations"                               CreateModeration  OpenAi Body   Never     Json;
    POST   "/v1/alpha/search"                              WebSearch         OpenAi Body   Never     Json;
    GET    "/v1/responses/{id}"                            RetrieveResponse  OpenAi Absent Never     Empty;
    DELETE "/v1/responses/{id}"                            DeleteResponse    OpenAi Absent Never     Empty;
    POST   "/v1/responses/{id}/cancel"                     CancelResponse    OpenAi Absent Never     Opaque;
    GET    "/v1/responses/{id}/input_items"                ListResponseInput OpenAi Absent Never     Empty;
    POST   "/v1/conversations"                             CreateConversation OpenAi Absent Never    Opaque;
    GET    "/v1/conversations/{id}"                        RetrieveConversation OpenAi Absent Never  Empty;
    POST   "/v1/conversations/{id}"                        UpdateConversation OpenAi Absent Never    Opaque;
    DELETE "/v1/conversations/{id}"                        DeleteConversation OpenAi Absent Never    Empty;
    GET    "/v1/conversations/{id}/items"                  ListConversationItems OpenAi Absent Never Empty;
    POST   "/v1/conversations/{id}/items"                  CreateConversationItems OpenAi Absent Never Opaque;
    GET    "/v1/conversations/{id}/items/{id}"             RetrieveConversationItem OpenAi Absent Never Empty;
    DELETE "/v1/conversations/{id}/items/{id}"             DeleteConversationItem OpenAi Absent Never Empty;
    POST   "/v1/videos"                                    CreateVideo       OpenAi Form   Never     Form;
    GET    "/v1/videos"                                    ListVideos        OpenAi Absent Never     Empty;
    GET    "/v1/videos/{id}"                               RetrieveVideo     OpenAi Absent Never     Empty;
    DELETE "/v1/videos/{id}"                               DeleteVideo       OpenAi Absent Never     Empty;
    GET    "/v1/videos/{id}/content"                       DownloadVideo     OpenAi Absent Never     Empty;
    POST   "/v1/videos/{id}/remix"                         RemixVideo        OpenAi Absent Never     Opaque;
    POST   "/v1/videos/characters"                         CreateVideoCharacter OpenAi Absent Never  Opaque;
    GET    "/v1/videos/characters/{id}"                    GetVideoCharacter OpenAi Absent Never     Empty;
    POST   "/v1/videos/edits"                              EditVideo         OpenAi Absent Never     Opaque;
    POST   "/v1/videos/extensions"                         ExtendVideo       OpenAi Absent Never     Opaque;
    POST   "/v1/files"                                     CreateFile        OpenAi Absent Never     Opaque;
    GET    "/v1/files"                                     ListFiles         OpenAi Absent Never     Empty;
    GET    "/v1/files/{id}"                                RetrieveFile      OpenAi Absent Never     Empty;
    DELETE "/v1/files/{id}"                                DeleteFile        OpenAi Absent Never     Empty;
    GET    "/v1/files/{id}/content"                        DownloadFile      OpenAi Absent Never     Empty;
    POST   "/v1/files"                                     CreateFile        Claude Absent Never     Opaque;
    GET    "/v1/files"                                     ListFiles         Claude Absent Never     Empty;
    GET    "/v1/files/{id}"                                RetrieveFile      Claude Absent Never     Empty;
    DELETE "/v1/files/{id}"                                DeleteFile        Claude Absent Never     Empty;
    GET    "/v1/files/{id}/content"                        DownloadFile      Claude Absent Never     Empty;
    POST   "/v1/batches"                                   CreateBatch       OpenAi Absent Never     Opaque;
    GET    "/v1/batches"                                   ListBatches       OpenAi Absent Never     Empty;
    GET    "/v1/batches/{id}"                              RetrieveBatch     OpenAi Absent Never     Empty;
    POST   "/v1/batches/{id}/cancel"                       CancelBatch       OpenAi Absent Never     Opaque;
    POST   "/v1/messages/batches"                          CreateBatch       Claude Absent Never     Opaque;
    GET    "/v1/messages/batches"                          ListBatches       Claude Absent Never     Empty;
    GET    "/v1/messages/batches/{id}"                     RetrieveBatch     Claude Absent Never     Empty;
    POST   "/v1/messages/batches/{id}/cancel"              CancelBatch       Claude Absent Never     Opaque;
    DELETE "/v1/messages/batches/{id}"                     DeleteBatch       Claude Absent Never     Empty;
    GET    "/v1/messages/batches/{id}/results"             DownloadBatch     Claude Absent Never     Empty;
    POST   "/v1/realtime/calls"                            CreateRealtimeCall OpenAi Query Never     Offer;
    GET    "/v1/realtime"                                  ConnectRealtime   OpenAi Query  Always    Empty;
    GET    "/v1/live"                                      ConnectRealtime   OpenAi Query  Always    Empty;
}

/// Which family a client of an ambiguous path belongs to, read from its headers and query.
pub use super::Family as Hint;

/// A row that fits a request, and where the model stands in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index into [`CATALOG`].
    row: usize,
    /// The canonical path's model, as a byte range of the path handed in.
    pub model: Option<Range<usize>>,
}

impl Found {
    /// The row.
    #[must_use]
    pub fn row(&self) -> &'static CatalogRow {
        &CATALOG[self.row]
    }

    /// Looks at the ids of the path that was handed in, which goes on as it is.
    ///
    /// # Errors
    /// One of them, told with why it may not stand there.
    pub fn ids<'a>(&self, path: &'a str) -> Result<(), (&'a str, Stray)> {
        if !self.row().path.contains("{id}") {
            return Ok(());
        }
        path.split('/').skip(1).try_for_each(|id| segment::id(id).map_err(|stray| (id, stray)))
    }
}

/// Why no row fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// No row has this path.
    #[error("unknown path")]
    Path,
    /// Rows have this path with other methods.
    #[error("this path takes {}", allowed.join(", "))]
    Method {
        /// The methods that the path takes.
        allowed: Vec<&'static str>,
    },
}

struct Index {
    plain: QuickMap<&'static str, Vec<usize>>,
    patterned: Vec<usize>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { plain: QuickMap::default(), patterned: Vec::new() };
    for (at, row) in CATALOG.iter().enumerate() {
        if row.path.contains('{') {
            index.patterned.push(at);
        } else {
            index.plain.entry(row.path).or_default().push(at);
        }
    }
    index
});

/// Finds the row of a method and a canonical path (no provider prefix, Gemini under `/v1beta`).
///
/// Where several kinds share a path, `hint` chooses; without a row of that family, the first one stands.
///
/// # Errors
/// [`Missed`] where no row has the path, or none with the method.
pub fn find(method: &Method, path: &str, hint: Hint) -> Result<Found, Missed> {
    let found = match INDEX.plain.get(path) {
        Some(rows) => best(rows.iter().map(|row| Found { row: *row, model: None }), method, hint),
        None => best(patterned(path), method, hint),
    };
    found.ok_or_else(|| missed(path))
}

/// The rows whose pattern fits a path.
fn patterned(path: &str) -> impl Iterator<Item = Found> {
    INDEX.patterned.iter().filter_map(move |row| Some(Found { row: *row, model: fit(CATALOG[*row].path, path)? }))
}

/// The row of the method and the family; without one of the family, the first of the method.
fn best(found: impl Iterator<Item = Found>, method: &Method, hint: Hint) -> Option<Found> {
    let mut first = None;
    for found in found.filter(|found| found.row().method == *method) {
        if found.row().kind.family() == hint {
            return Some(found);
        }
        first = first.or(Some(found));
    }
    first
}

fn missed(path: &str) -> Missed {
    let plain = INDEX.plain.get(path).into_iter().flatten().map(|row| CATALOG[*row].method.as_str());
    let mut allowed: Vec<&'static str> = plain.collect();
    if allowed.is_empty() {
        allowed = patterned(path).map(|found| found.row().method.as_str()).collect();
    }
    allowed.dedup();
    if allowed.is_empty() { Missed::Path } else { Missed::Method { allowed } }
}

/// The row by which a key is asked of a provider.
#[must_use]
pub fn of(key: OperationKey) -> Option<&'static CatalogRow> {
    let streams = key.operation() == Operation::StreamGenerateContent;
    CATALOG.iter().find(|row| {
        let fits = match row.stream {
            StreamSwitch::Never => !streams,
            StreamSwitch::Always => streams || row.operation != Operation::GenerateContent,
            StreamSwitch::Flag | StreamSwitch::SseFormat => true,
        };
        fits && row.key(streams) == key
    })
}

/// Fits a path to a pattern: `None` where it does not, else the range of `{model}` where the pattern has one.
#[expect(clippy::option_option, reason = "a pattern without a model can fit too")]
fn fit(pattern: &str, path: &str) -> Option<Option<Range<usize>>> {
    let mut model = None;
    let mut at = 0;
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}')? + open;
        let (literal, name) = (&rest[..open], &rest[open + 1..close]);
        path[at..].strip_prefix(literal)?;
        at += literal.len();
        rest = &rest[close + 1..];
        let end = if rest.is_empty() {
            path.len()
        } else if rest.contains('{') || name == "id" {
            let stop = rest.find('{').unwrap_or(rest.len());
            path[at..].find(&rest[..stop])? + at
        } else {
            path[at..].strip_suffix(rest)?.len() + at
        };
        let value = &path[at..end];
        // An id with a colon is a Gemini verb that we do not know, never a model.
        if value.is_empty()
            || (name == "id" && value.contains('/'))
            || (rest.is_empty() && name == "model" && value.contains(':') && pattern.starts_with("/v1beta"))
        {
            return None;
        }
        if name == "model" {
            model = Some(at..end);
        }
        at = end;
    }
    (path[at..] == *rest).then_some(model)
}
