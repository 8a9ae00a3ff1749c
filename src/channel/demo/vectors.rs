//! Vectors that are made from a text's digest: of length one, and the same every time.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer::{Answer, Refusal},
    models,
    read::{count, either, text, wrong},
    script::tokens,
};

const DIMENSIONS: u64 = 256;
const MOST: u64 = 8192;

/// Answers `OpenAI`'s embeddings.
pub(super) fn openai(body: &Value) -> Result<Answer, Refusal> {
    let model = embedder(text(body, "model")?)?;
    let size = size(count(body, "dimensions")?, "dimensions")?;
    let inputs: Vec<String> = match &body["input"] {
        Value::Null => return Err(Refusal::required("input")),
        Value::String(input) => vec![input.clone()],
        Value::Array(inputs) if inputs.is_empty() => return Err(Refusal::field("input", "must have at least one element")),
        Value::Array(ids) if ids.iter().all(Value::is_number) => vec![body["input"].to_string()],
        Value::Array(inputs) => inputs.iter().map(|input| input.as_str().map_or_else(|| input.to_string(), str::to_owned)).collect(),
        other => return Err(wrong("input", "a string or an array", other)),
    };
    let encode = match body["encoding_format"].as_str() {
        Some("base64") => base64_of,
        Some("float") | None => floats,
        Some(other) => return Err(Refusal::field("encoding_format", format!("must be \"float\" or \"base64\", not {other:?}"))),
    };
    let data =
        inputs.iter().enumerate().map(|(at, input)| json!({"object": "embedding", "index": at, "embedding": encode(&vector(input, size))}));
    let spent: u64 = inputs.iter().map(|input| tokens(input)).sum();
    Ok(Answer::json(&json!({
        "object": "list", "data": data.collect::<Vec<_>>(), "model": model, "usage": {"prompt_tokens": spent, "total_tokens": spent},
    })))
}

/// Answers Google's `embedContent`.
pub(super) fn gemini(model: &str, body: &Value) -> Result<Answer, Refusal> {
    embedder(model)?;
    let values = gemini_one(body, "content")?;
    Ok(Answer::json(&json!({"embedding": {"values": values}})))
}

/// Answers Google's `batchEmbedContents`.
pub(super) fn gemini_batch(model: &str, body: &Value) -> Result<Answer, Refusal> {
    embedder(model)?;
    let requests = super::read::list(body, "requests")?;
    let values =
        requests.iter().enumerate().map(|(at, request)| Ok(json!({"values": gemini_one(request, &format!("requests[{at}].content"))?})));
    Ok(Answer::json(&json!({"embeddings": values.collect::<Result<Vec<_>, Refusal>>()?})))
}

/// One prediction of a text, as Google's `predict` tells it.
pub(super) fn prediction(content: &str, body: &Value) -> Result<Value, Refusal> {
    let size = size(count(&body["parameters"], "outputDimensionality")?, "outputDimensionality")?;
    let statistics = json!({"token_count": tokens(content), "truncated": false});
    Ok(json!({"embeddings": {"values": floats(&vector(content, size)), "statistics": statistics}}))
}

/// Refuses what makes no vectors.
pub(super) fn embedder(name: &str) -> Result<&'static str, Refusal> {
    match models::known(name)? {
        "embed" => Ok("embed"),
        other => Err(Refusal::field("model", format!("{other:?} makes no embeddings"))),
    }
}

fn gemini_one(request: &Value, name: &str) -> Result<Value, Refusal> {
    let parts = request["content"]["parts"].as_array().ok_or_else(|| wrong(name, "a content with parts", &request["content"]))?;
    let asked = count(request, "outputDimensionality")?.or(count(request, "output_dimensionality")?);
    let inner = either(request, "embedContentConfig", "embed_content_config");
    let size = size(asked.or(count(inner, "outputDimensionality")?), "outputDimensionality")?;
    let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    Ok(floats(&vector(&texts.join("\n"), size)))
}

fn size(asked: Option<u64>, name: &str) -> Result<usize, Refusal> {
    match asked.unwrap_or(DIMENSIONS) {
        size if size <= MOST => Ok(usize::try_from(size).unwrap_or(1)),
        size => Err(Refusal::field(name, format!("must be at most {MOST}, not {size}"))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any rounding will do, as long as it is the same each time")]
fn vector(text: &str, size: usize) -> Vec<f32> {
    let mut raw: Vec<f64> = Vec::with_capacity(size + 16);
    let mut block = 0_u64;
    while raw.len() < size {
        let digest = Sha256::new().chain_update(text.as_bytes()).chain_update(block.to_be_bytes()).finalize();
        raw.extend(digest.chunks(2).map(|pair| f64::from(u16::from_be_bytes([pair[0], pair[1]])) / 32767.5 - 1.0));
        block += 1;
    }
    raw.truncate(size);
    let length = raw.iter().map(|value| value * value).sum::<f64>().sqrt();
    raw.iter().map(|value| (value / length) as f32).collect()
}

fn floats(vector: &[f32]) -> Value {
    vector.iter().map(|value| json!(value)).collect()
}

fn base64_of(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}
