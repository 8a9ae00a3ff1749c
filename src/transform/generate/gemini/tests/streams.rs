//! Streams.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{
    super::super::{
        Dialect, Wire,
        canon::{Answer, Block, Call, Choice, Input, Part, Reasoning, Rest, Stop},
        event::{Delta, Event, Opening, StreamFault},
        frames::Frames,
        spoke::{Spoke, Telling},
        testing::{fold_stream, lower_stream},
    },
    Gemini,
};

fn stream(frames: &[&str]) -> String {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect()
}

fn folded(frames: &[&str]) -> Answer<'static> {
    fold_stream(Dialect::Gemini, stream(frames).as_bytes()).unwrap()
}

fn calls(answer: &Answer<'_>) -> Vec<(String, String)> {
    let of = |block: &Block<'_>| match &block.part {
        Part::Call(Call { id, input: Input::Json(json), .. }) => Some((id.to_string(), json.to_string())),
        _ => None,
    };
    answer.choices.iter().flat_map(|choice| choice.blocks.iter().filter_map(of)).collect()
}

#[test]
fn parallel_calls_in_one_frame_all_survive_and_the_empty_end_tells_of_them() {
    let answer = folded(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"f","args":{"n":1}}}]}}],"responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP"}],"responseId":"r"}"#,
    ]);
    assert_eq!(calls(&answer), [("call_r_0".into(), r#"{"n":1}"#.into()), ("call_r_1".into(), r#"{"n":1}"#.into())]);
    assert_eq!(answer.choices[0].stop, Stop::Calls);
    assert_eq!(answer.choices[0].blocks.len(), 2);
}

#[test]
fn a_cut_stream_does_not_end_well() {
    let cut = stream(&[r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}"#]);
    assert!(fold_stream(Dialect::Gemini, cut.as_bytes()).is_err());
    // One of two answers is not both.
    let half = stream(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0,"finishReason":"STOP"},{"content":{"parts":[{"text":"b"}]},"index":1}]}"#,
    ]);
    assert!(fold_stream(Dialect::Gemini, half.as_bytes()).is_err());
}

#[test]
fn a_reason_on_every_frame_ends_nothing_early() {
    let answer = folded(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"STOP"}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}"#,
    ]);
    assert!(matches!(&answer.choices[0].blocks[0].part, Part::Text { text, .. } if text == "Hello"));
    assert_eq!(answer.usage.unwrap().output, 2);
}

#[test]
fn errors_are_faults_also_within_an_array() {
    for frame in [
        r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#,
        r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
    ] {
        let fault = fold_stream(Dialect::Gemini, stream(&[frame]).as_bytes()).unwrap_err();
        assert_eq!((fault.status, &*fault.message), (Some(429), "m"));
    }
}

