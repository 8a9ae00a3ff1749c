//! Answers: what vendors send, and what clients are told.

use serde_json::{Value, json};

use super::{
    super::{
        super::{
            Dialect, NoAnswer,
            canon::{Answer, Block, Citation, Media, MediaKind, Part, Reasoning, Rest, ServerResult, ServerTool, Source, Stop, Tokens},
            spoke::spoke,
            testing::{fold_stream, lower_stream, node},
        },
        leftovers::made,
        usage,
    },
    lift_answer, lower_answer, message, paths, telling,
};
use crate::transform::Seal;

fn foreign(from: Dialect, parts: Vec<Part<'static>>) -> Answer<'static> {
    let mut answer =
        fold_stream(Dialect::Chat, b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n").unwrap();
    answer.from = from;
    answer.choices[0].blocks =
        parts.into_iter().map(|part| Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }).collect();
    answer
}

fn text(text: &str, citations: Vec<Citation<'static>>) -> Part<'static> {
    Part::Text { text: text.to_owned().into(), citations }
}

#[test]
fn an_answer_that_answers_nothing_is_none() {
    for body in [r#"{"id":"a","usage":{"prompt_tokens":1}}"#, r#"{"id":"a","choices":[]}"#] {
        let fault = spoke(Dialect::Chat).lift_answer(node(body)).unwrap_err();
        assert!(matches!(&fault, NoAnswer::Shape(fault) if fault.path == "choices"), "{body}: {fault}");
    }
}

#[test]
fn an_answer_without_names_gets_those_of_the_call() {
    let (back, _) = lower_answer(&foreign(Dialect::Gemini, vec![text("a", vec![])]));
    assert_eq!((&back["id"], &back["model"], &back["created"]), (&json!("chatcmpl-7"), &json!("gpt-5.4"), &json!(1_780_000_000)));
    assert!(back.get("usage").is_none(), "usage that nobody told is not made up");
}

#[test]
fn stops_are_told_in_the_nearest_word() {
    for (stop, word, lost) in [
        (Stop::End, "stop", 0),
        (Stop::Sequence(Some("END".into())), "stop", 1),
        (Stop::MaxTokens, "length", 0),
        (Stop::Window, "length", 1),
        (Stop::Calls, "tool_calls", 0),
        (Stop::Refusal, "content_filter", 0),
        (Stop::Filtered(Some("SAFETY".into())), "content_filter", 1),
        (Stop::Pause, "stop", 1),
        (Stop::Other("MALFORMED".into()), "stop", 1),
    ] {
        let mut answer = foreign(Dialect::Claude, vec![text("a", vec![])]);
        answer.choices[0].stop = stop.clone();
        let (back, losses) = lower_answer(&answer);
        assert_eq!((back["choices"][0]["finish_reason"].as_str(), losses.len()), (Some(word), lost), "{stop:?}");
    }
}

#[test]
fn usage_buckets_are_disjoint_and_come_back() {
    let read = |json: &str| usage::lift(node(json));
    let told = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}"#;
    let tokens = Tokens { input: 10, cache_read: 60, cache_write: 30, output: 30, reasoning: 20, ..Tokens::default() };
    assert_eq!(read(told), Some(tokens));
    let beside = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}"#;
    assert_eq!(
        read(beside),
        Some(Tokens { input: 10, output: 5, reasoning: 20, ..Tokens::default() }),
        "some vendors count reasoning beside"
    );
    let wrong = r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":20}}"#;
    assert_eq!(read(wrong), Some(Tokens { cache_read: 10, reasoning: 5, ..Tokens::default() }), "never negative");
    assert_eq!(read("{}"), None);
    assert_eq!(read("null"), None);
}

#[test]
fn vendors_leave_out_what_they_like() {
    let answer = lift_answer(
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"}],"tool_calls":null,"refusal":""}},{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]},"finish_reason":"stop"}]}"#,
    );
    assert_eq!((answer.choices[1].index, &answer.choices[0].stop, &answer.choices[1].stop), (1, &Stop::End, &Stop::Calls));
    let (back, _) = lower_answer(&answer);
    assert_eq!(
        back["choices"][1]["message"]["tool_calls"][0],
        json!({"id": "call__1_0", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}})
    );
}

#[test]
fn members_nobody_knows_come_back_to_their_place() {
    let body = r#"{"id":"i","object":"chat.completion","created":1,"model":"m","provider":"p","choices":[{"index":0,"native_finish_reason":"s",
        "message":{"role":"assistant","content":"a","refusal":null,"x":1},"logprobs":null,"finish_reason":"stop"}]}"#;
    let answer = lift_answer(body);
    assert_eq!(lower_answer(&answer), (serde_json::from_str::<Value>(body).unwrap(), vec![]));
}

