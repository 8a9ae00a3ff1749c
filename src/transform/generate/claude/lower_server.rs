//! Tools that other providers run, told in Anthropic's words.

use super::{ids, server::is_own};
use crate::{
    protocol::json::{Node, ObjectWriter, object},
    transform::generate::canon::{Page, ServerCall, ServerResult, ServerTool},
};

/// A call as an answer tells it: its block, and its input apart.
#[derive(Debug)]
pub(super) struct Told {
    /// The members of the block but for `input`, as JSON of an object.
    pub(super) start: String,
    /// The input as JSON.
    pub(super) input: String,
}

/// A call in Anthropic's words; `None` where it has none for that tool.
pub(super) fn call(call: &ServerCall<'_>) -> Option<Told> {
    if is_own(&call.json) {
        return own(&call.json);
    }
    let (name, member) = match &call.tool {
        ServerTool::WebSearch => ("web_search", "query"),
        ServerTool::WebFetch => ("web_fetch", "url"),
        ServerTool::CodeExecution => ("code_execution", "code"),
        ServerTool::FileSearch | ServerTool::ImageGeneration | ServerTool::ComputerUse | ServerTool::Mcp | ServerTool::Other(_) => {
            return None;
        }
    };
    let query = call.queries.join(if member == "query" { " " } else { "\n" });
    let start = text(|o| {
        o.text("type", "server_tool_use").text("id", &ids::server_call(&call.id)).text("name", name);
    });
    let input = text(|o| {
        o.text(member, &query);
    });
    Some(Told { start, input })
}

fn own(json: &serde_json::value::RawValue) -> Option<Told> {
    let mut fields = Node::parse(json.get().as_bytes()).ok()?.object()?;
    let input = fields.take("input").map_or_else(|| "{}".to_owned(), |input| input.json().to_owned());
    let start = text(|o| {
        for (name, value) in fields.rest() {
            o.raw(&name, value.raw());
        }
    });
    Some(Told { start, input })
}

/// A call with an input.
pub(super) fn joined(start: &str, input: &str) -> String {
    let members = start.strip_suffix('}').unwrap_or(start);
    format!("{members},\"input\":{input}}}")
}

/// What a tool found in Anthropic's words; `None` where it has none for that tool.
pub(super) fn result(result: &ServerResult<'_>) -> Option<String> {
    if is_own(&result.json) {
        return Some(result.json.get().to_owned());
    }
    let kind = match &result.tool {
        ServerTool::WebSearch => "web_search_tool_result",
        ServerTool::WebFetch => "web_fetch_tool_result",
        ServerTool::CodeExecution => "code_execution_tool_result",
        ServerTool::FileSearch | ServerTool::ImageGeneration | ServerTool::ComputerUse | ServerTool::Mcp | ServerTool::Other(_) => {
            return None;
        }
    };
    Some(text(|o| {
        o.text("type", kind).text("tool_use_id", &ids::server_call(&result.id));
        if result.failed {
            o.object("content", |content| {
                content.text("type", &format!("{kind}_error")).text("error_code", "unavailable");
            });
        } else {
            content(result, o);
        }
    }))
}

fn content(result: &ServerResult<'_>, object: &mut ObjectWriter<'_>) {
    let output = result.output.as_deref().unwrap_or("");
    if result.tool == ServerTool::CodeExecution {
        object.object("content", |ran| {
            ran.text("type", "code_execution_result").text("stdout", output).text("stderr", "").unsigned("return_code", 0);
            ran.array("content", |_| {});
        });
        return;
    }
    if let (ServerTool::WebFetch, Some(page)) = (&result.tool, result.pages.first()) {
        object.object("content", |fetched| fetch(page, output, fetched));
        return;
    }
    object.array("content", |pages| {
        for found in &result.pages {
            pages.object(|o| page(found, o));
        }
    });
}

fn page(page: &Page<'_>, object: &mut ObjectWriter<'_>) {
    object
        .text("type", "web_search_result")
        .text("url", &page.url)
        .text("title", page.title.as_deref().unwrap_or(""))
        // Anthropic's own copy of the page; nobody else has one, and none is made up.
        .text("encrypted_content", "")
        .null("page_age");
}

fn fetch(page: &Page<'_>, output: &str, object: &mut ObjectWriter<'_>) {
    object.text("type", "web_fetch_result").text("url", &page.url).null("retrieved_at");
    object.object("content", |document| {
        document.text("type", "document").text_or_null("title", page.title.as_deref());
        document.object("source", |source| {
            source.text("type", "text").text("media_type", "text/plain").text("data", output);
        });
    });
}

/// What a foreign tool found, as words for the model; `None` where it found nothing worth reading.
pub(super) fn readable(result: &ServerResult<'_>) -> Option<String> {
    result.output.as_deref().filter(|output| !output.trim().is_empty()).map(str::to_owned)
}

fn text(fill: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
    let mut out = Vec::new();
    object(&mut out, fill);
    String::from_utf8(out).unwrap_or_default()
}
