//! What of a body is a prompt, and which prompts belong together.

use serde_json::{Value, json};

use super::{MINUTE, Marks, OperationKind, Outline};

const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;
const CLAUDE: OperationKind = OperationKind::ClaudeMessages;

fn read(kind: OperationKind, body: &Value) -> (String, Outline) {
    let text = body.to_string();
    let outline = Outline::read(kind, &text).unwrap();
    (text, outline)
}

fn is_akin(kind: OperationKind, one: &Value, other: &Value) -> bool {
    let ((one_text, one), (other_text, other)) = (read(kind, one), read(kind, other));
    one.is_akin(&one_text, &other, &other_text)
}

#[test]
fn a_turn_begins_with_all_blocks_of_the_last_one_in_every_dialect() {
    for (kind, first, next) in [
        (
            CHAT,
            json!({"tools": [{"a": 1}], "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}),
            json!({"messages": [{"role": "system", "content": [{"type": "text", "text": "s"}]}, {"role": "user", "content": "u"},
                {"role": "assistant", "content": "a"}], "tools": [{"a": 1}]}),
        ),
        (
            OperationKind::OpenAiResponses,
            json!({"instructions": "s", "text": {"format": {"type": "text"}}, "input": [{"role": "user", "content": "u"}]}),
            json!({"instructions": "s", "text": {"format": {"type": "text"}, "verbosity": "low"}, "input": [{"role": "user", "content": "u"}, {"type": "reasoning"}]}),
        ),
        (
            CLAUDE,
            json!({"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral"}}]}]}),
            json!({"system": [{"type": "text", "text": "s"}], "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}),
        ),
        (
            OperationKind::GeminiGenerateContent,
            json!({"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [{"role": "user", "parts": [{"text": "u"}]}]}),
            json!({"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [{"role": "user", "parts": [{"text": "u"}]}, {"role": "model"}]}),
        ),
    ] {
        let ((_, one), (_, other)) = (read(kind, &first), read(kind, &next));
        let blocks: usize = one.sections.iter().map(|section| section.blocks.len()).sum();
        assert_eq!(one.shared(&other), blocks, "{kind}");
        assert!(is_akin(kind, &first, &next), "{kind}");
        assert_eq!(one.opening(), other.opening(), "{kind}");
    }
}

#[test]
fn marks_and_times_are_seen_where_they_are() {
    let mark = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    let said = json!([{"role": "user", "content": "u"}]);
    for (body, marks, minutes) in [
        (json!({"messages": said}), Marks::default(), 5),
        (
            json!({"system": [{"type": "text", "text": "s", "cache_control": mark}], "messages": said}),
            Marks { any: true, ..Marks::default() },
            5,
        ),
        (json!({"tools": [{"name": "t", "cache_control": hour}], "messages": said}), Marks { any: true, talk: false, hour: true }, 60),
        (json!({"cache_control": mark, "messages": said}), Marks { any: true, talk: true, hour: false }, 5),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "x", "cache_control": hour}]}]}]}),
            Marks { any: true, talk: true, hour: true },
            60,
        ),
        (json!({"system": [{"type": "text", "text": "s", "cache_control": null}], "messages": said}), Marks::default(), 5),
    ] {
        let (_, outline) = read(CLAUDE, &body);
        assert_eq!((outline.marks, outline.ttl_ms), (marks, minutes * MINUTE), "{body}");
    }
    for (member, value, minutes) in [("prompt_cache_retention", json!("24h"), 24 * 60), ("prompt_cache_options", json!({"ttl": "30m"}), 30)]
    {
        let (_, outline) = read(CHAT, &json!({"messages": said, member: value}));
        assert_eq!(outline.ttl_ms, minutes * MINUTE);
    }
}

#[test]
fn a_conversation_is_known_again_and_one_beside_it_is_not_taken_for_it() {
    let system = |time: &str| format!("You are a careful assistant of a long prompt. It is {time}. {}", "Rules. ".repeat(20));
    let user = json!({"role": "user", "content": "please"});
    let chat = |system: String, more: &[Value]| {
        let said: Vec<Value> =
            [json!({"role": "system", "content": system}), user.clone()].into_iter().chain(more.iter().cloned()).collect();
        json!({"messages": said})
    };
    let next = [json!({"role": "assistant", "content": "yes"}), json!({"role": "user", "content": "more"})];
    let first = chat(system("12:01"), &[]);
    assert!(is_akin(CHAT, &first, &chat(system("12:02"), &next)), "another time in the system prompt");
    let title = chat("Write a title.".to_owned(), &[]);
    assert!(!is_akin(CHAT, &title, &chat(system("12:01"), &[])), "a title of the same first message");
    let other = json!({"messages": [{"role": "system", "content": system("12:01")}, {"role": "user", "content": "something else"}]});
    assert!(!is_akin(CHAT, &first, &other), "another conversation");
    let tool = |name: &str| json!({"name": name, "description": "does something or other"});
    let claude = |tools: &[&str]| json!({"tools": tools.iter().map(|name| tool(name)).collect::<Vec<_>>(), "messages": [user]});
    assert!(is_akin(CLAUDE, &claude(&["a", "b", "c"]), &claude(&["c", "a", "b"])), "tools in another order");
    assert!(is_akin(CLAUDE, &claude(&["a", "b", "c"]), &claude(&["a", "b", "c", "d"])), "one more");
    let summary = json!({"messages": [user, {"role": "assistant", "content": "a summary of all"}]});
    let long = json!({"messages": [user, next[0], next[1], {"role": "assistant", "content": "and"}, {"role": "user", "content": "so on"}]});
    assert!(!is_akin(CHAT, &long, &summary), "a conversation that was made short");
}

#[test]
fn what_rests_at_the_provider_goes_on_without_being_said_again() {
    let first = json!({"instructions": "s", "input": [{"role": "user", "content": "u"}]});
    let next = json!({"instructions": "s", "previous_response_id": "resp_1", "input": [{"role": "user", "content": "v"}]});
    assert!(is_akin(OperationKind::OpenAiResponses, &first, &next));
    let other = json!({"instructions": "another prompt altogether", "previous_response_id": "resp_1", "input": "v"});
    assert!(!is_akin(OperationKind::OpenAiResponses, &first, &other));
}

#[test]
fn what_is_no_prompt_is_not_read() {
    for text in ["", "[]", "{}", "\u{feff}{\"messages\":[]}", "{\"messages\":"] {
        assert!(Outline::read(CHAT, text).is_none(), "{text}");
    }
    assert!(Outline::read(OperationKind::OpenAi, r#"{"messages":[]}"#).is_none());
    let many = format!("{{\"messages\":[{}1]}}", "1,".repeat(super::MOST_BLOCKS));
    assert!(Outline::read(CHAT, &many).is_none());
    let deep = format!("{{\"messages\":[{}{}]}}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(Outline::read(CHAT, &deep).is_some(), "without going down all the way");
}
