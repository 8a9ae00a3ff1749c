//! What an answer rests on, read: `groundingMetadata`, `citationMetadata`, `urlContextMetadata`.
//!
//! Google tells it of the answer as a whole, in bytes; the canonical form tells it at the text, in characters, and as a call
//! of a tool with its result.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Citation, Page, Part, Rest, ServerCall, ServerResult, ServerTool, Text},
    },
    fields, ids,
    lift_part::lone,
};
use crate::protocol::json::{Fields, Node};

/// The three members of a candidate, unread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grounds<'a> {
    pub(super) grounding: Option<Node<'a>>,
    pub(super) citations: Option<Node<'a>>,
    pub(super) urls: Option<Node<'a>>,
}

/// A piece of text and where it is taken from.
#[derive(Debug)]
pub(super) struct Cited<'a> {
    /// The number of the part, counted as Google does.
    part: usize,
    bytes: (usize, Option<usize>),
    words: Option<Text<'a>>,
    pub(super) citation: Citation<'a>,
}

impl<'a> Grounds<'a> {
    /// Takes the members out of a candidate.
    pub(super) fn take(candidate: &mut Fields<'a>) -> Self {
        // An empty one says nothing.
        let mut full = |name| fields::take(candidate, name).filter(|node| node.object().is_some_and(|members| !members.is_empty()));
        Self { grounding: full("groundingMetadata"), citations: full("citationMetadata"), urls: full("urlContextMetadata") }
    }

    /// Everything that is cited, in Google's order.
    pub(super) fn cited(&self) -> Vec<Cited<'a>> {
        let mut all = Vec::new();
        if let Some(mut grounding) = self.grounding.and_then(Node::object) {
            let chunks = fields::list(&mut grounding, "groundingChunks");
            for support in fields::list(&mut grounding, "groundingSupports") {
                supported(support, &chunks, &mut all);
            }
        }
        if let Some(mut citations) = self.citations.and_then(Node::object) {
            let old = fields::list(&mut citations, "citationSources");
            all.extend(fields::list(&mut citations, "citations").into_iter().chain(old).filter_map(quoted));
        }
        all
    }

    /// Searches that Google ran.
    pub(super) fn searches(&self) -> u64 {
        self.queries().len() as u64
    }

    fn queries(&self) -> Vec<Text<'a>> {
        let queries = self.grounding.and_then(Node::object).map(|mut members| fields::list(&mut members, "webSearchQueries"));
        queries.unwrap_or_default().into_iter().filter_map(Node::text).filter(|query| !query.is_empty()).collect()
    }

    /// The blocks that tell of it. Tools that `shown` has already told of are not told twice: the rest rides along whole.
    pub(super) fn blocks(&self, answer: &str, at: usize, shown: &[ServerTool]) -> Vec<Block<'a>> {
        let mut parts = Vec::new();
        if let Some(node) = self.grounding {
            let whole = lone("groundingMetadata", node.json());
            let queries = self.queries();
            match ground(node, self.urls.is_some(), !queries.is_empty()).filter(|tool| !shown.contains(tool)) {
                Some(tool) => {
                    let id: Text<'a> = Cow::Owned(ids::of_server(answer, shown.len()));
                    let json = lone("groundingMetadata", "{}");
                    parts.push(Part::ServerCall(ServerCall { id: id.clone(), tool: tool.clone(), queries, json }));
                    let pages = pages(node);
                    parts.push(Part::ServerResult(ServerResult {
                        id,
                        tool,
                        pages,
                        output: None,
                        media: Vec::new(),
                        failed: false,
                        json: whole,
                    }));
                }
                None => parts.push(Part::Opaque { of: Dialect::Gemini, json: whole }),
            }
        }
        if let Some(node) = self.urls {
            fetched(node, ids::of_server(answer, shown.len() + 1), shown, &mut parts);
        }
        let block = |(index, part)| Block { part, cache: None, seal: None, at: at + index, rest: Rest::default() };
        parts.into_iter().enumerate().map(block).collect()
    }
}

impl Cited<'_> {
    /// Whether Google counts it to this part.
    pub(super) fn is_of(&self, part: usize) -> bool {
        self.part == part
    }

    /// The place within a text, in characters; `None` where the words do not stand there.
    pub(super) fn place(&self, text: &str) -> Option<(u64, u64)> {
        let (start, end) = (self.bytes.0, self.bytes.1.unwrap_or(text.len()));
        let there = text.get(start..end);
        let (start, end) = match (there, self.words.as_deref()) {
            (Some(there), Some(words)) if there == words => (start, end),
            (Some(_), None) => (start, end),
            (_, Some(words)) if !words.is_empty() => text.find(words).map(|at| (at, at + words.len()))?,
            (Some(_) | None, _) => return None,
        };
        let before = text.get(..start)?.chars().count() as u64;
        Some((before, before + text.get(start..end)?.chars().count() as u64))
    }
}

