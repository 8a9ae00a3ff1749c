//! Blocks of content, as they stand in requests and in answers.

use std::borrow::Cow;

use super::{OWN, cache, citation, media, server};
use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape},
    transform::{
        Seal,
        generate::canon::{Block, Call, CallResult, Input, Media, MediaKind, Part, Reasoning, Rest, Source},
    },
};

/// A hint on a document that was a `search_result`: the whole block.
pub(super) const FOUND: &str = "search_result";

/// Content: a string, or an array of blocks.
pub(super) fn content(node: Node<'_>) -> Result<Vec<Block<'_>>, WrongShape> {
    if let Some(text) = node.text() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![plain(Part::Text { text, citations: Vec::new() }, 0)] });
    }
    let nodes = node.array().ok_or_else(|| node.wrong("", "a string or an array of blocks"))?;
    nodes.into_iter().enumerate().map(|(at, node)| block(node, at).map_err(|fault| fault.at(at))).collect()
}

/// A block without anything beside its part.
pub(super) fn plain(part: Part<'_>, at: usize) -> Block<'_> {
    Block { part, cache: None, seal: None, at, rest: Rest::default() }
}

/// One block.
pub(super) fn block(node: Node<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    if node.shape() == Shape::Text {
        return Ok(plain(Part::Text { text: node.text().unwrap_or_default(), citations: Vec::new() }, at));
    }
    let mut fields = node.members()?;
    let kind = match fields.text("type")? {
        Some(kind) => kind,
        // Some clients leave the type of plain text out.
        None if fields.peek("text").is_some() => Cow::Borrowed("text"),
        None => return Err(WrongShape::missing("type", "a string")),
    };
    let part = match &*kind {
        "tool_result" => Part::Result(result(&mut fields)?),
        "text" => text(&mut fields)?,
        "thinking" => thinking(&mut fields)?,
        "redacted_thinking" => redacted(&mut fields)?,
        "tool_use" => Part::Call(call(&mut fields)?),
        "search_result" => return found(node, fields, at),
        "image" => return shown(MediaKind::Image, fields, at),
        "document" => return shown(MediaKind::File, fields, at),
        kind if server::is_call(kind) => return Ok(plain(Part::ServerCall(server::lift_call(node)?), at)),
        kind if server::is_result(kind) => return Ok(plain(Part::ServerResult(server::lift_result(node)?), at)),
        _ => return Ok(plain(Part::Opaque { of: OWN, json: Cow::Borrowed(node.raw()) }, at)),
    };
    Ok(finish(part, fields, at))
}

fn finish<'a>(part: Part<'a>, mut fields: Fields<'a>, at: usize) -> Block<'a> {
    let cache = cache::lift(&mut fields);
    Block { part, cache, seal: None, at, rest: Rest::of(OWN, fields) }
}

fn text<'a>(fields: &mut Fields<'a>) -> Result<Part<'a>, WrongShape> {
    let text = fields.required_text("text")?;
    let citations = fields.array("citations")?.unwrap_or_default().into_iter().filter_map(citation::lift).collect();
    Ok(Part::Text { text, citations })
}

fn thinking<'a>(fields: &mut Fields<'a>) -> Result<Part<'a>, WrongShape> {
    let text = fields.text("thinking")?.filter(|text| !text.is_empty());
    // An empty signature is none: clients write one where they lost it.
    let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
    let seal = signature.map(|signature| Seal::read(OWN, signature));
    Ok(Part::Reasoning(Reasoning { text: text.into_iter().collect(), seal, ..Reasoning::default() }))
}

fn redacted<'a>(fields: &mut Fields<'a>) -> Result<Part<'a>, WrongShape> {
    let seal = Seal::read(OWN, fields.required_text("data")?);
    Ok(Part::Reasoning(Reasoning { seal: Some(seal), redacted: true, ..Reasoning::default() }))
}

/// A call of one of the caller's tools. Its id may be missing here; see [`super::lift_request`].
pub(super) fn call<'a>(fields: &mut Fields<'a>) -> Result<Call<'a>, WrongShape> {
    let input = match fields.some("input") {
        None => Cow::Borrowed("{}"),
        Some(input) => input.text().unwrap_or(Cow::Borrowed(input.json())),
    };
    // A call that the model made itself, and not code of its own: that is what every other call is.
    if fields.peek("caller").is_some_and(direct) {
        fields.take("caller");
    }
    Ok(Call {
        id: fields.text("id")?.unwrap_or_default(),
        item_id: None,
        name: fields.required_text("name")?,
        namespace: None,
        input: Input::Json(input),
    })
}

fn direct(caller: Node<'_>) -> bool {
    caller.is_null() || caller.object().and_then(|mut caller| caller.take("type")?.text()).as_deref() == Some("direct")
}

fn result<'a>(fields: &mut Fields<'a>) -> Result<CallResult<'a>, WrongShape> {
    let blocks = match fields.some("content") {
        None => Vec::new(),
        Some(node) => content(node).map_err(|fault| fault.under("content"))?,
    };
    Ok(CallResult {
        id: fields.required_text("tool_use_id")?,
        name: None,
        item_id: None,
        content: blocks,
        object: None,
        failed: fields.bool("is_error")?,
        free: false,
    })
}

/// What the caller's own search found: a document of plain words. Its own dialect gets it back as it stands.
fn found<'a>(node: Node<'a>, mut fields: Fields<'a>, at: usize) -> Result<Block<'a>, WrongShape> {
    let words = media::words(fields.take("content").ok_or_else(|| WrongShape::missing("content", "an array of text blocks"))?);
    let media = Media {
        kind: MediaKind::File,
        source: Source::Plain(Cow::Owned(words)),
        mime: Some(Cow::Borrowed("text/plain")),
        name: fields.text("title")?,
        detail: None,
    };
    let mut block = finish(Part::Media(media), fields, at);
    block.rest.hint(OWN, FOUND, Cow::Borrowed(node.raw()));
    Ok(block)
}

fn shown(kind: MediaKind, mut fields: Fields<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    let (media, whole) = media::lift(kind, &mut fields)?;
    for switch in ["citations", "context", "title"] {
        if fields.peek(switch).is_some_and(Node::is_null) {
            fields.take(switch);
        }
    }
    let mut block = finish(Part::Media(media), fields, at);
    if let Some(whole) = whole {
        block.rest.of = Some(OWN);
        block.rest.members.push((Cow::Borrowed("source"), Cow::Borrowed(whole)));
    }
    Ok(block)
}
