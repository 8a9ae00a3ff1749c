//! What a provider says of an answer that it does not give, whole or streamed, as every client hears it.

use gproxy::{
    protocol::frame::{Framing, sse::Splitter},
    transform::generate::{self, Broken, Collector, Dialect, NoAnswer, StreamConverter, Telling},
};
use serde_json::Value;

use crate::ends::{End, end};

fn broken(from: Dialect, to: Dialect, body: &str) -> [Broken; 2] {
    let telling = Telling::default();
    [generate::answer(from, to, body.as_bytes(), &telling), generate::stream_of_answer(from, to, body.as_bytes(), &telling)].map(|told| {
        match told {
            Err(NoAnswer::Broken(broken)) => broken,
            other => panic!("{from:?} to {to:?}: {body}: {other:?}"),
        }
    })
}

#[test]
fn a_whole_answer_that_failed_is_told_as_such() {
    for (from, body, status, code, message) in [
        (
            Dialect::Responses,
            r#"{"id":"resp_1","status":"failed","output":[],"error":{"code":"rate_limit_exceeded","message":"Slow down."}}"#,
            Some(429),
            Some("rate_limit_exceeded"),
            "Slow down.",
        ),
        (
            Dialect::Responses,
            r#"{"id":"resp_1","status":"failed","output":[{"type":"message","role":"assistant","content":[]}],"error":null}"#,
            None,
            None,
            "the provider failed to answer, and did not say why",
        ),
        (Dialect::Responses, r#"{"error":"No."}"#, None, None, "No."),
        (
            Dialect::Chat,
            r#"{"id":"c","choices":[{"index":0,"message":{"content":""},"finish_reason":"error","error":{"code":502,"message":"Down."}}]}"#,
            Some(502),
            None,
            "Down.",
        ),
        (
            Dialect::Chat,
            r#"{"choices":[{"message":{"content":""},"finish_reason":"error"}]}"#,
            None,
            None,
            "the provider failed to answer, and did not say why",
        ),
        (
            Dialect::Chat,
            r#"{"error":{"message":"No.","type":"invalid_request_error","code":null}}"#,
            Some(400),
            Some("invalid_request_error"),
            "No.",
        ),
        (
            Dialect::Claude,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Some(529),
            Some("overloaded_error"),
            "Overloaded",
        ),
        (
            Dialect::Gemini,
            r#"{"error":{"code":429,"message":"Quota.","status":"RESOURCE_EXHAUSTED"}}"#,
            Some(429),
            Some("RESOURCE_EXHAUSTED"),
            "Quota.",
        ),
    ] {
        for to in Dialect::ALL {
            for broken in broken(from, to, body) {
                assert_eq!(
                    (broken.status, broken.code.as_deref(), &*broken.message),
                    (status, code, message),
                    "{from:?} to {to:?}: {body}"
                );
            }
        }
    }
}

/// A stream that begins well and breaks with an error of this word.
fn stream(from: Dialect, word: &str, status: u16) -> String {
    match from {
        Dialect::Chat => format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"Hi\"}}}}]}}\n\ndata: {{\"error\":{{\"code\":\"{word}\",\"message\":\"m\"}}}}\n\n"
        ),
        Dialect::Responses => format!(
            "data: {{\"type\":\"response.created\",\"response\":{{\"id\":\"resp_1\"}}}}\n\ndata: {{\"type\":\"response.failed\",\"response\":{{\"id\":\"resp_1\",\"error\":{{\"code\":\"{word}\",\"message\":\"m\"}}}}}}\n\n"
        ),
        Dialect::Claude => format!(
            "data: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_1\"}}}}\n\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{word}\",\"message\":\"m\"}}}}\n\n"
        ),
        Dialect::Gemini => format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"Hi\"}}]}}}}]}}\n\ndata: {{\"error\":{{\"code\":{status},\"status\":\"{word}\",\"message\":\"m\"}}}}\n\n"
        ),
    }
}

