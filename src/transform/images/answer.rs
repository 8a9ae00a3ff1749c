//! Answers with pictures in OpenAI's shape.

use super::{
    Maker, Told,
    found::{Found, Made, Usage},
};
use crate::protocol::json::{Node, ObjectWriter, WrongShape, object};

/// Why an answer holds no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The answer is not what the maker's shape says.
    #[error(transparent)]
    Shape(#[from] WrongShape),
    /// The maker would not, or said something instead. OpenAI answers 400 `moderation_blocked` to it.
    #[error("no picture was made{}{}", of(reason.as_deref(), ": "), of(words.as_deref(), "; the model said: "))]
    Refused {
        /// The maker's own word: `SAFETY`, `moderation_blocked`.
        reason: Option<String>,
        /// What the model said instead.
        words: Option<String>,
    },
    /// The maker gave up in the middle.
    #[error("{message}")]
    Failed {
        /// The maker's own word.
        code: Option<String>,
        /// What it said of it.
        message: String,
    },
}

fn of(word: Option<&str>, joint: &str) -> String {
    word.map(|word| format!("{joint}{word}")).unwrap_or_default()
}

/// The answers of one or several calls as one answer in OpenAI's shape.
///
/// # Errors
/// A body is not what its maker's shape says, or none holds a picture.
pub fn answer(bodies: &[&[u8]], maker: Maker<'_>, told: &Told) -> Result<Vec<u8>, Unanswered> {
    let mut all = Found::default();
    for body in bodies {
        let (mut found, body) = (Found::default(), Node::parse(body)?);
        match maker {
            Maker::Gemini { .. } => found.gemini(body)?,
            Maker::Imagen => found.imagen(body)?,
            Maker::Responses { .. } => found.responses(body)?,
        }
        all.pictures.append(&mut found.pictures);
        all.words.push_str(&found.words);
        all.stopped = all.stopped.or(found.stopped);
        all.fault = all.fault.or(found.fault);
        all.usage = match (all.usage, found.usage) {
            (Some(one), Some(other)) => Some(one.plus(other)),
            (one, other) => one.or(other),
        };
    }
    written(all, told)
}

/// What was found, as an answer.
pub(super) fn written(found: Found, told: &Told) -> Result<Vec<u8>, Unanswered> {
    let Some(first) = found.pictures.first() else { return Err(unanswered(found)) };
    let mut out = Vec::with_capacity(found.pictures.iter().map(|picture| picture.data.len()).sum::<usize>() + 512);
    object(&mut out, |o| {
        o.unsigned("created", told.now);
        o.array("data", |a| {
            for picture in &found.pictures {
                a.object(|o| {
                    o.some_text("b64_json", Some(&*picture.data).filter(|data| !data.is_empty()));
                    o.some_text("url", picture.url.as_deref()).some_text("revised_prompt", picture.prompt.as_deref());
                });
            }
        });
        // An answer says what is known, where an event must say something.
        o.some_text("background", known(first.background.as_deref(), None))
            .some_text("output_format", known(first.format.as_deref(), told.format.as_deref()));
        o.some_text("size", known(first.size.as_deref(), None)).some_text("quality", known(first.quality.as_deref(), None));
        usage(found.usage, told, Place::Answer, o);
    });
    Ok(out)
}

fn known<'a>(said: Option<&'a str>, asked: Option<&'a str>) -> Option<&'a str> {
    said.filter(|word| *word != "auto").or(asked)
}

/// Why nothing was found.
pub(super) fn unanswered(found: Found) -> Unanswered {
    match found.fault {
        Some((code, message)) => Unanswered::Failed { code, message },
        None => Unanswered::Refused { reason: found.stopped, words: Some(found.words).filter(|words| !words.is_empty()) },
    }
}

/// How a picture looks, in an event: what its maker says, else what was asked for, else `auto`.
pub(super) fn look(picture: &Made, told: &Told, o: &mut ObjectWriter<'_>) {
    o.unsigned("created_at", told.now);
    for (name, said, asked) in [
        ("size", &picture.size, &told.size),
        ("quality", &picture.quality, &told.quality),
        ("background", &picture.background, &told.background),
    ] {
        o.text(name, known(said.as_deref(), asked.as_deref()).unwrap_or("auto"));
    }
    o.text("output_format", known(picture.format.as_deref(), told.format.as_deref()).unwrap_or("png"));
}

/// Where figures are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Answer,
    /// OpenAI's events do not split the output.
    Event,
}

/// What it cost. OpenAI's shape splits the input into words and pictures: a split that nobody knows is not made up.
pub(super) fn usage(usage: Option<Usage>, told: &Told, place: Place, o: &mut ObjectWriter<'_>) {
    let Some(usage) = usage else { return };
    let Some(pictures) = usage.input_image.or((!told.from_pictures).then_some(0)) else { return };
    o.object("usage", |o| {
        o.unsigned("input_tokens", usage.input);
        split("input_tokens_details", usage.input, pictures, o);
        o.unsigned("output_tokens", usage.output);
        if let (Some(pictures), Place::Answer) = (usage.output_image, place) {
            split("output_tokens_details", usage.output, pictures, o);
        }
        o.unsigned("total_tokens", usage.total);
    });
}

fn split(name: &str, all: u64, pictures: u64, o: &mut ObjectWriter<'_>) {
    o.object(name, |o| {
        o.unsigned("image_tokens", pictures).unsigned("text_tokens", all.saturating_sub(pictures));
    });
}
