//! Sources of text: `annotations` of the kind `url_citation`.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Citation, Part, Raw},
    },
    content,
    leftovers::made,
};
use crate::protocol::json::{Node, object};

/// Reads one annotation; what is not of a kind we know is kept whole.
pub(super) fn lift(node: Node<'_>) -> Citation<'_> {
    let mut inner = node.object().and_then(|mut fields| fields.object("url_citation").ok()?).unwrap_or_default();
    let mut text = |name: &str| inner.text(name).ok().flatten().filter(|text| !text.is_empty());
    let (url, title, quote) = (text("url"), text("title"), text("content"));
    let begin = inner.unsigned("start_index").ok().flatten();
    let end = inner.unsigned("end_index").ok().flatten();
    let span = begin.zip(end).filter(|(begin, end)| begin < end);
    Citation { url, title, quote, span, of: Dialect::Chat, json: Cow::Borrowed(node.raw()) }
}

/// Gives the annotations of a message to its last words.
pub(super) fn attach<'a>(annotations: Vec<Node<'a>>, blocks: &mut Vec<Block<'a>>) {
    if annotations.is_empty() {
        return;
    }
    if !blocks.iter().any(|block| matches!(block.part, Part::Text { .. })) {
        blocks.push(content::words(Cow::Borrowed(""), 0));
    }
    for block in blocks.iter_mut().rev() {
        if let Part::Text { citations, .. } = &mut block.part {
            citations.extend(annotations.into_iter().map(lift));
            return;
        }
    }
}

/// The annotation: its own where it is Chat's, else made of the page. `whole` is the block's place in the answer's words.
/// `None` for what points to no page.
pub(super) fn lower<'c>(citation: &'c Citation<'_>, whole: (u64, u64)) -> Option<Raw<'c>> {
    if citation.of == Dialect::Chat {
        return Some(Cow::Borrowed(&citation.json));
    }
    let url = citation.url.as_deref()?;
    let (begin, end) = citation.span.map_or(whole, |(begin, end)| (whole.0 + begin, whole.0 + end));
    let mut json = Vec::new();
    object(&mut json, |annotation| {
        annotation.text("type", "url_citation").object("url_citation", |inner| {
            inner.unsigned("start_index", begin).unsigned("end_index", end);
            inner.text("title", citation.title.as_deref().unwrap_or(url)).text("url", url);
        });
    });
    Some(made(String::from_utf8(json).unwrap_or_default()))
}

/// Letters of a text, as annotations count them.
pub(super) fn letters(text: &str) -> u64 {
    text.chars().count() as u64
}
