//! OpenAI Responses, which Codex speaks too.
//!
//! `input` is a flat list of items: what the model said (`message`, `reasoning`, `function_call`, tools of the provider's)
//! becomes one assistant's turn, results of tools a user's turn, and both come apart again into the same items.

mod ids;
mod lift_answer;
mod lift_items;
mod lift_parts;
mod lift_request;
mod lift_stream;
mod lower_answer;
mod lower_call;
mod lower_items;
mod lower_parts;
mod lower_request;
mod lower_server;
mod lower_stream;
mod lower_tools;
mod models;
mod options;
mod piece;
mod reading;
mod server;
mod stop;
mod stream_item;
mod stream_out;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

use super::{
    Dialect, NoAnswer,
    canon::{Answer, Request},
    names::{Field, path},
    spoke::{Asked, Lift, Lower, Spoke, Target, Telling},
};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

/// This dialect, for short.
const OWN: Dialect = Dialect::Responses;

/// The dialect.
#[derive(Debug)]
pub(super) struct Responses;

impl Spoke for Responses {
    fn lift_request<'a>(&self, body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused> {
        Ok(lift_request::lift(body, asked)?)
    }

    fn lower_request(&self, request: &Request<'_>, _target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        if request.cache.content.is_some() {
            let at = path(request.from, Field::CachedContent);
            return Err(Refused::impossible(at, "the cached content lies with another provider; send it as contents"));
        }
        Ok(lower_request::lower(request, losses))
    }

    fn lift_answer<'a>(&self, body: Node<'a>) -> Result<Answer<'a>, NoAnswer> {
        lift_answer::lift(body)
    }

    fn lower_answer(&self, answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
        lower_answer::lower(answer, telling, losses)
    }

    fn lifter(&self) -> Box<dyn Lift> {
        Box::new(lift_stream::Reader::default())
    }

    fn lowerer(&self, telling: &Telling) -> Box<dyn Lower> {
        Box::new(lower_stream::Writer::new(telling))
    }
}
