//! Anthropic Messages.

use serde_json::Value;

use super::{Ask, Choice, Refusal, Scale, count, list, stops, talker, text, tool, wrong};

/// Reads a Messages request.
pub(in super::super) fn claude(body: &Value) -> Result<Ask, Refusal> {
    let mut ask = counted(body)?;
    ask.limit = Some(count(body, "max_tokens")?.ok_or_else(|| Refusal::required("max_tokens"))?);
    Ok(ask)
}

/// Reads a request whose tokens are only to be counted: it has no limit.
pub(in super::super) fn counted(body: &Value) -> Result<Ask, Refusal> {
    let model = talker(text(body, "model")?)?;
    let mut ask = Ask::new(model, body);
    let mut scale = Scale::default();
    for entry in body["tools"].as_array().map_or(&[][..], Vec::as_slice) {
        scale.json(entry);
        scale.mark(entry);
        // Tools of the server have a type and no schema.
        if entry["input_schema"].is_object() {
            ask.tools.extend(tool(&entry["name"], &entry["input_schema"]));
        }
    }
    blocks(&body["system"], &mut scale, &mut Vec::new(), "system")?;
    for (at, message) in list(body, "messages")?.iter().enumerate() {
        turn(&mut ask, &mut scale, message, &format!("messages.{at}"))?;
    }
    ask.choice = match body["tool_choice"]["type"].as_str() {
        Some("none") => Choice::None,
        Some("any") => Choice::Any,
        Some("tool") => body["tool_choice"]["name"].as_str().map_or(Choice::Any, |name| Choice::Named(name.into())),
        Some(_) | None => Choice::Auto,
    };
    ask.parallel = body["tool_choice"]["disable_parallel_tool_use"] != true;
    ask.stops = stops(&body["stop_sequences"], "stop_sequences")?;
    let formats = [&body["output_config"]["format"], &body["output_format"]];
    ask.schema = formats.into_iter().find(|format| format["type"] == "json_schema").map(|format| format["schema"].clone());
    ask.thinks = matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive"));
    ask.tokens = scale.marked();
    ask.images = scale.images;
    Ok(ask)
}

fn turn(ask: &mut Ask, scale: &mut Scale, message: &Value, name: &str) -> Result<(), Refusal> {
    let role = message["role"].as_str();
    match role {
        Some("user") => scale.user_speaks(),
        Some("assistant") => scale.model_spoke(),
        Some("system") => {}
        Some(_) | None => return Err(wrong(&format!("{name}.role"), "\"user\" or \"assistant\"", &message["role"])),
    }
    if message["content"].is_null() {
        return Err(Refusal::required(&format!("{name}.content")));
    }
    let mut results = Vec::new();
    let said = blocks(&message["content"], scale, &mut results, &format!("{name}.content"))?;
    match role {
        Some("user") => {
            if !said.is_empty() || results.is_empty() {
                ask.heard = said;
            }
            ask.results = results;
        }
        Some("assistant") => ask.results.clear(),
        Some(_) | None => {}
    }
    Ok(())
}

/// The text of a content; results of tools are put aside.
fn blocks(value: &Value, scale: &mut Scale, results: &mut Vec<String>, name: &str) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => {
            scale.text(text);
            Ok(text.clone())
        }
        Value::Array(blocks) => {
            let mut texts: Vec<&str> = Vec::new();
            for (at, block) in blocks.iter().enumerate() {
                match block["type"].as_str() {
                    Some("text") => {
                        let text = block["text"].as_str();
                        let text = text.ok_or_else(|| wrong(&format!("{name}.{at}.text"), "a string", &block["text"]))?;
                        scale.text(text);
                        texts.push(text);
                    }
                    Some("image") => scale.image(),
                    Some("tool_result") => {
                        let result = self::blocks(&block["content"], scale, &mut Vec::new(), &format!("{name}.{at}.content"))?;
                        results.push(result);
                    }
                    Some(_) => scale.json(block),
                    None => return Err(Refusal::required(&format!("{name}.{at}.type"))),
                }
                scale.mark(block);
            }
            Ok(texts.join("\n"))
        }
        other => Err(wrong(name, "a string or an array", other)),
    }
}
