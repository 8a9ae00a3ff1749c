//! What passes of a stream, what does not, and that chunking changes neither.

use proptest::prelude::*;

use super::*;

const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;

/// A stream of one dialect, in its parts: text, and whether it must be left out.
fn parts(kind: OperationKind) -> Vec<(&'static str, bool)> {
    let mut parts = match kind {
        OperationKind::OpenAiChatCompletions => vec![
            (r#"data: {"model":"m","choices":[{"index":0,"delta":{"content":"hé\"llo"},"finish_reason":null}],"usage":null}"#, false),
            (r#"data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"service_tier":"flex"}"#, false),
            (r#"data: {"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#, true),
            ("data: [DONE]", false),
        ],
        OperationKind::OpenAiResponses => vec![
            ("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello\"}", false),
            (
                "data: {\"type\":\"response.completed\",\ndata: \"response\":{\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":4}}}",
                false,
            ),
        ],
        OperationKind::ClaudeMessages => vec![
            (
                r#"data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":9,"output_tokens":1,"service_tier":"standard"}}}"#,
                false,
            ),
            (r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#, false),
            (r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#, false),
            ("event: message_stop\ndata: {\"type\":\"message_stop\"}", false),
        ],
        _ => vec![
            (
                r#"data: {"candidates":[{"content":{"parts":[{"text":"hello"}]}}],"usageMetadata":{"promptTokenCount":20,"totalTokenCount":20},"modelVersion":"m"}"#,
                false,
            ),
            (
                r#"data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}"#,
                false,
            ),
        ],
    };
    parts.insert(1, ("data: {\"choices\":[{\"delta\":{\"content\":\"bro", true));
    parts.insert(1, (": keep-alive", false));
    parts.insert(3, ("event: odd\nid: 5\ndata: {\"type\":\"of tomorrow\",\"usage\":7}", false));
    parts
}

fn stream(kind: OperationKind, end: &str) -> (String, String) {
    let (mut sent, mut expected) = (String::new(), String::new());
    for (text, cut) in parts(kind) {
        let text = text.replace('\n', end) + end + end;
        sent += &text;
        if !cut {
            expected += &text;
        }
    }
    (sent, expected)
}

fn meter(kind: OperationKind) -> Meter {
    Meter::new(streamed(kind), Shape::Sse).hide_usage()
}

const KINDS: [OperationKind; 4] =
    [CHAT, OperationKind::OpenAiResponses, OperationKind::ClaudeMessages, OperationKind::GeminiGenerateContent];

#[test]
fn everything_passes_but_garbage_and_the_hidden_chunk_at_every_split() {
    for (kind, end) in KINDS.into_iter().flat_map(|kind| ["\n", "\r\n", "\r"].map(|end| (kind, end))) {
        let (sent, expected) = stream(kind, end);
        for cut in 0..=sent.len() {
            let (passed, metered) = pass(meter(kind), [&sent.as_bytes()[..cut], &sent.as_bytes()[cut..]]);
            assert_eq!(String::from_utf8(passed).unwrap(), expected, "{kind} {end:?} at {cut}");
            assert_eq!(show(metered.usage.as_ref()), "input=9 output=4", "{kind} {end:?} at {cut}");
            assert_eq!((metered.ended_well, metered.dropped_events, metered.model.as_deref()), (true, 1, Some("m")));
            assert!(metered.relayed_text_bytes >= 5, "{kind}");
        }
    }
}

#[test]
fn a_client_that_asked_for_usage_gets_its_chunk() {
    let (sent, hidden) = stream(CHAT, "\n");
    let (passed, _) = pass(Meter::new(streamed(CHAT), Shape::Sse), [sent.as_bytes()]);
    let passed = String::from_utf8(passed).unwrap();
    assert!(passed.contains("\"choices\":[],\"usage\"") && !hidden.contains("\"choices\":[],\"usage\""));
    // A chunk that also has a choice is not ours to hide.
    let both = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":1}}\n\n";
    assert_eq!(pass(meter(CHAT), [both.as_bytes()]).0, both.as_bytes());
}

#[test]
fn a_stream_cut_before_its_end_has_not_ended_well() {
    for kind in KINDS {
        let (sent, _) = stream(kind, "\n");
        let last = sent.trim_end().rfind("\n\n").unwrap() + 2;
        // Chat has ended with its finish reason, two events before `[DONE]`.
        let last = if kind == CHAT { sent.find("data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},").unwrap() } else { last };
        for cut in [0, last / 2, last, last + 5] {
            let (passed, metered) = pass(meter(kind), [&sent.as_bytes()[..cut]]);
            assert!(!metered.ended_well, "{kind} cut at {cut}");
            assert!(sent.as_bytes()[..cut].len() >= passed.len());
        }
        let (_, metered) = pass(meter(kind), [sent.trim_end().as_bytes()]);
        assert!(metered.ended_well, "{kind}: only the blank line is missing");
    }
}

#[test]
fn a_terminal_event_is_told_with_its_bytes() {
    for kind in KINDS {
        let (sent, _) = stream(kind, "\n");
        let last = sent.trim_end().rfind("\n\n").unwrap() + 2;
        let mut meter = meter(kind);
        assert!(!meter.push(Bytes::copy_from_slice(&sent.as_bytes()[..last])).done, "{kind}");
        assert!(!meter.push(Bytes::copy_from_slice(&sent.as_bytes()[last..sent.len() - 1])).done, "{kind}");
        let done = meter.push(Bytes::from_static(b"\n")).done;
        assert_eq!(done, kind != OperationKind::GeminiGenerateContent, "{kind}");
    }
}

#[test]
fn failures_inside_a_stream_are_told() {
    for (kind, event, done) in [
        (CHAT, r#"{"error":{"message":"overloaded"}}"#, false),
        (OperationKind::ClaudeMessages, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, true),
        (OperationKind::OpenAiResponses, r#"{"type":"error","code":"server_error"}"#, true),
        (OperationKind::OpenAiResponses, r#"{"type":"response.failed","response":{"usage":{"input_tokens":3,"output_tokens":0}}}"#, true),
        (OperationKind::GeminiGenerateContent, r#"{"error":{"code":503}}"#, false),
    ] {
        let text = format!("data: {event}\n\n");
        let mut meter = meter(kind);
        let passed = meter.push(Bytes::from(text.clone()));
        assert_eq!((passed.done, passed.len()), (done, text.len()), "{event}");
        let metered = meter.finish();
        assert_eq!((metered.fault, metered.ended_well), (Some(super::super::Fault::Upstream), false), "{event}");
    }
}

#[test]
fn untouched_bytes_are_the_very_same_bytes() {
    let (sent, _) = stream(OperationKind::ClaudeMessages, "\n");
    let sent = sent.replace("data: {\"choices\":[{\"delta\":{\"content\":\"bro\n\n", "");
    let chunk = Bytes::from(sent);
    let mut meter = meter(OperationKind::ClaudeMessages);
    let middle = chunk.len() / 2;
    let pieces: Vec<Bytes> = [chunk.slice(..middle), chunk.slice(middle..)]
        .into_iter()
        .flat_map(|half| meter.push(half).into_pieces().collect::<Vec<_>>())
        .collect();
    let mut at = chunk.as_ptr() as usize;
    for piece in &pieces {
        assert_eq!(piece.as_ptr() as usize, at, "a piece was copied");
        at += piece.len();
    }
    assert_eq!(at, chunk.as_ptr() as usize + chunk.len());
}

#[test]
fn only_the_unfinished_event_is_held() {
    let mut meter = meter(CHAT);
    let passed = |passed: super::super::Passed| String::from_utf8(passed.into_pieces().flatten().collect()).unwrap();
    assert_eq!(passed(meter.push(Bytes::from_static(b"data: {}\n\ndata: {"))), "data: {}\n\n");
    assert_eq!(passed(meter.push(Bytes::from_static(b"}\n"))), "");
    assert_eq!(passed(meter.push(Bytes::from_static(b"\n: ping\n\n"))), "data: {}\n\n: ping\n\n");
}

#[test]
fn an_array_stays_an_array_whatever_is_left_out() {
    for (sent, expected) in [
        (r#"[{"a":1},{"b":2}]"#, r#"[{"a":1},{"b":2}]"#),
        (r#"[{"a":},{"b":2},{"c":3}]"#, r#"[{"b":2},{"c":3}]"#),
        (r#"[{"a":1} , {"b":tru},{"c":3}]"#, r#"[{"a":1} ,{"c":3}]"#),
        (r#"[{"a":x},{"b":y}]"#, "[]"),
        (r#"[{"a":1},{"b":"#, r#"[{"a":1}"#),
    ] {
        for cut in 0..=sent.len() {
            let meter = Meter::new(streamed(OperationKind::GeminiGenerateContent), Shape::JsonArray);
            let (passed, _) = pass(meter, [&sent.as_bytes()[..cut], &sent.as_bytes()[cut..]]);
            assert_eq!(String::from_utf8(passed).unwrap(), expected, "{sent} at {cut}");
        }
    }
}

#[test]
fn streams_of_other_calls_tell_usage_at_their_end() {
    for (operation, event, expected, done) in [
        (
            Operation::CreateImage,
            r#"{"type":"image_generation.completed","b64_json":"AA","usage":{"input_tokens":5,"output_tokens":70,"total_tokens":75}}"#,
            "input=5 output.image=70",
            false,
        ),
        (Operation::EditImage, r#"{"type":"image_edit.completed","b64_json":"AA"}"#, "images=1", false),
        (
            Operation::CreateSpeech,
            r#"{"type":"speech.audio.done","usage":{"input_tokens":5,"output_tokens":70,"total_tokens":75}}"#,
            "input=5 output.audio=70",
            true,
        ),
        (
            Operation::CreateTranscription,
            r#"{"type":"transcript.text.done","text":"hi","usage":{"type":"tokens","input_tokens":5,"output_tokens":7,"total_tokens":12}}"#,
            "input.audio=5 output=7",
            true,
        ),
        (
            Operation::CreateCompletion,
            r#"{"choices":[{"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
            "input=5 output=7",
            false,
        ),
    ] {
        let mut meter = Meter::new(key(operation, OperationKind::OpenAi), Shape::Sse);
        assert_eq!(meter.push(Bytes::from(format!("data: {event}\n\n"))).done, done, "{event}");
        let metered = meter.finish();
        assert_eq!((show(metered.usage.as_ref()).as_str(), metered.ended_well), (expected, true), "{event}");
    }
}

#[test]
fn searches_of_an_interrupted_stream_are_counted_and_not_twice_at_its_end() {
    let item = |kind: &str| {
        format!("data: {{\"type\":\"{kind}\",\"item\":{{\"type\":\"web_search_call\",\"action\":{{\"type\":\"search\"}}}}}}\n\n")
    };
    let sent = item("response.output_item.added") + &item("response.output_item.done");
    let (_, metered) = pass(meter(OperationKind::OpenAiResponses), [sent.as_bytes()]);
    assert_eq!(show(metered.usage.as_ref()), "searches=1");
    let end = "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"web_search_call\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
    let (_, metered) = pass(meter(OperationKind::OpenAiResponses), [(sent + end).as_bytes()]);
    assert_eq!(show(metered.usage.as_ref()), "input=1 output=1 searches=1");
}

#[test]
fn usage_is_the_maximum_of_what_claude_tells_by_field() {
    let (sent, _) = stream(OperationKind::ClaudeMessages, "\n");
    let upto = sent.find("data: {\"type\":\"message_delta\"").unwrap();
    let (_, metered) = pass(meter(OperationKind::ClaudeMessages), [&sent.as_bytes()[..upto]]);
    assert_eq!((show(metered.usage.as_ref()).as_str(), metered.ended_well), ("input=9 output=1", false));
    assert_eq!(metered.service_tier.as_deref(), Some("standard"));
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "data: ",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}",
        "\n\n",
        "\r\n\r\n",
        "\r\r",
        "\n",
        "\r",
        "data: {}",
        "data: [DONE]",
        "data: nope",
        "[",
        "]",
        ",",
        "{\"a\":1}",
        "{\"a\":",
        "}",
        "\"",
        "\\",
        " ",
        ": c\n\n",
        "\u{feff}",
        "é",
        "event: error\n",
        "{\"error\":{}}",
        "data: {\"type\":\"message_stop\"}",
        "{\"usageMetadata\":{\"promptTokenCount\":4}}",
    ]);
    prop_oneof![
        4 => prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #[test]
    fn chunking_changes_neither_what_passes_nor_what_is_metered(
        text in soup(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
        places.sort_unstable();
        for shape in [Shape::Whole, Shape::Sse, Shape::Ndjson, Shape::JsonArray] {
            let meter = || Meter::new(streamed(kind), shape).hide_usage();
            let one = pass(meter(), [&text[..]]);
            prop_assert_eq!(&pass(meter(), places.windows(2).map(|pair| &text[pair[0]..pair[1]])), &one);
            prop_assert_eq!(&pass(meter(), text.chunks(1)), &one);
        }
    }
}
