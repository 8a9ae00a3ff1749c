//! Chat Completions and Responses.

use serde_json::Value;

use super::{Ask, Choice, Refusal, Scale, Tool, count, list, stops, talker, text, tool, wrong};

/// Reads a Chat request.
pub(in super::super) fn chat(body: &Value) -> Result<Ask, Refusal> {
    let model = talker(text(body, "model")?)?;
    let mut ask = Ask::new(model, body);
    let mut scale = Scale::default();
    scale.json(&body["tools"]);
    for (at, message) in list(body, "messages")?.iter().enumerate() {
        let name = format!("messages[{at}]");
        let role = message["role"].as_str().ok_or_else(|| wrong(&format!("{name}.role"), "a string", &message["role"]))?;
        message_of(&mut ask, &mut scale, role, message, &name)?;
    }
    ask.tools = tools(&body["tools"], |tool| &tool["function"]);
    ask.choice = choice(&body["tool_choice"], |choice| &choice["function"]["name"], |choice| &choice["custom"]["name"]);
    ask.parallel = body["parallel_tool_calls"] != false;
    ask.limit = count(body, "max_completion_tokens")?.or(count(body, "max_tokens")?);
    ask.stops = stops(&body["stop"], "stop")?;
    ask.answers = count(body, "n")?.unwrap_or(1).min(16);
    let format = &body["response_format"];
    ask.json = format["type"] == "json_object";
    ask.schema = (format["type"] == "json_schema").then(|| format["json_schema"]["schema"].clone());
    ask.thinks = body["reasoning_effort"].as_str().is_some_and(|effort| effort != "none");
    Ok(finish(ask, &scale, body))
}

/// Reads a Responses request; also one to be counted or compacted.
pub(in super::super) fn responses(body: &Value) -> Result<Ask, Refusal> {
    let model = talker(text(body, "model")?)?;
    let mut ask = Ask::new(model, body);
    let mut scale = Scale::default();
    scale.json(&body["tools"]);
    if let Some(instructions) = body["instructions"].as_str() {
        scale.text(instructions);
    }
    match &body["input"] {
        Value::String(said) => {
            scale.text(said);
            ask.heard.clone_from(said);
        }
        Value::Array(_) => {
            for (at, item) in list(body, "input")?.iter().enumerate() {
                item_of(&mut ask, &mut scale, item, &format!("input[{at}]"))?;
            }
        }
        Value::Null if body["previous_response_id"].is_string() || body["prompt"].is_object() => {}
        Value::Null => return Err(Refusal::required("input")),
        other => return Err(wrong("input", "a string or an array", other)),
    }
    ask.tools = tools(&body["tools"], |tool| tool);
    ask.choice = choice(&body["tool_choice"], |choice| &choice["name"], |choice| &choice["name"]);
    ask.parallel = body["parallel_tool_calls"] != false;
    ask.limit = count(body, "max_output_tokens")?;
    let format = &body["text"]["format"];
    ask.json = format["type"] == "json_object";
    ask.schema = (format["type"] == "json_schema").then(|| format["schema"].clone());
    ask.thinks = body["reasoning"]["effort"].as_str().is_some_and(|effort| effort != "none");
    Ok(finish(ask, &scale, body))
}

fn finish(mut ask: Ask, scale: &Scale, body: &Value) -> Ask {
    let writes = ["prompt_cache_retention", "prompt_cache_options"].iter().any(|name| !body[name].is_null());
    ask.tokens = scale.automatic(writes);
    ask.images = scale.images;
    ask
}

fn message_of(ask: &mut Ask, scale: &mut Scale, role: &str, message: &Value, name: &str) -> Result<(), Refusal> {
    match role {
        "user" | "tool" | "function" => scale.user_speaks(),
        "assistant" => scale.model_spoke(),
        "system" | "developer" => {}
        other => return Err(Refusal::field(format!("{name}.role"), format!("unknown role {other:?}"))),
    }
    scale.json(&message["tool_calls"]);
    let said = content(&message["content"], scale, &format!("{name}.content"))?;
    match role {
        "user" => {
            ask.heard = said;
            ask.results.clear();
        }
        "tool" | "function" => ask.results.push(said),
        "assistant" => ask.results.clear(),
        _ => {}
    }
    Ok(())
}

fn item_of(ask: &mut Ask, scale: &mut Scale, item: &Value, name: &str) -> Result<(), Refusal> {
    match item["type"].as_str().unwrap_or("message") {
        "message" => match item["role"].as_str() {
            Some(role) => message_of(ask, scale, role, item, name),
            None => Err(wrong(&format!("{name}.role"), "a string", &item["role"])),
        },
        "function_call_output" | "custom_tool_call_output" => {
            scale.user_speaks();
            let result = content(&item["output"], scale, &format!("{name}.output"))?;
            ask.results.push(result);
            Ok(())
        }
        "function_call" | "custom_tool_call" => {
            scale.model_spoke();
            scale.json(item);
            ask.results.clear();
            Ok(())
        }
        // Reasoning, compactions, references and whatever comes after them weigh what they weigh.
        _ => {
            scale.json(item);
            Ok(())
        }
    }
}

/// The text of a content: a string, or the texts of its parts.
fn content(value: &Value, scale: &mut Scale, name: &str) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => {
            scale.text(text);
            Ok(text.clone())
        }
        Value::Array(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                if let Some(text) = part["text"].as_str() {
                    scale.text(text);
                    texts.push(text);
                } else if part["type"].as_str().is_some_and(|kind| kind.contains("image")) {
                    scale.image();
                } else {
                    scale.json(part);
                }
            }
            Ok(texts.join("\n"))
        }
        other => Err(wrong(name, "a string or an array", other)),
    }
}

fn tools(tools: &Value, function: fn(&Value) -> &Value) -> Vec<Tool> {
    let mut found = Vec::new();
    for entry in tools.as_array().map_or(&[][..], Vec::as_slice) {
        match entry["type"].as_str() {
            Some("function") => found.extend(tool(&function(entry)["name"], &function(entry)["parameters"])),
            Some("custom") => {
                let name = if entry["custom"].is_object() { &entry["custom"]["name"] } else { &entry["name"] };
                found.extend(tool(name, &Value::Null).map(|tool| Tool { custom: true, ..tool }));
            }
            Some("namespace") => {
                let namespace = entry["name"].as_str().map(str::to_owned);
                let inner = self::tools(&entry["tools"], function).into_iter();
                found.extend(inner.map(|tool| Tool { namespace: namespace.clone(), ..tool }));
            }
            // Tools that the provider itself runs are not called by the client.
            Some(_) | None => {}
        }
    }
    found
}

fn choice(value: &Value, function: fn(&Value) -> &Value, custom: fn(&Value) -> &Value) -> Choice {
    match (value.as_str(), value["type"].as_str()) {
        (Some("none"), _) => Choice::None,
        (Some("required"), _) => Choice::Any,
        (None, Some("function")) => function(value).as_str().map_or(Choice::Any, |name| Choice::Named(name.into())),
        (None, Some("custom")) => custom(value).as_str().map_or(Choice::Any, |name| Choice::Named(name.into())),
        (Some(_) | None, _) => Choice::Auto,
    }
}
