//! `tools` and `toolConfig`, read.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Rest, Schema, ServerTool, Tool, ToolChoice, ToolKind},
    },
    fields,
    lift_part::{leftover, lone},
};
use crate::protocol::json::{Fields, Node, WrongShape};

/// The tools of a request. One entry may hold many functions, and tools of Google's own beside them; all of one entry have
/// its place.
pub(super) fn lift(entries: Vec<Node<'_>>) -> Result<Vec<Tool<'_>>, WrongShape> {
    let mut tools = Vec::new();
    for (at, node) in entries.into_iter().enumerate() {
        let mut fields = node.members().map_err(|fault| fault.at(at).under("tools"))?;
        for (index, node) in fields::list(&mut fields, "functionDeclarations").into_iter().enumerate() {
            let function = function(node, at);
            tools.push(function.map_err(|fault| fault.at(index).under("functionDeclarations").at(at).under("tools"))?);
        }
        for (name, node) in fields.rest() {
            let json = lone(&name, node.json());
            let kind = ToolKind::Server { tool: server(&name), of: Dialect::Gemini, json };
            tools.push(Tool { kind, cache: None, at, rest: Rest::default() });
        }
    }
    Ok(tools)
}

fn function(node: Node<'_>, at: usize) -> Result<Tool<'_>, WrongShape> {
    let mut fields = node.members()?;
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let schema = match fields::take(&mut fields, "parametersJsonSchema") {
        Some(schema) => Some(Schema::Json(Cow::Borrowed(schema.raw()))),
        None => fields::take(&mut fields, "parameters").map(|schema| Schema::Google(Cow::Borrowed(schema.raw()))),
    };
    let kind = ToolKind::Function { name, namespace: None, description, schema, strict: None };
    Ok(Tool { kind, cache: None, at, rest: Rest::of(Dialect::Gemini, fields) })
}

fn server(name: &str) -> ServerTool {
    match name {
        "googleSearch"
        | "google_search"
        | "googleSearchRetrieval"
        | "google_search_retrieval"
        | "enterpriseWebSearch"
        | "enterprise_web_search" => ServerTool::WebSearch,
        "urlContext" | "url_context" => ServerTool::WebFetch,
        "codeExecution" | "code_execution" => ServerTool::CodeExecution,
        "fileSearch" | "file_search" => ServerTool::FileSearch,
        "computerUse" | "computer_use" => ServerTool::ComputerUse,
        "mcpServers" | "mcp_servers" => ServerTool::Mcp,
        other => ServerTool::Other(other.to_owned()),
    }
}

/// The choice out of `toolConfig`; what is left of it goes to `rest`.
pub(super) fn choice<'a>(mut config: Fields<'a>, rest: &mut Rest<'a>) -> Result<Option<ToolChoice<'a>>, WrongShape> {
    let node = fields::take(&mut config, "functionCallingConfig");
    leftover("toolConfig", config, rest);
    let Some(node) = node else { return Ok(None) };
    let mut calling = node.members().map_err(|fault| fault.under("functionCallingConfig"))?;
    let choice = mode(node, &mut calling).map_err(|fault| fault.under("functionCallingConfig"))?;
    leftover("toolConfig.functionCallingConfig", calling, rest);
    Ok(choice)
}

fn mode<'a>(node: Node<'a>, calling: &mut Fields<'a>) -> Result<Option<ToolChoice<'a>>, WrongShape> {
    let mode = fields::text(calling, "mode")?.map(|mode| mode.to_ascii_uppercase());
    let mut names = fields::texts(calling, "allowedFunctionNames")?;
    Ok(match (mode.as_deref(), names.len()) {
        (Some("ANY"), 0) => Some(ToolChoice::Required),
        (Some("ANY"), 1) => names.pop().map(ToolChoice::Named),
        (Some("ANY"), _) => Some(ToolChoice::Among { names, required: true }),
        (Some("NONE"), _) => Some(ToolChoice::None),
        (Some("VALIDATED"), 0) => Some(ToolChoice::Opaque { of: Dialect::Gemini, json: Cow::Borrowed(node.raw()) }),
        (_, 1..) => Some(ToolChoice::Among { names, required: false }),
        (Some("AUTO"), 0) => Some(ToolChoice::Auto),
        (Some(_) | None, 0) => None,
    })
}
