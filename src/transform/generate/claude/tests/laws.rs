//! What goes in comes out; a stream is its answer.

use serde_json::{Value, json};

use super::{Claude, fixture, lift, lower, normal, scenarios};
use crate::transform::generate::{
    Dialect,
    canon::{Answer, Part},
    fold::unfold,
    frames::Frames,
    spoke::{Spoke, Telling},
    testing::{fold_stream, lift_stream, lower_stream, node, recorded, value},
};

fn lowered(answer: &Answer<'_>) -> Value {
    let mut losses = Vec::new();
    let body = Claude.lower_answer(answer, &Telling::default(), &mut losses);
    assert!(losses.is_empty(), "{losses:?}");
    value(&body)
}

/// The data of a stream's events, without pings.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| value(data.as_bytes())).filter(|event| event["type"] != json!("ping")).collect()
}

#[test]
fn a_request_comes_back_as_it_was() {
    for scenario in scenarios() {
        let body = fixture(&scenario, "request.json");
        let (back, losses) = lower(&lift(&body));
        assert_eq!(back, value(body.as_bytes()), "{scenario}");
        assert!(losses.is_empty(), "{scenario}: {losses:?}");
    }
}

#[test]
fn an_answer_comes_back_as_it_was() {
    for scenario in scenarios() {
        let body = fixture(&scenario, "answer.json");
        let answer = Claude.lift_answer(node(&body)).unwrap();
        assert_eq!(lowered(&answer), value(body.as_bytes()), "{scenario}");
    }
}

#[test]
fn a_stream_comes_back_as_it_was() {
    for scenario in scenarios().into_iter().filter(|scenario| scenario != "unknown_fields") {
        let stream = fixture(&scenario, "stream.sse");
        let mut lower = Claude.lowerer(&Telling::default());
        let (mut frames, mut losses) = (Frames::default(), Vec::new());
        lift_stream(Dialect::Claude, stream.as_bytes(), 7, &mut |event| lower.push(event, &mut frames, &mut losses));
        let back = String::from_utf8(frames.take()).unwrap();
        assert_eq!(events(&back), events(&stream), "{scenario}");
        assert!(losses.is_empty(), "{scenario}: {losses:?}");
    }
}

#[test]
fn a_stream_is_its_answer() {
    for scenario in scenarios() {
        let whole = fixture(&scenario, "answer.json");
        let mut whole = Claude.lift_answer(node(&whole)).unwrap();
        // A stream has no place for members that nobody knows.
        whole.rest = crate::transform::generate::canon::Rest::default();
        let streamed = fold_stream(Dialect::Claude, fixture(&scenario, "stream.sse").as_bytes()).unwrap();
        assert_eq!(lowered(&streamed), lowered(&whole), "{scenario}");
        assert_eq!(streamed.usage, whole.usage, "{scenario}");
        assert_eq!(streamed.choices[0].stop, whole.choices[0].stop, "{scenario}");
        assert_eq!(parts(&streamed), parts(&whole), "{scenario}");
    }
}

/// The parts in words, without white space: raw JSON may differ in it.
fn parts(answer: &Answer<'_>) -> Vec<String> {
    let parts = answer.choices[0].blocks.iter().map(|block| &block.part);
    let words = parts.filter(|part| !matches!(part, Part::Call(_) | Part::ServerCall(_))).map(|part| format!("{part:?}"));
    words.map(|words| words.split_whitespace().collect()).collect()
}

#[test]
fn an_answer_written_as_a_stream_is_the_same_answer() {
    for scenario in scenarios().into_iter().filter(|scenario| scenario != "unknown_fields") {
        let body = fixture(&scenario, "answer.json");
        let answer = Claude.lift_answer(node(&body)).unwrap();
        let (stream, losses) = lower_stream(Dialect::Claude, &answer, &Telling::default());
        assert!(losses.is_empty(), "{scenario}: {losses:?}");
        assert_eq!(lowered(&fold_stream(Dialect::Claude, stream.as_bytes()).unwrap()), value(body.as_bytes()), "{scenario}");
    }
}

#[test]
fn every_recorded_request_comes_back_as_it_was() {
    for exchange in recorded(Dialect::Claude).into_iter().filter(|exchange| exchange.status == 200) {
        let body = exchange.request.to_string();
        let (back, losses) = lower(&lift(&body));
        assert_eq!(normal(back), normal(exchange.request), "{}: {losses:?}", exchange.name);
        assert!(losses.is_empty(), "{}: {losses:?}", exchange.name);
    }
}

#[test]
fn every_recorded_answer_comes_back_as_it_was() {
    for exchange in recorded(Dialect::Claude).into_iter().filter(|exchange| exchange.status == 200 && !exchange.streams) {
        let answer = Claude.lift_answer(node(&exchange.body)).unwrap();
        let (mut back, mut was) = (lowered(&answer), value(exchange.body.as_bytes()));
        for answer in [&mut back, &mut was] {
            // Figures that add up to the same ones, or say nothing of this answer.
            let usage = answer["usage"].as_object_mut().unwrap();
            for name in ["inference_geo", "iterations", "server_tool_use", "output_tokens_details"] {
                usage.remove(name);
            }
            super::blocks(&mut answer["content"]);
            answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
        assert_eq!(back, was, "{}", exchange.name);
    }
}

#[test]
fn every_recorded_stream_ends_and_folds_to_an_answer_that_streams() {
    for exchange in recorded(Dialect::Claude).into_iter().filter(|exchange| exchange.status == 200 && exchange.streams) {
        let answer = fold_stream(Dialect::Claude, exchange.body.as_bytes()).unwrap();
        let (stream, losses) = lower_stream(Dialect::Claude, &answer, &Telling::default());
        assert!(losses.is_empty(), "{}: {losses:?}", exchange.name);
        let again = fold_stream(Dialect::Claude, stream.as_bytes()).unwrap();
        assert_eq!(lowered(&again), lowered(&answer), "{}", exchange.name);
        assert_eq!(again.usage, answer.usage, "{}", exchange.name);
        assert!(answer.usage.unwrap().output + answer.usage.unwrap().reasoning > 0, "{}", exchange.name);
        let mut pieces = 0;
        unfold(&answer, &mut |_| pieces += 1);
        assert!(pieces > 3, "{}", exchange.name);
    }
}
