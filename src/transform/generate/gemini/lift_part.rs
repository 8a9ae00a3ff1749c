//! One of the `parts` of a turn or of an answer. Ids that Google leaves out stay empty here; who reads the whole fills them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    super::{
        Dialect,
        canon::{Block, Call, CallResult, Input, Media, Part, Raw, Reasoning, Rest, ServerCall, ServerResult, ServerTool, Text},
    },
    fields, lost, media,
};
use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape, object},
    transform::Seal,
};

/// A part; a bare string counts as its text.
pub(super) fn lift(node: Node<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    if let Some(text) = node.text().filter(|_| node.shape() == Shape::Text) {
        return Ok(block(words(text), at));
    }
    let mut fields = node.members()?;
    // A part holds one thing: with a text it holds nothing else.
    let speaks = fields.peek("text").is_some_and(|text| !text.is_null());
    if !speaks && let Some(part) = server(node, &mut fields)? {
        return Ok(block(part, at));
    }
    let lost = fields::peek(&fields, "thoughtSignature").filter(|node| node.text().is_some_and(|text| lost::is(&text)));
    let seal = seal(&mut fields)?;
    let mut inner = Rest::default();
    let content = if speaks { None } else { content(&mut fields, &mut inner)? };
    let (part, seal) = match content {
        Some(part) => (part, seal),
        None => said(&mut fields, seal)?,
    };
    // A part that holds nothing we know is kept whole; one that holds nothing at all is empty text.
    if matches!(&part, Part::Text { text, .. } if text.is_empty()) && seal.is_none() && !fields.is_empty() {
        return Ok(block(Part::Opaque { of: Dialect::Gemini, json: Cow::Borrowed(node.raw()) }, at));
    }
    let mut rest = Rest::of(Dialect::Gemini, fields);
    rest.join(inner);
    if let Some(word) = lost {
        rest.hint(Dialect::Gemini, lost::HINT, Cow::Borrowed(word.raw()));
    }
    Ok(Block { part, cache: None, seal, at, rest })
}

fn block(part: Part<'_>, at: usize) -> Block<'_> {
    Block { part, cache: None, seal: None, at, rest: Rest::default() }
}

fn words(text: Text<'_>) -> Part<'_> {
    Part::Text { text, citations: Vec::new() }
}

/// Keeps what is left of the object within at `place`.
pub(super) fn leftover<'a>(place: &'static str, fields: Fields<'a>, into: &mut Rest<'a>) {
    into.keep(Dialect::Gemini, place, fields);
}

/// The signature of a part; an empty one is none, nor is the word for a lost one.
pub(super) fn seal<'a>(fields: &mut Fields<'a>) -> Result<Option<Seal<'a>>, WrongShape> {
    let text = fields::text(fields, "thoughtSignature")?.filter(|text| !text.is_empty() && !lost::is(text));
    Ok(text.map(|text| Seal::read(Dialect::Gemini, text)))
}

/// Words, or thinking.
fn said<'a>(fields: &mut Fields<'a>, seal: Option<Seal<'a>>) -> Result<(Part<'a>, Option<Seal<'a>>), WrongShape> {
    let thought = fields::flag(fields, "thought")?.unwrap_or(false);
    let text = fields::text(fields, "text")?;
    if !thought {
        return Ok((words(text.unwrap_or_default()), seal));
    }
    // Thinking without so much as an empty text is thinking withheld: the answer's lower writes it so.
    let redacted = text.is_none() && seal.as_ref().is_some_and(|seal| seal.owner == Dialect::Claude);
    let text = text.filter(|text| !text.is_empty() || seal.is_none()).into_iter().collect();
    Ok((Part::Reasoning(Reasoning { text, seal, redacted, ..Reasoning::default() }), None))
}

/// Media, calls and results.
fn content<'a>(fields: &mut Fields<'a>, inner: &mut Rest<'a>) -> Result<Option<Part<'a>>, WrongShape> {
    if let Some(mut blob) = fields::object(fields, "inlineData")? {
        let media = media::inline(&mut blob).map_err(|fault| fault.under("inlineData"))?;
        leftover("inlineData", blob, inner);
        return Ok(Some(Part::Media(media)));
    }
    if let Some(mut file) = fields::object(fields, "fileData")? {
        let media = media::file(&mut file).map_err(|fault| fault.under("fileData"))?;
        leftover("fileData", file, inner);
        return Ok(Some(Part::Media(media)));
    }
    if let Some(mut call) = fields::object(fields, "functionCall")? {
        let part = function_call(&mut call).map_err(|fault| fault.under("functionCall"))?;
        leftover("functionCall", call, inner);
        return Ok(Some(Part::Call(part)));
    }
    let Some(mut result) = fields::object(fields, "functionResponse")? else { return Ok(None) };
    let part = function_response(&mut result).map_err(|fault| fault.under("functionResponse"))?;
    leftover("functionResponse", result, inner);
    Ok(Some(Part::Result(part)))
}

/// `functionCall` out of its members; without an id the id is empty.
pub(super) fn function_call<'a>(call: &mut Fields<'a>) -> Result<Call<'a>, WrongShape> {
    let name = fields::text(call, "name")?.ok_or_else(|| WrongShape::missing("name", "a string"))?;
    let id = fields::text(call, "id")?.unwrap_or_default();
    let args = match fields::take(call, "args") {
        Some(node) if node.shape() == Shape::Object => Cow::Borrowed(node.json()),
        Some(node) => return Err(node.wrong("args", "an object")),
        None => Cow::Borrowed("{}"),
    };
    Ok(Call { id, item_id: None, name, namespace: None, input: Input::Json(args) })
}

