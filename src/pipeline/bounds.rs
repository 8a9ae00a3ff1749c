//! The most that a call may use, as far as its request says: what a strict budget reserves. Where two members bound the same thing the
//! larger one counts, since nobody knows which of them the provider obeys.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::{
    error::GatewayError,
    form,
    resolve::{Content, Resolved},
};
use crate::{
    base::Counts,
    billing,
    protocol::{Family, Operation, OperationKind, fault::FaultKind, peek},
};

/// Pictures of a call whose request does not say how many; `OpenAI` makes ten at most.
const IMAGES: u64 = 10;
/// Pictures that a conversation may have made by a tool of the provider.
const TOOL_IMAGES: u64 = 4;
/// Searches of one answer whose request does not bound them.
const SEARCHES: u64 = 16;
/// Seconds of a video whose request does not say how long.
const VIDEO_SECONDS: u64 = 25;
/// Milliseconds of sound in a byte, of speech as thin as it is sent: Opus at 6 kbit/s.
const SOUND: (u64, u64) = (4, 3);

/// The longest prompt and answer of a realtime session, in tokens.
const REALTIME: (u64, u64) = (32_768, 4_096);

/// Refuses to a caller with a budget what is paid for where the gateway cannot see it.
///
/// # Errors
/// The call, and why.
pub(super) fn refuse_unbounded(call: &Resolved) -> Result<(), GatewayError> {
    let refused = |what: &str| {
        let message = format!("{what}, which the gateway cannot count, and this key spends from a budget");
        Err(GatewayError::new(FaultKind::Forbidden, message))
    };
    let is_in_background = || member(call, "background").is_some_and(|value| value == true);
    match call.key.operation() {
        Operation::CreateBatch => refused("a batch is paid for when its provider works it off"),
        Operation::CreateRealtimeCall => refused("a call over WebRTC goes to its provider directly"),
        Operation::GenerateContent | Operation::StreamGenerateContent if !call.is_local() && is_in_background() => {
            refused("an answer in the background is paid for when it is made").map_err(|error| error.at("background"))
        }
        _ => Ok(()),
    }
}

/// The longest prompt that the call may have, in tokens.
pub(super) fn prompt(call: &Resolved) -> u64 {
    match call.key.operation() {
        Operation::ConnectRealtime => REALTIME.0,
        _ => billing::estimate_tokens(call.prompt_bytes),
    }
}

/// The longest answer that the client allows, in tokens; `None` where only the model bounds it.
pub(super) fn output(call: &Resolved) -> Option<u64> {
    if call.key.operation() == Operation::ConnectRealtime {
        return Some(REALTIME.1);
    }
    let document = call.content.json()?;
    let member = |name: &str| document.value(name);
    match call.key.kind() {
        OperationKind::GeminiGenerateContent | OperationKind::Gemini => {
            largest(["maxOutputTokens", "max_output_tokens"].into_iter().filter_map(|name| generation(call)?.remove(name)))
        }
        OperationKind::OpenAiChatCompletions => largest(["max_completion_tokens", "max_tokens"].into_iter().filter_map(member).map(read)),
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => largest(member("max_output_tokens").map(read)),
        OperationKind::ClaudeMessages | OperationKind::Claude | OperationKind::OpenAi => largest(member("max_tokens").map(read)),
    }
}

/// How many answers the client asks for.
pub(super) fn answers(call: &Resolved) -> u64 {
    let Some(document) = call.content.json() else { return 1 };
    let own = ["n", "best_of"].into_iter().filter_map(|name| document.value(name)).map(read);
    let of_gemini = || ["candidateCount", "candidate_count"].into_iter().filter_map(|name| generation(call)?.remove(name));
    let most = match call.key.kind().family() {
        Family::Gemini => largest(of_gemini()),
        Family::OpenAi | Family::Claude => largest(own),
    };
    most.unwrap_or(1)
}

