//! Pictures, sounds, films and documents as content parts.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::{
    super::canon::{Media, MediaKind, Rest, Source, Text},
    leftovers::{keep, write_inner},
};
use crate::{
    protocol::json::{Fields, ObjectWriter, WrongShape},
    transform::{Loss, Refused},
};

/// Reads a part `{"type": "image_url" | "video_url", kind: {"url": ...}}`; the address alone is taken as well.
pub(super) fn addressed<'a>(fields: &mut Fields<'a>, kind: MediaKind, rest: &mut Rest<'a>) -> Result<Media<'a>, WrongShape> {
    let member = if kind == MediaKind::Video { "video_url" } else { "image_url" };
    let node = fields.some(member).ok_or_else(|| WrongShape::missing(member, "an object with a url"))?;
    if let Some(url) = node.text() {
        let (source, mime) = source(url);
        return Ok(Media { kind, source, mime, name: None, detail: None });
    }
    let mut inner = node.members().map_err(|fault| fault.under(member))?;
    let url = inner.required_text("url").map_err(|fault| fault.under(member))?;
    let detail = inner.text("detail").map_err(|fault| fault.under(member))?;
    keep(rest, member, inner);
    let (source, mime) = source(url);
    Ok(Media { kind, source, mime, name: None, detail })
}

/// Reads a part `{"type": "input_audio", "input_audio": {"data": ..., "format": ...}}`.
pub(super) fn input_audio<'a>(fields: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Media<'a>, WrongShape> {
    let mut inner = fields.object("input_audio")?.ok_or_else(|| WrongShape::missing("input_audio", "an object"))?;
    let data = inner.required_text("data").map_err(|fault| fault.under("input_audio"))?;
    let format = inner.text("format").map_err(|fault| fault.under("input_audio"))?;
    keep(rest, "input_audio", inner);
    let (source, told) =
        if data.starts_with("data:") || data.starts_with("http") { source(data) } else { (Source::Base64(standard(data)), None) };
    let mime = format.map(|format| audio_mime(&format)).or(told);
    Ok(Media { kind: MediaKind::Audio, source, mime, name: None, detail: None })
}

/// Reads a part `{"type": "file", "file": {"file_data" | "file_id": ..., "filename": ...}}`.
pub(super) fn file<'a>(fields: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Media<'a>, WrongShape> {
    let mut inner = fields.object("file")?.ok_or_else(|| WrongShape::missing("file", "an object"))?;
    let read = |inner: &mut Fields<'a>, name: &str| inner.text(name).map_err(|fault| fault.under("file"));
    let (id, data, name) = (read(&mut inner, "file_id")?, read(&mut inner, "file_data")?, read(&mut inner, "filename")?);
    keep(rest, "file", inner);
    let (source, mime) = match (data, id) {
        (Some(data), _) if data.starts_with("data:") || data.starts_with("http") => source(data),
        (Some(data), _) => (Source::Base64(standard(data)), None),
        (None, Some(id)) => (Source::FileId(id), None),
        (None, None) => return Err(WrongShape::missing("file.file_data", "base64 data, or a file_id")),
    };
    Ok(Media { kind: MediaKind::File, source, mime, name, detail: None })
}

/// Tells a `data:` address from a real one.
pub(super) fn source(url: Text<'_>) -> (Source<'_>, Option<Text<'_>>) {
    let Some(comma) = url.starts_with("data:").then(|| url.find(',')).flatten() else { return (Source::Url(url), None) };
    let (header, data) = (&url["data:".len()..comma], slice(&url, comma + 1, url.len()));
    let end = header.find(';').unwrap_or(header.len());
    let mime = (end > 0).then(|| slice(&url, "data:".len(), "data:".len() + end));
    if header.ends_with(";base64") {
        return (Source::Base64(standard(data)), mime);
    }
    let plain: Vec<u8> = percent_decode_str(&data).collect();
    (Source::Base64(Cow::Owned(STANDARD.encode(plain))), mime)
}

fn slice<'a>(text: &Text<'a>, from: usize, to: usize) -> Text<'a> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
    }
}

/// Base64 in the standard alphabet, padded.
pub(super) fn standard(data: Text<'_>) -> Text<'_> {
    let odd = |byte: &u8| matches!(byte, b'-' | b'_') || byte.is_ascii_whitespace();
    if data.len().is_multiple_of(4) && !data.as_bytes().iter().any(odd) {
        return data;
    }
    let mut fixed: String = data.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    fixed = fixed.replace('-', "+").replace('_', "/");
    while !fixed.len().is_multiple_of(4) {
        fixed.push('=');
    }
    Cow::Owned(fixed)
}

fn audio_mime(format: &str) -> Text<'static> {
    match format {
        "wav" => Cow::Borrowed("audio/wav"),
        "mp3" => Cow::Borrowed("audio/mpeg"),
        other => Cow::Owned(format!("audio/{other}")),
    }
}

