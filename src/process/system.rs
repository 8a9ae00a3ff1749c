//! Adds to the system prompt.

use super::{
    filter::Dialect,
    tree::{Entries, Tree, quoted},
};
use crate::protocol::rule::{Side, SystemText};

/// Adds a text; tells whether there was a place for it.
pub(super) fn add(tree: &mut Tree<'_>, dialect: Dialect, rule: &SystemText) -> bool {
    let Some(body) = tree.object() else { return false };
    match dialect {
        Dialect::Claude => claude(body, rule),
        Dialect::Responses => string(body, "instructions", rule),
        Dialect::Chat => chat(body, rule),
        Dialect::Gemini => gemini(body, rule),
    }
}

fn claude(body: &mut Entries<'_>, rule: &SystemText) -> bool {
    let Some(blocks) = body.named("system").and_then(Tree::array) else { return string(body, "system", rule) };
    insert(blocks, rule.position, format!(r#"{{"type":"text","text":{}}}"#, quoted(&rule.text)));
    true
}

/// Joins the text with a member that is a string, or absent.
fn string(body: &mut Entries<'_>, name: &str, rule: &SystemText) -> bool {
    let Some(value) = body.named(name) else {
        body.push_named(name, Tree::string(&rule.text));
        return true;
    };
    let joined = match value.text() {
        Some(there) if !there.is_empty() => join(&there, rule),
        None if !value.is_null() => return false,
        _ => rule.text.clone(),
    };
    value.set(quoted(&joined).into())
}

fn join(there: &str, rule: &SystemText) -> String {
    match rule.position {
        Side::Prepend => format!("{} {there}", rule.text),
        Side::Append => format!("{there}\n\n{}", rule.text),
    }
}

fn chat(body: &mut Entries<'_>, rule: &SystemText) -> bool {
    let Some(messages) = body.named("messages").and_then(Tree::array) else { return false };
    let leads = |message: &mut Tree<'_>| message.member_text("role").is_some_and(|role| role == "system" || role == "developer");
    let at = match rule.position {
        Side::Prepend => 0,
        Side::Append => messages.values().map_while(|message| leads(message).then_some(())).count(),
    };
    messages.insert(at, Tree::closed(format!(r#"{{"role":"system","content":{}}}"#, quoted(&rule.text))));
    true
}

fn gemini(body: &mut Entries<'_>, rule: &SystemText) -> bool {
    let part = format!(r#"{{"text":{}}}"#, quoted(&rule.text));
    // Google's parsers take both spellings.
    let name = ["systemInstruction", "system_instruction"].into_iter().find(|name| body.named(name).is_some_and(|found| !found.is_null()));
    let Some(instruction) = name.and_then(|name| body.named(name)) else {
        body.remove_named("systemInstruction");
        body.push_named("systemInstruction", Tree::closed(format!(r#"{{"parts":[{part}]}}"#)));
        return true;
    };
    let Some(instruction) = instruction.object() else { return false };
    if instruction.named("parts").is_none() {
        instruction.push_named("parts", Tree::closed(format!("[{part}]")));
        return true;
    }
    let Some(parts) = instruction.named("parts").and_then(Tree::array) else { return false };
    insert(parts, rule.position, part);
    true
}

fn insert(list: &mut Entries<'_>, side: Side, json: String) {
    let at = match side {
        Side::Prepend => 0,
        Side::Append => list.len(),
    };
    list.insert(at, Tree::closed(json));
}
