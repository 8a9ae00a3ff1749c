//! Where prompts change, dialect by dialect.

use serde_json::{Value, json};

use super::{OperationKind, Outline, Place, Shift, shift};

const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;
const CLAUDE: OperationKind = OperationKind::ClaudeMessages;

fn shifted(kind: OperationKind, before: &Value, after: &Value) -> (Shift, String) {
    let (before, after) = (before.to_string(), after.to_string());
    let (was, is) = (Outline::read(kind, &before).unwrap(), Outline::read(kind, &after).unwrap());
    (shift(kind, (&before, &was), (&after, &is)), after)
}

fn claude() -> Value {
    json!({
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "t", "input": {"secret_name": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "r"}]}],
        "system": [{"type": "text", "text": "It is 12:01."}],
        "tools": [{"name": "a", "description": "first", "input_schema": {"type": "object"}}, {"name": "b", "description": "second"}],
    })
}

#[test]
fn a_change_is_told_in_the_order_in_which_the_provider_caches() {
    let change = |change: &dyn Fn(&mut Value)| {
        let mut body = claude();
        change(&mut body);
        shifted(CLAUDE, &claude(), &body)
    };
    let placed = |(shift, after): (Shift, String)| match shift {
        Shift::Grown => ("grown".to_owned(), String::new()),
        Shift::Changed(Place { path, byte }) => (path, after[byte..].chars().take(3).collect()),
        Shift::Tools(Place { path, byte }) => (format!("tools: {path}"), after[byte..].chars().take(3).collect()),
    };
    let told = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    assert_eq!(placed(change(&|_| ())), told("grown", ""));
    assert_eq!(placed(change(&|body| body["system"][0]["text"] = "It is 12:02.".into())), told("system[0].text", "2.\""));
    // The messages stand before the tools in the body, and behind them in the provider's cache.
    let both = change(&|body| {
        body["tools"][1]["description"] = "third".into();
        body["messages"][0]["content"] = "v".into();
    });
    assert_eq!(placed(both), told("tools: tools[1].description", "thi"));
    assert_eq!(placed(change(&|body| body["tools"].as_array_mut().unwrap().reverse())), told("tools: tools[0].description", "sec"));
    assert_eq!(
        placed(change(&|body| body["messages"][1]["content"][0]["input"]["secret_name"] = 2.into())),
        told("messages[1].content[0].input.*", "2},"),
    );
    assert_eq!(placed(change(&|body| drop(body["messages"].as_array_mut().unwrap().pop()))), told("messages[2]", "],\""));
    assert_eq!(placed(change(&|body| drop(body.as_object_mut().unwrap().remove("system")))), told("system", "}"));
    assert_eq!(placed(change(&|body| body["tool_choice"] = json!({"type": "any"}))), told("tool_choice", "{\"t"));
    assert_eq!(placed(change(&|body| body["max_tokens"] = 20.into())), told("grown", ""), "no part of the prompt");
}

#[test]
fn growth_at_the_end_is_healthy_also_within_the_last_message() {
    let grown = |more: &dyn Fn(&mut Value)| {
        let mut body = claude();
        more(&mut body);
        shifted(CLAUDE, &claude(), &body).0
    };
    let part = json!({"type": "text", "text": "and this"});
    assert_eq!(grown(&|body| body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": "a"}))), Shift::Grown);
    assert_eq!(grown(&|body| body["messages"][2]["content"].as_array_mut().unwrap().push(part.clone())), Shift::Grown);
    assert!(matches!(grown(&|body| body["messages"][1]["content"].as_array_mut().unwrap().push(part.clone())), Shift::Changed(_)));
    let mark = json!({"type": "ephemeral"});
    assert_eq!(grown(&|body| body["messages"][2]["content"][0]["cache_control"] = mark.clone()), Shift::Grown, "a mark that moved");
    assert!(matches!(
        grown(&|body| body["tools"].as_array_mut().unwrap().push(json!({"name": "c"}))),
        Shift::Tools(Place { path, .. }) if path == "tools[2]"
    ));
}

#[test]
fn what_stands_in_deeper_members_and_what_comes_and_goes_is_found() {
    let said = json!([{"role": "user", "content": "u"}]);
    let plain = json!({"input": said});
    let formatted = json!({"input": said, "text": {"format": {"type": "json_schema"}}});
    let responses = OperationKind::OpenAiResponses;
    let (found, after) = shifted(responses, &plain, &formatted);
    assert_eq!(found, Shift::Changed(Place { path: "text.format".into(), byte: after.find("{\"type\"").unwrap() }));
    let (found, after) = shifted(responses, &formatted, &plain);
    assert_eq!(found, Shift::Changed(Place { path: "text.format".into(), byte: after.len() - 1 }));
    let keyed = |key: &str| json!({"messages": said, "prompt_cache_key": key});
    assert!(matches!(shifted(CHAT, &keyed("a"), &keyed("b")).0, Shift::Changed(Place { path, .. }) if path == "prompt_cache_key"));
    let continued = json!({"input": "more", "previous_response_id": "r"});
    assert_eq!(shifted(responses, &plain, &continued).0, Shift::Grown);
}
