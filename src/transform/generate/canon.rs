//! The canonical form of a request for content and of its answer: a superset of block-shaped dialects.
//!
//! Private to `transform`, so it may change any day. Everything is borrowed from the body it was read from where that is
//! possible. What a dialect says beyond it rides along as [`Rest`]: the same dialect writes it back, every other
//! reports it as lost.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Dialect;
use crate::transform::Seal;

/// Text out of a body.
pub(super) type Text<'a> = Cow<'a, str>;
/// JSON out of a body, unread.
pub(super) type Raw<'a> = Cow<'a, RawValue>;

/// Members that the canonical form has no word for, and the dialect they came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest<'a> {
    /// Whose members they are; `None` where there are none.
    pub(super) of: Option<Dialect>,
    /// The members, in their order.
    pub(super) members: Vec<(Text<'a>, Raw<'a>)>,
    /// How its own dialect wrote it, where there are several ways that mean the same (ids of items, their borders). Only that
    /// dialect looks at them; they are never told as lost.
    pub(super) hints: Vec<(&'static str, Raw<'a>)>,
}

/// A request for content.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    /// The dialect it came in: losses are named in its words.
    pub(super) from: Dialect,
    /// The upstream's id of the model.
    pub(super) model: Text<'a>,
    /// Whether a stream is wanted.
    pub(super) streams: bool,
    /// Instructions that stand outside of the turns (Claude `system`, Responses `instructions`, Gemini `systemInstruction`).
    pub(super) instructions: Vec<Block<'a>>,
    /// The conversation.
    pub(super) turns: Vec<Turn<'a>>,
    /// What the model may call.
    pub(super) tools: Vec<Tool<'a>>,
    /// Which of it it must, may, or may not call.
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls may stand in one turn.
    pub(super) parallel_calls: Option<bool>,
    /// The shape of the answer's text.
    pub(super) format: Option<Format<'a>>,
    /// How long and how openly to think.
    pub(super) thinking: Thinking<'a>,
    /// How to choose the next token, and how many answers to make.
    pub(super) sampling: Sampling<'a>,
    /// The most tokens of the answer, its reasoning included where the dialect counts it so.
    pub(super) max_tokens: Option<u64>,
    /// The provider's prompt cache.
    pub(super) cache: CacheWish<'a>,
    /// What the provider keeps.
    pub(super) state: State<'a>,
    /// The caller's own name for its end user.
    pub(super) user: Option<Text<'a>>,
    /// The caller's own labels, an object.
    pub(super) metadata: Option<Raw<'a>>,
    /// `auto`, `default`, `flex`, `priority`, `standard_only`, ... in the sender's words.
    pub(super) service_tier: Option<Text<'a>>,
    /// `low`, `medium`, `high`: how much to say.
    pub(super) verbosity: Option<Text<'a>>,
    /// Kinds of output beyond text: `image`, `audio`.
    pub(super) modalities: Vec<Text<'a>>,
    /// A Chat stream's wish for a last chunk with usage.
    pub(super) include_usage: Option<bool>,
    /// What the canonical form has no word for.
    pub(super) rest: Rest<'a>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
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
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    pub(super) blocks: Vec<Block<'a>>,
    /// Place among the sender's `messages`, `input` or `contents`.
    pub(super) at: usize,
    /// The turn's own id (Responses `message` items), and the participant's name (Chat `name`).
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) rest: Rest<'a>,
}

/// One piece of a turn or of an answer.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    pub(super) part: Part<'a>,
    /// A point up to which the prompt shall be cached.
    pub(super) cache: Option<CacheMark>,
    /// A thought signature that rides on this very part (Gemini).
    pub(super) seal: Option<Seal<'a>>,
    /// Place among the sender's content parts of its turn.
    pub(super) at: usize,
    pub(super) rest: Rest<'a>,
}

/// What a block is.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
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
pub(super) struct Reasoning<'a> {
    /// The item's own id (Responses `rs_...`).
    pub(super) id: Option<Text<'a>>,
    /// The thinking itself, piece by piece (Claude `thinking`, Responses `content`, Gemini thoughts, Chat `reasoning_content`).
    pub(super) text: Vec<Text<'a>>,
    /// A summary of it, piece by piece (Responses `summary`).
    pub(super) summary: Vec<Text<'a>>,
    /// A signature of the shown text (Claude), encrypted reasoning (Responses), or thinking withheld (Claude `redacted_thinking`).
    pub(super) seal: Option<Seal<'a>>,
    /// Whether nothing of it is shown at all, and the seal is the thinking (Claude `redacted_thinking`).
    pub(super) redacted: bool,
}

