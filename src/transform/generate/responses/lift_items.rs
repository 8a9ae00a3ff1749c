//! Items into turns. What the model said, item by item, is one turn; results that follow each other are one.

use std::{borrow::Cow, collections::HashMap};

use super::super::canon::{Block, Call, CallResult, Input, Part, Reasoning, Rest, Role, Text, Turn};
use super::{
    OWN, lift_parts,
    server::{self, Side},
};
use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape},
    transform::Seal,
};

/// Hints on the first block of a message within a turn: that a message begins, and its own members.
pub(super) const MESSAGE: &str = "message";
pub(super) const MESSAGE_ID: &str = "message.id";
pub(super) const MESSAGE_STATUS: &str = "message.status";
pub(super) const MESSAGE_PHASE: &str = "message.phase";
/// A hint on reasoning that this dialect itself wrote: its text is `content`, not a summary.
pub(super) const ITEM: &str = "item";

/// Turns in the making.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    turns: Vec<Turn<'a>>,
    /// Names of tools by the ids of their calls.
    called: HashMap<Text<'a>, Text<'a>>,
    /// Whether the last turn is made of results, so that more may join it.
    results: bool,
    /// A seal that belongs to the model's next block.
    loose: Option<Seal<'a>>,
    /// The first item that is only named.
    pub(super) named: Option<usize>,
}

