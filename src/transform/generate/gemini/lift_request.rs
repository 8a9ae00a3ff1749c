//! A request, read.

use std::{borrow::Cow, mem};

use super::{
    super::{
        Dialect,
        canon::{Block, Part, Reasoning, Request, Rest, Role, Turn},
        spoke::Asked,
    },
    fields, ids, lift_config,
    lift_part::{self, leftover},
    tools,
};
use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape},
    transform::Refused,
};

/// Reads the whole body.
pub(super) fn lift<'a>(body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused> {
    let mut fields = body.members()?;
    let mut request = Request::new(Dialect::Gemini, asked);
    let mut left = Rest::default();
    if let Some(node) = fields::take(&mut fields, "systemInstruction") {
        request.instructions = instructions(node, &mut left).map_err(|fault| fault.under("systemInstruction"))?;
    }
    request.turns = turns(fields::list(&mut fields, "contents"))?;
    request.tools = tools::lift(fields::list(&mut fields, "tools"))?;
    if let Some(config) = fields::object(&mut fields, "toolConfig")? {
        request.tool_choice = tools::choice(config, &mut left).map_err(|fault| fault.under("toolConfig"))?;
    }
    if let Some(config) = fields::object(&mut fields, "generationConfig")? {
        lift_config::lift(config, &mut request, &mut left).map_err(|fault| fault.under("generationConfig"))?;
    }
    request.cache.content = fields::text(&mut fields, "cachedContent")?;
    request.metadata = fields::take(&mut fields, "labels").map(|labels| Cow::Borrowed(labels.raw()));
    request.service_tier = fields::text(&mut fields, "serviceTier")?;
    // Countings of tokens name the model in the body; whatever it says does not count.
    fields.take("model");
    request.rest = Rest::of(Dialect::Gemini, fields);
    request.rest.join(left);
    Ok(request)
}

/// `systemInstruction`: a content, its parts alone, or a string. Its role means nothing.
fn instructions<'a>(node: Node<'a>, left: &mut Rest<'a>) -> Result<Vec<Block<'a>>, WrongShape> {
    if node.shape() == Shape::Text {
        return Ok(vec![lift_part::lift(node, 0)?]);
    }
    if node.shape() == Shape::Array {
        return parts(fields::items(node));
    }
    let mut fields = node.members()?;
    fields.take("role");
    let blocks = parts(fields::list(&mut fields, "parts")).map_err(|fault| fault.under("parts"))?;
    leftover("systemInstruction", fields, left);
    Ok(blocks)
}

fn parts(nodes: Vec<Node<'_>>) -> Result<Vec<Block<'_>>, WrongShape> {
    nodes.into_iter().enumerate().map(|(at, node)| lift_part::lift(node, at).map_err(|fault| fault.at(at))).collect()
}

fn turns(nodes: Vec<Node<'_>>) -> Result<Vec<Turn<'_>>, WrongShape> {
    let mut open = Open::default();
    let mut turns = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.into_iter().enumerate() {
        let mut turn = turn(node, at).map_err(|fault| fault.at(at).under("contents"))?;
        open.name(&mut turn);
        turns.push(turn);
    }
    Ok(turns)
}

fn turn(node: Node<'_>, at: usize) -> Result<Turn<'_>, WrongShape> {
    let mut fields = if node.shape() == Shape::Text { Fields::default() } else { node.members()? };
    let role = match fields.text("role")?.as_deref() {
        Some("user" | "function" | "tool" | "") | None => Role::User,
        Some("model") => Role::Assistant,
        Some(other) => return Err(WrongShape::new("role", format!("{other:?}"), "\"user\" or \"model\"")),
    };
    let blocks = if node.shape() == Shape::Text {
        vec![lift_part::lift(node, 0)?]
    } else {
        parts(fields::list(&mut fields, "parts")).map_err(|fault| fault.under("parts"))?
    };
    Ok(Turn { role, blocks: owners(blocks), at, id: None, name: None, rest: Rest::of(Dialect::Gemini, fields) })
}

/// Gives signatures of other makers back to the thinking that they sign: clients move them from a thought to the part behind
/// it, or leave the thought out.
fn owners(blocks: Vec<Block<'_>>) -> Vec<Block<'_>> {
    if blocks.iter().all(|block| block.seal.as_ref().is_none_or(|seal| seal.owner == Dialect::Gemini)) {
        return blocks;
    }
    let mut sorted: Vec<Block<'_>> = Vec::with_capacity(blocks.len() + 1);
    for mut block in blocks {
        if let Some(seal) = block.seal.take_if(|seal| seal.owner != Dialect::Gemini) {
            match sorted.last_mut().map(|last| &mut last.part) {
                Some(Part::Reasoning(reasoning)) if reasoning.seal.is_none() => reasoning.seal = Some(seal),
                _ => {
                    let part = Part::Reasoning(Reasoning { seal: Some(seal), ..Reasoning::default() });
                    sorted.push(Block { part, cache: None, seal: None, at: block.at, rest: Rest::default() });
                }
            }
        }
        sorted.push(block);
    }
    sorted
}

/// Calls whose results have not come yet.
#[derive(Debug, Default)]
struct Open<'a> {
    calls: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Open<'a> {
    /// Gives ids to calls without one, and to results the id of the call that they answer: the first of their name.
    fn name(&mut self, turn: &mut Turn<'a>) {
        let mut running = Cow::Borrowed("");
        for block in &mut turn.blocks {
            let made = || Cow::Owned(ids::of_place(turn.at, block.at));
            match &mut block.part {
                Part::Call(call) => {
                    if call.id.is_empty() {
                        call.id = made();
                    }
                    self.calls.push((call.id.clone(), call.name.clone()));
                }
                Part::Result(result) if result.id.is_empty() => {
                    let found = self.calls.iter().position(|(_, name)| result.name.as_ref().is_none_or(|wanted| wanted == name));
                    result.id = found.map_or_else(made, |at| self.calls.remove(at).0);
                }
                Part::Result(result) => {
                    if let Some(at) = self.calls.iter().position(|(id, _)| *id == result.id) {
                        let (_, name) = self.calls.remove(at);
                        result.name.get_or_insert(name);
                    }
                }
                Part::ServerCall(call) => {
                    if call.id.is_empty() {
                        call.id = made();
                    }
                    running.clone_from(&call.id);
                }
                Part::ServerResult(result) if result.id.is_empty() => {
                    result.id = if running.is_empty() { made() } else { mem::take(&mut running) };
                }
                Part::ServerResult(_)
                | Part::Text { .. }
                | Part::Refusal(_)
                | Part::Reasoning(_)
                | Part::Media(_)
                | Part::Opaque { .. } => {}
            }
        }
    }
}
