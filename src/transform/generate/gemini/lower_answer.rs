//! A whole answer, written.

use super::{
    super::{
        Dialect,
        canon::{Answer, Block, Choice, Part, Stop},
        spoke::Telling,
    },
    answer_parts::{self, Opens, signature},
    ground_writer::Gathered,
    ids, logprobs, nested, stop, usage,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter, array, object},
    transform::{Loss, time},
};

/// Writes the whole body.
pub(super) fn lower(answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut calls = 0;
    object(&mut out, |o| {
        if !blocked(answer) {
            o.array("candidates", |a| {
                for choice in &answer.choices {
                    a.object(|o| candidate(answer, choice, &mut calls, o, losses));
                }
            });
        }
        if let Some(tokens) = &answer.usage {
            usage::lower(tokens, tier(answer.service_tier.as_deref()), o);
        }
        o.text("modelVersion", or(&answer.model, &telling.model));
        // Vertex tells it; AI Studio's clients need not know the member.
        if let Some(created) = answer.created.filter(|_| answer.from == Dialect::Gemini) {
            o.text("createTime", &time::written(created));
        }
        o.text("responseId", or(&answer.id, &telling.request_id));
        nested::outer(&answer.rest, o, String::new, losses);
    });
    out
}

/// What the upstream says, or what we say in its place.
pub(super) fn or<'t>(said: &'t str, made: &'t str) -> &'t str {
    if said.is_empty() { made } else { said }
}

/// The tier that served, in Google's word.
pub(super) fn tier(tier: Option<&str>) -> Option<&str> {
    tier.map(|tier| if tier == "default" { "standard" } else { tier })
}

/// Whether it was the prompt that Google blocked: then there are no candidates, and the feedback is in what rides along.
fn blocked(answer: &Answer<'_>) -> bool {
    let nothing = answer.choices.iter().all(|choice| choice.blocks.is_empty() && matches!(choice.stop, Stop::Filtered(_)));
    nothing && answer.rest.of == Some(Dialect::Gemini) && answer.rest.members.iter().any(|(name, _)| name == "promptFeedback")
}

fn candidate(answer: &Answer<'_>, choice: &Choice<'_>, calls: &mut usize, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let mut gathered = Gathered::default();
    let mut parts = Vec::new();
    array(&mut parts, |a| {
        let (mut number, mut opens) = (0, if answer.from == Dialect::Gemini { Opens::No } else { Opens::Foreign });
        for block in &choice.blocks {
            let before = a.is_empty();
            part(Told { answer, choice, number, opens }, block, (calls, &mut gathered), a, losses);
            if matches!(block.part, Part::Call(_)) {
                opens = Opens::No;
            }
            number += usize::from(!before || !a.is_empty());
        }
    });
    // A filter leaves nothing, not even an empty turn.
    if parts != b"[]" || !matches!(choice.stop, Stop::Filtered(_)) {
        out.object("content", |o| {
            if parts != b"[]" {
                o.json("parts", &String::from_utf8_lossy(&parts));
            }
            o.text("role", "model");
            nested::within(&choice.rest, "content", o);
        });
    }
    out.text("finishReason", &stop::lower(&choice.stop, losses)).unsigned("index", choice.index as u64);
    gathered.write(out);
    logprobs::lower(&choice.logprobs, out);
    nested::outer(&choice.rest, out, || place(answer.from, choice.index), losses);
}

/// Where a block stands, for losses and for citations.
#[derive(Clone, Copy)]
struct Told<'t> {
    answer: &'t Answer<'t>,
    choice: &'t Choice<'t>,
    /// The number of its part.
    number: usize,
    /// Whether a call here would be the first.
    opens: Opens,
}

/// How the sender calls the place of a choice.
fn place(from: Dialect, choice: usize) -> String {
    match from {
        Dialect::Chat => format!("choices[{choice}]"),
        Dialect::Responses | Dialect::Claude => String::new(),
        Dialect::Gemini => format!("candidates[{choice}]"),
    }
}

fn block_place(told: Told<'_>, block: &Block<'_>) -> String {
    let (choice, at) = (told.choice.index, block.at);
    match told.answer.from {
        Dialect::Chat => format!("choices[{choice}].message"),
        Dialect::Responses => format!("output[{at}]"),
        Dialect::Claude => format!("content[{at}]"),
        Dialect::Gemini => format!("candidates[{choice}].content.parts[{at}]"),
    }
}

/// Writes a block; `calls` counts the answer's calls.
fn part(
    told: Told<'_>,
    block: &Block<'_>,
    (calls, gathered): (&mut usize, &mut Gathered),
    out: &mut ArrayWriter<'_>,
    losses: &mut Vec<Loss>,
) {
    let path = || block_place(told, block);
    match &block.part {
        Part::Text { text, citations } => {
            for citation in citations {
                gathered.cite(citation, told.number, text);
            }
            words(told, text, block, out, losses);
        }
        Part::Refusal(text) => {
            losses.push(Loss::changed(path(), "a refusal is told as the model's words"));
            words(told, text, block, out, losses);
        }
        Part::Reasoning(reasoning) => answer_parts::thought(reasoning, |o| nested::outer(&block.rest, o, path, losses), out),
        Part::Call(call) => {
            let id = (call.id != ids::of_answer(&told.answer.id, *calls)).then_some(&*call.id);
            *calls += 1;
            out.object(|o| {
                answer_parts::call(call, (id, path), &block.rest, o, losses);
                answer_parts::call_signature(block.seal.as_ref(), told.opens, o);
                nested::outer(&block.rest, o, path, losses);
            });
        }
        Part::Media(media) => {
            if !answer_parts::media(media, &block.rest, out, losses) {
                losses.push(Loss::dropped_because(path(), "the file lies with another provider"));
            }
        }
        Part::Result(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {
            if !answer_parts::server(&block.part, gathered, out) {
                losses.push(Loss::dropped(path()));
            }
            block.rest.lose(path, losses);
        }
    }
}

fn words(told: Told<'_>, text: &str, block: &Block<'_>, out: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    // Others say nothing beside a call by an empty text.
    if text.is_empty() && block.seal.is_none() && told.answer.from != Dialect::Gemini {
        return;
    }
    out.object(|o| {
        o.text("text", text);
        around(block, || block_place(told, block), o, losses);
    });
}

/// What stands beside the content of a part.
fn around(block: &Block<'_>, path: impl FnOnce() -> String, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    signature(block.seal.as_ref(), out);
    nested::outer(&block.rest, out, path, losses);
}
