//! Tools that Anthropic runs itself: what they were asked, and what they found.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::media::words;
use crate::{
    protocol::json::{Fields, Node, WrongShape, object},
    transform::generate::canon::{Media, MediaKind, Page, ServerCall, ServerResult, ServerTool, Source, Text},
};

/// Whether a block of this type is a call of such a tool.
pub(super) fn is_call(kind: &str) -> bool {
    kind == "server_tool_use" || kind == "mcp_tool_use"
}

/// Whether a block of this type is what such a tool found.
pub(super) fn is_result(kind: &str) -> bool {
    kind.ends_with("_tool_result")
}

/// Whether JSON kept of a server tool is Anthropic's own.
pub(super) fn is_own(json: &RawValue) -> bool {
    let kind = serde_json::from_str::<Fields<'_>>(json.get()).ok().and_then(|fields| fields.peek_text("type").map(Cow::into_owned));
    kind.is_some_and(|kind| is_call(&kind) || is_result(&kind))
}

/// The tool by the name that Anthropic gives it.
pub(super) fn tool(name: &str) -> ServerTool {
    match name {
        "web_search" => ServerTool::WebSearch,
        "web_fetch" => ServerTool::WebFetch,
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => ServerTool::CodeExecution,
        "computer" => ServerTool::ComputerUse,
        "mcp" | "mcp_toolset" => ServerTool::Mcp,
        other => ServerTool::Other(other.to_owned()),
    }
}

/// Reads a call.
pub(super) fn lift_call(node: Node<'_>) -> Result<ServerCall<'_>, WrongShape> {
    let mut fields = node.members()?;
    let tool = if fields.peek_text("type").as_deref() == Some("mcp_tool_use") {
        ServerTool::Mcp
    } else {
        tool(&fields.text("name")?.unwrap_or_default())
    };
    let queries = fields.take("input").and_then(Node::object).map(queries).unwrap_or_default();
    Ok(ServerCall { id: fields.text("id")?.unwrap_or_default(), tool, queries, json: Cow::Borrowed(node.raw()) })
}

fn queries(mut input: Fields<'_>) -> Vec<Text<'_>> {
    ["query", "url", "code", "command"].into_iter().filter_map(|name| input.take(name).and_then(Node::text)).take(1).collect()
}

/// A call's JSON with the input that was streamed behind it.
pub(super) fn with_input(start: &str, input: &str) -> Box<RawValue> {
    let members = serde_json::from_str::<Fields<'_>>(start).map(Fields::rest).unwrap_or_default();
    let streamed = serde_json::from_str::<&RawValue>(input).ok();
    let mut out = Vec::with_capacity(start.len() + input.len());
    object(&mut out, |o| {
        for (name, value) in members {
            o.raw(&name, streamed.filter(|_| name == "input").unwrap_or(value.raw()));
        }
    });
    let text = String::from_utf8(out).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Reads what a tool found.
pub(super) fn lift_result(node: Node<'_>) -> Result<ServerResult<'_>, WrongShape> {
    let mut fields = node.members()?;
    let kind = fields.required_text("type")?;
    let mut result = ServerResult {
        id: fields.text("tool_use_id")?.unwrap_or_default(),
        tool: tool(kind.strip_suffix("_tool_result").unwrap_or(&kind)),
        pages: Vec::new(),
        output: None,
        media: Vec::new(),
        failed: fields.bool("is_error").ok().flatten().unwrap_or(false),
        json: Cow::Borrowed(node.raw()),
    };
    let Some(content) = fields.take("content") else { return Ok(result) };
    match content.object() {
        Some(found) => read(found, &mut result),
        None if result.tool == ServerTool::Mcp => result.output = Some(Cow::Owned(words(content))),
        None => result.pages = content.array().unwrap_or_default().into_iter().filter_map(page).collect(),
    }
    Ok(result)
}

/// What was found, where it is one thing.
fn read<'a>(mut found: Fields<'a>, result: &mut ServerResult<'a>) {
    result.failed |= found.peek_text("type").is_some_and(|kind| kind.ends_with("_error"));
    if let Some(url) = found.take("url").and_then(Node::text) {
        let mut document = found.take("content").and_then(Node::object).unwrap_or_default();
        let title = document.take("title").and_then(Node::text);
        result.pages.push(Page { url, title });
        result.output = document.take("source").and_then(Node::object).and_then(|mut source| source.take("data")?.text());
        return;
    }
    result.output = ["stdout", "text"].into_iter().find_map(|name| found.take(name)?.text());
    match found.take("content") {
        Some(content) if content.text().is_some() => result.output = result.output.take().or_else(|| content.text()),
        Some(content) => result.media = content.array().unwrap_or_default().into_iter().filter_map(file).collect(),
        None => {}
    }
}

fn page(node: Node<'_>) -> Option<Page<'_>> {
    let mut fields = node.object()?;
    Some(Page { url: fields.take("url")?.text()?, title: fields.take("title").and_then(Node::text) })
}

fn file(node: Node<'_>) -> Option<Media<'_>> {
    let id = node.object()?.take("file_id")?.text()?;
    Some(Media { kind: MediaKind::File, source: Source::FileId(id), mime: None, name: None, detail: None })
}
