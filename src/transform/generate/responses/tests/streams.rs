//! Streams of providers that leave things out, and streams written for answers of other dialects.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::super::{
        Dialect, Wire,
        canon::{
            Answer, Block, Call, Citation, Input, Media, MediaKind, Page, Part, Reasoning, Rest, ServerCall, ServerResult, ServerTool,
            Source, Stop, Tokens,
        },
        event::{Delta, Event, Opening, StreamFault},
        frames::Frames,
        spoke::spoke,
        testing::{fold_stream, lift_stream},
    },
    events, paths, telling,
};
use crate::transform::{Loss, Seal};

fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))).collect()
}

fn fold(events: &[Value]) -> Answer<'static> {
    fold_stream(Dialect::Responses, sse(events).as_bytes()).unwrap()
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "status": "completed", "output": output,
        "usage": {"input_tokens": 20, "output_tokens": 10}}})
}

fn texts(answer: &Answer<'_>) -> Vec<String> {
    let blocks = answer.choices[0].blocks.iter();
    blocks
        .map(|block| match &block.part {
            Part::Text { text, .. } | Part::Refusal(text) => text.to_string(),
            Part::Call(Call { name, input: Input::Json(input) | Input::Free(input), .. }) => format!("{name}({input})"),
            Part::Reasoning(reasoning) => format!("{}|{}", reasoning.summary.join("+"), reasoning.text.join("+")),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn items_that_only_the_last_event_holds_are_told() {
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}]});
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ping", "arguments": "{}"});
    let answer = fold(&[completed(json!([message, call]))]);
    assert_eq!(texts(&answer), ["Hello there.", "ping({})"]);
    assert_eq!((answer.choices[0].stop.clone(), &*answer.id), (Stop::Calls, "resp_1"));
    assert_eq!(answer.usage, Some(Tokens { input: 20, output: 10, ..Tokens::default() }));
}

#[test]
fn pieces_without_any_announcement_are_understood() {
    let answer = fold(&[
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hel"}),
        json!({"type": "keepalive"}),
        json!({"type": "response.something_new", "x": 1}),
        json!({"type": "response.output_text.done", "item_id": "msg_1", "text": "Hello."}),
        json!({"type": "response.output_item.done", "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}}),
        json!({"type": "response.completed", "response": {"id": "resp_1"}}),
    ]);
    assert_eq!(texts(&answer), ["Hello."]);
    assert_eq!((answer.choices[0].stop.clone(), answer.usage), (Stop::End, None));
}

#[test]
fn items_without_places_are_told_once() {
    let message = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]});
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"});
    let answer = fold(&[
        json!({"type": "response.output_text.delta", "delta": "Hel"}),
        json!({"type": "response.output_text.delta", "delta": "lo."}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{}"}),
        completed(json!([message, call])),
    ]);
    assert_eq!(texts(&answer), ["Hello.", "f({})"]);
}

#[test]
fn what_the_pieces_left_out_is_sent_once_the_item_is_done() {
    let item = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments});
    let answer = fold(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "gAAA"}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": item("")}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{\"a\""}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": item("{\"a\":1}")}),
        completed(json!([])),
    ]);
    assert_eq!(texts(&answer), ["a+b|", "f({\"a\":1})"]);
    assert!(
        matches!(&answer.choices[0].blocks[0].part, Part::Reasoning(reasoning) if reasoning.seal.as_ref().is_some_and(|seal| seal.data == "gAAA"))
    );
}

#[test]
fn every_end_is_an_end_and_every_failure_a_fault() {
    let ends = |kind: &str, reason: Value| {
        let answer =
            fold(&[json!({"type": format!("response.{kind}"), "response": {"id": "resp_1", "incomplete_details": {"reason": reason}}})]);
        answer.choices[0].stop.clone()
    };
    assert_eq!(ends("incomplete", json!("max_output_tokens")), Stop::MaxTokens);
    assert_eq!(ends("incomplete", json!("content_filter")), Stop::Filtered(None));
    assert_eq!(ends("incomplete", Value::Null), Stop::MaxTokens);
    assert_eq!(ends("completed", Value::Null), Stop::End);
    for (event, code) in [
        (
            json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}}),
            "rate_limit_exceeded",
        ),
        (json!({"type": "error", "code": "server_error", "message": "slow"}), "server_error"),
        (json!({"type": "error", "error": {"type": "too_many", "message": "slow"}, "status": 429}), "too_many"),
        (json!({"error": {"code": "quota", "message": "slow"}}), "quota"),
    ] {
        let StreamFault { code: told, message, status } = fold_stream(Dialect::Responses, sse(&[event]).as_bytes()).unwrap_err();
        assert_eq!((told.as_deref(), &*message), (Some(code), "slow"));
        assert_eq!(status, (code == "too_many").then_some(429));
    }
    // A stream that is cut off has no end of its own.
    let cut = [json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hel"})];
    assert!(fold_stream(Dialect::Responses, sse(&cut).as_bytes()).is_err());
}

