//! A whole answer, read.

use std::borrow::Cow;

use super::{
    super::{
        Dialect, NoAnswer,
        canon::{Answer, Block, Choice, Part, Rest, ServerTool, Stop, Text},
    },
    fields,
    grounds::{Cited, Grounds},
    ids,
    lift_part::{self, leftover},
    lift_stream::fault,
    logprobs, stop, usage,
};
use crate::{
    protocol::json::{Fields, Node, WrongShape},
    transform::time,
};

/// Reads the whole body.
pub(super) fn lift(body: Node<'_>) -> Result<Answer<'_>, NoAnswer> {
    let mut fields = body.members()?;
    if let Some(error) = fields.some("error") {
        return Err(fault(error).into());
    }
    let id = fields::text(&mut fields, "responseId")?.unwrap_or_default();
    let model = fields::text(&mut fields, "modelVersion")?.unwrap_or_default();
    let created = fields::text(&mut fields, "createTime")?.and_then(|text| time::read(&text));
    let (mut tokens, tier) = fields::take(&mut fields, "usageMetadata").and_then(usage::lift).unzip();
    let mut numbers = Numbers { answer: &id, calls: 0, servers: 0 };
    let mut choices = Vec::new();
    for (at, node) in fields::list(&mut fields, "candidates").into_iter().enumerate() {
        let (choice, searches) = candidate(node, at, &mut numbers).map_err(|fault| fault.at(at).under("candidates"))?;
        if let Some(tokens) = &mut tokens {
            tokens.searches += searches;
        }
        choices.push(choice);
    }
    if choices.is_empty() {
        let why = blocked(&fields).ok_or_else(|| WrongShape::missing("candidates", "at least one"))?;
        choices.push(Choice { index: 0, blocks: Vec::new(), stop: Stop::Filtered(Some(why)), logprobs: Vec::new(), rest: Rest::default() });
    }
    let service_tier = tier.flatten().map(Cow::Owned);
    let rest = Rest::of(Dialect::Gemini, fields);
    Ok(Answer { from: Dialect::Gemini, id, model, created, choices, usage: tokens, service_tier, rest })
}

/// Why the prompt was blocked, where it was. The member stays, for its owner to write back.
pub(super) fn blocked<'a>(fields: &Fields<'a>) -> Option<Text<'a>> {
    let mut feedback = fields::peek(fields, "promptFeedback")?.object()?;
    fields::text(&mut feedback, "blockReason").ok().flatten()
}

/// What ids are counted by.
struct Numbers<'n> {
    answer: &'n str,
    calls: usize,
    servers: usize,
}

fn candidate<'a>(node: Node<'a>, at: usize, numbers: &mut Numbers<'_>) -> Result<(Choice<'a>, u64), WrongShape> {
    let mut fields = node.members()?;
    let index = fields::count(&mut fields, "index")?.and_then(|index| usize::try_from(index).ok()).unwrap_or(at);
    let mut inner = Rest::default();
    let mut blocks = Vec::new();
    if let Some(mut content) = fields::object(&mut fields, "content")? {
        content.take("role");
        for (at, part) in fields::list(&mut content, "parts").into_iter().enumerate() {
            let block = lift_part::lift(part, at).map_err(|fault| fault.at(at).under("content.parts"))?;
            blocks.push(name(block, numbers));
        }
        leftover("content", content, &mut inner);
    }
    let called = blocks.iter().any(|block| matches!(block.part, Part::Call(_)));
    let reason = fields::text(&mut fields, "finishReason")?.unwrap_or(Cow::Borrowed("STOP"));
    let logprobs = fields::take(&mut fields, "logprobsResult").map(logprobs::lift).unwrap_or_default();
    let grounds = Grounds::take(&mut fields);
    cite(grounds.cited(), &mut blocks);
    let tools = shown(&blocks);
    blocks.extend(grounds.blocks(numbers.answer, blocks.len(), &tools));
    let mut rest = Rest::of(Dialect::Gemini, fields);
    rest.join(inner);
    Ok((Choice { index, blocks, stop: stop::lift(reason, called), logprobs, rest }, grounds.searches()))
}

/// Gives ids where Google leaves them out.
fn name<'a>(mut block: Block<'a>, numbers: &mut Numbers<'_>) -> Block<'a> {
    match &mut block.part {
        Part::Call(call) => {
            if call.id.is_empty() {
                call.id = Cow::Owned(ids::of_answer(numbers.answer, numbers.calls));
            }
            numbers.calls += 1;
        }
        Part::ServerCall(call) => {
            if call.id.is_empty() {
                call.id = Cow::Owned(ids::of_server(numbers.answer, numbers.servers));
            }
            numbers.servers += 1;
        }
        Part::ServerResult(result) if result.id.is_empty() => {
            result.id = Cow::Owned(ids::of_server(numbers.answer, numbers.servers.saturating_sub(1)));
        }
        Part::ServerResult(_)
        | Part::Text { .. }
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::Opaque { .. } => {}
    }
    block
}

/// Tools of Google's own that parts have told of.
fn shown(blocks: &[Block<'_>]) -> Vec<ServerTool> {
    let tools = blocks.iter().filter_map(|block| match &block.part {
        Part::ServerCall(call) => Some(call.tool.clone()),
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => None,
    });
    tools.collect()
}

/// Puts citations at the text in which their words stand: that of their part, else any, else the last.
fn cite<'a>(cited: Vec<Cited<'a>>, blocks: &mut [Block<'a>]) {
    for mut cited in cited {
        let fits = |block: &Block<'a>| match &block.part {
            Part::Text { text, .. } => cited.place(text),
            Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Call(_)
            | Part::Result(_)
            | Part::Media(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => None,
        };
        let own = blocks.iter().position(|block| cited.is_of(block.at) && fits(block).is_some());
        let any = own.or_else(|| blocks.iter().position(|block| fits(block).is_some()));
        let found = any.or_else(|| blocks.iter().rposition(|block| matches!(block.part, Part::Text { .. })));
        let Some(block) = found.and_then(|index| blocks.get_mut(index)) else { continue };
        cited.citation.span = fits(block);
        if let Part::Text { citations, .. } = &mut block.part {
            citations.push(cited.citation);
        }
    }
}
