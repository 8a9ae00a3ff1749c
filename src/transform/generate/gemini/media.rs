//! `inlineData` and `fileData`: pictures, sounds, films, documents.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    super::canon::{Media, MediaKind, Rest, Source, Text},
    fields, nested,
};
use crate::protocol::json::{Fields, ObjectWriter, WrongShape};

/// Google's own file store: nobody else can read from it.
const FILES: &str = "https://generativelanguage.googleapis.com/";

/// `inlineData` out of its members.
pub(super) fn inline<'a>(blob: &mut Fields<'a>) -> Result<Media<'a>, WrongShape> {
    let mime = fields::text(blob, "mimeType")?;
    let data = fields::text(blob, "data")?.ok_or_else(|| WrongShape::missing("data", "base64"))?;
    let name = fields::text(blob, "displayName")?;
    Ok(Media { kind: kind(mime.as_deref()), source: Source::Base64(standard(data)), mime, name, detail: None })
}

/// `fileData` out of its members.
pub(super) fn file<'a>(file: &mut Fields<'a>) -> Result<Media<'a>, WrongShape> {
    let mime = fields::text(file, "mimeType")?;
    let uri = fields::text(file, "fileUri")?.ok_or_else(|| WrongShape::missing("fileUri", "a string"))?;
    let name = fields::text(file, "displayName")?;
    let public = uri.starts_with("http") && !is_googles(&uri);
    let kind = if mime.is_none() && is_film(&uri) { MediaKind::Video } else { kind(mime.as_deref().or_else(|| guess(&uri))) };
    Ok(Media { kind, source: if public { Source::Url(uri) } else { Source::FileId(uri) }, mime, name, detail: None })
}

/// Whether an address is one of Google's stores.
fn is_googles(uri: &str) -> bool {
    uri.starts_with(FILES) || uri.starts_with("gs://")
}

/// Whether an address is one of the films that Google plays itself.
fn is_film(uri: &str) -> bool {
    let host = uri.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', ':']).next()).unwrap_or_default();
    matches!(host, "youtube.com" | "www.youtube.com" | "m.youtube.com" | "youtu.be")
}

/// What a type says of its content.
fn kind(mime: Option<&str>) -> MediaKind {
    match mime.and_then(|mime| mime.split_once('/')).map(|(kind, _)| kind) {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        Some(_) | None => MediaKind::File,
    }
}

/// Base64 of either alphabet in the standard one, padded.
pub(super) fn standard(data: Text<'_>) -> Text<'_> {
    let foreign = data.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    if !foreign && data.len().is_multiple_of(4) {
        return data;
    }
    let mut plain = data.trim_end_matches('=').replace('-', "+").replace('_', "/");
    while !plain.len().is_multiple_of(4) {
        plain.push('=');
    }
    Cow::Owned(plain)
}

/// How a piece of media is written, or why it is not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    /// As it was.
    Whole,
    /// With a type that had to be guessed from its kind.
    Guessed,
    /// Not at all: it lies with another provider.
    Foreign,
}

/// Writes the member that holds a piece of media. `own`: whether ids of files are Google's.
pub(super) fn write(media: &Media<'_>, own: bool, rest: &Rest<'_>, out: &mut ObjectWriter<'_>) -> Written {
    let name = media.name.as_deref().filter(|_| own);
    let mut guessed = false;
    match &media.source {
        Source::FileId(uri) if !own && !is_googles(uri) => return Written::Foreign,
        Source::FileId(uri) | Source::Url(uri) => {
            let known = media.mime.as_deref().or_else(|| guess(uri).filter(|_| !own));
            guessed = known.is_none() && !own;
            let mime = known.or_else(|| guessed.then(|| usual(media.kind)));
            out.object("fileData", |o| {
                o.some_text("mimeType", mime).text("fileUri", uri).some_text("displayName", name);
                nested::within(rest, "fileData", o);
            });
        }
        Source::Base64(data) => {
            guessed = media.mime.is_none() && !own;
            let mime = media.mime.as_deref().or_else(|| guessed.then(|| usual(media.kind)));
            out.object("inlineData", |o| {
                o.some_text("mimeType", mime).text("data", data).some_text("displayName", name);
                nested::within(rest, "inlineData", o);
            });
        }
        Source::Plain(words) => {
            out.object("inlineData", |o| {
                o.text("mimeType", "text/plain").text("data", &STANDARD.encode(words.as_bytes())).some_text("displayName", name);
            });
        }
    }
    if guessed { Written::Guessed } else { Written::Whole }
}

/// The type that the end of an address tells.
fn guess(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    let mime = match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        _ => return None,
    };
    Some(mime)
}

const fn usual(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/jpeg",
        MediaKind::Audio => "audio/wav",
        MediaKind::Video => "video/mp4",
        MediaKind::File => "application/pdf",
    }
}
