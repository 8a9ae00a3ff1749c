//! Reads a stream of Gemini's answers.

use serde_json::Value;

use super::{Heard, Reader, count, object, refusal, sse::Event, text};
use crate::transform::generate::Dialect;

/// One candidate, the last piece with its reason to finish.
#[derive(Debug, Default)]
pub(super) struct Chunks;

impl Reader for Chunks {
    fn event(&mut self, event: &Event, heard: &mut Heard) -> Result<(), String> {
        if event.name.is_some() {
            return Err(format!("Gemini names no events: {event:?}"));
        }
        let chunk = object(event)?;
        if chunk.get("error").is_some() {
            heard.failed = Some(refusal::body(Dialect::Gemini, &chunk)?);
            return Ok(());
        }
        if let Some(model) = chunk.get("modelVersion") {
            heard.model = Some(model.as_str().ok_or_else(|| format!("modelVersion is no text: {chunk}"))?.to_owned());
        }
        if chunk["usageMetadata"].is_object() {
            count(&chunk, "/usageMetadata/promptTokenCount")?;
            heard.usage = chunk["usageMetadata"]["candidatesTokenCount"].as_u64().or(heard.usage);
        }
        for candidate in chunk["candidates"].as_array().into_iter().flatten() {
            take(candidate, heard)?;
        }
        Ok(())
    }
}

fn take(candidate: &Value, heard: &mut Heard) -> Result<(), String> {
    if candidate["index"].as_u64().unwrap_or(0) != 0 {
        return Err(format!("another candidate than was asked for: {candidate}"));
    }
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        heard.text.push_str(text(part, "/text")?);
    }
    match candidate.get("finishReason").map(|reason| reason.as_str()) {
        Some(Some("STOP")) => heard.finished = true,
        Some(_) => return Err(format!("an unexpected finishReason: {candidate}")),
        None => {}
    }
    Ok(())
}
