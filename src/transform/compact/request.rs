//! A request for compaction as a request for content.

use std::borrow::Cow;

use super::{HEAD, TASK, transcript};
use crate::{
    protocol::json::{Node, WrongShape},
    transform::{
        Loss, Refused,
        generate::{
            Asked, Dialect, Target,
            canon::{Block, Part, Request, Rest, Role, Turn},
            spoke::spoke,
        },
    },
};

/// A request for compaction.
#[derive(Debug)]
pub struct Compacting<'a> {
    request: Request<'a>,
    kept: Kept,
}

/// The user's messages, which stand before the summary in the answer.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The `content` of each as an array of parts, in JSON.
    pub(super) contents: Vec<String>,
}

impl<'a> Compacting<'a> {
    /// Reads the body of `/v1/responses/compact`, whose seals are [opened](super::opened) already.
    ///
    /// # Errors
    /// It is not what OpenAI says, or leans on what a provider keeps.
    pub fn read(body: Node<'a>, asked: Asked<'a>) -> Result<Self, Refused> {
        let kept = kept(body)?;
        Self::of(spoke(Dialect::Responses).lift_request(body, asked)?, kept)
    }

    /// Makes the request for content out of the lifted body.
    pub(super) fn of(mut request: Request<'a>, kept: Kept) -> Result<Self, Refused> {
        if request.state.previous.is_some() {
            return Err(Refused::impossible(
                "previous_response_id",
                "this model's provider keeps no answers; send the conversation as input",
            ));
        }
        if request.state.conversation.is_some() {
            return Err(Refused::impossible("conversation", "this model's provider keeps no conversations; send it as input"));
        }
        request.turns = transcript::plain(std::mem::take(&mut request.turns));
        if request.turns.is_empty() {
            return Err(WrongShape::new("input", "empty", "the conversation to compact").into());
        }
        let at = request.turns.len();
        let task = Block {
            part: Part::Text { text: Cow::Borrowed(TASK), citations: Vec::new() },
            cache: None,
            seal: None,
            at: 0,
            rest: Rest::default(),
        };
        request.turns.push(Turn { role: Role::User, blocks: vec![task], at, id: None, name: None, rest: Rest::default() });
        // Nothing is to be called, whatever the conversation could.
        request.tools.clear();
        request.tool_choice = None;
        request.parallel_calls = None;
        request.format = None;
        // The answer goes back to the caller, sealed: nobody else needs to keep it.
        request.state.store = Some(false);
        Ok(Self { request, kept })
    }

    /// The body of a dialect's call.
    ///
    /// # Errors
    /// The dialect has no form for it.
    pub fn written(&self, to: Dialect, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        spoke(to).lower_request(&self.request, target, losses)
    }

    /// What the answer needs of the request.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept.clone()
    }

    /// The canonical form.
    #[cfg(test)]
    pub(super) fn request(&self) -> &Request<'a> {
        &self.request
    }
}

/// The user's messages of the input, as they stand; an opened summary is not among them, since the next one holds it.
pub(super) fn kept(body: Node<'_>) -> Result<Kept, Refused> {
    let fields = body.members()?;
    let Some(input) = fields.peek("input").filter(|input| !input.is_null()) else {
        return Err(WrongShape::missing("input", "the conversation to compact").into());
    };
    let items = match input.array() {
        Some(items) => items,
        None if input.text().is_some() => return Ok(Kept { contents: vec![part(input)] }),
        None => return Err(input.wrong("input", "a string or an array of items").into()),
    };
    Ok(Kept { contents: items.into_iter().filter_map(content).collect() })
}

fn content(item: Node<'_>) -> Option<String> {
    let fields = item.object()?;
    let is_message = fields.peek_text("type").is_none_or(|kind| kind == "message");
    if !is_message || fields.peek_text("role").as_deref() != Some("user") {
        return None;
    }
    let content = fields.peek("content")?;
    let first = match content.array() {
        Some(parts) => parts.first().and_then(|part| part.object()?.peek_text("text")),
        None => content.text(),
    };
    if first.is_some_and(|text| text.starts_with(HEAD)) {
        return None;
    }
    if content.array().is_some() { Some(content.json().to_owned()) } else { content.text().map(|_| part(content)) }
}

/// A text, which is JSON already, as the one part of a content.
fn part(text: Node<'_>) -> String {
    format!(r#"[{{"type":"input_text","text":{}}}]"#, text.json())
}