#[test]
fn a_blocked_prompt_is_a_filter_at_work() {
    let answer = folded(&[r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#]);
    assert_eq!(answer.choices[0].stop, Stop::Filtered(Some("SAFETY".into())));
}

#[test]
fn arguments_in_pieces_become_one_call() {
    let answer = folded(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","id":"x","willContinue":true},"thoughtSignature":"c2ln"}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"Par","willContinue":true}],"willContinue":true}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"is"}],"willContinue":true}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","id":"y","args":{}}}]},"finishReason":"STOP"}]}"#,
    ]);
    assert_eq!(calls(&answer), [("x".into(), r#"{"city":"Paris"}"#.into()), ("y".into(), "{}".into())]);
    assert_eq!(answer.choices[0].blocks[0].seal.as_ref().unwrap().data, "c2ln");
}

#[test]
fn every_framing_holds_whole_answers() {
    let answer = folded(&[r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"responseId":"r"}"#]);
    let written = |wire| lower_stream(Dialect::Gemini, &answer, &Telling { wire, ..Telling::default() }).0;
    let array: Vec<serde_json::Value> = serde_json::from_str(&written(Wire::JsonArray)).unwrap();
    let lines: Vec<serde_json::Value> = written(Wire::Ndjson).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(array, lines);
    assert_eq!(array.len(), 2);
    assert!(array.iter().all(|frame| frame["responseId"] == "r" && frame["candidates"][0]["index"] == 0));
}

#[test]
fn a_fault_is_googles_error_and_no_end() {
    let mut lower = Gemini.lowerer(&Telling::default());
    let mut frames = Frames::new(Wire::JsonArray);
    let fault = StreamFault { status: None, code: Some("overloaded_error".into()), message: "busy".into() };
    lower.push(&Event::Fault(fault), &mut frames, &mut Vec::new());
    frames.end();
    assert_eq!(String::from_utf8(frames.take()).unwrap(), r#"[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]"#);
}

#[test]
fn a_seal_of_others_rides_on_the_thought() {
    let mut lower = Gemini.lowerer(&Telling::default());
    let mut frames = Frames::new(Wire::Sse);
    let mut losses = Vec::new();
    let head = |part| Block { part, cache: None, seal: None, at: 0, rest: Rest::default() };
    let seal = crate::transform::Seal { owner: Dialect::Claude, data: "sig".into() };
    let events = [
        Event::Open(Opening::default()),
        Event::BlockOpen { block: 0, choice: 0, head: head(Part::Reasoning(Reasoning::default())) },
        Event::Delta { block: 0, delta: Delta::Reasoning("hm".into()) },
        Event::Delta { block: 0, delta: Delta::Seal(seal.clone()) },
        Event::BlockClose { block: 0 },
        Event::BlockOpen { block: 1, choice: 0, head: head(Part::Text { text: "".into(), citations: vec![] }) },
        Event::Delta { block: 1, delta: Delta::Text("391".into()) },
        Event::BlockClose { block: 1 },
        Event::Stop { choice: 0, stop: Stop::End },
        Event::Close,
    ];
    for event in &events {
        lower.push(event, &mut frames, &mut losses);
    }
    let back = fold_stream(Dialect::Gemini, &frames.take()).unwrap();
    let blocks = &back.choices[0].blocks;
    assert!(matches!(&blocks[0].part, Part::Reasoning(reasoning) if reasoning.text == ["hm"] && reasoning.seal == Some(seal)));
    assert!(matches!(&blocks[1].part, Part::Text { text, .. } if text == "391"));
    assert!(losses.is_empty());
}

proptest! {
    /// Pieces of calls that interleave come out whole, each in its own block.
    #[test]
    fn interleaved_pieces_of_calls_reassemble(inputs in prop::collection::vec("[a-z\"\\\\é]{0,12}", 1..5), order in prop::collection::vec(0usize..5, 0..40)) {
        let args: Vec<String> = inputs.iter().map(|text| serde_json::json!({"v": text}).to_string()).collect();
        let mut lower = Gemini.lowerer(&Telling::default());
        let mut frames = Frames::new(Wire::Sse);
        let mut losses = Vec::new();
        let mut push = |event: Event<'_>| lower.push(&event, &mut frames, &mut losses);
        push(Event::Open(Opening::default()));
        for block in 0..args.len() {
            let call = Call { id: format!("c{block}").into(), item_id: None, name: "f".into(), namespace: None, input: Input::Json("".into()) };
            push(Event::BlockOpen { block, choice: 0, head: Block { part: Part::Call(call), cache: None, seal: None, at: 0, rest: Rest::default() } });
        }
        let mut left: Vec<std::str::Chars<'_>> = args.iter().map(|text| text.chars()).collect();
        let rest: Vec<usize> = (0..args.len()).flat_map(|block| std::iter::repeat_n(block, args[block].len())).collect();
        for block in order.into_iter().chain(rest) {
            if let Some(c) = left.get_mut(block).and_then(Iterator::next) {
                push(Event::Delta { block, delta: Delta::Input(Cow::Owned(c.to_string())) });
            }
        }
        for block in 0..args.len() {
            push(Event::BlockClose { block });
        }
        push(Event::Stop { choice: 0, stop: Stop::Calls });
        push(Event::Close);
        let answer = fold_stream(Dialect::Gemini, &frames.take()).unwrap();
        let expected: Vec<_> = args.iter().enumerate().map(|(block, args)| (format!("c{block}"), args.clone())).collect();
        prop_assert_eq!(calls(&answer), expected);
        prop_assert_eq!(&answer.choices[0].stop, &Stop::Calls);
    }
}

#[test]
fn an_answer_written_as_a_stream_is_the_same_answer() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"I look.","thoughtSignature":"c2ln"},
        {"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}],"role":"model"},"finishReason":"STOP","index":0}],"responseId":"r","modelVersion":"m"}"#;
    let answer = super::answer(body);
    let (text, losses) = lower_stream(Dialect::Gemini, &answer, &Telling::default());
    let back = fold_stream(Dialect::Gemini, text.as_bytes()).unwrap();
    let bare = |choice: &Choice<'_>| format!("{:?}", choice.blocks.iter().map(|block| (&block.part, &block.seal)).collect::<Vec<_>>());
    assert_eq!(bare(&back.choices[0]), bare(&answer.choices[0]));
    assert!(losses.is_empty());
}