fn audio_format(mime: Option<&str>) -> &str {
    match mime {
        None | Some("audio/wav" | "audio/x-wav" | "audio/wave") => "wav",
        Some("audio/mpeg" | "audio/mp3") => "mp3",
        Some(other) => other.rsplit('/').next().unwrap_or(other),
    }
}

/// A media type, told or read off the first bytes.
fn mime<'m>(media: &'m Media<'_>, data: &str) -> &'m str {
    const SIGNS: [(&str, &str); 5] =
        [("iVBORw", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"), ("JVBERi", "application/pdf")];
    let seen = || SIGNS.iter().find(|(sign, _)| data.starts_with(sign)).map_or("application/octet-stream", |(_, mime)| mime);
    media.mime.as_deref().unwrap_or_else(seen)
}

/// The `url` of a picture: its address, or a `data:` address; `None` where it lies with a provider.
pub(super) fn url<'m>(media: &'m Media<'_>) -> Option<Cow<'m, str>> {
    match &media.source {
        Source::Url(url) => Some(Cow::Borrowed(url)),
        Source::Base64(data) => Some(Cow::Owned(format!("data:{};base64,{data}", mime(media, data)))),
        Source::Plain(_) | Source::FileId(_) => None,
    }
}

/// Writes the members of a content part. `path` names the block in the sender's words.
///
/// # Errors
/// The piece lies where Chat cannot point to, and without it the question is another.
pub(super) fn write_part(
    media: &Media<'_>,
    rest: &Rest<'_>,
    path: &str,
    part: &mut ObjectWriter<'_>,
    losses: &mut Vec<Loss>,
) -> Result<(), Refused> {
    match media.kind {
        MediaKind::Image | MediaKind::Video => write_addressed(media, rest, path, part)?,
        MediaKind::Audio => write_audio(media, rest, path, part)?,
        MediaKind::File => return write_file(media, rest, path, part, losses),
    }
    if media.name.is_some() {
        losses.push(Loss::dropped(format!("{path}.name")));
    }
    Ok(())
}

fn write_addressed(media: &Media<'_>, rest: &Rest<'_>, path: &str, part: &mut ObjectWriter<'_>) -> Result<(), Refused> {
    let member = if media.kind == MediaKind::Video { "video_url" } else { "image_url" };
    let url = url(media).ok_or_else(|| Refused::impossible(path, "Chat Completions takes it by address or in base64, not by file id"))?;
    part.text("type", member).object(member, |inner| {
        inner.text("url", &url).some_text("detail", media.detail.as_deref());
        write_inner(rest, member, inner);
    });
    Ok(())
}

fn write_audio(media: &Media<'_>, rest: &Rest<'_>, path: &str, part: &mut ObjectWriter<'_>) -> Result<(), Refused> {
    let Source::Base64(data) = &media.source else {
        return Err(Refused::impossible(path, "Chat Completions takes audio in base64 only"));
    };
    part.text("type", "input_audio").object("input_audio", |inner| {
        inner.text("data", data).text("format", audio_format(media.mime.as_deref()));
        write_inner(rest, "input_audio", inner);
    });
    Ok(())
}

fn write_file(media: &Media<'_>, rest: &Rest<'_>, path: &str, part: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) -> Result<(), Refused> {
    match &media.source {
        Source::Plain(words) => {
            losses.push(Loss::changed(path, "a text document goes as text"));
            part.text("type", "text").text("text", words);
            return Ok(());
        }
        Source::Url(_) => {
            return Err(Refused::impossible(path, "Chat Completions takes documents in base64 or by file id, not by address"));
        }
        Source::Base64(_) | Source::FileId(_) => {}
    }
    part.text("type", "file").object("file", |inner| {
        match &media.source {
            Source::FileId(id) => {
                inner.text("file_id", id).some_text("filename", media.name.as_deref());
            }
            Source::Base64(data) | Source::Plain(data) | Source::Url(data) => {
                let mime = mime(media, data);
                // A document without a name is refused.
                let name = media.name.as_deref().unwrap_or(if mime == "application/pdf" { "document.pdf" } else { "document" });
                inner.text("file_data", &format!("data:{mime};base64,{data}")).text("filename", name);
            }
        }
        write_inner(rest, "file", inner);
    });
    Ok(())
}
