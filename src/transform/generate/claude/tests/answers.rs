//! Whole answers: those of others in Claude's words, and what server tools found.

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};

use super::{Claude, block, text};
use crate::transform::{
    Loss, Seal,
    generate::{
        Dialect,
        canon::{
            Answer, Block, Call, Choice, Citation, Input, Page, Part, Raw, Reasoning, Rest, ServerCall, ServerResult, ServerTool, Stop,
            Tokens,
        },
        spoke::{Spoke, Telling},
        testing::{node, value},
    },
};

fn raw(json: &Value) -> Raw<'static> {
    Cow::Owned(RawValue::from_string(json.to_string()).unwrap())
}

fn answer(blocks: Vec<Block<'static>>, stop: Stop<'static>) -> Answer<'static> {
    let choice = Choice { index: 0, blocks, stop, logprobs: Vec::new(), rest: Rest::default() };
    Answer {
        from: Dialect::Responses,
        id: "resp_1".into(),
        model: "gpt-5.4".into(),
        created: Some(1),
        choices: vec![choice],
        usage: Some(Tokens { input: 20, output: 10, ..Tokens::default() }),
        service_tier: Some("default".into()),
        rest: Rest::default(),
    }
}

fn lower(answer: &Answer<'_>) -> (Value, Vec<String>) {
    let mut losses: Vec<Loss> = Vec::new();
    let body = Claude.lower_answer(answer, &Telling::default(), &mut losses);
    (value(&body), super::words(&losses))
}

#[test]
fn a_foreign_answer_is_told_in_claudes_words() {
    let seal = Seal { owner: Dialect::Responses, data: "gAAA".into() };
    let reasoning = Reasoning { summary: vec!["One.".into(), "Two.".into()], seal: Some(seal), ..Reasoning::default() };
    let call = Call { id: "call:1".into(), item_id: None, name: "f".into(), namespace: None, input: Input::Json("".into()) };
    let blocks = vec![block(Part::Reasoning(reasoning)), text("Hi."), block(Part::Call(call))];
    let (body, losses) = lower(&answer(blocks, Stop::Calls));
    let content = &body["content"];
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "One.\n\nTwo.", "signature": "gproxy1.responses.gAAA"}));
    assert_eq!(content[2]["input"], json!({}));
    assert!(content[2]["id"].as_str().unwrap().starts_with("call_1_"));
    assert_eq!((&body["stop_reason"], &body["usage"]["service_tier"]), (&json!("tool_use"), &json!("standard")));
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn a_foreign_search_is_a_search_of_claudes() {
    let call = ServerCall {
        id: "ws-1".into(),
        tool: ServerTool::WebSearch,
        queries: vec!["who won".into()],
        json: raw(&json!({"type": "web_search_call"})),
    };
    let page = Page { url: "https://example.com/a".into(), title: Some("A".into()) };
    let found = ServerResult {
        id: "ws-1".into(),
        tool: ServerTool::WebSearch,
        pages: vec![page],
        output: None,
        media: Vec::new(),
        failed: false,
        json: raw(&json!({"type": "web_search_call"})),
    };
    let citation = Citation {
        url: Some("https://example.com/a".into()),
        title: Some("A".into()),
        quote: None,
        span: Some((0, 11)),
        of: Dialect::Responses,
        json: raw(&json!({"type": "url_citation"})),
    };
    let cited = Citation { url: None, ..citation.clone() };
    let words = block(Part::Text { text: "Team A won.".into(), citations: vec![citation, cited] });
    let (body, losses) = lower(&answer(vec![block(Part::ServerCall(call)), block(Part::ServerResult(found)), words], Stop::End));
    let content = &body["content"];
    assert_eq!(content[0], json!({"type": "server_tool_use", "id": content[0]["id"], "name": "web_search", "input": {"query": "who won"}}));
    assert!(content[0]["id"].as_str().unwrap().starts_with("srvtoolu_ws_1"), "{content}");
    assert_eq!(content[0]["id"], content[1]["tool_use_id"]);
    assert_eq!(content[1]["content"][0]["url"], "https://example.com/a");
    assert_eq!(content[2]["citations"][0]["type"], "web_search_result_location");
    assert_eq!(losses, ["content[0].annotations dropped"]);
}

