//! Answers with vectors, out of each shape and into each.

use super::{Encoding, Shape, vector::Vector};
use crate::protocol::json::{Fields, Node, ObjectWriter, WrongShape, object};

/// What an answer needs to be told beside itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// The model, for shapes that name it and upstreams that do not.
    pub model: &'a str,
    /// How the client wants its vectors ([`super::Request::encoding`]).
    pub encoding: Encoding,
    /// Tokens of the prompt by estimate, told with a mark where the upstream tells none. `None`: usage stays absent.
    pub prompt_estimate: Option<u64>,
}

/// Vectors and what they cost.
struct Vectors<'a> {
    vectors: Vec<Vector<'a>>,
    model: Option<String>,
    tokens: Option<u64>,
}

/// An answer out of one shape into another.
pub(super) fn across(body: Node<'_>, from: Shape, to: Shape, told: &Told<'_>) -> Result<Vec<u8>, WrongShape> {
    let answer = match from {
        Shape::OpenAi => openai(body)?,
        Shape::Gemini | Shape::GeminiBatch => gemini(body)?,
        Shape::Vertex => vertex(body)?,
    };
    let mut out = Vec::with_capacity(body.json().len() + 128);
    let mut fault = None;
    object(&mut out, |o| fault = write(&answer, to, told, o).err());
    fault.map_or(Ok(out), Err)
}

