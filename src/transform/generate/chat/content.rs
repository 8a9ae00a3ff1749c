//! Content parts: a string, or an array of parts, into blocks.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, CacheLife, CacheMark, MediaKind, Part, Reasoning, Rest, Text},
    },
    media,
};
use crate::protocol::json::{Fields, Node, Shape, WrongShape};

/// A block without marks.
pub(super) fn block(part: Part<'_>, at: usize) -> Block<'_> {
    Block { part, cache: None, seal: None, at, rest: Rest::default() }
}

/// A block of words.
pub(super) fn words(text: Text<'_>, at: usize) -> Block<'_> {
    block(Part::Text { text, citations: Vec::new() }, at)
}

/// Reads `content`. Null and absent are nothing; an empty string is an empty block.
///
/// # Errors
/// It is neither a string nor an array of parts; the path begins at `content`.
pub(super) fn lift<'a>(node: Option<Node<'a>>, blocks: &mut Vec<Block<'a>>) -> Result<(), WrongShape> {
    let Some(node) = node else { return Ok(()) };
    match node.shape() {
        Shape::Null => {}
        Shape::Text => blocks.push(words(node.text().unwrap_or_default(), 0)),
        Shape::Array => {
            for (at, part) in node.array().unwrap_or_default().into_iter().enumerate() {
                blocks.push(part_of(part, at).map_err(|fault| fault.at(at).under("content"))?);
            }
        }
        Shape::Bool | Shape::Number | Shape::Object => return Err(node.wrong("content", "a string or an array of parts")),
    }
    Ok(())
}

fn part_of(node: Node<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    if let Some(text) = node.text() {
        return Ok(words(text, at));
    }
    let mut fields = node.members()?;
    let mut rest = Rest::default();
    let kind = fields.text("type")?.unwrap_or_else(|| guess(&fields).into());
    let part = match &*kind {
        "text" | "input_text" | "output_text" => Part::Text { text: fields.required_text("text")?, citations: Vec::new() },
        "refusal" => Part::Refusal(fields.required_text("refusal")?),
        "image_url" => Part::Media(media::addressed(&mut fields, MediaKind::Image, &mut rest)?),
        "video_url" => Part::Media(media::addressed(&mut fields, MediaKind::Video, &mut rest)?),
        "input_audio" => Part::Media(media::input_audio(&mut fields, &mut rest)?),
        "file" => Part::Media(media::file(&mut fields, &mut rest)?),
        "thinking" => Part::Reasoning(thinking(&mut fields)?),
        _ => return Ok(block(Part::Opaque { of: Dialect::Chat, json: Cow::Borrowed(node.raw()) }, at)),
    };
    let cache = cache_mark(&mut fields);
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    Ok(Block { part, cache, seal: None, at, rest })
}

/// The kind of a part that does not say it.
fn guess(fields: &Fields<'_>) -> &'static str {
    ["text", "image_url", "input_audio", "file", "refusal"].into_iter().find(|name| fields.peek(name).is_some()).unwrap_or("")
}

/// Mistral's thinking part: pieces of text, or one.
fn thinking<'a>(fields: &mut Fields<'a>) -> Result<Reasoning<'a>, WrongShape> {
    let node = fields.some("thinking").ok_or_else(|| WrongShape::missing("thinking", "an array of text parts"))?;
    let text = match node.array() {
        Some(pieces) => pieces.into_iter().filter_map(|piece| piece.object()?.text("text").ok()?).collect(),
        None => node.text().into_iter().collect(),
    };
    fields.take("closed");
    Ok(Reasoning { text, ..Reasoning::default() })
}

/// OpenAI's `prompt_cache_breakpoint`, or Anthropic's `cache_control` as compatible vendors take it.
pub(super) fn cache_mark(fields: &mut Fields<'_>) -> Option<CacheMark> {
    let breakpoint = fields.some("prompt_cache_breakpoint").map(|_| CacheMark(CacheLife::Default));
    let control = fields.some("cache_control").map(|control| {
        let ttl = control.object().and_then(|mut control| control.text("ttl").ok()?);
        CacheMark(match ttl.as_deref() {
            Some("5m") => CacheLife::Minutes5,
            Some("1h") => CacheLife::Hour,
            _ => CacheLife::Default,
        })
    });
    control.or(breakpoint)
}
