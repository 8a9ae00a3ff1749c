//! Reads a stream of chat completion chunks.

use serde_json::Value;

use super::{Heard, Reader, count, object, refusal, sse::Event, text};
use crate::transform::generate::Dialect;

/// One id from the first chunk to the last, a reason to finish, then `[DONE]`.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    id: Option<String>,
    reason: Option<String>,
}

impl Reader for Chunks {
    fn event(&mut self, event: &Event, heard: &mut Heard) -> Result<(), String> {
        if event.name.is_some() {
            return Err(format!("chat completions name no events: {event:?}"));
        }
        if event.data == "[DONE]" {
            heard.finished = true;
            return self.reason.as_ref().map(|_| ()).ok_or_else(|| "[DONE] without a finish_reason".to_owned());
        }
        let chunk = object(event)?;
        if chunk.get("error").is_some() {
            heard.failed = Some(refusal::body(Dialect::Chat, &chunk)?);
            return Ok(());
        }
        self.chunk(&chunk, heard)
    }
}

impl Chunks {
    fn chunk(&mut self, chunk: &Value, heard: &mut Heard) -> Result<(), String> {
        if text(chunk, "/object")? != "chat.completion.chunk" {
            return Err(format!("no chunk: {chunk}"));
        }
        let id = text(chunk, "/id")?;
        if self.id.get_or_insert_with(|| id.to_owned()) != id {
            return Err(format!("the id changes to {id}"));
        }
        count(chunk, "/created")?;
        heard.model = Some(text(chunk, "/model")?.to_owned());
        let choices = chunk["choices"].as_array().ok_or_else(|| format!("no choices in {chunk}"))?;
        for choice in choices {
            self.choice(choice, heard)?;
        }
        if chunk["usage"].is_object() {
            count(chunk, "/usage/prompt_tokens")?;
            heard.usage = Some(count(chunk, "/usage/completion_tokens")?);
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Value, heard: &mut Heard) -> Result<(), String> {
        if count(choice, "/index")? != 0 || !choice["delta"].is_object() {
            return Err(format!("another choice than was asked for: {choice}"));
        }
        if let Some(words) = choice["delta"]["content"].as_str().filter(|words| !words.is_empty()) {
            if self.reason.is_some() {
                return Err(format!("content after the finish_reason: {choice}"));
            }
            heard.text.push_str(words);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            if reason != "stop" || self.reason.is_some() {
                return Err(format!("an unexpected finish_reason: {choice}"));
            }
            self.reason = Some(reason.to_owned());
        }
        Ok(())
    }
}
