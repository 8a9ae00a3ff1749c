//! The laws on every fixture of the dialect.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    super::super::{
        Dialect, Wire,
        canon::{Answer, Rest},
        event::Event,
        frames::Frames,
        spoke::{Spoke, Telling},
        testing::{fold_stream, lift_stream, value},
    },
    Gemini, answer, request, told, written,
};

const MODEL: &str = "gemini-3-pro";

/// Every scenario: its name, and a reader of its files.
fn scenarios() -> Vec<(String, PathBuf)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate/gemini"));
    let mut all: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.join("request.json").exists()).collect();
    all.sort();
    assert!(all.len() >= 35, "{}", all.len());
    all.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

fn read(path: &Path, file: &str) -> String {
    fs::read_to_string(path.join(file)).unwrap()
}

/// The frames of a stream as values, without the figures that only the last frame keeps.
fn frames(stream: &str) -> Vec<Value> {
    let mut all: Vec<Value> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| value(data.as_bytes())).collect();
    let last = all.len() - 1;
    for frame in &mut all[..last] {
        frame.as_object_mut().unwrap().remove("usageMetadata");
    }
    all
}

/// A stream read and written again.
fn again(stream: &str) -> String {
    let mut lower = Gemini.lowerer(&Telling::default());
    let mut frames = Frames::new(Wire::Sse);
    lift_stream(Dialect::Gemini, stream.as_bytes(), usize::MAX, &mut |event| lower.push(event, &mut frames, &mut Vec::new()));
    String::from_utf8(frames.take()).unwrap()
}

/// An answer without what a stream cannot carry.
fn bare(mut answer: Answer<'_>) -> String {
    answer.rest = Rest::default();
    for choice in &mut answer.choices {
        choice.rest = Rest::default();
        for block in &mut choice.blocks {
            block.at = 0;
            block.rest = Rest::default();
        }
    }
    format!("{answer:?}")
}

/// JSON without white space between its pieces.
fn dense(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let mut keep = |c: char| {
        inside ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        inside || !c.is_whitespace()
    };
    json.chars().filter(|c| keep(*c)).collect()
}

#[test]
fn requests_come_back() {
    for (name, path) in scenarios() {
        let body = read(&path, "request.json");
        let (back, losses) = written(&request(&body, MODEL));
        assert_eq!(back, value(body.as_bytes()), "{name}");
        assert!(losses.is_empty(), "{name}: {losses:?}");
    }
}

#[test]
fn answers_come_back() {
    for (name, path) in scenarios() {
        let body = read(&path, "answer.json");
        let (back, losses) = told(&answer(&body));
        assert_eq!(back, value(body.as_bytes()), "{name}");
        assert!(losses.is_empty(), "{name}: {losses:?}");
    }
}

#[test]
fn streams_come_back() {
    // Members that are not known do not come back from a stream, and parts of one frame come back in frames of their own.
    for (name, path) in scenarios().into_iter().filter(|(name, _)| !matches!(&**name, "unknown_fields" | "parallel_calls")) {
        let stream = read(&path, "stream.sse");
        assert_eq!(frames(&again(&stream)), frames(&stream), "{name}");
    }
}

#[test]
fn a_stream_makes_the_same_answer() {
    for (name, path) in scenarios() {
        let (body, stream) = (dense(&read(&path, "answer.json")), read(&path, "stream.sse"));
        let folded = fold_stream(Dialect::Gemini, stream.as_bytes()).unwrap();
        assert_eq!(bare(folded), bare(answer(&body)), "{name}");
    }
}

#[test]
fn chunks_do_not_matter() {
    for (name, path) in scenarios() {
        let stream = read(&path, "stream.sse");
        let events = |size| {
            let mut all = Vec::new();
            lift_stream(Dialect::Gemini, stream.as_bytes(), size, &mut |event: &Event<'_>| all.push(format!("{event:?}")));
            all
        };
        let whole = events(usize::MAX);
        assert_eq!(whole.iter().filter(|event| *event == "Close").count(), 1, "{name}");
        for size in [1, 2, 7, 100] {
            assert_eq!(events(size), whole, "{name} in chunks of {size}");
        }
    }
}

#[test]
fn a_stream_that_breaks_is_a_fault() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate/gemini/errors"));
    let stream = read(&root, "stream_error.sse");
    let fault = fold_stream(Dialect::Gemini, stream.as_bytes()).unwrap_err();
    assert_eq!((fault.status, fault.code.as_deref()), (Some(503), Some("UNAVAILABLE")));
    let back = again(&stream);
    assert!(back.ends_with("\"status\":\"UNAVAILABLE\"}}\n\n") && !back.contains("finishReason"), "{back}");
}
