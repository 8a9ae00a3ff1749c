//! Requests: what clients send in several ways, and what of other dialects has no place here.

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};

use super::{
    super::super::{
        Dialect,
        canon::{
            Block, CacheLife, CacheMark, Call, CallResult, Effort, Input, Media, MediaKind, Part, Reasoning, Request, Rest, Role, Schema,
            Source, Tool, ToolChoice, ToolKind, Turn,
        },
    },
    lift, lower, paths,
};
use crate::transform::{Loss, Seal};

fn text(words: &str) -> Block<'_> {
    block(Part::Text { text: words.into(), citations: Vec::new() })
}

fn block(part: Part<'_>) -> Block<'_> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

fn turn(role: Role, blocks: Vec<Block<'_>>) -> Turn<'_> {
    let blocks = blocks.into_iter().enumerate().map(|(at, block)| Block { at, ..block }).collect();
    Turn { role, blocks, at: 0, id: None, name: None, rest: Rest::default() }
}

/// A request as another dialect's client makes it.
fn foreign<'a>(from: Dialect, model: &'a str, turns: Vec<Turn<'a>>) -> Request<'a> {
    let mut request = lift(r#"{"input":[]}"#);
    request.from = from;
    request.model = model.into();
    request.turns = turns.into_iter().enumerate().map(|(at, turn)| Turn { at, ..turn }).collect();
    request
}

fn items(json: &Value) -> Vec<&str> {
    json["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn what_the_model_said_is_one_turn_and_comes_apart_again() {
    let body = json!({"model": "gpt-5.4", "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg_1", "status": "completed", "phase": "commentary", "role": "assistant", "content": [{"type": "output_text", "text": "One.", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "a", "arguments": "{}"},
        {"type": "message", "id": "msg_2", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "Two.", "annotations": []}, {"type": "refusal", "refusal": "No."}]},
        {"type": "message", "id": "msg_3", "status": "incomplete", "role": "assistant", "content": [{"type": "output_text", "text": "Three.", "annotations": []}]},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "b", "input": "free"},
        {"type": "function_call_output", "call_id": "call_1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "More."}]},
    ]});
    let written = body.to_string();
    let request = lift(&written);
    let shape: Vec<_> = request.turns.iter().map(|turn| (turn.role, turn.blocks.len(), turn.at)).collect();
    assert_eq!(shape, [(Role::User, 1, 0), (Role::Assistant, 7, 1), (Role::User, 2, 7), (Role::User, 1, 9)]);
    let Part::Result(result) = &request.turns[2].blocks[1].part else { panic!("a result") };
    assert_eq!((result.name.as_deref(), result.free, result.content.len()), (Some("b"), true, 2));
    assert_eq!(lower(&request), (body, Vec::new()));
}

#[test]
fn clients_write_messages_in_several_ways() {
    let normal = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]});
    for input in [
        json!("Hi."),
        json!([{"role": "user", "content": "Hi."}]),
        json!([{"type": "message", "role": "user", "content": [{"type": "text", "text": "Hi."}]}]),
        json!([{"role": "user", "content": [{"type": "output_text", "text": "Hi.", "annotations": null}]}]),
        json!([{"role": "user", "content": {"type": "input_text", "text": "Hi."}, "status": null}]),
    ] {
        let body = json!({"model": "m", "input": input, "temperature": null, "tools": null, "metadata": null}).to_string();
        let (back, losses) = lower(&lift(&body));
        assert_eq!(back, json!({"model": "m", "input": [normal]}), "{input}");
        assert_eq!(losses, []);
    }
    let said = lower(&lift(
        r#"{"input":[{"role":"assistant","content":"Hello."},{"role":"assistant","content":[{"type":"input_text","text":"Again."}]}]}"#,
    ))
    .0;
    assert_eq!(items(&said), ["message", "message"]);
    assert_eq!(said["input"][1]["content"][0], json!({"type": "output_text", "text": "Again.", "annotations": []}));
}

