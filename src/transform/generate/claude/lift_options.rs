//! The options of a request: everything but its conversation.

use std::borrow::Cow;

use super::{OWN, cache, lift_tools};
use crate::{
    protocol::json::{Fields, Node, WrongShape},
    transform::generate::canon::{Effort, Format, Request, Schema},
};

/// Takes the options.
pub(super) fn lift<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    request.max_tokens = fields.unsigned("max_tokens")?;
    sampling(fields, request)?;
    if let Some(tools) = fields.array("tools")? {
        request.tools = lift_tools::lift(tools).map_err(|fault| fault.under("tools"))?;
    }
    if let Some(choice) = fields.some("tool_choice") {
        lift_tools::lift_choice(choice, request).map_err(|fault| fault.under("tool_choice"))?;
    }
    if let Some(thinking) = fields.object("thinking")? {
        self::thinking(thinking, request).map_err(|fault| fault.under("thinking"))?;
    }
    if let Some(config) = fields.object("output_config")? {
        output(config, request).map_err(|fault| fault.under("output_config"))?;
    }
    if request.format.is_none() {
        // Where the shape of the answer stood before `output_config` came.
        request.format = format(fields, "output_format")?;
    }
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.text("user_id").map_err(|fault| fault.under("metadata"))?;
        keep(metadata, "metadata", request);
    }
    request.cache.mark = cache::lift(fields);
    request.service_tier = fields.text("service_tier")?;
    Ok(())
}

fn sampling<'a>(fields: &mut Fields<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    let sampling = &mut request.sampling;
    sampling.temperature = fields.number("temperature")?;
    sampling.top_p = fields.number("top_p")?;
    sampling.top_k = fields.number("top_k")?;
    for (at, stop) in fields.array("stop_sequences")?.unwrap_or_default().into_iter().enumerate() {
        let text = stop.text().ok_or_else(|| stop.wrong("", "a string").at(at).under("stop_sequences"))?;
        sampling.stop.push(text);
    }
    Ok(())
}

fn thinking<'a>(mut fields: Fields<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    let thinking = &mut request.thinking;
    match &*fields.required_text("type")? {
        "disabled" => thinking.on = Some(false),
        "enabled" => thinking.on = Some(true),
        "adaptive" => (thinking.on, thinking.adaptive) = (Some(true), true),
        other => return Err(WrongShape::new("type", format!("{other:?}"), "enabled, adaptive or disabled")),
    }
    thinking.budget = fields.unsigned("budget_tokens")?;
    thinking.shown = match fields.peek_text("display").as_deref() {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        _ => None,
    };
    if thinking.shown.is_some() || fields.peek("display").is_some_and(Node::is_null) {
        fields.take("display");
    }
    keep(fields, "thinking", request);
    Ok(())
}

fn output<'a>(mut fields: Fields<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    request.format = format(&mut fields, "format")?;
    let effort = fields.peek_text("effort").as_deref().and_then(effort);
    if effort.is_some() || fields.peek("effort").is_some_and(Node::is_null) {
        fields.take("effort");
    }
    request.thinking.effort = effort;
    keep(fields, "output_config", request);
    Ok(())
}

fn effort(word: &str) -> Option<Effort> {
    Some(match word {
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    })
}

fn format<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Option<Format<'a>>, WrongShape> {
    let Some(mut format) = fields.object(name)? else { return Ok(None) };
    let schema = format.take("schema").ok_or_else(|| WrongShape::missing("schema", "a JSON schema").under(name))?;
    Ok(Some(Format::Schema {
        name: format.text("name").ok().flatten(),
        description: None,
        schema: Schema::Json(Cow::Borrowed(schema.raw())),
        strict: Some(true),
    }))
}

/// Keeps what was not taken of an option under its dotted name, so that a loss names it whole.
fn keep<'a>(fields: Fields<'a>, option: &str, request: &mut Request<'a>) {
    for (name, value) in fields.rest() {
        request.rest.of = Some(OWN);
        request.rest.members.push((Cow::Owned(format!("{option}.{name}")), Cow::Borrowed(value.raw())));
    }
}
