//! Options and tools: what Claude says of them, and what becomes of those of others.

use serde_json::{Value, json, value::RawValue};

use super::{Claude, foreign, lift, lower};
use crate::{
    protocol::json::Node,
    transform::generate::{
        Dialect,
        canon::{Citation, Effort, Format, MediaKind, Part, Raw, Schema, ServerTool, Source, Tool, ToolChoice, ToolKind},
        spoke::{Asked, Spoke, Target},
    },
};

const BUDGET: &str = "claude-sonnet-4-5";
const BOTH: &str = "claude-opus-4-6";
const ADAPTIVE: &str = "claude-opus-4-7";

fn raw(json: &Value) -> Raw<'static> {
    std::borrow::Cow::Owned(RawValue::from_string(json.to_string()).unwrap())
}

fn function(name: &'static str, schema: Option<Schema<'static>>, strict: Option<bool>) -> Tool<'static> {
    let kind = ToolKind::Function { name: name.into(), namespace: None, description: None, schema, strict };
    Tool { kind, cache: None, at: 0, rest: crate::transform::generate::canon::Rest::default() }
}

fn thinking(model: &'static str, effort: Option<Effort>, budget: Option<u64>, max: Option<u64>) -> (Value, Vec<String>) {
    let mut request = foreign(Dialect::Responses, model);
    (request.thinking.effort, request.thinking.budget, request.max_tokens) = (effort, budget, max);
    let (body, losses) = lower(&request);
    (json!([body["thinking"], body["output_config"]["effort"], body["max_tokens"]]), losses)
}

#[test]
fn an_effort_becomes_what_the_model_thinks_by() {
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = json!({"type": "adaptive"});
    assert_eq!(thinking(BUDGET, Some(Effort::High), None, None).0, json!([budget(16_384), null, 64_000]));
    assert_eq!(thinking(BUDGET, Some(Effort::High), None, Some(1000)).0, json!([budget(16_360), null, 17_384]));
    assert_eq!(
        thinking(BOTH, Some(Effort::XHigh), None, None),
        (json!([adaptive, "high", 128_000]), vec!["reasoning.effort changed".into()])
    );
    assert_eq!(thinking(BOTH, None, Some(500), None).0, json!([budget(1024), null, 128_000]));
    assert_eq!(thinking(ADAPTIVE, Some(Effort::XHigh), None, None), (json!([adaptive, "xhigh", 128_000]), vec![]));
    assert_eq!(thinking(ADAPTIVE, None, Some(10_000), None).0, json!([adaptive, "medium", 128_000]));
    assert_eq!(thinking(BOTH, Some(Effort::None), None, None), (json!([{"type": "disabled"}, null, 128_000]), vec![]));
    assert_eq!(thinking(ADAPTIVE, Some(Effort::None), None, None), (json!([null, null, 128_000]), vec!["reasoning changed".into()]));
    assert_eq!(thinking("claude-fable-5", Some(Effort::None), None, None).1, ["reasoning changed"]);
    assert_eq!(
        thinking("claude-3-5-haiku-latest", Some(Effort::Low), None, None),
        (json!([null, null, 8192]), vec!["reasoning dropped".into()])
    );
    assert_eq!(thinking("glm-5", Some(Effort::Low), None, Some(90_000)).0, json!([budget(2048), null, 90_000]));
}

#[test]
fn a_forced_tool_and_other_sampling_give_way_or_are_kept_as_the_model_wants() {
    let mut request = foreign(Dialect::Chat, BUDGET);
    request.tools = vec![function("f", None, None)];
    request.tool_choice = Some(ToolChoice::Required);
    request.thinking.effort = Some(Effort::Low);
    request.sampling.temperature = Some(1.7);
    request.sampling.top_p = Some(0.9);
    let (body, losses) = lower(&request);
    assert_eq!((&body["tool_choice"]["type"], body.get("thinking"), &body["temperature"]), (&json!("any"), None, &json!(1)));
    assert_eq!(losses, ["reasoning_effort changed", "top_p dropped", "temperature changed"]);
    request.sampling.temperature = Some(-0.5);
    let (body, losses) = lower(&request);
    assert_eq!(body["temperature"], json!(0));
    assert_eq!(losses, ["reasoning_effort changed", "top_p dropped", "temperature changed"]);
    request.tool_choice = None;
    let (body, losses) = lower(&request);
    assert_eq!((&body["thinking"]["type"], body.get("temperature")), (&json!("enabled"), None));
    assert_eq!(losses, ["temperature dropped", "top_p dropped"]);
    request.model = ADAPTIVE.into();
    request.thinking.effort = None;
    assert_eq!(lower(&request).1, ["temperature dropped", "top_p dropped"]);
}