impl<'a> Turns<'a> {
    /// The turns.
    pub(super) fn finish(self) -> Vec<Turn<'a>> {
        self.turns
    }

    /// A prompt that is no list.
    pub(super) fn prompt(&mut self, text: Text<'a>) {
        let block = lift_parts::block(Part::Text { text, citations: Vec::new() }, 0);
        self.turns.push(turn(Role::User, 0, vec![block]));
    }

    /// The next item.
    pub(super) fn push(&mut self, node: Node<'a>, at: usize) -> Result<(), WrongShape> {
        if let Some(text) = node.text() {
            self.results = false;
            let block = lift_parts::block(Part::Text { text, citations: Vec::new() }, 0);
            self.turns.push(turn(Role::User, at, vec![block]));
            return Ok(());
        }
        let fields = node.members()?;
        let kind = kind_of(&fields);
        if kind == "item_reference" {
            self.named.get_or_insert(at);
        }
        match &*kind {
            "message" => self.message(fields, at),
            "function_call_output" | "custom_tool_call_output" => {
                let block = self.result(fields, kind == "custom_tool_call_output")?;
                self.join_caller(block, at);
                Ok(())
            }
            "additional_tools" => {
                self.results = false;
                let block = lift_parts::block(Part::Opaque { of: OWN, json: Cow::Borrowed(node.raw()) }, 0);
                self.turns.push(turn(Role::Developer, at, vec![block]));
                Ok(())
            }
            kind => {
                let caller = server::side(kind) == Side::Caller;
                for block in blocks(node, fields, kind)? {
                    if caller {
                        self.join_caller(block, at);
                    } else {
                        self.join_model(block, at);
                    }
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, mut fields: Fields<'a>, at: usize) -> Result<(), WrongShape> {
        let role = match fields.text("role")?.as_deref() {
            Some("assistant" | "model") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some("user") | None => Role::User,
            Some(other) => return Err(WrongShape::new("role", format!("{other:?}"), "user, assistant, system or developer")),
        };
        fields.take("type");
        if role == Role::Assistant {
            for block in said(fields)? {
                self.join_model(block, at);
            }
            return Ok(());
        }
        self.results = false;
        let blocks = lift_parts::content(fields.take("content")).map_err(|fault| fault.under("content"))?;
        let id = fields.text("id")?;
        settle_status(&mut fields);
        self.turns.push(Turn { role, blocks, at, id, name: None, rest: Rest::of(OWN, nulls_gone(fields)) });
        Ok(())
    }

    fn result(&mut self, mut fields: Fields<'a>, free: bool) -> Result<Block<'a>, WrongShape> {
        fields.take("type");
        let id = fields.required_text("call_id")?;
        let item_id = fields.text("id")?;
        let content = match fields.some("output") {
            None => Vec::new(),
            Some(node) => match node.shape() {
                Shape::Text => node.text().filter(|text| !text.is_empty()).map(spoken).into_iter().collect(),
                Shape::Array => lift_parts::content(Some(node)).map_err(|fault| fault.under("output"))?,
                // Some clients send what their tool gave as it is.
                Shape::Null | Shape::Bool | Shape::Number | Shape::Object => vec![spoken(Cow::Borrowed(node.json()))],
            },
        };
        settle_status(&mut fields);
        let name = fields.peek_text("name").or_else(|| self.called.get(&id).cloned());
        let result = CallResult { id, name, item_id, content, object: None, failed: None, free };
        let mut block = lift_parts::block(Part::Result(result), 0);
        block.rest = Rest::of(OWN, nulls_gone(fields));
        Ok(block)
    }

    fn join_caller(&mut self, mut block: Block<'a>, at: usize) {
        match self.turns.last_mut() {
            Some(last) if self.results => {
                block.at = last.blocks.len();
                last.blocks.push(block);
            }
            _ => self.turns.push(turn(Role::User, at, vec![block])),
        }
        self.results = true;
    }

    fn join_model(&mut self, mut block: Block<'a>, at: usize) {
        self.results = false;
        if let Part::Call(call) = &block.part {
            self.called.insert(call.id.clone(), call.name.clone());
        }
        if self.take_loose(&block) {
            return;
        }
        if !matches!(block.part, Part::Reasoning(_)) && block.seal.is_none() {
            block.seal = self.loose.take();
        }
        match self.turns.last_mut() {
            Some(last) if last.role == Role::Assistant => {
                block.at = last.blocks.len();
                last.blocks.push(block);
            }
            _ => {
                block.at = 0;
                self.turns.push(turn(Role::Assistant, at, vec![block]));
            }
        }
    }

    /// Whether the block is but a carrier of another block's seal, as [`super::lower_parts`] writes it.
    fn take_loose(&mut self, block: &Block<'a>) -> bool {
        let Part::Reasoning(Reasoning { id, text, summary, seal: Some(seal), .. }) = &block.part else { return false };
        if seal.owner != crate::transform::generate::Dialect::Gemini || !text.is_empty() || !summary.is_empty() {
            return false;
        }
        let back = id.as_deref().is_some_and(|id| id.starts_with("rs_prev_"));
        match self.turns.last_mut().filter(|turn| back && turn.role == Role::Assistant).and_then(|turn| turn.blocks.last_mut()) {
            Some(before) if before.seal.is_none() => before.seal = Some(seal.clone()),
            _ => self.loose = Some(seal.clone()),
        }
        true
    }
}

fn turn(role: Role, at: usize, blocks: Vec<Block<'_>>) -> Turn<'_> {
    Turn { role, blocks, at, id: None, name: None, rest: Rest::default() }
}

fn spoken(text: Text<'_>) -> Block<'_> {
    lift_parts::block(Part::Text { text, citations: Vec::new() }, 0)
}

/// An item's type; "easy" messages have none.
pub(super) fn kind_of<'a>(fields: &Fields<'a>) -> Text<'a> {
    match fields.peek_text("type") {
        Some(kind) => kind,
        None if fields.peek("role").is_some() => Cow::Borrowed("message"),
        None => Cow::Borrowed("item_reference"),
    }
}

/// What an item of the model's becomes; for answers too.
pub(super) fn blocks<'a>(node: Node<'a>, fields: Fields<'a>, kind: &str) -> Result<Vec<Block<'a>>, WrongShape> {
    Ok(match kind {
        "message" => {
            let mut fields = fields;
            fields.take("type");
            fields.take("role");
            said(fields)?
        }
        "reasoning" => vec![reasoning(fields)?],
        "function_call" | "custom_tool_call" => vec![call(fields, kind == "custom_tool_call")?],
        _ => server::parts(kind, node).into_iter().map(|part| lift_parts::block(part, 0)).collect(),
    })
}

/// A message of the model's. Its own members are hints on its first block; those that nobody knows stand among that
/// block's rest.
fn said(mut fields: Fields<'_>) -> Result<Vec<Block<'_>>, WrongShape> {
    let mut blocks = lift_parts::content(fields.take("content")).map_err(|fault| fault.under("content"))?;
    let Some(first) = blocks.first_mut() else { return Ok(blocks) };
    first.rest.hint(OWN, MESSAGE, Cow::Borrowed(serde_json::value::RawValue::TRUE));
    for (name, hint) in [("id", MESSAGE_ID), ("status", MESSAGE_STATUS), ("phase", MESSAGE_PHASE)] {
        if let Some(value) = fields.some(name) {
            first.rest.hint(OWN, hint, Cow::Borrowed(value.raw()));
        }
    }
    let members = Rest::of(OWN, nulls_gone(fields)).members;
    if !members.is_empty() {
        first.rest.of = Some(OWN);
        first.rest.members.extend(members.into_iter().map(|(name, json)| (Cow::Owned(format!("{MESSAGE}.{name}")), json)));
    }
    Ok(blocks)
}

fn reasoning(mut fields: Fields<'_>) -> Result<Block<'_>, WrongShape> {
    fields.take("type");
    let id = fields.text("id")?;
    let mut summary = pieces(fields.some("summary"));
    let mut text = pieces(fields.some("content"));
    let sealed = fields.text("encrypted_content")?.filter(|data| !data.is_empty());
    let seal = sealed.map(|data| Seal::read(OWN, data));
    let foreign = seal.as_ref().is_some_and(|seal| seal.owner != OWN);
    // What another provider thought went out as a summary, since clients show that.
    if foreign && text.is_empty() {
        text = std::mem::take(&mut summary);
    }
    let redacted = foreign && id.as_deref().is_some_and(|id| id.starts_with("rs_redacted_"));
    settle_status(&mut fields);
    let mut block = lift_parts::block(Part::Reasoning(Reasoning { id, text, summary, seal, redacted }), 0);
    block.rest = Rest::of(OWN, nulls_gone(fields));
    if !foreign {
        block.rest.hint(OWN, ITEM, Cow::Borrowed(serde_json::value::RawValue::TRUE));
    }
    Ok(block)
}

fn pieces(list: Option<Node<'_>>) -> Vec<Text<'_>> {
    let Some(list) = list else { return Vec::new() };
    if let Some(text) = list.text() {
        return vec![text];
    }
    list.array().unwrap_or_default().into_iter().filter_map(|piece| piece.text().or_else(|| piece.object()?.peek_text("text"))).collect()
}

fn call(mut fields: Fields<'_>, free: bool) -> Result<Block<'_>, WrongShape> {
    fields.take("type");
    let item_id = fields.text("id")?;
    let id = match fields.text("call_id")?.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None => item_id.clone().ok_or_else(|| WrongShape::missing("call_id", "a string"))?,
    };
    let name = fields.required_text("name")?;
    let namespace = fields.text("namespace")?;
    let written = fields.some(if free { "input" } else { "arguments" });
    // Arguments as an object, where somebody took them out of their string.
    let written = written.map(|node| node.text().unwrap_or(Cow::Borrowed(node.json()))).unwrap_or_default();
    let input = if free { Input::Free(written) } else { Input::Json(written) };
    settle_status(&mut fields);
    let mut block = lift_parts::block(Part::Call(Call { id, item_id, name, namespace, input }), 0);
    block.rest = Rest::of(OWN, nulls_gone(fields));
    Ok(block)
}

/// A status that says nothing is no member to keep.
fn settle_status(fields: &mut Fields<'_>) {
    if fields.peek_text("status").is_none_or(|status| status == "completed") {
        fields.take("status");
    }
}

/// Without members that are `null`: they say what absence says.
pub(super) fn nulls_gone(mut fields: Fields<'_>) -> Fields<'_> {
    let empty: Vec<String> =
        fields.clone().rest().into_iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.into_owned()).collect();
    for name in empty {
        fields.take(&name);
    }
    fields
}