#[test]
fn a_wrong_request_is_told_where_it_is_wrong() {
    let fault = |body: &str| {
        let body = super::node(body);
        let asked = super::Asked { model: "m", streams: false, goes_on_from: None };
        super::spoke(Dialect::Responses).lift_request(body, asked).unwrap_err().to_string()
    };
    assert_eq!(fault(r#"{"input":5}"#), r#""input" is 5; expected a string or an array of items"#);
    assert_eq!(
        fault(r#"{"input":[{"role":"user","content":[{"type":"input_text","text":7}]}]}"#),
        r#""input[0].content[0].text" is 7; expected a string"#
    );
    assert_eq!(fault(r#"{"input":[{"type":"function_call","call_id":"c"}]}"#), r#""input[0].name" is missing; expected a string"#);
    assert_eq!(fault(r#"{"input":"x","tools":[{"type":"function"}]}"#), r#""tools[0].name" is missing; expected a string"#);
    assert_eq!(
        fault(r#"{"input":"x","text":{"format":{"type":"json_schema","name":"n"}}}"#),
        r#""text.format.schema" is missing; expected an object"#
    );
    assert_eq!(
        fault(r#"{"input":[{"role":"robot","content":"x"}]}"#),
        r#""input[0].role" is "robot"; expected user, assistant, system or developer"#
    );
}

#[test]
fn codex_tools_come_back_as_they_were() {
    let tools = json!([
        {"type": "function", "name": "shell", "description": "Run.", "strict": false, "parameters": {"type": "object"}},
        {"type": "namespace", "name": "files", "description": "About files.", "tools": [
            {"type": "function", "name": "read", "parameters": {"type": "object"}, "defer_loading": true},
            {"type": "function", "name": "write", "parameters": {"type": "object"}},
        ]},
        {"type": "namespace", "name": "mixed", "description": "", "tools": [{"type": "custom", "name": "free"}]},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
        {"type": "web_search", "external_web_access": false, "filters": {"allowed_domains": ["example.com"]}, "user_location": {"type": "approximate", "country": "FR"}},
        {"type": "tool_search"}, {"type": "local_shell"}, {"type": "apply_patch"}, {"type": "computer"},
        {"type": "mcp", "server_label": "d", "server_url": "https://example.com", "require_approval": "never"},
    ]);
    for choice in [
        json!({"type": "custom", "name": "apply_patch"}),
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "shell"}, {"type": "custom", "name": "apply_patch"}]}),
        json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "d"}]}),
        json!({"type": "web_search_preview"}),
        json!("required"),
    ] {
        let body = json!({"model": "gpt-5.4", "tools": tools, "tool_choice": choice, "input": []});
        let written = body.to_string();
        let request = lift(&written);
        let spaces: Vec<_> = request
            .tools
            .iter()
            .map(|tool| matches!(&tool.kind, ToolKind::Function { namespace: Some(space), .. } if space == "files"))
            .collect();
        assert_eq!(spaces.iter().filter(|of| **of).count(), 2);
        assert_eq!(lower(&request), (body, Vec::new()));
    }
}

#[test]
fn nested_members_without_a_word_are_lost_by_their_full_path() {
    let body = json!({"model": "gpt-5.4", "input": [], "reasoning": {"effort": "high", "context": "all_turns"}, "include": ["reasoning.encrypted_content", "file_search_call.results"],
        "text": {"format": {"type": "text", "x": 1}, "y": 2}, "truncation": "auto"});
    let written = body.to_string();
    let mut request = lift(&written);
    assert_eq!(lower(&request), (body, Vec::new()));
    request.from = Dialect::Claude;
    request.rest.of = Some(Dialect::Claude);
    let lost = lower(&request).1;
    assert_eq!(paths(&lost), ["truncation", "reasoning.context", "text.format.x", "text.y", "include[1]"]);
}

#[test]
fn a_longer_conversation_begins_as_the_shorter_one() {
    let said = |turns: usize| {
        let turns = (0..turns).map(|at| match at % 4 {
            0 => turn(Role::User, vec![text("Question.")]),
            1 => turn(Role::Assistant, vec![text("Let me see."), call("toolu_1", "look", "{}")]),
            2 => turn(Role::User, vec![result("toolu_1", "seen")]),
            _ => turn(Role::Assistant, vec![text("Answer.")]),
        });
        let mut losses = Vec::new();
        let request = foreign(Dialect::Claude, "gpt-5.4", turns.collect());
        super::spoke(Dialect::Responses).lower_request(&request, super::Target::default(), &mut losses).unwrap()
    };
    for turns in 1..9 {
        let (short, long) = (said(turns), said(turns + 1));
        assert!(long.starts_with(&short[..short.len() - 2]), "{turns}");
    }
}

fn call<'a>(id: &'a str, name: &'a str, input: &'a str) -> Block<'a> {
    block(Part::Call(Call { id: id.into(), item_id: None, name: name.into(), namespace: None, input: Input::Json(input.into()) }))
}

fn result<'a>(id: &'a str, words: &'a str) -> Block<'a> {
    let content = vec![text(words)];
    block(Part::Result(CallResult { id: id.into(), name: None, item_id: None, content, object: None, failed: Some(true), free: false }))
}

#[test]
fn long_ids_are_made_to_fit_the_same_way_each_time() {
    let long = "x".repeat(80);
    let turns = vec![turn(Role::Assistant, vec![call(&long, "read", "")]), turn(Role::User, vec![result(&long, "timeout")])];
    let (body, losses) = lower(&foreign(Dialect::Gemini, "gpt-5.4", turns));
    let (call, output) = (&body["input"][0], &body["input"][1]);
    assert_eq!((call["name"].as_str(), call["arguments"].as_str()), (Some("read"), Some("{}")));
    assert_eq!(call["call_id"].as_str().map(str::len), Some(64));
    assert_eq!(call["call_id"], output["call_id"]);
    assert_eq!(paths(&losses), ["contents[1].parts[0].is_error"]);
}

