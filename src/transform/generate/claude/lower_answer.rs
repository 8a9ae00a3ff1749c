//! The body of a whole answer.

use super::{
    OWN, citation, ids,
    lower_block::{input, shown},
    lower_server,
    place::Place,
    server::is_own,
    stop,
    usage::{self, Place as Figures},
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter, object},
    transform::{
        Loss, Seal,
        generate::{
            canon::{Answer, Block, Call, Choice, Citation, Part, Reasoning, ServerCall, ServerResult, Tokens},
            spoke::Telling,
        },
    },
};

/// Writes an answer.
pub(super) fn lower(answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    object(&mut out, |o| {
        o.text("id", &message_id(&answer.id, telling)).text("type", "message").text("role", "assistant");
        o.text("model", if answer.model.is_empty() { &telling.model } else { &answer.model });
        let (first, others) = match answer.choices.split_first() {
            Some((first, others)) => (Some(first), others),
            None => (None, [].as_slice()),
        };
        losses
            .extend(others.iter().map(|choice| Loss::dropped_because(format!("choices[{}]", choice.index), "the target gives one answer")));
        o.array("content", |content| {
            for block in first.map_or(&[][..], |choice| &choice.blocks) {
                self::block(block, content, losses);
            }
        });
        end(first, o, losses);
        figures(answer, telling, o, losses);
        answer.rest.write(OWN, o, String::new, losses);
    });
    out
}

/// The answer's own id, or one made from the call's name.
pub(super) fn message_id(id: &str, telling: &Telling) -> String {
    if id.is_empty() { format!("msg_{}", telling.request_id) } else { id.to_owned() }
}

fn end(choice: Option<&Choice<'_>>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(choice) = choice else {
        // A prompt that was blocked has no answer at all.
        object.text("stop_reason", "refusal").null("stop_sequence");
        return;
    };
    let refused = choice.blocks.iter().any(|block| matches!(block.part, Part::Refusal(_)));
    let (reason, sequence) = stop::lower(&choice.stop, refused, losses);
    object.text("stop_reason", reason).text_or_null("stop_sequence", sequence);
    if !choice.logprobs.is_empty() {
        losses.push(Loss::dropped("logprobs"));
    }
    choice.rest.lose(|| "choices[0]".to_owned(), losses);
}

fn figures(answer: &Answer<'_>, telling: &Telling, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let tier = answer.service_tier.as_deref();
    let known = tier.and_then(stop::tier);
    if tier.is_some() && known.is_none() {
        losses.push(Loss::dropped("service_tier"));
    }
    object.object("usage", |o| {
        match &answer.usage {
            Some(tokens) => usage::write(tokens, Figures::Message, o),
            None => {
                losses.push(Loss::changed("usage", "the upstream told none; the prompt is an estimate"));
                usage::write(&estimate(telling), Figures::Message, o);
            }
        }
        o.some_text("service_tier", known);
    });
}

/// What is told of usage where the upstream has not told any (yet).
pub(super) fn estimate(telling: &Telling) -> Tokens {
    Tokens { input: telling.prompt_estimate, ..Tokens::default() }
}

fn block(block: &Block<'_>, content: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    let place = Place::answer(block.at);
    let (before, after) = seals(block);
    if let Some(seal) = before {
        content.object(|o| withheld(seal, o));
    }
    match &block.part {
        Part::ServerCall(call) => server_call(call, place, content, losses),
        Part::ServerResult(result) => server_result(result, place, content, losses),
        Part::Opaque { of, json } if *of == OWN => {
            content.raw(json);
        }
        Part::Opaque { .. } | Part::Media(_) | Part::Result(_) => losses.push(Loss::dropped(place.path())),
        Part::Text { .. } | Part::Refusal(_) | Part::Reasoning(_) | Part::Call(_) => {
            content.object(|o| {
                said(&block.part, place, o, losses);
                block.rest.write(OWN, o, || place.path(), losses);
            });
        }
    }
    if let Some(seal) = after {
        content.object(|o| signed(seal, o));
    }
}

fn said(part: &Part<'_>, place: Place, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    match part {
        Part::Text { text, citations } => {
            object.text("type", "text").text("text", text);
            cite(citations, place, object, losses);
        }
        Part::Refusal(text) => {
            object.text("type", "text").text("text", text);
        }
        Part::Reasoning(reasoning) => self::reasoning(reasoning, object),
        Part::Call(call) => self::call(call, place, object, losses),
        Part::Result(_) | Part::Media(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {}
    }
}

/// The seal of a part that has no slot for it here: it goes before the part as withheld thinking, but behind text, of
/// which a stream learns its seal last. `lift_request` puts it back.
pub(super) fn seals<'b, 'a>(block: &'b Block<'a>) -> (Option<&'b Seal<'a>>, Option<&'b Seal<'a>>) {
    let behind = matches!(block.part, Part::Text { .. } | Part::Refusal(_));
    if behind { (None, block.seal.as_ref()) } else { (block.seal.as_ref(), None) }
}

/// Thinking withheld, which holds nothing but a seal.
pub(super) fn withheld(seal: &Seal<'_>, object: &mut ObjectWriter<'_>) {
    object.text("type", "redacted_thinking").text("data", &seal.write(OWN));
}

/// Thinking of which nothing is shown.
pub(super) fn signed(seal: &Seal<'_>, object: &mut ObjectWriter<'_>) {
    object.text("type", "thinking").text("thinking", "").text("signature", &seal.write(OWN));
}

fn reasoning(reasoning: &Reasoning<'_>, object: &mut ObjectWriter<'_>) {
    match &reasoning.seal {
        Some(seal) if reasoning.redacted => withheld(seal, object),
        seal => {
            let signature = seal.as_ref().map(|seal| seal.write(OWN)).unwrap_or_default();
            object.text("type", "thinking").text("thinking", &shown(reasoning)).text("signature", &signature);
        }
    }
}

fn call(call: &Call<'_>, place: Place, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let (input, mended) = input(&call.input);
    if mended {
        losses.push(Loss::changed(place.member("arguments"), "no JSON object; carried as the text of one"));
    }
    object.text("type", "tool_use").text("id", &ids::call(&call.id)).text("name", &call.name).json("input", &input);
}

fn cite(citations: &[Citation<'_>], place: Place, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let told: Vec<String> = citations.iter().filter_map(|citation| citation::lower(citation, place, losses)).collect();
    if !told.is_empty() {
        object.array("citations", |array| {
            for citation in &told {
                array.json(citation);
            }
        });
    }
}

fn server_call(call: &ServerCall<'_>, place: Place, content: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    match lower_server::call(call) {
        Some(told) => {
            content.json(&lower_server::joined(&told.start, &told.input));
        }
        None => losses.push(Loss::dropped(place.path())),
    }
}

fn server_result(result: &ServerResult<'_>, place: Place, content: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    if !result.media.is_empty() && !is_own(&result.json) {
        losses.push(Loss::dropped(place.member("media")));
    }
    match lower_server::result(result) {
        Some(json) => {
            content.json(&json);
        }
        None => losses.push(Loss::dropped(place.path())),
    }
}
