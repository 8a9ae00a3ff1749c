//! Whole answers: usage, and items that others understand.

use serde_json::json;

use super::{
    super::super::canon::{Part, ServerTool, Stop, Tokens},
    lift_answer, lower_answer,
};

fn usage(json: serde_json::Value) -> Option<Tokens> {
    lift_answer(&json!({"id": "resp_1", "output": [], "usage": json}).to_string()).usage
}

#[test]
fn tokens_are_counted_in_buckets_that_never_overlap() {
    let full = json!({"input_tokens": 20, "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5}, "output_tokens": 30, "output_tokens_details": {"reasoning_tokens": 20}});
    assert_eq!(usage(full), Some(Tokens { input: 5, cache_read: 10, cache_write: 5, output: 10, reasoning: 20, ..Tokens::default() }));
    // Figures that contradict each other never go below nothing.
    let odd = usage(
        json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 50}, "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 9}}),
    );
    assert_eq!(odd, Some(Tokens { cache_read: 5, reasoning: 1, ..Tokens::default() }));
    assert_eq!(usage(json!(null)), None);
    assert_eq!(usage(json!({})), None);
    let bare = json!({"id": "resp_1", "output": []}).to_string();
    assert!(lower_answer(&lift_answer(&bare)).0["usage"].is_null());
}

#[test]
fn items_of_the_providers_tools_are_told_in_common_words() {
    let body = json!({"id": "resp_1", "status": "completed", "output": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "open_page", "url": "https://example.com/a"}},
        {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "print(2)", "container_id": "c", "outputs": [{"type": "logs", "logs": "2\n"}]},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO", "output_format": "png"},
        {"type": "mcp_call", "id": "mcp_1", "name": "ask", "server_label": "d", "arguments": "{}", "output": null, "error": {"type": "x"}},
        {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "d", "tools": []},
    ]})
    .to_string();
    let answer = lift_answer(&body);
    let mut told = Vec::new();
    for block in &answer.choices[0].blocks {
        match &block.part {
            Part::ServerCall(call) => told.push(format!("{:?} {}", call.tool, call.queries.join(","))),
            Part::ServerResult(result) => told.push(format!(
                "-> {} pages, {:?}, {} media, failed {}",
                result.pages.len(),
                result.output,
                result.media.len(),
                result.failed
            )),
            Part::Opaque { .. } => told.push("opaque".to_owned()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        told,
        [
            "WebFetch https://example.com/a",
            "-> 1 pages, None, 0 media, failed false",
            "CodeExecution print(2)",
            "-> 0 pages, Some(\"2\\n\"), 0 media, failed false",
            "ImageGeneration ",
            "-> 0 pages, None, 1 media, failed false",
            "Mcp {}",
            "-> 0 pages, None, 0 media, failed true",
            "opaque",
        ]
    );
    assert_eq!(answer.choices[0].stop, Stop::End);
    let (back, losses) = lower_answer(&answer);
    assert_eq!(back["output"], super::value(body.as_bytes())["output"]);
    assert_eq!(losses, []);
}

#[test]
fn what_the_caller_has_to_run_stops_the_answer() {
    for (item, stop) in [
        (json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}), Stop::Calls),
        (json!({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": ""}), Stop::Calls),
        (
            json!({"type": "computer_call", "call_id": "c", "id": "cu_1", "action": {"type": "screenshot"}, "status": "completed"}),
            Stop::Calls,
        ),
        (json!({"type": "local_shell_call", "call_id": "c", "id": "ls_1", "action": {"type": "exec", "command": ["ls"]}}), Stop::Calls),
        (json!({"type": "mcp_approval_request", "id": "mcpr_1", "name": "ask"}), Stop::Calls),
        (json!({"type": "tool_search_call", "id": "ts_1", "execution": "client", "arguments": {}}), Stop::Calls),
        (json!({"type": "tool_search_call", "id": "ts_1", "execution": "server", "arguments": {}}), Stop::End),
        (json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}), Stop::End),
        (json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}), Stop::Refusal),
    ] {
        let body = json!({"id": "resp_1", "status": "completed", "output": [item]}).to_string();
        assert_eq!(lift_answer(&body).choices[0].stop, stop, "{item}");
    }
}

#[test]
fn searches_are_counted_where_the_provider_does_not() {
    let call = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}});
    let body = json!({"id": "resp_1", "output": [call, call], "usage": {"input_tokens": 1, "output_tokens": 1}}).to_string();
    assert_eq!(lift_answer(&body).usage.unwrap().searches, 2);
    assert!(matches!(&lift_answer(&body).choices[0].blocks[0].part, Part::ServerCall(call) if call.tool == ServerTool::WebSearch));
}
