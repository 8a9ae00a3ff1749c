//! Pictures, sounds, judgements and orders: the smallest valid thing of each sort.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refusal, named_event},
    models,
    read::{count, list, text, wrong},
    script::{CREATED, Seed, tokens, words},
    vectors,
};

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// What a picture costs.
const IMAGE_TOKENS: u64 = 272;

fn maker(body: &Value, wanted: &'static str) -> Result<&'static str, Refusal> {
    match models::known(text(body, "model")?)? {
        model if model == wanted => Ok(wanted),
        other => Err(Refusal::field("model", format!("{other:?} cannot do this; {wanted:?} can"))),
    }
}

/// Answers the two ways of making pictures. `event` is the name of the streamed ones.
pub(super) fn images(body: &Value, event: &str) -> Result<Answer, Refusal> {
    if !body["model"].is_null() {
        maker(body, "image")?;
    }
    let prompt = text(body, "prompt")?;
    let asked = |name: &str| body[name].as_u64().or_else(|| body[name].as_str()?.parse().ok());
    let n = asked("n").unwrap_or(1).clamp(1, 10);
    let prompt_tokens = tokens(prompt);
    let usage = |n: u64| {
        json!({
            "input_tokens": prompt_tokens, "output_tokens": n * IMAGE_TOKENS, "total_tokens": prompt_tokens + n * IMAGE_TOKENS,
            "input_tokens_details": {"text_tokens": prompt_tokens, "image_tokens": 0},
        })
    };
    if body["stream"] == true || body["stream"] == "true" {
        let whole = |kind: &str| {
            json!({
                "type": format!("{event}.{kind}"), "b64_json": PNG, "background": "opaque", "created_at": CREATED,
                "output_format": "png", "quality": "low", "size": "1024x1024",
            })
        };
        let mut events: Vec<Value> = Vec::new();
        for at in 0..asked("partial_images").unwrap_or(0).min(3) {
            let mut partial = whole("partial_image");
            partial["partial_image_index"] = at.into();
            events.push(partial);
        }
        let mut last = whole("completed");
        last["usage"] = usage(1);
        events.push(last);
        return Ok(Answer::events(events.iter().map(named_event).collect()));
    }
    let image = match body["response_format"].as_str() {
        Some("url") => json!({"url": format!("data:image/png;base64,{PNG}")}),
        Some(_) | None => json!({"b64_json": PNG}),
    };
    Ok(Answer::json(&json!({
        "created": CREATED, "data": (0..n).map(|_| image.clone()).collect::<Vec<_>>(), "background": "opaque", "output_format": "png",
        "quality": "low", "size": "1024x1024", "usage": usage(n),
    })))
}

/// A tenth of a second of silence.
fn wav() -> Vec<u8> {
    const SAMPLES: u32 = 800;
    let mut wav = Vec::with_capacity(844);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + SAMPLES).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&8000_u32.to_le_bytes());
    wav.extend_from_slice(&8000_u32.to_le_bytes());
    wav.extend_from_slice(b"\x01\0\x08\0data");
    wav.extend_from_slice(&SAMPLES.to_le_bytes());
    wav.extend(std::iter::repeat_n(0x80, SAMPLES as usize));
    wav
}

/// Answers a text to be spoken.
pub(super) fn speech(body: &Value) -> Result<Answer, Refusal> {
    maker(body, "speech")?;
    let input = tokens(text(body, "input")?);
    if body["stream_format"] != "sse" {
        return Ok(Answer::bytes("audio/wav", wav()));
    }
    let usage = json!({"input_tokens": input, "output_tokens": 2, "total_tokens": input + 2});
    let events =
        [json!({"type": "speech.audio.delta", "audio": STANDARD.encode(wav())}), json!({"type": "speech.audio.done", "usage": usage})];
    Ok(Answer::events(events.iter().map(named_event).collect()))
}

