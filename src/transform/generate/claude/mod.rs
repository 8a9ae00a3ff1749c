//! Anthropic Messages.
//!
//! Requests: `lift_request`, `lower_request` and what they are made of. Answers and streams likewise. What the models of
//! the family take and refuse is one table, `models`.

mod cache;
mod citation;
mod ids;
mod lift_answer;
mod lift_block;
mod lift_options;
mod lift_request;
mod lift_stream;
mod lift_tools;
mod lower_answer;
mod lower_block;
mod lower_options;
mod lower_request;
mod lower_server;
mod lower_stream;
mod lower_tools;
mod lower_turns;
mod media;
mod models;
mod piece;
mod place;
mod schema;
mod server;
mod stop;
mod stream_block;
mod thinking;
mod usage;

#[cfg(test)]
mod tests;

use super::{
    Dialect, NoAnswer,
    canon::{Answer, Request},
    spoke::{Asked, Lift, Lower, Spoke, Target, Telling},
};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

/// This dialect's own name, for seals and leftovers.
const OWN: Dialect = Dialect::Claude;

/// Whether a model goes on from a turn of its own that ends the conversation, as far as is known.
pub(super) fn continues(model: &str) -> bool {
    let model = models::of(model);
    model.known && model.prefill
}

/// The dialect.
#[derive(Debug)]
pub(super) struct Claude;

impl Spoke for Claude {
    fn lift_request<'a>(&self, body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused> {
        Ok(lift_request::lift(body, asked)?)
    }

    fn lower_request(&self, request: &Request<'_>, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        lower_request::lower(request, target, losses)
    }

    fn lift_answer<'a>(&self, body: Node<'a>) -> Result<Answer<'a>, NoAnswer> {
        lift_answer::lift(body)
    }

    fn lower_answer(&self, answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
        lower_answer::lower(answer, telling, losses)
    }

    fn lifter(&self) -> Box<dyn Lift> {
        Box::<lift_stream::Lifter>::default()
    }

    fn lowerer(&self, telling: &Telling) -> Box<dyn Lower> {
        Box::new(lower_stream::Lowerer::new(telling))
    }
}
