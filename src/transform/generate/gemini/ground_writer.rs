//! What an answer rests on, written: gathered over the whole answer, told at its end.

use serde_json::value::RawValue;

use super::super::{
    Dialect,
    canon::{Citation, ServerCall, ServerResult, ServerTool},
};
use crate::protocol::json::{Node, ObjectWriter};

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Google's own members, as they came.
    own: Vec<(&'static str, String)>,
    cited: Vec<String>,
    queries: Vec<String>,
    chunks: Vec<Chunk>,
    supports: Vec<Support>,
    fetched: Vec<(String, bool)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Chunk {
    url: Option<String>,
    title: Option<String>,
    quote: Option<String>,
}

#[derive(Debug)]
struct Support {
    part: usize,
    bytes: (usize, usize),
    words: String,
    chunks: Vec<usize>,
}

impl Gathered {
    /// Takes a member of Google's own that rides as a block; `false` where it is none.
    pub(super) fn own(&mut self, json: &RawValue) -> bool {
        let Some(fields) = Node::parse(json.get().as_bytes()).ok().and_then(Node::object) else { return false };
        for name in ["groundingMetadata", "urlContextMetadata"] {
            if let Some(node) = fields.peek(name) {
                // The call of the tool is told by its result.
                if node.json() != "{}" {
                    self.own.push((name, node.json().to_owned()));
                }
                return true;
            }
        }
        false
    }

    /// Takes a call of another provider's tool; `false` where Google has no such.
    pub(super) fn call(&mut self, call: &ServerCall<'_>) -> bool {
        match call.tool {
            ServerTool::WebSearch => self.queries.extend(call.queries.iter().map(|query| query.clone().into_owned())),
            ServerTool::WebFetch => {}
            ServerTool::CodeExecution
            | ServerTool::FileSearch
            | ServerTool::ImageGeneration
            | ServerTool::ComputerUse
            | ServerTool::Mcp
            | ServerTool::Other(_) => return false,
        }
        true
    }

    /// Takes what another provider's tool found; `false` where Google has no such.
    pub(super) fn result(&mut self, result: &ServerResult<'_>) -> bool {
        match result.tool {
            ServerTool::WebSearch => {
                for page in &result.pages {
                    self.chunk(Chunk { url: Some(page.url.clone().into_owned()), title: page.title.clone().map(Into::into), quote: None });
                }
            }
            ServerTool::WebFetch => {
                self.fetched.extend(result.pages.iter().map(|page| (page.url.clone().into_owned(), result.failed)));
            }
            ServerTool::CodeExecution
            | ServerTool::FileSearch
            | ServerTool::ImageGeneration
            | ServerTool::ComputerUse
            | ServerTool::Mcp
            | ServerTool::Other(_) => return false,
        }
        true
    }

    /// Takes a citation of the part's text.
    pub(super) fn cite(&mut self, citation: &Citation<'_>, part: usize, text: &str) {
        if citation.of == Dialect::Gemini {
            // Supports stand in the grounding itself, which comes whole.
            if !citation.json.get().contains("\"segment\"") {
                self.cited.push(citation.json.get().to_owned());
            }
            return;
        }
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let chunk = self.chunk(Chunk { url: owned(&citation.url), title: owned(&citation.title), quote: owned(&citation.quote) });
        let bytes = citation.span.map_or((0, text.len()), |(start, end)| (byte(text, start), byte(text, end)));
        let words = text.get(bytes.0..bytes.1).unwrap_or("").to_owned();
        match self.supports.iter_mut().find(|support| support.part == part && support.bytes == bytes) {
            Some(support) => support.chunks.push(chunk),
            None => self.supports.push(Support { part, bytes, words, chunks: vec![chunk] }),
        }
    }

    /// The number of a chunk; a page that is known counts once.
    fn chunk(&mut self, chunk: Chunk) -> usize {
        let known = self.chunks.iter().position(|known| known.url.is_some() && known.url == chunk.url || *known == chunk);
        known.unwrap_or_else(|| {
            self.chunks.push(chunk);
            self.chunks.len() - 1
        })
    }

    /// Writes the members of the candidate.
    pub(super) fn write(&self, out: &mut ObjectWriter<'_>) {
        for (name, json) in &self.own {
            out.json(name, json);
        }
        if !self.cited.is_empty() {
            out.object("citationMetadata", |o| {
                o.array("citations", |a| self.cited.iter().for_each(|json| _ = a.json(json)));
            });
        }
        if self.own.is_empty() && !(self.queries.is_empty() && self.chunks.is_empty()) {
            out.object("groundingMetadata", |o| self.grounding(o));
        }
        if !self.fetched.is_empty() {
            out.object("urlContextMetadata", |o| {
                o.array("urlMetadata", |a| {
                    for (url, failed) in &self.fetched {
                        let status = if *failed { "URL_RETRIEVAL_STATUS_ERROR" } else { "URL_RETRIEVAL_STATUS_SUCCESS" };
                        a.object(|o| _ = o.text("retrievedUrl", url).text("urlRetrievalStatus", status));
                    }
                });
            });
        }
    }

    fn grounding(&self, out: &mut ObjectWriter<'_>) {
        if !self.queries.is_empty() {
            out.array("webSearchQueries", |a| self.queries.iter().for_each(|query| _ = a.text(query)));
        }
        if !self.chunks.is_empty() {
            out.array("groundingChunks", |a| {
                for chunk in &self.chunks {
                    a.object(|o| chunk.write(o));
                }
            });
        }
        if !self.supports.is_empty() {
            out.array("groundingSupports", |a| {
                for support in &self.supports {
                    a.object(|o| support.write(o));
                }
            });
        }
    }
}

impl Chunk {
    fn write(&self, out: &mut ObjectWriter<'_>) {
        let title = self.title.as_deref();
        match &self.url {
            Some(url) => out.object("web", |o| _ = o.text("uri", url).some_text("title", title)),
            None => out.object("retrievedContext", |o| _ = o.some_text("title", title).some_text("text", self.quote.as_deref())),
        };
    }
}

impl Support {
    fn write(&self, out: &mut ObjectWriter<'_>) {
        out.object("segment", |o| {
            // Zeros go without saying.
            for (name, figure) in [("partIndex", self.part), ("startIndex", self.bytes.0), ("endIndex", self.bytes.1)] {
                if figure > 0 {
                    o.unsigned(name, figure as u64);
                }
            }
            o.text("text", &self.words);
        });
        out.array("groundingChunkIndices", |a| {
            for chunk in &self.chunks {
                a.json(&chunk.to_string());
            }
        });
    }
}

/// The byte at which a character begins.
fn byte(text: &str, character: u64) -> usize {
    let character = usize::try_from(character).unwrap_or(usize::MAX);
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}
