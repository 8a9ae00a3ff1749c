//! What Google's clients send, read leniently and told clearly where it is wrong.

use super::{
    super::{
        super::{
            canon::{Effort, Format, Media, MediaKind, Part, Role, Schema, ServerTool, Source, ToolChoice, ToolKind},
            spoke::{Asked, Spoke},
            testing::node,
        },
        Gemini,
    },
    request, written,
};

const MODEL: &str = "gemini-2.5-flash";

fn refused(body: &str) -> String {
    Gemini.lift_request(node(body), Asked { model: MODEL, streams: false, goes_on_from: None }).unwrap_err().to_string()
}

#[test]
fn both_spellings_of_members_are_read() {
    let lifted = request(
        r#"{"system_instruction":"Be terse.","contents":{"parts":{"text":"hi"}},"generation_config":{"max_output_tokens":"5","top_k":3,
            "thinking_config":{"thinking_budget":-1,"include_thoughts":true},"stop_sequences":["a"]},
            "tools":{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT"}},{"name":"g","parameters_json_schema":{}}]},
            "tool_config":{"function_calling_config":{"mode":"any","allowed_function_names":["f"]}}}"#,
        MODEL,
    );
    assert_eq!((lifted.max_tokens, lifted.sampling.top_k), (Some(5), Some(3.0)));
    assert!(lifted.thinking.adaptive && lifted.thinking.shown == Some(true));
    assert!(matches!(&lifted.instructions[0].part, Part::Text { text, .. } if text == "Be terse."));
    assert_eq!(lifted.turns[0].role, Role::User);
    let schemas: Vec<_> =
        lifted.tools.iter().map(|tool| matches!(&tool.kind, ToolKind::Function { schema: Some(Schema::Google(_)), .. })).collect();
    assert_eq!(schemas, [true, false]);
    assert!(matches!(&lifted.tool_choice, Some(ToolChoice::Named(name)) if name == "f"));
}

#[test]
fn either_alphabet_of_base64_becomes_the_standard_one() {
    let lifted = request(r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"_-8"}}]}]}"#, MODEL);
    let Part::Media(Media { kind, source: Source::Base64(data), .. }) = &lifted.turns[0].blocks[0].part else { panic!("{lifted:?}") };
    assert_eq!((*kind, &**data), (MediaKind::Image, "/+8="));
}

