//! The body of a request.
//!
//! The conversation comes last, so that the body of a longer one begins as the shorter one's.

use std::borrow::Cow;

use super::{OWN, cache::Marks, lower_block::Pen, lower_options, lower_tools, lower_turns, models, thinking::Plan};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::{
        Loss, Refused,
        generate::{
            canon::{Part, Request, Role},
            spoke::Target,
        },
    },
};

/// Writes a request.
pub(super) fn lower(request: &Request<'_>, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    lower_options::check(request)?;
    let trimmed = trimmed(request, losses);
    let request = trimmed.as_ref().unwrap_or(request);
    let model = models::of(&request.model);
    let plan = Plan::of(request, &model, target, losses);
    let spoken = lower_options::spoken_format(request, &model, losses);
    let mut marks = Marks::new(request);
    let tools = lower_tools::write(request, &model, &mut marks, losses);
    let leading = lower_turns::leading(request);
    let mut out = Vec::with_capacity(4096);
    object(&mut out, |o| {
        o.text("model", &request.model);
        lower_options::write(request, &model, &plan, o, losses);
        lower_options::write_tools(request, tools.as_deref(), o, losses);
        let mut pen = Pen { from: request.from, marks, losses };
        mark(request, &mut pen, o);
        if let Some(system) = lower_turns::system(request, leading, spoken.as_deref(), &mut pen) {
            list("system", &system, o);
        }
        let mut messages = Vec::with_capacity(4096);
        lower_turns::messages(request, leading, &model, &mut pen, &mut messages);
        if let Ok(messages) = std::str::from_utf8(&messages) {
            o.json("messages", messages);
        }
    });
    Ok(out)
}

/// The request without the space at the end of the model's last words, where it is to go on from them: Anthropic refuses that.
fn trimmed<'a>(request: &Request<'a>, losses: &mut Vec<Loss>) -> Option<Request<'a>> {
    let last = request.turns.last().filter(|turn| turn.role == Role::Assistant && request.from != OWN)?;
    let Part::Text { text, .. } = &last.blocks.last()?.part else { return None };
    let kept = text.trim_end();
    if kept.is_empty() || kept.len() == text.len() {
        return None;
    }
    losses.push(Loss::changed(format!("{}[{}]", request.from.lists().0, last.at), "without the space at its end"));
    let mut copy = request.clone();
    if let Some(Part::Text { text, .. }) = copy.turns.last_mut().and_then(|turn| turn.blocks.last_mut()).map(|block| &mut block.part) {
        *text = Cow::Owned(kept.to_owned());
    }
    Some(copy)
}

/// The mark on the request as a whole.
fn mark(request: &Request<'_>, pen: &mut Pen<'_>, object: &mut ObjectWriter<'_>) {
    pen.marks.write((request.cache.mark, &request.rest), object, String::new, pen.losses);
}

/// Writes elements that stand in `elements`, joined with commas.
fn list(name: &str, elements: &[u8], object: &mut ObjectWriter<'_>) {
    if let Ok(elements) = std::str::from_utf8(elements) {
        object.array(name, |array| {
            array.json(elements);
        });
    }
}
