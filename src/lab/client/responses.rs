//! Reads the events of a response.

use serde_json::Value;

use super::{Heard, Reader, count, object, sse::Event, text};

/// One response: numbered events, text in its part, the whole of it again at the end.
#[derive(Debug, Default)]
pub(super) struct Events {
    last: Option<u64>,
    id: Option<String>,
    item: Option<String>,
}

impl Reader for Events {
    fn event(&mut self, event: &Event, heard: &mut Heard) -> Result<(), String> {
        let value = object(event)?;
        let kind = text(&value, "/type")?;
        if event.name.as_deref() != Some(kind) {
            return Err(format!("the event's name is not its type: {event:?}"));
        }
        self.number(&value)?;
        match kind {
            "error" => {
                heard.failed = Some(text(&value, "/message")?.to_owned());
                return Ok(());
            }
            "response.created" if self.id.is_none() => self.id = Some(text(&value, "/response/id")?.to_owned()),
            _ if self.id.is_none() => return Err(format!("before response.created: {value}")),
            _ => {}
        }
        match kind {
            "response.created" | "response.in_progress" => self.same(&value),
            "response.output_item.added" => {
                self.item = Some(text(&value, "/item/id")?.to_owned());
                count(&value, "/output_index").map(|_| ())
            }
            "response.content_part.added" | "response.content_part.done" => self.part(&value),
            "response.output_text.delta" => {
                self.part(&value)?;
                heard.text.push_str(text(&value, "/delta")?);
                Ok(())
            }
            "response.output_text.done" => {
                self.part(&value)?;
                is_whole(text(&value, "/text")?, heard)
            }
            "response.output_item.done" => text(&value, "/item/id").map(|_| ()),
            "response.completed" => self.completed(&value, heard),
            "response.failed" => {
                heard.failed = Some(text(&value, "/response/error/message")?.to_owned());
                self.same(&value)
            }
            _ => Err(format!("an unexpected event: {value}")),
        }
    }
}

impl Events {
    fn number(&mut self, value: &Value) -> Result<(), String> {
        let number = count(value, "/sequence_number")?;
        if self.last.is_some_and(|last| number <= last) {
            return Err(format!("the sequence number does not grow: {value}"));
        }
        self.last = Some(number);
        Ok(())
    }

    fn same(&self, value: &Value) -> Result<(), String> {
        let id = text(value, "/response/id")?;
        if self.id.as_deref() == Some(id) { Ok(()) } else { Err(format!("the response's id changes to {id}")) }
    }

    fn part(&self, value: &Value) -> Result<(), String> {
        count(value, "/output_index")?;
        count(value, "/content_index")?;
        let item = text(value, "/item_id")?;
        if self.item.as_deref() == Some(item) { Ok(()) } else { Err(format!("a part of another item: {value}")) }
    }

    fn completed(&self, value: &Value, heard: &mut Heard) -> Result<(), String> {
        self.same(value)?;
        if text(value, "/response/status")? != "completed" {
            return Err(format!("completed with another status: {value}"));
        }
        heard.model = Some(text(value, "/response/model")?.to_owned());
        heard.usage = value["response"]["usage"]["output_tokens"].as_u64();
        let output = value["response"]["output"].as_array().into_iter().flatten();
        let parts = output.filter_map(|item| item["content"].as_array()).flatten();
        let said: String = parts.filter_map(|part| part["text"].as_str()).collect();
        heard.finished = true;
        is_whole(&said, heard)
    }
}

/// Whether the text that is said again at the end is what was heard.
fn is_whole(said: &str, heard: &Heard) -> Result<(), String> {
    if said == heard.text { Ok(()) } else { Err(format!("the text at the end is another one: {said}")) }
}
