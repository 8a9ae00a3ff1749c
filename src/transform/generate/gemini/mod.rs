//! Gemini generateContent.

use super::{
    canon::{Answer, Request},
    spoke::{Asked, Lift, Lower, Spoke, Target, Telling},
};
use crate::{
    protocol::json::{Node, WrongShape},
    transform::{Loss, Refused},
};

/// The dialect.
#[derive(Debug)]
pub(super) struct Gemini;

impl Spoke for Gemini {
    fn lift_request<'a>(&self, _body: Node<'a>, _asked: Asked<'a>) -> Result<Request<'a>, Refused> {
        todo!()
    }

    fn lower_request(&self, _request: &Request<'_>, _target: Target, _losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        todo!()
    }

    fn lift_answer<'a>(&self, _body: Node<'a>) -> Result<Answer<'a>, WrongShape> {
        todo!()
    }

    fn lower_answer(&self, _answer: &Answer<'_>, _telling: &Telling, _losses: &mut Vec<Loss>) -> Vec<u8> {
        todo!()
    }

    fn lifter(&self) -> Box<dyn Lift> {
        todo!()
    }

    fn lowerer(&self, _telling: &Telling) -> Box<dyn Lower> {
        todo!()
    }
}
