//! The shortened reading of a body tells what the walk through all of it tells.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{super::tally::Tally, *};

fn both(key: OperationKey, body: &[u8]) -> (Metered, Metered) {
    let (mut fast, mut full) = (Tally::new(key, Shape::Whole), Tally::new(key, Shape::Whole));
    fast.body(body);
    full.full_body(body);
    (fast.metered(), full.metered())
}

/// The JSON texts among the raw strings of the other tests.
fn fixtures() -> Vec<&'static str> {
    let sources = [include_str!("buckets.rs"), include_str!("stream.rs")];
    let raw = sources.into_iter().flat_map(|source| source.split("r#\"").skip(1)).filter_map(|rest| rest.split("\"#").next());
    raw.filter(|text| serde_json::from_str::<Value>(text).is_ok()).collect()
}

fn every_key() -> impl Iterator<Item = OperationKey> {
    Operation::ALL.iter().flat_map(|operation| OperationKind::ALL.iter().filter_map(|kind| OperationKey::new(*operation, *kind)))
}

#[test]
fn both_readings_of_every_fixture_are_equal() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 50, "{}", fixtures.len());
    for body in fixtures {
        for key in every_key() {
            for text in [body.to_owned(), format!("\u{feff} {body}\n"), format!("\u{feff}\u{feff}{body}"), format!("{body}}}")] {
                let (fast, full) = both(key, text.as_bytes());
                assert_eq!(fast, full, "{key:?}: {text}");
            }
        }
    }
}

#[test]
fn vectors_are_left_out_and_pictures_are_not() {
    use super::super::{draft::Dialect, shallow::shortened};
    for (dialect, body, short) in [
        (Dialect::Other, r#"{"data":[{"embedding":[1,"]"]}],"usage":{}}"#, Some(r#"{"data":[],"usage":{}}"#)),
        (Dialect::Other, r#"{"data":[1],"data":[2]}"#, Some(r#"{"data":[],"data":[]}"#)),
        (Dialect::Other, r#"{"data":[{"b64_json":"A"}],"usage":{}}"#, None),
        (Dialect::Other, r#"{"data":[{"url":"A"}],"usage":{}}"#, None),
        (Dialect::Other, r#"{"data":{"a":[1]}}"#, None),
        (Dialect::Gemini, r#"{"embeddings":[{"values":[1]}],"a":1}"#, Some(r#"{"embeddings":[],"a":1}"#)),
        (Dialect::Gemini, r#"{"embeddings":[{"statistics":{"tokenCount":1}}]}"#, None),
        (Dialect::Chat, r#"{"choices":[{}],"data":[1]}"#, None),
    ] {
        assert_eq!(shortened(body.as_bytes(), Operation::BatchCreateEmbedding, dialect).as_deref(), short.map(str::as_bytes), "{body}");
        assert_eq!(shortened(body.as_bytes(), Operation::GenerateContent, dialect), None, "{body}");
    }
}

/// The one difference: what is left out is not checked to be JSON.
#[test]
fn vectors_that_are_no_json_do_not_hide_the_usage() {
    let body = br#"{"data":[1,,2],"usage":{"prompt_tokens":3}}"#;
    let (fast, full) = both(key(Operation::CreateEmbedding, OperationKind::OpenAi), body);
    assert_eq!((show(fast.usage.as_ref()).as_str(), fast.ended_well), ("input=3", true));
    assert_eq!((full.usage, full.ended_well), (None, false));
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "data",
        "embeddings",
        "b64_json",
        "url",
        "usage",
        "usageMetadata",
        "statistics",
        "token_count",
        "tokenCount",
        "parts",
        "text",
        "predictions",
        "gcsUri",
        "webSearchQueries",
        "promptTokenCount",
        "prompt_tokens",
        "choices",
        "model",
        "modelVersion",
        "duration",
        "error",
        "response",
        "",
    ]);
    let leaf = prop_oneof![(0..99_u64).prop_map(Value::from), Just(json!("a]\"}\\")), Just(json!("é")), Just(Value::Null)];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn both_readings_of_any_body_are_equal(list in any_json(), rest in any_json(), named in prop::sample::select(vec!["data", "embeddings"])) {
        for body in [
            json!({named: [list], "usage": {"prompt_tokens": 3}, "usageMetadata": {"promptTokenCount": 3}, "model": rest}),
            json!({named: list, "usage": rest, "usageMetadata": rest}),
        ] {
            for key in every_key() {
                let (fast, full) = both(key, body.to_string().as_bytes());
                prop_assert_eq!(fast, full);
            }
        }
    }
}