proptest! {
    #[test]
    fn interleaved_calls_reassemble_exactly(order in proptest::collection::vec(0_usize..3, 0..40), by_id in any::<bool>()) {
        let mut events = vec![json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}})];
        for at in 0..3 {
            events.push(json!({"type": "response.output_item.added", "output_index": at, "item": {"type": "function_call", "id": format!("fc_{at}"), "call_id": format!("c{at}"), "name": format!("f{at}"), "arguments": ""}}));
        }
        let mut expected = vec![String::new(); 3];
        for (number, at) in order.into_iter().enumerate() {
            let piece = format!("<{number}é>");
            expected[at].push_str(&piece);
            let mut event = json!({"type": "response.function_call_arguments.delta", "item_id": format!("fc_{at}"), "delta": piece});
            if !by_id {
                event["output_index"] = at.into();
            }
            events.push(event);
        }
        events.push(completed(json!([])));
        let answer = fold(&events);
        let expected: Vec<_> = expected.iter().enumerate().map(|(at, input)| format!("f{at}({input})")).collect();
        prop_assert_eq!(texts(&answer), expected);
    }
}

fn block(part: Part<'_>) -> Block<'_> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

/// Writes events, and gives what was written.
fn write(events_in: &[Event<'_>]) -> (Vec<Value>, Vec<Loss>) {
    let mut lower = spoke(Dialect::Responses).lowerer(&telling());
    let (mut frames, mut losses) = (Frames::new(Wire::Sse), Vec::new());
    for event in events_in {
        lower.push(event, &mut frames, &mut losses);
    }
    (events(&String::from_utf8(frames.take()).unwrap()), losses)
}

fn open(number: usize, part: Part<'_>) -> Event<'_> {
    Event::BlockOpen { block: number, choice: 0, head: block(part) }
}

fn words(number: usize, words: &str) -> Event<'_> {
    Event::Delta { block: number, delta: Delta::Text(words.into()) }
}

fn begin() -> Event<'static> {
    Event::Open(Opening { id: "chatcmpl-9".into(), model: "gpt".into(), created: Some(5), ..Opening::default() })
}

fn empty_text() -> Part<'static> {
    Part::Text { text: "".into(), citations: Vec::new() }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap_or("error")).collect()
}

#[test]
fn interleaved_blocks_get_places_of_their_own() {
    let call = Call { id: "toolu_1".into(), item_id: None, name: "f".into(), namespace: None, input: Input::Json("".into()) };
    let (written, losses) = write(&[
        begin(),
        open(0, empty_text()),
        words(0, "Let "),
        open(1, Part::Call(call.clone())),
        Event::Delta { block: 1, delta: Delta::Input("{}".into()) },
        words(0, "me."),
        open(2, empty_text()),
        Event::BlockClose { block: 2 },
        Event::BlockClose { block: 0 },
        Event::BlockClose { block: 1 },
        Event::Stop { choice: 0, stop: Stop::Calls },
        Event::Usage(Tokens { input: 3, output: 4, ..Tokens::default() }),
        Event::Close,
    ]);
    assert_eq!(losses, []);
    assert_eq!(
        kinds(&written),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_item.added",
            "function_call_arguments.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let response = &written.last().unwrap()["response"];
    assert_eq!((&response["id"], &response["created_at"], &response["status"]), (&json!("resp_chatcmpl9"), &json!(5), &json!("completed")));
    assert_eq!(response["output"][0]["content"][0]["text"], "Let me.");
    assert_eq!((&response["output"][1]["call_id"], &response["output"][1]["id"]), (&json!("toolu_1"), &json!("fc_chatcmpl9_1")));
    assert_eq!(response["usage"]["total_tokens"], 7);
}

#[test]
fn thinking_of_others_is_shown_as_a_summary_and_sealed_for_them() {
    let seal = Seal { owner: Dialect::Claude, data: "EqQB".into() };
    let (written, _) = write(&[
        begin(),
        open(0, Part::Reasoning(Reasoning::default())),
        Event::Delta { block: 0, delta: Delta::Reasoning("17*23".into()) },
        Event::Delta { block: 0, delta: Delta::Reasoning(" = 391.".into()) },
        Event::Delta { block: 0, delta: Delta::Seal(seal) },
        Event::BlockClose { block: 0 },
        open(1, Part::Reasoning(Reasoning::default())),
        Event::BlockClose { block: 1 },
        open(2, empty_text()),
        words(2, "391."),
        Event::BlockClose { block: 2 },
        Event::Stop { choice: 0, stop: Stop::Sequence(None) },
        Event::Close,
    ]);
    assert_eq!(
        kinds(&written)[2..9],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
        ]
    );
    let output = &written.last().unwrap()["response"]["output"];
    assert_eq!(output.as_array().unwrap().len(), 2);
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "17*23 = 391."}]));
    assert_eq!(output[0]["encrypted_content"], "gproxy1.claude.EqQB");
}

