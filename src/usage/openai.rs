//! `OpenAI`'s usage, and that of the many who follow it: the prompt includes its cached parts, the answer its reasoning.
//!
//! Some followers tell parts beside the total instead; where a `total_tokens` proves that, it is believed. Chat,
//! Responses, pictures, sound, embeddings and reranking use two sets of names for the same numbers.

use super::{
    claude::put,
    draft::{Draft, Region},
    meter::Shape,
    wire::{Field, Parts, Wire, thousandths, whole},
};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::{
        Operation, OperationGroup,
        frame::walk::{Member, Value},
    },
};

/// A text member of Chat Completions or of a legacy completion.
pub(super) fn chat<'a>(draft: &mut Draft<'a>, member: &Member<'a>, text: &'a [u8]) {
    match (member.depth, member.key) {
        (1, b"model") => draft.model = Some(text),
        (1, b"service_tier") => draft.tier = Some(text),
        (3, b"finish_reason") if member.parent == b"choices" && !text.is_empty() => draft.finished = true,
        (_, b"arguments" | b"transcript") | (3 | 4, b"content" | b"text" | b"reasoning_content" | b"reasoning" | b"refusal") => {
            draft.text += text.len() as u64;
        }
        _ => {}
    }
}

/// A text member of Responses, of its compaction, or of a realtime session.
pub(super) fn responses<'a>(draft: &mut Draft<'a>, member: &Member<'a>, text: &'a [u8]) {
    match (member.depth, member.key) {
        (1, b"type") => match text {
            b"response.completed" | b"response.incomplete" | b"response.done" => draft.end_well(),
            b"response.failed" | b"error" => {
                draft.done = true;
                draft.error = true;
            }
            b"response.created" => draft.begun = true,
            b"response.output_item.added" => draft.added = true,
            // Sound travels in `delta` as well, and is no text.
            b"response.output_audio.delta" | b"response.audio.delta" => draft.sound = true,
            _ => {}
        },
        (1, b"delta") => draft.text += text.len() as u64,
        (1, b"model") => draft.model = Some(text),
        (2, b"model") if member.parent == b"response" => draft.model = Some(text),
        (1, b"service_tier") => draft.tier = Some(text),
        (2, b"service_tier") if member.parent == b"response" => draft.tier = Some(text),
        (_, b"type") => match (member.parent, text) {
            // Pages that were opened are listed as searches too, but only a search is charged.
            (b"output" | b"item", b"web_search_call") => draft.searches += 1,
            (b"action", b"open_page" | b"find_in_page" | b"find") => draft.pages += 1,
            _ => {}
        },
        (_, b"text" | b"arguments") if draft.shape == Shape::Whole => draft.text += text.len() as u64,
        _ => {}
    }
}

/// A text member of any other call.
pub(super) fn other<'a>(draft: &mut Draft<'a>, member: &Member<'a>, text: &'a [u8]) {
    match (member.depth, member.key) {
        (1, b"type") => match text {
            b"image_generation.completed" | b"image_edit.completed" => {
                draft.finished = true;
                draft.images += 1;
            }
            b"speech.audio.done" | b"transcript.text.done" => draft.end_well(),
            b"error" => draft.done = true,
            _ => {}
        },
        (1, b"model") => draft.model = Some(text),
        (1, b"service_tier") => draft.tier = Some(text),
        (1, b"duration" | b"seconds") => draft.wire.raise(Field::Millis, thousandths(text)),
        (1, b"delta") => draft.text += text.len() as u64,
        (1, b"text") if draft.shape == Shape::Whole => draft.text += text.len() as u64,
        (3, b"b64_json" | b"url") if member.parent == b"data" => draft.images += 1,
        _ => {}
    }
}

/// A number outside of usage: how long a transcribed sound was, or an ordered video will be.
pub(super) fn numbered(draft: &mut Draft<'_>, member: &Member<'_>, number: &[u8]) {
    if member.depth == 1 && matches!(member.key, b"duration" | b"seconds") {
        draft.wire.raise(Field::Millis, thousandths(number));
    }
}

/// A member of usage, `level` brackets deep in it.
pub(super) fn counted<'a>(draft: &mut Draft<'a>, member: &Member<'a>, level: usize) {
    let Value::Number(number) = member.value else { return };
    if level == 0 && member.key == b"seconds" {
        draft.wire.raise(Field::Millis, thousandths(number));
        return;
    }
    let field = match draft.region {
        Region::Usage if level == 0 => total(member.key),
        Region::Usage => part(member.parent, member.key),
        Region::Tools => tool(member.parent, member.key),
        Region::Meta if member.parent == b"billed_units" => total(member.key),
        Region::Meta | Region::None => None,
    };
    if let Some(field) = field {
        draft.wire.raise(field, whole(number));
    }
}

fn total(key: &[u8]) -> Option<Field> {
    Some(match key {
        b"prompt_tokens" | b"input_tokens" => Field::Prompt,
        b"completion_tokens" | b"output_tokens" => Field::Completion,
        b"total_tokens" => Field::Total,
        b"prompt_cache_hit_tokens" | b"cached_tokens" | b"cache_read_input_tokens" => Field::Cached,
        b"prompt_cache_miss_tokens" => Field::Missed,
        b"cache_creation_input_tokens" => Field::Written5m,
        b"search_units" | b"num_sources_used" | b"num_search_queries" => Field::Searches,
        _ => return None,
    })
}

