//! Streams as vendors really send them.

use proptest::prelude::*;

use super::{
    super::super::{
        Dialect,
        canon::{Answer, Input, Part, Stop},
        event::Event,
        frames::Frames,
        spoke::{Telling, spoke},
        testing::{fold_stream, lift_stream, lower_stream},
    },
    lift_answer, lower_answer, message, telling,
};

/// A stream of chunks whose choices are given.
fn stream(choices: &[&str]) -> String {
    choices.iter().map(|choice| format!("data: {{\"id\":\"chatcmpl-a1\",\"model\":\"m\",\"choices\":[{choice}]}}\n\n")).collect()
}

fn deltas(deltas: &[&str]) -> String {
    let chunks: Vec<String> = deltas.iter().map(|delta| format!(r#"{{"index":0,"delta":{delta},"finish_reason":null}}"#)).collect();
    stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

const END: &str = "data: {\"id\":\"chatcmpl-a1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

fn fold(text: &str) -> Answer<'static> {
    fold_stream(Dialect::Chat, text.as_bytes()).unwrap()
}

/// The calls of an answer: id, name, input.
fn calls(answer: &Answer<'_>) -> Vec<(String, String, String)> {
    let blocks = answer.choices[0].blocks.iter();
    let calls = blocks.filter_map(|block| match &block.part {
        Part::Call(call) => Some(call),
        _ => None,
    });
    calls
        .map(|call| {
            let (Input::Json(input) | Input::Free(input)) = &call.input;
            (call.id.to_string(), call.name.to_string(), input.to_string())
        })
        .collect()
}

fn call(id: &str, name: &str, input: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), input.to_owned())
}

fn events(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    lift_stream(Dialect::Chat, text.as_bytes(), usize::MAX, &mut |event| {
        all.push(format!("{event:?}").split([' ', '(']).next().unwrap().to_owned());
    });
    all
}

#[test]
fn a_new_id_at_the_same_index_is_another_call() {
    let text = deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]}"#,
    ]) + END;
    let answer = fold(&text);
    assert_eq!(calls(&answer), [call("a", "f", r#"{"x":1}"#), call("b", "g", r#"{"y":2}"#)]);
    assert_eq!(answer.choices[0].stop, Stop::Calls, "calls that end with stop are calls");
}

#[test]
fn without_an_index_the_place_counts_and_a_known_id_more() {
    let text = deltas(&[
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}},{"id":"b","function":{"name":"g","arguments":"["}}]}"#,
        r#"{"tool_calls":[{"function":{"arguments":"}"}},{"function":{"arguments":"]"}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"arguments":" "}}]}"#,
    ]) + END;
    assert_eq!(calls(&fold(&text)), [call("a", "f", "{}"), call("b", "g", "[] ")]);
}

#[test]
fn without_an_index_ids_may_come_by_turns() {
    let text = deltas(&[
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"["}}]}"#,
        r#"{"tool_calls":[{"id":"a","function":{"arguments":"}"}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"arguments":"]"}}]}"#,
    ]) + END;
    assert_eq!(calls(&fold(&text)), [call("a", "f", "{}"), call("b", "g", "[]")]);
}

#[test]
fn arguments_before_the_name_wait_for_it() {
    let text = deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{\"x\""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":":1}"}}]}"#,
    ]) + END;
    assert_eq!(calls(&fold(&text)), [call("a", "f", r#"{"x":1}"#)]);
}

#[test]
fn calls_without_ids_get_one_that_is_the_same_each_time() {
    let text = deltas(&[
        r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
        r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":2}"}}]}"#,
    ]) + END;
    assert_eq!(calls(&fold(&text)), [call("call_a1_0_0", "f", r#"{"x":1}"#), call("call_a1_0_1", "f", r#"{"x":2}"#)]);
}

#[test]
fn an_id_and_a_name_that_are_repeated_begin_nothing() {
    let piece = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}]}"#;
    assert_eq!(calls(&fold(&(deltas(&[piece, piece]) + END))), [call("a", "f", "11")]);
    let late = deltas(&[
        r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"late","function":{"arguments":"{}"}}]}"#,
    ]);
    assert_eq!(calls(&fold(&(late + END))), [call("call_a1_0_0", "f", "{}")]);
}