/// What a client sees of it: the last event's own word for the error.
fn word(to: Dialect, told: &str) -> String {
    assert_eq!(end(to, told), Ok(End::Error), "{told}");
    let last = told.trim_end().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let word = match to {
        Dialect::Chat => &last["error"]["code"],
        Dialect::Responses => &last["response"]["error"]["code"],
        Dialect::Claude => &last["error"]["type"],
        Dialect::Gemini => &last["error"]["status"],
    };
    word.as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_error_within_a_stream_keeps_its_kind() {
    // Each row is one kind of error, in the words of Chat, Responses, Claude and Gemini: as it is sent, and as it is told.
    for (status, sent, told) in [
        (
            429,
            ["rate_limit_exceeded", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"],
            ["rate_limit_exceeded", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"],
        ),
        (
            503,
            ["server_error", "server_error", "overloaded_error", "UNAVAILABLE"],
            ["server_error", "server_error", "overloaded_error", "UNAVAILABLE"],
        ),
        (
            400,
            ["invalid_request", "invalid_prompt", "invalid_request_error", "INVALID_ARGUMENT"],
            ["invalid_request", "invalid_prompt", "invalid_request_error", "INVALID_ARGUMENT"],
        ),
    ] {
        for (from, sent) in Dialect::ALL.into_iter().zip(sent) {
            for (to, wanted) in Dialect::ALL.into_iter().zip(told) {
                let text = stream(from, sent, status);
                let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &Telling::default());
                let mut out = converter.push(text.as_bytes()).unwrap();
                out.extend(converter.finish());
                let word = word(to, std::str::from_utf8(&out).unwrap());
                // OpenAI has no word for being overloaded; its words for a wrong request are two.
                let is_openai = |dialect: Dialect| matches!(dialect, Dialect::Chat | Dialect::Responses);
                let same = word == wanted
                    || is_openai(from) && status == 503 && matches!(&*word, "api_error" | "INTERNAL")
                    || is_openai(from) && is_openai(to) && status == 400 && word == sent;
                assert!(same, "{from:?} to {to:?}: {sent} became {word}");
                let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
                collector.push(text.as_bytes()).unwrap();
                let broken = collector.finish(to, &Telling::default()).unwrap_err();
                assert_eq!(broken.status.map(|status| status / 100), Some(status / 100), "{from:?}: {sent}");
            }
        }
    }
}

/// An answer of a dialect with these words, as JSON writes them: whole, and as a stream.
fn said(from: Dialect, words: &str) -> (String, String) {
    match from {
        Dialect::Chat => (
            format!(
                r#"{{"id":"c","choices":[{{"index":0,"message":{{"role":"assistant","content":"{words}"}},"finish_reason":"stop"}}]}}"#
            ),
            format!(
                "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{words}\"}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
            ),
        ),
        Dialect::Responses => {
            let item =
                format!(r#"{{"type":"message","id":"msg_1","role":"assistant","content":[{{"type":"output_text","text":"{words}"}}]}}"#);
            let whole = format!(r#"{{"id":"resp_1","status":"completed","output":[{item}]}}"#);
            let stream = format!(
                "data: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"{words}\"}}\n\ndata: {{\"type\":\"response.completed\",\"response\":{whole}}}\n\n"
            );
            (whole, stream)
        }
        Dialect::Claude => (
            format!(r#"{{"id":"msg_1","content":[{{"type":"text","text":"{words}"}}],"stop_reason":"end_turn"}}"#),
            format!(
                "data: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_1\"}}}}\n\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{words}\"}}}}\n\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
            ),
        ),
        Dialect::Gemini => {
            let whole =
                format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{words}"}}]}},"finishReason":"STOP"}}]}}"#);
            let stream = format!("data: {whole}\n\n");
            (whole, stream)
        }
    }
}

#[test]
fn half_a_character_takes_no_words_with_it() {
    for from in Dialect::ALL {
        let (whole, stream) = said(from, r"cut \ud83d");
        for to in Dialect::ALL {
            let (told, _) = generate::answer(from, to, whole.as_bytes(), &Telling::default()).unwrap();
            let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &Telling::default());
            let mut streamed = converter.push(stream.as_bytes()).unwrap();
            streamed.extend(converter.finish());
            for told in [told, streamed] {
                let told = String::from_utf8(told).unwrap();
                assert!(told.contains("cut \u{fffd}"), "{from:?} to {to:?}: {told}");
            }
        }
    }
}

#[test]
fn a_call_without_an_object_is_told_where_it_stands() {
    let answer = r#"{"id":"c","choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#;
    let (_, losses) = generate::answer(Dialect::Chat, Dialect::Gemini, answer.as_bytes(), &Telling::default()).unwrap();
    let paths: Vec<&str> = losses.iter().map(|loss| loss.path.as_str()).collect();
    assert!(matches!(paths[..], [path] if path.contains("[0]")), "{paths:?}");
}
