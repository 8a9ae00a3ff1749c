//! A request out of its body.

use super::super::{
    canon::{Block, Part, Request, Rest, Text},
    spoke::Asked,
};
use super::{
    OWN, lift_items,
    lift_items::{Turns, nulls_gone},
    lift_parts, options, tools,
};
use crate::protocol::json::{Fields, Node, WrongShape};

/// Lifts a request.
pub(super) fn lift<'a>(body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, WrongShape> {
    let mut fields = body.members()?;
    let mut request = Request::new(OWN, asked);
    fields.take("model");
    fields.take("stream");
    request.instructions = instructions(&mut fields)?;
    let mut turns = Turns::default();
    input(&mut fields, &mut turns)?;
    request.state.named = turns.named;
    request.turns = turns.finish();
    for (at, node) in fields.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        tools::lift(node, at, &mut request.tools).map_err(|fault| fault.at(at).under("tools"))?;
    }
    request.tool_choice = tools::choice(&mut fields)?;
    let left = options::lift(&mut fields, &mut request)?;
    let mut rest = Rest::of(OWN, nulls_gone(fields));
    rest.members.extend(left);
    rest.hints = std::mem::take(&mut request.rest.hints);
    rest.of = (!rest.members.is_empty() || !rest.hints.is_empty()).then_some(OWN);
    request.rest = rest;
    Ok(request)
}

fn input<'a>(fields: &mut Fields<'a>, turns: &mut Turns<'a>) -> Result<(), WrongShape> {
    let Some(input) = fields.some("input") else { return Ok(()) };
    if let Some(text) = input.text() {
        turns.prompt(text);
        return Ok(());
    }
    let items = input.array().ok_or_else(|| input.wrong("input", "a string or an array of items"))?;
    for (at, item) in items.into_iter().enumerate() {
        turns.push(item, at).map_err(|fault| fault.at(at).under("input"))?;
    }
    Ok(())
}

/// A string, or, as an answer's echo has it, messages.
fn instructions<'a>(fields: &mut Fields<'a>) -> Result<Vec<Block<'a>>, WrongShape> {
    let Some(node) = fields.some("instructions") else { return Ok(Vec::new()) };
    if let Some(text) = node.text() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![said(text, 0)] });
    }
    let items = node.array().ok_or_else(|| node.wrong("instructions", "a string"))?;
    let mut blocks = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let mut members = item.members().map_err(|fault| fault.at(at).under("instructions"))?;
        if lift_items::kind_of(&members) == "message" {
            blocks
                .extend(lift_parts::content(members.take("content")).map_err(|fault| fault.under("content").at(at).under("instructions"))?);
        }
    }
    Ok(blocks)
}

fn said(text: Text<'_>, at: usize) -> Block<'_> {
    lift_parts::block(Part::Text { text, citations: Vec::new() }, at)
}
