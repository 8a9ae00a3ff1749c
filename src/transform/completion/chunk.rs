//! What whole answers and the chunks of a stream have in common.

use super::Told;
use crate::{
    protocol::json::ObjectWriter,
    transform::generate::canon::{Logprob, Part, Stop, Tokens},
};

/// What stands at the head of an answer and of each of its chunks.
#[derive(Clone, Debug)]
pub(super) struct Head {
    id: String,
    created: u64,
    model: String,
}

impl Head {
    /// The head of an answer that the upstream calls `id`.
    pub(super) fn new(id: &str, created: Option<u64>, model: &str, told: &Told) -> Self {
        let telling = &told.telling;
        let own = if id.is_empty() { &telling.request_id } else { id };
        let bare = ["chatcmpl-", "cmpl-", "resp_", "msg_"].iter().find_map(|mark| own.strip_prefix(mark)).unwrap_or(own);
        Self {
            id: format!("cmpl-{bare}"),
            created: created.unwrap_or(telling.now),
            model: if model.is_empty() { telling.model.clone() } else { model.to_owned() },
        }
    }

    /// Writes it.
    pub(super) fn write(&self, o: &mut ObjectWriter<'_>) {
        o.text("id", &self.id).text("object", "text_completion").unsigned("created", self.created).text("model", &self.model);
    }
}

/// OpenAI's word for why a completion ended.
pub(super) const fn reason(stop: &Stop<'_>) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Pause | Stop::Other(_) => "stop",
        Stop::MaxTokens | Stop::Window => "length",
        Stop::Refusal | Stop::Filtered(_) => "content_filter",
    }
}

/// The text of a part, where it has some that belongs into a completion.
pub(super) fn words<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(text),
        Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => None,
    }
}

/// What a part without such text is called in a loss.
pub(super) const fn name(part: &Part<'_>) -> &'static str {
    match part {
        Part::Text { .. } => "text",
        Part::Refusal(_) => "refusal",
        Part::Reasoning(_) => "reasoning",
        Part::Call(_) => "tool call",
        Part::Result(_) => "tool result",
        Part::Media(_) => "media",
        Part::ServerCall(_) => "server tool call",
        Part::ServerResult(_) => "server tool result",
        Part::Opaque { .. } => "item",
    }
}

/// Log probabilities in the older form: a list for each of their members. `offset`: characters before them.
pub(super) fn logprobs(all: &[Logprob<'_>], offset: usize, o: &mut ObjectWriter<'_>) {
    if all.is_empty() {
        o.null("logprobs");
        return;
    }
    o.object("logprobs", |o| {
        o.array("tokens", |a| {
            for one in all {
                a.text(&one.token);
            }
        });
        o.array("token_logprobs", |a| {
            for one in all {
                a.number(one.logprob);
            }
        });
        o.array("top_logprobs", |a| {
            for one in all {
                a.object(|o| {
                    for top in &one.top {
                        o.number(&top.token, top.logprob);
                    }
                });
            }
        });
        o.array("text_offset", |a| {
            let mut at = offset;
            for one in all {
                a.json(&at.to_string());
                at += one.token.chars().count();
            }
        });
    });
}

/// What it cost, in OpenAI's older words.
pub(super) fn usage(tokens: Tokens, o: &mut ObjectWriter<'_>) {
    let (prompt, completion) = (tokens.prompt(), tokens.completion());
    o.object("usage", |o| {
        o.unsigned("prompt_tokens", prompt).unsigned("completion_tokens", completion).unsigned("total_tokens", prompt + completion);
        o.object("prompt_tokens_details", |o| {
            o.unsigned("cached_tokens", tokens.cache_read).unsigned("cache_write_tokens", tokens.cache_write);
        });
        o.object("completion_tokens_details", |o| {
            o.unsigned("reasoning_tokens", tokens.reasoning);
        });
    });
}
