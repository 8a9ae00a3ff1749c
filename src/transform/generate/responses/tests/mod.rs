//! The laws, on fixtures and on recorded exchanges; and what is easily got wrong.

mod answers;
mod laws;
mod recordings;
mod requests;
mod streams;

use std::path::PathBuf;

use serde_json::Value;

use super::super::{
    Dialect,
    canon::{Answer, Request},
    spoke::{Asked, Target, Telling, spoke},
    testing::{node, value},
};
use crate::transform::Loss;

/// Scenarios by name, with the folder that holds them.
fn scenarios() -> Vec<(String, PathBuf)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate/responses"));
    let mut all: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap()).collect();
    all.sort_by_key(std::fs::DirEntry::file_name);
    let all = all.into_iter().map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    all.filter(|(name, _)| name != "errors").collect()
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/generate/responses/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn lift(json: &str) -> Request<'_> {
    let streams = value(json.as_bytes())["stream"] == Value::Bool(true);
    let model = node(json).object().and_then(|body| body.peek("model")).map_or("gpt-5.4", |model| model.json().trim_matches('"'));
    spoke(Dialect::Responses)
        .lift_request(node(json), Asked { model, streams, goes_on_from: None })
        .unwrap_or_else(|fault| panic!("{fault}: {json:.300}"))
}

fn lower(request: &Request<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = spoke(Dialect::Responses).lower_request(request, Target::default(), &mut losses).unwrap();
    (value(&body), losses)
}

fn lift_answer(json: &str) -> Answer<'_> {
    spoke(Dialect::Responses).lift_answer(node(json)).unwrap_or_else(|fault| panic!("{fault}: {json:.300}"))
}

fn lower_answer(answer: &Answer<'_>) -> (Value, Vec<Loss>) {
    let mut losses = Vec::new();
    let body = spoke(Dialect::Responses).lower_answer(answer, &telling(), &mut losses);
    (value(&body), losses)
}

fn telling() -> Telling {
    Telling { request_id: "req-1".to_owned(), now: 7, model: "asked".to_owned(), ..Telling::default() }
}

/// The paths of losses.
fn paths(losses: &[Loss]) -> Vec<&str> {
    losses.iter().map(|loss| &*loss.path).collect()
}

/// The events of a stream, as values.
fn events(stream: &str) -> Vec<Value> {
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| value(data.as_bytes())).collect()
}