/// How many pictures, seconds and searches may be counted.
pub(super) fn pieces(call: &Resolved) -> Counts {
    let asked = |name: &str| member(call, name).and_then(|value| figure(&value));
    let mut counts = Counts::default();
    match call.key.operation() {
        Operation::CreateImage => counts.images = asked("n").unwrap_or(1),
        Operation::EditImage => counts.images = asked("n").unwrap_or(IMAGES),
        Operation::Predict | Operation::PredictLongRunning => {
            let parameters = member(call, "parameters");
            let of = |name: &str| parameters.as_ref().and_then(|parameters| figure(parameters.get(name)?));
            counts.images = of("sampleCount").unwrap_or(IMAGES);
            counts.millis = of("durationSeconds").unwrap_or(VIDEO_SECONDS).saturating_mul(counts.images).saturating_mul(1_000);
        }
        Operation::CreateVideo => counts.millis = asked("seconds").unwrap_or(VIDEO_SECONDS).saturating_mul(1_000),
        Operation::RemixVideo | Operation::EditVideo | Operation::ExtendVideo => counts.millis = VIDEO_SECONDS * 1_000,
        Operation::CreateTranscription | Operation::CreateTranslation => {
            counts.millis = call.prompt_bytes.saturating_mul(SOUND.0) / SOUND.1;
        }
        Operation::WebSearch => counts.searches = 1,
        Operation::GenerateContent | Operation::StreamGenerateContent => tools(call, &mut counts),
        _ => {}
    }
    counts
}

/// The service tier that the client asks for, in the word by which it would be reported.
pub(super) fn tier(call: &Resolved) -> Option<Cow<'_, str>> {
    let document = call.content.json()?;
    let text = |name: &str| document.value(name).and_then(peek::string);
    match call.key.kind().family() {
        // Fast answers have a price of their own, and are not told as a tier.
        Family::Claude => text("speed").filter(|speed| speed == "fast").or_else(|| text("service_tier")),
        Family::OpenAi => text("service_tier"),
        Family::Gemini => text("serviceTier").or_else(|| text("service_tier")),
    }
}

/// What the provider's own tools may use.
fn tools(call: &Resolved, counts: &mut Counts) {
    let Some(document) = call.content.json() else { return };
    let text = document.value("tools").unwrap_or_default();
    // Most tools are the client's own, and long: only where a word of the others stands are they read.
    let is_there = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let tools = if is_there(b"earch") || is_there(b"image") { read(text) } else { Value::Null };
    let tools = tools.as_array().map(Vec::as_slice).unwrap_or_default();
    if tools.iter().any(|tool| is_called(tool, "image")) {
        counts.images = TOOL_IMAGES;
    }
    let by_model = call.named.as_deref().is_some_and(|model| model.contains("search") || model.ends_with(":online"));
    let mut searching = tools.iter().filter(|tool| is_called(tool, "search")).peekable();
    if by_model || document.value("web_search_options").is_some() || document.value("plugins").is_some() {
        counts.searches = SEARCHES;
    } else if searching.peek().is_some() {
        let bounded: Option<u64> = searching.map(|tool| figure(tool.get("max_uses")?)).sum();
        counts.searches = bounded.unwrap_or(SEARCHES);
    }
}

/// Whether a tool of the provider goes by a word: by its type, or by the member that it is.
fn is_called(tool: &Value, word: &str) -> bool {
    let fits = |name: &str| name.to_ascii_lowercase().contains(word);
    let Value::Object(tool) = tool else { return false };
    tool.get("type").and_then(Value::as_str).is_some_and(fits) || tool.keys().any(|key| fits(key))
}

/// A member of the body or a field of the form.
fn member(call: &Resolved, name: &str) -> Option<Value> {
    match &call.content {
        Content::Json(document) => document.value(name).map(read),
        Content::Form { body, .. } => {
            let content_type = call.call.call.inbound.headers.get(CONTENT_TYPE)?.to_str().ok()?;
            form::scan(body, content_type).ok()?.text(body, name).map(Value::from)
        }
        Content::Empty | Content::Offer { .. } | Content::Unread(_) => None,
    }
}

/// Gemini's settings of the answer.
fn generation(call: &Resolved) -> Option<serde_json::Map<String, Value>> {
    match ["generationConfig", "generation_config"].into_iter().find_map(|name| member(call, name))? {
        Value::Object(settings) => Some(settings),
        _ => None,
    }
}

fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

/// The largest of the figures that are given; `None` where there is none, or one that nobody can read, which bounds nothing.
fn largest(values: impl IntoIterator<Item = Value>) -> Option<u64> {
    values
        .into_iter()
        .filter(|value| !value.is_null())
        .map(|value| figure(&value))
        .try_fold(None, |most, figure| Some(most.max(Some(figure?))))?
}

/// A figure, as lenient servers read one: also with a fraction, or as a text.
fn figure(value: &Value) -> Option<u64> {
    let text;
    let number = match value {
        Value::Number(number) => number,
        Value::String(own) => {
            text = own.trim().parse().ok()?;
            &text
        }
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is cut at the ends of its range")]
    let rounded = || number.as_f64().map(|number| number.ceil() as u64);
    number.as_u64().or_else(rounded)
}
