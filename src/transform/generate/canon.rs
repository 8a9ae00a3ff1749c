//! The canonical form of a request for content and of its answer: a superset of block-shaped dialects.
//!
//! Private to `transform`, so it may change any day. Everything is borrowed from the body it was read from where that is
//! possible. What a dialect says beyond it rides along as [`Rest`]: the same dialect writes it back, every other
//! reports it as lost.

use std::borrow::Cow;

use serde_json::value::RawValue;

pub(in crate::transform) use super::effort::Effort;
use super::{Asked, Dialect};
use crate::transform::Seal;

/// Text out of a body.
pub(in crate::transform) type Text<'a> = Cow<'a, str>;
/// JSON out of a body, unread.
pub(in crate::transform) type Raw<'a> = Cow<'a, RawValue>;

/// Members that the canonical form has no word for, and the dialect they came in.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Rest<'a> {
    /// Whose members they are; `None` where there are none.
    pub(in crate::transform) of: Option<Dialect>,
    /// The members, in their order.
    pub(in crate::transform) members: Vec<(Text<'a>, Raw<'a>)>,
    /// Members of objects within, and where those stand: a path of names with dots. A member's own name may hold dots too.
    pub(in crate::transform) inner: Vec<(&'static str, Text<'a>, Raw<'a>)>,
    /// How its own dialect wrote it, where there are several ways that mean the same (ids of items, their borders). Only that
    /// dialect looks at them; they are never told as lost.
    pub(in crate::transform) hints: Vec<(&'static str, Raw<'a>)>,
}

/// A request for content.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Request<'a> {
    /// The dialect it came in: losses are named in its words.
    pub(in crate::transform) from: Dialect,
    /// The upstream's id of the model.
    pub(in crate::transform) model: Text<'a>,
    /// Whether a stream is wanted.
    pub(in crate::transform) streams: bool,
    /// Instructions that stand outside of the turns (Claude `system`, Responses `instructions`, Gemini `systemInstruction`).
    pub(in crate::transform) instructions: Vec<Block<'a>>,
    /// The conversation.
    pub(in crate::transform) turns: Vec<Turn<'a>>,
    /// What the model may call.
    pub(in crate::transform) tools: Vec<Tool<'a>>,
    /// Which of it it must, may, or may not call.
    pub(in crate::transform) tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls may stand in one turn.
    pub(in crate::transform) parallel_calls: Option<bool>,
    /// The shape of the answer's text.
    pub(in crate::transform) format: Option<Format<'a>>,
    /// How long and how openly to think.
    pub(in crate::transform) thinking: Thinking<'a>,
    /// How to choose the next token, and how many answers to make.
    pub(in crate::transform) sampling: Sampling<'a>,
    /// The most tokens of the answer, its reasoning included where the dialect counts it so.
    pub(in crate::transform) max_tokens: Option<u64>,
    /// The provider's prompt cache.
    pub(in crate::transform) cache: CacheWish<'a>,
    /// What the provider keeps.
    pub(in crate::transform) state: State<'a>,
    /// The caller's own name for its end user.
    pub(in crate::transform) user: Option<Text<'a>>,
    /// The caller's own labels, an object.
    pub(in crate::transform) metadata: Option<Raw<'a>>,
    /// `auto`, `default`, `flex`, `priority`, `standard_only`, ... in the sender's words.
    pub(in crate::transform) service_tier: Option<Text<'a>>,
    /// `low`, `medium`, `high`: how much to say.
    pub(in crate::transform) verbosity: Option<Text<'a>>,
    /// Kinds of output beyond text: `image`, `audio`.
    pub(in crate::transform) modalities: Vec<Text<'a>>,
    /// A Chat stream's wish for a last chunk with usage.
    pub(in crate::transform) include_usage: Option<bool>,
    /// What the canonical form has no word for.
    pub(in crate::transform) rest: Rest<'a>,
}

