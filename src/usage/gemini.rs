//! Gemini's usage: the prompt includes its cached part but not what tools added, and thoughts stand beside the answer.
//!
//! Every frame of a stream tells the numbers so far, and they may fall; the frame with a `finishReason` has the last
//! word. Google's other calls (embeddings, predictions) are read here too.

use super::{
    claude::put,
    draft::Draft,
    wire::{Field, Parts, Wire, whole},
};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::frame::walk::{Member, Value},
};

/// A text member outside of usage.
pub(super) fn heard<'a>(draft: &mut Draft<'a>, member: &Member<'a>, text: &'a [u8]) {
    match (member.parent, member.key) {
        (b"candidates", b"finishReason") | (b"promptFeedback", b"blockReason") if !text.is_empty() => draft.finished = true,
        (b"parts", b"text") => draft.text += text.len() as u64,
        (b"webSearchQueries", b"") if !text.is_empty() => draft.searches += 1,
        (b"predictions", b"bytesBase64Encoded" | b"gcsUri") => draft.images += 1,
        (_, b"modelVersion") if member.depth <= 2 => draft.model = Some(text),
        _ => {}
    }
}

/// A number outside of usage: Vertex counts the tokens of each embedded text apart.
pub(super) fn numbered(draft: &mut Draft<'_>, member: &Member<'_>, number: &[u8]) {
    if member.parent == b"statistics" && matches!(member.key, b"token_count" | b"tokenCount") {
        draft.wire.add(Field::Prompt, whole(number));
    }
}

/// A member of usage, `level` brackets deep in it.
pub(super) fn counted<'a>(draft: &mut Draft<'a>, member: &Member<'a>, level: usize) {
    match (level, member.value) {
        (0, Value::Number(number)) => {
            if let Some(field) = field(member.key) {
                draft.wire.raise(field, whole(number));
            }
        }
        (0, Value::Text(text)) if member.key == b"serviceTier" => draft.tier = Some(text),
        (1, Value::Object) => draft.pair = Pair::default(),
        (2, Value::Text(text)) if member.key == b"modality" => {
            draft.pair.modality = Some(modality(text));
            draft.pair.settle(&mut draft.wire, member.parent);
        }
        (2, Value::Number(number)) if member.key == b"tokenCount" => {
            draft.pair.tokens = Some(whole(number));
            draft.pair.settle(&mut draft.wire, member.parent);
        }
        (_, Value::Object | Value::Array | Value::Text(_) | Value::Number(_) | Value::Bool | Value::Null) => {}
    }
}

/// A modality and its tokens, which come in either order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    modality: Option<Modality>,
    tokens: Option<u64>,
}

impl Pair {
    fn settle(&mut self, wire: &mut Wire, list: &[u8]) {
        let (Some(modality), Some(tokens)) = (self.modality, self.tokens) else { return };
        *self = Self::default();
        let field = match list {
            b"promptTokensDetails" => Field::PromptOf(modality),
            b"cacheTokensDetails" => Field::CachedOf(modality),
            b"candidatesTokensDetails" | b"responseTokensDetails" => Field::CompletionOf(modality),
            b"toolUsePromptTokensDetails" => Field::ToolPromptOf(modality),
            _ => return,
        };
        wire.add(field, tokens);
    }
}

fn field(key: &[u8]) -> Option<Field> {
    Some(match key {
        b"promptTokenCount" => Field::Prompt,
        b"candidatesTokenCount" | b"responseTokenCount" => Field::Completion,
        b"thoughtsTokenCount" => Field::Reasoning,
        b"toolUsePromptTokenCount" => Field::ToolPrompt,
        b"cachedContentTokenCount" => Field::Cached,
        b"totalTokenCount" => Field::Total,
        _ => return None,
    })
}

fn modality(text: &[u8]) -> Modality {
    match text {
        b"IMAGE" => Modality::Image,
        b"AUDIO" => Modality::Audio,
        b"VIDEO" => Modality::Video,
        // Documents cost what words cost.
        _ => Modality::Text,
    }
}

/// The buckets of an answer.
pub(super) fn usage(wire: &Wire) -> Usage {
    let (tool, reasoning, total) = (wire.get(Field::ToolPrompt), wire.get(Field::Reasoning), wire.get(Field::Total));
    let mut prompt = wire.get(Field::Prompt);
    let mut answer = wire.get(Field::Completion);
    let rest = total.saturating_sub(prompt.saturating_add(tool).saturating_add(reasoning).saturating_add(answer));
    // What only the total has belongs to the side that was not told.
    if wire.has(Field::Prompt) {
        answer += rest;
    } else {
        prompt += rest;
    }
    let prompt = Parts::of(prompt, wire.parts(Field::PromptOf), Modality::Text);
    let cached = match wire.parts(Field::CachedOf) {
        details if details == Parts::default() => prompt.first(wire.get(Field::Cached)),
        details => Parts::of(wire.get(Field::Cached), details, Modality::Text),
    };
    let mut usage = Usage::default();
    put(&mut usage, Bucket::Input, prompt.without(cached));
    put(&mut usage, Bucket::Input, Parts::of(tool, wire.parts(Field::ToolPromptOf), Modality::Text));
    put(&mut usage, Bucket::CacheRead, cached);
    put(&mut usage, Bucket::Output, Parts::of(answer, wire.parts(Field::CompletionOf), Modality::Text));
    usage.set(Bucket::Reasoning, Modality::Text, reasoning);
    usage
}