/// A call of one of the caller's tools.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// The id that its result names. Never empty: a lift makes one where its dialect has none.
    pub(super) id: Text<'a>,
    /// The item's own id (Responses `fc_...`).
    pub(super) item_id: Option<Text<'a>>,
    pub(super) name: Text<'a>,
    /// The space of names it stands in (Responses tool namespaces).
    pub(super) namespace: Option<Text<'a>>,
    pub(super) input: Input<'a>,
}

/// What a call is given.
#[derive(Clone, Debug)]
pub(super) enum Input<'a> {
    /// JSON text as the model wrote it; it may be empty, or broken.
    Json(Text<'a>),
    /// Free text (custom tools).
    Free(Text<'a>),
}

/// What a call gave.
#[derive(Clone, Debug)]
pub(super) struct CallResult<'a> {
    /// The call's id.
    pub(super) id: Text<'a>,
    /// The tool's name, where the dialect says it or an earlier call of that id does.
    pub(super) name: Option<Text<'a>>,
    /// The result item's own id (Responses).
    pub(super) item_id: Option<Text<'a>>,
    /// Text and media.
    pub(super) content: Vec<Block<'a>>,
    /// The result as an object, where the dialect gives it so (Gemini `response`).
    pub(super) object: Option<Raw<'a>>,
    /// Whether the tool failed; `None` where the dialect does not say.
    pub(super) failed: Option<bool>,
    /// Whether it answers a custom tool.
    pub(super) free: bool,
}

/// What a piece of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaKind {
    Image,
    Audio,
    Video,
    /// A document: PDF, plain text, or anything else.
    File,
}

/// A picture, a sound, a film, a document.
#[derive(Clone, Debug)]
pub(super) struct Media<'a> {
    pub(super) kind: MediaKind,
    pub(super) source: Source<'a>,
    /// `image/png`, `audio/wav`, `application/pdf`, ...; where it is known.
    pub(super) mime: Option<Text<'a>>,
    /// File name or title.
    pub(super) name: Option<Text<'a>>,
    /// OpenAI's `detail`.
    pub(super) detail: Option<Text<'a>>,
}

/// Where a piece of media lies.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
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
pub(super) enum ServerTool {
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
pub(super) struct ServerCall<'a> {
    pub(super) id: Text<'a>,
    pub(super) tool: ServerTool,
    /// What was searched for, fetched, or run: one text for each, where the dialect says it.
    pub(super) queries: Vec<Text<'a>>,
    /// The whole item as its dialect writes it; the same dialect writes it back.
    pub(super) json: Raw<'a>,
}

/// What a tool of the provider's own found.
#[derive(Clone, Debug)]
pub(super) struct ServerResult<'a> {
    /// The call's id.
    pub(super) id: Text<'a>,
    pub(super) tool: ServerTool,
    /// Pages found.
    pub(super) pages: Vec<Page<'a>>,
    /// What code printed.
    pub(super) output: Option<Text<'a>>,
    /// Media made: pictures, files.
    pub(super) media: Vec<Media<'a>>,
    pub(super) failed: bool,
    /// The whole item as its dialect writes it; the same dialect writes it back.
    pub(super) json: Raw<'a>,
}

/// A page of the web.
#[derive(Clone, Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) url: Text<'a>,
    pub(super) title: Option<Text<'a>>,
}

/// Where a piece of text is taken from.
#[derive(Clone, Debug)]
pub(super) struct Citation<'a> {
    /// The page, for sources on the web.
    pub(super) url: Option<Text<'a>>,
    /// The page's or document's title.
    pub(super) title: Option<Text<'a>>,
    /// The words that are quoted.
    pub(super) quote: Option<Text<'a>>,
    /// The cited part of the block's text, in characters (Unicode scalar values): begin and end.
    pub(super) span: Option<(u64, u64)>,
    /// The whole annotation as its dialect writes it.
    pub(super) of: Dialect,
    pub(super) json: Raw<'a>,
}

/// Something that the model may call.
#[derive(Clone, Debug)]
pub(super) struct Tool<'a> {
    pub(super) kind: ToolKind<'a>,
    pub(super) cache: Option<CacheMark>,
    /// Place among the sender's tools.
    pub(super) at: usize,
    pub(super) rest: Rest<'a>,
}