impl<'a> Request<'a> {
    /// One that says nothing yet.
    pub(in crate::transform) fn new(from: Dialect, asked: Asked<'a>) -> Self {
        Self {
            from,
            model: Cow::Borrowed(asked.model),
            streams: asked.streams,
            instructions: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_calls: None,
            format: None,
            thinking: Thinking::default(),
            sampling: Sampling::default(),
            max_tokens: None,
            cache: CacheWish::default(),
            state: State::default(),
            user: None,
            metadata: None,
            service_tier: None,
            verbosity: None,
            modalities: Vec::new(),
            include_usage: None,
            rest: Rest::default(),
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) enum Role {
    /// The operator, in OpenAI's older word.
    System,
    /// The operator, in OpenAI's newer word.
    Developer,
    /// The person, or the results of tools.
    User,
    /// The model.
    Assistant,
}

/// One turn of the conversation. Results of tools stand in user turns.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Turn<'a> {
    pub(in crate::transform) role: Role,
    pub(in crate::transform) blocks: Vec<Block<'a>>,
    /// Place among the sender's `messages`, `input` or `contents`.
    pub(in crate::transform) at: usize,
    /// The turn's own id (Responses `message` items), and the participant's name (Chat `name`).
    pub(in crate::transform) id: Option<Text<'a>>,
    pub(in crate::transform) name: Option<Text<'a>>,
    pub(in crate::transform) rest: Rest<'a>,
}

/// One piece of a turn or of an answer.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Block<'a> {
    pub(in crate::transform) part: Part<'a>,
    /// A point up to which the prompt shall be cached.
    pub(in crate::transform) cache: Option<CacheMark>,
    /// A thought signature that rides on this very part (Gemini).
    pub(in crate::transform) seal: Option<Seal<'a>>,
    /// Place among the sender's content parts of its turn.
    pub(in crate::transform) at: usize,
    pub(in crate::transform) rest: Rest<'a>,
}

