//! Whatever comes: a stream ends once, and the pieces in which it comes do not matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::LazyLock,
};

use gproxy::{
    protocol::frame::{Framing, json_array::Elements, ndjson::Lines, sse::Splitter},
    transform::generate::{self, Asked, Collector, Dialect, StreamConverter, Target, Telling, Wire},
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{ends, laws::config};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/generate");

fn telling() -> Telling {
    Telling::new("0197c0ffee".to_owned(), 1_760_000_000, "m".to_owned(), 20, Wire::Sse)
}

const FILES: [&str; 3] = ["stream.sse", "answer.json", "request.json"];

static ALL: LazyLock<BTreeMap<(Dialect, &str), Vec<String>>> = LazyLock::new(|| {
    let pairs = Dialect::ALL.into_iter().flat_map(|dialect| FILES.map(|file| (dialect, file)));
    pairs.map(|(dialect, file)| ((dialect, file), read(dialect, file))).collect()
});

fn read(dialect: Dialect, file: &str) -> Vec<String> {
    let folders = fs::read_dir(format!("{FIXTURES}/{}", dialect.id())).unwrap();
    let mut all: Vec<String> = folders.filter_map(|folder| fs::read_to_string(folder.unwrap().path().join(file)).ok()).collect();
    all.sort();
    assert!(all.len() > 20, "{}", all.len());
    all
}

/// Every fixture of a dialect with this name.
fn fixtures(dialect: Dialect, file: &'static str) -> &'static [String] {
    &ALL[&(dialect, file)]
}

/// Converts a stream in pieces of these sizes, over and over; it must end once.
fn told(from: Dialect, to: Dialect, stream: &[u8], sizes: &[usize]) -> String {
    let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &telling());
    let (mut out, mut rest) = (Vec::new(), stream);
    for size in sizes.iter().cycle() {
        let (chunk, more) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        if chunk.is_empty() {
            break;
        }
        out.extend(converter.push(chunk).unwrap());
        rest = more;
    }
    out.extend(converter.finish());
    let out = String::from_utf8(out).unwrap();
    if let Err(fault) = ends::end(to, &out) {
        panic!("{from:?} to {to:?}: {fault}\n{}\n{out}", String::from_utf8_lossy(stream));
    }
    out
}

/// JSON made of the dialects' own words.
fn json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(words());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..4_i64).prop_map(Value::from),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        words.clone().prop_map(Value::from),
        "[ -~é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((words.clone(), inner), 0..6).prop_map(|all| all.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// Members and types that streams and answers have.
fn words() -> Vec<String> {
    let mut found = BTreeSet::new();
    for dialect in Dialect::ALL {
        for file in FILES {
            for text in fixtures(dialect, file) {
                let pieces = text.split('"').filter(|word| !word.is_empty() && word.len() < 48);
                found.extend(pieces.filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c))).map(str::to_owned));
            }
        }
    }
    found.into_iter().collect()
}

/// A value with a place in it put otherwise.
fn hurt(value: &mut Value, place: Index, other: &Value) {
    let mut places = 0;
    count(value, &mut places);
    let mut at = place.index(places);
    replace(value, &mut at, other);
}

