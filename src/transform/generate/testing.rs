//! What the tests of every spoke share.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    Dialect,
    canon::Answer,
    event::{Event, StreamFault},
    fold::{Fold, unfold},
    frames::Frames,
    grammar::Grammar,
    spoke::{Telling, spoke},
};
use crate::{
    protocol::{
        frame::{Framing, sse::Splitter},
        json::Node,
    },
    transform::Loss,
};

/// One recorded exchange with a real provider.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) request: Value,
    pub(super) status: u64,
    pub(super) streams: bool,
    pub(super) body: String,
}

/// Every recorded exchange of a dialect; none where the folder is absent (`GPROXY_RECORDED`, default `../shared/recorded`).
#[expect(clippy::disallowed_methods, reason = "the folder is named by whoever runs the tests")]
pub(super) fn recorded(dialect: Dialect) -> Vec<Recorded> {
    let root = std::env::var_os("GPROXY_RECORDED").map_or_else(|| PathBuf::from("../shared/recorded"), PathBuf::from);
    let folder = if dialect == Dialect::Claude { "anthropic" } else { dialect.id() };
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Vec::new() };
    let mut all: Vec<Recorded> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            Recorded {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                request: file["request"].clone(),
                status: file["status"].as_u64().unwrap(),
                streams: file["content_type"].as_str().unwrap_or("").contains("event-stream"),
                body: file["body"].as_str().unwrap().to_owned(),
            }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Lifts a stream that arrives in chunks of `size` bytes; the grammar is held.
pub(super) fn lift_stream(dialect: Dialect, text: &[u8], size: usize, sink: &mut dyn FnMut(&Event<'_>)) {
    let mut framing = Framing::Sse(Splitter::default());
    let mut lift = spoke(dialect).lifter();
    let mut grammar = Grammar::default();
    let mut take = |event: Event<'_>| {
        grammar.check(&event).unwrap_or_else(|fault| panic!("{fault}: {event:?}"));
        sink(&event);
    };
    for chunk in text.chunks(size.max(1)) {
        framing.push(chunk, &mut |frame| lift.push(frame.name, frame.data, &mut take)).unwrap();
    }
    framing.finish(&mut |frame| lift.push(frame.name, frame.data, &mut take));
    lift.finish(&mut take);
}

/// The answer that a stream makes.
pub(super) fn fold_stream(dialect: Dialect, text: &[u8]) -> Result<Answer<'static>, StreamFault<'static>> {
    let mut fold = Fold::new(dialect);
    lift_stream(dialect, text, usize::MAX, &mut |event| fold.push(event.clone()));
    fold.finish()
}

/// An answer written as a stream of a dialect.
pub(super) fn lower_stream(dialect: Dialect, answer: &Answer<'_>, telling: &Telling) -> (String, Vec<Loss>) {
    let mut lower = spoke(dialect).lowerer(&Telling { from: Some(answer.from), ..telling.clone() });
    let mut frames = Frames::new(telling.wire);
    let mut losses = Vec::new();
    unfold(answer, &mut |event| lower.push(&event, &mut frames, &mut losses));
    frames.end();
    (String::from_utf8(frames.take()).unwrap(), losses)
}

/// JSON as a value, for comparing what is equal but for white space and the order of members.
pub(super) fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(json)))
}

/// A body as a node.
pub(super) fn node(json: &str) -> Node<'_> {
    Node::parse(json.as_bytes()).unwrap()
}
