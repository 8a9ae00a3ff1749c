//! What a provider would refuse, or take for something else, is asked for in another way, and that is told.

use gproxy::transform::generate::{self, Asked, Dialect, Target};
use serde_json::{Value, json};

use Dialect::{Chat, Claude, Gemini, Responses};

fn converted(from: Dialect, to: Dialect, model: &str, body: &Value) -> Result<(Value, Vec<String>), String> {
    let asked = Asked { model, streams: false, goes_on_from: None };
    match generate::request(from, to, body.to_string().as_bytes(), asked, Target::default()) {
        Ok(converted) => {
            let body = serde_json::from_slice(&converted.body).unwrap();
            Ok((body, converted.losses.into_iter().map(|loss| loss.path).collect()))
        }
        Err(refused) => Err(refused.path().to_owned()),
    }
}

/// A request of a dialect that says one thing, with these members beside.
fn ask(from: Dialect, more: &Value) -> Value {
    let mut body = match from {
        Chat => json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}),
        Responses => json!({"model": "m", "input": [{"role": "user", "content": "Hi"}]}),
        Claude => json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}),
        Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
    };
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_a_provider_takes_is_what_it_gets() {
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let format = |schema: &Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let tool = |schema: &Value| json!({"tools": [{"name": "f", "input_schema": schema, "strict": true}]});
    let search = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}], "tool_choice": {"type": "any"}});
    let itself = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}});
    let twice = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "array", "minItems": 2, "items": {"type": "string"}}}});
    let strict = |schema: &Value| json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema, "strict": true}}]});
    let as_json = json!({"generationConfig": {"responseMimeType": "application/json"}});
    let film =
        json!({"contents": [{"role": "user", "parts": [{"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}}, {"text": "Hi"}]}]});
    let found = json!({"messages": [{"role": "user", "content": [
        {"type": "search_result", "source": "https://a.example", "title": "A", "content": [{"type": "text", "text": "Found."}]},
        {"type": "text", "text": "Hi"}]}]});
    let long = "u".repeat(90);
    for (what, from, (to, model), more, at, wanted, lost) in [
        ("a choice without functions", Claude, (Gemini, "gemini-2.5-pro"), &search, "/toolConfig", Value::Null, "tool_choice"),
        ("a choice that is none", Chat, (Gemini, "gemini-2.5-pro"), &json!({"tool_choice": "auto"}), "/toolConfig", Value::Null, ""),
        (
            "a long name",
            Claude,
            (Chat, "gpt-5"),
            &json!({"metadata": {"user_id": long}}),
            "/user",
            json!("uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu_18c49952dfabd357"),
            "metadata.user_id",
        ),
        (
            "an open schema",
            Claude,
            (Chat, "gpt-5"),
            &format(&open),
            "/response_format/json_schema/strict",
            json!(false),
            "output_config.format",
        ),
        ("an open schema", Claude, (Responses, "gpt-5"), &format(&open), "/text/format/strict", json!(false), "output_config.format"),
        ("a closed schema", Claude, (Chat, "gpt-5"), &format(&closed), "/response_format/json_schema/strict", json!(true), ""),
        ("a closed schema", Claude, (Responses, "gpt-5"), &format(&closed), "/text/format/strict", json!(true), ""),
        ("an open tool", Claude, (Chat, "gpt-5"), &tool(&open), "/tools/0/function/strict", json!(false), "tools[0].strict"),
        ("an open tool", Claude, (Responses, "gpt-5"), &tool(&open), "/tools/0/strict", json!(false), "tools[0].strict"),
        ("a closed tool", Claude, (Responses, "gpt-5"), &tool(&closed), "/tools/0/strict", json!(true), ""),
        ("OpenAI to OpenAI", Chat, (Responses, "gpt-5"), &strict(&open), "/tools/0/strict", json!(true), ""),
        (
            "a tool that holds itself",
            Chat,
            (Claude, "claude-sonnet-4-5"),
            &strict(&itself),
            "/tools/0/strict",
            Value::Null,
            "tools[0].strict",
        ),
        (
            "a schema used twice",
            Chat,
            (Claude, "claude-sonnet-4-5"),
            &strict(&twice),
            "/tools/0/strict",
            json!(true),
            "tools[0].parameters",
        ),
        (
            "more than one item",
            Chat,
            (Claude, "claude-sonnet-4-5"),
            &strict(&twice),
            "/tools/0/input_schema/$defs/n/minItems",
            Value::Null,
            "tools[0].parameters",
        ),
        (
            "JSON that is not named",
            Gemini,
            (Chat, "gpt-5"),
            &as_json,
            "/messages/0/content",
            json!("Answer with a JSON object."),
            "generationConfig.responseSchema",
        ),
        (
            "JSON that is not named",
            Gemini,
            (Responses, "gpt-5"),
            &as_json,
            "/input/0/role",
            json!("developer"),
            "generationConfig.responseSchema",
        ),
        (
            "JSON beside a search",
            Chat,
            (Gemini, "gemini-3-pro"),
            &json!({"web_search_options": {}, "response_format": {"type": "json_object"}}),
            "/generationConfig/responseMimeType",
            json!("application/json"),
            "",
        ),
        (
            "JSON beside a search",
            Chat,
            (Gemini, "gemini-flash-latest"),
            &json!({"web_search_options": {}, "response_format": {"type": "json_object"}}),
            "/generationConfig/responseMimeType",
            json!("application/json"),
            "",
        ),
        (
            "JSON beside a search",
            Chat,
            (Gemini, "gemini-2.5-pro"),
            &json!({"web_search_options": {}, "response_format": {"type": "json_object"}}),
            "/generationConfig",
            Value::Null,
            "response_format",
        ),
        (
            "the operator alone",
            Chat,
            (Gemini, "gemini-2.5-pro"),
            &json!({"messages": [{"role": "system", "content": "Greet."}]}),
            "/contents/0/parts/0/text",
            json!("Greet."),
            "messages[0]",
        ),
        (
            "a model that does not think",
            Claude,
            (Chat, "gpt-5-chat-latest"),
            &json!({"temperature": 0.5, "output_config": {"effort": "low"}}),
            "/temperature",
            json!(0.5),
            "thinking",
        ),
        ("what the caller found", Claude, (Chat, "gpt-5"), &found, "/messages/0/content/0/text", json!("Found."), "messages[0].content[0]"),
        (
            "what the caller found",
            Claude,
            (Claude, "claude-sonnet-4-5"),
            &found,
            "/messages/0/content/0",
            found["messages"][0]["content"][0].clone(),
            "",
        ),
        (
            "words to go on from",
            Chat,
            (Claude, "claude-sonnet-4-5"),
            &json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So: \n"}]}),
            "/messages/1/content/0/text",
            json!("So:"),
            "messages[1]",
        ),
        ("a film", Gemini, (Claude, "claude-sonnet-4-5"), &film, "/messages/0/content/0/text", json!("Hi"), "contents[0].parts[0]"),
    ] {
        let (body, losses) = converted(from, to, model, &ask(from, more)).unwrap();
        assert_eq!(*body.pointer(at).unwrap_or(&Value::Null), wanted, "{what}, {from:?} to {model}: {body}");
        assert!(
            if lost.is_empty() { losses.is_empty() } else { losses.iter().any(|path| path == lost) },
            "{what}, {from:?} to {model}: {losses:?}"
        );
    }
}

#[test]
fn what_lies_with_one_provider_is_refused_by_the_others() {
    let cached = json!({"cachedContent": "cachedContents/x"});
    let template = json!({"prompt": {"id": "pmpt_1"}});
    for (from, to, more, at) in [
        (Gemini, Chat, &cached, "cachedContent"),
        (Gemini, Responses, &cached, "cachedContent"),
        (Gemini, Claude, &cached, "cachedContent"),
        (Responses, Chat, &template, "prompt"),
        (Responses, Claude, &template, "prompt"),
        (Responses, Gemini, &template, "prompt"),
    ] {
        assert_eq!(converted(from, to, "m", &ask(from, more)), Err(at.to_owned()), "{from:?} to {to:?}");
    }
    assert_eq!(converted(Responses, Responses, "m", &ask(Responses, &template)).unwrap().0["prompt"], template["prompt"]);
    assert_eq!(converted(Gemini, Gemini, "m", &ask(Gemini, &cached)).unwrap().0["cachedContent"], cached["cachedContent"]);
}
