//! Pictures and documents.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::value::RawValue;

use super::OWN;
use crate::{
    protocol::json::{Fields, Node, ObjectWriter, WrongShape},
    transform::generate::{
        Dialect,
        canon::{Media, MediaKind, Rest, Source, Text},
    },
};

/// The member that holds what is shown; kept whole among the leftovers where it says more than the canonical form can.
const SOURCE: &str = "source";
const IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Reads an `image` or `document`, whose `type` was taken. The second value is the whole source, where the canonical
/// form does not hold all of it.
pub(super) fn lift<'a>(kind: MediaKind, fields: &mut Fields<'a>) -> Result<(Media<'a>, Option<&'a RawValue>), WrongShape> {
    let whole = fields.take(SOURCE).ok_or_else(|| WrongShape::missing(SOURCE, "an object"))?;
    let mut source = whole.object().ok_or_else(|| whole.wrong(SOURCE, "an object"))?;
    let (place, mime, exact) = self::source(&mut source).map_err(|fault| fault.under(SOURCE))?;
    let name = if kind == MediaKind::File { fields.text("title")? } else { None };
    let mime = mime.or_else(|| (kind == MediaKind::File && matches!(place, Source::Url(_))).then_some(Cow::Borrowed("application/pdf")));
    let kept = (!exact || !source.is_empty()).then(|| whole.raw());
    Ok((Media { kind, source: place, mime, name, detail: None }, kept))
}

type Found<'a> = (Source<'a>, Option<Text<'a>>, bool);

fn source<'a>(fields: &mut Fields<'a>) -> Result<Found<'a>, WrongShape> {
    let kind = fields.required_text("type")?;
    Ok(match &*kind {
        "base64" => {
            let mime = fields.text("media_type")?;
            (Source::Base64(fields.required_text("data")?), mime, true)
        }
        "text" => {
            let mime = fields.text("media_type")?;
            (Source::Plain(fields.required_text("data")?), mime, true)
        }
        "url" => match fields.required_text("url")? {
            url if url.starts_with("data:") => inline(&url).ok_or_else(|| WrongShape::new("url", "a data address", "one in base64"))?,
            url => (Source::Url(url), None, true),
        },
        "file" => (Source::FileId(fields.required_text("file_id")?), None, true),
        "content" => {
            let content = fields.take("content").ok_or_else(|| WrongShape::missing("content", "a string or an array of blocks"))?;
            (Source::Plain(Cow::Owned(words(content))), Some(Cow::Borrowed("text/plain")), false)
        }
        _ => return Err(WrongShape::new("type", format!("{kind:?}"), "base64, text, url, file or content")),
    })
}

/// The parts of a `data:` address.
fn inline<'a>(url: &str) -> Option<Found<'a>> {
    let (mime, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((Source::Base64(Cow::Owned(data.to_owned())), Some(Cow::Owned(mime.to_owned())), true))
}

/// The words of a string, or of the blocks of text in an array.
pub(super) fn words(content: Node<'_>) -> String {
    if let Some(text) = content.text() {
        return text.into_owned();
    }
    let blocks = content.array().unwrap_or_default();
    let texts: Vec<Text<'_>> = blocks.into_iter().filter_map(|block| block.object()?.take("text")?.text()).collect();
    texts.join("\n")
}

/// Why a piece of media cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace(pub(super) &'static str);

/// The `type` of the block that shows it.
///
/// # Errors
/// Anthropic's models take no such thing.
pub(super) fn form(media: &Media<'_>, from: Dialect) -> Result<&'static str, NoPlace> {
    match (&media.source, media.kind) {
        (_, MediaKind::Audio) => Err(NoPlace("the target hears no sound")),
        (_, MediaKind::Video) => Err(NoPlace("the target sees no film")),
        (Source::FileId(_), _) if from != OWN => Err(NoPlace("the file lies with another provider")),
        (Source::Url(url), _) if !url.starts_with("http") => Err(NoPlace("the target reaches web addresses only")),
        (Source::Base64(_), MediaKind::Image) if image_mime(media).is_none() => Err(NoPlace("the target takes jpeg, png, gif and webp")),
        (_, MediaKind::Image) => Ok("image"),
        (Source::Base64(data), MediaKind::File) if !is_pdf(media) && plain(media, data).is_none() => {
            Err(NoPlace("the target takes PDF and plain text"))
        }
        (_, MediaKind::File) => Ok("document"),
    }
}

/// Writes `source` and `title`. Call it only where [`form`] gave a form.
pub(super) fn write(media: &Media<'_>, rest: &Rest<'_>, object: &mut ObjectWriter<'_>) {
    if !(rest.of == Some(OWN) && rest.members.iter().any(|(name, _)| name == SOURCE)) {
        object.object(SOURCE, |source| write_source(media, source));
    }
    if media.kind == MediaKind::File {
        object.some_text("title", media.name.as_deref());
    }
}

fn write_source(media: &Media<'_>, source: &mut ObjectWriter<'_>) {
    match &media.source {
        Source::Url(url) => source.text("type", "url").text("url", url),
        Source::FileId(id) => source.text("type", "file").text("file_id", id),
        Source::Plain(words) => source.text("type", "text").text("media_type", "text/plain").text("data", words),
        Source::Base64(data) if media.kind == MediaKind::Image => {
            source.text("type", "base64").some_text("media_type", image_mime(media)).text("data", data)
        }
        Source::Base64(data) => match plain(media, data) {
            Some(words) => source.text("type", "text").text("media_type", "text/plain").text("data", &words),
            None => source.text("type", "base64").text("media_type", "application/pdf").text("data", data),
        },
    };
}

/// The kind of picture, told by its first bytes where nobody says it.
fn image_mime<'m>(media: &'m Media<'_>) -> Option<&'m str> {
    match (media.mime.as_deref(), &media.source) {
        (Some("image/jpg"), _) => Some("image/jpeg"),
        (Some(mime), _) if IMAGES.contains(&mime) => Some(mime),
        (Some(mime), _) if mime != "image/*" => None,
        (_, Source::Base64(data)) => {
            let begins = [("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lG", "image/gif"), ("UklGR", "image/webp")];
            begins.into_iter().find(|(begin, _)| data.starts_with(begin)).map(|(_, mime)| mime)
        }
        _ => None,
    }
}

fn is_pdf(media: &Media<'_>) -> bool {
    match media.mime.as_deref() {
        Some(mime) => mime == "application/pdf",
        None => matches!(&media.source, Source::Base64(data) if data.starts_with("JVBERi")),
    }
}

/// A document of plain words, decoded: Anthropic takes those as text only.
fn plain(media: &Media<'_>, data: &str) -> Option<String> {
    let mime = media.mime.as_deref()?;
    let textual = mime.starts_with("text/") || mime == "application/json" || mime == "application/xml";
    if !textual {
        return None;
    }
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}
