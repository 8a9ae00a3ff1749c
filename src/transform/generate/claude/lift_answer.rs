//! A whole answer out of its body.

use std::borrow::Cow;

use super::{OWN, lift_block, lift_request::name_calls, lift_stream::fault, stop, usage};
use crate::{
    protocol::json::{Fields, Node, WrongShape},
    transform::generate::{
        NoAnswer,
        canon::{Answer, Choice, Rest, Text, Tokens},
    },
};

/// What every answer says, and what says nothing.
const EVERY: &[&str] = &["type", "role"];

/// Reads an answer.
pub(super) fn lift(body: Node<'_>) -> Result<Answer<'_>, NoAnswer> {
    let mut fields = body.members()?;
    if fields.peek("error").is_some_and(|error| !error.is_null()) {
        return Err(fault(fields).into());
    }
    let id = fields.text("id")?.unwrap_or_default();
    let model = fields.text("model")?.unwrap_or_default();
    let content = fields.some("content").ok_or_else(|| WrongShape::missing("content", "an array of blocks"))?;
    let mut blocks = lift_block::content(content).map_err(|fault| fault.under("content"))?;
    name_calls(&mut blocks, || format!("call_{id}"));
    let stop = stop::lift(fields.text("stop_reason")?, fields.text("stop_sequence")?);
    let (tokens, service_tier) = figures(&mut fields).map_or((None, None), |(tokens, tier)| (Some(tokens), tier));
    drop_common(&mut fields);
    let choice = Choice { index: 0, blocks, stop, logprobs: Vec::new(), rest: Rest::default() };
    Ok(Answer { from: OWN, id, model, created: None, choices: vec![choice], usage: tokens, service_tier, rest: Rest::of(OWN, fields) })
}

/// Takes `usage`, and the tier that it names.
pub(super) fn figures<'a>(fields: &mut Fields<'a>) -> Option<(Tokens, Option<Text<'a>>)> {
    let mut usage = fields.some("usage")?.object()?;
    let mut tokens = Tokens::default();
    usage::merge(&mut tokens, &mut usage);
    Some((tokens, usage.take("service_tier").and_then(Node::text)))
}

/// Takes what carries nothing: what every message says, and members that are null.
pub(super) fn drop_common(fields: &mut Fields<'_>) {
    for name in EVERY {
        fields.take(name);
    }
    for name in ["stop_details", "container", "context_management", "diagnostics"] {
        if fields.peek(name).is_some_and(Node::is_null) {
            fields.take(name);
        }
    }
}

/// An id for a call that came without one.
pub(super) fn call_id(answer: &str, block: usize) -> Text<'static> {
    Cow::Owned(format!("call_{answer}_{block}"))
}