fn part(parent: &[u8], key: &[u8]) -> Option<Field> {
    Some(match parent {
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => match key {
            b"cached_tokens" => Field::Cached,
            b"cache_write_tokens" => Field::Written,
            b"cache_creation_input_tokens" => Field::Written5m,
            key => Field::PromptOf(modality(key)?),
        },
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => match key {
            b"reasoning_tokens" => Field::Reasoning,
            key => Field::CompletionOf(modality(key)?),
        },
        b"cached_tokens_details" => Field::CachedOf(modality(key)?),
        b"billed_units" => return total(key),
        _ => return None,
    })
}

/// Tools that the provider ran with other models or at other prices.
fn tool(parent: &[u8], key: &[u8]) -> Option<Field> {
    Some(match (parent, key) {
        (b"web_search", b"num_requests") => Field::Searches,
        (b"image_gen", b"input_tokens") => Field::SidePrompt,
        (b"image_gen", b"output_tokens") => Field::SideCompletion,
        (b"input_tokens_details", key) => Field::SidePromptOf(modality(key)?),
        (b"output_tokens_details", key) => Field::SideCompletionOf(modality(key)?),
        _ => return None,
    })
}

fn modality(key: &[u8]) -> Option<Modality> {
    match key {
        b"text_tokens" => Some(Modality::Text),
        b"image_tokens" => Some(Modality::Image),
        b"audio_tokens" => Some(Modality::Audio),
        b"video_tokens" => Some(Modality::Video),
        _ => None,
    }
}

/// What tokens without a modality are, in the prompt and in the answer.
fn unnamed(operation: Operation) -> (Modality, Modality) {
    // Pictures without a breakdown would else be charged as words, at a tenth of their price.
    if operation == Operation::EditImage {
        (Modality::Image, Modality::Image)
    } else if operation == Operation::CreateImage {
        (Modality::Text, Modality::Image)
    } else if operation == Operation::CreateSpeech {
        (Modality::Text, Modality::Audio)
    } else if operation.group() == OperationGroup::Audio {
        (Modality::Audio, Modality::Text)
    } else {
        (Modality::Text, Modality::Text)
    }
}

/// Prompt and answer, each with all its parts, and the reasoning in the answer.
fn sides(wire: &Wire) -> (u64, u64, u64) {
    let (total, cached) = (wire.get(Field::Total), wire.get(Field::Cached));
    let mut reasoning = wire.get(Field::Reasoning);
    let mut answer = wire.get(Field::Completion);
    let mut prompt = wire.get(Field::Prompt);
    if !wire.has(Field::Prompt) {
        prompt = if wire.has(Field::Missed) { cached.saturating_add(wire.get(Field::Missed)) } else { total.saturating_sub(answer) };
    }
    let rest = total.saturating_sub(prompt.saturating_add(answer));
    let beside = cached.saturating_add(wire.get(Field::Written)).saturating_add(wire.get(Field::Written5m));
    if rest > 0 && rest != reasoning && rest == beside {
        prompt += rest;
    } else {
        // Reasoning told beside the answer, or not told at all.
        answer += rest;
        if reasoning == 0 && wire.has(Field::Completion) {
            reasoning = rest;
        }
    }
    (prompt, answer, reasoning.min(answer))
}

/// The buckets of an answer.
pub(super) fn usage(wire: &Wire, operation: Operation) -> Usage {
    let (prompt, answer, reasoning) = sides(wire);
    let (read, written) = unnamed(operation);
    let prompt = Parts::of(prompt, wire.parts(Field::PromptOf), read);
    let cached = match wire.parts(Field::CachedOf) {
        details if details == Parts::default() => prompt.first(wire.get(Field::Cached)),
        details => Parts::of(wire.get(Field::Cached), details, Modality::Text),
    };
    let fresh = prompt.without(cached);
    let stored = fresh.first(wire.get(Field::Written));
    let fresh = fresh.without(stored);
    let stored_5m = fresh.first(wire.get(Field::Written5m));
    let answer = Parts::of(answer, wire.parts(Field::CompletionOf), written);
    let thought = answer.first(reasoning);
    let mut usage = Usage::default();
    put(&mut usage, Bucket::Input, fresh.without(stored_5m));
    put(&mut usage, Bucket::CacheRead, cached);
    // `OpenAI` keeps a written prefix for half an hour.
    put(&mut usage, Bucket::CacheWrite30m, stored);
    put(&mut usage, Bucket::CacheWrite5m, stored_5m);
    put(&mut usage, Bucket::Output, answer.without(thought));
    put(&mut usage, Bucket::Reasoning, thought);
    let side = wire.get(Field::SidePrompt);
    put(&mut usage, Bucket::Input, Parts::of(side, wire.parts(Field::SidePromptOf), Modality::Text));
    let side = wire.get(Field::SideCompletion);
    put(&mut usage, Bucket::Output, Parts::of(side, wire.parts(Field::SideCompletionOf), Modality::Image));
    usage
}
