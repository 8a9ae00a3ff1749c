//! A request out of its body.

use std::{borrow::Cow, collections::HashMap};

use super::{OWN, lift_block, lift_options};
use crate::{
    protocol::json::{Node, WrongShape},
    transform::{
        Seal,
        generate::{
            Dialect,
            canon::{Block, Part, Reasoning, Request, Rest, Role, Text, Turn},
            spoke::Asked,
        },
    },
};

/// Reads a request.
pub(super) fn lift<'a>(body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, WrongShape> {
    let mut fields = body.members()?;
    fields.take("model");
    fields.take("stream");
    let mut request = Request::new(OWN, asked);
    if let Some(system) = fields.some("system") {
        request.instructions = lift_block::content(system).map_err(|fault| fault.under("system"))?;
    }
    let messages = fields.array("messages")?.ok_or_else(|| WrongShape::missing("messages", "an array"))?;
    for (at, message) in messages.into_iter().enumerate() {
        request.turns.push(turn(message, at).map_err(|fault| fault.at(at).under("messages"))?);
    }
    name_results(&mut request.turns);
    lift_options::lift(&mut fields, &mut request)?;
    let rest = Rest::of(OWN, fields);
    request.rest.of = request.rest.of.or(rest.of);
    request.rest.members.extend(rest.members);
    Ok(request)
}

fn turn(node: Node<'_>, at: usize) -> Result<Turn<'_>, WrongShape> {
    let mut fields = node.members()?;
    let role = match &*fields.required_text("role")? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        other => return Err(WrongShape::new("role", format!("{other:?}"), "user, assistant or system")),
    };
    let content = fields.some("content").ok_or_else(|| WrongShape::missing("content", "a string or an array of blocks"))?;
    let mut blocks = lift_block::content(content).map_err(|fault| fault.under("content"))?;
    name_calls(&mut blocks, || format!("call_{at}"));
    if role == Role::Assistant {
        blocks = return_seals(blocks);
    }
    Ok(Turn { role, blocks, at, id: None, name: None, rest: Rest::of(OWN, fields) })
}

/// Gives calls that came without an id one from their place.
pub(super) fn name_calls(blocks: &mut [Block<'_>], prefix: impl Fn() -> String) {
    for block in blocks {
        if let Part::Call(call) = &mut block.part
            && call.id.is_empty()
        {
            call.id = Cow::Owned(format!("{}_{}", prefix(), block.at));
        }
    }
}

/// Names the tools of results by the calls that they answer.
fn name_results<'a>(turns: &mut [Turn<'a>]) {
    let mut names: HashMap<Text<'a>, Text<'a>> = HashMap::new();
    for block in turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        match &mut block.part {
            Part::Call(call) => {
                names.insert(call.id.clone(), call.name.clone());
            }
            Part::Result(result) => result.name = names.get(&result.id).cloned(),
            Part::Text { .. }
            | Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Media(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => {}
        }
    }
}

/// Puts seals of single parts back where they were. A part has no slot for one here, so an answer carries it in a block
/// of thinking without words: withheld thinking before the part, or signed thinking behind it (see `lower_answer`).
fn return_seals(blocks: Vec<Block<'_>>) -> Vec<Block<'_>> {
    let mut kept: Vec<Block<'_>> = Vec::with_capacity(blocks.len());
    let mut next = None;
    for mut block in blocks {
        if let Some((seal, redacted)) = part_seal(&mut block) {
            match kept.last_mut() {
                Some(last) if !redacted && !matches!(last.part, Part::Reasoning(_)) => last.seal = Some(seal),
                _ => next = Some(seal),
            }
            continue;
        }
        block.seal = next.take();
        kept.push(block);
    }
    if let Some(seal) = next {
        let reasoning = Reasoning { seal: Some(seal), redacted: true, ..Reasoning::default() };
        kept.push(lift_block::plain(Part::Reasoning(reasoning), kept.len()));
    }
    kept
}

fn part_seal<'a>(block: &mut Block<'a>) -> Option<(Seal<'a>, bool)> {
    let Part::Reasoning(Reasoning { text, seal, redacted, .. }) = &mut block.part else { return None };
    // Only Google seals single parts.
    if seal.as_ref()?.owner != Dialect::Gemini || !text.is_empty() {
        return None;
    }
    seal.take().map(|seal| (seal, *redacted))
}