/// What a block is.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Part<'a> {
    /// Words.
    Text { text: Text<'a>, citations: Vec<Citation<'a>> },
    /// Words that say no.
    Refusal(Text<'a>),
    /// Thinking.
    Reasoning(Reasoning<'a>),
    /// A call of one of the caller's tools.
    Call(Call<'a>),
    /// What such a call gave.
    Result(CallResult<'a>),
    /// A picture, a sound, a film, a document.
    Media(Media<'a>),
    /// A tool that the provider itself runs, at work.
    ServerCall(ServerCall<'a>),
    /// What it found.
    ServerResult(ServerResult<'a>),
    /// A piece that only its own dialect knows, whole.
    Opaque { of: Dialect, json: Raw<'a> },
}

/// Thinking, as far as it is shown, and what its maker needs to have back.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Reasoning<'a> {
    /// The item's own id (Responses `rs_...`).
    pub(in crate::transform) id: Option<Text<'a>>,
    /// The thinking itself, piece by piece (Claude `thinking`, Responses `content`, Gemini thoughts, Chat `reasoning_content`).
    pub(in crate::transform) text: Vec<Text<'a>>,
    /// A summary of it, piece by piece (Responses `summary`).
    pub(in crate::transform) summary: Vec<Text<'a>>,
    /// A signature of the shown text (Claude), encrypted reasoning (Responses), or thinking withheld (Claude `redacted_thinking`).
    pub(in crate::transform) seal: Option<Seal<'a>>,
    /// Whether nothing of it is shown at all, and the seal is the thinking (Claude `redacted_thinking`).
    pub(in crate::transform) redacted: bool,
}

/// A call of one of the caller's tools.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Call<'a> {
    /// The id that its result names. Never empty: a lift makes one where its dialect has none.
    pub(in crate::transform) id: Text<'a>,
    /// The item's own id (Responses `fc_...`).
    pub(in crate::transform) item_id: Option<Text<'a>>,
    pub(in crate::transform) name: Text<'a>,
    /// The space of names it stands in (Responses tool namespaces).
    pub(in crate::transform) namespace: Option<Text<'a>>,
    pub(in crate::transform) input: Input<'a>,
}

/// What a call is given.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Input<'a> {
    /// JSON text as the model wrote it; it may be empty, or broken.
    Json(Text<'a>),
    /// Free text (custom tools).
    Free(Text<'a>),
}

/// What a call gave.
#[derive(Clone, Debug)]
pub(in crate::transform) struct CallResult<'a> {
    /// The call's id.
    pub(in crate::transform) id: Text<'a>,
    /// The tool's name, where the dialect says it or an earlier call of that id does.
    pub(in crate::transform) name: Option<Text<'a>>,
    /// The result item's own id (Responses).
    pub(in crate::transform) item_id: Option<Text<'a>>,
    /// Text and media.
    pub(in crate::transform) content: Vec<Block<'a>>,
    /// The result as an object, where the dialect gives it so (Gemini `response`).
    pub(in crate::transform) object: Option<Raw<'a>>,
    /// Whether the tool failed; `None` where the dialect does not say.
    pub(in crate::transform) failed: Option<bool>,
    /// Whether it answers a custom tool.
    pub(in crate::transform) free: bool,
}

/// What a piece of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) enum MediaKind {
    Image,
    Audio,
    Video,
    /// A document: PDF, plain text, or anything else.
    File,
}

/// A picture, a sound, a film, a document.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Media<'a> {
    pub(in crate::transform) kind: MediaKind,
    pub(in crate::transform) source: Source<'a>,
    /// `image/png`, `audio/wav`, `application/pdf`, ...; where it is known.
    pub(in crate::transform) mime: Option<Text<'a>>,
    /// File name or title.
    pub(in crate::transform) name: Option<Text<'a>>,
    /// OpenAI's `detail`.
    pub(in crate::transform) detail: Option<Text<'a>>,
}

/// Where a piece of media lies.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Source<'a> {
    /// At an address; never a `data:` address, which is [`Source::Base64`].
    Url(Text<'a>),
    /// Here, in base64 of the standard alphabet.
    Base64(Text<'a>),
    /// Here, as plain text (Claude's text documents).
    Plain(Text<'a>),
    /// With the provider, under this id.
    FileId(Text<'a>),
}

/// A tool of the provider's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transform) enum ServerTool {
    WebSearch,
    WebFetch,
    CodeExecution,
    FileSearch,
    ImageGeneration,
    ComputerUse,
    Mcp,
    /// Any other, by the name that its dialect gives it.
    Other(String),
}

/// A tool of the provider's own, at work.
#[derive(Clone, Debug)]
pub(in crate::transform) struct ServerCall<'a> {
    pub(in crate::transform) id: Text<'a>,
    pub(in crate::transform) tool: ServerTool,
    /// What was searched for, fetched, or run: one text for each, where the dialect says it.
    pub(in crate::transform) queries: Vec<Text<'a>>,
    /// The whole item as its dialect writes it; the same dialect writes it back.
    pub(in crate::transform) json: Raw<'a>,
}

/// What a tool of the provider's own found.
#[derive(Clone, Debug)]
pub(in crate::transform) struct ServerResult<'a> {
    /// The call's id.
    pub(in crate::transform) id: Text<'a>,
    pub(in crate::transform) tool: ServerTool,
    /// Pages found.
    pub(in crate::transform) pages: Vec<Page<'a>>,
    /// What code printed.
    pub(in crate::transform) output: Option<Text<'a>>,
    /// Media made: pictures, files.
    pub(in crate::transform) media: Vec<Media<'a>>,
    pub(in crate::transform) failed: bool,
    /// The whole item as its dialect writes it; the same dialect writes it back.
    pub(in crate::transform) json: Raw<'a>,
}

/// A page of the web.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Page<'a> {
    pub(in crate::transform) url: Text<'a>,
    pub(in crate::transform) title: Option<Text<'a>>,
}

/// Where a piece of text is taken from.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Citation<'a> {
    /// The page, for sources on the web.
    pub(in crate::transform) url: Option<Text<'a>>,
    /// The page's or document's title.
    pub(in crate::transform) title: Option<Text<'a>>,
    /// The words that are quoted.
    pub(in crate::transform) quote: Option<Text<'a>>,
    /// The cited part of the block's text, in characters (Unicode scalar values): begin and end.
    pub(in crate::transform) span: Option<(u64, u64)>,
    /// The whole annotation as its dialect writes it.
    pub(in crate::transform) of: Dialect,
    pub(in crate::transform) json: Raw<'a>,
}

/// Something that the model may call.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Tool<'a> {
    pub(in crate::transform) kind: ToolKind<'a>,
    pub(in crate::transform) cache: Option<CacheMark>,
    /// Place among the sender's tools.
    pub(in crate::transform) at: usize,
    pub(in crate::transform) rest: Rest<'a>,
}

