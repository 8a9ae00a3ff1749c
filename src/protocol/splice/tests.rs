use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{Document, Peek};

fn document(text: &str) -> Document {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let peek = Peek::scan(&body).unwrap();
    Document::new(body, peek)
}

fn text(document: Document) -> String {
    String::from_utf8(document.into_pieces().concat()).unwrap()
}

#[test]
fn a_change_leaves_every_other_byte_alone() {
    let mut changed = document("{ \"a\" : 1.50 ,\n\"model\":\"p/m\", \"z\":[ 1 ] }");
    changed.set("model", "\"m\"");
    assert_eq!(text(changed), "{ \"a\" : 1.50 ,\n\"model\":\"m\", \"z\":[ 1 ] }");
    let mut grown = document("{\"a\":1}");
    grown.set("stream_options", "{\"include_usage\":true}");
    assert_eq!(text(grown), "{\"stream_options\":{\"include_usage\":true},\"a\":1}");
    let mut first = document("{}");
    first.set("n", "1");
    assert_eq!(text(first), "{\"n\":1}");
    let mut twice = document("{\"model\":\"x\",\"b\":0,\"model\":\"x\"}");
    twice.set("model", "\"y\"");
    assert_eq!(text(twice), "{\"model\":\"y\",\"b\":0,\"model\":\"y\"}");
}

#[test]
fn one_changed_member_reads_the_same_however_long_the_body_is() {
    for length in [0, 100, 16 * 1024 - 20, 16 * 1024, 100_000] {
        let (long, behind) = ("x".repeat(length), "[1.0 , {}]");
        let mut changed = document(&format!("{{\"a\":\"{long}\",\"model\":\"p/m\",\"z\":{behind}}}"));
        changed.set("model", "\"m\"");
        assert_eq!(text(changed), format!("{{\"a\":\"{long}\",\"model\":\"m\",\"z\":{behind}}}"));
    }
}

/// As many repetitions as a long body has room for: work that grows with their square would not end.
#[test]
fn a_name_that_is_repeated_without_end_costs_no_more_than_its_length() {
    for beside in ["", "\"n\":1,"] {
        let repeated = |model: &str| format!("{{{}\"z\":1}}", format!("{model}{beside}").repeat(400_000));
        let mut set = document(&repeated("\"model\":0,"));
        set.set("model", "\"a\"");
        set.set("model", "\"b\"");
        let mut cut = set.clone();
        cut.remove("model");
        cut.remove("model");
        assert!(text(set) == repeated("\"model\":\"b\",") && text(cut) == repeated(""), "beside {beside:?}");
    }
}

/// JSON objects with repeated keys, odd numbers and odd spaces, as text.
fn object() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")].prop_map(str::to_owned);
    let value = prop_oneof![
        Just("1e400"),
        Just("12345678901234567890123"),
        Just("{\"a\":[{}]}"),
        Just("\"\\u0061\\\\\""),
        Just("null"),
        Just("[ ]")
    ]
    .prop_map(str::to_owned);
    prop::collection::vec((key, value), 0..7)
}

proptest! {
    #[test]
    fn removing_a_member_leaves_an_object_without_it(members in object(), doomed in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..4)) {
        let whole = format!("{{{}}}", members.iter().map(|(key, value)| format!(" \"{key}\" : {value} ")).collect::<Vec<_>>().join(","));
        let mut cut = document(&whole);
        for name in &doomed {
            cut.remove(name);
        }
        let out = text(cut);
        let peek = Peek::scan(out.as_bytes()).unwrap();
        let kept: Vec<&(String, String)> = members.iter().filter(|(key, _)| !doomed.contains(&key.as_str())).collect();
        prop_assert_eq!(peek.members().len(), kept.len(), "{} -> {}", whole, out);
        for (member, (key, value)) in peek.members().iter().zip(kept) {
            prop_assert_eq!(&out[member.key.clone()], format!("\"{key}\""));
            prop_assert_eq!(&out[member.value.clone()], value);
        }
    }

    #[test]
    fn setting_a_member_is_what_a_parser_then_reads(mut members in object(), value in "[a-z]{0,4}") {
        members.retain(|(_, value)| value != "1e400");
        let whole = format!("{{{}}}", members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect::<Vec<_>>().join(","));
        let mut set = document(&whole);
        set.set("a", Value::from(value.clone()).to_string());
        let out: Map<String, Value> = serde_json::from_str(&text(set)).unwrap();
        let mut wanted: Map<String, Value> = serde_json::from_str(&whole).unwrap();
        wanted.insert("a".into(), value.into());
        prop_assert_eq!(out, wanted);
    }
}
