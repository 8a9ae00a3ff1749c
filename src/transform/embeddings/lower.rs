//! Requests for vectors in each shape.

use super::{Encoding, Request, Shape, Text, lift::joined};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter, object},
    transform::{Loss, Refused},
};

/// The body of a request.
pub(super) fn request(request: &Request<'_>, shape: Shape, model: &str, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    losses.extend(request.lost.iter().map(Loss::dropped));
    let mut out = Vec::with_capacity(request.texts.iter().map(|text| text.text.len() + 64).sum::<usize>() + 128);
    match shape {
        Shape::OpenAi => openai(request, model, losses, &mut out),
        Shape::Gemini => {
            let [text] = &*request.texts else {
                return Err(Refused::impossible("input", "this call takes one text; ask for several by way of the batch call"));
            };
            object(&mut out, |o| one(text, request.dimensions, model, o));
        }
        Shape::GeminiBatch => object(&mut out, |o| {
            o.array("requests", |a| request.texts.iter().for_each(|text| each(text, request.dimensions, model, a)));
        }),
        Shape::Vertex => vertex(request, &mut out),
    }
    Ok(out)
}

fn openai(request: &Request<'_>, model: &str, losses: &mut Vec<Loss>, out: &mut Vec<u8>) {
    for text in &request.texts {
        let task = if request.from == Shape::Vertex { "task_type" } else { "taskType" };
        losses.extend(text.task.as_ref().map(|_| Loss::dropped(joined(&text.at, task))));
        losses.extend(text.title.as_ref().map(|_| Loss::dropped(joined(&text.at, "title"))));
    }
    object(out, |o| {
        o.text("model", model);
        match &*request.texts {
            [only] if !request.many => {
                o.text("input", &only.text);
            }
            texts => {
                o.array("input", |a| {
                    for text in texts {
                        a.text(&text.text);
                    }
                });
            }
        }
        if let Some(dimensions) = request.dimensions {
            o.unsigned("dimensions", dimensions);
        }
        o.text(
            "encoding_format",
            match request.encoding {
                Encoding::Float => "float",
                Encoding::Base64 => "base64",
            },
        );
    });
}

fn each(text: &Text<'_>, dimensions: Option<u64>, model: &str, a: &mut ArrayWriter<'_>) {
    a.object(|o| one(text, dimensions, model, o));
}

fn one(text: &Text<'_>, dimensions: Option<u64>, model: &str, o: &mut ObjectWriter<'_>) {
    o.text("model", &if model.contains('/') { model.to_owned() } else { format!("models/{model}") });
    o.object("content", |o| {
        o.array("parts", |a| {
            a.object(|o| {
                o.text("text", &text.text);
            });
        });
    });
    o.some_text("taskType", text.task.as_deref()).some_text("title", text.title.as_deref());
    if let Some(dimensions) = dimensions {
        o.unsigned("outputDimensionality", dimensions);
    }
}

fn vertex(request: &Request<'_>, out: &mut Vec<u8>) {
    object(out, |o| {
        o.array("instances", |a| {
            for text in &request.texts {
                a.object(|o| {
                    o.text("content", &text.text);
                    o.some_text("task_type", text.task.as_deref()).some_text("title", text.title.as_deref());
                });
            }
        });
        o.object("parameters", |o| {
            o.bool("autoTruncate", true);
            if let Some(dimensions) = request.dimensions {
                o.unsigned("outputDimensionality", dimensions);
            }
        });
    });
}
