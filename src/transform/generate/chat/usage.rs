//! Tokens: OpenAI's totals hold their parts, ours are disjoint.

use super::super::canon::Tokens;
use crate::protocol::json::{Fields, Node, ObjectWriter};

/// Reads `usage`; `None` where there is none.
pub(super) fn lift(node: Node<'_>) -> Option<Tokens> {
    let mut usage = node.object()?;
    let prompt = count(&mut usage, "prompt_tokens");
    let completion = count(&mut usage, "completion_tokens");
    let total = count(&mut usage, "total_tokens");
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let (prompt, completion) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    let mut before = part(&mut usage, "prompt_tokens_details");
    let mut after = part(&mut usage, "completion_tokens_details");
    let told = [count(&mut before, "cached_tokens"), count(&mut usage, "prompt_cache_hit_tokens"), count(&mut usage, "cached_tokens")];
    let cache_read = told.into_iter().flatten().max().unwrap_or(0).min(prompt);
    let cache_write = count(&mut before, "cache_write_tokens").unwrap_or(0).min(prompt - cache_read);
    let reasoning = count(&mut after, "reasoning_tokens").unwrap_or(0);
    // Some vendors count reasoning beside the completion, not within it: their total tells.
    let beside = reasoning > 0 && total == Some(prompt.saturating_add(completion).saturating_add(reasoning));
    let reasoning = if beside { reasoning } else { reasoning.min(completion) };
    let searches = part(&mut usage, "server_tool_use").unsigned("web_search_requests").ok().flatten();
    Some(Tokens {
        input: prompt - cache_read - cache_write,
        cache_read,
        cache_write,
        cache_write_1h: 0,
        output: if beside { completion } else { completion - reasoning },
        reasoning,
        input_audio: count(&mut before, "audio_tokens").unwrap_or(0),
        input_image: count(&mut before, "image_tokens").unwrap_or(0),
        output_audio: count(&mut after, "audio_tokens").unwrap_or(0),
        output_image: count(&mut after, "image_tokens").unwrap_or(0),
        searches: searches.unwrap_or(0),
    })
}

fn count(fields: &mut Fields<'_>, name: &str) -> Option<u64> {
    fields.unsigned(name).ok().flatten()
}

fn part<'a>(fields: &mut Fields<'a>, name: &str) -> Fields<'a> {
    fields.object(name).ok().flatten().unwrap_or_default()
}

/// Writes the members of `usage`.
pub(super) fn write(tokens: &Tokens, usage: &mut ObjectWriter<'_>) {
    usage.unsigned("prompt_tokens", tokens.prompt()).unsigned("completion_tokens", tokens.completion());
    usage.unsigned("total_tokens", tokens.total());
    usage.object("prompt_tokens_details", |details| {
        details.unsigned("cached_tokens", tokens.cache_read).unsigned("audio_tokens", tokens.input_audio);
        write_some("cache_write_tokens", tokens.cache_write, details);
        write_some("image_tokens", tokens.input_image, details);
    });
    usage.object("completion_tokens_details", |details| {
        details.unsigned("reasoning_tokens", tokens.reasoning).unsigned("audio_tokens", tokens.output_audio);
        write_some("image_tokens", tokens.output_image, details);
    });
}

fn write_some(name: &str, count: u64, details: &mut ObjectWriter<'_>) {
    if count > 0 {
        details.unsigned(name, count);
    }
}