/// OpenAI's answer. Its entries say their place.
fn openai(body: Node<'_>) -> Result<Vectors<'_>, WrongShape> {
    let mut fields = body.members()?;
    let data = fields.array("data")?.ok_or_else(|| WrongShape::missing("data", "an array of embeddings"))?;
    let mut placed = Vec::with_capacity(data.len());
    for (at, entry) in data.into_iter().enumerate() {
        let under = |fault: WrongShape| fault.at(at).under("data");
        let mut entry = entry.members().map_err(under)?;
        let index = entry.unsigned("index").map_err(under)?.unwrap_or(at as u64);
        placed.push((index, vector(&mut entry, "embedding").map_err(under)?));
    }
    placed.sort_by_key(|(index, _)| *index);
    let tokens = usage(&mut fields, "usage", &["prompt_tokens", "total_tokens"]);
    let model = fields.text("model")?.map(String::from);
    Ok(Vectors { vectors: placed.into_iter().map(|(_, vector)| vector).collect(), model, tokens })
}

fn gemini(body: Node<'_>) -> Result<Vectors<'_>, WrongShape> {
    let mut fields = body.members()?;
    let mut vectors = Vec::new();
    if let Some(mut one) = fields.object("embedding")? {
        vectors.push(vector(&mut one, "values").map_err(|fault| fault.under("embedding"))?);
    } else {
        let all = fields.array("embeddings")?.ok_or_else(|| WrongShape::missing("embeddings", "an array of embeddings"))?;
        for (at, entry) in all.into_iter().enumerate() {
            let under = |fault: WrongShape| fault.at(at).under("embeddings");
            vectors.push(vector(&mut entry.members().map_err(under)?, "values").map_err(under)?);
        }
    }
    let tokens = usage(&mut fields, "usageMetadata", &["promptTokenCount", "totalTokenCount"]);
    Ok(Vectors { vectors, model: None, tokens })
}

/// Vertex counts the tokens of each text on its own.
fn vertex(body: Node<'_>) -> Result<Vectors<'_>, WrongShape> {
    let mut fields = body.members()?;
    let predictions = fields.array("predictions")?.ok_or_else(|| WrongShape::missing("predictions", "an array of predictions"))?;
    let (mut vectors, mut tokens) = (Vec::with_capacity(predictions.len()), Some(0));
    for (at, prediction) in predictions.into_iter().enumerate() {
        let under = |fault: WrongShape| fault.at(at).under("predictions");
        let mut prediction = prediction.members().map_err(under)?;
        let found = prediction.object("embeddings").map_err(under)?;
        let mut embeddings = found.ok_or_else(|| under(WrongShape::missing("embeddings", "an object with values")))?;
        vectors.push(vector(&mut embeddings, "values").map_err(|fault| under(fault.under("embeddings")))?);
        let counted = usage(&mut embeddings, "statistics", &["token_count", "tokenCount"]);
        tokens = tokens.zip(counted).map(|(sum, more)| sum + more);
    }
    Ok(Vectors { vectors, model: None, tokens })
}

fn vector<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Vector<'a>, WrongShape> {
    let node = fields.some(name).ok_or_else(|| WrongShape::missing(name, "an array of numbers, or base64"))?;
    Vector::read(node).map_err(|fault| fault.under(name))
}

/// The first number of some names within a member; an odd usage is none.
fn usage(fields: &mut Fields<'_>, name: &str, names: &[&str]) -> Option<u64> {
    let usage = fields.some(name)?.object()?;
    names.iter().find_map(|name| usage.peek(name)?.unsigned())
}

fn write(answer: &Vectors<'_>, to: Shape, told: &Told<'_>, o: &mut ObjectWriter<'_>) -> Result<(), WrongShape> {
    match to {
        Shape::OpenAi => {
            o.text("object", "list");
            each("data", &answer.vectors, o, |vector, at, o| {
                o.text("object", "embedding").unsigned("index", at as u64);
                vector.write("embedding", told.encoding, o)
            })?;
            o.text("model", answer.model.as_deref().unwrap_or(told.model));
            tell(answer, told, o, ("usage", "prompt_tokens", "total_tokens"));
        }
        Shape::Gemini => {
            let [only] = &*answer.vectors else {
                return Err(WrongShape::new("data", format!("an array of {}", answer.vectors.len()), "one embedding"));
            };
            let mut written = Ok(());
            o.object("embedding", |o| written = only.write("values", Encoding::Float, o));
            written?;
            tell(answer, told, o, ("usageMetadata", "promptTokenCount", "totalTokenCount"));
        }
        Shape::GeminiBatch => {
            each("embeddings", &answer.vectors, o, |vector, _, o| vector.write("values", Encoding::Float, o))?;
            tell(answer, told, o, ("usageMetadata", "promptTokenCount", "totalTokenCount"));
        }
        // The sum that others give is that of all texts; Vertex has a place for one text's only.
        Shape::Vertex => each("predictions", &answer.vectors, o, |vector, _, o| {
            let mut written = Ok(());
            o.object("embeddings", |o| {
                if let (Some(tokens), 1) = (answer.tokens, answer.vectors.len()) {
                    o.object("statistics", |o| {
                        o.unsigned("token_count", tokens).bool("truncated", false);
                    });
                }
                written = vector.write("values", Encoding::Float, o);
            });
            written
        })?,
    }
    Ok(())
}

/// An object for each vector.
fn each<'a>(
    name: &str,
    vectors: &[Vector<'a>],
    o: &mut ObjectWriter<'_>,
    fill: impl Fn(Vector<'a>, usize, &mut ObjectWriter<'_>) -> Result<(), WrongShape>,
) -> Result<(), WrongShape> {
    let mut fault = None;
    o.array(name, |a| {
        for (at, vector) in vectors.iter().enumerate() {
            a.object(|o| {
                fault = fault.take().or(fill(*vector, at, o).err().map(|fault| fault.at(at).under(name)));
            });
        }
    });
    fault.map_or(Ok(()), Err)
}

/// What the call cost: the upstream's figure, or an estimate that says that it is one, or nothing.
fn tell(answer: &Vectors<'_>, told: &Told<'_>, o: &mut ObjectWriter<'_>, (name, prompt, total): (&str, &str, &str)) {
    let Some(tokens) = answer.tokens.or(told.prompt_estimate) else { return };
    o.object(name, |o| {
        o.unsigned(prompt, tokens).unsigned(total, tokens);
        if answer.tokens.is_none() {
            o.bool("gproxy_estimated", true);
        }
    });
}
