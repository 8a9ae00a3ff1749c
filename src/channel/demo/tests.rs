//! The demonstration, asked through the catalogue as the gateway asks it.

use http::Method;
use serde_json::{Value, json};

use crate::{
    channel::contract::{Call, answered, channel, order, platform, read},
    channel::{Dispatch, Payload},
    protocol::{
        Family, OperationGroup, OperationKey,
        catalog::{BodyShape, CATALOG, StreamSwitch, find},
    },
    runtime::Body,
};

mod strict;

/// The key of a call, as classification finds it.
fn key_of(method: &Method, path: &str, family: Family, body: &str) -> OperationKey {
    let found = find(method, path.split('?').next().unwrap(), family).unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let streams = match found.row().stream {
        StreamSwitch::Never => false,
        StreamSwitch::Always => true,
        StreamSwitch::Flag => body["stream"] == true,
        StreamSwitch::SseFormat => body["stream_format"] == "sse",
    };
    found.row().key(streams)
}

fn call(method: Method, path: &str, family: Family, body: &str) -> (u16, String, Vec<bytes::Bytes>) {
    let key = key_of(&method, path, family, body);
    let headers: &[(&str, &str)] = if body.starts_with("--b\r\n") {
        &[("content-type", "multipart/form-data; boundary=b")]
    } else {
        &[("content-type", "application/json")]
    };
    let (status, headers, pieces) = answered(&channel("demo", "{}"), &Call { key, method, path, headers, body });
    (status, headers["content-type"].to_str().unwrap().to_owned(), pieces)
}

fn whole(path: &str, family: Family, body: &Value) -> (u16, Value) {
    let (status, _, pieces) = call(Method::POST, path, family, &body.to_string());
    (status, serde_json::from_slice(&pieces.concat()).unwrap())
}

fn got(path: &str, family: Family) -> (u16, Value) {
    let (status, _, pieces) = call(Method::GET, path, family, "");
    (status, serde_json::from_slice(&pieces.concat()).unwrap())
}

/// The data of each event; each is one piece.
fn events(path: &str, family: Family, body: &Value) -> Vec<Value> {
    let (status, kind, pieces) = call(Method::POST, path, family, &body.to_string());
    assert_eq!((status, kind.as_str()), (200, "text/event-stream"), "{pieces:?}");
    let texts = pieces.iter().map(|piece| std::str::from_utf8(piece).unwrap());
    let data = texts.map(|text| {
        assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1, "one event a piece: {text:?}");
        text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned()
    });
    data.filter(|data| data != "[DONE]").map(|data| serde_json::from_str(&data).unwrap()).collect()
}

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

fn gemini_path(model: &str, verb: &str) -> String {
    format!("/v1beta/models/{model}:{verb}")
}

/// What each dialect says as text: one request, whole.
fn said(model: &str, text: &str, more: &Value) -> [String; 4] {
    let with = |mut body: Value, name: &str| {
        for (member, value) in more[name].as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        body
    };
    let message = json!([{"role": "user", "content": text}]);
    let (_, chat) = whole(CHAT, Family::OpenAi, &with(json!({"model": model, "messages": message}), "chat"));
    let (_, responses) = whole(RESPONSES, Family::OpenAi, &with(json!({"model": model, "input": text}), "responses"));
    let (_, claude) = whole(MESSAGES, Family::Claude, &with(json!({"model": model, "max_tokens": 999_999, "messages": message}), "claude"));
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
    let (_, gemini) = whole(&gemini_path(model, "generateContent"), Family::Gemini, &with(contents, "gemini"));
    let of = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let last = |value: &Value| value.as_array().unwrap().last().unwrap().clone();
    [
        of(&chat["choices"][0]["message"]["content"]),
        of(&last(&responses["output"])["content"][0]["text"]),
        of(&last(&claude["content"])["text"]),
        of(&last(&gemini["candidates"][0]["content"]["parts"])["text"]),
    ]
}

