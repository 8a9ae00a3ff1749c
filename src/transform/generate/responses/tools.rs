//! Definitions of tools, and which of them are to be called, out of their wire form.

use std::borrow::Cow;

use super::super::canon::{Rest, Schema, ServerTool, Tool, ToolChoice, ToolKind};
use super::{OWN, lift_items::nulls_gone};
use crate::protocol::json::{Fields, Node, WrongShape};

/// One definition; a namespace gives all of its tools.
pub(super) fn lift<'a>(node: Node<'a>, at: usize, tools: &mut Vec<Tool<'a>>) -> Result<(), WrongShape> {
    let mut fields = node.members()?;
    let kind = fields.peek_text("type").unwrap_or(Cow::Borrowed("function"));
    match &*kind {
        "function" => tools.push(function(fields, None, at)?),
        "custom" => {
            fields.take("type");
            let kind = ToolKind::Custom {
                name: fields.required_text("name")?,
                description: fields.text("description")?,
                format: fields.some("format").map(|format| Cow::Borrowed(format.raw())),
            };
            tools.push(Tool { kind, cache: None, at, rest: Rest::of(OWN, nulls_gone(fields)) });
        }
        "namespace" if of_functions(&fields) => namespace(fields, at, tools)?,
        kind => {
            let kind = ToolKind::Server { tool: server(kind), of: OWN, json: Cow::Borrowed(node.raw()) };
            tools.push(Tool { kind, cache: None, at, rest: Rest::default() });
        }
    }
    Ok(())
}

fn function<'a>(mut fields: Fields<'a>, namespace: Option<Cow<'a, str>>, at: usize) -> Result<Tool<'a>, WrongShape> {
    fields.take("type");
    // Chat's form, one level deeper, which some clients send here too.
    if let (None, Some(mut inner)) = (fields.peek("name"), fields.object("function")?) {
        inner.take("type");
        fields = inner;
    }
    let kind = ToolKind::Function {
        name: fields.required_text("name")?,
        namespace,
        description: fields.text("description")?,
        schema: fields.some("parameters").map(|schema| Schema::Json(Cow::Borrowed(schema.raw()))),
        strict: fields.bool("strict")?,
    };
    Ok(Tool { kind, cache: None, at, rest: Rest::of(OWN, nulls_gone(fields)) })
}

/// Whether a namespace holds nothing but functions; any other stays whole.
fn of_functions(fields: &Fields<'_>) -> bool {
    let tools = fields.peek("tools").and_then(Node::array).unwrap_or_default();
    let is_function = |tool: Node<'_>| tool.object().is_some_and(|fields| fields.peek_text("type").as_deref() == Some("function"));
    !tools.is_empty() && fields.peek_text("name").is_some() && tools.into_iter().all(is_function)
}

fn namespace<'a>(mut fields: Fields<'a>, at: usize, tools: &mut Vec<Tool<'a>>) -> Result<(), WrongShape> {
    fields.take("type");
    let name = fields.required_text("name")?;
    let inner = fields.array("tools")?.unwrap_or_default();
    let first = tools.len();
    for (place, node) in inner.into_iter().enumerate() {
        let under = |fault: WrongShape| fault.at(place).under("tools");
        tools.push(function(node.members().map_err(under)?, Some(name.clone()), at).map_err(under)?);
    }
    if let Some(tool) = tools.get_mut(first) {
        let own = Rest::of(OWN, nulls_gone(fields)).members;
        if !own.is_empty() {
            tool.rest.of = Some(OWN);
            tool.rest.members.extend(own.into_iter().map(|(name, json)| (Cow::Owned(format!("namespace.{name}")), json)));
        }
    }
    Ok(())
}

/// The tool that a type of definition stands for.
fn server(kind: &str) -> ServerTool {
    match kind {
        "code_interpreter" => ServerTool::CodeExecution,
        "file_search" => ServerTool::FileSearch,
        "image_generation" => ServerTool::ImageGeneration,
        "mcp" => ServerTool::Mcp,
        _ if kind.starts_with("web_search") => ServerTool::WebSearch,
        _ if kind.starts_with("computer") => ServerTool::ComputerUse,
        other => ServerTool::Other(other.to_owned()),
    }
}

/// `tool_choice`.
pub(super) fn choice<'a>(fields: &mut Fields<'a>) -> Result<Option<ToolChoice<'a>>, WrongShape> {
    let Some(node) = fields.some("tool_choice") else { return Ok(None) };
    if let Some(word) = node.text() {
        return match &*word {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            // Chat's and Claude's words for it are met here too.
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(node.wrong("tool_choice", "auto, none, required or an object")),
        };
    }
    let mut choice = node.object().ok_or_else(|| node.wrong("tool_choice", "a string or an object"))?;
    let kind = choice.peek_text("type").unwrap_or_default();
    Ok(Some(match (&*kind, name(&mut choice), allowed(&choice)) {
        ("function" | "custom", Some(name), _) => ToolChoice::Named(name),
        ("allowed_tools", _, Some(allowed)) => allowed,
        _ => ToolChoice::Opaque { of: OWN, json: Cow::Borrowed(node.raw()) },
    }))
}

fn name<'a>(choice: &mut Fields<'a>) -> Option<Cow<'a, str>> {
    choice.peek_text("name").or_else(|| choice.peek("function")?.object()?.peek_text("name"))
}

fn allowed<'a>(choice: &Fields<'a>) -> Option<ToolChoice<'a>> {
    let names: Option<Vec<Cow<'a, str>>> = choice.peek("tools")?.array()?.into_iter().map(allowed_name).collect();
    Some(ToolChoice::Among { names: names?, required: choice.peek_text("mode").as_deref() == Some("required") })
}

fn allowed_name(tool: Node<'_>) -> Option<Cow<'_, str>> {
    let mut fields = tool.object()?;
    let kind = fields.take("type").and_then(Node::text)?;
    let name = fields.take("name").and_then(Node::text)?;
    // A tool of another kind, or of a namespace, would not come back as it was.
    (matches!(&*kind, "function" | "custom") && fields.is_empty()).then_some(name)
}
