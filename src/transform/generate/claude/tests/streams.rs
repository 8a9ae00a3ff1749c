//! Streams: pieces, blocks beside each other, ends and faults.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Claude, block, fixture, text};
use crate::transform::{
    Seal,
    generate::{
        Dialect,
        canon::{Block, Call, Input, Logprob, Part, Reasoning, ServerCall, ServerTool, Stop, Tokens},
        event::{Delta, Event, Opening, StreamFault},
        fold::Fold,
        frames::Frames,
        spoke::{Spoke, Telling},
        testing::{fold_stream, lift_stream, value},
    },
};

fn call(id: &str) -> Block<'static> {
    let input = Input::Json("".into());
    block(Part::Call(Call { id: id.to_owned().into(), item_id: None, name: "f".into(), namespace: None, input }))
}

fn open() -> Event<'static> {
    Event::Open(Opening { id: "m".into(), model: "gpt-5.4".into(), ..Opening::default() })
}

fn begin(number: usize, head: Block<'static>) -> Event<'static> {
    Event::BlockOpen { block: number, choice: 0, head }
}

fn end(block: usize) -> Event<'static> {
    Event::BlockClose { block }
}

fn say(block: usize, words: &str) -> Event<'static> {
    Event::Delta { block, delta: Delta::Text(words.to_owned().into()) }
}

fn give(block: usize, words: &str) -> Event<'static> {
    Event::Delta { block, delta: Delta::Input(words.to_owned().into()) }
}

fn stopped() -> [Event<'static>; 2] {
    [Event::Stop { choice: 0, stop: Stop::End }, Event::Close]
}

fn write(events: impl IntoIterator<Item = Event<'static>>, telling: &Telling) -> (String, Vec<String>) {
    let mut lower = Claude.lowerer(telling);
    let (mut frames, mut losses) = (Frames::default(), Vec::new());
    for event in events {
        lower.push(&event, &mut frames, &mut losses);
    }
    (String::from_utf8(frames.take()).unwrap(), super::words(&losses))
}

fn data(stream: &str) -> Vec<Value> {
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| value(data.as_bytes())).collect()
}