#[test]
fn thinking_goes_back_to_its_maker_only() {
    let thought = |owner, id: Option<&'static str>| {
        let seal = Some(Seal { owner, data: "sealed".into() });
        block(Part::Reasoning(Reasoning { id: id.map(Cow::Borrowed), text: vec!["hm".into()], seal, ..Reasoning::default() }))
    };
    let turns = vec![turn(Role::Assistant, vec![thought(Dialect::Claude, None), thought(Dialect::Responses, None), text("So.")])];
    let (body, losses) = lower(&foreign(Dialect::Claude, "gpt-5.4", turns));
    assert_eq!(items(&body), ["reasoning", "message"]);
    assert_eq!(body["input"][0]["encrypted_content"], "sealed");
    assert_eq!(paths(&losses), ["messages[0].content[0]"]);
    // What was only shown, and what nobody signed, is nobody's loss.
    let shown = block(Part::Reasoning(Reasoning { text: vec!["hm".into()], ..Reasoning::default() }));
    let (body, losses) = lower(&foreign(Dialect::Claude, "gpt-5.4", vec![turn(Role::Assistant, vec![shown, text("So.")])]));
    assert_eq!(items(&body), ["message"]);
    assert_eq!(losses, []);
    // A seal that rode on another part is an item of its own again.
    let mut sealed = call("c", "f", "{}");
    sealed.seal = Some(Seal { owner: Dialect::Responses, data: "gAAA".into() });
    let (body, losses) = lower(&foreign(Dialect::Gemini, "gpt-5.4", vec![turn(Role::Assistant, vec![sealed])]));
    assert_eq!(items(&body), ["reasoning", "function_call"]);
    assert_eq!(losses, []);
}

#[test]
fn what_clients_carry_for_other_providers_is_theirs_again() {
    let claude = Seal { owner: Dialect::Claude, data: "EqQB".into() }.write(Dialect::Responses).into_owned();
    let gemini = Seal { owner: Dialect::Gemini, data: "CiQB".into() }.write(Dialect::Responses).into_owned();
    let body = json!({"input": [
        {"type": "reasoning", "id": "rs_x_0", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": claude},
        {"type": "reasoning", "id": "rs_redacted_x_1", "summary": [], "encrypted_content": claude},
        {"type": "reasoning", "id": "rs_next_x_2", "summary": [], "encrypted_content": gemini},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"role": "assistant", "content": "So."},
        {"type": "reasoning", "id": "rs_prev_x_5", "summary": [], "encrypted_content": gemini},
    ]});
    let written = body.to_string();
    let request = lift(&written);
    let blocks = &request.turns[0].blocks;
    assert_eq!(blocks.len(), 4);
    let Part::Reasoning(shown) = &blocks[0].part else { panic!("reasoning") };
    assert_eq!((shown.text.join(""), shown.summary.len(), shown.redacted), ("hm".to_owned(), 0, false));
    assert!(matches!(&blocks[1].part, Part::Reasoning(reasoning) if reasoning.redacted));
    for sealed in &blocks[2..] {
        assert_eq!(sealed.seal.as_ref().unwrap().opened_by(Dialect::Gemini), Some("CiQB"));
    }
    assert_eq!(lower(&request).1.len(), 4);
}

#[test]
fn options_without_a_place_are_lost_in_the_senders_words() {
    let mut request = foreign(Dialect::Gemini, "gpt-4.1", vec![turn(Role::User, vec![text("Hi.")])]);
    request.sampling.top_k = Some(40.0);
    request.sampling.seed = Some(7);
    request.sampling.n = Some(2);
    request.sampling.temperature = Some(2.5);
    request.sampling.stop = vec!["END".into()];
    request.max_tokens = Some(5);
    request.thinking.budget = Some(2048);
    request.modalities = vec!["TEXT".into(), "IMAGE".into()];
    let (body, losses) = lower(&request);
    let mut lost = paths(&losses);
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            "generationConfig.candidateCount",
            "generationConfig.maxOutputTokens",
            "generationConfig.responseModalities",
            "generationConfig.seed",
            "generationConfig.stopSequences",
            "generationConfig.temperature",
            "generationConfig.thinkingConfig",
            "generationConfig.topK",
        ]
    );
    assert_eq!((&body["temperature"], &body["max_output_tokens"], &body["store"]), (&json!(2), &json!(16), &json!(false)));
    assert!(body.get("include").is_none() && body.get("reasoning").is_none());
}