/// What a tool is.
#[derive(Clone, Debug)]
pub(super) enum ToolKind<'a> {
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
pub(super) enum Schema<'a> {
    /// JSON Schema.
    Json(Raw<'a>),
    /// Google's own language (`type: "OBJECT"`, `nullable`, ...).
    Google(Raw<'a>),
}

/// Which tools must, may or may not be called.
#[derive(Clone, Debug)]
pub(super) enum ToolChoice<'a> {
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
pub(super) enum Format<'a> {
    /// Words, said outright.
    Text,
    /// Any JSON object.
    Json,
    /// JSON after a schema.
    Schema { name: Option<Text<'a>>, description: Option<Text<'a>>, schema: Schema<'a>, strict: Option<bool> },
}

/// How much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// How long and how openly to think.
#[derive(Clone, Debug, Default)]
pub(super) struct Thinking<'a> {
    /// `Some(false)`: said outright not to.
    pub(super) on: Option<bool>,
    pub(super) effort: Option<Effort>,
    /// The most tokens of thinking.
    pub(super) budget: Option<u64>,
    /// The model chooses how much (Claude `adaptive`, Gemini budget -1).
    pub(super) adaptive: bool,
    /// Whether thinking is shown: Gemini `includeThoughts`, Claude `display`, Responses `summary` asked for.
    pub(super) shown: Option<bool>,
    /// Responses' kind of summary: `auto`, `concise`, `detailed`.
    pub(super) summary: Option<Text<'a>>,
    /// Whether encrypted reasoning is asked for (Responses `include: ["reasoning.encrypted_content"]`).
    pub(super) sealed: bool,
}

/// How to choose the next token.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampling<'a> {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) seed: Option<i64>,
    pub(super) stop: Vec<Text<'a>>,
    /// Whether log probabilities are asked for.
    pub(super) logprobs: Option<bool>,
    pub(super) top_logprobs: Option<u64>,
    pub(super) logit_bias: Option<Raw<'a>>,
    /// How many answers.
    pub(super) n: Option<u64>,
}

/// How long a cached prompt lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheLife {
    /// As the provider likes (Claude: 5 minutes).
    Default,
    Minutes5,
    Minutes30,
    Hour,
    Day,
}

/// A point up to which the prompt shall be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheMark(pub(super) CacheLife);

/// What is said of the provider's prompt cache beyond marks on blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct CacheWish<'a> {
    /// OpenAI's `prompt_cache_key`.
    pub(super) key: Option<Text<'a>>,
    /// OpenAI's `prompt_cache_retention` (`in_memory`, `24h`).
    pub(super) retention: Option<Text<'a>>,
    /// A mark on the request as a whole (Claude's top-level `cache_control`).
    pub(super) mark: Option<CacheMark>,
    /// Gemini's `cachedContent`.
    pub(super) content: Option<Text<'a>>,
}

/// What the provider is asked to keep, or has kept (Responses).
#[derive(Clone, Debug, Default)]
pub(super) struct State<'a> {
    pub(super) previous: Option<Text<'a>>,
    /// `conversation`, as it stands.
    pub(super) conversation: Option<Raw<'a>>,
    pub(super) store: Option<bool>,
    pub(super) background: Option<bool>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(super) struct Answer<'a> {
    /// The dialect it came in.
    pub(super) from: Dialect,
    /// The provider's id of the answer; empty where it gives none.
    pub(super) id: Text<'a>,
    /// The model that answered, in the provider's words.
    pub(super) model: Text<'a>,
    /// Unix seconds, where the provider tells.
    pub(super) created: Option<u64>,
    /// One for each answer asked for (`n`); at least one unless the prompt was blocked.
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) usage: Option<Tokens>,
    pub(super) service_tier: Option<Text<'a>>,
    pub(super) rest: Rest<'a>,
}

/// One of the answers.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    pub(super) index: usize,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) stop: Stop<'a>,
    /// Log probabilities of the text's tokens.
    pub(super) logprobs: Vec<Logprob<'a>>,
    pub(super) rest: Rest<'a>,
}

/// The log probability of one token, and of the likeliest others in its place.
#[derive(Clone, Debug)]
pub(super) struct Logprob<'a> {
    pub(super) token: Text<'a>,
    pub(super) logprob: f64,
    /// The token's bytes as a JSON array, where the dialect gives them.
    pub(super) bytes: Option<Raw<'a>>,
    pub(super) top: Vec<Logprob<'a>>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop<'a> {
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
pub(super) struct Tokens {
    /// Prompt tokens that came from no cache and went into none.
    pub(super) input: u64,
    pub(super) cache_read: u64,
    /// Written to a cache: total, and the part of it that lives an hour.
    pub(super) cache_write: u64,
    pub(super) cache_write_1h: u64,
    /// Answer tokens without reasoning.
    pub(super) output: u64,
    pub(super) reasoning: u64,
    /// Parts of the whole prompt and of `output` that are no words.
    pub(super) input_audio: u64,
    pub(super) input_image: u64,
    pub(super) output_audio: u64,
    pub(super) output_image: u64,
    /// Searches that the provider ran.
    pub(super) searches: u64,
}

impl Tokens {
    /// All tokens of the prompt.
    pub(super) fn prompt(&self) -> u64 {
        self.input + self.cache_read + self.cache_write
    }

    /// All tokens of the answer.
    pub(super) fn completion(&self) -> u64 {
        self.output + self.reasoning
    }
}