#[test]
fn the_older_function_call_is_a_call() {
    let text = deltas(&[r#"{"function_call":{"name":"f","arguments":""}}"#, r#"{"function_call":{"arguments":"{}"}}"#]);
    let end = END.replace("\"stop\"", "\"function_call\"");
    assert_eq!(calls(&fold(&(text + &end))), [call("call_a1_0_0", "f", "{}")]);
}

#[test]
fn a_whole_call_is_closed_before_the_next_begins() {
    let text = deltas(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":\"}\"}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
    ]) + END;
    assert_eq!(events(&text), ["Open", "BlockOpen", "Delta", "BlockClose", "BlockOpen", "Delta", "BlockClose", "Stop", "Close"]);
}

#[test]
fn the_last_piece_may_stand_beside_the_finish_and_its_usage() {
    let text = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\
                \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"prompt_cache_hit_tokens\":2}}\n\n";
    let answer = fold(text);
    assert_eq!(answer.usage.map(|usage| (usage.input, usage.cache_read, usage.output)), Some((1, 2, 1)));
    assert!(matches!(&answer.choices[0].blocks[0].part, Part::Text { text, .. } if text == "hi"));
}

#[test]
fn only_a_finish_reason_earns_the_end() {
    let said = deltas(&[r#"{"content":"hi"}"#]);
    for cut in [said.clone(), said.clone() + "data: [DONE]\n\n"] {
        assert_eq!(events(&cut), ["Open", "BlockOpen", "Delta"], "{cut}");
    }
    assert_eq!(events(&(said.clone() + END)), events(&(said + END + "data: [DONE]\n\ndata: [DONE]\n\n")));
}

#[test]
fn every_choice_must_end() {
    let text = stream(&[r#"{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}"#, r#"{"index":1,"delta":{"content":"b"}}"#]);
    assert!(fold_stream(Dialect::Chat, (text + "data: [DONE]\n\n").as_bytes()).is_err());
}

#[test]
fn an_empty_chunk_before_the_beginning_is_passed_over() {
    let azure = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[]}\n\n";
    let answer = fold(&(azure.to_owned() + &deltas(&[r#"{"content":"a"}"#]) + END));
    assert_eq!((&*answer.id, &*answer.model), ("chatcmpl-a1", "m"));
}

#[test]
fn errors_come_in_many_shapes() {
    for (frame, status, code, words) in [
        (r#"data: {"error":{"message":"m","type":"server_error","code":null}}"#, None, Some("server_error"), "m"),
        (r#"data: {"error":{"message":"m","code":429}}"#, Some(429), None, "m"),
        (r#"data: {"error":"m"}"#, None, None, "m"),
        (r#"data: {"object":"error","message":"m","code":400}"#, Some(400), None, "m"),
        ("event: error\ndata: {\"message\":\"m\"}", None, None, "m"),
        (
            r#"data: {"id":"x","error":{"code":502,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            Some(502),
            None,
            "m",
        ),
    ] {
        let fault = fold_stream(Dialect::Chat, (deltas(&[r#"{"content":"a"}"#]) + frame + "\n\n" + END).as_bytes()).unwrap_err();
        assert_eq!((fault.status, fault.code.as_deref(), &*fault.message), (status, code, words), "{frame}");
    }
}

/// The thinking of an answer: text, summary, seal.
fn thoughts(answer: &Answer<'_>) -> Vec<(String, String, Option<String>)> {
    let blocks = answer.choices[0].blocks.iter();
    let thoughts = blocks.filter_map(|block| match &block.part {
        Part::Reasoning(thought) => Some(thought),
        _ => None,
    });
    thoughts
        .map(|thought| (thought.text.concat(), thought.summary.join("|"), thought.seal.as_ref().map(|seal| seal.data.to_string())))
        .collect()
}

#[test]
fn thinking_is_read_in_every_vendors_words() {
    let one = |text: &str, summary: &str, seal: Option<&str>| vec![(text.to_owned(), summary.to_owned(), seal.map(str::to_owned))];
    for (pieces, expected) in [
        (vec![r#"{"reasoning_content":"a","content":null}"#, r#"{"reasoning_content":"b"}"#], one("ab", "", None)),
        (vec![r#"{"reasoning":"a","content":""}"#, r#"{"reasoning":"b"}"#], one("ab", "", None)),
        (
            vec![
                r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"format":"f"}]}"#,
                r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"format":"f"}]}"#,
                r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0,"format":"f"}]}"#,
            ],
            one("aa", "", Some("s")),
        ),
        (
            vec![
                r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.summary","summary":"a","index":0,"id":"rs"}]}"#,
                r#"{"reasoning":"b","reasoning_details":[{"type":"reasoning.summary","summary":"b","index":0,"id":"rs"}]}"#,
                r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"s","index":0,"id":"rs"}]}"#,
            ],
            one("", "ab", Some("s")),
        ),
        (vec![r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#], one("a", "", None)),
    ] {
        let answer = fold(&(deltas(&pieces) + &deltas(&[r#"{"content":"."}"#]) + END));
        assert_eq!(thoughts(&answer), expected, "{pieces:?}");
    }
}

#[test]
fn two_sealed_thoughts_stay_two() {
    let whole = message(
        r#"{"role":"assistant","content":".","reasoning_content":"onetwo","reasoning_details":[
            {"type":"reasoning.text","text":"one","signature":"s1","index":0},{"type":"reasoning.text","text":"two","signature":"s2","index":1}]}"#,
    );
    let answer = lift_answer(&whole);
    let expected = vec![("one".to_owned(), String::new(), Some("s1".to_owned())), ("two".to_owned(), String::new(), Some("s2".to_owned()))];
    assert_eq!(thoughts(&answer), expected);
    let (text, _) = lower_stream(Dialect::Chat, &answer, &telling());
    assert_eq!(thoughts(&fold(&text)), expected);
}

#[test]
fn sound_is_gathered_and_its_transcript_is_text() {
    let text = deltas(&[
        r#"{"audio":{"id":"audio_1","transcript":"He"}}"#,
        r#"{"audio":{"transcript":"llo"}}"#,
        r#"{"audio":{"data":"UklG"}}"#,
        r#"{"audio":{"data":"RiQA","expires_at":5}}"#,
    ]) + END;
    let whole =
        message(r#"{"role":"assistant","content":null,"audio":{"id":"audio_1","data":"UklGRiQA","transcript":"Hello","expires_at":5}}"#);
    assert_eq!(lower_answer(&fold(&text)).0["choices"], lower_answer(&lift_answer(&whole)).0["choices"]);
}

#[test]
fn pictures_and_citations_come_in_pieces_too() {
    let text = deltas(&[
        r#"{"content":"Look"}"#,
        r#"{"annotations":[{"type":"url_citation","url_citation":{"url":"https://e.com","title":"E","start_index":0,"end_index":4}}]}"#,
        r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGkh"}}]}"#,
    ]) + END;
    let answer = fold(&text);
    assert!(matches!(&answer.choices[0].blocks[0].part, Part::Text { citations, .. } if citations[0].span == Some((0, 4))));
    assert!(matches!(&answer.choices[0].blocks[1].part, Part::Media(media) if media.mime.as_deref() == Some("image/png")));
}

#[test]
fn usage_is_told_to_those_who_asked_only() {
    let answer = fold(
        &(deltas(&[r#"{"content":"a"}"#]) + END + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"),
    );
    let (asked, _) = lower_stream(Dialect::Chat, &answer, &telling());
    let (unasked, _) = lower_stream(Dialect::Chat, &answer, &Telling { include_usage: false, ..telling() });
    assert!(asked.contains(r#""choices":[],"usage":{"prompt_tokens":1"#));
    assert!(!unasked.contains("usage") && unasked.ends_with("data: [DONE]\n\n"));
    // Usage that the upstream never told is not made up.
    let (unknown, _) = lower_stream(Dialect::Chat, &Answer { usage: None, ..answer }, &telling());
    assert!(!unknown.contains("prompt_tokens"));
}

#[test]
fn every_chunk_says_whether_it_is_the_last() {
    let answer = lift_answer(r#"{"choices":[{"message":{"content":"a"},"finish_reason":"length"}]}"#);
    let (text, _) = lower_stream(Dialect::Chat, &answer, &telling());
    let chunks: Vec<&str> = text.lines().filter(|line| line.contains("\"index\":0")).collect();
    assert!(chunks[0].contains(r#""delta":{"role":"assistant","content":""},"finish_reason":null"#));
    assert!(chunks.iter().filter(|chunk| chunk.contains(r#""finish_reason":null"#)).count() == chunks.len() - 1);
    assert!(chunks.last().unwrap().contains(r#""delta":{},"finish_reason":"length""#));
}

#[test]
fn no_end_is_written_behind_a_fault() {
    let mut lower = spoke(Dialect::Chat).lowerer(&telling());
    let (mut frames, mut losses) = (Frames::default(), Vec::new());
    lower.push(
        &Event::Fault(super::super::super::event::StreamFault {
            status: Some(529),
            code: Some("overloaded_error".into()),
            message: "busy".into(),
        }),
        &mut frames,
        &mut losses,
    );
    let text = String::from_utf8(frames.take()).unwrap();
    assert_eq!(text, "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"param\":null,\"code\":\"server_error\"}}\n\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn interleaved_calls_reassemble_exactly(
        inputs in prop::collection::vec("[a-z\"\\\\{}é ]{0,12}", 1..5),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        named in any::<bool>(),
    ) {
        let whole: Vec<String> = inputs.iter().map(|input| serde_json::json!({ "x": input }).to_string()).collect();
        let mut left: Vec<Vec<char>> = whole.iter().map(|input| input.chars().rev().collect()).collect();
        let id = |at: usize| if named { format!(r#""id":"c{at}","#) } else { String::new() };
        let mut pieces: Vec<String> = (0..whole.len())
            .map(|at| format!(r#"{{"tool_calls":[{{"index":{at},"id":"c{at}","type":"function","function":{{"name":"f{at}","arguments":""}}}}]}}"#))
            .collect();
        let mut push = |at: usize, letters: String| {
            let letters = serde_json::Value::from(letters);
            pieces.push(format!(r#"{{"tool_calls":[{{"index":{at},{}"function":{{"arguments":{letters}}}}}]}}"#, id(at)));
        };
        for index in order {
            let at = index.index(whole.len());
            if let Some(letter) = left[at].pop() {
                push(at, letter.into());
            }
        }
        for (at, rest) in left.iter().enumerate() {
            push(at, rest.iter().rev().collect());
        }
        let text = deltas(&pieces.iter().map(String::as_str).collect::<Vec<_>>()) + END;
        let expected: Vec<_> = whole.iter().enumerate().map(|(at, input)| call(&format!("c{at}"), &format!("f{at}"), input)).collect();
        prop_assert_eq!(calls(&fold(&text)), expected);
    }

    #[test]
    fn no_chunk_breaks_the_reader(text in "(data: (\\{\"choices\":\\[\\{\"delta\":)?[\\[\\]{}\":,a-z0-9]{0,30}\n\n){0,4}") {
        lift_stream(Dialect::Chat, text.as_bytes(), 3, &mut |_| {});
    }
}
