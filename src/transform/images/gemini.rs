//! Requests for pictures as Gemini's `generateContent` takes them.

use super::{
    Field, Refused, Request,
    size::{GEMINI, Size},
};
use crate::{
    protocol::json::{ArrayWriter, object},
    transform::Loss,
};

/// What a mask means, for a model that has no member for it.
const MASK: &str = "The last picture is a mask for the first one: change only what is transparent in the mask.";

/// What the call has no place for.
const PLACELESS: [Field; 8] = [
    Field::Quality,
    Field::Background,
    Field::Compression,
    Field::PartialImages,
    Field::Moderation,
    Field::Fidelity,
    Field::Style,
    Field::User,
];

/// The body of the call.
pub(super) fn written(request: &Request<'_>, model: &str, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    let size = Size::read(request.look.size.as_deref())?;
    // The first models with pictures have one class of sizes, and refuse to be told one.
    let class = size.and_then(Size::class).filter(|_| !model.trim_start_matches("models/").starts_with("gemini-2"));
    if size.is_some() {
        losses.push(Loss::changed("size", "carried as the nearest aspect ratio and class of sizes"));
    }
    if request.look.format.is_some() {
        losses.push(Loss::changed("output_format", "the model chooses the format; the answer says which"));
    }
    if request.n > 1 {
        losses.push(Loss::changed("n", "the model makes one picture a call"));
    }
    if request.mask.is_some() {
        losses.push(Loss::changed("mask", "carried as a further picture, with words that say what it is"));
    }
    request.lose(&PLACELESS, losses);
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.array("contents", |a| {
            a.object(|o| {
                o.text("role", "user").array("parts", |a| parts(request, a));
            });
        });
        o.object("generationConfig", |o| {
            o.array("responseModalities", |a| {
                a.text("TEXT").text("IMAGE");
            });
            if let Some(size) = size {
                o.object("imageConfig", |o| {
                    o.text("aspectRatio", size.ratio(&GEMINI)).some_text("imageSize", class);
                });
            }
        });
    });
    Ok(out)
}

fn parts(request: &Request<'_>, a: &mut ArrayWriter<'_>) {
    for picture in request.images.iter().chain(&request.mask) {
        a.object(|o| {
            o.object("inlineData", |o| {
                o.text("mimeType", &picture.mime).text("data", &picture.data);
            });
        });
    }
    for text in request.mask.as_ref().map(|_| MASK).into_iter().chain([&*request.prompt]) {
        a.object(|o| {
            o.text("text", text);
        });
    }
}