/// Answers a sound to be written down.
pub(super) fn transcription(body: &Value) -> Result<Answer, Refusal> {
    maker(body, "transcribe")?;
    let Some(bytes) = body["file"]["bytes"].as_u64() else { return Err(Refusal::required("file")) };
    let said = format!("A sound of {bytes} bytes.");
    let (input, output) = (bytes.div_ceil(800), tokens(&said));
    let details = json!({"audio_tokens": input, "text_tokens": 0});
    let usage = json!({"type": "tokens", "input_tokens": input, "output_tokens": output, "total_tokens": input + output, "input_token_details": details});
    if body["stream"] == "true" || body["stream"] == true {
        let mut events: Vec<Value> = words(&said).map(|word| json!({"type": "transcript.text.delta", "delta": word})).collect();
        events.push(json!({"type": "transcript.text.done", "text": said, "usage": usage}));
        return Ok(Answer::events(events.iter().map(named_event).collect()));
    }
    Ok(match body["response_format"].as_str() {
        Some("text") => Answer::bytes("text/plain; charset=utf-8", format!("{said}\n")),
        Some("srt") => Answer::bytes("text/plain; charset=utf-8", format!("1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n")),
        Some("vtt") => Answer::bytes("text/vtt; charset=utf-8", format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{said}\n\n")),
        Some("verbose_json") => {
            let segment = json!({
                "id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": said, "tokens": [], "temperature": 0.0, "avg_logprob": 0.0,
                "compression_ratio": 1.0, "no_speech_prob": 0.0,
            });
            let usage = json!({"type": "duration", "seconds": 1.0});
            Answer::json(&json!({"duration": 1.0, "language": "english", "text": said, "segments": [segment], "usage": usage}))
        }
        Some(_) | None => Answer::json(&json!({"text": said, "usage": usage})),
    })
}

/// Answers a sound to be written down in English.
pub(super) fn translation(body: &Value) -> Result<Answer, Refusal> {
    maker(body, "transcribe")?;
    let Some(bytes) = body["file"]["bytes"].as_u64() else { return Err(Refusal::required("file")) };
    Ok(Answer::json(&json!({"text": format!("A sound of {bytes} bytes.")})))
}

fn terms(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut terms: Vec<String> = words.map(str::to_lowercase).collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Orders documents by how many words of the query they have.
#[expect(clippy::cast_precision_loss, reason = "nobody asks with that many words")]
pub(super) fn rerank(body: &Value) -> Result<Answer, Refusal> {
    let model = maker(body, "rerank")?;
    let query = text(body, "query")?;
    let wanted = terms(query);
    let mut results = Vec::new();
    let mut spent = tokens(query);
    for (at, document) in list(body, "documents")?.iter().enumerate() {
        let said = document.as_str().or_else(|| document["text"].as_str());
        let said = said.ok_or_else(|| wrong(&format!("documents[{at}]"), "a string", document))?;
        spent += tokens(said);
        let found = terms(said);
        let shared = wanted.iter().filter(|term| found.contains(term)).count();
        results.push((shared as f64 / wanted.len().max(1) as f64, at, said));
    }
    results.sort_by(|a, b| b.0.total_cmp(&a.0));
    let top = count(body, "top_n")?.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let results = results.into_iter().take(top).map(|(score, at, said)| {
        let mut result = json!({"index": at, "relevance_score": score});
        if body["return_documents"] == true {
            result["document"] = json!({"text": said});
        }
        result
    });
    let results: Vec<Value> = results.collect();
    let meta = json!({"api_version": {"version": "2"}, "billed_units": {"search_units": 1}});
    let id = Seed::of(&[body.to_string().as_bytes()]).id("rerank-");
    Ok(Answer::json(
        &json!({"id": id, "model": model, "results": results, "meta": meta, "usage": {"prompt_tokens": spent, "total_tokens": spent}}),
    ))
}

const CATEGORIES: &[(&str, &str)] = &[
    ("harassment", "idiot"),
    ("harassment/threatening", "threaten"),
    ("hate", "hate"),
    ("hate/threatening", "exterminate"),
    ("illicit", "drugs"),
    ("illicit/violent", "bomb"),
    ("self-harm", "self-harm"),
    ("self-harm/intent", "hurt myself"),
    ("self-harm/instructions", "how to hurt"),
    ("sexual", "sexual"),
    ("sexual/minors", "minors"),
    ("violence", "kill"),
    ("violence/graphic", "blood"),
];

/// Judges texts by a word for each category.
pub(super) fn moderation(body: &Value) -> Result<Answer, Refusal> {
    let model = if body["model"].is_null() { "moderate" } else { maker(body, "moderate")? };
    let part = |part: &Value| part["text"].as_str().unwrap_or("").to_owned();
    let inputs: Vec<String> = match &body["input"] {
        Value::Null => return Err(Refusal::required("input")),
        Value::String(input) => vec![input.clone()],
        Value::Array(inputs) if inputs.iter().all(Value::is_string) => {
            inputs.iter().filter_map(|input| input.as_str().map(str::to_owned)).collect()
        }
        Value::Array(parts) => vec![parts.iter().map(part).collect::<Vec<_>>().join("\n")],
        other => return Err(wrong("input", "a string or an array", other)),
    };
    let results: Vec<Value> = inputs.iter().map(|input| judged(&input.to_lowercase())).collect();
    Ok(Answer::json(&json!({"id": Seed::of(&[body.to_string().as_bytes()]).id("modr-"), "model": model, "results": results})))
}

fn judged(input: &str) -> Value {
    let (mut categories, mut scores, mut types) = (Map::new(), Map::new(), Map::new());
    let mut flagged = false;
    for (name, word) in CATEGORIES {
        let found = input.contains(word);
        flagged |= found;
        categories.insert((*name).into(), found.into());
        scores.insert((*name).into(), json!(if found { 0.99 } else { 0.01 }));
        types.insert((*name).into(), json!(["text"]));
    }
    json!({"flagged": flagged, "categories": categories, "category_scores": scores, "category_applied_input_types": types})
}

/// Answers a search with one page that says what was sought.
pub(super) fn search(body: &Value) -> Result<Answer, Refusal> {
    if let Some(model) = body["model"].as_str() {
        models::known(model)?;
    }
    let query = body["query"].as_str().or_else(|| body["input"].as_str()).unwrap_or("");
    let id = Seed::of(&[body.to_string().as_bytes()]).id("search_");
    let page = json!({"title": "Demo", "url": "https://example.com/", "snippet": format!("About {query}.")});
    Ok(Answer::json(&json!({"id": id, "object": "search", "created_at": CREATED, "results": [page]})))
}

/// Google's raw call: vectors of texts, or pictures.
pub(super) fn predict(model: &str, body: &Value) -> Result<Answer, Refusal> {
    let instances = list(body, "instances")?;
    let known = models::known(model)?;
    let predictions: Vec<Value> = match known {
        "embed" => {
            let content = |at: usize, instance: &Value| {
                let content = instance["content"].as_str();
                content.map(str::to_owned).ok_or_else(|| wrong(&format!("instances[{at}].content"), "a string", &instance["content"]))
            };
            instances
                .iter()
                .enumerate()
                .map(|(at, instance)| vectors::prediction(&content(at, instance)?, body))
                .collect::<Result<_, Refusal>>()?
        }
        "image" => {
            let samples = count(&body["parameters"], "sampleCount")?.unwrap_or(1).min(8);
            let picture = json!({"bytesBase64Encoded": PNG, "mimeType": "image/png"});
            (0..samples * instances.len() as u64).map(|_| picture.clone()).collect()
        }
        other => return Err(Refusal::field("model", format!("{other:?} predicts nothing"))),
    };
    Ok(Answer::json(&json!({"predictions": predictions})))
}

/// Google's raw call that answers later: the name of the operation.
pub(super) fn predict_later(model: &str, body: &Value) -> Result<Answer, Refusal> {
    list(body, "instances")?;
    let model = models::known(model)?;
    let operation = Seed::of(&[body.to_string().as_bytes()]).id("");
    Ok(Answer::json(&json!({"name": format!("models/{model}/operations/{operation}")})))
}
