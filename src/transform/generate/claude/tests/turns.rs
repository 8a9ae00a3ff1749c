//! The conversation: who speaks, in which order, and what of it may go out.

use serde_json::{Value, json};

use super::{block, foreign, lift, lower, text, turn};
use crate::transform::{
    Seal,
    generate::{
        Dialect,
        canon::{Block, CacheLife, CacheMark, Call, CallResult, Input, Media, MediaKind, Part, Reasoning, Request, Role, Source},
    },
};

const OLD: &str = "claude-opus-4-6";
const NEW: &str = "claude-opus-4-8";

fn call(id: &'static str, input: &'static str) -> Block<'static> {
    let input = Input::Json(input.into());
    block(Part::Call(Call { id: id.into(), item_id: None, name: "f".into(), namespace: None, input }))
}

fn result(id: &'static str, content: Vec<Block<'static>>) -> Block<'static> {
    block(Part::Result(CallResult { id: id.into(), name: None, item_id: None, content, object: None, failed: None, free: false }))
}

fn says(message: &Value) -> String {
    let blocks = message["content"].as_array().unwrap().iter();
    let words: Vec<&str> = blocks.map(|block| block["text"].as_str().or(block["type"].as_str()).unwrap()).collect();
    format!("{}: {}", message["role"].as_str().unwrap(), words.join("|"))
}

fn conversation(request: &Request<'_>) -> (Vec<String>, Vec<String>) {
    let (body, losses) = lower(request);
    (body["messages"].as_array().unwrap().iter().map(says).collect(), losses)
}

fn chat(model: &'static str, turns: &[(Role, &'static str)]) -> Request<'static> {
    let mut request = foreign(Dialect::Chat, model);
    request.turns = turns.iter().enumerate().map(|(at, (role, words))| turn(*role, at, vec![text(words)])).collect();
    request
}

