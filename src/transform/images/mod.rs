//! Pictures asked for in OpenAI's shape, made by Gemini, Imagen, or the image tool of Responses; and their answers back.

mod answer;
mod found;
mod gemini;
mod imagen;
mod lift;
mod responses;
mod size;
mod stream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{
    protocol::json::{Node, WrongShape},
    transform::{Loss, Refused},
};

pub use answer::{Unanswered, answer};
pub use lift::{Form, Upload};
pub use stream::{Collect, Stream};

/// Who makes the pictures, and by which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker<'a> {
    /// Gemini `:generateContent` with pictures among its output.
    Gemini {
        /// The model; not all can be told how large a picture shall be.
        model: &'a str,
    },
    /// Imagen `:predict`.
    Imagen,
    /// `/v1/responses` with the image tool.
    Responses {
        /// The model that is talked to and calls the tool.
        host: &'a str,
        /// The model that paints; empty: the tool's own choice.
        model: &'a str,
    },
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Pictures from words.
    Create,
    /// Pictures from pictures.
    Edit,
}

/// A request for pictures.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What is done.
    pub deed: Deed,
    /// What is wished for.
    pub prompt: Cow<'a, str>,
    /// How many pictures. See [`Request::calls`].
    pub n: u64,
    /// Whether a stream is wanted.
    pub streams: bool,
    images: Vec<Picture<'a>>,
    mask: Option<Picture<'a>>,
    look: Look<'a>,
    /// Members without a canonical word.
    lost: Vec<String>,
}

/// A picture that is given.
#[derive(Clone, Debug)]
struct Picture<'a> {
    mime: Cow<'a, str>,
    /// Base64 of the standard alphabet.
    data: Cow<'a, str>,
}

/// How the pictures shall be.
#[derive(Clone, Debug, Default)]
struct Look<'a> {
    size: Option<Cow<'a, str>>,
    quality: Option<Cow<'a, str>>,
    background: Option<Cow<'a, str>>,
    format: Option<Cow<'a, str>>,
    compression: Option<u64>,
    partial_images: Option<u64>,
    moderation: Option<Cow<'a, str>>,
    fidelity: Option<Cow<'a, str>>,
    style: Option<Cow<'a, str>>,
    /// `url` or `b64_json`.
    response: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
}

impl<'a> Request<'a> {
    /// Reads the body of `/v1/images/generations`.
    ///
    /// # Errors
    /// It is not what OpenAI says.
    pub fn create(body: Node<'a>) -> Result<Self, Refused> {
        lift::json(Deed::Create, body)
    }

    /// Reads the body of `/v1/images/edits` where it is JSON.
    ///
    /// # Errors
    /// It is not what OpenAI says, or names pictures that are not in it.
    pub fn edit(body: Node<'a>) -> Result<Self, Refused> {
        lift::json(Deed::Edit, body)
    }

    /// Reads the parts of `/v1/images/edits` where it is a form.
    ///
    /// # Errors
    /// A part is not what OpenAI says.
    pub fn edit_form(form: Form<'a>) -> Result<Self, Refused> {
        lift::form(form)
    }

    /// How many calls it takes to make all `n` pictures. Who makes them sets `n` to 1 and gives all answers to [`answer`];
    /// who makes one call only has a loss instead.
    #[must_use]
    pub fn calls(&self, maker: Maker<'_>) -> u64 {
        match maker {
            Maker::Imagen if self.n <= imagen::MOST => 1,
            Maker::Imagen | Maker::Gemini { .. } | Maker::Responses { .. } => self.n,
        }
    }

    /// The body of the maker's call.
    ///
    /// # Errors
    /// The maker cannot do it at all.
    pub fn written(&self, maker: Maker<'_>, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        losses.extend(self.lost.iter().map(Loss::dropped));
        if self.look.response.as_deref() == Some("url") {
            losses.push(Loss::changed("response_format", "pictures are given as base64, since nobody keeps them at an address"));
        }
        match maker {
            Maker::Gemini { model } => gemini::written(self, model, losses),
            Maker::Imagen => imagen::written(self, losses),
            Maker::Responses { host, model } => responses::written(self, host, model, losses),
        }
    }

    /// What the answer needs to know of the request. `now`: Unix seconds.
    #[must_use]
    pub fn told(&self, now: u64) -> Told {
        let owned = |word: &Option<Cow<'_, str>>| word.as_deref().filter(|word| *word != "auto").map(str::to_owned);
        Told {
            deed: self.deed,
            now,
            from_pictures: !self.images.is_empty(),
            size: owned(&self.look.size),
            quality: owned(&self.look.quality),
            background: owned(&self.look.background),
            format: owned(&self.look.format),
        }
    }

    /// Names what of the look is asked for and has no place.
    fn lose(&self, fields: &[Field], losses: &mut Vec<Loss>) {
        losses.extend(fields.iter().filter(|field| field.is_asked(&self.look)).map(|field| Loss::dropped(field.name())));
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub struct Told {
    deed: Deed,
    now: u64,
    from_pictures: bool,
    size: Option<String>,
    quality: Option<String>,
    background: Option<String>,
    format: Option<String>,
}

/// What of a look may have no place with a maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Quality,
    Background,
    Compression,
    PartialImages,
    Moderation,
    Fidelity,
    Style,
    User,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Quality => "quality",
            Self::Background => "background",
            Self::Compression => "output_compression",
            Self::PartialImages => "partial_images",
            Self::Moderation => "moderation",
            Self::Fidelity => "input_fidelity",
            Self::Style => "style",
            Self::User => "user",
        }
    }

    /// Whether it says more than what everybody does anyway.
    fn is_asked(self, look: &Look<'_>) -> bool {
        let beyond = |word: &Option<Cow<'_, str>>, usual: &str| word.as_deref().is_some_and(|word| word != "auto" && word != usual);
        match self {
            Self::Quality => beyond(&look.quality, "auto"),
            Self::Background => beyond(&look.background, "opaque"),
            Self::Compression => look.compression.is_some_and(|compression| compression != 100),
            Self::PartialImages => look.partial_images.is_some_and(|images| images > 0),
            Self::Moderation => beyond(&look.moderation, "auto"),
            Self::Fidelity => beyond(&look.fidelity, "low"),
            Self::Style => look.style.is_some(),
            Self::User => look.user.is_some(),
        }
    }
}

/// A base64 text in a `data:` address, and its type; `None` for any other address.
fn data_address(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    Some((head.strip_suffix(";base64")?.split(';').next()?, data))
}

/// The type of a picture that does not say it, by its first bytes in base64.
fn sniffed(data: &str) -> &'static str {
    match data {
        jpeg if jpeg.starts_with("/9j/") => "image/jpeg",
        webp if webp.starts_with("UklGR") => "image/webp",
        gif if gif.starts_with("R0lG") => "image/gif",
        _ => "image/png",
    }
}

/// OpenAI's word for a type of picture.
fn format_of(mime: &str) -> &str {
    mime.strip_prefix("image/").map_or("png", |format| if format == "jpg" { "jpeg" } else { format })
}

fn wrong(name: &str, was: impl Into<String>, expected: &str) -> Refused {
    WrongShape::new(name, was, expected).into()
}
