//! Requests: what clients write, and what upstreams are spared.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{
    super::super::{
        Dialect,
        canon::{
            Block, CacheLife, CacheMark, Effort, Format, Input, Part, Request, Rest, Role, Schema, ServerTool, Source, Thinking, Tool,
            ToolKind, Turn,
        },
        spoke::{Asked, Target, spoke},
        testing::node,
    },
    from, lift, lower, paths, round,
};
use crate::transform::{Refused, Seal};

fn messages(messages: &str) -> String {
    format!(r#"{{"model":"gpt-5.4","messages":{messages}}}"#)
}

fn refused(body: &str) -> String {
    spoke(Dialect::Chat).lift_request(node(body), Asked { model: "m", streams: false, goes_on_from: None }).unwrap_err().to_string()
}

fn text<'b>(block: &'b Block<'_>) -> &'b str {
    match &block.part {
        Part::Text { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    for (body, path) in [
        (r#"{"model":"m"}"#, r#""messages" is missing"#),
        (r#"{"messages":[{"role":"user","content":5}]}"#, r#""messages[0].content" is 5"#),
        (r#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#, r#""messages[0].content[0].image_url" is missing"#),
        (r#"{"messages":[{"role":"bot","content":""}]}"#, r#""messages[0].role" is "bot""#),
        (r#"{"messages":[{"role":"tool","content":""}]}"#, r#""messages[0].tool_call_id" is missing"#),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}"#,
            r#""messages[0].tool_calls[0].function.name" is missing"#,
        ),
        (r#"{"messages":[],"tools":[{"type":"function"}]}"#, r#""tools[0].function" is missing"#),
        (r#"{"messages":[],"tool_choice":"maybe"}"#, r#""tool_choice" is "maybe""#),
        (r#"{"messages":[],"temperature":"hot"}"#, r#""temperature" is "hot""#),
        (r#"{"messages":[],"stop":["a",1]}"#, r#""stop[1]" is 1"#),
        (r#"{"messages":[],"response_format":{"type":"json_schema"}}"#, r#""response_format.json_schema" is missing"#),
    ] {
        assert!(refused(body).starts_with(path), "{}", refused(body));
    }
}

#[test]
fn what_nobody_knows_goes_back_to_where_it_was() {
    let body = r#"{"model":"gpt-5.4","x":1.50,"response_format":{"type":"json_schema","y":1,"json_schema":{"name":"n","schema":{},"z":2}},
        "stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"prediction":{"type":"content","content":"c"},
        "messages":[{"role":"user","name":"ada","content":[{"type":"image_url","image_url":{"url":"https://e.com/a.png","detail":"low","w":3},"v":4},
        {"type":"text","text":"t","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"brand_new","q":1}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","u":5,"function":{"name":"f","arguments":"{}","s":6}}]},
        {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"r":7}],
        "tools":[{"type":"function","p":8,"function":{"name":"f","parameters":{},"o":9}},{"type":"web_search","k":1}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}}"#;
    assert_eq!(round(body), serde_json::from_str::<Value>(body).unwrap());
    let (_, losses) = lower(&from(Dialect::Claude, body));
    let lost = paths(&losses);
    for path in [
        "x",
        "response_format.y",
        "response_format.json_schema.z",
        "prediction",
        "messages[0].content[0].image_url.w",
        "messages[0].content[0].v",
        "messages[0].content[1].cache_control",
        "messages[1].content[0].u",
        "messages[1].content[0].function.s",
        "messages[2].r",
        "tools[0].p",
        "tools[0].function.o",
    ] {
        assert!(lost.contains(&path), "{path} in {lost:?}");
    }
}

#[test]
fn older_words_are_lifted_into_newer_ones() {
    let body = r#"{"model":"gpt-4o","max_tokens":9,"stop":"x","functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"},"messages":[
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"r"}]}"#;
    let back = round(body);
    assert_eq!(back["messages"][0]["tool_calls"][0]["id"], "call_0_0");
    assert_eq!(back["messages"][1], json!({"role": "tool", "tool_call_id": "call_0_0", "content": "r"}));
    assert_eq!(back["tool_choice"]["function"]["name"], "f");
    assert_eq!((&back["max_completion_tokens"], &back["stop"]), (&json!(9), &json!(["x"])));
}

#[test]
fn results_know_the_name_of_their_call() {
    let body = messages(
        r#"[{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"x"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]"#,
    );
    let request = lift(&body);
    let Part::Result(result) = &request.turns[1].blocks[0].part else { panic!() };
    assert_eq!((request.turns[1].role, result.name.as_deref(), result.free), (Role::User, Some("f"), true));
}

#[test]
fn media_are_read_in_either_alphabet_and_from_addresses_that_hold_them() {
    let body = messages(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,_-8"},{"type":"image_url","image_url":{"url":"data:text/plain,a%20b"}},
        {"type":"file","file":{"file_data":"JVBERi0="}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]}]"#,
    );
    let request = lift(&body);
    let told: Vec<(String, Option<String>)> = request.turns[0]
        .blocks
        .iter()
        .map(|block| match &block.part {
            Part::Media(media) => match &media.source {
                Source::Base64(data) => (data.to_string(), media.mime.as_deref().map(str::to_owned)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let owned = |data: &str, mime: Option<&str>| (data.to_owned(), mime.map(str::to_owned));
    assert_eq!(
        told,
        [owned("/+8=", Some("image/png")), owned("YSBi", Some("text/plain")), owned("JVBERi0=", None), owned("AAAA", Some("audio/mpeg"))]
    );
    let (back, _) = lower(&request);
    assert_eq!(back["messages"][0]["content"][2]["file"]["file_data"], "data:application/pdf;base64,JVBERi0=");
    assert_eq!(back["messages"][0]["content"][3]["input_audio"]["format"], "mp3");
}

#[test]
fn large_plain_text_is_borrowed() {
    let body = messages(r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]"#);
    let request = lift(&body);
    assert!(matches!(&request.turns[0].blocks[0].part, Part::Media(media) if matches!(&media.source, Source::Base64(Cow::Borrowed(_)))));
}

fn block(part: Part<'static>) -> Block<'static> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

fn turn(role: Role, blocks: Vec<Block<'static>>, at: usize) -> Turn<'static> {
    Turn { role, blocks, at, id: None, name: None, rest: Rest::default() }
}

#[test]
fn pictures_in_results_follow_all_results() {
    let body = messages(
        r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"chart"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
        {"role":"tool","tool_call_id":"b","content":"24 C"}]"#,
    );
    assert_eq!(round(&body)["messages"][1]["content"][1]["type"], "image_url", "a sender of our own is taken at its word");
    let (back, losses) = lower(&from(Dialect::Claude, &body));
    let roles: Vec<&Value> = back["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user"]);
    assert_eq!(back["messages"][1]["content"], "chart");
    assert_eq!(back["messages"][3]["content"][1]["image_url"]["url"], "data:image/png;base64,AAAA");
    assert_eq!(back["messages"][0]["tool_calls"][0]["function"]["arguments"], "{}", "nothing is no JSON");
    assert_eq!(paths(&losses), ["messages[1].content[0].content[1]"]);
}

#[test]
fn turns_of_the_model_that_follow_each_other_are_one_message() {
    let body = messages(
        r#"[{"role":"user","content":"q"},{"role":"assistant","content":"Let me look."},
        {"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"assistant","tool_calls":[{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"}]"#,
    );
    let (back, _) = lower(&from(Dialect::Responses, &body));
    assert_eq!(back["messages"].as_array().unwrap().len(), 4);
    assert_eq!(back["messages"][1]["content"], "Let me look.");
    assert_eq!(back["messages"][1]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(round(&body)["messages"].as_array().unwrap().len(), 6);
}

#[test]
fn thinking_goes_back_to_its_maker_and_to_models_that_want_it() {
    let body = |seal: &str, model: &str| {
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"assistant","content":"a","reasoning_content":"t","reasoning_details":[{{"type":"reasoning.text","text":"t","signature":"{seal}"}}]}}]}}"#
        )
    };
    let foreign = Seal { owner: Dialect::Claude, data: "sig".into() }.write(Dialect::Chat).into_owned();
    let told = |body: &str, dialect| {
        let (back, losses) = lower(&Request { from: dialect, ..lift(body) });
        let message = &back["messages"][0];
        (message["reasoning_content"] == "t", message["reasoning_details"][0]["signature"].as_str().map(str::to_owned), losses.len())
    };
    assert_eq!(told(&body("own", "gpt-5.4"), Dialect::Claude), (true, Some("own".into()), 0), "the seal says that a Chat vendor made it");
    assert_eq!(told(&body(&foreign, "gpt-5.4"), Dialect::Claude), (false, None, 1));
    assert_eq!(told(&body(&foreign, "deepseek-v4"), Dialect::Claude), (true, None, 1), "the words go, the seal does not");
    assert_eq!(told(&body(&foreign, "gpt-5.4"), Dialect::Chat), (true, None, 1));
}

#[test]
fn googles_signature_goes_to_googles_models_only() {
    let body = |model: &str| {
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"assistant","content":null,"tool_calls":[{{"id":"a","type":"function","function":{{"name":"f","arguments":"{{}}"}},"extra_content":{{"google":{{"thought_signature":"c2ln"}}}}}}]}}]}}"#
        )
    };
    let google = body("gemini-3-pro");
    assert_eq!(lift(&google).turns[0].blocks[0].seal, Some(Seal { owner: Dialect::Gemini, data: "c2ln".into() }));
    assert_eq!(round(&google), serde_json::from_str::<Value>(&google).unwrap());
    let (back, losses) = lower(&lift(&body("gpt-5.4")));
    assert!(!back.to_string().contains("c2ln"));
    assert_eq!(losses.len(), 1);
}

