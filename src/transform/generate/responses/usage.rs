//! Tokens: this dialect's totals include what came from a cache, went into one, or was thought.

use super::super::canon::Tokens;
use crate::protocol::json::{Fields, Node, ObjectWriter};

/// Out of `usage`. Lenient: what is no number counts as absent; without any figure there is no usage.
pub(super) fn lift(usage: Node<'_>) -> Option<Tokens> {
    let mut fields = usage.object()?;
    let prompt = count(&mut fields, "input_tokens");
    let answer = count(&mut fields, "output_tokens");
    if prompt.is_none() && answer.is_none() {
        return None;
    }
    let mut of_prompt = details(&mut fields, "input_tokens_details");
    let mut of_answer = details(&mut fields, "output_tokens_details");
    let prompt = prompt.unwrap_or(0);
    let cache_read = count(&mut of_prompt, "cached_tokens").unwrap_or(0).min(prompt);
    let cache_write = count(&mut of_prompt, "cache_write_tokens").unwrap_or(0).min(prompt - cache_read);
    let answer = answer.unwrap_or(0);
    let reasoning = count(&mut of_answer, "reasoning_tokens").unwrap_or(0).min(answer);
    Some(Tokens {
        input: prompt - cache_read - cache_write,
        cache_read,
        cache_write,
        cache_write_1h: 0,
        output: answer - reasoning,
        reasoning,
        input_audio: count(&mut of_prompt, "audio_tokens").unwrap_or(0),
        input_image: count(&mut of_prompt, "image_tokens").unwrap_or(0),
        output_audio: count(&mut of_answer, "audio_tokens").unwrap_or(0),
        output_image: count(&mut of_answer, "image_tokens").unwrap_or(0),
        searches: 0,
    })
}

/// `tool_usage.web_search.num_requests`.
pub(super) fn searches(tool_usage: Node<'_>) -> Option<u64> {
    tool_usage.object()?.take("web_search")?.object()?.take("num_requests")?.unsigned()
}

fn count(fields: &mut Fields<'_>, name: &str) -> Option<u64> {
    fields.some(name)?.unsigned()
}

fn details<'a>(fields: &mut Fields<'a>, name: &str) -> Fields<'a> {
    fields.some(name).and_then(Node::object).unwrap_or_default()
}

/// Into `usage`.
pub(super) fn write(tokens: &Tokens, object: &mut ObjectWriter<'_>) {
    object.unsigned("input_tokens", tokens.prompt());
    object.object("input_tokens_details", |o| {
        o.unsigned("cached_tokens", tokens.cache_read).unsigned("cache_write_tokens", tokens.cache_write);
    });
    object.unsigned("output_tokens", tokens.completion());
    object.object("output_tokens_details", |o| {
        o.unsigned("reasoning_tokens", tokens.reasoning);
    });
    object.unsigned("total_tokens", tokens.total());
}
