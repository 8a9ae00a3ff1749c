//! What the spoke must uphold.

mod answers;
mod laws;
mod lowering;
mod recorded;
mod requests;
mod streams;

use serde_json::Value;

use super::super::{
    Dialect,
    canon::{Answer, Request},
    spoke::{Asked, Spoke, Target, Telling},
    testing::node,
};
use super::Gemini;
use crate::transform::Loss;

/// A request as if it were sent to `model`.
fn request<'a>(body: &'a str, model: &'a str) -> Request<'a> {
    Gemini.lift_request(node(body), Asked { model, streams: false, goes_on_from: None }).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

/// A request written, and what was lost.
fn written(request: &Request<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = Gemini.lower_request(request, Target::default(), &mut losses).unwrap();
    (super::super::testing::value(&body), losses)
}

/// The same request as another dialect would have sent it.
fn foreign<'a>(body: &'a str, model: &'a str, from: Dialect) -> Request<'a> {
    Request { from, ..request(body, model) }
}

fn answer(body: &str) -> Answer<'_> {
    Gemini.lift_answer(node(body)).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

/// An answer written, and what was lost.
fn told(answer: &Answer<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = Gemini.lower_answer(answer, &Telling::default(), &mut losses);
    (super::super::testing::value(&body), losses)
}

fn paths(losses: &[Loss]) -> Vec<&str> {
    losses.iter().map(|loss| &*loss.path).collect()
}
