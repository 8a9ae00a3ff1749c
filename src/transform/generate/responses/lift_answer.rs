//! A whole answer out of its body.

use std::borrow::Cow;

use super::super::{
    NoAnswer,
    canon::{Answer, Block, Choice, Logprob, Part, Rest, ServerTool, Text},
    event::StreamFault,
};
use super::{
    OWN, lift_items,
    lift_items::nulls_gone,
    lift_parts,
    stop::{self, Seen},
    usage,
};
use crate::protocol::json::{Fields, Node, WrongShape};

/// Members that echo the request, or that say nothing of the answer's content.
const ECHO: &[&str] = &[
    "object",
    "background",
    "completed_at",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "metadata",
    "frequency_penalty",
    "presence_penalty",
    "billing",
    "moderation",
    "conversation",
    "tool_usage",
    "prompt",
];

/// Lifts an answer.
pub(super) fn lift(body: Node<'_>) -> Result<Answer<'_>, NoAnswer> {
    let mut fields = body.members()?;
    if fields.peek_text("status").as_deref() == Some("failed") || fields.some("error").is_some() {
        return Err(fault(body.members()?).into());
    }
    let mut blocks = Vec::new();
    let mut logprobs = Vec::new();
    let mut seen = Seen::default();
    for (at, node) in fields.array("output")?.unwrap_or_default().into_iter().enumerate() {
        let under = |fault: WrongShape| fault.at(at).under("output");
        let item = node.members().map_err(under)?;
        let kind = lift_items::kind_of(&item);
        if kind == "message" {
            collect_logprobs(&item, &mut logprobs);
        }
        for mut block in lift_items::blocks(node, item, &kind).map_err(under)? {
            seen.note(&block.part);
            block.at = blocks.len();
            blocks.push(block);
        }
    }
    let head = Head::read(&mut fields)?;
    let stop = stop::lift(&head.status, head.reason, seen);
    let tokens = tokens(&mut fields, searches(&blocks));
    let choice = Choice { index: 0, blocks, stop, logprobs, rest: Rest::default() };
    Ok(Answer {
        from: OWN,
        id: head.id,
        model: head.model,
        created: head.created,
        choices: vec![choice],
        usage: tokens,
        service_tier: head.service_tier,
        rest: Rest::of(OWN, beyond(fields)),
    })
}

/// What an answer that failed, or an `error` event, says.
pub(super) fn fault(mut fields: Fields<'_>) -> StreamFault<'_> {
    let inner = fields.some("error");
    let status = fields.take("status").or_else(|| fields.take("status_code")).and_then(Node::unsigned);
    let bare = inner.and_then(Node::text);
    let mut fields = inner.and_then(Node::object).unwrap_or(fields);
    let word = |fields: &mut Fields<'_>, name: &str| {
        fields.some(name).map(|node| node.text().map_or_else(|| node.json().to_owned(), Cow::into_owned))
    };
    let code = word(&mut fields, "code").or_else(|| word(&mut fields, "type"));
    let message = word(&mut fields, "message");
    StreamFault {
        status: status.and_then(|status| status.try_into().ok()),
        code: code.map(Cow::Owned),
        message: message.map(Cow::Owned).or(bare).unwrap_or_default(),
    }
}

/// What stands around the output; of the object in a stream's events too.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    pub(super) created: Option<u64>,
    pub(super) service_tier: Option<Text<'a>>,
    pub(super) status: Text<'a>,
    pub(super) reason: Option<Text<'a>>,
}

impl<'a> Head<'a> {
    pub(super) fn read(fields: &mut Fields<'a>) -> Result<Self, WrongShape> {
        let reason = fields.some("incomplete_details").and_then(Node::object).and_then(|details| details.peek_text("reason"));
        Ok(Self {
            id: fields.text("id")?.unwrap_or_default(),
            model: fields.text("model")?.unwrap_or_default(),
            created: fields.some("created_at").and_then(seconds),
            service_tier: fields.text("service_tier")?,
            status: fields.text("status")?.unwrap_or(Cow::Borrowed("completed")),
            reason,
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of a time that is not negative")]
fn seconds(node: Node<'_>) -> Option<u64> {
    node.unsigned().or_else(|| node.number().filter(|time| *time >= 0.0).map(|time| time as u64))
}

/// Usage, with the searches that the provider counted, or those that are seen.
pub(super) fn tokens(fields: &mut Fields<'_>, seen: u64) -> Option<super::super::canon::Tokens> {
    let counted = fields.peek("tool_usage").and_then(usage::searches);
    let mut tokens = usage::lift(fields.some("usage")?)?;
    tokens.searches = counted.filter(|count| *count > 0).unwrap_or(seen);
    Some(tokens)
}

/// How many searches of the web an answer holds.
pub(super) fn searches(blocks: &[Block<'_>]) -> u64 {
    blocks.iter().filter(|block| is_search(&block.part)).count() as u64
}

/// Whether a part is a search of the web.
pub(super) fn is_search(part: &Part<'_>) -> bool {
    matches!(part, Part::ServerCall(call) if call.tool == ServerTool::WebSearch)
}

/// What of an answer's members neither echoes the request nor is known.
pub(super) fn beyond(mut fields: Fields<'_>) -> Fields<'_> {
    for name in ECHO {
        fields.take(name);
    }
    nulls_gone(fields)
}

fn collect_logprobs<'a>(message: &Fields<'a>, all: &mut Vec<Logprob<'a>>) {
    for part in message.peek("content").and_then(Node::array).unwrap_or_default() {
        if let Some(mut part) = part.object() {
            all.extend(lift_parts::logprobs(part.some("logprobs")));
        }
    }
}