#[test]
fn seals_on_other_parts_have_items_of_their_own() {
    let seal = || Seal { owner: Dialect::Gemini, data: "CiQB".into() };
    let call = Call { id: "c".into(), item_id: None, name: "f".into(), namespace: None, input: Input::Json("{}".into()) };
    let head = Block { seal: Some(seal()), ..block(Part::Call(call)) };
    let (written, _) = write(&[
        begin(),
        Event::BlockOpen { block: 0, choice: 0, head },
        Event::BlockClose { block: 0 },
        open(1, empty_text()),
        words(1, "Hi."),
        Event::Delta { block: 1, delta: Delta::Seal(seal()) },
        Event::BlockClose { block: 1 },
        Event::Stop { choice: 0, stop: Stop::Calls },
        Event::Close,
    ]);
    let output = written.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    let ids: Vec<_> = output.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rs_next_chatcmpl9_0", "fc_chatcmpl9_1", "msg_chatcmpl9_2", "rs_prev_chatcmpl9_3"]);
}

#[test]
fn tools_of_other_providers_become_items_with_their_steps() {
    let null = || std::borrow::Cow::Borrowed(serde_json::value::RawValue::NULL);
    let call = |id: &'static str, tool, query: &'static str| {
        Part::ServerCall(ServerCall { id: id.into(), tool, queries: vec![query.into()], json: null() })
    };
    let result = |id: &'static str, tool, pages, output: Option<&'static str>| {
        Part::ServerResult(ServerResult {
            id: id.into(),
            tool,
            pages,
            output: output.map(Into::into),
            media: Vec::new(),
            failed: false,
            json: null(),
        })
    };
    let page = Page { url: "https://example.com/a".into(), title: Some("A".into()) };
    let citation = Citation {
        url: Some("https://example.com/a".into()),
        title: Some("A".into()),
        quote: None,
        span: None,
        of: Dialect::Claude,
        json: null(),
    };
    let picture =
        Media { kind: MediaKind::Image, source: Source::Base64("iVBO".into()), mime: Some("image/png".into()), name: None, detail: None };
    let mut events = vec![begin()];
    for (number, part) in [
        call("srv_1", ServerTool::WebSearch, "who won"),
        result("srv_1", ServerTool::WebSearch, vec![page], None),
        call("srv_2", ServerTool::CodeExecution, "print(2)"),
        result("srv_2", ServerTool::CodeExecution, Vec::new(), Some("2\n")),
        Part::Media(picture),
        call("srv_3", ServerTool::Other("memory".to_owned()), "x"),
        Part::Text { text: "Team A won.".into(), citations: vec![citation] },
    ]
    .into_iter()
    .enumerate()
    {
        events.push(open(number, part));
        events.push(Event::BlockClose { block: number });
    }
    events.extend([Event::Stop { choice: 0, stop: Stop::End }, Event::Close]);
    let (written, losses) = write(&events);
    assert_eq!(paths(&losses), ["content[0]"]);
    let output = &written.last().unwrap()["response"]["output"];
    assert_eq!(
        output[0]["action"],
        json!({"type": "search", "query": "who won", "queries": ["who won"], "sources": [{"type": "url", "url": "https://example.com/a"}]})
    );
    assert_eq!((&output[1]["code"], &output[1]["outputs"]), (&json!("print(2)"), &json!([{"type": "logs", "logs": "2\n"}])));
    assert_eq!((&output[2]["result"], &output[2]["output_format"]), (&json!("iVBO"), &json!("png")));
    let annotation = json!({"type": "url_citation", "start_index": 0, "end_index": 11, "title": "A", "url": "https://example.com/a"});
    assert_eq!(output[3]["content"][0]["annotations"], json!([annotation]));
    assert_eq!(written.iter().filter(|event| event["type"] == "response.output_text.annotation.added").count(), 1);
    for step in
        ["web_search_call.searching", "web_search_call.completed", "code_interpreter_call.interpreting", "image_generation_call.completed"]
    {
        assert!(kinds(&written).contains(&step), "{step}");
    }
}

