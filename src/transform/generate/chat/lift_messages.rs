//! The conversation: `messages` into turns.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, CallResult, Input, Media, MediaKind, Part, Rest, Role, Source, Text, Turn},
    },
    calls, cite, content, reasoning,
};
use crate::protocol::json::{Fields, Node, WrongShape};

/// Takes `messages`.
pub(super) fn lift<'a>(fields: &mut Fields<'a>) -> Result<Vec<Turn<'a>>, WrongShape> {
    let messages = fields.array("messages")?.ok_or_else(|| WrongShape::missing("messages", "an array of messages"))?;
    let mut calls = Calls::default();
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        turns.push(turn(message, at, &mut calls).map_err(|fault| fault.at(at).under("messages"))?);
    }
    Ok(turns)
}

/// The calls so far: results are matched to them.
#[derive(Debug, Default)]
struct Calls<'a> {
    known: Vec<Known<'a>>,
}

#[derive(Debug)]
struct Known<'a> {
    id: Text<'a>,
    name: Text<'a>,
    free: bool,
    answered: bool,
}

impl<'a> Calls<'a> {
    fn add(&mut self, blocks: &[Block<'a>]) {
        for block in blocks {
            if let Part::Call(call) = &block.part {
                let free = matches!(call.input, Input::Free(_));
                self.known.push(Known { id: call.id.clone(), name: call.name.clone(), free, answered: false });
            }
        }
    }

    /// The latest call of this id.
    fn of_id(&mut self, id: &str) -> Option<&mut Known<'a>> {
        self.known.iter_mut().rev().find(|call| call.id == id)
    }

    /// The earliest call of this name, or of any, that has no result yet.
    fn waiting(&mut self, name: Option<&str>) -> Option<&mut Known<'a>> {
        self.known.iter_mut().find(|call| !call.answered && name.is_none_or(|name| call.name == name))
    }
}

fn turn<'a>(message: Node<'a>, at: usize, calls: &mut Calls<'a>) -> Result<Turn<'a>, WrongShape> {
    let mut fields = message.members()?;
    let role = fields.required_text("role")?;
    let name = fields.text("name")?;
    let id = None;
    let (role, name, blocks) = match &*role {
        "system" => (Role::System, name, spoken(&mut fields)?),
        "developer" => (Role::Developer, name, spoken(&mut fields)?),
        "user" => (Role::User, name, spoken(&mut fields)?),
        "assistant" => (Role::Assistant, name, assistant(&mut fields, at, calls)?),
        "tool" => (Role::User, name.clone(), result(&mut fields, name.as_deref(), calls)?),
        // The older word for a result names its function only.
        "function" => (Role::User, None, result(&mut fields, name.as_deref(), calls)?),
        _ => {
            let was = if role.len() <= 40 { format!("{role:?}") } else { "another word".to_owned() };
            return Err(WrongShape::new("role", was, "system, developer, user, assistant or tool"));
        }
    };
    Ok(Turn { role, blocks, at, id, name, rest: Rest::of(Dialect::Chat, fields) })
}

fn spoken<'a>(fields: &mut Fields<'a>) -> Result<Vec<Block<'a>>, WrongShape> {
    let mut blocks = Vec::new();
    content::lift(fields.take("content"), &mut blocks)?;
    Ok(blocks)
}

fn assistant<'a>(fields: &mut Fields<'a>, at: usize, calls: &mut Calls<'a>) -> Result<Vec<Block<'a>>, WrongShape> {
    let mut blocks = reasoning::lift(fields);
    content::lift(fields.take("content"), &mut blocks)?;
    // An empty string beside calls, or alone, is how clients write that nothing was said.
    blocks.retain(|block| !matches!(&block.part, Part::Text { text, .. } if text.is_empty()));
    cite::attach(fields.array("annotations")?.unwrap_or_default(), &mut blocks);
    let seal = calls::take_seal(fields);
    if let Some(block) = blocks.iter_mut().find(|block| matches!(block.part, Part::Text { .. })) {
        block.seal = seal;
    }
    if let Some(refusal) = fields.text("refusal")? {
        blocks.push(content::block(Part::Refusal(refusal), 0));
    }
    images(fields, &mut blocks)?;
    audio(fields, &mut blocks)?;
    calls::lift(fields, &|number| format!("call_{at}_{number}"), &mut blocks)?;
    calls.add(&blocks);
    Ok(blocks)
}

/// Pictures that the model made, as compatible vendors write them.
pub(super) fn images<'a>(fields: &mut Fields<'a>, blocks: &mut Vec<Block<'a>>) -> Result<(), WrongShape> {
    for (at, image) in fields.array("images")?.unwrap_or_default().into_iter().enumerate() {
        blocks.push(self::image(image, at).map_err(|fault| fault.at(at).under("images"))?);
    }
    Ok(())
}

/// One picture that the model made.
pub(super) fn image(node: Node<'_>, at: usize) -> Result<Block<'_>, WrongShape> {
    let mut fields = node.members()?;
    let mut rest = Rest::default();
    fields.take("type");
    let media = super::media::addressed(&mut fields, MediaKind::Image, &mut rest)?;
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    Ok(Block { rest, ..content::block(Part::Media(media), at) })
}

/// An earlier answer's sound, by its id.
fn audio<'a>(fields: &mut Fields<'a>, blocks: &mut Vec<Block<'a>>) -> Result<(), WrongShape> {
    let Some(mut audio) = fields.object("audio")? else { return Ok(()) };
    let id = audio.required_text("id").map_err(|fault| fault.under("audio"))?;
    let media = Media { kind: MediaKind::Audio, source: Source::FileId(id), mime: None, name: None, detail: None };
    blocks.push(Block { rest: Rest::of(Dialect::Chat, audio), ..content::block(Part::Media(media), 0) });
    Ok(())
}

fn result<'a>(fields: &mut Fields<'a>, name: Option<&str>, calls: &mut Calls<'a>) -> Result<Vec<Block<'a>>, WrongShape> {
    let told = fields.text("tool_call_id")?.filter(|id| !id.is_empty());
    let call = match &told {
        Some(id) => calls.of_id(id),
        None => calls.waiting(name),
    };
    let (id, name, free) = match (told, call) {
        (told, Some(call)) => {
            call.answered = true;
            (told.unwrap_or_else(|| call.id.clone()), Some(call.name.clone()), call.free)
        }
        (Some(id), None) => (id, name.map(|name| Cow::Owned(name.to_owned())), false),
        (None, None) => return Err(WrongShape::missing("tool_call_id", "the id of the call that this answers")),
    };
    let mut content = Vec::new();
    content::lift(fields.take("content"), &mut content)?;
    let result = CallResult { id, name, item_id: None, content, object: None, failed: None, free };
    Ok(vec![content::block(Part::Result(result), 0)])
}
