//! Writes answers out for the SDKs' own types to judge: `tests/demo/strict_types.py` reads the folder.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::{CHAT, FORM, MESSAGES, RESPONSES, call, gemini_path};
use crate::protocol::Family;

/// Name of the type, method, path, family, body.
type Case = (&'static str, Method, String, Family, String);

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]});
    for (model, text) in
        [("echo", "hello world"), ("lorem", "20"), ("tools", "parallel weather"), ("think", "why, with a tool?"), ("think", "why?")]
    {
        for stream in [false, true] {
            let user = json!([{"role": "user", "content": text}]);
            let function = json!({"name": "f", "description": "d", "parameters": schema});
            let second = json!({"name": "g", "description": "d", "parameters": schema});
            let chat = json!({"model": model, "messages": user, "stream": stream, "n": 2, "stream_options": {"include_usage": true},
                "tools": [{"type": "function", "function": function}, {"type": "function", "function": second}]});
            cases.push((if stream { "chat.events" } else { "chat" }, Method::POST, CHAT.into(), Family::OpenAi, chat.to_string()));
            let responses = json!({"model": model, "input": text, "stream": stream, "include": ["reasoning.encrypted_content"],
                "tools": [{"type": "function", "name": "f", "parameters": schema}, {"type": "custom", "name": "g"}]});
            cases.push((
                if stream { "responses.events" } else { "responses" },
                Method::POST,
                RESPONSES.into(),
                Family::OpenAi,
                responses.to_string(),
            ));
            let claude = json!({"model": model, "max_tokens": 999, "messages": user, "stream": stream,
                "tools": [{"name": "f", "input_schema": schema}, {"name": "g", "input_schema": schema}]});
            cases.push((
                if stream { "claude.events" } else { "claude" },
                Method::POST,
                MESSAGES.into(),
                Family::Claude,
                claude.to_string(),
            ));
            let gemini =
                json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "tools": [{"functionDeclarations": [function, second]}]});
            let path = if stream { gemini_path(model, "streamGenerateContent?alt=sse") } else { gemini_path(model, "generateContent") };
            cases.push((if stream { "gemini.events" } else { "gemini" }, Method::POST, path, Family::Gemini, gemini.to_string()));
        }
    }
    others(&mut cases);
    cases
}

fn others(cases: &mut Vec<Case>) {
    let (openai, claude) = (Family::OpenAi, Family::Claude);
    let get = |name, path: &str, family| (name, Method::GET, path.to_owned(), family, String::new());
    let post = |name, path: &str, family, body: Value| (name, Method::POST, path.to_owned(), family, body.to_string());
    let limited = json!({"model": "lorem", "input": "x", "max_output_tokens": 4, "stream": true});
    cases.extend([
        post("responses.events", RESPONSES, openai, limited),
        post("completion", "/v1/completions", openai, json!({"model": "echo", "prompt": ["a b", "c"]})),
        post(
            "completion.events",
            "/v1/completions",
            openai,
            json!({"model": "echo", "prompt": "a b", "stream": true, "stream_options": {"include_usage": true}}),
        ),
        post("compact", "/v1/responses/compact", openai, json!({"model": "echo", "input": "a b"})),
        post("count", "/v1/responses/input_tokens", openai, json!({"model": "echo", "input": "a b"})),
        post("claude.count", "/v1/messages/count_tokens", claude, json!({"model": "echo", "messages": [{"role": "user", "content": "a"}]})),
        get("models", "/v1/models", openai),
        get("model", "/v1/models/echo", openai),
        get("claude.models", "/v1/models", claude),
        get("claude.model", "/v1/models/echo", claude),
        post("embeddings", "/v1/embeddings", openai, json!({"model": "embed", "input": "a"})),
        post("images", "/v1/images/generations", openai, json!({"model": "image", "prompt": "a"})),
        post(
            "images.events",
            "/v1/images/generations",
            openai,
            json!({"model": "image", "prompt": "a", "stream": true, "partial_images": 1}),
        ),
        post("moderation", "/v1/moderations", openai, json!({"input": "I hate you"})),
        ("transcription", Method::POST, "/v1/audio/transcriptions".into(), openai, FORM.into()),
        ("translation", Method::POST, "/v1/audio/translations".into(), openai, FORM.into()),
        ("file", Method::POST, "/v1/files".into(), openai, FORM.into()),
        ("claude.file", Method::POST, "/v1/files".into(), claude, FORM.into()),
        post("batch", "/v1/batches", openai, json!({"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"})),
        post("claude.batch", "/v1/messages/batches", claude, json!({"requests": [{"custom_id": "a", "params": {}}]})),
        post("video", "/v1/videos", openai, json!({"model": "video", "prompt": "a"})),
        post("conversation", "/v1/conversations", openai, json!({})),
    ]);
    let resp = super::super::kept::id("resp_", 7);
    let conv = super::super::kept::id("conv_", 7);
    let msgbatch = super::super::kept::id("msgbatch_", 2);
    cases.extend([
        get("responses", &format!("/v1/responses/{resp}"), openai),
        get("response.items", &format!("/v1/responses/{resp}/input_items"), openai),
        post(
            "conversation.items",
            &format!("/v1/conversations/{conv}/items"),
            openai,
            json!({"items": [{"role": "user", "content": "x"}]}),
        ),
        get("conversation.items", &format!("/v1/conversations/{conv}/items"), openai),
        get("claude.batch", &format!("/v1/messages/batches/{msgbatch}"), claude),
        get("claude.results", &format!("/v1/messages/batches/{msgbatch}/results"), claude),
    ]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder is named by whoever runs the check")]
#[ignore = "writes files for the Python check; DEMO_ANSWERS names the folder"]
fn answers_for_the_strict_types() {
    let folder = std::path::PathBuf::from(std::env::var("DEMO_ANSWERS").unwrap());
    fs::create_dir_all(&folder).unwrap();
    for (at, (name, method, path, family, body)) in cases().into_iter().enumerate() {
        let (status, kind, pieces) = call(method, &path, family, &body);
        let text = String::from_utf8(pieces.concat()).unwrap();
        let case = json!({"type": name, "path": path, "request": body, "status": status, "content_type": kind, "body": text});
        fs::write(folder.join(format!("{at:03}-{name}.json")), case.to_string()).unwrap();
    }
}