/// One support: a citation for each chunk that it names.
fn supported<'a>(support: Node<'a>, chunks: &[Node<'a>], all: &mut Vec<Cited<'a>>) {
    let Some(mut members) = support.object() else { return };
    let mut segment = fields::object(&mut members, "segment").ok().flatten().unwrap_or_default();
    let mut figure = |name| fields::count(&mut segment, name).ok().flatten().and_then(|figure| usize::try_from(figure).ok());
    let (part, bytes) = (figure("partIndex").unwrap_or(0), (figure("startIndex").unwrap_or(0), figure("endIndex")));
    let words = fields::text(&mut segment, "text").ok().flatten();
    for index in fields::list(&mut members, "groundingChunkIndices") {
        let chunk = index.unsigned().and_then(|index| chunks.get(usize::try_from(index).ok()?).copied());
        let (url, title, quote) = chunk.map(chunk_of).unwrap_or_default();
        let citation = Citation { url, title, quote, span: None, of: Dialect::Gemini, json: Cow::Borrowed(support.raw()) };
        all.push(Cited { part, bytes, words: words.clone(), citation });
    }
}

type Named<'a> = (Option<Text<'a>>, Option<Text<'a>>, Option<Text<'a>>);

/// Address, title and words of a chunk.
fn chunk_of(chunk: Node<'_>) -> Named<'_> {
    let Some(mut kinds) = chunk.object() else { return Named::default() };
    for name in ["web", "retrievedContext", "maps", "image"] {
        if let Ok(Some(mut source)) = fields::object(&mut kinds, name) {
            let mut word = |name| fields::text(&mut source, name).ok().flatten();
            let quote = if name == "retrievedContext" { word("text") } else { None };
            return (word("uri").or_else(|| word("sourceUri")), word("title"), quote);
        }
    }
    Named::default()
}

/// One of `citationMetadata.citations`.
fn quoted(node: Node<'_>) -> Option<Cited<'_>> {
    let mut members = node.object()?;
    let mut figure = |name| fields::count(&mut members, name).ok().flatten().and_then(|figure| usize::try_from(figure).ok());
    let bytes = (figure("startIndex").unwrap_or(0), figure("endIndex"));
    let url = fields::text(&mut members, "uri").ok().flatten();
    let title = fields::text(&mut members, "title").ok().flatten();
    let citation = Citation { url, title, quote: None, span: None, of: Dialect::Gemini, json: Cow::Borrowed(node.raw()) };
    Some(Cited { part: 0, bytes, words: None, citation })
}

/// Which tool has found it; `None` where it only tells of pages that were fetched.
fn ground(node: Node<'_>, fetched: bool, searched: bool) -> Option<ServerTool> {
    let chunks = node.object().map(|mut members| fields::list(&mut members, "groundingChunks")).unwrap_or_default();
    let first = chunks.first().and_then(|chunk| chunk.object());
    let has = |name| first.as_ref().is_some_and(|chunk| fields::peek(chunk, name).is_some());
    match () {
        () if searched => Some(ServerTool::WebSearch),
        () if has("retrievedContext") => Some(ServerTool::FileSearch),
        () if has("maps") => Some(ServerTool::Other("GOOGLE_MAPS".to_owned())),
        () if fetched => None,
        () if has("web") => Some(ServerTool::WebSearch),
        () => None,
    }
}

fn pages(node: Node<'_>) -> Vec<Page<'_>> {
    let chunks = node.object().map(|mut members| fields::list(&mut members, "groundingChunks")).unwrap_or_default();
    let named = chunks.into_iter().map(chunk_of);
    named.filter_map(|(url, title, _)| Some(Page { url: url?, title })).collect()
}

fn fetched<'a>(node: Node<'a>, id: String, shown: &[ServerTool], parts: &mut Vec<Part<'a>>) {
    let whole = lone("urlContextMetadata", node.json());
    if shown.contains(&ServerTool::WebFetch) {
        parts.push(Part::Opaque { of: Dialect::Gemini, json: whole });
        return;
    }
    let mut failed = true;
    let mut pages = Vec::new();
    for mut page in
        node.object().map(|mut members| fields::list(&mut members, "urlMetadata")).unwrap_or_default().into_iter().filter_map(Node::object)
    {
        failed &= fields::text(&mut page, "urlRetrievalStatus").ok().flatten().is_none_or(|word| !word.ends_with("SUCCESS"));
        if let Ok(Some(url)) = fields::text(&mut page, "retrievedUrl") {
            pages.push(Page { url, title: None });
        }
    }
    let (id, tool): (Text<'a>, _) = (Cow::Owned(id), ServerTool::WebFetch);
    let queries = pages.iter().map(|page| page.url.clone()).collect();
    let json = lone("urlContextMetadata", "{}");
    parts.push(Part::ServerCall(ServerCall { id: id.clone(), tool: tool.clone(), queries, json }));
    parts.push(Part::ServerResult(ServerResult { id, tool, pages, output: None, media: Vec::new(), failed, json: whole }));
}
