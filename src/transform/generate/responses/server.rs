//! Items of tools that OpenAI itself runs, or that its models are trained for.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::canon::{Media, MediaKind, Page, Part, Raw, ServerCall, ServerResult, ServerTool, Source, Text};
use super::lift_parts;
use crate::protocol::json::{Fields, Node};

/// Which side of the conversation an item stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Model,
    Caller,
}

/// The side of an item that is no message, reasoning or plain call.
pub(super) fn side(kind: &str) -> Side {
    match kind {
        "program_output" => Side::Model,
        "mcp_approval_response" | "compaction_trigger" | "additional_tools" | "configuration_update" => Side::Caller,
        _ if kind.ends_with("_output") => Side::Caller,
        _ => Side::Model,
    }
}

/// The tool whose call or result an item is.
fn tool(kind: &str) -> Option<ServerTool> {
    let stem = kind.strip_suffix("_output").unwrap_or(kind);
    Some(match stem {
        "web_search_call" => ServerTool::WebSearch,
        "code_interpreter_call" => ServerTool::CodeExecution,
        "file_search_call" => ServerTool::FileSearch,
        "image_generation_call" => ServerTool::ImageGeneration,
        "computer_call" => ServerTool::ComputerUse,
        "mcp_call" => ServerTool::Mcp,
        "local_shell_call" | "shell_call" | "apply_patch_call" | "tool_search_call" => {
            ServerTool::Other(stem.trim_end_matches("_call").to_owned())
        }
        "tool_search" => ServerTool::Other("tool_search".to_owned()),
        _ => return None,
    })
}

/// The type of an item that this dialect wrote.
pub(super) fn own_kind(json: &RawValue) -> Option<Cow<'_, str>> {
    // Most foreign JSON has no `type` of ours; the look costs one pass over the item's members.
    let fields: Fields<'_> = serde_json::from_str(json.get()).ok()?;
    fields.peek_text("type").filter(|kind| tool(kind).is_some())
}

/// Whether the item stops the answer until the caller has run it.
pub(super) fn runs_at_the_caller(json: &RawValue) -> bool {
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(json.get()) else { return false };
    match fields.peek_text("type").as_deref() {
        Some("computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call" | "mcp_approval_request") => true,
        Some("tool_search_call") => fields.peek_text("execution").as_deref() == Some("client"),
        _ => false,
    }
}

/// The parts that an item becomes: a call, its result where the item holds it too; or the item whole.
pub(super) fn parts<'a>(kind: &str, item: Node<'a>) -> Vec<Part<'a>> {
    let json: Raw<'a> = Cow::Borrowed(item.raw());
    let (Some(tool), Some(mut fields)) = (tool(kind), item.object()) else { return vec![Part::Opaque { of: super::OWN, json }] };
    let id = fields.peek_text(if kind.ends_with("_output") { "call_id" } else { "id" });
    let id = id.or_else(|| fields.peek_text("call_id")).or_else(|| fields.peek_text("id")).unwrap_or_default();
    if kind.ends_with("_output") {
        let output = printed(&mut fields);
        let failed = fields.peek_text("status").as_deref() == Some("failed");
        return vec![Part::ServerResult(ServerResult { id, tool, pages: Vec::new(), output, media: Vec::new(), failed, json })];
    }
    let mut found = Found::default();
    found.read(kind, &mut fields);
    let done =
        !matches!(fields.peek_text("status").as_deref(), Some("in_progress" | "searching" | "interpreting" | "generating" | "calling"));
    let tool = if found.opened && tool == ServerTool::WebSearch { ServerTool::WebFetch } else { tool };
    let mut parts = vec![Part::ServerCall(ServerCall { id: id.clone(), tool: tool.clone(), queries: found.queries, json: json.clone() })];
    if done && holds_results(&tool) {
        let failed = found.failed || fields.peek_text("status").as_deref() == Some("failed");
        parts.push(Part::ServerResult(ServerResult {
            id,
            tool,
            pages: found.pages,
            output: found.output,
            media: found.media,
            failed,
            json,
        }));
    }
    parts
}

fn holds_results(tool: &ServerTool) -> bool {
    match tool {
        ServerTool::WebSearch
        | ServerTool::WebFetch
        | ServerTool::CodeExecution
        | ServerTool::FileSearch
        | ServerTool::ImageGeneration
        | ServerTool::Mcp => true,
        ServerTool::ComputerUse | ServerTool::Other(_) => false,
    }
}

