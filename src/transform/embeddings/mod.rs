//! Vectors of texts, between OpenAI's shape and Google's three: `embedContent`, `batchEmbedContents`, and Vertex's `predict`.

mod answer;
mod lift;
mod lower;
mod vector;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{
    protocol::json::{Node, WrongShape},
    transform::{Loss, Refused},
};

pub use answer::Told;

/// A wire shape of requests for vectors and of their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `POST /v1/embeddings`.
    OpenAi,
    /// `:embedContent`: one text.
    Gemini,
    /// `:batchEmbedContents`.
    GeminiBatch,
    /// `:predict` with `instances`.
    Vertex,
}

/// How vectors are written in OpenAI's shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// An array of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64.
    Base64,
}

/// A request for vectors, in no shape.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    from: Shape,
    texts: Vec<Text<'a>>,
    /// Whether several texts were asked for as such: a list of one is a list.
    many: bool,
    dimensions: Option<u64>,
    encoding: Encoding,
    /// Members without a canonical word, in the sender's words.
    lost: Vec<String>,
}

/// One text to find a vector for.
#[derive(Clone, Debug)]
struct Text<'a> {
    text: Cow<'a, str>,
    task: Option<Cow<'a, str>>,
    title: Option<Cow<'a, str>>,
    /// Where it stands in the sender's body; empty for the body itself.
    at: String,
}

impl<'a> Request<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// It is not what its shape says, or asks for vectors of something that is no text.
    pub fn read(shape: Shape, body: Node<'a>) -> Result<Self, Refused> {
        lift::request(shape, body)
    }

    /// Which of Google's own shapes the request fits.
    #[must_use]
    pub fn gemini_shape(&self) -> Shape {
        if self.many { Shape::GeminiBatch } else { Shape::Gemini }
    }

    /// How many texts it has. Some models of Vertex take one a call.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// How the client wants its vectors written.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The request's body in a shape, for the upstream's id of the model.
    ///
    /// # Errors
    /// The shape has no form for it, and leaving it out would change the answer's meaning.
    pub fn written(&self, shape: Shape, model: &str, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        lower::request(self, shape, model, losses)
    }
}

/// An answer out of one shape into another.
///
/// # Errors
/// The body is no answer of `from`, or holds another number of vectors than `to` can carry.
pub fn answer(body: &[u8], from: Shape, to: Shape, told: &Told<'_>) -> Result<Vec<u8>, WrongShape> {
    answer::across(Node::parse(body)?, from, to, told)
}