#[test]
fn effort_comes_to_what_the_model_has() {
    for (model, wish, expected) in [
        ("gpt-5.4", Effort::Max, "xhigh"),
        ("gpt-5.4", Effort::Minimal, "low"),
        ("gpt-5", Effort::None, "minimal"),
        ("o3", Effort::XHigh, "high"),
        ("openai/gpt-5.6-sol", Effort::Max, "max"),
        ("qwen3", Effort::Minimal, "minimal"),
    ] {
        let mut request = foreign(Dialect::Claude, model, Vec::new());
        request.thinking.effort = Some(wish);
        assert_eq!(lower(&request).0["reasoning"]["effort"], expected, "{model}");
    }
    let mut request = foreign(Dialect::Claude, "gpt-5.4", Vec::new());
    request.thinking.budget = Some(10_000);
    request.thinking.on = Some(true);
    request.thinking.shown = Some(true);
    request.sampling.temperature = Some(1.0);
    let (body, losses) = lower(&request);
    assert_eq!(body["reasoning"], json!({"effort": "medium", "summary": "auto"}));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(paths(&losses), ["thinking", "temperature"]);
}

#[test]
fn marks_for_the_cache_go_where_the_model_takes_them() {
    let marked = || Block { cache: Some(CacheMark(CacheLife::Default)), ..text("You are terse.") };
    for (model, marks) in [("gpt-5.6", true), ("gpt-5.4", false)] {
        let mut request = foreign(Dialect::Claude, model, vec![turn(Role::User, vec![marked()])]);
        request.instructions = vec![marked()];
        let (body, losses) = lower(&request);
        let written = body.to_string();
        assert_eq!(written.matches("prompt_cache_breakpoint").count(), if marks { 2 } else { 0 }, "{model}");
        assert_eq!(body.get("instructions").is_some(), !marks, "{model}");
        assert_eq!(losses.len(), if marks { 0 } else { 2 });
    }
}

#[test]
fn schemas_of_google_become_json_schema() {
    let google = r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true},"list":{"type":"ARRAY","items":{"type":"INTEGER"},"minItems":"1"}},"propertyOrdering":["type"]}"#;
    let schema = Schema::Google(Cow::Owned(RawValue::from_string(google.to_owned()).unwrap()));
    let mut request = foreign(Dialect::Gemini, "gpt-5.4", Vec::new());
    let kind = ToolKind::Function { name: "f".into(), namespace: None, description: None, schema: Some(schema), strict: None };
    request.tools = vec![Tool { kind, cache: None, at: 0, rest: Rest::default() }];
    request.tool_choice = Some(ToolChoice::Named("f".into()));
    let (body, losses) = lower(&request);
    assert_eq!(
        body["tools"][0]["parameters"],
        json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}, "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1}}})
    );
    assert_eq!(body["tools"][0]["strict"], false);
    assert_eq!(losses, []);
}

#[test]
fn media_is_told_apart_by_where_it_lies() {
    let body = json!({"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_image", "image_url": {"url": "https://example.com/a.png"}},
    ]}]})
    .to_string();
    let request = lift(&body);
    let sources = request.turns[0].blocks.iter().map(|block| match &block.part {
        Part::Media(media) => match &media.source {
            Source::Base64(data) => format!("{} {data}", media.mime.as_deref().unwrap()),
            Source::FileId(id) => format!("id {id}"),
            Source::Url(url) => format!("url {url}"),
            Source::Plain(words) => format!("plain {words}"),
        },
        other => panic!("{other:?}"),
    });
    let sources: Vec<String> = sources.collect();
    assert_eq!(
        sources,
        ["image/png iVBO", "id file-1", "application/pdf JVBE", "url https://example.com/a.pdf", "url https://example.com/a.png"]
    );
    assert_eq!(lower(&request).1, Vec::<Loss>::new());
}

#[test]
fn turns_hold_nothing_that_the_provider_refuses() {
    let thought = block(Part::Reasoning(Reasoning { text: vec!["hm".into()], ..Reasoning::default() }));
    let film =
        Media { kind: MediaKind::Video, source: Source::Url("https://example.com/a.mp4".into()), mime: None, name: None, detail: None };
    let mut said = turn(Role::Assistant, vec![thought, text(""), call("c", "f", "{}")]);
    said.rest.of = Some(Dialect::Chat);
    said.rest.members.push(("audio".into(), Cow::Borrowed(RawValue::NULL)));
    let mut request = foreign(Dialect::Chat, "gpt-4.1", vec![said, turn(Role::User, vec![block(Part::Media(film))])]);
    request.verbosity = Some("low".into());
    request.tool_choice = Some(ToolChoice::Named("web_search".into()));
    let (body, losses) = lower(&request);
    assert_eq!(items(&body), ["function_call"]);
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(paths(&losses), ["tool_choice", "verbosity", "messages[0].audio", "messages[1].content[0]"]);
}