#[test]
fn tokens_are_what_the_operator_or_the_model_allows() {
    let target = Target { max_output_tokens: Some(500) };
    let mut request = foreign(Dialect::Chat, BOTH);
    let mut losses = Vec::new();
    let max = |body: Vec<u8>| crate::transform::generate::testing::value(&body)["max_tokens"].clone();
    assert_eq!(max(Claude.lower_request(&request, target, &mut losses).unwrap()), 500);
    assert!(losses.is_empty());
    request.max_tokens = Some(900);
    assert_eq!(max(Claude.lower_request(&request, target, &mut losses).unwrap()), 500);
    assert_eq!(losses[0].path, "max_completion_tokens");
}

#[test]
fn a_schema_is_closed_for_strict_output_and_put_into_json_schema() {
    let google = json!({"type": "OBJECT", "nullable": true, "propertyOrdering": ["b"], "properties": {
        "b": {"type": "ARRAY", "maxItems": "3", "items": {"type": "STRING", "format": "date"}}, "type": {"type": "INTEGER", "minimum": 1}}});
    let mut request = foreign(Dialect::Gemini, BOTH);
    let schema = |value: &Value| Format::Schema { name: None, description: None, schema: Schema::Google(raw(value)), strict: None };
    request.format = Some(schema(&google));
    let (body, losses) = lower(&request);
    assert_eq!(
        body["output_config"]["format"]["schema"],
        json!({"type": ["object", "null"], "additionalProperties": false, "properties": {
            "b": {"type": "array", "items": {"type": "string", "format": "date"}}, "type": {"type": "integer"}}})
    );
    assert_eq!(losses, ["generationConfig.responseSchema changed"]);
    // A model without structured output, and plain JSON, are asked in words.
    request.model = "claude-sonnet-4-0".into();
    assert!(lower(&request).0["system"][0]["text"].as_str().unwrap().contains("JSON schema"));
    request.format = Some(Format::Json);
    assert!(lower(&request).0["system"][0]["text"].as_str().unwrap().contains("JSON object"));
}

#[test]
fn a_tools_input_is_an_object() {
    let mut request = foreign(Dialect::Chat, BOTH);
    let open = json!({"properties": {"n": {"type": "integer", "minimum": 1}}, "anyOf": [{"required": ["n"]}]});
    request.tools = vec![
        function("files", Some(Schema::Json(raw(&open))), Some(false)),
        function("plain", None, Some(true)),
        function("g", Some(Schema::Google(raw(&json!({"type": "OBJECT", "properties": {"c": {"type": "STRING", "enum": ["A"]}}})))), None),
    ];
    let (body, losses) = lower(&request);
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}));
    assert_eq!(body["tools"][1], json!({"name": "plain", "input_schema": {"type": "object", "properties": {}}, "strict": true}));
    assert_eq!(body["tools"][2]["input_schema"]["properties"]["c"], json!({"type": "string", "enum": ["A"]}));
    assert_eq!(losses, ["tools[0].parameters changed"]);
}

#[test]
fn tools_of_other_providers_are_declared_anew_or_told_as_lost() {
    let mut request = foreign(Dialect::Responses, BOTH);
    let served = |at, tool, json: Value| Tool {
        at,
        kind: ToolKind::Server { tool, of: Dialect::Responses, json: raw(&json) },
        ..function("", None, None)
    };
    request.tools = vec![
        served(0, ServerTool::WebSearch, json!({"type": "web_search"})),
        served(1, ServerTool::CodeExecution, json!({"type": "code_interpreter", "container": {"type": "auto"}})),
        served(2, ServerTool::FileSearch, json!({"type": "file_search"})),
    ];
    let (body, losses) = lower(&request);
    let kinds: Vec<&Value> = body["tools"].as_array().unwrap().iter().map(|tool| &tool["type"]).collect();
    assert_eq!(kinds, ["web_search_20250305", "code_execution_20250825"]);
    assert_eq!(losses, ["tools[1] changed", "tools[2] dropped"]);
}

