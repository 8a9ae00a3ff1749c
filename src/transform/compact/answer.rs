//! A dialect's answer as the object that compaction gives.

use super::{Kept, seal};
use crate::{
    protocol::json::{ArrayWriter, Node, ObjectWriter, object},
    transform::generate::{
        Dialect, NoAnswer, Telling,
        canon::{Answer, Part, Stop, Tokens},
        spoke::spoke,
    },
};

/// Why an answer is no summary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsummarised {
    /// It is no answer.
    #[error(transparent)]
    Unanswered(#[from] NoAnswer),
    /// The model said nothing, or would not. A conversation must not be replaced by that.
    #[error("the model wrote no summary")]
    Empty,
    /// The summary was cut off at the most tokens of an answer: what is missing would be lost for good.
    #[error("the model's summary was cut off")]
    CutOff,
}

/// A whole answer of a dialect as a `response.compaction`.
///
/// # Errors
/// The body is no answer of its dialect, or holds no whole summary.
pub fn answer(body: &[u8], from: Dialect, kept: &Kept, telling: &Telling) -> Result<Vec<u8>, Unsummarised> {
    let body = Node::parse(body).map_err(NoAnswer::from)?;
    written(&spoke(from).lift_answer(body)?, kept, telling)
}

/// The compaction's body.
pub(super) fn written(answer: &Answer<'_>, kept: &Kept, telling: &Telling) -> Result<Vec<u8>, Unsummarised> {
    let choice = answer.choices.first().ok_or(Unsummarised::Empty)?;
    match choice.stop {
        Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Pause | Stop::Other(_) => {}
        Stop::MaxTokens | Stop::Window => return Err(Unsummarised::CutOff),
        Stop::Refusal | Stop::Filtered(_) => return Err(Unsummarised::Empty),
    }
    let summary: String =
        choice.blocks.iter().filter_map(|block| if let Part::Text { text, .. } = &block.part { Some(&**text) } else { None }).collect();
    if summary.trim().is_empty() {
        return Err(Unsummarised::Empty);
    }
    let id = if answer.id.is_empty() { &telling.request_id } else { &*answer.id };
    let id = id.strip_prefix("resp_").unwrap_or(id);
    let mut out = Vec::with_capacity(summary.len() * 2 + 512);
    object(&mut out, |o| {
        o.text("id", &format!("resp_{id}")).text("object", "response.compaction");
        o.unsigned("created_at", answer.created.unwrap_or(telling.now));
        o.array("output", |a| {
            for (at, content) in kept.contents.iter().enumerate() {
                message(id, at, content, a);
            }
            a.object(|o| {
                o.text("id", &format!("cmp_{id}")).text("type", "compaction").text("encrypted_content", &seal::sealed(summary.trim()));
            });
        });
        if let Some(tokens) = answer.usage {
            usage(tokens, o);
        }
    });
    Ok(out)
}

fn message(id: &str, at: usize, content: &str, a: &mut ArrayWriter<'_>) {
    a.object(|o| {
        o.text("id", &format!("msg_{id}_{at}"))
            .text("type", "message")
            .text("status", "completed")
            .text("role", "user")
            .json("content", content);
    });
}

/// What it cost, in Responses' words.
fn usage(tokens: Tokens, o: &mut ObjectWriter<'_>) {
    let (input, output) = (tokens.prompt(), tokens.completion());
    o.object("usage", |o| {
        o.unsigned("input_tokens", input);
        o.object("input_tokens_details", |o| {
            o.unsigned("cached_tokens", tokens.cache_read).unsigned("cache_write_tokens", tokens.cache_write);
        });
        o.unsigned("output_tokens", output);
        o.object("output_tokens_details", |o| {
            o.unsigned("reasoning_tokens", tokens.reasoning);
        });
        o.unsigned("total_tokens", input + output);
    });
}