#[test]
fn every_dialect_says_the_same() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    let schemas = json!({
        "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}},
        "responses": {"text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}},
        "claude": {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}},
    });
    for (model, text, more, wanted) in [
        ("echo", "hello there", json!({}), "hello there"),
        ("lorem", "3 words, please", json!({}), "lorem ipsum dolor"),
        ("think", "why?", json!({}), "why?"),
        ("tools", "no tools here", json!({}), "no tools here"),
        ("echo", "x", schemas, "{\"a\":1}"),
    ] {
        for said in said(model, text, &more) {
            assert_eq!(said, wanted, "{model}");
        }
    }
}

#[test]
fn limits_and_stops_end_an_answer_with_their_reason() {
    let long = "one two three four STOP five";
    let message = json!([{"role": "user", "content": long}]);
    let (_, chat) = whole(CHAT, Family::OpenAi, &json!({"model": "echo", "messages": message, "stop": "STOP"}));
    assert_eq!(
        (&chat["choices"][0]["finish_reason"], &chat["choices"][0]["message"]["content"]),
        (&json!("stop"), &json!("one two three four "))
    );
    let (_, chat) = whole(CHAT, Family::OpenAi, &json!({"model": "echo", "messages": message, "max_completion_tokens": 2}));
    assert_eq!((&chat["choices"][0]["finish_reason"], &chat["usage"]["completion_tokens"]), (&json!("length"), &json!(2)));
    let (_, claude) =
        whole(MESSAGES, Family::Claude, &json!({"model": "echo", "messages": message, "max_tokens": 99, "stop_sequences": ["STOP"]}));
    assert_eq!((&claude["stop_reason"], &claude["stop_sequence"]), (&json!("stop_sequence"), &json!("STOP")));
    let (_, claude) = whole(MESSAGES, Family::Claude, &json!({"model": "lorem", "messages": message, "max_tokens": 5}));
    assert_eq!((&claude["stop_reason"], &claude["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(5)));
    let (_, responses) = whole(RESPONSES, Family::OpenAi, &json!({"model": "lorem", "input": "x", "max_output_tokens": 5}));
    assert_eq!((&responses["status"], &responses["incomplete_details"]["reason"]), (&json!("incomplete"), &json!("max_output_tokens")));
    let config = json!({"contents": [{"parts": [{"text": long}]}], "generationConfig": {"maxOutputTokens": 2}});
    let (_, gemini) = whole(&gemini_path("echo", "generateContent"), Family::Gemini, &config);
    assert_eq!(gemini["candidates"][0]["finishReason"], "MAX_TOKENS");
}

#[test]
fn the_first_tool_is_called_or_all_of_them_and_a_result_is_quoted() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]});
    let named = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": schema}});
    for (text, calls) in [("weather", 1), ("in Parallel", 2)] {
        let body = json!({"model": "tools", "messages": [{"role": "user", "content": text}], "tools": [named("f"), named("g")]});
        let (_, chat) = whole(CHAT, Family::OpenAi, &body);
        let choice = &chat["choices"][0];
        assert_eq!(
            (choice["finish_reason"].as_str(), choice["message"]["tool_calls"].as_array().unwrap().len()),
            (Some("tool_calls"), calls)
        );
        let arguments: Value = serde_json::from_str(choice["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({"city": text}));
        let claude = json!({"model": "tools", "max_tokens": 99, "messages": body["messages"],
            "tools": [{"name": "f", "input_schema": schema}, {"name": "g", "input_schema": schema}]});
        let (_, claude) = whole(MESSAGES, Family::Claude, &claude);
        let blocks = claude["content"].as_array().unwrap();
        assert_eq!((blocks.len(), &blocks[0]["input"]), (calls, &json!({"city": text})));
        let functions =
            json!([{"functionDeclarations": [{"name": "f", "parameters": schema}, {"name": "g", "parametersJsonSchema": schema}]}]);
        let gemini = json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "tools": functions});
        let (_, gemini) = whole(&gemini_path("tools", "generateContent"), Family::Gemini, &gemini);
        assert_eq!(gemini["candidates"][0]["content"]["parts"].as_array().unwrap().len(), calls);
        let responses = json!({"model": "tools", "input": text, "tools": [
            {"type": "function", "name": "f", "parameters": schema}, {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "g"}]}]});
        let (_, responses) = whole(RESPONSES, Family::OpenAi, &responses);
        assert_eq!(responses["output"].as_array().unwrap().len(), calls);
        if calls == 2 {
            assert_eq!((&responses["output"][1]["type"], &responses["output"][1]["namespace"]), (&json!("custom_tool_call"), &json!("n")));
        }
    }
    let after = json!({"model": "tools", "tools": [named("f")], "messages": [
        {"role": "user", "content": "weather"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"}]});
    let (_, chat) = whole(CHAT, Family::OpenAi, &after);
    assert_eq!(chat["choices"][0]["message"]["content"], "The tool answered: sunny");
}

#[test]
fn streams_add_up_to_the_whole_answer() {
    let message = json!([{"role": "user", "content": "a stream of several words"}]);
    let chat =
        |stream: bool| json!({"model": "echo", "messages": message, "stream": stream, "n": 2, "stream_options": {"include_usage": true}});
    let (_, one) = whole(CHAT, Family::OpenAi, &json!({"model": "echo", "messages": message, "n": 2}));
    let chunks = events(CHAT, Family::OpenAi, &chat(true));
    for at in 0..2 {
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"].as_array()?.iter().find(|choice| choice["index"] == at));
        let text: String = pieces.filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(one["choices"][at]["message"]["content"], text);
    }
    assert_eq!(chunks.last().unwrap()["usage"], one["usage"]);
    assert_eq!(chunks.last().unwrap()["choices"], json!([]));
    let without = events(CHAT, Family::OpenAi, &json!({"model": "echo", "messages": message, "stream": true}));
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"] != json!([])));

    let think = |stream: bool| json!({"model": "think", "max_tokens": 500, "messages": message, "stream": stream});
    let (_, one) = whole(MESSAGES, Family::Claude, &think(false));
    let folded = super::claude::fold(&events(MESSAGES, Family::Claude, &think(true)));
    assert_eq!(with_id_of(one.clone(), &folded), folded);
    let signature = folded["content"][0]["signature"].clone();
    assert!(signature.is_string());
    let blocks = json!([{"type": "thinking", "thinking": "The user said: a stream of several words. I will answer that plainly.", "signature": signature},
        {"type": "text", "text": "a stream of several words"}]);
    assert_eq!(folded["content"], blocks);

    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "one two"}]}], "generationConfig": {"candidateCount": 2}});
    let path = gemini_path("think", "streamGenerateContent");
    let chunks = events(&format!("{path}?alt=sse"), Family::Gemini, &contents);
    let (_, one) = whole(&gemini_path("think", "generateContent"), Family::Gemini, &contents);
    assert_eq!(super::gemini::fold(&chunks), one);
    let (_, array) = whole(&path, Family::Gemini, &contents);
    assert_eq!(array, Value::Array(chunks));

    let body = |stream: bool| json!({"model": "think", "input": "one two", "stream": stream, "include": ["reasoning.encrypted_content"]});
    let (_, one) = whole(RESPONSES, Family::OpenAi, &body(false));
    let stream = events(RESPONSES, Family::OpenAi, &body(true));
    let last = &stream.last().unwrap()["response"]["output"][1];
    assert_eq!(*last, with_id_of(one["output"][1].clone(), last));
    for (at, event) in stream.iter().enumerate() {
        assert_eq!(event["sequence_number"], at);
    }
}