#[test]
fn the_operators_first_words_are_the_system_prompt() {
    let request = chat(OLD, &[(Role::System, "One."), (Role::Developer, "Two."), (Role::User, "Hi.")]);
    let (body, losses) = lower(&request);
    assert_eq!(body["system"], json!([{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]));
    assert_eq!(says(&body["messages"][0]), "user: Hi.");
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn the_operators_later_words_keep_their_role_where_the_model_takes_them() {
    let turns =
        [(Role::User, "Hi."), (Role::System, "Be kind."), (Role::Assistant, "Hello."), (Role::User, "Bye."), (Role::System, "Now.")];
    let (said, losses) = conversation(&chat(NEW, &turns));
    assert_eq!(said, ["user: Hi.", "system: Be kind.", "assistant: Hello.", "user: Bye.", "system: Now."]);
    assert!(losses.is_empty(), "{losses:?}");
    // An older model, and a place in which no model takes them.
    let (said, losses) = conversation(&chat(OLD, &turns));
    assert_eq!(said[0], "user: Hi.|<system-instruction>\nBe kind.\n</system-instruction>");
    assert_eq!(losses, ["messages[1].content[0] changed", "messages[4].content[0] changed"]);
    let misplaced = [(Role::User, "Hi."), (Role::Assistant, "Hello."), (Role::System, "Be kind."), (Role::User, "Bye.")];
    let (said, _) = conversation(&chat(NEW, &misplaced));
    assert_eq!(said[2], "user: <system-instruction>\nBe kind.\n</system-instruction>|Bye.");
}

#[test]
fn an_operator_who_is_alone_is_answered() {
    let (said, _) = conversation(&chat(OLD, &[(Role::System, "One."), (Role::System, "Write a poem.")]));
    assert_eq!(said, ["user: <system-instruction>\nWrite a poem.\n</system-instruction>"]);
}

#[test]
fn the_user_begins_and_nobody_speaks_twice_in_a_row() {
    let turns = [(Role::Assistant, "Hello."), (Role::User, "A."), (Role::User, " \n"), (Role::User, "B."), (Role::Assistant, "C.")];
    let (said, losses) = conversation(&chat("claude-sonnet-4-5", &turns));
    assert_eq!(said, ["user: (The conversation goes on.)", "assistant: Hello.", "user: A.|B.", "assistant: C."]);
    assert_eq!(losses, ["messages[0] changed"]);
}

#[test]
fn a_turn_to_be_continued_is_sent_and_told_where_the_model_refuses_it() {
    let (said, losses) = conversation(&chat(OLD, &[(Role::User, "Hi."), (Role::Assistant, "The answer is")]));
    assert_eq!(said, ["user: Hi.", "assistant: The answer is"]);
    assert_eq!(losses, ["messages[1] changed"]);
}

#[test]
fn results_come_first_in_their_turn_and_ids_stay_pairs() {
    let mut request = chat(OLD, &[(Role::User, "Hi.")]);
    request.turns.push(turn(Role::Assistant, 1, vec![call("call|1", ""), call("call/1", "{\"a\": 1}"), call("ok-1", "broken")]));
    request.turns.push(turn(Role::User, 2, vec![text("Meanwhile.")]));
    request.turns.push(turn(Role::User, 3, vec![result("call/1", vec![text("one")])]));
    request.turns.push(turn(Role::User, 4, vec![result("call|1", vec![])]));
    let (body, losses) = lower(&request);
    assert_eq!(says(&body["messages"][2]), "user: tool_result|tool_result|Meanwhile.");
    let calls = &body["messages"][1]["content"];
    let results = &body["messages"][2]["content"];
    assert_eq!(calls[0]["id"], results[1]["tool_use_id"]);
    assert_eq!(calls[1]["id"], results[0]["tool_use_id"]);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!((&calls[2]["id"], &calls[0]["input"], &calls[2]["input"]), (&json!("ok-1"), &json!({}), &json!({"input": "broken"})));
    assert_eq!(losses, ["messages[1].content[0].arguments changed"]);
}

#[test]
fn only_thinking_that_claude_signed_goes_back() {
    let mut request = chat(OLD, &[(Role::User, "Hi.")]);
    let thought = |owner, data: &'static str| {
        let seal = Some(Seal { owner, data: data.into() });
        block(Part::Reasoning(Reasoning { text: vec!["Hm.".into()], seal, ..Reasoning::default() }))
    };
    let bare = block(Part::Reasoning(Reasoning { text: vec!["Hm.".into()], ..Reasoning::default() }));
    let mut sealed = text("Hello.");
    sealed.seal = Some(Seal { owner: Dialect::Gemini, data: "sig".into() });
    request.turns.push(turn(Role::Assistant, 1, vec![thought(Dialect::Claude, "own"), thought(Dialect::Responses, "gAAA"), bare, sealed]));
    request.turns.push(turn(Role::User, 2, vec![text("Go on.")]));
    let (body, losses) = lower(&request);
    let own = json!({"type": "thinking", "thinking": "Hm.", "signature": "own"});
    assert_eq!(body["messages"][1]["content"], json!([own, {"type": "text", "text": "Hello."}]));
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert!(!body.to_string().contains("gAAA"));
}

#[test]
fn a_longer_conversation_begins_as_the_shorter_one() {
    let mut request = foreign(Dialect::Responses, NEW);
    request.turns.clear();
    let all = [
        turn(Role::Developer, 0, vec![text("Be brief.")]),
        turn(Role::User, 1, vec![text("Hi.")]),
        turn(Role::Assistant, 2, vec![text("Let me see."), call("call_1", "{}")]),
        turn(Role::User, 3, vec![result("call_1", vec![text("ok")])]),
        turn(Role::Assistant, 4, vec![text("Done.")]),
        turn(Role::User, 5, vec![text("More.")]),
    ];
    let mut shorter = String::new();
    for turn in all {
        request.turns.push(turn);
        if request.turns.len() < 2 {
            continue;
        }
        let mut losses = Vec::new();
        let body = super::super::lower_request::lower(&request, super::Target::default(), &mut losses).unwrap();
        let body = String::from_utf8(body).unwrap();
        let beginning = shorter.trim_end_matches(['}', ']']);
        assert!(body.starts_with(beginning), "{beginning}\n{body}");
        shorter = body;
    }
}

#[test]
fn the_last_four_cache_marks_go_out_and_a_claude_clients_own_all_do() {
    let mut request = foreign(Dialect::Chat, OLD);
    let marked = |life| Block { cache: Some(CacheMark(life)), ..text("a") };
    request.instructions = vec![marked(CacheLife::Default)];
    let lives = [CacheLife::Minutes5, CacheLife::Minutes30, CacheLife::Hour, CacheLife::Hour];
    request.turns = vec![turn(Role::User, 0, lives.into_iter().map(marked).collect())];
    let (body, losses) = lower(&request);
    assert_eq!(body["system"][0].get("cache_control"), None);
    let ttls: Vec<&Value> = (0..4).map(|at| &body["messages"][0]["content"][at]["cache_control"]["ttl"]).collect();
    assert_eq!(ttls, [&json!("5m"), &Value::Null, &json!("1h"), &json!("1h")]);
    assert_eq!(losses[0], "messages[0].cache_control dropped");
    assert_eq!(losses.len(), 2, "{losses:?}");
    let own = json!({"messages": [{"role": "user", "content": vec![json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "global"}}); 5]}]});
    let (back, losses) = lower(&lift(&own.to_string()));
    assert_eq!(back["messages"], own["messages"]);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn media_goes_where_claude_can_see_it() {
    let media = |kind, source, mime: Option<&'static str>| {
        block(Part::Media(Media { kind, source, mime: mime.map(Into::into), name: Some("n".into()), detail: None }))
    };
    let base64 = |data: &'static str| Source::Base64(data.into());
    let mut request = foreign(Dialect::Chat, OLD);
    request.turns[0].blocks = vec![
        media(MediaKind::Image, base64("iVBORw0KGgo="), None),
        media(MediaKind::File, base64("aGVsbG8="), Some("text/markdown")),
        media(MediaKind::File, base64("JVBERi0xLjQK"), None),
        media(MediaKind::Audio, base64("UklGRiQAAABXQVZF"), Some("audio/wav")),
        media(MediaKind::Image, base64("AAAA"), Some("image/tiff")),
        media(MediaKind::File, Source::FileId("file-1".into()), None),
        media(MediaKind::Image, Source::Url("gs://bucket/a.png".into()), None),
    ];
    let (body, losses) = lower(&request);
    let sources: Vec<&Value> = body["messages"][0]["content"].as_array().unwrap().iter().map(|block| &block["source"]).collect();
    assert_eq!(sources[0]["media_type"], "image/png");
    assert_eq!(sources[1], &json!({"type": "text", "media_type": "text/plain", "data": "hello"}));
    assert_eq!(sources[2]["media_type"], "application/pdf");
    assert_eq!((sources.len(), losses.len()), (3, 4), "{losses:?}");
}

#[test]
fn a_seal_of_a_single_part_comes_back_to_it() {
    let google = Seal { owner: Dialect::Gemini, data: "sig".into() };
    let tag = google.write(Dialect::Claude).into_owned();
    let body = json!({"messages": [{"role": "assistant", "content": [
        {"type": "text", "text": "Let me look."},
        {"type": "thinking", "thinking": "", "signature": tag},
        {"type": "redacted_thinking", "data": tag},
        {"type": "tool_use", "id": "toolu_01", "name": "f", "input": {}},
    ]}]})
    .to_string();
    let request = lift(&body);
    let seals: Vec<_> = request.turns[0].blocks.iter().map(|block| block.seal.as_ref()).collect();
    assert_eq!(seals, [Some(&google), Some(&google)]);
}