#[test]
fn stops_without_a_word_of_their_own_find_the_nearest() {
    for (stop, status, reason, lost) in [
        (Stop::End, "completed", Value::Null, None),
        (Stop::Sequence(None), "completed", Value::Null, None),
        (Stop::Sequence(Some("END".into())), "completed", Value::Null, Some("stop_sequence")),
        (Stop::Pause, "completed", Value::Null, Some("stop_reason")),
        (Stop::MaxTokens, "incomplete", json!("max_output_tokens"), None),
        (Stop::Window, "incomplete", json!("max_output_tokens"), Some("stop_reason")),
        (Stop::Refusal, "incomplete", json!("content_filter"), None),
        (Stop::Filtered(Some("SAFETY".into())), "incomplete", json!("content_filter"), Some("stop_reason")),
        (Stop::Other("odd".into()), "completed", Value::Null, Some("stop_reason")),
        (Stop::Other("steered".into()), "incomplete", json!("steered"), None),
    ] {
        let (written, losses) = write(&[begin(), Event::Stop { choice: 0, stop: stop.clone() }, Event::Close]);
        assert_eq!(paths(&losses), Vec::from_iter(lost), "{stop:?}");
        let last = written.last().unwrap();
        assert_eq!(last["type"], format!("response.{status}"), "{stop:?}");
        assert_eq!(last["response"]["incomplete_details"]["reason"], reason, "{stop:?}");
        assert_eq!(last["response"]["output"], json!([]));
    }
}

#[test]
fn a_call_that_was_cut_off_is_not_complete() {
    let call = Call { id: "toolu_1".into(), item_id: None, name: "f".into(), namespace: None, input: Input::Json("".into()) };
    for (input, status) in [("{\"a\":1}", "completed"), ("", "completed"), ("{\"a\":", "incomplete")] {
        let piece = Event::Delta { block: 0, delta: Delta::Input(input.into()) };
        let end = Event::Stop { choice: 0, stop: Stop::MaxTokens };
        let (written, _) = write(&[begin(), open(0, Part::Call(call.clone())), piece, Event::BlockClose { block: 0 }, end, Event::Close]);
        assert_eq!(written.last().unwrap()["response"]["output"][0]["status"], status, "{input}");
    }
}

#[test]
fn only_one_answer_has_a_place() {
    let second = Event::BlockOpen { block: 1, choice: 1, head: block(Part::Text { text: "b".into(), citations: Vec::new() }) };
    let (written, losses) = write(&[
        begin(),
        open(0, Part::Text { text: "a".into(), citations: Vec::new() }),
        second,
        words(1, "more"),
        Event::BlockClose { block: 0 },
        Event::BlockClose { block: 1 },
        Event::Stop { choice: 0, stop: Stop::End },
        Event::Stop { choice: 1, stop: Stop::MaxTokens },
        Event::Close,
    ]);
    assert_eq!(paths(&losses), ["choices[1]"]);
    assert_eq!(written.last().unwrap()["response"]["output"].as_array().unwrap().len(), 1);
    assert_eq!(written.last().unwrap()["type"], "response.completed");
}

#[test]
fn a_fault_is_the_last_event_and_no_end() {
    let fault = StreamFault { status: Some(529), code: Some("overloaded_error".into()), message: "Overloaded".into() };
    let (written, _) = write(&[begin(), open(0, empty_text()), words(0, "Hel"), Event::Fault(fault)]);
    let last = written.last().unwrap();
    assert_eq!((&last["type"], &last["sequence_number"]), (&json!("response.failed"), &json!(written.len() - 1)));
    let response = &last["response"];
    assert_eq!((&response["status"], &response["output"]), (&json!("failed"), &json!([])));
    assert_eq!(response["error"], json!({"code": "server_error", "message": "Overloaded"}));
    let mut faults = 0;
    lift_stream(Dialect::Responses, sse(&written).as_bytes(), usize::MAX, &mut |event| {
        faults += usize::from(matches!(event, Event::Fault(_)));
    });
    assert_eq!(faults, 1);
    // What has not begun cannot have failed.
    let (written, _) = write(&[Event::Fault(StreamFault::default())]);
    assert_eq!((written.len(), &written[0]["type"], &written[0]["sequence_number"]), (1, &json!("error"), &json!(0)));
}