/// Ids come from the whole request, so two that differ in `stream` differ in them.
fn with_id_of(mut value: Value, other: &Value) -> Value {
    value["id"] = other["id"].clone();
    value
}

#[test]
fn usage_stands_in_its_buckets() {
    let long = "x".repeat(400);
    let turns = json!([{"role": "user", "content": [{"type": "text", "text": long, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]);
    let (_, first) = whole(MESSAGES, Family::Claude, &json!({"model": "echo", "max_tokens": 9999, "messages": turns}));
    assert_eq!(first["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 100);
    assert_eq!(first["usage"]["input_tokens"], 0);
    let turns = json!([turns[0], {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and"}]);
    let (_, second) = whole(MESSAGES, Family::Claude, &json!({"model": "echo", "max_tokens": 9999, "messages": turns}));
    assert_eq!((&second["usage"]["cache_read_input_tokens"], &second["usage"]["input_tokens"]), (&json!(100), &json!(2)));
    let plain = json!([{"role": "user", "content": long}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and"}]);
    let (_, chat) = whole(CHAT, Family::OpenAi, &json!({"model": "think", "messages": plain, "prompt_cache_retention": "24h"}));
    let usage = &chat["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]), (&json!(102), &json!(100)));
    assert!(
        usage["prompt_tokens_details"]["cache_write_tokens"] == 1
            && usage["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(5)
    );
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "12345"}]}]});
    let (_, gemini) = whole(&gemini_path("think", "generateContent"), Family::Gemini, &contents);
    let usage = &gemini["usageMetadata"];
    let sum =
        ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"].map(|name| usage[name].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!((&usage["promptTokenCount"], usage["totalTokenCount"].as_u64()), (&json!(2), Some(sum)));
    for (path, family, body, count) in [
        ("/v1/responses/input_tokens", Family::OpenAi, json!({"model": "echo", "input": "12345"}), "input_tokens"),
        (
            "/v1/messages/count_tokens",
            Family::Claude,
            json!({"model": "echo", "messages": [{"role": "user", "content": "12345"}]}),
            "input_tokens",
        ),
        ("/v1beta/models/echo:countTokens", Family::Gemini, contents, "totalTokens"),
    ] {
        assert_eq!(whole(path, family, &body).1[count], 2, "{path}");
    }
}

#[test]
fn bad_requests_get_the_dialects_own_refusal_and_name_the_field() {
    let user = json!([{"role": "user", "content": "x"}]);
    for (path, family, body, status, place, text) in [
        (CHAT, Family::OpenAi, json!({"model": "echo"}), 400, "/error/param", "messages"),
        (CHAT, Family::OpenAi, json!({"model": "gpt-9", "messages": user}), 404, "/error/code", "model_not_found"),
        (CHAT, Family::OpenAi, json!({"model": "echo", "messages": "x"}), 400, "/error/param", "messages"),
        (
            CHAT,
            Family::OpenAi,
            json!({"model": "echo", "messages": [{"role": "x", "content": "x"}]}),
            400,
            "/error/param",
            "messages[0].role",
        ),
        (CHAT, Family::OpenAi, json!({"model": "embed", "messages": user}), 400, "/error/param", "model"),
        (RESPONSES, Family::OpenAi, json!({"model": "echo"}), 400, "/error/param", "input"),
        (
            RESPONSES,
            Family::OpenAi,
            json!({"model": "echo", "previous_response_id": "resp_x"}),
            400,
            "/error/code",
            "previous_response_not_found",
        ),
        (MESSAGES, Family::Claude, json!({"model": "echo", "messages": user}), 400, "/error/message", "max_tokens: field required"),
        (MESSAGES, Family::Claude, json!({"model": "m", "max_tokens": 1, "messages": user}), 404, "/error/type", "not_found_error"),
        (
            MESSAGES,
            Family::Claude,
            json!({"model": "echo", "max_tokens": "1", "messages": user}),
            400,
            "/error/type",
            "invalid_request_error",
        ),
        ("/v1beta/models/echo:generateContent", Family::Gemini, json!({}), 400, "/error/message", "contents: field required"),
        ("/v1beta/models/nope:generateContent", Family::Gemini, json!({"contents": []}), 404, "/error/status", "NOT_FOUND"),
        ("/v1/embeddings", Family::OpenAi, json!({"model": "embed"}), 400, "/error/param", "input"),
        ("/v1/embeddings", Family::OpenAi, json!({"model": "embed", "input": "x", "dimensions": "9"}), 400, "/error/param", "dimensions"),
    ] {
        let (found, answer) = whole(path, family, &body);
        assert_eq!((found, answer.pointer(place).and_then(Value::as_str)), (status, Some(text)), "{path} {body}: {answer}");
    }
    for (path, family, place, text) in [
        ("/v1/files/file-x", Family::OpenAi, "/error/type", "invalid_request_error"),
        ("/v1/files/file_x", Family::Claude, "/error/type", "not_found_error"),
        ("/v1/messages/batches/x", Family::Claude, "/error/type", "not_found_error"),
        ("/v1/videos/video_x", Family::OpenAi, "/error/type", "invalid_request_error"),
        ("/v1/responses/resp_x", Family::OpenAi, "/error/type", "invalid_request_error"),
        ("/v1beta/models/nope", Family::Gemini, "/error/status", "NOT_FOUND"),
    ] {
        let (status, answer) = got(path, family);
        assert_eq!((status, answer.pointer(place).and_then(Value::as_str)), (404, Some(text)), "{path}: {answer}");
    }
}

#[test]
fn vectors_have_length_one_and_the_asked_size_in_both_encodings() {
    use base64::Engine as _;
    let body = |format: &str| json!({"model": "embed", "input": ["a", "b"], "dimensions": 33, "encoding_format": format});
    let (_, floats) = whole("/v1/embeddings", Family::OpenAi, &body("float"));
    let (_, packed) = whole("/v1/embeddings", Family::OpenAi, &body("base64"));
    for at in 0..2 {
        let vector: Vec<f32> = serde_json::from_value(floats["data"][at]["embedding"].clone()).unwrap();
        let length: f32 = vector.iter().map(|value| value * value).sum();
        assert!(vector.len() == 33 && (length - 1.0).abs() < 1e-5);
        let bytes = base64::engine::general_purpose::STANDARD.decode(packed["data"][at]["embedding"].as_str().unwrap()).unwrap();
        let unpacked: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(vector, unpacked);
    }
    let request = json!({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 33});
    let (_, one) = whole("/v1beta/models/embed:embedContent", Family::Gemini, &request);
    assert_eq!(one["embedding"]["values"], floats["data"][0]["embedding"]);
    let (_, batch) = whole("/v1beta/models/embed:batchEmbedContents", Family::Gemini, &json!({"requests": [request]}));
    assert_eq!(batch["embeddings"][0]["values"], floats["data"][0]["embedding"]);
}

/// A file of three bytes, with a purpose.
const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ntranscribe\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nxyz\r\n--b--\r\n";

#[test]
fn what_was_given_out_is_known_again() {
    for family in [Family::OpenAi, Family::Claude] {
        let (status, _, pieces) = call(Method::POST, "/v1/files", family, FORM);
        let file: Value = serde_json::from_slice(&pieces.concat()).unwrap();
        assert_eq!(
            (status, file["bytes"].as_u64().or(file["size_bytes"].as_u64()), file["filename"].as_str()),
            (200, Some(3), Some("a.txt"))
        );
        let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
        assert_eq!(got(&path, family).1["id"], file["id"]);
        assert_eq!(call(Method::GET, &format!("{path}/content"), family, "").2.concat().len(), 3);
        assert_eq!(call(Method::DELETE, &path, family, "").0, 200);
    }
    let batch = json!({"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"});
    for (path, family, body) in [
        ("/v1/batches", Family::OpenAi, batch),
        ("/v1/messages/batches", Family::Claude, json!({"requests": [{"custom_id": "a", "params": {}}]})),
        ("/v1/conversations", Family::OpenAi, json!({})),
        ("/v1/responses", Family::OpenAi, json!({"model": "echo", "input": "x"})),
        ("/v1/videos", Family::OpenAi, json!({"model": "video", "prompt": "x"})),
    ] {
        let (status, made) = whole(path, family, &body);
        assert_eq!(status, 200, "{path}: {made}");
        let (status, again) = got(&format!("{path}/{}", made["id"].as_str().unwrap()), family);
        assert_eq!((status, &again["id"]), (200, &made["id"]), "{path}");
    }
}

#[test]
fn every_row_of_the_catalogue_is_answered_the_same_each_time() {
    for row in CATALOG {
        let model = ["embed", "predict"]
            .iter()
            .find(|verb| row.path.contains(**verb))
            .map_or("echo", |verb| if *verb == "embed" { "embed" } else { "image" });
        let path = row.path.replace("{model}", model).replace("{id}", "file-1");
        let body = match row.body {
            BodyShape::Empty => String::new(),
            BodyShape::Json => json!({"model": "echo"}).to_string(),
            BodyShape::Form | BodyShape::Offer | BodyShape::Opaque => FORM.to_owned(),
        };
        let family = row.key(false).kind().family();
        let first = call(row.method.clone(), &path, family, &body);
        let voice = row.key(false).operation().group() == OperationGroup::Realtime;
        assert_eq!(first.0 == 501, voice, "{} {path}: {first:?}", row.method);
        assert!(matches!(first.0, 200 | 400 | 404 | 426 | 501), "{} {path}: {first:?}", row.method);
        assert_eq!(first, call(row.method.clone(), &path, family, &body));
        if first.0 != 200 {
            let answer: Value = serde_json::from_slice(&first.2.concat()).unwrap();
            assert!(answer["error"]["message"].is_string(), "{answer}");
        }
    }
}

#[test]
fn a_body_that_is_still_coming_is_waited_for() {
    let demo = channel("demo", "{}");
    let key = key_of(&Method::POST, "/v1/files", Family::OpenAi, "");
    let headers = &[("content-type", "multipart/form-data; boundary=b")];
    let mut order = order(&Call { key, method: Method::POST, path: "/v1/files", headers, body: FORM });
    *order.payload_mut() = Payload::Opaque(Body::stream(Body::from(FORM.to_owned())));
    let Dispatch::Answer(reply) = demo.prepare(order).unwrap() else { panic!("sent") };
    let file: Value = serde_json::from_slice(&read(reply.body).concat()).unwrap();
    assert_eq!(file["bytes"], 3);
}

#[test]
fn delays_are_waited_for_on_the_platforms_clock() {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use crate::runtime::{BoxFuture, Clock, Instant};

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<Duration>>);

    impl Clock for Heard {
        fn unix_ms(&self) -> u64 {
            0
        }

        fn now(&self) -> Instant {
            Instant(0)
        }

        fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
            self.0.lock().unwrap().push(span);
            Box::pin(std::future::ready(()))
        }
    }

    let body = json!({"model": "echo", "stream": true, "messages": [{"role": "user", "content": "a"}]}).to_string();
    for (headers, slept) in [(&[][..], vec![70, 5, 5, 5]), (&[("x-demo-delay-ms", "1"), ("x-demo-event-delay-ms", "0")][..], vec![1])] {
        let clock = Arc::new(Heard::default());
        let platform = crate::runtime::Platform { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..platform() };
        let row = crate::channel::find("demo").unwrap();
        let demo = crate::channel::build(row, r#"{"delay_ms":70,"event_delay_ms":5}"#, &platform).unwrap();
        let key = key_of(&Method::POST, CHAT, Family::OpenAi, &body);
        answered(&demo, &Call { key, method: Method::POST, path: CHAT, headers, body: &body });
        assert_eq!(*clock.0.lock().unwrap(), slept.into_iter().map(Duration::from_millis).collect::<Vec<_>>());
    }
}
