//! Gemini generateContent. Google takes names in both spellings.

use serde_json::Value;

use super::{Ask, Choice, Refusal, Scale, count, list, stops, talker, tool, wrong};

/// Reads a generateContent request for a model of the path.
pub(in super::super) fn gemini(model: &str, body: &Value) -> Result<Ask, Refusal> {
    let model = talker(model)?;
    let mut ask = Ask::new(model, body);
    let mut scale = Scale::default();
    for declared in either(body, "tools", "tools").as_array().map_or(&[][..], Vec::as_slice) {
        for function in either(declared, "functionDeclarations", "function_declarations").as_array().map_or(&[][..], Vec::as_slice) {
            scale.json(function);
            let schema = match either(function, "parametersJsonSchema", "parameters_json_schema") {
                Value::Null => &function["parameters"],
                schema => schema,
            };
            ask.tools.extend(tool(&function["name"], schema));
        }
    }
    parts(either(body, "systemInstruction", "system_instruction"), &mut scale, &mut Vec::new());
    for (at, content) in list(body, "contents")?.iter().enumerate() {
        turn(&mut ask, &mut scale, content, &format!("contents[{at}]"))?;
    }
    let calling = either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
    ask.choice = match calling["mode"].as_str() {
        Some("NONE") => Choice::None,
        Some("ANY") => match either(calling, "allowedFunctionNames", "allowed_function_names")[0].as_str() {
            Some(name) => Choice::Named(name.into()),
            None => Choice::Any,
        },
        Some(_) | None => Choice::Auto,
    };
    config(&mut ask, either(body, "generationConfig", "generation_config"))?;
    ask.tokens = scale.automatic(false);
    ask.images = scale.images;
    Ok(ask)
}

fn config(ask: &mut Ask, config: &Value) -> Result<(), Refusal> {
    if !config.is_null() && !config.is_object() {
        return Err(wrong("generationConfig", "an object", config));
    }
    ask.limit = count(config, "maxOutputTokens")?.or(count(config, "max_output_tokens")?);
    ask.answers = count(config, "candidateCount")?.or(count(config, "candidate_count")?).unwrap_or(1).min(8);
    ask.stops = stops(either(config, "stopSequences", "stop_sequences"), "generationConfig.stopSequences")?;
    ask.json = either(config, "responseMimeType", "response_mime_type") == "application/json";
    let names = [
        ("responseJsonSchema", "response_json_schema"),
        ("_responseJsonSchema", "_response_json_schema"),
        ("responseSchema", "response_schema"),
    ];
    ask.schema = names.iter().map(|(camel, snake)| either(config, camel, snake)).find(|schema| schema.is_object()).cloned();
    let thinking = either(config, "thinkingConfig", "thinking_config");
    ask.thinks = *either(thinking, "includeThoughts", "include_thoughts") == true;
    Ok(())
}

fn turn(ask: &mut Ask, scale: &mut Scale, content: &Value, name: &str) -> Result<(), Refusal> {
    let speaks = content["role"].as_str();
    match speaks {
        Some("model") => scale.model_spoke(),
        Some(_) | None => scale.user_speaks(),
    }
    if !content["parts"].is_array() {
        return Err(wrong(&format!("{name}.parts"), "an array", &content["parts"]));
    }
    let mut results = Vec::new();
    let said = parts(content, scale, &mut results);
    if speaks == Some("model") {
        ask.results.clear();
        return Ok(());
    }
    if !said.is_empty() || results.is_empty() {
        ask.heard = said;
    }
    ask.results = results;
    Ok(())
}

/// The text of a content's parts; results of functions are put aside.
fn parts(content: &Value, scale: &mut Scale, results: &mut Vec<String>) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for part in content["parts"].as_array().map_or(&[][..], Vec::as_slice) {
        let image = |part: &Value| either(part, "mimeType", "mime_type").as_str().is_some_and(|kind| kind.starts_with("image/"));
        let result = either(part, "functionResponse", "function_response");
        if let Some(text) = part["text"].as_str() {
            scale.text(text);
            texts.push(text);
        } else if result.is_object() {
            scale.json(result);
            results.push(result["response"].to_string());
        } else if image(either(part, "inlineData", "inline_data")) || image(either(part, "fileData", "file_data")) {
            scale.image();
        } else {
            scale.json(part);
        }
    }
    texts.join("\n")
}

/// A member in either spelling.
pub(in super::super) fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).or_else(|| value.get(snake)).unwrap_or(&Value::Null)
}
