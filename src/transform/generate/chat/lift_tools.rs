//! What the model may call, and which of it.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Rest, Schema, ServerTool, Text, Tool, ToolChoice, ToolKind},
    },
    leftovers::{keep, made},
};
use crate::protocol::json::{Fields, Node, Shape, WrongShape, object};

/// Takes `tools`, the older `functions`, and `web_search_options`, which is a tool by its nature.
pub(super) fn tools<'a>(fields: &mut Fields<'a>) -> Result<Vec<Tool<'a>>, WrongShape> {
    let mut tools = Vec::new();
    for (at, node) in fields.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        tools.push(tool(node, at).map_err(|fault| fault.at(at).under("tools"))?);
    }
    for (at, node) in fields.array("functions")?.unwrap_or_default().into_iter().enumerate() {
        let mut rest = Rest::default();
        let function = |node: Node<'a>, rest: &mut Rest<'a>| function(node.members()?, rest);
        let kind = function(node, &mut rest).map_err(|fault| fault.at(at).under("functions"))?;
        tools.push(Tool { kind, cache: None, at: tools.len(), rest });
    }
    if let Some(options) = fields.some("web_search_options") {
        let kind = ToolKind::Server { tool: ServerTool::WebSearch, of: Dialect::Chat, json: Cow::Borrowed(options.raw()) };
        tools.push(Tool { kind, cache: None, at: tools.len(), rest: Rest::default() });
    }
    Ok(tools)
}

fn tool(node: Node<'_>, at: usize) -> Result<Tool<'_>, WrongShape> {
    let mut fields = node.members()?;
    let mut rest = Rest::default();
    let kind = fields.peek_text("type").unwrap_or_else(|| "function".into());
    let kind = match &*kind {
        "function" => function(inner(&mut fields, "function")?, &mut rest).map_err(|fault| fault.under("function"))?,
        "custom" => custom(inner(&mut fields, "custom")?, &mut rest).map_err(|fault| fault.under("custom"))?,
        other => {
            let tool = match other {
                "web_search" | "web_search_preview" | "openrouter:web_search" => ServerTool::WebSearch,
                "code_interpreter" | "code_execution" => ServerTool::CodeExecution,
                other => ServerTool::Other(other.to_owned()),
            };
            let kind = ToolKind::Server { tool, of: Dialect::Chat, json: Cow::Borrowed(node.raw()) };
            return Ok(Tool { kind, cache: None, at, rest });
        }
    };
    fields.take("type");
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    Ok(Tool { kind, cache: None, at, rest })
}

fn inner<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Fields<'a>, WrongShape> {
    fields.object(name)?.ok_or_else(|| WrongShape::missing(name, "an object"))
}

fn function<'a>(mut function: Fields<'a>, rest: &mut Rest<'a>) -> Result<ToolKind<'a>, WrongShape> {
    let kind = ToolKind::Function {
        name: function.required_text("name")?,
        namespace: None,
        description: function.text("description")?,
        schema: function.some("parameters").map(|node| Schema::Json(Cow::Borrowed(node.raw()))),
        strict: function.bool("strict")?,
    };
    keep(rest, "function", function);
    Ok(kind)
}

fn custom<'a>(mut custom: Fields<'a>, rest: &mut Rest<'a>) -> Result<ToolKind<'a>, WrongShape> {
    let name = custom.required_text("name")?;
    let description = custom.text("description")?;
    let format = custom.object("format")?.map(|mut format| {
        let grammar = format.object("grammar").ok().flatten();
        let mut json = Vec::new();
        // The canonical form is flat; Chat's own puts the grammar one level down.
        object(&mut json, |flat| {
            for (name, value) in format.rest().into_iter().chain(grammar.unwrap_or_default().rest()) {
                flat.raw(&name, value.raw());
            }
        });
        made(String::from_utf8(json).unwrap_or_default())
    });
    keep(rest, "custom", custom);
    Ok(ToolKind::Custom { name, description, format })
}

/// Takes `tool_choice`, or the older `function_call`.
pub(super) fn choice<'a>(fields: &mut Fields<'a>) -> Result<Option<ToolChoice<'a>>, WrongShape> {
    if let Some(node) = fields.some("tool_choice") {
        fields.take("function_call");
        return read_choice(node, "tool_choice").map(Some);
    }
    let Some(node) = fields.some("function_call") else { return Ok(None) };
    let named = node.object().and_then(|mut call| call.text("name").ok()?);
    named.map_or_else(|| read_choice(node, "function_call"), |name| Ok(ToolChoice::Named(name))).map(Some)
}

fn read_choice<'a>(node: Node<'a>, member: &str) -> Result<ToolChoice<'a>, WrongShape> {
    match node.shape() {
        Shape::Text => match node.text().as_deref() {
            Some("auto") => Ok(ToolChoice::Auto),
            Some("none") => Ok(ToolChoice::None),
            Some("required" | "any") => Ok(ToolChoice::Required),
            _ => Err(node.wrong(member, "auto, none, required, or a tool")),
        },
        Shape::Object => Ok(chosen(node).unwrap_or_else(|| ToolChoice::Opaque { of: Dialect::Chat, json: Cow::Borrowed(node.raw()) })),
        Shape::Null | Shape::Bool | Shape::Number | Shape::Array => Err(node.wrong(member, "auto, none, required, or a tool")),
    }
}

fn chosen(node: Node<'_>) -> Option<ToolChoice<'_>> {
    let mut choice = node.object()?;
    match &*choice.text("type").ok()?? {
        "function" | "custom" => named(node).map(ToolChoice::Named),
        "allowed_tools" => {
            let mut allowed = choice.object("allowed_tools").ok()??;
            let required = allowed.text("mode").ok()?.as_deref() == Some("required");
            let names = allowed.array("tools").ok()??.into_iter().map(named).collect::<Option<Vec<_>>>()?;
            Some(ToolChoice::Among { names, required })
        }
        _ => None,
    }
}

/// The name within `{"type": "function", "function": {"name": ...}}`.
fn named(node: Node<'_>) -> Option<Text<'_>> {
    let mut tool = node.object()?;
    let kind = tool.text("type").ok()??;
    if let Some(mut inner) = tool.object(&kind).ok()? {
        return inner.text("name").ok()?;
    }
    tool.text("name").ok()?
}