/// What a tool is.
#[derive(Clone, Debug)]
pub(in crate::transform) enum ToolKind<'a> {
    /// One of the caller's, called with JSON.
    Function {
        name: Text<'a>,
        namespace: Option<Text<'a>>,
        description: Option<Text<'a>>,
        schema: Option<Schema<'a>>,
        strict: Option<bool>,
    },
    /// One of the caller's, called with free text; `format` is its grammar as Responses writes it.
    Custom { name: Text<'a>, description: Option<Text<'a>>, format: Option<Raw<'a>> },
    /// One of the provider's own. `json` is the whole definition as its dialect writes it.
    Server { tool: ServerTool, of: Dialect, json: Raw<'a> },
}

/// A schema, and in which language it is written.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Schema<'a> {
    /// JSON Schema.
    Json(Raw<'a>),
    /// Google's own language (`type: "OBJECT"`, `nullable`, ...).
    Google(Raw<'a>),
}

/// Which tools must, may or may not be called.
#[derive(Clone, Debug)]
pub(in crate::transform) enum ToolChoice<'a> {
    Auto,
    None,
    /// Any, but at least one.
    Required,
    /// This one.
    Named(Text<'a>),
    /// One of these, or at least one of these.
    Among {
        names: Vec<Text<'a>>,
        required: bool,
    },
    /// A choice that only its own dialect knows.
    Opaque {
        of: Dialect,
        json: Raw<'a>,
    },
}

/// The shape of the answer's text.
#[derive(Clone, Debug)]
pub(in crate::transform) enum Format<'a> {
    /// Words, said outright.
    Text,
    /// Any JSON object.
    Json,
    /// JSON after a schema.
    Schema { name: Option<Text<'a>>, description: Option<Text<'a>>, schema: Schema<'a>, strict: Option<bool> },
}

/// How long and how openly to think.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Thinking<'a> {
    /// `Some(false)`: said outright not to.
    pub(in crate::transform) on: Option<bool>,
    pub(in crate::transform) effort: Option<Effort>,
    /// The most tokens of thinking.
    pub(in crate::transform) budget: Option<u64>,
    /// The model chooses how much (Claude `adaptive`, Gemini budget -1).
    pub(in crate::transform) adaptive: bool,
    /// Whether thinking is shown: Gemini `includeThoughts`, Claude `display`, Responses `summary` asked for.
    pub(in crate::transform) shown: Option<bool>,
    /// Responses' kind of summary: `auto`, `concise`, `detailed`.
    pub(in crate::transform) summary: Option<Text<'a>>,
    /// Whether encrypted reasoning is asked for (Responses `include: ["reasoning.encrypted_content"]`).
    pub(in crate::transform) sealed: bool,
}

/// How to choose the next token.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct Sampling<'a> {
    pub(in crate::transform) temperature: Option<f64>,
    pub(in crate::transform) top_p: Option<f64>,
    pub(in crate::transform) top_k: Option<f64>,
    pub(in crate::transform) frequency_penalty: Option<f64>,
    pub(in crate::transform) presence_penalty: Option<f64>,
    pub(in crate::transform) seed: Option<i64>,
    pub(in crate::transform) stop: Vec<Text<'a>>,
    /// Whether log probabilities are asked for.
    pub(in crate::transform) logprobs: Option<bool>,
    pub(in crate::transform) top_logprobs: Option<u64>,
    pub(in crate::transform) logit_bias: Option<Raw<'a>>,
    /// How many answers.
    pub(in crate::transform) n: Option<u64>,
}

/// How long a cached prompt lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) enum CacheLife {
    /// As the provider likes (Claude: 5 minutes).
    Default,
    Minutes5,
    Minutes30,
    Hour,
}

/// A point up to which the prompt shall be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) struct CacheMark(pub(in crate::transform) CacheLife);

/// What is said of the provider's prompt cache beyond marks on blocks.
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct CacheWish<'a> {
    /// OpenAI's `prompt_cache_key`.
    pub(in crate::transform) key: Option<Text<'a>>,
    /// OpenAI's `prompt_cache_retention` (`in_memory`, `24h`).
    pub(in crate::transform) retention: Option<Text<'a>>,
    /// A mark on the request as a whole (Claude's top-level `cache_control`).
    pub(in crate::transform) mark: Option<CacheMark>,
    /// Gemini's `cachedContent`.
    pub(in crate::transform) content: Option<Text<'a>>,
}

