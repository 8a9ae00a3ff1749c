//! Tools that the target has no form for, in a form that it has: free-text tools as functions of one text, namespaces as
//! a part of the name, names in the letters that it takes. What the model then calls is turned back before the client sees it.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::{
    Dialect,
    alphabet::fitted,
    canon::{Block, Call, CallResult, Input, Part, Raw, Request, Schema, Text, Tool, ToolChoice, ToolKind},
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
pub(in crate::transform) fn put_on(request: &mut Request<'_>, to: Dialect, losses: &mut Vec<Loss>) -> BTreeMap<String, Disguise> {
    let mut dressing = Dressing { to, has: has(to), worn: BTreeMap::new(), called: BTreeMap::new() };
    for tool in &mut request.tools {
        dressing.tool(tool, losses);
    }
    for block in request.turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        match &mut block.part {
            Part::Call(call) => dressing.call(call),
            Part::Result(result) => dressing.result(result),
            Part::Text { .. }
            | Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Media(_)
            | Part::ServerCall(_)
            | Part::ServerResult(_)
            | Part::Opaque { .. } => {}
        }
    }
    if let Some(choice) = &mut request.tool_choice {
        dressing.choice(choice);
    }
    dressing.worn
}

struct Dressing {
    to: Dialect,
    has: Has,
    worn: BTreeMap<String, Disguise>,
    /// Names that calls went out under, by the calls' ids, where they are not the client's own.
    called: BTreeMap<String, String>,
}

impl Dressing {
    /// The name that a tool goes out under, where it is another one.
    fn sent(&self, name: &str, namespace: Option<&str>) -> Option<String> {
        let joined = namespace.filter(|_| !self.has.namespaces).map(|namespace| flat(namespace, name));
        fitted(joined.as_deref().unwrap_or(name), self.to).or(joined)
    }

    fn tool(&mut self, tool: &mut Tool<'_>, losses: &mut Vec<Loss>) {
        match &mut tool.kind {
            ToolKind::Function { name, namespace, .. } => {
                let Some(sent) = self.sent(name, namespace.as_deref()) else { return };
                let known = Disguise { name: name.clone().into_owned(), namespace: namespace.clone().map(Cow::into_owned), free: false };
                self.worn.insert(sent.clone(), known);
                *name = Cow::Owned(sent);
                namespace.take_if(|_| !self.has.namespaces);
            }
            ToolKind::Custom { name, description, format } => {
                let sent = self.sent(name, None);
                let free = !self.has.free;
                if !free && sent.is_none() {
                    return;
                }
                let known = Disguise { name: name.clone().into_owned(), namespace: None, free };
                let sent = sent.map_or_else(|| std::mem::take(name), Cow::Owned);
                self.worn.insert(sent.clone().into_owned(), known);
                if !free {
                    *name = sent;
                    return;
                }
                if format.is_some() {
                    losses.push(Loss::changed(format!("tools[{}].format", tool.at), "the grammar is told in the tool's description"));
                }
                let described = described(description.as_deref(), format.as_deref());
                tool.kind = ToolKind::Function {
                    name: sent,
                    namespace: None,
                    description: described.map(Cow::Owned),
                    schema: Some(Schema::Json(constant(SCHEMA))),
                    strict: None,
                };
            }
            ToolKind::Server { .. } => {}
        }
    }

    fn call(&mut self, call: &mut Call<'_>) {
        if let Some(sent) = self.sent(&call.name, call.namespace.as_deref()) {
            self.called.insert(call.id.clone().into_owned(), sent.clone());
            call.name = Cow::Owned(sent);
            call.namespace.take_if(|_| !self.has.namespaces);
        }
        if let (false, Input::Free(words)) = (self.has.free, &call.input) {
            call.input = Input::Json(Cow::Owned(wrapped(words)));
        }
    }

    fn result(&self, result: &mut CallResult<'_>) {
        let sent = self.called.get(&*result.id).cloned().or_else(|| fitted(result.name.as_deref()?, self.to));
        if let Some(sent) = sent {
            result.name = Some(Cow::Owned(sent));
        }
        result.free &= self.has.free;
    }

    fn choice(&self, choice: &mut ToolChoice<'_>) {
        let dress = |name: &mut Text<'_>| {
            let sent = self.worn.iter().find(|(_, known)| known.name == **name).map(|(sent, _)| sent.clone());
            if let Some(sent) = sent.or_else(|| fitted(name, self.to)) {
                *name = Cow::Owned(sent);
            }
        };
        match choice {
            ToolChoice::Named(name) => dress(name),
            ToolChoice::Among { names, .. } => names.iter_mut().for_each(dress),
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Opaque { .. } => {}
        }
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
    use serde_json::{Value, json};

    use super::{flat, unwrapped, wrapped};
    use crate::{
        protocol::frame::{Framing, sse::Splitter},
        transform::generate::{self, Asked, Dialect, StreamConverter, Target, Telling, Wire},
    };

    /// A name that no other dialect takes as it is.
    const ODD: &str = "files/read me";

    /// A request with an odd name everywhere a name may stand, and an upstream's answer that calls what went out.
    fn there(to: Dialect) -> (String, generate::Memory, Value) {
        let request = json!({"messages": [
            {"role": "user", "content": "Read."},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": ODD, "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Hello."}],
            "tools": [{"type": "function", "function": {"name": ODD, "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": ODD}}});
        let asked = Asked { model: "m-1", streams: false, goes_on_from: None };
        let converted = generate::request(Dialect::Chat, to, request.to_string().as_bytes(), asked, Target::default()).unwrap();
        let body: Value = serde_json::from_slice(&converted.body).unwrap();
        let name = match to {
            Dialect::Chat | Dialect::Responses | Dialect::Claude => &body["tools"][0]["name"],
            Dialect::Gemini => &body["tools"][0]["functionDeclarations"][0]["name"],
        };
        (name.as_str().unwrap().to_owned(), converted.memory, body)
    }

    #[test]
    fn an_odd_name_goes_out_in_the_targets_letters_wherever_it_stands() {
        for to in [Dialect::Responses, Dialect::Claude, Dialect::Gemini] {
            let (name, _, body) = there(to);
            assert!(name.starts_with("files_read_me_"), "{name}");
            let text = body.to_string();
            assert!(!text.contains(ODD), "{text}");
            // The definition, the call and the choice; Google's result too.
            let times = if to == Dialect::Gemini { 4 } else { 3 };
            assert_eq!(text.matches(&name).count(), times, "{text}");
        }
    }

    #[test]
    fn the_client_hears_its_own_name_whole_and_streamed() {
        let (name, memory, _) = there(Dialect::Claude);
        let telling = memory.telling(Telling::new("r".into(), 0, "m-1".into(), 0, Wire::Sse));
        let call = json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": {}});
        let answer =
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [call], "stop_reason": "tool_use"});
        let (told, losses) = generate::answer(Dialect::Claude, Dialect::Chat, answer.to_string().as_bytes(), &telling).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!((told["choices"][0]["message"]["tool_calls"][0]["function"]["name"].as_str(), losses.len()), (Some(ODD), 0));
        let begin = json!({"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "model": "m-1", "content": []}});
        let start = json!({"type": "content_block_start", "index": 0, "content_block": call});
        let mut converter = StreamConverter::new(Dialect::Claude, Framing::Sse(Splitter::default()), Dialect::Chat, &telling);
        let stream = converter.push(format!("data: {begin}\n\ndata: {start}\n\n").as_bytes()).unwrap();
        assert!(String::from_utf8(stream).unwrap().contains(ODD));
    }

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