#[test]
fn files_of_google_are_told_from_public_ones() {
    for (uri, public) in [
        ("https://example.com/a.png", true),
        ("https://www.youtube.com/watch?v=1", true),
        ("gs://bucket/a.png", false),
        ("https://generativelanguage.googleapis.com/v1beta/files/a", false),
    ] {
        let body = format!(r#"{{"contents":[{{"parts":[{{"fileData":{{"fileUri":"{uri}"}}}}]}}]}}"#);
        let lifted = request(&body, MODEL);
        let Part::Media(media) = &lifted.turns[0].blocks[0].part else { panic!("{lifted:?}") };
        assert_eq!(matches!(media.source, Source::Url(_)), public, "{uri}");
        assert_eq!(written(&lifted).0, serde_json::from_str::<serde_json::Value>(&body).map(with_role).unwrap());
    }
}

fn with_role(mut body: serde_json::Value) -> serde_json::Value {
    body["contents"][0]["role"] = "user".into();
    body
}

#[test]
fn results_without_ids_find_their_calls_by_name_and_order() {
    let calls = r#"{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"g","args":{}}},{"functionCall":{"name":"f","args":{"n":2}}}"#;
    let results = r#"{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"f","response":{"output":"2"}}},
        {"functionResponse":{"name":"g","response":{"output":"3"}}}"#;
    let body = format!(
        r#"{{"contents":[{{"role":"user","parts":[{{"text":"x"}}]}},{{"role":"model","parts":[{calls}]}},{{"role":"user","parts":[{results}]}}]}}"#
    );
    let lifted = request(&body, MODEL);
    let ids = |turn: usize| -> Vec<String> {
        lifted.turns[turn]
            .blocks
            .iter()
            .map(|block| match &block.part {
                Part::Call(call) => call.id.to_string(),
                Part::Result(result) => result.id.to_string(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(ids(1), ["call_t1p0", "call_t1p1", "call_t1p2"]);
    assert_eq!(ids(2), ["call_t1p0", "call_t1p2", "call_t1p1"]);
    // What Google's client did not say is not written to Google.
    assert_eq!(written(&lifted).0, serde_json::from_str::<serde_json::Value>(&body).unwrap());
}

#[test]
fn a_response_is_read_as_words() {
    for (response, words, failed) in [
        (r#"{"output":"a"}"#, "a", None),
        (r#"{"return_value":"a"}"#, "a", None),
        (r#"{"error":"no"}"#, "no", Some(true)),
        (r#"{"temperature":18}"#, r#"{"temperature":18}"#, None),
        (r#"{"output":"a","more":1}"#, r#"{"output":"a","more":1}"#, None),
    ] {
        let body = format!(r#"{{"contents":[{{"parts":[{{"functionResponse":{{"id":"1","name":"f","response":{response}}}}}]}}]}}"#);
        let lifted = request(&body, MODEL);
        let Part::Result(result) = &lifted.turns[0].blocks[0].part else { panic!("{lifted:?}") };
        assert!(matches!(&result.content[0].part, Part::Text { text, .. } if text == words), "{response}");
        assert_eq!(result.failed, failed, "{response}");
    }
}

#[test]
fn thinking_is_read_in_its_three_forms() {
    let thinking = |config: &str| {
        let body = format!(r#"{{"contents":[],"generationConfig":{{"thinkingConfig":{config}}}}}"#);
        let lifted = request(&body, MODEL);
        (lifted.thinking.on, lifted.thinking.budget, lifted.thinking.effort, lifted.thinking.adaptive)
    };
    assert_eq!(thinking(r#"{"thinkingBudget":0}"#), (Some(false), Some(0), None, false));
    assert_eq!(thinking(r#"{"thinkingBudget":-1}"#), (Some(true), None, None, true));
    assert_eq!(thinking(r#"{"thinkingBudget":512}"#), (Some(true), Some(512), None, false));
    assert_eq!(thinking(r#"{"thinkingLevel":"low"}"#), (Some(true), None, Some(Effort::Low), false));
}

#[test]
fn formats_of_answers_are_read() {
    let format = |config: &'static str| request(config, MODEL).format;
    let schema = r#"{"contents":[],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"}}}"#;
    assert!(matches!(format(schema), Some(Format::Schema { schema: Schema::Google(_), .. })));
    assert!(matches!(format(r#"{"contents":[],"generationConfig":{"responseMimeType":"application/json"}}"#), Some(Format::Json)));
    let choice = r#"{"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["a"]}},"contents":[]}"#;
    assert!(format(choice).is_none());
    assert_eq!(written(&request(choice, MODEL)).0, serde_json::from_str::<serde_json::Value>(choice).unwrap());
}

#[test]
fn googles_own_tools_are_known() {
    let lifted =
        request(r#"{"contents":[],"tools":[{"googleSearch":{"x":1},"urlContext":{}},{"code_execution":{}},{"googleMaps":{}}]}"#, MODEL);
    let kinds = lifted.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Server { tool, json, .. } => (tool.clone(), json.get()),
        other => panic!("{other:?}"),
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds[0], (ServerTool::WebSearch, r#"{"googleSearch":{"x":1}}"#));
    assert_eq!(kinds[1].0, ServerTool::WebFetch);
    assert_eq!(kinds[2].0, ServerTool::CodeExecution);
    assert_eq!(kinds[3].0, ServerTool::Other("googleMaps".to_owned()));
    assert_eq!(written(&lifted).0["tools"][0], serde_json::json!({"googleSearch": {"x": 1}, "urlContext": {}}));
}

#[test]
fn a_tool_of_any_name_comes_back_as_it_was_said() {
    for name in ["a:b", r#"a\"b"#, r"a\\", r#"a\":1,\"b"#, r"\n", " ", ""] {
        let tools = format!(r#"[{{"{name}":[{{"x":1}}]}}]"#);
        let body = format!(r#"{{"contents":[],"tools":{tools}}}"#);
        let (back, losses) = written(&request(&body, MODEL));
        assert_eq!(back["tools"], serde_json::from_str::<serde_json::Value>(&tools).unwrap(), "{name}");
        assert!(losses.is_empty(), "{name}: {losses:?}");
    }
}

#[test]
fn a_wrong_request_is_told_where_it_is_wrong() {
    for (body, path) in [
        (r#"{"contents":[{"parts":[{"text":1}]}]}"#, "contents[0].parts[0].text"),
        (r#"{"contents":[{"role":"assistant","parts":[]}]}"#, "contents[0].role"),
        (r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":"x"}}]}]}"#, "contents[0].parts[0].functionCall.args"),
        (r#"{"contents":[],"generationConfig":{"topP":"x"}}"#, "generationConfig.topP"),
        (r#"{"contents":[],"tools":[{"functionDeclarations":[{"description":"x"}]}]}"#, "tools[0].functionDeclarations[0].name"),
        (
            r#"{"contents":[],"generationConfig":{"thinkingConfig":{"includeThoughts":1}}}"#,
            "generationConfig.thinkingConfig.includeThoughts",
        ),
    ] {
        assert!(refused(body).starts_with(&format!("{path:?}")), "{}", refused(body));
    }
}
