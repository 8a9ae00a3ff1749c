//! Calls of the caller's tools, in messages of either direction.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Call, Input, Part, Rest, Text},
    },
    content,
    leftovers::{keep, write_inner, write_outer},
};
use crate::{
    protocol::json::{Fields, Node, ObjectWriter, WrongShape},
    transform::Seal,
};

/// Takes `tool_calls` and the older `function_call` out of a message. `made` gives the id of a call that has none.
///
/// # Errors
/// A call is no call.
pub(super) fn lift<'a>(message: &mut Fields<'a>, made: &dyn Fn(usize) -> String, blocks: &mut Vec<Block<'a>>) -> Result<(), WrongShape> {
    let calls = message.array("tool_calls")?.unwrap_or_default();
    let count = calls.len();
    for (at, node) in calls.into_iter().enumerate() {
        blocks.push(call(node, at, made).map_err(|fault| fault.at(at).under("tool_calls"))?);
    }
    let Some(mut function) = message.object("function_call")? else { return Ok(()) };
    let (name, input) = read(&mut function, "arguments").map_err(|fault| fault.under("function_call"))?;
    let call = Call { id: made(count).into(), item_id: None, name, namespace: None, input: Input::Json(input) };
    blocks.push(content::block(Part::Call(call), count));
    Ok(())
}

fn read<'a>(function: &mut Fields<'a>, input: &str) -> Result<(Text<'a>, Text<'a>), WrongShape> {
    let name = function.required_text("name")?;
    // Some vendors give the arguments as an object.
    let input = match function.some(input) {
        None => Cow::Borrowed(""),
        Some(node) => node.text().unwrap_or(Cow::Borrowed(node.json())),
    };
    Ok((name, input))
}

fn call<'a>(node: Node<'a>, at: usize, made: &dyn Fn(usize) -> String) -> Result<Block<'a>, WrongShape> {
    let mut fields = node.members()?;
    let id = fields.text("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| made(at).into());
    let custom = fields.text("type")?.as_deref() == Some("custom");
    let mut rest = Rest::default();
    let inner = if custom { "custom" } else { "function" };
    let mut function = fields.object(inner)?.ok_or_else(|| WrongShape::missing(inner, "an object"))?;
    let (name, input) = read(&mut function, if custom { "input" } else { "arguments" }).map_err(|fault| fault.under(inner))?;
    keep(&mut rest, inner, function);
    let seal = take_seal(&mut fields);
    fields.take("index");
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    let input = if custom { Input::Free(input) } else { Input::Json(input) };
    let part = Part::Call(Call { id, item_id: None, name, namespace: None, input });
    Ok(Block { part, cache: None, seal, at, rest })
}

/// Takes Google's thought signature out of `extra_content`. The slot is Google's own, in whatever dialect it stands.
pub(super) fn take_seal<'a>(fields: &mut Fields<'a>) -> Option<Seal<'a>> {
    let seal = fields.peek("extra_content").and_then(seal_of)?;
    fields.take("extra_content");
    Some(seal)
}

/// Google's thought signature within `extra_content`.
pub(super) fn seal_of(extra: Node<'_>) -> Option<Seal<'_>> {
    let text = extra.object()?.object("google").ok()??.text("thought_signature").ok()??;
    (!text.is_empty()).then(|| Seal::read(Dialect::Gemini, text))
}

/// Writes Google's thought signature.
pub(super) fn write_seal(seal: Option<&str>, object: &mut ObjectWriter<'_>) {
    if let Some(seal) = seal {
        object.object("extra_content", |extra| {
            extra.object("google", |google| {
                google.text("thought_signature", seal);
            });
        });
    }
}

/// Writes the members of one call. `empty` is what stands for no arguments.
pub(super) fn write(call: &Call<'_>, rest: &Rest<'_>, seal: Option<&str>, empty: &str, object: &mut ObjectWriter<'_>) {
    object.text("id", &call.id);
    match &call.input {
        Input::Json(json) => object.text("type", "function").object("function", |function| {
            function.text("name", &call.name).text("arguments", if json.is_empty() { empty } else { json });
            write_inner(rest, "function", function);
        }),
        Input::Free(words) => object.text("type", "custom").object("custom", |custom| {
            custom.text("name", &call.name).text("input", words);
            write_inner(rest, "custom", custom);
        }),
    };
    write_seal(seal, object);
    write_outer(rest, object);
}
