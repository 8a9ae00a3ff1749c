//! What a request says beside its turns and tools. Members of nested objects that have no canonical word are kept under
//! dotted names (`text.format.x`, `include[2]`), which are their paths too.

use std::borrow::Cow;

use super::super::canon::{Effort, Format, Raw, Request, Schema, State};
use super::lift_items::nulls_gone;
use crate::protocol::json::{Fields, Node, WrongShape};

/// Members without a canonical word, by their dotted names.
pub(super) type Left<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// Takes out of `fields` what the canonical form has words for.
pub(super) fn lift<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>) -> Result<Left<'a>, WrongShape> {
    let mut left = Vec::new();
    request.max_tokens = fields.unsigned("max_output_tokens")?;
    request.sampling.temperature = fields.number("temperature")?;
    request.sampling.top_p = fields.number("top_p")?;
    request.sampling.top_logprobs = fields.unsigned("top_logprobs")?;
    request.parallel_calls = fields.bool("parallel_tool_calls")?;
    request.metadata = fields.some("metadata").map(|node| Cow::Borrowed(node.raw()));
    request.user = fields.text("user")?;
    request.service_tier = fields.text("service_tier")?;
    request.cache.key = fields.text("prompt_cache_key")?;
    request.cache.retention = fields.text("prompt_cache_retention")?;
    request.state = State {
        previous: fields.text("previous_response_id")?,
        conversation: fields.some("conversation").map(|node| Cow::Borrowed(node.raw())),
        store: fields.bool("store")?,
        background: fields.bool("background")?,
        ..std::mem::take(&mut request.state)
    };
    if request.user.is_none() {
        safety_identifier(fields, request)?;
    }
    reasoning(fields, request, &mut left)?;
    text(fields, request, &mut left)?;
    include(fields, request, &mut left)?;
    Ok(left)
}

/// The newer name of `user`.
fn safety_identifier<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    let Some(node) = fields.peek("safety_identifier") else { return Ok(()) };
    request.user = fields.text("safety_identifier")?;
    if request.user.is_some() {
        request.rest.hint(super::OWN, "safety_identifier", Cow::Borrowed(node.raw()));
    }
    Ok(())
}

fn reasoning<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>, left: &mut Left<'a>) -> Result<(), WrongShape> {
    let Some(mut inner) = fields.object("reasoning")? else { return Ok(()) };
    let under = |fault: WrongShape| fault.under("reasoning");
    if let Some(effort) = inner.peek_text("effort").and_then(|word| Effort::parse(&word)) {
        inner.take("effort");
        request.thinking.effort = Some(effort);
        request.thinking.on = Some(effort != super::super::canon::Effort::None);
    }
    request.thinking.summary = inner.text("summary").map_err(under)?;
    if request.thinking.summary.is_none() {
        request.thinking.summary = inner.text("generate_summary").map_err(under)?;
    }
    request.thinking.shown = request.thinking.summary.as_deref().map(|summary| summary != "none");
    keep("reasoning", inner, left);
    Ok(())
}

fn text<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>, left: &mut Left<'a>) -> Result<(), WrongShape> {
    let Some(mut inner) = fields.object("text")? else { return Ok(()) };
    request.verbosity = inner.text("verbosity").map_err(|fault| fault.under("text"))?;
    if let Some(format) = inner.object("format").map_err(|fault| fault.under("text"))? {
        request.format = self::format(format, left).map_err(|fault| fault.under("text.format"))?;
    }
    keep("text", inner, left);
    Ok(())
}

fn format<'a>(mut fields: Fields<'a>, left: &mut Left<'a>) -> Result<Option<Format<'a>>, WrongShape> {
    let format = match fields.peek_text("type").as_deref() {
        Some("text") => Format::Text,
        Some("json_object") => Format::Json,
        Some("json_schema") => Format::Schema {
            name: fields.text("name")?,
            description: fields.text("description")?,
            schema: Schema::Json(
                fields.some("schema").map(Node::raw).map(Cow::Borrowed).ok_or_else(|| WrongShape::missing("schema", "an object"))?,
            ),
            strict: fields.bool("strict")?,
        },
        Some(_) | None => {
            keep("text.format", fields, left);
            return Ok(None);
        }
    };
    fields.take("type");
    keep("text.format", fields, left);
    Ok(Some(format))
}

fn include<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>, left: &mut Left<'a>) -> Result<(), WrongShape> {
    for (at, node) in fields.array("include")?.unwrap_or_default().into_iter().enumerate() {
        match node.text().as_deref() {
            Some("reasoning.encrypted_content") => request.thinking.sealed = true,
            Some("message.output_text.logprobs") => request.sampling.logprobs = Some(true),
            Some(_) | None => left.push((Cow::Owned(format!("include[{at}]")), Cow::Borrowed(node.raw()))),
        }
    }
    Ok(())
}

fn keep<'a>(under: &str, fields: Fields<'a>, left: &mut Left<'a>) {
    let members = nulls_gone(fields).rest();
    left.extend(members.into_iter().map(|(name, value)| (Cow::Owned(format!("{under}.{name}")), Cow::Borrowed(value.raw()))));
}
