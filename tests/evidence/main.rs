//! Evidence: the meter against recorded answers of the real providers, bucket by bucket, with the figures of an
//! independent script (`scripts/evidence_usage.py`); and every recorded exchange through the matrix of dialects (`matrix`).
//!
//! The recordings are not part of the project. Without them a plain test run says that it skipped; with
//! `GPROXY_EVIDENCE` set (`make evidence`) a skip is a failure.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where something is not as it must be")]

mod matrix;
#[path = "../transform/said.rs"]
mod said;

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use gproxy::{
    base::{Bucket, Modality, Usage},
    protocol::{Operation, OperationKey, OperationKind},
    usage::{Meter, Metered, Shape},
};
use serde_json::Value;

type Buckets = BTreeMap<String, BTreeMap<String, u64>>;

/// The folders of the recordings.
const FOLDERS: [(&str, OperationKind); 4] = [
    ("chat", OperationKind::OpenAiChatCompletions),
    ("responses", OperationKind::OpenAiResponses),
    ("anthropic", OperationKind::ClaudeMessages),
    ("gemini", OperationKind::GeminiGenerateContent),
];

/// Says something also where the harness captures output.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "evidence: {text}");
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it may be skipped")]
fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn skip(why: &str) {
    assert_eq!(setting("GPROXY_EVIDENCE"), None, "evidence must not be skipped: {why}");
    say(&format!("SKIPPED, nothing was checked: {why}"));
}

fn recordings() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(setting("GPROXY_RECORDED").unwrap_or_else(|| String::from("../shared/recorded")))
}

fn expected(folder: &Path) -> Option<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/evidence_usage.py");
    let Ok(output) = Command::new("python3").arg(script).arg(folder).output() else {
        skip("python3 is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the script prints UTF-8");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("the script prints JSON lines")).collect())
}

/// A small generator, so that each run cuts each answer at the same places.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("it is below a usize")
    }
}

fn key(folder: &str, shape: Shape) -> OperationKey {
    let (_, kind) = FOLDERS.into_iter().find(|(name, _)| *name == folder).expect("a folder of one dialect");
    let operation = if shape == Shape::Whole { Operation::GenerateContent } else { Operation::StreamGenerateContent };
    OperationKey::new(operation, kind).expect("generation goes with a dialect")
}

/// Sends an answer through the meter in pieces of at most `most` bytes; nothing of it may be lost.
fn meter(key: OperationKey, shape: Shape, body: &Bytes, most: usize, dice: &mut Dice) -> Metered {
    let mut meter = Meter::new(key, shape);
    let mut rest = body.clone();
    let mut passed: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let size = (1 + dice.roll(most)).min(rest.len());
        for piece in meter.push(rest.split_to(size)).into_pieces() {
            passed.extend_from_slice(&piece);
        }
    }
    for piece in meter.end().into_pieces() {
        passed.extend_from_slice(&piece);
    }
    assert!(passed == *body, "bytes were changed");
    meter.finish()
}

fn buckets(usage: &Usage) -> Buckets {
    let mut all = Buckets::new();
    for bucket in Bucket::ALL {
        for modality in Modality::ALL {
            let tokens = usage.get(bucket, modality);
            if tokens > 0 {
                let name = |value: Value| String::from(value.as_str().unwrap());
                let bucket = name(serde_json::to_value(bucket).unwrap());
                all.entry(bucket).or_default().insert(name(serde_json::to_value(modality).unwrap()), tokens);
            }
        }
    }
    all
}

/// The same answer as Google streams it without `alt=sse`.
fn as_array(sse: &str) -> Bytes {
    let elements: Vec<&str> = sse.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::trim_end).collect();
    Bytes::from(format!("[{}\r\n]", elements.join("\r\n,\r\n")))
}

fn compare(line: &Value, metered: &Metered, shape: Shape) {
    let file = line["file"].as_str().unwrap();
    let usage = metered.usage.as_ref();
    let wanted: Option<Buckets> = serde_json::from_value(line["buckets"].clone()).unwrap();
    // An answer may tell searches and no tokens.
    let told = usage.map(buckets).filter(|told| wanted.is_some() || !told.is_empty());
    assert_eq!(told, wanted, "{file} as {shape:?}");
    if let Some(total) = line["total"].as_u64() {
        assert_eq!(usage.unwrap().total(), total, "{file}: the sum is not the provider's total");
    }
    assert_eq!(usage.map_or(0, |usage| usage.counts.searches), line["searches"].as_u64().unwrap(), "{file}: searches");
    assert_eq!(metered.model.as_deref(), line["model"].as_str(), "{file}: model");
    assert_eq!(metered.service_tier.as_deref(), line["tier"].as_str(), "{file}: tier");
    assert_eq!((metered.ended_well, metered.dropped_events, metered.fault), (true, 0, None), "{file}: {metered:?}");
}

#[test]
fn every_recorded_answer_is_metered_as_the_independent_script_reads_it() {
    let folder = recordings();
    if !folder.is_dir() {
        return skip(&format!("no recordings at {}", folder.display()));
    }
    let Some(lines) = expected(&folder) else { return };
    let (mut answers, mut streams, mut without) = (0, 0, 0);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for line in &lines {
        let file = line["file"].as_str().unwrap();
        let record: Value = serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap();
        let text = record["body"].as_str().unwrap();
        let body = Bytes::from(text.to_owned());
        let streamed = line["stream"].as_bool().unwrap();
        let shape = if streamed { Shape::Sse } else { Shape::Whole };
        let provider = file.split('/').next().unwrap();
        // In one piece, in the pieces of a network, in crumbs.
        for most in [usize::MAX, 1400, 40, 1] {
            let metered = meter(key(provider, shape), shape, &body, most, &mut dice);
            compare(line, &metered, shape);
        }
        if streamed && provider == "gemini" {
            let shape = Shape::JsonArray;
            compare(line, &meter(key(provider, shape), shape, &as_array(text), 40, &mut dice), shape);
        }
        answers += usize::from(!streamed);
        streams += usize::from(streamed);
        without += usize::from(line["buckets"].is_null());
    }
    assert!(answers > 0 && streams > 0, "no recordings in {}", folder.display());
    say(&format!("{answers} answers, {streams} streams equal ({without} of them tell no usage)"));
}
