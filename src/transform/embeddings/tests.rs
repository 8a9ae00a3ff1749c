//! Requests and answers across the four shapes.

use serde_json::{Value, json};

use super::{Encoding, Request, Shape, Told, answer};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

const SHAPES: [Shape; 4] = [Shape::OpenAi, Shape::Gemini, Shape::GeminiBatch, Shape::Vertex];

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/embeddings/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn sent(body: &str, from: Shape, to: Shape) -> Result<(Value, Vec<Loss>), Refused> {
    let mut losses = Vec::new();
    let out = Request::read(from, Node::parse(body.as_bytes())?)?.written(to, "m-1", &mut losses)?;
    Ok((serde_json::from_slice(&out).unwrap(), losses))
}

fn got(body: &str, from: Shape, to: Shape, told: &Told<'_>) -> Value {
    serde_json::from_slice(&answer(body.as_bytes(), from, to, told).unwrap()).unwrap()
}

fn paths(losses: &[Loss]) -> Vec<&str> {
    losses.iter().map(|loss| &*loss.path).collect()
}

fn file(shape: Shape, what: &str) -> String {
    let name = match shape {
        Shape::OpenAi => "openai",
        Shape::Gemini => "gemini",
        Shape::GeminiBatch => "gemini_batch",
        Shape::Vertex => "vertex",
    };
    fixture(&format!("{name}_{what}"))
}

#[test]
fn every_request_goes_into_every_shape_and_comes_back() {
    for from in SHAPES {
        let request = file(from, "request");
        let own = sent(&request, from, from).unwrap();
        assert_eq!(own.0, serde_json::from_str::<Value>(&request).unwrap(), "{from:?}");
        for to in SHAPES {
            let texts = Request::read(from, Node::parse(request.as_bytes()).unwrap()).unwrap().texts();
            let out = sent(&request, from, to);
            if to == Shape::Gemini && texts > 1 {
                assert!(matches!(out, Err(Refused::Impossible { .. })), "{from:?} {to:?}");
                continue;
            }
            let there = out.unwrap().0.to_string();
            let again = Request::read(to, Node::parse(there.as_bytes()).unwrap()).unwrap();
            let before = Request::read(from, Node::parse(request.as_bytes()).unwrap()).unwrap();
            assert!(again.texts.iter().map(|text| &text.text).eq(before.texts.iter().map(|text| &text.text)), "{from:?} {to:?}");
            assert_eq!(again.dimensions, Some(3), "{from:?} {to:?}");
        }
    }
}

