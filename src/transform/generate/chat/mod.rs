//! OpenAI Chat Completions, as OpenAI and as the many compatible vendors speak it.

mod calls;
mod chunk;
mod cite;
mod content;
mod leftovers;
mod lift_answer;
mod lift_calls;
mod lift_messages;
mod lift_request;
mod lift_stream;
mod lift_thoughts;
mod lift_tools;
mod logprobs;
mod lower_answer;
mod lower_assistant;
mod lower_messages;
mod lower_options;
mod lower_request;
mod lower_stream;
mod lower_tools;
mod media;
mod profile;
mod reasoning;
mod stop;
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
pub(super) struct Chat;

impl Spoke for Chat {
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
