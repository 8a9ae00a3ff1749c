//! Figures of usage. Anthropic's `input_tokens` leave out what came from or went into the cache; its `output_tokens`
//! hold the thinking.

use crate::{
    protocol::json::{Fields, Node, ObjectWriter},
    transform::generate::canon::Tokens,
};

/// Takes up what `fields` say; what they leave out stays as it was (a stream's last figures are not complete).
pub(super) fn merge(tokens: &mut Tokens, fields: &mut Fields<'_>) {
    let mut set = |name: &str, slot: &mut u64| {
        if let Some(count) = fields.take(name).and_then(Node::unsigned) {
            *slot = count;
        }
    };
    set("input_tokens", &mut tokens.input);
    set("cache_read_input_tokens", &mut tokens.cache_read);
    set("cache_creation_input_tokens", &mut tokens.cache_write);
    let mut output = tokens.completion();
    set("output_tokens", &mut output);
    if let Some(count) = inner(fields, "output_tokens_details", "thinking_tokens") {
        tokens.reasoning = count;
    }
    tokens.reasoning = tokens.reasoning.min(output);
    tokens.output = output - tokens.reasoning;
    if let Some(count) = inner(fields, "cache_creation", "ephemeral_1h_input_tokens") {
        tokens.cache_write_1h = count;
    }
    if let Some(count) = inner(fields, "server_tool_use", "web_search_requests") {
        tokens.searches = count;
    }
}

fn inner(fields: &mut Fields<'_>, object: &str, name: &str) -> Option<u64> {
    fields.take(object)?.object()?.take(name)?.unsigned()
}

/// Which place the figures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A whole answer, or the beginning of a stream.
    Message,
    /// The end of a stream, which does not split cache writes.
    End,
}

/// Writes the members of `usage`.
pub(super) fn write(tokens: &Tokens, place: Place, object: &mut ObjectWriter<'_>) {
    object
        .unsigned("input_tokens", tokens.input)
        .unsigned("cache_creation_input_tokens", tokens.cache_write)
        .unsigned("cache_read_input_tokens", tokens.cache_read);
    if place == Place::Message {
        object.object("cache_creation", |split| {
            split
                .unsigned("ephemeral_5m_input_tokens", tokens.cache_write.saturating_sub(tokens.cache_write_1h))
                .unsigned("ephemeral_1h_input_tokens", tokens.cache_write_1h);
        });
    }
    object.unsigned("output_tokens", tokens.completion());
    if tokens.reasoning > 0 {
        object.object("output_tokens_details", |details| {
            details.unsigned("thinking_tokens", tokens.reasoning);
        });
    }
    if tokens.searches > 0 {
        object.object("server_tool_use", |count| {
            count.unsigned("web_search_requests", tokens.searches).unsigned("web_fetch_requests", 0);
        });
    }
}
