//! A whole answer out of its body.

use super::{
    super::{
        Dialect, NoAnswer,
        canon::{Answer, Block, Choice, Media, MediaKind, Part, Rest, Source},
        event::StreamFault,
    },
    calls, cite, content,
    leftovers::keep,
    lift_messages,
    lift_stream::read_fault,
    logprobs, reasoning,
    stop::{self, Said},
    usage,
};
use crate::protocol::json::{Fields, Node, WrongShape};

/// Members of an answer that say nothing.
const SILENT: [&str; 3] = ["object", "system_fingerprint", "obfuscation"];

/// Reads an answer.
pub(super) fn lift(body: Node<'_>) -> Result<Answer<'_>, NoAnswer> {
    let mut fields = body.members()?;
    if let Some(error) = fields.some("error") {
        return Err(read_fault(error).into());
    }
    for name in SILENT {
        fields.take(name);
    }
    let id = fields.text("id")?.unwrap_or_default();
    let nodes = fields.array("choices")?.ok_or_else(|| WrongShape::missing("choices", "an array of choices"))?;
    if nodes.is_empty() {
        return Err(WrongShape::new("choices", "empty", "at least one choice").into());
    }
    if let Some(fault) = nodes.iter().find_map(|choice| fault(*choice)) {
        return Err(fault.into());
    }
    let mut choices = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.into_iter().enumerate() {
        choices.push(choice(node, at, &id).map_err(|fault| fault.at(at).under("choices"))?);
    }
    Ok(Answer {
        from: Dialect::Chat,
        id,
        model: fields.text("model")?.unwrap_or_default(),
        created: fields.take("created").and_then(Node::number).map(seconds),
        choices,
        usage: fields.some("usage").and_then(usage::lift),
        service_tier: fields.text("service_tier").ok().flatten(),
        rest: Rest::of(Dialect::Chat, fields),
    })
}

/// Why a choice has no answer, where it says so.
fn fault(choice: Node<'_>) -> Option<StreamFault<'_>> {
    let mut choice = choice.object()?;
    let broken = choice.peek_text("finish_reason").as_deref() == Some("error");
    choice.some("error").map(read_fault).or_else(|| broken.then(StreamFault::default))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cut to what fits")]
fn seconds(number: f64) -> u64 {
    number as u64
}

fn choice<'a>(node: Node<'a>, at: usize, id: &str) -> Result<Choice<'a>, WrongShape> {
    let mut fields = node.members()?;
    let index = fields.unsigned("index")?.and_then(|index| usize::try_from(index).ok()).unwrap_or(at);
    let mut message = fields.object("message")?.ok_or_else(|| WrongShape::missing("message", "an object"))?;
    let mut rest = Rest::default();
    let made = |number: usize| made_id(id, index, number);
    let blocks = blocks(&mut message, &made).map_err(|fault| fault.under("message"))?;
    keep(&mut rest, "message", message);
    let said = Said {
        calls: blocks.iter().any(|block| matches!(block.part, Part::Call(_))),
        refusal: blocks.iter().any(|block| matches!(block.part, Part::Refusal(_))),
    };
    let logprobs = fields.object("logprobs")?.map(|mut told| {
        let all = logprobs::lift(&mut told);
        told.take("refusal").filter(|refusal| !refusal.is_null());
        all
    });
    let stop = stop::lift(fields.text("finish_reason")?, said);
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    Ok(Choice { index, blocks, stop, logprobs: logprobs.unwrap_or_default(), rest })
}

/// The id of a call that has none: made from the answer's, so that it is another in each answer.
pub(super) fn made_id(answer: &str, choice: usize, number: usize) -> String {
    let answer = answer.strip_prefix("chatcmpl-").unwrap_or(answer);
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("call_{answer}_{choice}_{number}")
}

fn blocks<'a>(message: &mut Fields<'a>, made: &dyn Fn(usize) -> String) -> Result<Vec<Block<'a>>, WrongShape> {
    message.take("role");
    let mut blocks = reasoning::lift(message);
    content::lift(message.take("content"), &mut blocks)?;
    blocks.retain(|block| !matches!(&block.part, Part::Text { text, .. } if text.is_empty()));
    let audio = audio(message, &mut blocks)?;
    cite::attach(message.array("annotations")?.unwrap_or_default(), &mut blocks);
    if let Some(seal) = calls::take_seal(message)
        && let Some(block) = blocks.iter_mut().find(|block| matches!(block.part, Part::Text { .. }))
    {
        block.seal = Some(seal);
    }
    if let Some(refusal) = message.text("refusal")?.filter(|refusal| !refusal.is_empty()) {
        blocks.push(content::block(Part::Refusal(refusal), 0));
    }
    blocks.extend(audio);
    lift_messages::images(message, &mut blocks)?;
    calls::lift(message, made, &mut blocks)?;
    Ok(blocks)
}

/// Takes the sound of an answer. Its transcript is the answer's text.
fn audio<'a>(message: &mut Fields<'a>, blocks: &mut Vec<Block<'a>>) -> Result<Option<Block<'a>>, WrongShape> {
    let Some(mut audio) = message.object("audio")? else { return Ok(None) };
    if let Some(transcript) = audio.text("transcript").map_err(|fault| fault.under("audio"))?.filter(|words| !words.is_empty()) {
        blocks.push(content::words(transcript, 0));
    }
    let data = audio.text("data").map_err(|fault| fault.under("audio"))?.unwrap_or_default();
    let media = Media { kind: MediaKind::Audio, source: Source::Base64(data), mime: None, name: None, detail: None };
    Ok(Some(Block { rest: Rest::of(Dialect::Chat, audio), ..content::block(Part::Media(media), 0) }))
}

/// Keeps what a piece of a streamed sound says beside its data; later pieces replace earlier ones.
pub(super) fn message_audio(piece: Fields<'_>, rest: &mut Rest<'static>) {
    for (name, json) in Rest::of(Dialect::Chat, piece).into_owned().members {
        rest.of = Some(Dialect::Chat);
        match rest.members.iter_mut().find(|(known, _)| *known == name) {
            Some(member) => member.1 = json,
            None => rest.members.push((name, json)),
        }
    }
}