/// What the provider is asked to keep, or has kept (Responses).
#[derive(Clone, Debug, Default)]
pub(in crate::transform) struct State<'a> {
    pub(in crate::transform) previous: Option<Text<'a>>,
    /// `conversation`, as it stands.
    pub(in crate::transform) conversation: Option<Raw<'a>>,
    /// Where the first item stands that is only named, and kept by who made it (Responses `item_reference`).
    pub(in crate::transform) named: Option<usize>,
    pub(in crate::transform) store: Option<bool>,
    pub(in crate::transform) background: Option<bool>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Answer<'a> {
    /// The dialect it came in.
    pub(in crate::transform) from: Dialect,
    /// The provider's id of the answer; empty where it gives none.
    pub(in crate::transform) id: Text<'a>,
    /// The model that answered, in the provider's words.
    pub(in crate::transform) model: Text<'a>,
    /// Unix seconds, where the provider tells.
    pub(in crate::transform) created: Option<u64>,
    /// One for each answer asked for (`n`); at least one unless the prompt was blocked.
    pub(in crate::transform) choices: Vec<Choice<'a>>,
    pub(in crate::transform) usage: Option<Tokens>,
    pub(in crate::transform) service_tier: Option<Text<'a>>,
    pub(in crate::transform) rest: Rest<'a>,
}

/// One of the answers.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Choice<'a> {
    pub(in crate::transform) index: usize,
    pub(in crate::transform) blocks: Vec<Block<'a>>,
    pub(in crate::transform) stop: Stop<'a>,
    /// Log probabilities of the text's tokens.
    pub(in crate::transform) logprobs: Vec<Logprob<'a>>,
    pub(in crate::transform) rest: Rest<'a>,
}

/// The log probability of one token, and of the likeliest others in its place.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Logprob<'a> {
    pub(in crate::transform) token: Text<'a>,
    pub(in crate::transform) logprob: f64,
    /// The token's bytes as a JSON array, where the dialect gives them.
    pub(in crate::transform) bytes: Option<Raw<'a>>,
    pub(in crate::transform) top: Vec<Logprob<'a>>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transform) enum Stop<'a> {
    /// The model was done.
    End,
    /// One of the caller's stop sequences came; which one, where the dialect tells.
    Sequence(Option<Text<'a>>),
    /// The most tokens were reached.
    MaxTokens,
    /// The model's window was full (Claude `model_context_window_exceeded`).
    Window,
    /// Tools are to be called.
    Calls,
    /// The model says no (Claude `refusal`).
    Refusal,
    /// A filter of the provider's cut in; its word for why.
    Filtered(Option<Text<'a>>),
    /// A turn of the provider's own tools is too long and wants to be continued (Claude `pause_turn`).
    Pause,
    /// Anything else, in the dialect's word.
    Other(Text<'a>),
}

/// Tokens of one answer, in disjoint buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::transform) struct Tokens {
    /// Prompt tokens that came from no cache and went into none.
    pub(in crate::transform) input: u64,
    pub(in crate::transform) cache_read: u64,
    /// Written to a cache: total, and the part of it that lives an hour.
    pub(in crate::transform) cache_write: u64,
    pub(in crate::transform) cache_write_1h: u64,
    /// Answer tokens without reasoning.
    pub(in crate::transform) output: u64,
    pub(in crate::transform) reasoning: u64,
    /// Parts of the whole prompt and of `output` that are no words.
    pub(in crate::transform) input_audio: u64,
    pub(in crate::transform) input_image: u64,
    pub(in crate::transform) output_audio: u64,
    pub(in crate::transform) output_image: u64,
    /// Searches that the provider ran.
    pub(in crate::transform) searches: u64,
}

impl Tokens {
    /// All tokens of the prompt. Figures are the provider's: nonsense must not overflow.
    pub(in crate::transform) fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// All tokens of the answer.
    pub(in crate::transform) fn completion(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// All tokens.
    pub(in crate::transform) fn total(&self) -> u64 {
        self.prompt().saturating_add(self.completion())
    }
}
