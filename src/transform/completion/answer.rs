//! A dialect's whole answer as a text completion.

use super::{
    Told,
    chunk::{Head, logprobs, name, reason, usage, words},
};
use crate::{
    protocol::json::{Node, ObjectWriter, object},
    transform::{
        Loss,
        generate::{
            Dialect, NoAnswer,
            canon::{Answer, Choice},
            spoke::spoke,
        },
    },
};

/// A whole answer of a dialect as a text completion.
///
/// # Errors
/// The body is no answer of its dialect, or says that there is none.
pub fn answer(body: &[u8], from: Dialect, told: &Told, losses: &mut Vec<Loss>) -> Result<Vec<u8>, NoAnswer> {
    Ok(written(&spoke(from).lift_answer(Node::parse(body)?)?, told, losses))
}

/// The completion's body.
pub(super) fn written(answer: &Answer<'_>, told: &Told, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    object(&mut out, |o| {
        Head::new(&answer.id, answer.created, &answer.model, told).write(o);
        o.array("choices", |a| {
            for one in &answer.choices {
                a.object(|o| choice(one, told, losses, o));
            }
            // A blocked prompt has no answers at all; clients read the first.
            if answer.choices.is_empty() {
                a.object(|o| {
                    o.text("text", told.echo.as_deref().unwrap_or_default()).unsigned("index", 0);
                    o.null("logprobs").text("finish_reason", "content_filter");
                });
            }
        });
        if let Some(tokens) = answer.usage {
            usage(tokens, o);
        }
    });
    out
}

fn choice(choice: &Choice<'_>, told: &Told, losses: &mut Vec<Loss>, o: &mut ObjectWriter<'_>) {
    let mut text = told.echo.clone().unwrap_or_default();
    let echoed = text.chars().count();
    for block in &choice.blocks {
        match words(&block.part) {
            Some(words) => text.push_str(words),
            None => losses.push(Loss::dropped_because(name(&block.part), "a text completion is text only")),
        }
    }
    o.text("text", &text).unsigned("index", choice.index as u64);
    logprobs(&choice.logprobs, echoed, o);
    o.text("finish_reason", reason(&choice.stop));
}