/// What an item tells in words that others understand.
#[derive(Default)]
struct Found<'a> {
    queries: Vec<Text<'a>>,
    pages: Vec<Page<'a>>,
    output: Option<Text<'a>>,
    media: Vec<Media<'a>>,
    failed: bool,
    /// Whether a page was opened rather than searched for.
    opened: bool,
}

impl<'a> Found<'a> {
    fn read(&mut self, kind: &str, fields: &mut Fields<'a>) {
        match kind {
            "web_search_call" => {
                if let Some(action) = fields.take("action").and_then(Node::object) {
                    self.search(action);
                }
            }
            "code_interpreter_call" => self.code(fields),
            "file_search_call" => {
                self.queries = texts(fields.take("queries"));
                let results = fields.take("results").and_then(Node::array).unwrap_or_default();
                let texts: Vec<Text<'a>> = results.into_iter().filter_map(|result| result.object()?.peek_text("text")).collect();
                self.output = (!texts.is_empty()).then(|| Cow::Owned(texts.join("\n\n")));
            }
            "image_generation_call" => self.picture(fields),
            "mcp_call" => {
                self.queries.extend(fields.peek_text("arguments"));
                self.output = fields.peek_text("output");
                self.failed = fields.peek("error").is_some_and(|error| !error.is_null());
            }
            _ => {
                if let Some(action) = fields.take("action").and_then(Node::object) {
                    let commands = texts(action.peek("commands"));
                    let line = texts(action.peek("command"));
                    self.queries = if commands.is_empty() && !line.is_empty() { vec![Cow::Owned(line.join(" "))] } else { commands };
                }
            }
        }
    }

    fn search(&mut self, mut action: Fields<'a>) {
        self.queries = texts(action.take("queries"));
        if self.queries.is_empty() {
            self.queries.extend(action.peek_text("query"));
        }
        for source in action.take("sources").and_then(Node::array).unwrap_or_default() {
            let Some(source) = source.object() else { continue };
            if let Some(url) = source.peek_text("url") {
                self.pages.push(Page { url, title: source.peek_text("title") });
            }
        }
        if let Some(url) = action.peek_text("url") {
            self.opened = true;
            if self.queries.is_empty() {
                self.queries.push(url.clone());
            }
            self.pages.push(Page { url, title: None });
        }
    }

    fn code(&mut self, fields: &mut Fields<'a>) {
        self.queries.extend(fields.peek_text("code"));
        let mut logs: Vec<Text<'a>> = Vec::new();
        for output in fields.take("outputs").and_then(Node::array).unwrap_or_default() {
            let Some(output) = output.object() else { continue };
            logs.extend(output.peek_text("logs"));
            self.media.extend(output.peek_text("url").map(|url| lift_parts::media(MediaKind::Image, url)));
        }
        self.output = (!logs.is_empty()).then(|| Cow::Owned(logs.concat()));
    }

    fn picture(&mut self, fields: &mut Fields<'a>) {
        self.queries.extend(fields.peek_text("revised_prompt"));
        if let Some(data) = fields.peek_text("result").filter(|data| !data.is_empty()) {
            let format = fields.peek_text("output_format").unwrap_or(Cow::Borrowed("png"));
            let mime = Some(Cow::Owned(format!("image/{format}")));
            self.media.push(Media { kind: MediaKind::Image, source: Source::Base64(data), mime, name: None, detail: None });
        }
    }
}

/// What a result item prints: `output` as text, or the texts of its pieces.
fn printed<'a>(fields: &mut Fields<'a>) -> Option<Text<'a>> {
    let output = fields.take("output")?;
    if let Some(text) = output.text() {
        return Some(text);
    }
    let pieces: Vec<Text<'a>> = output
        .array()?
        .into_iter()
        .filter_map(Node::object)
        .flat_map(|piece| [piece.peek_text("stdout"), piece.peek_text("stderr"), piece.peek_text("text")])
        .flatten()
        .collect();
    (!pieces.is_empty()).then(|| Cow::Owned(pieces.concat()))
}

fn texts(list: Option<Node<'_>>) -> Vec<Text<'_>> {
    list.and_then(Node::array).unwrap_or_default().into_iter().filter_map(Node::text).collect()
}
