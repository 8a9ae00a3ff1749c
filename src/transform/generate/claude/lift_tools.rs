//! Tools and the choice among them.

use std::borrow::Cow;

use super::{OWN, cache, server};
use crate::{
    protocol::json::{Fields, Node, WrongShape},
    transform::generate::canon::{Request, Rest, Schema, Tool, ToolChoice, ToolKind},
};

/// The tools of a request.
pub(super) fn lift(nodes: Vec<Node<'_>>) -> Result<Vec<Tool<'_>>, WrongShape> {
    nodes.into_iter().enumerate().map(|(at, node)| tool(node, at).map_err(|fault| fault.at(at))).collect()
}

fn tool(node: Node<'_>, at: usize) -> Result<Tool<'_>, WrongShape> {
    let mut fields = node.members()?;
    match fields.text("type")?.as_deref() {
        None | Some("custom") => {}
        Some(kind) => return Ok(served(node, kind, fields, at)),
    }
    let cache = cache::lift(&mut fields);
    let kind = ToolKind::Function {
        name: fields.required_text("name")?,
        namespace: None,
        description: fields.text("description")?,
        schema: fields.some("input_schema").map(|schema| Schema::Json(Cow::Borrowed(schema.raw()))),
        strict: fields.bool("strict")?,
    };
    Ok(Tool { kind, cache, at, rest: Rest::of(OWN, fields) })
}

/// A tool that Anthropic defines, known by a type with a date: `web_search_20250305`.
fn served<'a>(node: Node<'a>, kind: &str, mut fields: Fields<'a>, at: usize) -> Tool<'a> {
    let cache = cache::lift(&mut fields);
    let undated = kind.rsplit_once('_').filter(|(_, date)| date.bytes().all(|digit| digit.is_ascii_digit())).map_or(kind, |(name, _)| name);
    let kind = ToolKind::Server { tool: server::tool(undated), of: OWN, json: Cow::Borrowed(node.raw()) };
    Tool { kind, cache, at, rest: Rest::default() }
}

/// The choice among them; it also says whether several calls may stand in one turn.
pub(super) fn lift_choice<'a>(node: Node<'a>, request: &mut Request<'a>) -> Result<(), WrongShape> {
    let mut fields = node.members()?;
    request.parallel_calls = fields.bool("disable_parallel_tool_use")?.map(|disabled| !disabled);
    request.tool_choice = Some(match &*fields.required_text("type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(fields.required_text("name")?),
        _ => ToolChoice::Opaque { of: OWN, json: Cow::Borrowed(node.raw()) },
    });
    Ok(())
}
