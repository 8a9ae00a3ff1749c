//! OpenAI's requests for pictures, as JSON and as parts of a form.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Deed, Look, Picture, Refused, Request, data_address, sniffed, wrong};
use crate::protocol::json::{Fields, Node, WrongShape};

/// A form for an edit, with its parts read.
#[derive(Clone, Debug, Default)]
pub struct Form<'a> {
    /// Its text parts: name and text.
    pub texts: Vec<(&'a str, &'a str)>,
    /// Its parts `image` or `image[]`.
    pub images: Vec<Upload<'a>>,
    /// Its part `mask`.
    pub mask: Option<Upload<'a>>,
}

/// A picture in a form.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// What its part says of its type; may be empty.
    pub mime: &'a str,
    /// The picture.
    pub bytes: &'a [u8],
}

/// A request out of its JSON body.
pub(super) fn json(deed: Deed, body: Node<'_>) -> Result<Request<'_>, Refused> {
    let mut fields = body.members()?;
    fields.take("model");
    let prompt = fields.required_text("prompt")?;
    let (images, mask) = match deed {
        Deed::Create => (Vec::new(), None),
        Deed::Edit => (pictures(&mut fields)?, fields.some("mask").map(|mask| picture(mask, "mask")).transpose()?),
    };
    let n = fields.unsigned("n")?.unwrap_or(1);
    // Some clients send the flag as a text.
    let streams = fields.some("stream").is_some_and(|flag| matches!(flag.json(), "true" | "\"true\""));
    let look = Look {
        size: fields.text("size")?,
        quality: fields.text("quality")?,
        background: fields.text("background")?,
        format: fields.text("output_format")?,
        compression: fields.unsigned("output_compression")?,
        partial_images: fields.unsigned("partial_images")?,
        moderation: fields.text("moderation")?,
        fidelity: fields.text("input_fidelity")?,
        style: fields.text("style")?,
        response: fields.text("response_format")?,
        user: fields.text("user")?,
    };
    let lost = fields.rest().into_iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.into_owned()).collect();
    checked(Request { deed, prompt, n, streams, images, mask, look, lost })
}

fn checked(request: Request<'_>) -> Result<Request<'_>, Refused> {
    if request.prompt.is_empty() {
        return Err(wrong("prompt", "empty", "a description of the picture"));
    }
    if !(1..=10).contains(&request.n) {
        return Err(wrong("n", request.n.to_string(), "1 to 10"));
    }
    if request.deed == Deed::Edit && request.images.is_empty() {
        return Err(WrongShape::missing("image", "at least one picture").into());
    }
    Ok(request)
}

/// The pictures of an edit: `images`, or `image` alone or as an array.
fn pictures<'a>(fields: &mut Fields<'a>) -> Result<Vec<Picture<'a>>, Refused> {
    let (name, given) = match fields.some("images") {
        Some(given) => ("images", given),
        None => ("image", fields.some("image").ok_or_else(|| WrongShape::missing("images", "an array of pictures"))?),
    };
    match given.array() {
        Some(all) => all.into_iter().enumerate().map(|(at, one)| picture(one, &format!("{name}[{at}]"))).collect(),
        None => Ok(vec![picture(given, name)?]),
    }
}

/// A picture of a JSON body: `{"image_url": ...}`, or the address alone.
fn picture<'a>(node: Node<'a>, at: &str) -> Result<Picture<'a>, Refused> {
    let under = |fault: WrongShape| fault.under(at);
    let address = match node.text() {
        Some(address) => address,
        None => {
            let mut fields = node.members().map_err(under)?;
            if fields.some("file_id").is_some() {
                return Err(Refused::impossible(format!("{at}.file_id"), "the file lies with another provider; send the picture itself"));
            }
            fields.required_text("image_url").map_err(under)?
        }
    };
    let place = || if node.text().is_some() { at.to_owned() } else { format!("{at}.image_url") };
    let (mime, data) = match &address {
        Cow::Borrowed(address) => read(address).map(|(mime, data)| (Cow::Borrowed(mime), Cow::Borrowed(data))),
        Cow::Owned(address) => read(address).map(|(mime, data)| (Cow::Owned(mime.to_owned()), Cow::Owned(data.to_owned()))),
    }
    .ok_or_else(|| Refused::impossible(place(), "this model takes pictures only within the request; send a data: address"))?;
    Ok(Picture { mime, data })
}

fn read(address: &str) -> Option<(&str, &str)> {
    let (mime, data) = data_address(address)?;
    Some((if mime.is_empty() { sniffed(data) } else { mime }, data))
}

/// A request out of the parts of a form, in which everything is a text.
pub(super) fn form(form: Form<'_>) -> Result<Request<'_>, Refused> {
    let mut request = Request {
        deed: Deed::Edit,
        prompt: Cow::Borrowed(""),
        n: 1,
        streams: false,
        images: form.images.into_iter().map(upload).collect(),
        mask: form.mask.map(upload),
        look: Look::default(),
        lost: Vec::new(),
    };
    for (name, text) in form.texts {
        let (number, text) = (
            || text.trim().parse::<u64>().map_err(|_| wrong(name, format!("{text:?}"), "a whole number, not negative")),
            Cow::Borrowed(text),
        );
        let look = &mut request.look;
        match name {
            "model" => {}
            "prompt" => request.prompt = text,
            "n" => request.n = number()?,
            "stream" => request.streams = text.trim() == "true",
            "size" => look.size = Some(text),
            "quality" => look.quality = Some(text),
            "background" => look.background = Some(text),
            "output_format" => look.format = Some(text),
            "output_compression" => look.compression = Some(number()?),
            "partial_images" => look.partial_images = Some(number()?),
            "moderation" => look.moderation = Some(text),
            "input_fidelity" => look.fidelity = Some(text),
            "style" => look.style = Some(text),
            "response_format" => look.response = Some(text),
            "user" => look.user = Some(text),
            other => request.lost.push(other.to_owned()),
        }
    }
    checked(request)
}

fn upload(upload: Upload<'_>) -> Picture<'_> {
    let data = STANDARD.encode(upload.bytes);
    let mime = if upload.mime.starts_with("image/") { upload.mime } else { sniffed(&data) };
    Picture { mime: Cow::Borrowed(mime), data: Cow::Owned(data) }
}
