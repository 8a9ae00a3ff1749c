//! Tools that the target has no form for, in a form that it has: free-text tools as functions of one text, namespaces as
//! a part of the name. What the model then calls is turned back before the client sees it.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::{
    Dialect,
    canon::{Block, Call, Input, Part, Raw, Request, Schema, Text, Tool, ToolChoice, ToolKind},
    event::{Delta, Event},
    spoke::Disguise,
};
use crate::{
    protocol::json::{Node, object},
    transform::Loss,
};

/// The one member of a free-text tool's disguise.
const MEMBER: &str = "input";
const SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The tool's whole input as plain text."}},"required":["input"]}"#;
/// The longest name that every provider takes.
const LONGEST: usize = 64;

/// Which forms a dialect has.
#[derive(Clone, Copy)]
struct Has {
    free: bool,
    namespaces: bool,
}

const fn has(dialect: Dialect) -> Has {
    match dialect {
        Dialect::Responses => Has { free: true, namespaces: true },
        Dialect::Chat => Has { free: true, namespaces: false },
        Dialect::Claude | Dialect::Gemini => Has { free: false, namespaces: false },
    }
}

/// Puts every tool, call and result of a request into a form that `to` has. Gives what the client calls those that changed.
pub(super) fn put_on(request: &mut Request<'_>, to: Dialect, losses: &mut Vec<Loss>) -> BTreeMap<String, Disguise> {
    let has = has(to);
    let mut worn = BTreeMap::new();
    for tool in &mut request.tools {
        tool_put_on(tool, has, &mut worn, losses);
    }
    for block in request.turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        match &mut block.part {
            Part::Call(call) => call_put_on(call, has),
            Part::Result(result) if !has.free => result.free = false,
            Part::Text { .. }
            | Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Result(_)
            | Part::Media(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => {}
        }
    }
    if let Some(choice) = &mut request.tool_choice {
        choice_put_on(choice, &worn);
    }
    worn
}

fn tool_put_on(tool: &mut Tool<'_>, has: Has, worn: &mut BTreeMap<String, Disguise>, losses: &mut Vec<Loss>) {
    match &mut tool.kind {
        ToolKind::Function { name, namespace: space @ Some(_), .. } if !has.namespaces => {
            let namespace = space.take().unwrap_or_default().into_owned();
            let flat = flat(&namespace, name);
            worn.insert(flat.clone(), Disguise { name: name.clone().into_owned(), namespace: Some(namespace), free: false });
            *name = Cow::Owned(flat);
        }
        ToolKind::Custom { name, description, format } if !has.free => {
            worn.insert(name.clone().into_owned(), Disguise { name: name.clone().into_owned(), namespace: None, free: true });
            let described = described(description.as_deref(), format.as_deref());
            if format.is_some() {
                losses.push(Loss::changed(format!("tools[{}].format", tool.at), "the grammar is told in the tool's description"));
            }
            tool.kind = ToolKind::Function {
                name: std::mem::take(name),
                namespace: None,
                description: described.map(Cow::Owned),
                schema: Some(Schema::Json(constant(SCHEMA))),
                strict: None,
            };
        }
        ToolKind::Function { .. } | ToolKind::Custom { .. } | ToolKind::Server { .. } => {}
    }
}

fn call_put_on(call: &mut Call<'_>, has: Has) {
    if !has.namespaces
        && let Some(namespace) = call.namespace.take()
    {
        call.name = Cow::Owned(flat(&namespace, &call.name));
    }
    if let (false, Input::Free(words)) = (has.free, &call.input) {
        call.input = Input::Json(Cow::Owned(wrapped(words)));
    }
}

fn choice_put_on(choice: &mut ToolChoice<'_>, worn: &BTreeMap<String, Disguise>) {
    let flat = |name: &mut Text<'_>| {
        let sent = worn.iter().find(|(_, known)| known.name == **name).map(|(sent, _)| sent.clone());
        if let Some(sent) = sent {
            *name = Cow::Owned(sent);
        }
    };
    match choice {
        ToolChoice::Named(name) => flat(name),
        ToolChoice::Among { names, .. } => names.iter_mut().for_each(flat),
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Opaque { .. } => {}
    }
}

/// A name and its namespace as one name, within the length that every provider takes. The end of a long one is kept, as
/// that is where tools of one namespace differ.
fn flat(namespace: &str, name: &str) -> String {
    let joined = format!("{namespace}__{name}");
    let over = joined.chars().count().saturating_sub(LONGEST);
    joined.chars().skip(over).collect()
}