#[test]
fn stops_and_missing_figures_are_told_as_far_as_claude_can() {
    let reason = |blocks, stop| lower(&answer(blocks, stop)).0["stop_reason"].clone();
    assert_eq!(reason(vec![], Stop::Filtered(Some("SAFETY".into()))), "refusal");
    assert_eq!(reason(vec![block(Part::Refusal("No.".into()))], Stop::End), "refusal");
    assert_eq!(reason(vec![], Stop::Window), "model_context_window_exceeded");
    assert_eq!(lower(&answer(vec![], Stop::Other("MALFORMED".into()))).1, ["stop_reason changed"]);
    let mut silent = answer(vec![], Stop::End);
    silent.usage = None;
    silent.id = "".into();
    let mut losses = Vec::new();
    let telling = Telling { prompt_estimate: 9, request_id: "r".into(), ..Telling::default() };
    let body = value(&Claude.lower_answer(&silent, &telling, &mut losses));
    assert_eq!((&body["usage"]["input_tokens"], &body["id"], losses.len()), (&json!(9), &json!("msg_r"), 1));
}

#[test]
fn usage_is_split_into_disjoint_figures() {
    let body = json!({"content": [], "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}, "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 20}, "server_tool_use": {"web_search_requests": 2}}})
    .to_string();
    let tokens = Claude.lift_answer(node(&body)).unwrap().usage.unwrap();
    let meant =
        Tokens { input: 5, cache_read: 10, cache_write: 7, cache_write_1h: 4, output: 10, reasoning: 20, searches: 2, ..Tokens::default() };
    assert_eq!((tokens, tokens.prompt(), tokens.completion()), (meant, 22, 30));
    assert_eq!(Claude.lift_answer(node("{\"content\": []}")).unwrap().usage, None);
}

#[test]
fn what_server_tools_found_is_read() {
    let found = |json: Value| {
        let body = json!({"content": [json]}).to_string();
        let answer = Claude.lift_answer(node(&body)).unwrap();
        match &answer.choices[0].blocks[0].part {
            Part::ServerResult(result) => (
                result.tool.clone(),
                result.failed,
                result.output.as_deref().map(str::to_owned),
                result.pages.iter().map(|page| page.url.to_string()).collect::<Vec<_>>().join(" "),
                result.media.len(),
            ),
            other => panic!("{other:?}"),
        }
    };
    let of = |kind: &str, content: Value| json!({"type": kind, "tool_use_id": "srvtoolu_1", "content": content});
    let page = json!({"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "E"});
    assert_eq!(found(of("web_search_tool_result", json!([page]))), (ServerTool::WebSearch, false, None, "https://a.example".into(), 0));
    let error = json!({"type": "web_search_tool_result_error", "error_code": "unavailable"});
    assert!(found(of("web_search_tool_result", error)).1);
    let fetched = json!({"type": "web_fetch_result", "url": "https://b.example", "content": {"type": "document", "title": "B",
        "source": {"type": "text", "media_type": "text/plain", "data": "words"}}});
    assert_eq!(
        found(of("web_fetch_tool_result", fetched)),
        (ServerTool::WebFetch, false, Some("words".into()), "https://b.example".into(), 0)
    );
    let ran = json!({"type": "bash_code_execution_result", "stdout": "2\n", "stderr": "", "return_code": 0,
        "content": [{"type": "bash_code_execution_output", "file_id": "file_1"}]});
    assert_eq!(found(of("bash_code_execution_tool_result", ran)), (ServerTool::CodeExecution, false, Some("2\n".into()), String::new(), 1));
    let viewed = json!({"type": "text_editor_code_execution_view_result", "content": "line", "file_type": "text"});
    assert_eq!(found(of("text_editor_code_execution_tool_result", viewed)).2.as_deref(), Some("line"));
    let asked = json!([{"type": "text", "text": "said"}]);
    assert_eq!(found(of("mcp_tool_result", asked)), (ServerTool::Mcp, false, Some("said".into()), String::new(), 0));
    assert_eq!(found(of("advisor_tool_result", json!({"type": "advisor_result", "text": "4."}))).2.as_deref(), Some("4."));
}
