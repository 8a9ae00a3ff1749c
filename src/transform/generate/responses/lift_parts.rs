//! Content parts: text, refusals, pictures, sounds and files.

use std::borrow::Cow;

use super::super::canon::{Block, CacheLife, CacheMark, Citation, Logprob, Media, MediaKind, Part, Rest, Source, Text};
use super::OWN;
use crate::protocol::json::{Fields, Node, Shape, WrongShape};

/// A hint on an unknown part: it stands within a message, not beside it.
pub(super) const PART: &str = "part";

/// The content of a message or of a result: a string or parts.
pub(super) fn content(content: Option<Node<'_>>) -> Result<Vec<Block<'_>>, WrongShape> {
    let Some(content) = content else { return Ok(Vec::new()) };
    if let Some(text) = content.text() {
        return Ok(vec![block(Part::Text { text, citations: Vec::new() }, 0)]);
    }
    // Some clients send a lone part without the list around it.
    if content.shape() == Shape::Object {
        return Ok(vec![part(content, 0)?]);
    }
    let parts = content.array().ok_or_else(|| content.wrong("", "a string or an array of parts"))?;
    parts.into_iter().enumerate().map(|(at, node)| part(node, at).map_err(|fault| fault.at(at))).collect()
}

/// A block of nothing but its part.
pub(super) fn block(part: Part<'_>, at: usize) -> Block<'_> {
    Block { part, cache: None, seal: None, at, rest: Rest::default() }
}

/// One content part.
pub(super) fn part(node: Node<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    if let Some(text) = node.text() {
        return Ok(block(Part::Text { text, citations: Vec::new() }, at));
    }
    let mut fields = node.members()?;
    let kind = fields.peek_text("type").unwrap_or(Cow::Borrowed("input_text"));
    let part = match &*kind {
        "input_text" | "output_text" | "text" => text(&mut fields)?,
        "refusal" => Part::Refusal(fields.text("refusal")?.unwrap_or_default()),
        "input_image" => Part::Media(image(&mut fields)?),
        "input_file" => Part::Media(file(&mut fields)?),
        "input_audio" => match audio(&mut fields)? {
            Some(sound) => Part::Media(sound),
            None => return Ok(unknown(node, at)),
        },
        _ => return Ok(unknown(node, at)),
    };
    fields.take("type");
    let cache = mark(&mut fields);
    Ok(Block { part, cache, seal: None, at, rest: Rest::of(OWN, fields) })
}

fn unknown(node: Node<'_>, at: usize) -> Block<'_> {
    let mut block = block(Part::Opaque { of: OWN, json: Cow::Borrowed(node.raw()) }, at);
    block.rest.hint(OWN, PART, Cow::Borrowed(serde_json::value::RawValue::TRUE));
    block
}

fn text<'a>(fields: &mut Fields<'a>) -> Result<Part<'a>, WrongShape> {
    let text = fields.text("text")?.unwrap_or_default();
    let citations = fields.some("annotations").and_then(Node::array).unwrap_or_default();
    fields.take("logprobs");
    Ok(Part::Text { text, citations: citations.into_iter().filter_map(citation).collect() })
}

/// An annotation.
pub(super) fn citation(node: Node<'_>) -> Option<Citation<'_>> {
    let mut fields = node.object()?;
    let span = Option::zip(fields.take("start_index").and_then(Node::unsigned), fields.take("end_index").and_then(Node::unsigned));
    let title = fields.peek_text("title").or_else(|| fields.peek_text("filename"));
    Some(Citation { url: fields.peek_text("url"), title, quote: None, span, of: OWN, json: Cow::Borrowed(node.raw()) })
}

/// `logprobs` of a part or of a piece of one.
pub(super) fn logprobs(list: Option<Node<'_>>) -> Vec<Logprob<'_>> {
    list.and_then(Node::array).unwrap_or_default().into_iter().filter_map(logprob).collect()
}

fn logprob(node: Node<'_>) -> Option<Logprob<'_>> {
    let mut fields = node.object()?;
    Some(Logprob {
        token: fields.text("token").ok()??,
        logprob: fields.number("logprob").ok()??,
        bytes: fields.some("bytes").map(|bytes| Cow::Borrowed(bytes.raw())),
        top: logprobs(fields.some("top_logprobs")),
    })
}

fn image<'a>(fields: &mut Fields<'a>) -> Result<Media<'a>, WrongShape> {
    let detail = fields.text("detail")?;
    let url = match fields.some("image_url") {
        // Chat's form, which some clients send here too.
        Some(node) if node.shape() == Shape::Object => node.members()?.text("url")?,
        Some(node) => Some(node.text().ok_or_else(|| node.wrong("image_url", "a string"))?),
        None => None,
    };
    let mut media = match (url, fields.text("file_id")?) {
        (Some(url), _) => media(MediaKind::Image, url),
        (None, Some(id)) => of_file(MediaKind::Image, id),
        (None, None) => return Err(WrongShape::missing("image_url", "a string, or `file_id`")),
    };
    media.detail = detail;
    Ok(media)
}

fn file<'a>(fields: &mut Fields<'a>) -> Result<Media<'a>, WrongShape> {
    let name = fields.text("filename")?;
    let (data, url, id) = (fields.text("file_data")?, fields.text("file_url")?, fields.text("file_id")?);
    let mut media = match (data, url, id) {
        (Some(data), _, _) if data.starts_with("data:") => media(MediaKind::File, data),
        (Some(data), _, _) => Media { kind: MediaKind::File, source: Source::Base64(data), mime: None, name: None, detail: None },
        (None, Some(url), _) => media(MediaKind::File, url),
        (None, None, Some(id)) => of_file(MediaKind::File, id),
        (None, None, None) => return Err(WrongShape::missing("file_data", "a string, or `file_url` or `file_id`")),
    };
    media.name = name;
    Ok(media)
}

