//! What is sealed can be opened, and what is not ours stays as it is.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    Compacting, HEAD, Kept, TASK, Unsummarised,
    answer::written,
    opened,
    request::kept,
    seal::{sealed, summary},
    transcript,
};
use crate::{
    protocol::json::Node,
    transform::generate::{
        Asked, Dialect, Telling,
        canon::{
            Answer, Block, Call, CallResult, Choice, Input, Media, MediaKind, Part, Reasoning, Request, Rest, Role, Source, Stop, Tokens,
            Turn,
        },
    },
};

fn node(body: &str) -> Node<'_> {
    Node::parse(body.as_bytes()).unwrap()
}

fn block(part: Part<'static>) -> Block<'static> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

fn words(text: &'static str) -> Block<'static> {
    block(Part::Text { text: Cow::Borrowed(text), citations: Vec::new() })
}

fn turn(role: Role, blocks: Vec<Block<'static>>) -> Turn<'static> {
    Turn { role, blocks, at: 0, id: None, name: None, rest: Rest::default() }
}

fn sample(text: &'static str, stop: Stop<'static>) -> Answer<'static> {
    Answer {
        from: Dialect::Claude,
        id: "msg_1".into(),
        model: "m".into(),
        created: None,
        choices: vec![Choice { index: 0, blocks: vec![words(text)], stop, logprobs: Vec::new(), rest: Rest::default() }],
        usage: Some(Tokens { input: 10, cache_read: 4, cache_write: 6, output: 5, reasoning: 2, ..Tokens::default() }),
        service_tier: None,
        rest: Rest::default(),
    }
}

fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request {
        instructions: vec![words("You are terse.")],
        turns,
        parallel_calls: Some(true),
        ..Request::new(Dialect::Responses, Asked { model: "m", streams: false, goes_on_from: None })
    }
}

fn telling() -> Telling {
    Telling { request_id: "r9".into(), now: 9, ..Telling::default() }
}

#[test]
fn a_summary_comes_back_through_the_next_request() {
    let text = "Grüße 你好 🎉 \"quoted\"\nline";
    let body =
        written(&sample(text, Stop::End), &Kept { contents: vec![r#"[{"type":"input_text","text":"Hi."}]"#.into()] }, &telling()).unwrap();
    let compacted: Value = serde_json::from_slice(&body).unwrap();
    let seal = compacted["output"][1]["encrypted_content"].as_str().unwrap();
    assert_eq!(
        compacted,
        json!({"id": "resp_msg_1", "object": "response.compaction", "created_at": 9,
            "output": [{"id": "msg_msg_1_0", "type": "message", "status": "completed", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
                {"id": "cmp_msg_1", "type": "compaction", "encrypted_content": seal}],
            "usage": {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6}, "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 27}})
    );
    let mut input = compacted["output"].as_array().unwrap().clone();
    input.push(json!({"role": "user", "content": "Go on."}));
    let next = json!({"model": "m", "input": input, "stream": true, "temperature": 1}).to_string();
    let open: Value = serde_json::from_slice(&opened(next.as_bytes()).unwrap().unwrap()).unwrap();
    assert_eq!(
        open["input"][1],
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": format!("{HEAD}{text}")}]})
    );
    assert_eq!((&open["input"][0], &open["input"][2], &open["stream"]), (&input[0], &input[2], &json!(true)));
    // Compacted once more, the old summary is part of the conversation and no message of the user's.
    assert_eq!(kept(node(&open.to_string())).unwrap().contents.len(), 2);
}

#[test]
fn what_is_not_ours_stays_as_it_is() {
    for body in [
        r#"{"input": [{"type": "compaction", "encrypted_content": "gAAAA"}]}"#,
        r#"{"input": "gproxy1.summary.QQ"}"#,
        r#"{"input": [{"role": "user", "content": "gproxy1.summary.QQ"}, {"type": "reasoning", "encrypted_content": "gproxy1.summary.QQ"}]}"#,
        r#"{"text": "gproxy1.summary."}"#,
        "no JSON",
    ] {
        assert_eq!(opened(body.as_bytes()), Ok(None), "{body}");
    }
    let broken = r#"{"input": [{}, {"type": "compaction", "encrypted_content": "gproxy1.summary.*"}]}"#;
    assert_eq!(opened(broken.as_bytes()).unwrap_err().path, "input[1].encrypted_content");
    assert_eq!(summary(&sealed("")).as_deref(), Some(""));
}

#[test]
fn other_members_keep_their_bytes() {
    let body = format!(
        r#"{{"a": 1.50, "input": [{{"type": "compaction", "encrypted_content": "{}"}}, {{"x" : [ 1e3 ]}}], "b": "é"}}"#,
        sealed("S")
    );
    let open = String::from_utf8(opened(body.as_bytes()).unwrap().unwrap()).unwrap();
    assert!(open.starts_with(r#"{"a":1.50,"input":[{"type":"message""#), "{open}");
    assert!(open.ends_with(r#",{"x" : [ 1e3 ]}],"b":"é"}"#), "{open}");
}

#[test]
fn the_users_messages_are_kept_and_nothing_else() {
    let body = r#"{"input": [{"role": "user", "content": "A"}, {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
        {"role": "assistant", "content": "B"}, {"type": "function_call", "name": "f"}, {"role": "developer", "content": "C"}]}"#;
    assert_eq!(
        kept(node(body)).unwrap().contents,
        [r#"[{"type":"input_text","text":"A"}]"#, r#"[{"type": "input_image", "image_url": "u"}]"#]
    );
    assert_eq!(kept(node(r#"{"input": "A"}"#)).unwrap().contents, [r#"[{"type":"input_text","text":"A"}]"#]);
    assert_eq!(kept(node(r#"{"input": null}"#)).unwrap_err().path(), "input");
    assert_eq!(kept(node(r#"{"input": 5}"#)).unwrap_err().path(), "input");
}

#[test]
fn a_conversation_with_tools_is_told_in_words() {
    let call = Call {
        id: "c1".into(),
        item_id: None,
        name: "get_weather".into(),
        namespace: None,
        input: Input::Json(r#"{"city":"Paris"}"#.into()),
    };
    let picture = Media { kind: MediaKind::Image, source: Source::Url("u".into()), mime: None, name: None, detail: None };
    let result = |failed| CallResult {
        id: "c1".into(),
        name: Some("get_weather".into()),
        item_id: None,
        content: vec![words("18 C"), block(Part::Media(picture.clone()))],
        object: None,
        failed,
        free: false,
    };
    let turns = vec![
        turn(Role::User, vec![words("Weather?")]),
        turn(Role::Assistant, vec![block(Part::Reasoning(Reasoning::default()))]),
        turn(Role::Assistant, vec![words(""), block(Part::Call(call))]),
        turn(Role::User, vec![block(Part::Result(result(None))), block(Part::Result(result(Some(true))))]),
    ];
    let told = transcript::plain(turns.clone());
    let texts: Vec<Vec<&str>> = told
        .iter()
        .map(|turn| turn.blocks.iter().map(|block| if let Part::Text { text, .. } = &block.part { text } else { "(picture)" }).collect())
        .collect();
    assert_eq!(
        texts,
        [
            vec!["Weather?"],
            vec![r#"[Called get_weather with: {"city":"Paris"}]"#],
            vec!["[get_weather gave: 18 C]", "(picture)", "[get_weather failed: 18 C]", "(picture)"]
        ]
    );
    let compacting = Compacting::of(request(turns), Kept::default()).unwrap();
    let request = compacting.request();
    let Part::Text { text, .. } = &request.turns.last().unwrap().blocks[0].part else { panic!("no text") };
    assert_eq!((&**text, request.turns.len(), request.instructions.len(), request.parallel_calls), (TASK, 4, 1, None));
}

#[test]
fn what_leans_on_a_provider_or_says_nothing_is_refused() {
    let mut leaning = request(vec![turn(Role::User, vec![words("Hi.")])]);
    leaning.state.previous = Some("resp_1".into());
    assert_eq!(Compacting::of(leaning, Kept::default()).unwrap_err().path(), "previous_response_id");
    assert_eq!(Compacting::of(request(Vec::new()), Kept::default()).unwrap_err().path(), "input");
}

#[test]
fn a_conversation_is_never_replaced_by_less_than_a_summary() {
    for (text, stop, expected) in [
        ("", Stop::End, Unsummarised::Empty),
        (" \n", Stop::End, Unsummarised::Empty),
        ("I cannot.", Stop::Refusal, Unsummarised::Empty),
        ("The user", Stop::MaxTokens, Unsummarised::CutOff),
    ] {
        assert_eq!(written(&sample(text, stop), &Kept::default(), &telling()).unwrap_err(), expected);
    }
}
