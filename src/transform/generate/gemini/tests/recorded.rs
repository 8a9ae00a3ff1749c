//! The laws on exchanges that real clients had; none where the recordings are absent.

use serde_json::Value;

use super::{
    super::super::{
        Dialect,
        event::Event,
        testing::{Recorded, fold_stream, lift_stream, recorded, value},
    },
    answer, request, told, written,
};

fn model(uri: &Recorded) -> String {
    // The recordings name the model in the answer; what counts here is its generation.
    let body = &uri.body;
    let at = body.find("gemini-").unwrap_or(0);
    body[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect()
}

/// Members whose values are the caller's own.
const FREE: [&str; 6] = ["args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "responseSchema"];

/// A request in normal form: camel case, the standard alphabet of base64, one list where one thing is meant, and without what
/// says nothing: the role of the instructions, words as the only modality, empty objects of options, signatures that were
/// put in for lost ones.
fn normal(node: Value) -> Value {
    match node {
        Value::Array(all) => Value::Array(all.into_iter().map(normal).collect()),
        Value::Object(all) => Value::Object(all.into_iter().map(|(name, value)| member(camel(&name), value)).filter(keeps).collect()),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other,
    }
}

fn member(name: String, value: Value) -> (String, Value) {
    let value = if FREE.contains(&&*name) { value } else { normal(value) };
    let value = match (&*name, value) {
        ("tools", value @ Value::Object(_)) => Value::Array(vec![value]),
        ("systemInstruction", Value::Object(mut all)) => {
            all.remove("role");
            Value::Object(all)
        }
        ("data" | "thoughtSignature", Value::String(text)) => Value::String(text.trim_end_matches('=').replace('-', "+").replace('_', "/")),
        ("parametersJsonSchema", Value::Object(mut all)) => {
            all.remove("$schema");
            Value::Object(all)
        }
        (_, value) => value,
    };
    (name, value)
}

fn keeps((name, value): &(String, Value)) -> bool {
    match &**name {
        "responseModalities" => *value != serde_json::json!(["TEXT"]),
        "generationConfig" | "thinkingConfig" => *value != serde_json::json!({}),
        "thoughtSignature" => value != "skip/thought/signature/validator",
        _ => true,
    }
}

fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::new();
    for c in name.chars() {
        match (c, upper) {
            ('_', _) => upper = true,
            (c, true) => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            (c, false) => out.push(c),
        }
    }
    out
}

#[test]
fn requests_come_back() {
    for one in recorded(Dialect::Gemini) {
        let body = one.request.to_string();
        let model = model(&one);
        let (back, losses) = written(&request(&body, &model));
        assert_eq!(normal(back), normal(one.request.clone()), "{}", one.name);
        let placeholders = losses.iter().filter(|loss| !loss.note.contains("no thought signature")).count();
        assert_eq!(placeholders, 0, "{}: {losses:?}", one.name);
    }
}

#[test]
fn answers_and_streams_are_read() {
    for one in recorded(Dialect::Gemini) {
        if one.streams {
            let folded = fold_stream(Dialect::Gemini, one.body.as_bytes()).unwrap_or_else(|fault| panic!("{}: {fault:?}", one.name));
            assert!(folded.usage.is_some(), "{}", one.name);
            lift_stream(Dialect::Gemini, one.body.as_bytes(), usize::MAX, &mut |event| {
                assert!(!matches!(event, Event::Unknown { .. }), "{}: {event:?}", one.name);
            });
            continue;
        }
        let lifted = answer(&one.body);
        let (back, losses) = told(&lifted);
        assert!(losses.is_empty(), "{}: {losses:?}", one.name);
        let said = value(one.body.as_bytes());
        let parts = |body: &Value| body["candidates"][0]["content"]["parts"].clone();
        assert_eq!(normal(parts(&back)), normal(parts(&said)), "{}", one.name);
        assert_eq!(back["candidates"][0]["finishReason"], said["candidates"][0]["finishReason"], "{}", one.name);
        assert_eq!(back["usageMetadata"]["totalTokenCount"], said["usageMetadata"]["totalTokenCount"], "{}", one.name);
    }
}