fn described(description: Option<&str>, format: Option<&RawValue>) -> Option<String> {
    match (description, format) {
        (description, None) => description.map(str::to_owned),
        (description, Some(format)) => Some(
            format!("{}\n\nThe input must follow this format: {}", description.unwrap_or_default(), format.get()).trim_start().to_owned(),
        ),
    }
}

fn wrapped(words: &str) -> String {
    let mut out = Vec::with_capacity(words.len() + 16);
    object(&mut out, |o| {
        o.text(MEMBER, words);
    });
    String::from_utf8(out).unwrap_or_default()
}

/// The free text within a disguised input; the input itself where the model did not keep to the form.
fn unwrapped(json: &str) -> String {
    let words = Node::parse(json.as_bytes()).ok().and_then(Node::object).and_then(|mut members| members.text(MEMBER).ok().flatten());
    words.map_or_else(|| json.to_owned(), Cow::into_owned)
}

fn constant(json: &'static str) -> Raw<'static> {
    serde_json::from_str::<&RawValue>(json).map_or_else(|_| Cow::Owned(RawValue::NULL.to_owned()), Cow::Borrowed)
}

/// Gives the calls of an answer back the form in which the client knows their tools.
pub(super) fn take_off(blocks: &mut [Block<'_>], worn: &BTreeMap<String, Disguise>) {
    for block in blocks {
        if let Part::Call(call) = &mut block.part
            && let Some(known) = worn.get(&*call.name)
        {
            undress(call, known);
            if let (true, Input::Json(json)) = (known.free, &call.input) {
                call.input = Input::Free(Cow::Owned(unwrapped(json)));
            }
        }
    }
}

fn undress(call: &mut Call<'_>, known: &Disguise) {
    call.name = Cow::Owned(known.name.clone());
    call.namespace = known.namespace.clone().map(Cow::Owned);
}

/// The same for a stream. A free text's pieces are held until the call is whole, since its disguise is JSON.
#[derive(Debug, Default)]
pub(super) struct Undressing {
    worn: BTreeMap<String, Disguise>,
    /// Inputs of disguised free-text calls so far, by block.
    held: BTreeMap<usize, String>,
}

impl Undressing {
    pub(super) fn new(worn: BTreeMap<String, Disguise>) -> Self {
        Self { worn, held: BTreeMap::new() }
    }

    /// Passes an event on, as the client shall see it.
    pub(super) fn push(&mut self, event: Event<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if self.worn.is_empty() {
            return sink(event);
        }
        match event {
            Event::BlockOpen { block, choice, mut head } => {
                if let Part::Call(call) = &mut head.part
                    && let Some(known) = self.worn.get(&*call.name)
                {
                    undress(call, known);
                    if let (true, Input::Json(json)) = (known.free, &call.input) {
                        self.held.insert(block, json.clone().into_owned());
                        call.input = Input::Free(Cow::Borrowed(""));
                    }
                }
                sink(Event::BlockOpen { block, choice, head });
            }
            Event::Delta { block, delta: Delta::Input(more) } => match self.held.get_mut(&block) {
                Some(held) => held.push_str(&more),
                None => sink(Event::Delta { block, delta: Delta::Input(more) }),
            },
            Event::BlockClose { block } => {
                if let Some(json) = self.held.remove(&block) {
                    sink(Event::Delta { block, delta: Delta::Input(Cow::Owned(unwrapped(&json))) });
                }
                sink(Event::BlockClose { block });
            }
            event @ (Event::Open(_)
            | Event::Delta { .. }
            | Event::Stop { .. }
            | Event::Usage(_)
            | Event::Close
            | Event::Fault(_)
            | Event::Unknown { .. }) => sink(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{flat, unwrapped, wrapped};

    #[test]
    fn free_text_comes_back_as_it_was() {
        for words in ["", "*** Begin Patch\n\"x\"", "{\"input\":1}", "é\u{0}"] {
            assert_eq!(unwrapped(&wrapped(words)), words);
        }
        assert_eq!(unwrapped("not the form"), "not the form");
    }

    #[test]
    fn a_flat_name_is_short_enough_and_keeps_its_end() {
        assert_eq!(flat("mcp", "read"), "mcp__read");
        let long = flat(&"n".repeat(80), "read");
        assert_eq!(long.len(), 64);
        assert!(long.ends_with("__read"));
    }
}
