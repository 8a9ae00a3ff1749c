//! Reads the events of a Claude message.

use serde_json::Value;

use super::{Heard, Reader, count, object, refusal, sse::Event, text};
use crate::transform::generate::Dialect;

/// One message, its blocks one after the other, its reason to stop, its end.
#[derive(Debug, Default)]
pub(super) struct Events {
    begun: bool,
    /// Blocks that were opened.
    blocks: u64,
    open: bool,
    stopped: bool,
}

impl Reader for Events {
    fn event(&mut self, event: &Event, heard: &mut Heard) -> Result<(), String> {
        let value = object(event)?;
        let kind = text(&value, "/type")?;
        if event.name.as_deref() != Some(kind) {
            return Err(format!("the event's name is not its type: {event:?}"));
        }
        let out_of_place = || Err(format!("out of its place: {value}"));
        match kind {
            "ping" => Ok(()),
            "error" => {
                heard.failed = Some(refusal::body(Dialect::Claude, &value)?);
                Ok(())
            }
            "message_start" if !self.begun => self.start(&value, heard),
            "content_block_start" if self.begun && !self.open && !self.stopped => self.open(&value),
            "content_block_delta" if self.open => self.delta(&value, heard),
            "content_block_stop" if self.open && self.is_here(&value)? => {
                self.open = false;
                Ok(())
            }
            "message_delta" if self.begun && !self.open && !self.stopped => self.stop(&value, heard),
            "message_stop" if self.stopped => {
                heard.finished = true;
                Ok(())
            }
            _ => out_of_place(),
        }
    }
}

impl Events {
    fn start(&mut self, value: &Value, heard: &mut Heard) -> Result<(), String> {
        self.begun = true;
        text(value, "/message/id")?;
        count(value, "/message/usage/input_tokens")?;
        if text(value, "/message/role")? != "assistant" {
            return Err(format!("not the assistant's: {value}"));
        }
        heard.model = Some(text(value, "/message/model")?.to_owned());
        Ok(())
    }

    fn open(&mut self, value: &Value) -> Result<(), String> {
        text(value, "/content_block/type")?;
        self.blocks += 1;
        self.open = true;
        if self.is_here(value)? { Ok(()) } else { Err(format!("a block with another index than the next: {value}")) }
    }

    fn delta(&mut self, value: &Value, heard: &mut Heard) -> Result<(), String> {
        if !self.is_here(value)? || text(value, "/delta/type")? != "text_delta" {
            return Err(format!("a delta that fits no block: {value}"));
        }
        heard.text.push_str(text(value, "/delta/text")?);
        Ok(())
    }

    fn stop(&mut self, value: &Value, heard: &mut Heard) -> Result<(), String> {
        if text(value, "/delta/stop_reason")? != "end_turn" {
            return Err(format!("an unexpected stop_reason: {value}"));
        }
        self.stopped = true;
        heard.usage = Some(count(value, "/usage/output_tokens")?);
        Ok(())
    }

    fn is_here(&self, value: &Value) -> Result<bool, String> {
        Ok(count(value, "/index")? + 1 == self.blocks)
    }
}