#[test]
fn a_longer_conversation_begins_as_the_shorter_one() {
    let head = r#"{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
        {"role":"assistant","content":"x","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_2_0","content":[{"type":"image_url","image_url":{"url":"https://e.com/a"}}]}"#;
    for dialect in Dialect::ALL {
        let write = |body: &str| {
            let request = Request { from: dialect, ..lift(body) };
            String::from_utf8(spoke(Dialect::Chat).lower_request(&request, Target::default(), &mut Vec::new()).unwrap()).unwrap()
        };
        let shorter = write(&messages(&format!("[{head}]")));
        let longer = write(&messages(&format!(r#"[{head},{{"role":"assistant","content":"y"}},{{"role":"user","content":"z"}}]"#)));
        assert!(longer.starts_with(shorter.strip_suffix("]}").unwrap()), "{dialect:?}\n{shorter}\n{longer}");
    }
}

#[test]
fn only_words_that_the_model_knows_are_sent() {
    let plain = r#"{"model":"M","temperature":0.5,"stop":["x"],"top_k":5,"max_tokens":100,"reasoning_effort":"max","messages":[{"role":"developer","content":"d"}]}"#;
    let told = |model: &str| lower(&from(Dialect::Claude, &plain.replace("\"M\"", &format!("{model:?}")))).0;
    let thinking = told("gpt-5.4");
    assert_eq!(
        (&thinking["reasoning_effort"], &thinking["temperature"], &thinking["max_completion_tokens"]),
        (&json!("xhigh"), &Value::Null, &json!(100))
    );
    assert_eq!(thinking["messages"][0]["role"], "developer");
    let said = |model: &str, effort: &str| {
        let body = plain.replace("\"M\"", &format!("{model:?}")).replace(r#""reasoning_effort":"max","#, effort);
        lower(&from(Dialect::Claude, &body)).0
    };
    // Some models of the family think where nothing is said.
    let off = r#""reasoning_effort":"none","#;
    for (model, effort, temperature) in [
        ("gpt-5.5", "", Value::Null),
        ("gpt-5.3-codex", "", Value::Null),
        ("gpt-5.4", "", json!(0.5)),
        ("openai/gpt-5.4-mini", "", json!(0.5)),
        ("gpt-5.5", off, json!(0.5)),
    ] {
        let body = said(model, effort);
        assert_eq!((&body["temperature"], &body["stop"]), (&temperature, &json!(["x"])), "{model} {effort}");
    }
    let older = told("gpt-4.1");
    assert_eq!((&older["reasoning_effort"], &older["temperature"], &older["stop"]), (&Value::Null, &json!(0.5), &json!(["x"])));
    let vendor = told("deepseek/deepseek-v4");
    assert_eq!(
        (&vendor["thinking"]["type"], &vendor["max_tokens"], &vendor["messages"][0]["role"]),
        (&json!("enabled"), &json!(100), &json!("system"))
    );
    let qwen = told("qwen3-max");
    assert_eq!((&qwen["enable_thinking"], &qwen["thinking_budget"], &qwen["top_k"]), (&json!(true), &json!(32768), &Value::Null));
}

#[test]
fn thinking_is_told_as_an_effort() {
    let ask = |thinking: Thinking<'static>| {
        let request = Request { thinking, ..from(Dialect::Claude, r#"{"model":"gpt-5.4","messages":[]}"#) };
        lower(&request).0["reasoning_effort"].as_str().map(str::to_owned)
    };
    let budget = |budget| Thinking { on: Some(true), budget: Some(budget), ..Thinking::default() };
    assert_eq!(ask(budget(1024)).as_deref(), Some("minimal"));
    assert_eq!(ask(budget(12288)).as_deref(), Some("medium"));
    assert_eq!(ask(budget(32000)).as_deref(), Some("xhigh"));
    assert_eq!(ask(Thinking { on: Some(false), ..Thinking::default() }).as_deref(), Some("none"));
    assert_eq!(ask(Thinking { adaptive: true, on: Some(true), ..Thinking::default() }), None);
    assert_eq!(ask(Thinking { effort: Some(Effort::Max), ..Thinking::default() }).as_deref(), Some("xhigh"));
}

#[test]
fn other_vendors_switches_are_understood() {
    for (member, on, budget) in [
        (r#""thinking":{"type":"disabled"}"#, Some(false), None),
        (r#""thinking":{"type":"enabled","budget_tokens":4096}"#, Some(true), Some(4096)),
        (r#""enable_thinking":true,"thinking_budget":99"#, Some(true), Some(99)),
        (r#""reasoning":{"max_tokens":2000,"exclude":true}"#, None, Some(2000)),
        (r#""reasoning_effort":"none""#, Some(false), None),
    ] {
        let body = format!(r#"{{"model":"m","messages":[],{member}}}"#);
        let thinking = lift(&body).thinking;
        assert_eq!((thinking.on, thinking.budget), (on, budget), "{member}");
    }
}

#[test]
fn what_chat_cannot_point_to_is_refused() {
    let ask = |kind: &str, body: &str| {
        let request = from(Dialect::Claude, body);
        match spoke(Dialect::Chat).lower_request(&request, Target::default(), &mut Vec::new()) {
            Err(Refused::Impossible { path, .. }) => path,
            other => panic!("{kind}: {other:?}"),
        }
    };
    assert_eq!(
        ask("file", &messages(r#"[{"role":"user","content":[{"type":"file","file":{"file_data":"https://e.com/a.pdf"}}]}]"#)),
        "messages[0].content[0]"
    );
    let mut request = from(Dialect::Responses, r#"{"model":"m","messages":[]}"#);
    request.state.previous = Some("resp_1".into());
    let refused = spoke(Dialect::Chat).lower_request(&request, Target::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(refused.path(), "previous_response_id");
}

fn raw(json: &str) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn tool(kind: ToolKind<'static>) -> Tool<'static> {
    Tool { kind, cache: None, at: 0, rest: Rest::default() }
}

#[test]
fn a_foreign_search_is_offered_to_models_that_search() {
    let search = || ToolKind::Server {
        tool: ServerTool::WebSearch,
        of: Dialect::Claude,
        json: raw(
            r#"{"type":"web_search_20250305","name":"web_search","max_uses":3,"user_location":{"type":"approximate","city":"Rome"}}"#,
        ),
    };
    let mut request = from(Dialect::Claude, r#"{"model":"gpt-4o-search-preview","messages":[],"tool_choice":"auto"}"#);
    request.tools.push(tool(search()));
    let (back, losses) = lower(&request);
    assert_eq!(back["web_search_options"], json!({"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}));
    assert!(back.get("tool_choice").is_none() && back.get("tools").is_none(), "no choice among no tools");
    assert_eq!(paths(&losses), ["tools[0].max_uses"]);
    request.model = "gpt-5.4".into();
    assert_eq!(paths(&lower(&request).1), ["tools[0]"]);
}

#[test]
fn googles_schemas_become_json_schema_and_strict_where_they_can() {
    let google = r#"{"type":"OBJECT","properties":{"a":{"type":"INTEGER","nullable":true},"b":{"type":"ARRAY","items":{"type":"STRING"},"minItems":"1"}},"propertyOrdering":["a","b"]}"#;
    let mut request = from(Dialect::Gemini, r#"{"model":"gpt-5.4","messages":[]}"#);
    request.format = Some(Format::Schema { name: None, description: None, schema: Schema::Google(raw(google)), strict: None });
    request.tools.push(tool(ToolKind::Function { name: "a_b".into(), namespace: None, description: None, schema: None, strict: None }));
    let (back, losses) = lower(&request);
    let inner = &back["response_format"]["json_schema"];
    assert_eq!(inner["name"], "response");
    assert_eq!(
        inner["schema"],
        json!({"type": "object", "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": "array", "items": {"type": "string"}, "minItems": 1}}})
    );
    assert!(inner.get("strict").is_none());
    assert_eq!(back["tools"][0]["function"], json!({"name": "a_b", "parameters": {"type": "object", "properties": {}}}));
    assert!(losses.is_empty(), "{losses:?}");
    let strict = r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;
    request.format = Some(Format::Schema { name: Some("n".into()), description: None, schema: Schema::Json(raw(strict)), strict: None });
    assert_eq!(lower(&request).0["response_format"]["json_schema"]["strict"], true);
}

#[test]
fn instructions_are_one_text_and_marks_go_where_they_are_known() {
    let words = |text: &'static str, cache| Block { cache, ..block(Part::Text { text: text.into(), citations: vec![] }) };
    let mut request = from(Dialect::Claude, r#"{"model":"gpt-5.4","messages":[{"role":"user","content":"q"}]}"#);
    request.instructions = vec![words("a", None), words("", None), words("b", Some(CacheMark(CacheLife::Hour)))];
    let (back, losses) = lower(&request);
    assert_eq!(back["messages"][0], json!({"role": "system", "content": "a\n\nb"}));
    assert_eq!(paths(&losses), ["system[0].cache_control"]);
    for (model, member, mark) in [
        ("gpt-5.6-sol", "prompt_cache_breakpoint", json!({"mode": "explicit"})),
        ("anthropic/claude-opus-4-6", "cache_control", json!({"type": "ephemeral", "ttl": "1h"})),
    ] {
        request.model = model.into();
        assert_eq!(lower(&request).0["messages"][0]["content"][1][member], mark);
    }
}

#[test]
fn what_upstreams_refuse_is_not_sent() {
    let long = "x".repeat(60);
    let call = super::super::super::canon::Call {
        id: long.clone().into(),
        item_id: None,
        name: "f".into(),
        namespace: None,
        input: Input::Json("".into()),
    };
    let mut request = from(
        Dialect::Gemini,
        r#"{"model":"gpt-5.4","messages":[],"stop":["a","b","c","d","e"],"metadata":{"a":"b"},"parallel_tool_calls":true}"#,
    );
    let empty = block(Part::Text { text: "".into(), citations: vec![] });
    request.turns = vec![turn(Role::User, vec![empty.clone()], 0), turn(Role::Assistant, vec![empty, block(Part::Call(call))], 1)];
    let (back, losses) = lower(&request);
    assert_eq!(back["messages"].as_array().unwrap().len(), 1);
    assert!(back["messages"][0]["tool_calls"][0]["id"].as_str().unwrap().len() <= 40);
    assert_eq!(back["messages"][0]["content"], Value::Null);
    assert_eq!(back["stop"].as_array().unwrap().len(), 4);
    assert!(back.get("parallel_tool_calls").is_none() && back.get("metadata").is_none());
    assert_eq!(paths(&losses), ["generationConfig.stopSequences", "labels"]);
    assert_eq!(text(&lift(&messages(r#"[{"role":"user","content":""}]"#)).turns[0].blocks[0]), "");
}