#[test]
fn one_call_at_a_time_is_said_with_the_choice() {
    let mut request = foreign(Dialect::Chat, BOTH);
    request.tools = vec![function("f", None, None)];
    request.parallel_calls = Some(false);
    assert_eq!(lower(&request).0["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    request.parallel_calls = Some(true);
    assert_eq!(lower(&request).0.get("tool_choice"), None);
    request.tools.clear();
    request.tool_choice = Some(ToolChoice::Auto);
    assert_eq!(lower(&request).0.get("tool_choice"), None);
}

#[test]
fn what_claude_has_no_option_for_is_named_in_the_senders_words() {
    let mut request = foreign(Dialect::Gemini, BOTH);
    request.sampling.seed = Some(7);
    request.sampling.frequency_penalty = Some(0.5);
    request.sampling.presence_penalty = Some(0.0);
    request.sampling.stop = vec!["END".into(), "\n".into()];
    request.modalities = vec!["TEXT".into(), "AUDIO".into()];
    request.metadata = Some(raw(&json!({"team": "blue"})));
    request.service_tier = Some("flex".into());
    let (body, losses) = lower(&request);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    let lost = ["stopSequences", "frequencyPenalty", "seed", "responseModalities"].map(|name| format!("generationConfig.{name} dropped"));
    for loss in lost.iter().map(String::as_str).chain(["labels dropped", "service_tier dropped"]) {
        assert!(losses.iter().any(|said| said == loss), "{loss}: {losses:?}");
    }
    assert_eq!(losses.len(), 6, "{losses:?}");
}

#[test]
fn what_another_provider_keeps_is_refused() {
    let mut request = foreign(Dialect::Responses, BOTH);
    request.state.previous = Some("resp_1".into());
    let fault = Claude.lower_request(&request, Target::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(fault.path(), "previous_response_id");
}

#[test]
fn a_wrong_request_is_told_with_its_path() {
    let told = |body: &str| {
        let asked = Asked { model: "m", streams: false, goes_on_from: None };
        Claude.lift_request(Node::parse(body.as_bytes()).unwrap(), asked).unwrap_err().to_string()
    };
    assert_eq!(told("{}"), r#""messages" is missing; expected an array"#);
    let source = r#"{"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]}"#;
    assert_eq!(told(source), r#""messages[0].content[0].source.data" is missing; expected a string"#);
    let result = r#"{"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 5}]}]}"#;
    assert_eq!(told(result), r#""messages[0].content[0].content" is 5; expected a string or an array of blocks"#);
    assert_eq!(
        told(r#"{"messages": [{"role": "tool", "content": ""}]}"#),
        r#""messages[0].role" is "tool"; expected user, assistant or system"#
    );
    let thinking = r#"{"messages": [], "thinking": {"type": "on"}}"#;
    assert_eq!(told(thinking), r#""thinking.type" is "on"; expected enabled, adaptive or disabled"#);
}

#[test]
fn what_only_claude_knows_is_kept_and_lost_under_its_whole_name() {
    let body = json!({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}],
        "output_config": {"effort": "low", "task_budget": {"type": "tokens", "total": 20_000}},
        "context_management": {"edits": []}, "metadata": {"user_id": "u", "x": 1}, "thinking": {"type": "adaptive", "display": "omitted", "y": 2}})
    .to_string();
    let request = lift(&body);
    let names: Vec<&str> = request.rest.members.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["thinking.y", "output_config.task_budget", "metadata.x", "context_management"]);
    assert_eq!(request.thinking.shown, Some(false));
    assert!(matches!(request.turns[0].blocks[0].part, Part::Opaque { of: Dialect::Claude, .. }));
    let (back, _) = lower(&request);
    for name in ["output_config", "context_management", "metadata", "thinking", "messages"] {
        assert_eq!(back[name], serde_json::from_str::<Value>(&body).unwrap()[name], "{name}");
    }
}

#[test]
fn every_kind_of_source_and_citation_is_read() {
    let sources = [
        json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}),
        json!({"type": "text", "media_type": "text/plain", "data": "words"}),
        json!({"type": "url", "url": "https://example.com/a.pdf"}),
        json!({"type": "file", "file_id": "file_1"}),
        json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
    ];
    let documents: Vec<Value> = sources
        .iter()
        .map(|source| json!({"type": "document", "source": source, "context": "c", "citations": {"enabled": true}}))
        .collect();
    let kinds = ["char_location", "page_location", "content_block_location", "web_search_result_location", "search_result_location"];
    let citations: Vec<Value> =
        kinds.iter().map(|kind| json!({"type": kind, "cited_text": "q", "document_title": "t", "document_index": 0})).collect();
    let body = json!({"model": BOTH, "max_tokens": 1, "messages": [{"role": "user", "content": documents},
        {"role": "assistant", "content": [{"type": "text", "text": "x", "citations": citations}]}, {"role": "user", "content": [{"type": "text", "text": "y"}]}]});
    let text = body.to_string();
    let request = lift(&text);
    assert_eq!(lower(&request), (body, vec![]));
    let parts = request.turns[0].blocks.iter().map(|block| &block.part);
    let found: Vec<_> = parts
        .map(|part| match part {
            Part::Media(media) if media.kind == MediaKind::File => &media.source,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(&found[4], Source::Plain(words) if words == "a\nb"), "{found:?}");
    let Part::Text { citations, .. } = &request.turns[1].blocks[0].part else { panic!("no text") };
    let quotes: Vec<_> = citations.iter().map(|Citation { quote, title, .. }| (quote.as_deref(), title.as_deref())).collect();
    assert_eq!(quotes, [(Some("q"), Some("t")); 5]);
}