#[test]
fn sealed_thinking_comes_home_through_the_client() {
    let seal = Seal { owner: Dialect::Claude, data: "EqQB".into() };
    let thought = |text: Vec<&'static str>, summary: Vec<&'static str>, redacted| {
        let pieces = |pieces: Vec<&'static str>| pieces.into_iter().map(Into::into).collect();
        Part::Reasoning(Reasoning { id: None, text: pieces(text), summary: pieces(summary), seal: Some(seal.clone()), redacted })
    };
    for part in [thought(vec!["why"], vec![], false), thought(vec![], vec!["one", "two"], false), thought(vec![], vec![], true)] {
        let answer = foreign(Dialect::Claude, vec![part.clone(), text("so", vec![])]);
        let (whole, losses) = lower_answer(&answer);
        assert_eq!(losses, []);
        let told = whole.to_string();
        let folded = lower_answer(&fold_stream(Dialect::Chat, lower_stream(Dialect::Chat, &answer, &telling()).0.as_bytes()).unwrap()).0;
        for message in [&whole["choices"][0]["message"], &folded["choices"][0]["message"]] {
            let history = json!({"model": "m", "messages": [message]}).to_string();
            let request = super::lift(&history);
            let Part::Reasoning(back) = &request.turns[0].blocks[0].part else { panic!("{told}") };
            let Part::Reasoning(sent) = &part else { panic!() };
            assert_eq!((&back.seal, back.redacted), (&sent.seal, sent.redacted), "{told}");
            let words = |thought: &Reasoning<'_>| (thought.text.concat() + &thought.summary.concat()).replace("\n\n", "");
            assert_eq!(words(back), words(sent), "{told}");
        }
    }
}

#[test]
fn a_thought_signature_rides_on_its_call() {
    let call = super::super::super::canon::Call {
        id: "a".into(),
        item_id: None,
        name: "f".into(),
        namespace: None,
        input: super::super::super::canon::Input::Json("".into()),
    };
    let mut answer = foreign(Dialect::Gemini, vec![Part::Call(call)]);
    answer.choices[0].blocks[0].seal = Some(Seal { owner: Dialect::Gemini, data: "c2ln".into() });
    let (back, _) = lower_answer(&answer);
    let told = &back["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(told["extra_content"]["google"]["thought_signature"], "c2ln");
    assert_eq!(told["function"]["arguments"], "{}");
    let (text, _) = lower_stream(Dialect::Chat, &answer, &telling());
    assert_eq!(fold_stream(Dialect::Chat, text.as_bytes()).unwrap().choices[0].blocks[0].seal, answer.choices[0].blocks[0].seal);
}

#[test]
fn citations_of_others_count_letters_over_the_whole_answer() {
    let cite = |url: Option<&str>, span| Citation {
        url: url.map(|url| url.to_owned().into()),
        title: Some("T".into()),
        quote: None,
        span,
        of: Dialect::Claude,
        json: made("{}".into()),
    };
    let answer = foreign(
        Dialect::Claude,
        vec![
            text("Grüße. ", vec![]),
            text("Yes.", vec![cite(Some("https://e.com"), None), cite(None, None)]),
            text("No.", vec![cite(Some("https://e.com"), Some((1, 2)))]),
        ],
    );
    let (back, losses) = lower_answer(&answer);
    let spans = |back: &Value| -> Vec<(u64, u64)> {
        let list = back["choices"][0]["message"]["annotations"].as_array().unwrap();
        list.iter()
            .map(|one| (one["url_citation"]["start_index"].as_u64().unwrap(), one["url_citation"]["end_index"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(spans(&back), [(7, 11), (12, 13)]);
    assert_eq!(paths(&losses), ["citations"], "a quote out of a document points to no page");
    let (stream, _) = lower_stream(Dialect::Chat, &answer, &telling());
    assert_eq!(spans(&lower_answer(&fold_stream(Dialect::Chat, stream.as_bytes()).unwrap()).0), [(7, 11), (12, 13)]);
}

#[test]
fn pictures_of_foreign_tools_are_shown_and_the_tools_told_as_lost() {
    let media = Media { kind: MediaKind::Image, source: Source::Base64("iVBORw0KGgo=".into()), mime: None, name: None, detail: None };
    let result = ServerResult {
        id: "a".into(),
        tool: ServerTool::ImageGeneration,
        pages: vec![],
        output: None,
        media: vec![media],
        failed: false,
        json: made("{}".into()),
    };
    let (back, losses) = lower_answer(&foreign(Dialect::Responses, vec![Part::ServerResult(result)]));
    assert_eq!(back["choices"][0]["message"]["images"][0]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
    assert_eq!(paths(&losses), ["output[0]"]);
}

#[test]
fn a_refusal_ends_with_stop_where_it_is_one_of_chats_own() {
    let body = message(r#"{"role":"assistant","content":null,"refusal":"no"}"#);
    let answer = lift_answer(&body);
    assert_eq!(answer.choices[0].stop, Stop::Refusal);
    assert_eq!(lower_answer(&answer).0["choices"][0]["finish_reason"], "stop");
}
