//! What is lifted is lowered back; what vendors and clients really send is read.

mod answers;
mod fixtures;
mod recorded;
mod requests;
mod streams;

use serde_json::Value;

use super::{
    super::{
        Dialect, Wire,
        canon::{Answer, Request},
        spoke::{Asked, Target, Telling, spoke},
        testing::{node, value},
    },
    Chat,
};
use crate::transform::Loss;

fn telling() -> Telling {
    Telling {
        request_id: "7".into(),
        now: 1_780_000_000,
        model: "gpt-5.4".into(),
        include_usage: true,
        wire: Wire::Sse,
        ..Telling::default()
    }
}

fn lift(body: &str) -> Request<'_> {
    let fields = node(body).object().unwrap();
    let streams = fields.peek("stream").and_then(crate::protocol::json::Node::bool).unwrap_or(false);
    let model = fields.peek("model").and_then(|model| model.json().trim_matches('"').into()).unwrap_or("gpt-5.4");
    spoke(Dialect::Chat).lift_request(node(body), Asked { model, streams, goes_on_from: None }).unwrap()
}

fn lower(request: &Request<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = spoke(Dialect::Chat).lower_request(request, Target::default(), &mut losses).unwrap();
    (value(&body), losses)
}

/// A request through the canonical form and back, which loses nothing.
fn round(body: &str) -> Value {
    let (back, losses) = lower(&lift(body));
    assert_eq!(losses, [], "{body}");
    back
}

/// The same request as if another dialect had sent it.
fn from(dialect: Dialect, body: &str) -> Request<'_> {
    Request { from: dialect, ..lift(body) }
}

fn lower_answer(answer: &Answer<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = spoke(Dialect::Chat).lower_answer(answer, &telling(), &mut losses);
    (value(&body), losses)
}

fn message(json: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{json},"finish_reason":"stop"}}]}}"#
    )
}

fn lift_answer(body: &str) -> Answer<'_> {
    spoke(Dialect::Chat).lift_answer(node(body)).unwrap()
}

fn paths(losses: &[Loss]) -> Vec<&str> {
    losses.iter().map(|loss| loss.path.as_str()).collect()
}

#[test]
fn the_spoke_is_found_by_its_dialect() {
    assert_eq!(format!("{:?}", spoke(Dialect::Chat)), format!("{Chat:?}"));
}
