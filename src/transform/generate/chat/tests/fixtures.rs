//! Every scenario: request, answer and stream come back as they were, and say the same.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{
    super::super::{
        Dialect,
        canon::Rest,
        event::Event,
        fold::Fold,
        frames::Frames,
        spoke::spoke,
        testing::{fold_stream, lift_stream, lower_stream, value},
    },
    lift_answer, lower_answer, round, telling,
};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate/chat"))
}

fn scenarios() -> Vec<(String, String, String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let folder = entry.unwrap().path();
        let read = |name: &str| fs::read_to_string(folder.join(name));
        if let (Ok(request), Ok(answer), Ok(stream)) = (read("request.json"), read("answer.json"), read("stream.sse")) {
            all.push((folder.file_name().unwrap().to_string_lossy().into_owned(), request, answer, stream));
        }
    }
    all.sort();
    assert!(all.len() > 30);
    all
}

/// The chunks of a stream as values; `[DONE]` as a string.
fn chunks(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| if data == "[DONE]" { Value::from("done") } else { value(data.as_bytes()) }).collect()
}

/// A stream through the canonical form and back.
fn relay(stream: &str, size: usize) -> String {
    let mut lower = spoke(Dialect::Chat).lowerer(&telling());
    let (mut frames, mut losses) = (Frames::default(), Vec::new());
    lift_stream(Dialect::Chat, stream.as_bytes(), size, &mut |event| lower.push(event, &mut frames, &mut losses));
    assert_eq!(losses, []);
    String::from_utf8(frames.take()).unwrap()
}

#[test]
fn requests_come_back() {
    for (name, request, ..) in scenarios() {
        assert_eq!(round(&request), value(request.as_bytes()), "{name}");
    }
}

#[test]
fn answers_come_back() {
    for (name, _, answer, _) in scenarios() {
        let (back, losses) = lower_answer(&lift_answer(&answer));
        assert_eq!(losses, [], "{name}");
        assert_eq!(back, value(answer.as_bytes()), "{name}");
    }
}

#[test]
fn streams_come_back_in_whatever_pieces_they_arrive() {
    for (name, _, _, stream) in scenarios() {
        for size in [1, 7, usize::MAX] {
            assert_eq!(chunks(&relay(&stream, size)), chunks(&stream), "{name}");
        }
    }
}

#[test]
fn a_stream_says_what_the_answer_says() {
    for (name, _, answer, stream) in scenarios() {
        let folded = fold_stream(Dialect::Chat, stream.as_bytes()).unwrap();
        let mut expected = lift_answer(&answer);
        // What only the whole answer holds.
        expected.rest = Rest::default();
        assert_eq!(lower_answer(&folded), lower_answer(&expected), "{name}");
    }
}

#[test]
fn a_stream_made_of_an_answer_makes_the_answer() {
    for (name, _, answer, _) in scenarios() {
        let whole = lift_answer(&answer);
        let (stream, losses) = lower_stream(Dialect::Chat, &whole, &telling());
        assert_eq!(losses, [], "{name}");
        let folded = fold_stream(Dialect::Chat, stream.as_bytes()).unwrap();
        let mut expected = whole.clone();
        expected.rest = Rest::default();
        assert_eq!(lower_answer(&folded).0, lower_answer(&expected).0, "{name}");
    }
}

#[test]
fn a_broken_stream_is_a_fault_in_its_own_words() {
    let stream = fs::read_to_string(root().join("errors/stream_error.sse")).unwrap();
    let mut fold = Fold::new(Dialect::Chat);
    let mut faults = 0;
    lift_stream(Dialect::Chat, stream.as_bytes(), 5, &mut |event| {
        faults += usize::from(matches!(event, Event::Fault(_)));
        fold.push(event.clone());
    });
    assert_eq!(faults, 1);
    let fault = fold.finish().unwrap_err();
    assert_eq!((fault.code.as_deref(), &*fault.message), (Some("server_error"), "The server had an error while processing your request."));
    assert_eq!(chunks(&relay(&stream, usize::MAX)), chunks(&stream));
}