fn function_response<'a>(result: &mut Fields<'a>) -> Result<CallResult<'a>, WrongShape> {
    let id = fields::text(result, "id")?.unwrap_or_default();
    let name = fields::text(result, "name")?.filter(|name| !name.is_empty());
    let response = fields::take(result, "response");
    let (text, failed) = response.map_or((None, None), |node| outcome(node));
    let mut content: Vec<Block<'a>> = text.into_iter().map(|text| block(words(text), 0)).collect();
    for (index, node) in fields::list(result, "parts").into_iter().enumerate() {
        content.push(lift(node, index).map_err(|fault| fault.at(index).under("parts"))?);
    }
    let object = response.map(|node| Cow::Borrowed(node.raw()));
    Ok(CallResult { id, name, item_id: None, content, object, failed, free: false })
}

/// The words of a `response`, and whether it tells a failure. Google's own convention is `output` and `error`; the other
/// names are those of widespread frameworks.
fn outcome(node: Node<'_>) -> (Option<Text<'_>>, Option<bool>) {
    let whole = || (node.json() != "{}").then(|| Cow::Borrowed(node.json()));
    let Some(fields) = node.object() else { return (node.text().or_else(whole), None) };
    let failed = (fields.peek("error").is_some() && fields.peek("output").is_none()).then_some(true);
    let mut members = fields.rest();
    let known = |name: &str| matches!(name, "output" | "result" | "error" | "content" | "return_value");
    match (members.pop(), members.is_empty()) {
        (Some((name, value)), true) if known(&name) && value.shape() == Shape::Text => (value.text(), failed),
        _ => (whole(), failed),
    }
}

/// Google's own tools at work. The part is kept whole, its signature with it.
fn server<'a>(node: Node<'a>, fields: &mut Fields<'a>) -> Result<Option<Part<'a>>, WrongShape> {
    let json = Cow::Borrowed(node.raw());
    if let Some(mut code) = fields::object(fields, "executableCode")? {
        let id = fields::text(&mut code, "id")?.unwrap_or_default();
        let queries = fields::text(&mut code, "code")?.into_iter().collect();
        return Ok(Some(Part::ServerCall(ServerCall { id, tool: ServerTool::CodeExecution, queries, json })));
    }
    if let Some(mut code) = fields::object(fields, "codeExecutionResult")? {
        let id = fields::text(&mut code, "id")?.unwrap_or_default();
        let failed = fields::text(&mut code, "outcome")?.is_some_and(|word| word != "OUTCOME_OK");
        let output = fields::text(&mut code, "output")?;
        return Ok(Some(Part::ServerResult(found(id, ServerTool::CodeExecution, (output, failed), json))));
    }
    if let Some(mut call) = fields::object(fields, "toolCall")? {
        let id = fields::text(&mut call, "id")?.unwrap_or_default();
        let tool = kind(fields::text(&mut call, "toolType")?);
        let queries = fields::object(&mut call, "args")?.map_or_else(|| Ok(Vec::new()), |mut args| asked(&mut args))?;
        return Ok(Some(Part::ServerCall(ServerCall { id, tool, queries, json })));
    }
    let Some(mut result) = fields::object(fields, "toolResponse")? else { return Ok(None) };
    let id = fields::text(&mut result, "id")?.unwrap_or_default();
    let tool = kind(fields::text(&mut result, "toolType")?);
    Ok(Some(Part::ServerResult(found(id, tool, (None, false), json))))
}

fn asked<'a>(args: &mut Fields<'a>) -> Result<Vec<Text<'a>>, WrongShape> {
    let queries = fields::texts(args, "queries")?;
    if queries.is_empty() { fields::texts(args, "urls") } else { Ok(queries) }
}

fn found<'a>(id: Text<'a>, tool: ServerTool, (output, failed): (Option<Text<'a>>, bool), json: Raw<'a>) -> ServerResult<'a> {
    ServerResult { id, tool, pages: Vec::new(), output, media: Vec::<Media<'a>>::new(), failed, json }
}

fn kind(word: Option<Text<'_>>) -> ServerTool {
    match word.as_deref() {
        Some("GOOGLE_SEARCH_WEB" | "GOOGLE_SEARCH_IMAGE") => ServerTool::WebSearch,
        Some("URL_CONTEXT") => ServerTool::WebFetch,
        Some("FILE_SEARCH") => ServerTool::FileSearch,
        other => ServerTool::Other(other.unwrap_or_default().to_owned()),
    }
}

/// An object that is made here, of one member, whose name may be anything a client wrote. `json` must be valid.
pub(super) fn lone(name: &str, json: &str) -> Raw<'static> {
    let mut text = Vec::with_capacity(name.len() + json.len() + 5);
    object(&mut text, |o| {
        o.json(name, json);
    });
    #[expect(clippy::expect_used, reason = "the writer writes JSON")]
    Cow::Owned(serde_json::from_slice(&text).expect("JSON is written"))
}

/// Whether the JSON of a provider's tool at work is Google's own.
pub(super) fn own(json: &RawValue) -> bool {
    const PARTS: [&str; 8] = [
        "executableCode",
        "executable_code",
        "codeExecutionResult",
        "code_execution_result",
        "toolCall",
        "tool_call",
        "toolResponse",
        "tool_response",
    ];
    let fields = Node::parse(json.get().as_bytes()).ok().and_then(Node::object);
    fields.is_some_and(|fields| PARTS.iter().any(|name| fields.peek(name).is_some_and(|node| node.shape() == Shape::Object)))
}