/// The events in short: kind, block, and what was said.
fn short(stream: &str) -> Vec<String> {
    let said = |event: &Value| {
        let delta = event["delta"].as_object()?;
        delta.iter().find(|(name, _)| *name != "type").map(|(_, said)| said.as_str().unwrap_or("?").to_owned())
    };
    data(stream)
        .iter()
        .filter_map(|event| {
            let index = event["index"].as_u64()?;
            Some(match event["type"].as_str()? {
                "content_block_start" => format!("{index}+{}", event["content_block"]["type"].as_str()?),
                "content_block_stop" => format!("{index}-"),
                _ => format!("{index} {}", said(event)?),
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn calls_beside_each_other_come_out_whole_and_in_order(order in proptest::collection::vec((0_usize..4, "[a-z{}\"]{0,4}"), 0..40)) {
        let mut events = vec![open()];
        let mut fold = Fold::new(Dialect::Chat);
        events.extend((0..4).map(|number| begin(number, call(&format!("call_{number}")))));
        events.extend(order.iter().map(|(number, piece)| give(*number, piece)));
        events.extend([2, 0, 3, 1].map(end));
        events.extend(stopped());
        for event in &events {
            fold.push(event.clone());
        }
        let meant = fold.finish().unwrap();
        let (stream, _) = write(events, &Telling::default());
        let read = fold_stream(Dialect::Claude, stream.as_bytes()).unwrap();
        for (meant, read) in meant.choices[0].blocks.iter().zip(&read.choices[0].blocks) {
            let (Part::Call(meant), Part::Call(read)) = (&meant.part, &read.part) else { panic!("no calls") };
            let (Input::Json(given), Input::Json(got)) = (&meant.input, &read.input) else { panic!("no JSON") };
            prop_assert_eq!(&meant.id, &read.id);
            prop_assert_eq!(if given.is_empty() { "{}" } else { given }, got.as_ref());
        }
        prop_assert_eq!(read.choices[0].blocks.len(), 4);
    }

    #[test]
    fn no_order_of_frames_breaks_the_grammar(picks in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..400), 0..60)) {
        let whole = fixture("web_search", "stream.sse") + &fixture("tool_call", "stream.sse") + &fixture("errors", "stream_error.sse");
        let frames: Vec<&str> = whole.split_inclusive("\n\n").collect();
        let mut stream = String::new();
        for (pick, cut) in picks {
            let frame = pick.get(&frames);
            // Most frames whole, some cut short.
            stream.push_str(frame.get(..cut).unwrap_or(frame).trim_end());
            stream.push_str("\n\n");
        }
        let mut lower = Claude.lowerer(&Telling::default());
        let (mut frames, mut losses) = (Frames::default(), Vec::new());
        lift_stream(Dialect::Claude, stream.as_bytes(), usize::MAX, &mut |event| lower.push(event, &mut frames, &mut losses));
    }

    #[test]
    fn any_chunking_gives_the_same_events(size in 1_usize..200) {
        let stream = fixture("web_search", "stream.sse");
        let read = |size| {
            let mut all = Vec::new();
            lift_stream(Dialect::Claude, stream.as_bytes(), size, &mut |event| all.push(format!("{event:?}")));
            all
        };
        prop_assert_eq!(read(size), read(usize::MAX));
    }
}

#[test]
fn text_gives_way_and_goes_on_behind() {
    let (a, b) = (begin(0, text("")), begin(1, call("call_1")));
    let events = [open(), a, say(0, "One"), b, give(1, "{}"), say(0, " two"), end(1), say(0, " three"), end(0)];
    let (stream, _) = write(events.into_iter().chain(stopped()), &Telling::default());
    let told = ["0+text", "0 One", "0-", "1+tool_use", "1 {}", "1-", "2+text", "2  two", "2  three", "2-"];
    assert_eq!(short(&stream), told);
}

#[test]
fn a_call_keeps_its_place_until_it_ends() {
    let events = [
        open(),
        begin(0, call("a")),
        give(0, "{"),
        begin(1, call("b")),
        give(1, "[]"),
        end(1),
        give(0, "}"),
        end(0),
        begin(2, text("Hi")),
        end(2),
    ];
    let (stream, _) = write(events.into_iter().chain(stopped()), &Telling::default());
    let told = ["0+tool_use", "0 {", "0 }", "0-", "1+tool_use", "1 []", "1-", "2+text", "2 Hi", "2-"];
    assert_eq!(short(&stream), told);
}

#[test]
fn thinking_of_others_is_shown_and_sealed_in_claudes_slot() {
    let seal = Seal { owner: Dialect::Responses, data: "gAAA".into() };
    let summary = |text: &str| Event::Delta { block: 0, delta: Delta::Summary(text.to_owned().into(), true) };
    let sealed = Event::Delta { block: 0, delta: Delta::Seal(seal.clone()) };
    let events = [open(), begin(0, block(Part::Reasoning(Reasoning::default()))), summary("One."), summary("Two."), sealed, end(0)];
    let (stream, _) = write(events.into_iter().chain(stopped()), &Telling::default());
    assert_eq!(short(&stream)[1..5], ["0 One.", "0 \n\n", "0 Two.", "0 gproxy1.responses.gAAA"]);
    let read = fold_stream(Dialect::Claude, stream.as_bytes()).unwrap();
    let Part::Reasoning(reasoning) = &read.choices[0].blocks[0].part else { panic!("no thinking") };
    assert_eq!((reasoning.seal.as_ref(), reasoning.text[0].as_ref()), (Some(&seal), "One.\n\nTwo."));
}

#[test]
fn a_seal_of_a_single_part_rides_beside_it() {
    let seal = Seal { owner: Dialect::Gemini, data: "sig".into() };
    let late = Event::Delta { block: 0, delta: Delta::Seal(seal.clone()) };
    let sealed = Block { seal: Some(seal), ..call("call_1") };
    let events = [open(), begin(0, text("")), say(0, "Hi"), late, end(0), begin(1, sealed), give(1, "{}"), end(1)];
    let (stream, _) = write(events.into_iter().chain(stopped()), &Telling::default());
    let told = ["0+text", "0 Hi", "0-", "1+thinking", "1-", "2+redacted_thinking", "2-", "3+tool_use", "3 {}", "3-"];
    assert_eq!(short(&stream), told);
}

#[test]
fn the_prompt_is_estimated_at_the_beginning_and_true_at_the_end() {
    let telling = Telling { prompt_estimate: 123, request_id: "r1".into(), model: "asked".into(), ..Telling::default() };
    let nameless = Event::Open(Opening::default());
    let tokens = Tokens { input: 5, cache_read: 10, cache_write: 5, output: 7, reasoning: 3, ..Tokens::default() };
    let (stream, losses) = write([nameless, Event::Usage(tokens)].into_iter().chain(stopped()), &telling);
    let all = data(&stream);
    assert_eq!((&all[0]["message"]["id"], &all[0]["message"]["model"]), (&json!("msg_r1"), &json!("asked")));
    assert_eq!(all[0]["message"]["usage"]["input_tokens"], 123);
    assert_eq!(
        all[1]["usage"],
        json!({"input_tokens": 5, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 10,
            "output_tokens_details": {"thinking_tokens": 3}})
    );
    assert!(losses.is_empty(), "{losses:?}");
    let (_, losses) = write([open()].into_iter().chain(stopped()), &telling);
    assert_eq!(losses, ["usage changed"]);
}

#[test]
fn a_fault_is_the_last_word() {
    let broken = fixture("errors", "stream_error.sse");
    let mut last = None;
    lift_stream(Dialect::Claude, broken.as_bytes(), 11, &mut |event| last = Some(format!("{event:?}")));
    assert!(last.unwrap().contains("status: Some(529), code: Some(\"overloaded_error\"), message: \"Overloaded\""));
    for (status, code, kind) in
        [(Some(429), Some("rate_limit_exceeded"), "rate_limit_error"), (Some(503), None, "overloaded_error"), (None, None, "api_error")]
    {
        let fault = Event::Fault(StreamFault { status, code: code.map(Into::into), message: "No.".into() });
        let (stream, _) = write([open(), begin(0, text("Hi")), fault], &Telling::default());
        assert!(
            stream.ends_with(&format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"No.\"}}}}\n\n"
            )),
            "{stream}"
        );
        assert!(!stream.contains("message_stop") && !stream.contains("end_turn"), "{stream}");
    }
}

#[test]
fn a_cut_stream_has_no_end() {
    let whole = fixture("plain", "stream.sse");
    let cut = whole.split("event: message_stop").next().unwrap();
    let fault = fold_stream(Dialect::Claude, cut.as_bytes()).unwrap_err();
    assert_eq!(fault.message, "");
}

#[test]
fn streams_of_other_providers_in_claudes_shape_are_read() {
    // No names, no ids, no indexes, input at once, a bare error, frames that are no JSON.
    let loose = "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{\"a\":1}}}\n\n\
        data: not json\n\n\
        data: {\"type\":\"content_block_stop\"}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":{\"output_tokens\":3}}\n\n\
        data: {\"type\":\"message_stop\"}\n\n\
        data: [DONE]\n\n";
    let answer = fold_stream(Dialect::Claude, loose.as_bytes()).unwrap();
    let Part::Call(call) = &answer.choices[0].blocks[0].part else { panic!("no call") };
    assert!(matches!(&call.input, Input::Json(input) if input == "{\"a\":1}"), "{call:?}");
    assert_eq!((call.id.as_ref(), answer.usage.unwrap().output), ("call__0", 3));
    let fault = fold_stream(Dialect::Claude, b"event: error\ndata: {\"error\":\"too busy\"}\n\n").unwrap_err();
    assert_eq!(fault.message, "too busy");
}

#[test]
fn what_has_no_place_in_the_stream_is_told_once() {
    let logprobs = Delta::Logprobs(vec![Logprob { token: "a".into(), logprob: -0.1, bytes: None, top: Vec::new() }]);
    let json = std::borrow::Cow::Owned(serde_json::value::RawValue::from_string("{\"type\":\"file_search_call\"}".to_owned()).unwrap());
    let served = block(Part::ServerCall(ServerCall { id: "fs_1".into(), tool: ServerTool::FileSearch, queries: Vec::new(), json }));
    let second = |block| Event::BlockOpen { block, choice: 1, head: text("") };
    let usage = Event::Usage(Tokens::default());
    let events = [
        open(),
        begin(0, text("a")),
        Event::Delta { block: 0, delta: logprobs },
        end(0),
        begin(1, served),
        end(1),
        second(2),
        second(3),
        usage,
    ];
    let (stream, losses) = write(events.into_iter().chain(stopped()), &Telling::default());
    assert_eq!(losses, ["logprobs dropped", "content[0] dropped", "choices dropped"]);
    assert_eq!(short(&stream), ["0+text", "0 a", "0-"]);
}

#[test]
fn what_keeps_a_silent_stream_open_is_a_ping() {
    let mut frames = Frames::default();
    Claude.lowerer(&Telling::default()).keep_alive(&mut frames);
    assert_eq!(frames.take(), b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
}
