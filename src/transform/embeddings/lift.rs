//! Requests for vectors out of each shape.

use std::borrow::Cow;

use super::{Encoding, Request, Shape, Text};
use crate::{
    protocol::json::{Fields, Node, Shape as Json, WrongShape},
    transform::Refused,
};

/// A request out of its body.
pub(super) fn request(shape: Shape, body: Node<'_>) -> Result<Request<'_>, Refused> {
    match shape {
        Shape::OpenAi => openai(body),
        Shape::Gemini => gemini(body),
        Shape::GeminiBatch => batch(body),
        Shape::Vertex => vertex(body),
    }
}

fn openai(body: Node<'_>) -> Result<Request<'_>, Refused> {
    let mut fields = body.members()?;
    fields.take("model");
    let input = fields.some("input").ok_or_else(|| WrongShape::missing("input", "a string or an array of strings"))?;
    let many = input.shape() == Json::Array;
    let texts = match input.array() {
        Some(elements) => {
            elements.iter().enumerate().map(|(at, element)| words(*element, format!("input[{at}]"))).collect::<Result<_, _>>()?
        }
        None => vec![words(input, "input".to_owned())?],
    };
    if texts.is_empty() {
        return Err(WrongShape::new("input", "an empty array", "at least one string").into());
    }
    let dimensions = fields.unsigned("dimensions")?;
    let encoding = match fields.text("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => return Err(WrongShape::new("encoding_format", format!("{other:?}"), r#""float" or "base64""#).into()),
    };
    Ok(Request { from: Shape::OpenAi, texts, many, dimensions, encoding, lost: names("", fields) })
}

/// A string of OpenAI's `input`. Tokens are numbers of OpenAI's own vocabularies.
fn words(element: Node<'_>, at: String) -> Result<Text<'_>, Refused> {
    match element.shape() {
        Json::Number | Json::Array => {
            Err(Refused::impossible(at, "it is given as token ids, which only their own provider can read; send text"))
        }
        Json::Text => {
            let text = element.text().ok_or_else(|| element.wrong(&at, "a string"))?;
            if text.is_empty() {
                return Err(WrongShape::new(at, "an empty string", "text to embed").into());
            }
            Ok(Text { text, task: None, title: None, at })
        }
        Json::Null | Json::Bool | Json::Object => Err(element.wrong(&at, "a string or an array of strings").into()),
    }
}

fn gemini(body: Node<'_>) -> Result<Request<'_>, Refused> {
    let mut lost = Vec::new();
    let (text, dimensions) = one(body, "", &mut lost)?;
    Ok(Request { from: Shape::Gemini, texts: vec![text], many: false, dimensions, encoding: Encoding::Float, lost })
}

fn batch(body: Node<'_>) -> Result<Request<'_>, Refused> {
    let mut fields = body.members()?;
    let requests = fields.array("requests")?.ok_or_else(|| WrongShape::missing("requests", "an array of requests"))?;
    if requests.is_empty() {
        return Err(WrongShape::new("requests", "an empty array", "at least one request").into());
    }
    fields.take("model");
    let (mut texts, mut lost) = (Vec::with_capacity(requests.len()), names("", fields));
    let mut dimensions = None;
    for (index, request) in requests.into_iter().enumerate() {
        let at = format!("requests[{index}]");
        let (text, wanted) = one(request, &at, &mut lost)?;
        if index > 0 && wanted != dimensions {
            return Err(Refused::impossible(format!("{at}.outputDimensionality"), "all vectors of one call must have the same size"));
        }
        dimensions = wanted;
        texts.push(text);
    }
    Ok(Request { from: Shape::GeminiBatch, texts, many: true, dimensions, encoding: Encoding::Float, lost })
}

/// One of Google's requests: its text and the size of its vector.
fn one<'a>(body: Node<'a>, at: &str, lost: &mut Vec<String>) -> Result<(Text<'a>, Option<u64>), Refused> {
    let under = |fault: WrongShape| if at.is_empty() { fault } else { fault.under(at) };
    let mut fields = body.members().map_err(under)?;
    fields.take("model");
    let content = fields.some("content").ok_or_else(|| under(WrongShape::missing("content", "a content with text parts")))?;
    let text = content_text(content, at, lost)?;
    // Vertex's newer form keeps the options in an object of their own.
    let mut config = either(&mut fields, "embedContentConfig", "embed_content_config", Fields::object).map_err(under)?.unwrap_or_default();
    let mut options = |camel: &str, snake: &str| {
        let own = either(&mut fields, camel, snake, Fields::text)?;
        Ok(own.or(either(&mut config, camel, snake, Fields::text)?))
    };
    let (task, title) = (options("taskType", "task_type").map_err(under)?, options("title", "title").map_err(under)?);
    let size = |fields: &mut Fields<'a>| either(fields, "outputDimensionality", "output_dimensionality", Fields::unsigned);
    let dimensions = size(&mut fields).map_err(under)?.or(size(&mut config).map_err(under)?);
    lost.extend(names(at, fields));
    lost.extend(names(&joined(at, "embedContentConfig"), config));
    Ok((Text { text, task, title, at: at.to_owned() }, dimensions))
}

/// A member under the name that Google writes, or under the one of its protocol buffers, which it reads as well.
fn either<'a, T>(
    fields: &mut Fields<'a>,
    camel: &str,
    snake: &str,
    read: impl Fn(&mut Fields<'a>, &str) -> Result<Option<T>, WrongShape>,
) -> Result<Option<T>, WrongShape> {
    match read(fields, camel)? {
        Some(found) => Ok(Some(found)),
        None if camel == snake => Ok(None),
        None => read(fields, snake),
    }
}

/// The words of a content. Parts are pieces of one text.
fn content_text<'a>(content: Node<'a>, at: &str, lost: &mut Vec<String>) -> Result<Cow<'a, str>, Refused> {
    let place = joined(at, "content");
    if let Some(text) = content.text() {
        return Ok(text);
    }
    let mut fields = content.members().map_err(|fault| fault.under(&place))?;
    fields.take("role");
    let parts = fields.array("parts").map_err(|fault| fault.under(&place))?.unwrap_or_default();
    let mut texts = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let place = format!("{place}.parts[{index}]");
        let mut fields = part.members().map_err(|fault| fault.under(&place))?;
        match fields.text("text").map_err(|fault| fault.under(&place))? {
            Some(text) => texts.push(text),
            None => return Err(Refused::impossible(place, "only text can be embedded by another provider; send text parts")),
        }
        lost.extend(names(&place, fields));
    }
    lost.extend(names(&place, fields));
    match texts.len() {
        0 => Err(WrongShape::new(joined(&place, "parts"), "empty", "at least one text part").into()),
        1 => Ok(texts.remove(0)),
        _ => Ok(Cow::Owned(texts.join("\n"))),
    }
}

fn vertex(body: Node<'_>) -> Result<Request<'_>, Refused> {
    let mut fields = body.members()?;
    let instances = fields.array("instances")?.ok_or_else(|| WrongShape::missing("instances", "an array of instances"))?;
    if instances.is_empty() {
        return Err(WrongShape::new("instances", "an empty array", "at least one instance").into());
    }
    let mut parameters = fields.object("parameters")?.unwrap_or_default();
    let under = |fault: WrongShape| fault.under("parameters");
    let dimensions = either(&mut parameters, "outputDimensionality", "output_dimensionality", Fields::unsigned).map_err(under)?;
    // Cutting what is too long is what the others do without being told.
    parameters.take("autoTruncate");
    let mut lost = names("parameters", parameters);
    lost.extend(names("", fields));
    let mut texts = Vec::with_capacity(instances.len());
    for (index, instance) in instances.into_iter().enumerate() {
        let at = format!("instances[{index}]");
        let under = |fault: WrongShape| fault.under(&at);
        let mut fields = instance.members().map_err(under)?;
        let Some(text) = fields.text("content").map_err(under)? else {
            return Err(Refused::impossible(at, "only instances with a text as their `content` can be embedded by another provider"));
        };
        let task = either(&mut fields, "task_type", "taskType", Fields::text).map_err(under)?;
        let title = fields.text("title").map_err(under)?;
        lost.extend(names(&at, fields));
        texts.push(Text { text, task, title, at });
    }
    Ok(Request { from: Shape::Vertex, texts, many: true, dimensions, encoding: Encoding::Float, lost })
}

fn names(at: &str, fields: Fields<'_>) -> Vec<String> {
    fields.rest().into_iter().map(|(name, _)| joined(at, &name)).collect()
}

/// A member's path.
pub(super) fn joined(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}
