//! Requests for pictures as a call of the Responses image tool.

use super::{Deed, Field, Picture, Refused, Request, size::Size};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter, object},
    transform::Loss,
};

/// The body of the call. It says outright whether a stream is wanted, as some upstreams stream only.
pub(super) fn written(request: &Request<'_>, host: &str, model: &str, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    Size::read(request.look.size.as_deref())?;
    if request.n > 1 {
        losses.push(Loss::changed("n", "the tool makes one picture a call"));
    }
    request.lose(&[Field::Style], losses);
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.text("model", host);
        o.array("input", |a| {
            a.object(|o| {
                o.text("type", "message").text("role", "user").array("content", |a| content(request, a));
            });
        });
        o.array("tools", |a| {
            a.object(|o| tool(request, model, o));
        });
        o.object("tool_choice", |o| {
            o.text("type", "image_generation");
        });
        o.bool("store", false).bool("stream", request.streams);
        o.some_text("safety_identifier", request.look.user.as_deref());
    });
    Ok(out)
}

fn content(request: &Request<'_>, a: &mut ArrayWriter<'_>) {
    a.object(|o| {
        o.text("type", "input_text").text("text", &request.prompt);
    });
    for picture in &request.images {
        a.object(|o| {
            o.text("type", "input_image").text("image_url", &address(picture)).text("detail", "auto");
        });
    }
}

fn tool(request: &Request<'_>, model: &str, o: &mut ObjectWriter<'_>) {
    let look = &request.look;
    o.text("type", "image_generation").some_text("model", Some(model).filter(|model| !model.is_empty()));
    if request.deed == Deed::Edit {
        o.text("action", "edit");
    }
    o.some_text("size", look.size.as_deref()).some_text("quality", look.quality.as_deref());
    o.some_text("background", look.background.as_deref()).some_text("output_format", look.format.as_deref());
    if let Some(compression) = look.compression {
        o.unsigned("output_compression", compression);
    }
    o.some_text("moderation", look.moderation.as_deref()).some_text("input_fidelity", look.fidelity.as_deref());
    if let Some(images) = look.partial_images {
        o.unsigned("partial_images", images);
    }
    if let Some(mask) = &request.mask {
        o.object("input_image_mask", |o| {
            o.text("image_url", &address(mask));
        });
    }
}

fn address(picture: &Picture<'_>) -> String {
    format!("data:{};base64,{}", picture.mime, picture.data)
}
