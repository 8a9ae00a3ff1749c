//! Citations: five kinds of places, all of which hold for the whole block of text that they stand on.

use std::borrow::Cow;

use super::{OWN, place::Place};
use crate::{
    protocol::json::{ArrayWriter, Node, ObjectWriter, object},
    transform::{
        Loss,
        generate::{Dialect, canon::Citation},
    },
};

/// Reads a citation; `None` where it is no object.
pub(super) fn lift(node: Node<'_>) -> Option<Citation<'_>> {
    let mut fields = node.object()?;
    let mut text = |name: &str| fields.take(name).and_then(Node::text);
    // `web_search_result_location` has a page, `search_result_location` a source of the caller's own; the three kinds of
    // places in documents have neither.
    let url = text("url").or_else(|| text("source"));
    let title = text("title").or_else(|| text("document_title"));
    Some(Citation { url, title, quote: text("cited_text"), span: None, of: OWN, json: Cow::Borrowed(node.raw()) })
}

/// Writes a citation of an answer; one that names no page has no form here.
pub(super) fn lower(citation: &Citation<'_>, place: Place, losses: &mut Vec<Loss>) -> Option<String> {
    if citation.of == OWN {
        return Some(citation.json.get().to_owned());
    }
    let Some(url) = citation.url.as_deref() else {
        losses.push(Loss::dropped(place.member(word(citation.of))));
        return None;
    };
    let mut out = Vec::new();
    object(&mut out, |o| page(o, url, citation));
    String::from_utf8(out).ok()
}

fn page(writer: &mut ObjectWriter<'_>, url: &str, citation: &Citation<'_>) {
    writer
        .text("type", "web_search_result_location")
        .text("url", url)
        .text_or_null("title", citation.title.as_deref())
        .text("cited_text", citation.quote.as_deref().unwrap_or(""))
        // Anthropic's own reference to its search; nobody else has one, and none is made up.
        .text("encrypted_index", "");
}

/// Writes back the citations of a request that are Anthropic's own; others are lost.
pub(super) fn write_own(citations: &[Citation<'_>], object: &mut ObjectWriter<'_>, place: Place, losses: &mut Vec<Loss>) {
    let foreign = citations.iter().filter(|citation| citation.of != OWN);
    losses.extend(foreign.map(|citation| Loss::dropped(place.member(word(citation.of)))));
    if citations.iter().any(|citation| citation.of == OWN) {
        object.array("citations", |array| write_all(citations, array));
    }
}

fn write_all(citations: &[Citation<'_>], array: &mut ArrayWriter<'_>) {
    for citation in citations.iter().filter(|citation| citation.of == OWN) {
        array.raw(&citation.json);
    }
}

/// What a dialect calls its citations.
const fn word(of: Dialect) -> &'static str {
    match of {
        Dialect::Chat | Dialect::Responses => "annotations",
        Dialect::Claude => "citations",
        Dialect::Gemini => "groundingMetadata",
    }
}