fn count(value: &Value, places: &mut usize) {
    *places += 1;
    match value {
        Value::Array(all) => all.iter().for_each(|value| count(value, places)),
        Value::Object(all) => all.values().for_each(|value| count(value, places)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replace(value: &mut Value, at: &mut usize, other: &Value) -> bool {
    if *at == 0 {
        *value = other.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(all) => all.iter_mut().any(|value| replace(value, at, other)),
        Value::Object(all) => all.values_mut().any(|value| replace(value, at, other)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// It may be deeper than a value can be.
fn whole_json(text: &[u8]) {
    let _unread: Box<RawValue> = serde_json::from_slice(text).unwrap();
}

/// A request that is read must be written as one that its own dialect reads.
fn asks(from: Dialect, body: &str) {
    for to in Dialect::ALL {
        let asked = Asked { model: "m", streams: true, goes_on_from: None };
        let Ok(there) = generate::request(from, to, body.as_bytes(), asked, Target::default()) else { continue };
        whole_json(&there.body);
        if let Err(fault) = generate::request(to, to, &there.body, asked, Target::default()) {
            panic!("{from:?} to {to:?}: {fault}:\n{body}\n{}", String::from_utf8_lossy(&there.body));
        }
    }
}

fn answers(from: Dialect, body: &str) {
    for to in Dialect::ALL {
        let Ok((whole, _)) = generate::answer(from, to, body.as_bytes(), &telling()) else { continue };
        whole_json(&whole);
        let (stream, _) = generate::stream_of_answer(from, to, body.as_bytes(), &telling()).unwrap();
        let stream = String::from_utf8(stream).unwrap();
        if let Err(fault) = ends::end(to, &stream) {
            panic!("{from:?} to {to:?}: {fault}\n{body}\n{stream}");
        }
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn any_bytes_give_one_end(bytes in prop::collection::vec(any::<u8>(), 0..200), sizes in prop::collection::vec(1..20_usize, 1..4)) {
        for from in Dialect::ALL {
            for to in Dialect::ALL {
                prop_assert_eq!(told(from, to, &bytes, &[bytes.len()]), told(from, to, &bytes, &sizes));
            }
        }
    }

    #[test]
    fn any_frames_give_one_end(frames in prop::collection::vec(json(), 0..6), sizes in prop::collection::vec(1..90_usize, 1..4)) {
        let stream: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        for from in Dialect::ALL {
            for to in Dialect::ALL {
                prop_assert_eq!(told(from, to, stream.as_bytes(), &[usize::MAX]), told(from, to, stream.as_bytes(), &sizes));
            }
            for frame in &frames {
                asks(from, &frame.to_string());
                answers(from, &frame.to_string());
            }
        }
    }

    /// Streams that are right but for some frames: put otherwise, left out, said twice, in another order.
    #[test]
    fn hurt_streams_end_once(
        which in any::<Index>(),
        hurts in prop::collection::vec((any::<Index>(), any::<Index>(), 0..4_u8, json()), 1..4),
        size in 1..200_usize,
    ) {
        for from in Dialect::ALL {
            let all = fixtures(from, "stream.sse");
            let mut frames: Vec<String> = which.get(all).split_inclusive("\n\n").map(str::to_owned).collect();
            for (frame, place, way, other) in &hurts {
                let (at, other_at) = (frame.index(frames.len()), place.index(frames.len()));
                match way {
                    0 => _ = frames.remove(at),
                    1 => frames.insert(at, frames[at].clone()),
                    2 => frames.swap(at, other_at),
                    _ => {
                        let Some((head, data)) = frames[at].split_once("data: ") else { continue };
                        let Ok(mut data) = serde_json::from_str::<Value>(data) else { continue };
                        hurt(&mut data, *place, other);
                        frames[at] = format!("{head}data: {data}\n\n");
                    }
                }
                if frames.is_empty() {
                    break;
                }
            }
            let stream = frames.concat();
            for to in Dialect::ALL {
                prop_assert_eq!(told(from, to, stream.as_bytes(), &[usize::MAX]), told(from, to, stream.as_bytes(), &[size]));
            }
            let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
            collector.push(stream.as_bytes()).unwrap();
            if let Ok((whole, _)) = collector.finish(from, &telling()) {
                whole_json(&whole);
            }
        }
    }

    #[test]
    fn hurt_requests_and_answers_are_refused_or_read(which in any::<Index>(), places in prop::collection::vec((any::<Index>(), json()), 1..3)) {
        for from in Dialect::ALL {
            for file in ["request.json", "answer.json"] {
                let all = fixtures(from, file);
                let mut body: Value = serde_json::from_str(which.get::<String>(all)).unwrap();
                for (place, other) in &places {
                    hurt(&mut body, *place, other);
                }
                if file == "request.json" { asks(from, &body.to_string()) } else { answers(from, &body.to_string()) }
            }
        }
    }

    #[test]
    fn fixtures_in_any_pieces_give_the_same_bytes(which in any::<Index>(), sizes in prop::collection::vec(1..300_usize, 1..6)) {
        for from in Dialect::ALL {
            let all = fixtures(from, "stream.sse");
            let stream = which.get(all);
            for line_end in ["\n", "\r\n", "\r"] {
                let stream = stream.replace('\n', line_end);
                for to in Dialect::ALL {
                    prop_assert_eq!(told(from, to, stream.as_bytes(), &[usize::MAX]), told(from, to, stream.as_bytes(), &sizes));
                }
            }
        }
    }
}

/// Frames within frames within frames: no reader may go down with them.
#[test]
fn depth_is_refused_or_read() {
    const DEPTH: usize = 1000;
    for dialect in Dialect::ALL {
        for (file, open, close) in ["request.json", "answer.json"].into_iter().flat_map(|file| [(file, "[", "]"), (file, "{\"a\":", "}")]) {
            let deep = format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH));
            for body in fixtures(dialect, file).iter().step_by(9) {
                let body: Value = serde_json::from_str(body).unwrap();
                let mut places = 0;
                count(&body, &mut places);
                for place in (0..places).step_by(17) {
                    let (mut at, mut body) = (place, body.clone());
                    replace(&mut body, &mut at, &json!("HERE"));
                    let body = body.to_string().replace("\"HERE\"", &deep);
                    if file == "request.json" { asks(dialect, &body) } else { answers(dialect, &body) }
                }
            }
        }
    }
}

/// `a.b` of a member's own is not the `b` of an object `a`.
#[test]
fn a_name_with_a_dot_is_no_place() {
    let asked = Asked { model: "m", streams: false, goes_on_from: None };
    let bodies = [
        (Dialect::Gemini, r#""contents":[{"role":"user","parts":[{"text":"Hi"}]}]"#, "generationConfig.thinkingConfig"),
        (Dialect::Gemini, r#""contents":[{"role":"user","parts":[{"text":"Hi"}]}]"#, "systemInstruction.parts"),
        (Dialect::Chat, r#""model":"m","messages":[{"role":"user","content":"Hi"}]"#, "response_format.json_schema"),
        (Dialect::Chat, r#""model":"m","messages":[{"role":"user","content":"Hi"}]"#, "stream_options.include_usage"),
    ];
    for (dialect, body, name) in bodies {
        let body = format!(r#"{{{body},"{name}":["mine"]}}"#);
        let own = generate::request(dialect, dialect, body.as_bytes(), asked, Target::default()).unwrap();
        let own: Value = serde_json::from_slice(&own.body).unwrap();
        assert_eq!(own[name], json!(["mine"]), "{own}");
        let (outer, _) = name.split_once('.').unwrap();
        assert_eq!(own.get(outer), None, "{own}");
        let there = generate::request(dialect, Dialect::Claude, body.as_bytes(), asked, Target::default()).unwrap();
        assert!(there.losses.iter().any(|loss| loss.to_string().contains(name)), "{:?}", there.losses);
    }
}

#[test]
fn framings_in_any_pieces_give_the_same_events() {
    let new: [fn() -> Framing; 3] =
        [|| Framing::Sse(Splitter::default()), || Framing::Ndjson(Lines::default()), || Framing::JsonArray(Elements::default())];
    for text in Dialect::ALL.iter().flat_map(|dialect| fixtures(*dialect, "stream.sse")).step_by(9) {
        for new in new {
            let events = |size: usize| {
                let (mut framing, mut all) = (new(), Vec::new());
                for chunk in text.as_bytes().chunks(size) {
                    framing.push(chunk, &mut |event| all.push((event.name.to_vec(), event.data.to_vec()))).unwrap();
                }
                framing.finish(&mut |event| all.push((event.name.to_vec(), event.data.to_vec())));
                all
            };
            assert_eq!(events(1), events(usize::MAX));
        }
    }
}

#[test]
fn figures_beyond_all_sense_do_not_overflow() {
    for from in Dialect::ALL {
        for body in fixtures(from, "answer.json") {
            let mut body: Value = serde_json::from_str(body).unwrap();
            for usage in ["usage", "usageMetadata"] {
                figures(&mut body[usage]);
            }
            answers(from, &body.to_string());
        }
        for body in fixtures(from, "request.json") {
            let mut body: Value = serde_json::from_str(body).unwrap();
            figures(&mut body);
            asks(from, &body.to_string());
        }
    }
}

fn figures(value: &mut Value) {
    match value {
        Value::Number(_) => *value = json!(u64::MAX),
        Value::Array(all) => all.iter_mut().for_each(figures),
        Value::Object(all) => all.values_mut().for_each(figures),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
