//! Gemini generateContent and streamGenerateContent, of AI Studio and of Vertex.

mod answer_parts;
mod args;
mod fast;
mod fields;
mod ground_writer;
mod grounds;
mod ids;
mod lift_answer;
mod lift_config;
mod lift_part;
mod lift_request;
mod lift_stream;
mod logprobs;
mod lost;
mod lower_answer;
mod lower_config;
mod lower_part;
mod lower_request;
mod lower_stream;
mod lower_tools;
mod lower_turns;
mod media;
mod models;
mod nested;
mod partial;
pub(super) mod schema;
mod speaking;
mod stop;
mod telling;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

use super::{
    NoAnswer,
    canon::{Answer, Request},
    spoke::{Asked, Lift, Lower, Spoke, Target, Telling},
};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

/// The dialect.
#[derive(Debug)]
pub(super) struct Gemini;

impl Spoke for Gemini {
    fn lift_request<'a>(&self, body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused> {
        lift_request::lift(body, asked)
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
        Box::new(lift_stream::Lifter::default())
    }

    fn lowerer(&self, telling: &Telling) -> Box<dyn Lower> {
        Box::new(lower_stream::Lowerer::new(telling))
    }
}
