//! A conversation with everything in it that is more than words and pictures told in words.
//!
//! So a summary can be asked of any model: no tool needs to be declared, no call paired, no signature understood.

use std::borrow::Cow;

use crate::transform::generate::canon::{Block, Call, CallResult, Input, Part, Rest, ServerCall, ServerResult, ServerTool, Turn};

/// The turns in words. Turns of which nothing is left are left out.
pub(super) fn plain(turns: Vec<Turn<'_>>) -> Vec<Turn<'_>> {
    let mut plain = Vec::with_capacity(turns.len());
    for mut turn in turns {
        turn.blocks = std::mem::take(&mut turn.blocks).into_iter().flat_map(block).collect();
        // What a dialect said beyond the canon of a turn that is retold is not asked for.
        turn.rest = Rest::default();
        if !turn.blocks.is_empty() {
            plain.push(turn);
        }
    }
    plain
}

fn block(block: Block<'_>) -> Vec<Block<'_>> {
    let at = block.at;
    match block.part {
        Part::Text { text, .. } if text.is_empty() => Vec::new(),
        Part::Text { text, .. } | Part::Refusal(text) => vec![words(text, at)],
        Part::Media(_) => vec![Block { cache: None, seal: None, rest: Rest::default(), ..block }],
        Part::Call(call) => vec![words(Cow::Owned(called(&call)), at)],
        Part::Result(result) => told(result, at),
        Part::ServerCall(ServerCall { queries, .. }) if queries.is_empty() => Vec::new(),
        Part::ServerCall(call) => vec![words(Cow::Owned(format!("[Used {}: {}]", name(&call.tool), call.queries.join("; "))), at)],
        Part::ServerResult(result) => found(result, at),
        // Thinking is its maker's own, and so is what only a dialect knows.
        Part::Reasoning(_) | Part::Opaque { .. } => Vec::new(),
    }
}

fn words(text: Cow<'_, str>, at: usize) -> Block<'_> {
    Block { part: Part::Text { text, citations: Vec::new() }, cache: None, seal: None, at, rest: Rest::default() }
}

fn called(call: &Call<'_>) -> String {
    let (Input::Json(input) | Input::Free(input)) = &call.input;
    format!("[Called {} with: {input}]", call.name)
}

/// What a call gave: its words in one piece, then its pictures.
fn told(result: CallResult<'_>, at: usize) -> Vec<Block<'_>> {
    let mut text = match (&result.name, result.failed) {
        (Some(name), Some(true)) => format!("[{name} failed: "),
        (Some(name), _) => format!("[{name} gave: "),
        (None, Some(true)) => "[The tool failed: ".to_owned(),
        (None, _) => "[The tool gave: ".to_owned(),
    };
    if let (Some(object), true) = (&result.object, result.content.is_empty()) {
        text.push_str(object.get());
    }
    let mut media = Vec::new();
    for piece in result.content {
        match piece.part {
            Part::Text { text: more, .. } => text.push_str(&more),
            Part::Media(_) => media.push(Block { cache: None, seal: None, rest: Rest::default(), ..piece }),
            Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Call(_)
            | Part::Result(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => {}
        }
    }
    text.push(']');
    let mut all = vec![words(Cow::Owned(text), at)];
    all.append(&mut media);
    all
}

fn found(result: ServerResult<'_>, at: usize) -> Vec<Block<'_>> {
    let pages =
        result.pages.iter().map(|page| page.title.as_ref().map_or_else(|| page.url.to_string(), |title| format!("{title} ({})", page.url)));
    let found: Vec<String> = pages.chain(result.output.as_deref().map(str::to_owned)).collect();
    if found.is_empty() { Vec::new() } else { vec![words(Cow::Owned(format!("[{} gave: {}]", name(&result.tool), found.join("; "))), at)] }
}

fn name(tool: &ServerTool) -> &str {
    match tool {
        ServerTool::WebSearch => "web search",
        ServerTool::WebFetch => "web fetch",
        ServerTool::CodeExecution => "code execution",
        ServerTool::FileSearch => "file search",
        ServerTool::ImageGeneration => "image generation",
        ServerTool::ComputerUse => "computer use",
        ServerTool::Mcp => "a remote tool",
        ServerTool::Other(name) => name,
    }
}