#[test]
fn what_a_shape_has_no_place_for_is_told() {
    let (body, losses) = sent(&file(Shape::GeminiBatch, "request"), Shape::GeminiBatch, Shape::OpenAi).unwrap();
    assert_eq!(body, json!({"model": "m-1", "input": ["Ada", "Bob"], "dimensions": 3, "encoding_format": "float"}));
    assert_eq!(paths(&losses), ["requests[0].taskType", "requests[1].taskType", "requests[1].title"]);
    let (_, losses) = sent(r#"{"model": "m", "input": "a", "user": "u", "x": 1}"#, Shape::OpenAi, Shape::Gemini).unwrap();
    assert_eq!(paths(&losses), ["user", "x"]);
    let (_, losses) = sent(&file(Shape::Vertex, "request"), Shape::Vertex, Shape::OpenAi).unwrap();
    assert_eq!(paths(&losses), ["instances[1].task_type", "instances[1].title"]);
}

#[test]
fn what_is_no_text_is_refused_by_its_place() {
    for (shape, body, words) in [
        (Shape::OpenAi, r#"{"input": [1, 2]}"#, r#""input[0]" cannot be served by this model: it is given as token ids"#),
        (Shape::OpenAi, r#"{"input": [[1, 2]]}"#, r#""input[0]" cannot be served by this model: it is given as token ids"#),
        (Shape::OpenAi, r#"{"input": ["a", {}]}"#, r#""input[1]" is an object; expected a string"#),
        (Shape::OpenAi, r#"{"input": ""}"#, r#""input" is an empty string; expected text to embed"#),
        (Shape::OpenAi, r#"{"input": []}"#, r#""input" is an empty array; expected at least one string"#),
        (Shape::OpenAi, "{}", r#""input" is missing"#),
        (Shape::OpenAi, r#"{"input": "a", "encoding_format": "hex"}"#, r#""encoding_format" is "hex""#),
        (Shape::Gemini, r#"{"content": {"parts": [{"inlineData": {}}]}}"#, r#""content.parts[0]" cannot be served"#),
        (Shape::GeminiBatch, r#"{"requests": [{"content": {"parts": []}}]}"#, r#""requests[0].content.parts" is empty"#),
        (Shape::GeminiBatch, r#"{"requests": [{"model": "m"}]}"#, r#""requests[0].content" is missing"#),
        (Shape::Vertex, r#"{"instances": [{"image": {}}]}"#, r#""instances[0]" cannot be served"#),
    ] {
        let fault = sent(body, shape, Shape::OpenAi).unwrap_err().to_string();
        assert!(fault.starts_with(words), "{fault}");
    }
    let mixed =
        r#"{"requests": [{"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 3}, {"content": {"parts": [{"text": "b"}]}}]}"#;
    assert!(sent(mixed, Shape::GeminiBatch, Shape::OpenAi).unwrap_err().to_string().contains("requests[1].outputDimensionality"));
}

#[test]
fn a_list_of_one_stays_a_list_and_parts_are_one_text() {
    let one = Request::read(Shape::OpenAi, Node::parse(br#"{"input": ["a"]}"#).unwrap()).unwrap();
    assert_eq!(one.gemini_shape(), Shape::GeminiBatch);
    let (body, _) = sent(r#"{"content": {"parts": [{"text": "a"}, {"text": "b"}]}}"#, Shape::Gemini, Shape::OpenAi).unwrap();
    assert_eq!(body["input"], "a\nb");
    let (body, _) = sent(
        r#"{"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"outputDimensionality": 8, "taskType": "T"}}"#,
        Shape::Gemini,
        Shape::Vertex,
    )
    .unwrap();
    assert_eq!(
        body,
        json!({"instances": [{"content": "a", "task_type": "T"}], "parameters": {"autoTruncate": true, "outputDimensionality": 8}})
    );
}

#[test]
fn answers_keep_their_order_digits_and_usage() {
    let told = Told { model: "m", ..Told::default() };
    let openai = got(&file(Shape::Vertex, "answer"), Shape::Vertex, Shape::OpenAi, &told);
    assert_eq!(
        openai,
        json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -0.25, 1]}, {"object": "embedding", "index": 1, "embedding": [0.1, 0.2, 0.3]}]})
    );
    // Entries out of order are put in order.
    let batch = got(&file(Shape::OpenAi, "answer"), Shape::OpenAi, Shape::GeminiBatch, &told);
    assert_eq!(batch["embeddings"], json!([{"values": [0.5, -0.25, 1]}, {"values": [0.1, 0.2, 0.3]}]));
    assert_eq!(batch["usageMetadata"], json!({"promptTokenCount": 5, "totalTokenCount": 5}));
    let raw = answer(br#"{"embedding": {"values": [0.10, 1e-3]}}"#, Shape::Gemini, Shape::OpenAi, &told).unwrap();
    assert!(String::from_utf8(raw).unwrap().contains("[0.10, 1e-3]"));
}

#[test]
fn absent_usage_is_absent_or_an_estimate_that_says_so() {
    let body = r#"{"embedding": {"values": [1]}}"#;
    let none = got(body, Shape::Gemini, Shape::OpenAi, &Told { model: "m", ..Told::default() });
    assert_eq!(none.get("usage"), None);
    let some = got(body, Shape::Gemini, Shape::OpenAi, &Told { model: "m", prompt_estimate: Some(7), ..Told::default() });
    assert_eq!(some["usage"], json!({"prompt_tokens": 7, "total_tokens": 7, "gproxy_estimated": true}));
}

#[test]
fn base64_is_little_endian_floats_in_both_directions() {
    let told = Told { model: "m", encoding: Encoding::Base64, prompt_estimate: None };
    let openai = got(r#"{"embedding": {"values": [1, -2.5, 0.1]}}"#, Shape::Gemini, Shape::OpenAi, &told);
    assert_eq!(openai["data"][0]["embedding"], "AACAPwAAIMDNzMw9");
    let back = got(&openai.to_string(), Shape::OpenAi, Shape::Gemini, &told);
    assert_eq!(back["embedding"]["values"].to_string(), "[1,-2.5,0.1]");
    for bad in [r#""AAA=""#, r#""AACAfw==""#, "5", r#"["a"]"#] {
        let body = format!(r#"{{"data": [{{"index": 0, "embedding": {bad}}}]}}"#);
        let told = Told { encoding: if bad.starts_with('[') { Encoding::Base64 } else { Encoding::Float }, ..told };
        assert!(
            answer(body.as_bytes(), Shape::OpenAi, if bad.starts_with('[') { Shape::OpenAi } else { Shape::Gemini }, &told).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn an_answer_that_is_none_is_named() {
    let told = Told::default();
    for (body, from, words) in [
        ("{}", Shape::OpenAi, r#""data" is missing; expected an array of embeddings"#),
        (r#"{"data": [{"index": 0}]}"#, Shape::OpenAi, r#""data[0].embedding" is missing; expected an array of numbers, or base64"#),
        (
            r#"{"embeddings": [{"values": 1}]}"#,
            Shape::GeminiBatch,
            r#""embeddings[0].values" is 1; expected an array of numbers, or base64"#,
        ),
        (r#"{"predictions": [{}]}"#, Shape::Vertex, r#""predictions[0].embeddings" is missing; expected an object with values"#),
    ] {
        assert_eq!(answer(body.as_bytes(), from, Shape::OpenAi, &told).unwrap_err().to_string(), words);
    }
    let two = file(Shape::OpenAi, "answer");
    assert!(answer(two.as_bytes(), Shape::OpenAi, Shape::Gemini, &told).unwrap_err().to_string().contains("one embedding"));
}
