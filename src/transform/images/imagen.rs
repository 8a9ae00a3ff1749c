//! Requests for pictures as Imagen's `predict` takes them.

use super::{
    Field, Refused, Request,
    size::{IMAGEN, Size},
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::Loss,
};

/// The most pictures of one call.
pub(super) const MOST: u64 = 4;

/// What the call has no place for.
const PLACELESS: [Field; 7] =
    [Field::Quality, Field::Background, Field::PartialImages, Field::Moderation, Field::Fidelity, Field::Style, Field::User];

/// The body of the call.
pub(super) fn written(request: &Request<'_>, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    if request.mask.is_some() {
        // OpenAI's mask is transparent where Imagen's is white.
        return Err(Refused::impossible("mask", "this model reads masks in another way; describe in the prompt what to change"));
    }
    let size = Size::read(request.look.size.as_deref())?;
    if size.is_some() {
        losses.push(Loss::changed("size", "carried as the nearest aspect ratio and class of sizes"));
    }
    if request.n > MOST {
        losses.push(Loss::changed("n", "the model makes at most four pictures a call"));
    }
    let mime = match request.look.format.as_deref() {
        None => None,
        Some("jpeg") => Some("image/jpeg"),
        Some("png") => Some("image/png"),
        Some(_) => {
            losses.push(Loss::changed("output_format", "the model makes PNG and JPEG only: PNG was asked for"));
            Some("image/png")
        }
    };
    let compression = request.look.compression.filter(|_| mime == Some("image/jpeg"));
    if compression.is_none() {
        request.lose(&[Field::Compression], losses);
    }
    request.lose(&PLACELESS, losses);
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.array("instances", |a| {
            a.object(|o| instance(request, o));
        });
        o.object("parameters", |o| {
            o.unsigned("sampleCount", request.n.min(MOST));
            if !request.images.is_empty() {
                o.text("editMode", "EDIT_MODE_DEFAULT");
            }
            if let Some(size) = size {
                o.text("aspectRatio", size.ratio(&IMAGEN));
                // It has no class beyond 2K.
                o.some_text("sampleImageSize", size.class().map(|_| "2K"));
            }
            if let Some(mime) = mime {
                o.object("outputOptions", |o| {
                    o.text("mimeType", mime);
                    if let Some(compression) = compression {
                        o.unsigned("compressionQuality", compression);
                    }
                });
            }
            // Else a filtered picture is missing without a word.
            o.bool("includeRaiReason", true);
        });
    });
    Ok(out)
}

fn instance(request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    o.text("prompt", &request.prompt);
    if request.images.is_empty() {
        return;
    }
    o.array("referenceImages", |a| {
        for (number, picture) in (1..).zip(&request.images) {
            a.object(|o| {
                o.text("referenceType", "REFERENCE_TYPE_RAW").unsigned("referenceId", number);
                o.object("referenceImage", |o| {
                    o.text("bytesBase64Encoded", &picture.data).text("mimeType", &picture.mime);
                });
            });
        }
    });
}
