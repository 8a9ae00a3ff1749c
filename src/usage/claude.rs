//! Claude's usage: the prompt is told without its cached parts, and thinking is part of the output.
//!
//! `message_start` brings the prompt, `message_delta` the totals so far; fields of both are merged. `iterations` lists
//! every turn that the call took, also those that the totals leave out (compaction, an advisor model), so the sum over
//! it is what was served.

use super::{
    draft::Draft,
    wire::{Field, Parts, Wire, whole},
};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::frame::walk::{Member, Value},
};

/// A text member outside of usage.
pub(super) fn heard<'a>(draft: &mut Draft<'a>, member: &Member<'a>, text: &'a [u8]) {
    match (member.depth, member.key) {
        (1, b"type") => match text {
            b"message_stop" => draft.end_well(),
            b"error" => draft.done = true,
            _ => {}
        },
        (1, b"model") => draft.model = Some(text),
        (2, b"model") if member.parent == b"message" => draft.model = Some(text),
        (2 | 3, b"text" | b"thinking" | b"partial_json") => draft.text += text.len() as u64,
        _ => {}
    }
}

/// A member of usage, `level` brackets deep in it.
pub(super) fn counted<'a>(draft: &mut Draft<'a>, member: &Member<'a>, level: usize) {
    match member.value {
        Value::Number(number) => match field(level, member.parent, member.key) {
            // The turns of a call add up; everything else is told once.
            Some(field) if level >= 2 => draft.wire.add(field, whole(number)),
            Some(field) => draft.wire.raise(field, whole(number)),
            None => {}
        },
        Value::Text(text) if level == 0 => match (member.key, text) {
            (b"service_tier", _) if draft.tier.is_none() => draft.tier = Some(text),
            (b"speed", b"fast") => draft.tier = Some(text),
            _ => {}
        },
        Value::Text(_) | Value::Object | Value::Array | Value::Bool | Value::Null => {}
    }
}

fn field(level: usize, parent: &[u8], key: &[u8]) -> Option<Field> {
    Some(match (level, parent, key) {
        (0, _, b"input_tokens") => Field::Prompt,
        (0, _, b"output_tokens") => Field::Completion,
        (0, _, b"cache_read_input_tokens") => Field::Cached,
        (0, _, b"cache_creation_input_tokens") => Field::Written,
        (1, b"cache_creation", b"ephemeral_5m_input_tokens") => Field::Written5m,
        (1, b"cache_creation", b"ephemeral_1h_input_tokens") => Field::Written1h,
        (1, b"output_tokens_details", b"thinking_tokens") => Field::Reasoning,
        (1, b"server_tool_use", b"web_search_requests") => Field::Searches,
        (2, b"iterations", b"input_tokens") => Field::TurnPrompt,
        (2, b"iterations", b"output_tokens") => Field::TurnCompletion,
        (2, b"iterations", b"cache_read_input_tokens") => Field::TurnCached,
        (2, b"iterations", b"cache_creation_input_tokens") => Field::TurnWritten,
        (3, b"cache_creation", b"ephemeral_5m_input_tokens") => Field::TurnWritten5m,
        (3, b"cache_creation", b"ephemeral_1h_input_tokens") => Field::TurnWritten1h,
        (3, b"output_tokens_details", b"thinking_tokens") => Field::TurnReasoning,
        _ => return None,
    })
}

/// The buckets of an answer.
pub(super) fn usage(wire: &Wire) -> Usage {
    let both = |one: Field, turns: Field| wire.get(one).max(wire.get(turns));
    let output = both(Field::Completion, Field::TurnCompletion);
    let reasoning = both(Field::Reasoning, Field::TurnReasoning).min(output);
    let hour = both(Field::Written1h, Field::TurnWritten1h);
    let five = both(Field::Written5m, Field::TurnWritten5m);
    // An answer with only the older number wrote for 5 minutes, which was the only life there was.
    let five = five.max(both(Field::Written, Field::TurnWritten).saturating_sub(hour));
    let mut usage = Usage::default();
    for (bucket, tokens) in [
        (Bucket::Input, both(Field::Prompt, Field::TurnPrompt)),
        (Bucket::CacheRead, both(Field::Cached, Field::TurnCached)),
        (Bucket::CacheWrite5m, five),
        (Bucket::CacheWrite1h, hour),
        (Bucket::Output, output - reasoning),
        (Bucket::Reasoning, reasoning),
    ] {
        usage.set(bucket, Modality::Text, tokens);
    }
    usage
}

/// Puts tokens by modality into a bucket, on top of what is there.
pub(super) fn put(usage: &mut Usage, bucket: Bucket, parts: Parts) {
    for (modality, tokens) in Modality::ALL.into_iter().zip(parts.0) {
        usage.set(bucket, modality, usage.get(bucket, modality).saturating_add(tokens));
    }
}