fn audio<'a>(fields: &mut Fields<'a>) -> Result<Option<Media<'a>>, WrongShape> {
    let Some(mut sound) = fields.object("input_audio")? else { return Ok(None) };
    let (data, format) = (sound.text("data"), sound.text("format"));
    let (Some(data), format) = (data.map_err(|fault| fault.under("input_audio"))?, format.map_err(|fault| fault.under("input_audio"))?)
    else {
        return Ok(None);
    };
    let mime = Some(Cow::Owned(format!("audio/{}", format.as_deref().unwrap_or("wav"))));
    Ok(Some(Media { kind: MediaKind::Audio, source: Source::Base64(data), mime, name: None, detail: None }))
}

fn of_file(kind: MediaKind, id: Text<'_>) -> Media<'_> {
    Media { kind, source: Source::FileId(id), mime: None, name: None, detail: None }
}

/// A piece of media at an address; a `data:` address is taken apart.
pub(super) fn media(kind: MediaKind, url: Text<'_>) -> Media<'_> {
    let head = url.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
    let Some((mime, data)) = head else { return Media { kind, source: Source::Url(url), mime: None, name: None, detail: None } };
    let (mime_len, data_len) = (mime.len(), data.len());
    let (mime, data) = match url {
        Cow::Borrowed(url) => (Cow::Borrowed(&url[5..5 + mime_len]), Cow::Borrowed(&url[url.len() - data_len..])),
        Cow::Owned(url) => (Cow::Owned(url[5..5 + mime_len].to_owned()), Cow::Owned(url[url.len() - data_len..].to_owned())),
    };
    Media { kind, source: Source::Base64(data), mime: (!mime.is_empty()).then_some(mime), name: None, detail: None }
}

/// A mark for the prompt cache; one that the canonical form has no word for stays where it is.
fn mark(fields: &mut Fields<'_>) -> Option<CacheMark> {
    let mut members = fields.peek("prompt_cache_breakpoint")?.object()?;
    let explicit = members.take("mode").and_then(Node::text).is_none_or(|mode| mode == "explicit");
    let life = match members.take("ttl").and_then(Node::text).as_deref() {
        None => CacheLife::Default,
        Some("30m") => CacheLife::Minutes30,
        Some(_) => return None,
    };
    if !explicit || !members.is_empty() {
        return None;
    }
    fields.take("prompt_cache_breakpoint");
    Some(CacheMark(life))
}
