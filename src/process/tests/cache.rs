//! Where cache marks go, how many, and never on what cannot carry one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{any_json, support::*};
use crate::protocol::{
    OperationKind,
    cache_mark::{TRIGGER, TRIGGER_ENDS},
};

const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
const POINT: &str = r#""prompt_cache_breakpoint":{"mode":"explicit"}"#;

fn rule(config: &str) -> crate::process::RuleBook {
    book(&[("cache_breakpoint", config)])
}

/// `@` stands for a mark of the dialect.
fn rows(book: &crate::process::RuleBook, kind: OperationKind, rows: &[(&str, &str)]) {
    let mark = if kind == CLAUDE { MARK } else { POINT };
    for (body, expected) in rows {
        let (body, expected) = (body.replace('@', mark), expected.replace('@', mark));
        check(book, kind, &[(&body, &expected)]);
    }
}

#[test]
fn claude_is_marked_by_target_and_index() {
    rows(
        &rule(r#"{"target":"top_level"}"#),
        CLAUDE,
        &[(r#"{"a":1}"#, r#"{"a":1,@}"#), ("{@}", "{@}"), (r#"{"cache_control":null}"#, "{@}")],
    );
    rows(
        &rule(r#"{"target":"system"}"#),
        CLAUDE,
        &[
            (r#"{"system":"a\u00e9"}"#, r#"{"system":[{"type":"text","text":"a\u00e9",@}]}"#),
            (
                r#"{"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
                r#"{"system":[{"type":"text","text":"a"},{"type":"text","text":"b",@}]}"#,
            ),
            // Empty text can carry none, so the last that can does.
            (
                r#"{"system":[{"type":"text","text":"a"},{"type":"text","text":" "}]}"#,
                r#"{"system":[{"type":"text","text":"a",@},{"type":"text","text":" "}]}"#,
            ),
            (r#"{"system":""}"#, r#"{"system":""}"#),
            ("{}", "{}"),
        ],
    );
    rows(
        &rule(r#"{"target":"tools"}"#),
        CLAUDE,
        &[
            (
                r#"{"tools":[{"name":"a"},{"name":"b","defer_loading":true}]}"#,
                r#"{"tools":[{"name":"a",@},{"name":"b","defer_loading":true}]}"#,
            ),
            (r#"{"tools":[{"default_config":{"defer_loading":true}}]}"#, r#"{"tools":[{"default_config":{"defer_loading":true}}]}"#),
            (r#"{"tools":"x"}"#, r#"{"tools":"x"}"#),
        ],
    );
    let talk =
        r#"{"messages":[{"content":"a"},{"content":[{"type":"thinking"},{"type":"tool_use"}]},{"content":[{"type":"tool_result"}]}]}"#;
    for (index, target) in [
        (1, r#"{"content":[{"type":"text","text":"a",@}]}"#),
        (2, r#"{"type":"tool_use",@}"#),
        (-1, r#"{"type":"tool_result",@}"#),
        (-2, r#"{"type":"tool_use",@}"#),
    ] {
        let plain = if index == 1 { r#"{"content":"a"}"#.to_owned() } else { target.replace(",@", "") };
        rows(&rule(&format!(r#"{{"target":"message","index":{index}}}"#)), CLAUDE, &[(talk, &talk.replace(&plain, target))]);
    }
    rows(&rule(r#"{"target":"message","index":4}"#), CLAUDE, &[(talk, talk)]);
}

#[test]
fn times_are_those_that_the_dialect_has() {
    let body = r#"{"system":"a"}"#;
    for (ttl, mark) in [("5m", r#"{"type":"ephemeral","ttl":"5m"}"#), ("1h", r#"{"type":"ephemeral","ttl":"1h"}"#)] {
        let expected = format!(r#"{{"system":[{{"type":"text","text":"a","cache_control":{mark}}}]}}"#);
        check(&rule(&format!(r#"{{"target":"system","ttl":"{ttl}"}}"#)), CLAUDE, &[(body, &expected)]);
        check(
            &rule(&format!(r#"{{"target":"message","ttl":"{ttl}"}}"#)),
            CHAT,
            &[(r#"{"messages":[{"content":"a"}]}"#, r#"{"messages":[{"content":"a"}]}"#)],
        );
    }
    check(&rule(r#"{"target":"system","ttl":"30m"}"#), CLAUDE, &[(body, body)]);
}

#[test]
fn openai_is_marked_with_breakpoints_and_options() {
    let message = rule(r#"{"target":"message","ttl":"30m"}"#);
    rows(
        &message,
        CHAT,
        &[
            (
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#,
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a",@}]}],"prompt_cache_options":{"ttl":"30m"}}"#,
            ),
            (
                r#"{"prompt_cache_options":{"ttl":"24h"},"messages":[{"content":[{"type":"image_url"},{"type":"refusal"}]}]}"#,
                r#"{"prompt_cache_options":{"ttl":"24h"},"messages":[{"content":[{"type":"image_url",@},{"type":"refusal"}]}]}"#,
            ),
        ],
    );
    rows(
        &message,
        RESPONSES,
        &[
            (
                r#"{"input":"a"}"#,
                r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a",@}]}],"prompt_cache_options":{"ttl":"30m"}}"#,
            ),
            (
                r#"{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"type":"reasoning"}]}"#,
                r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a",@}]},{"role":"assistant","content":"b"},{"type":"reasoning"}],"prompt_cache_options":{"ttl":"30m"}}"#,
            ),
        ],
    );
    let system = rule(r#"{"target":"system"}"#);
    rows(
        &system,
        CHAT,
        &[(
            r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":"u"}]}"#,
            r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"s",@}]},{"role":"user","content":"u"}]}"#,
        )],
    );
    rows(
        &system,
        RESPONSES,
        &[
            (
                r#"{"instructions":"s","input":"u"}"#,
                r#"{"instructions":"s","input":[{"role":"developer","content":[{"type":"input_text","text":"The instructions end here.",@}]},{"role":"user","content":"u"}]}"#,
            ),
            (r#"{"instructions":"s"}"#, r#"{"instructions":"s"}"#),
        ],
    );
    rows(&rule(r#"{"target":"tools"}"#), CHAT, &[(r#"{"tools":[{"type":"function"}]}"#, r#"{"tools":[{"type":"function"}]}"#)]);
    for kind in [CHAT, RESPONSES] {
        rows(
            &rule(r#"{"target":"top_level","ttl":"30m"}"#),
            kind,
            &[
                (r#"{"a":1}"#, r#"{"a":1,"prompt_cache_options":{"mode":"implicit","ttl":"30m"}}"#),
                (r#"{"prompt_cache_options":{"mode":"explicit"}}"#, r#"{"prompt_cache_options":{"mode":"explicit","ttl":"30m"}}"#),
            ],
        );
    }
    let twice = book(&[("cache_breakpoint", r#"{"target":"system"}"#), ("cache_breakpoint", r#"{"target":"system"}"#)]);
    assert_eq!(after(&twice, RESPONSES, r#"{"instructions":"s","input":"u"}"#).matches(POINT).count(), 1);
}

#[test]
fn gemini_has_no_marks() {
    for target in ["top_level", "system", "tools", "message"] {
        let body = r#"{"contents":[{"parts":[{"text":"a"}]}],"system":"x","messages":[]}"#;
        check(&rule(&format!(r#"{{"target":"{target}"}}"#)), GEMINI, &[(body, body)]);
    }
}

#[test]
fn the_clients_own_marks_stay_and_count() {
    let four = settings(
        r#"[{"target":"top_level"},{"target":"tools"},{"target":"system"},{"target":"messages","position":"last"},{"target":"messages"}]"#,
        false,
    );
    let body = |own: usize| {
        let block = |at: usize| {
            let mut block = json!({"type": "text", "text": "x"});
            if at < own {
                block["cache_control"] = json!({"type": "ephemeral", "ttl": "5m"});
            }
            block
        };
        json!({"tools": [{"name": "t"}], "system": [block(0)], "messages": [{"content": [block(1), block(2), {"type": "tool_result", "content": [block(3)]}]}, {"content": "end"}]})
    };
    for (own, ours) in [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)] {
        let out = after(&four, CLAUDE, &body(own).to_string());
        assert_eq!(out.matches("cache_control").count(), own + ours, "{out}");
        assert_eq!(out.matches(r#""ttl":"5m""#).count(), own, "{out}");
    }
}

#[test]
fn a_marked_target_costs_nothing() {
    let book = settings(r#"[{"target":"system"},{"target":"messages"}]"#, false);
    let own = r#""cache_control":{"type":"ephemeral","ttl":"5m"}"#;
    check(
        &book,
        CLAUDE,
        &[(
            &format!(r#"{{"system":[{{"type":"text","text":"s",{own}}}],"messages":[{{"content":"m"}}]}}"#),
            &format!(
                r#"{{"system":[{{"type":"text","text":"s",{own}}}],"messages":[{{"content":[{{"type":"text","text":"m",{MARK}}}]}}]}}"#
            ),
        )],
    );
}

#[test]
fn an_hour_never_stands_behind_five_minutes() {
    let body = |ttl: &str| {
        format!(
            r#"{{"system":[{{"type":"text","text":"s","cache_control":{{"type":"ephemeral","ttl":"{ttl}"}}}}],"messages":[{{"content":[{{"type":"text","text":"m"}}]}}],"tools":[{{"name":"t"}}]}}"#
        )
    };
    let marked = |target: &str, rule_ttl: &str, own: &str| {
        let book = rule(&format!(r#"{{"target":"{target}","ttl":"{rule_ttl}"}}"#));
        !apply(&book, CLAUDE, &body(own)).applied.is_empty()
    };
    assert!(!marked("message", "1h", "5m"));
    assert!(marked("message", "1h", "1h"));
    assert!(marked("message", "5m", "1h"));
    assert!(marked("tools", "1h", "5m"));
    assert!(!marked("tools", "5m", "1h"));
}

#[test]
fn a_setting_may_pick_a_message_first() {
    let body = r#"{"messages":[{"content":[{"type":"text","text":"1"},{"type":"text","text":"2"}]},{"content":[]},{"content":"3"},{"content":[{"type":"text","text":"4"}]}]}"#;
    for (setting, text) in [
        (r#"{"position":"last_nth","index":2,"content_position":"last_nth"}"#, "3"),
        (r#"{"position":"last_nth","index":2}"#, "3"),
        (r#"{"position":"last_nth","index":3}"#, "2"),
        (r#"{"index":1,"content_index":2}"#, "2"),
        (r#"{"index":0}"#, "1"),
        (r#"{"position":"last"}"#, "4"),
    ] {
        let setting = setting.replacen('{', r#"{"target":"messages","#, 1);
        let out: Value = serde_json::from_str(&after(&settings(&format!("[{setting}]"), false), CLAUDE, body)).unwrap();
        let blocks =
            out["messages"].as_array().unwrap().iter().flat_map(|message| message["content"].as_array().cloned().unwrap_or_default());
        let marked: Vec<_> = blocks.filter(|block| block.get("cache_control").is_some()).map(|block| block["text"].clone()).collect();
        assert_eq!(marked, [text], "{setting}");
    }
    let beyond = settings(r#"[{"target":"messages","index":9},{"target":"messages","content_index":9}]"#, false);
    check(&beyond, CLAUDE, &[(body, body)]);
}

#[test]
fn trigger_texts_become_marks_and_always_go() {
    let book = settings("[]", true);
    let [auto, short, long] = [0, 1, 2].map(|at| format!("{TRIGGER}{}", TRIGGER_ENDS[at].0));
    let fill = |text: &str| text.replace('~', &auto).replace('$', &short).replace('^', &long).replace('@', MARK);
    for (body, expected) in [
        (r#"{"system":"a ~b"}"#, r#"{"system":[{"type":"text","text":"a b",@}]}"#.to_owned()),
        (r#"{"messages":[{"content":"x^"}]}"#, r#"{"messages":[{"content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#.to_owned()),
        (r#"{"messages":[{"content":[{"type":"text","text":"x$"}]}]}"#, r#"{"messages":[{"content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]}"#.to_owned()),
        // A block of nothing else goes, and the one before is marked.
        (r#"{"messages":[{"content":[{"type":"text","text":"x"},{"type":"text","text":"~"}]}]}"#, r#"{"messages":[{"content":[{"type":"text","text":"x",@}]}]}"#.to_owned()),
        // Only text: what a model called a tool with is not ours.
        (r#"{"messages":[{"content":[{"type":"tool_use","input":"~"}]}]}"#, r#"{"messages":[{"content":[{"type":"tool_use","input":"~"}]}]}"#.to_owned()),
        (r#"{"system":[{"type":"text","text":"1~"},{"type":"text","text":"2~"},{"type":"text","text":"3~"},{"type":"text","text":"4~"},{"type":"text","text":"5~"}]}"#,
         r#"{"system":[{"type":"text","text":"1",@},{"type":"text","text":"2",@},{"type":"text","text":"3",@},{"type":"text","text":"4",@},{"type":"text","text":"5"}]}"#.to_owned()),
    ] {
        assert_eq!(after(&book, CLAUDE, &fill(body)), fill(&expected), "{body}");
    }
    let openai = |text: &str| fill(text).replace(MARK, POINT);
    assert_eq!(
        after(&book, CHAT, &openai(r#"{"messages":[{"content":"x^"}]}"#)),
        openai(r#"{"messages":[{"content":[{"type":"text","text":"x",@}]}]}"#)
    );
    assert_eq!(
        after(&book, RESPONSES, &openai(r#"{"instructions":"i~","input":"x$"}"#)),
        openai(
            r#"{"instructions":"i","input":[{"role":"developer","content":[{"type":"input_text","text":"The instructions end here.",@}]},{"role":"user","content":[{"type":"input_text","text":"x",@}]}]}"#
        )
    );
    assert_eq!(after(&book, GEMINI, &fill(r#"{"contents":[{"parts":[{"text":"x~"}]}]}"#)), r#"{"contents":[{"parts":[{"text":"x"}]}]}"#);
    let unlike = format!(r#"{{"system":"{TRIGGER}ELSE"}}"#);
    check(&book, CLAUDE, &[(&unlike, &unlike)]);
    let off = settings(r#"[{"target":"tools"}]"#, false);
    let body = fill(r#"{"system":"~"}"#);
    check(&off, CLAUDE, &[(&body, &body)]);
}

#[test]
fn triggers_come_before_settings_and_these_before_rules() {
    let marks = serde_json::from_str(r#"[{"target":"system"}]"#).unwrap();
    let cache = crate::process::ProviderCache { marks, claude_triggers: true, openai_triggers: false };
    let rule = super::support::rule(r#"{"kind":"cache_breakpoint","config_json":{"target":"tools"}}"#);
    let text = super::support::rule(r#"{"kind":"system_text","config_json":{"text":"S"}}"#);
    let set = crate::process::RuleSet { name: "r".into(), sort_order: 0, rules: vec![rule, text] };
    let (book, _) = crate::process::RuleBook::compile(&[set], cache);
    let body = format!(r#"{{"tools":[{{"name":"t"}}],"messages":[{{"content":"m{TRIGGER}{}"}}]}}"#, TRIGGER_ENDS[0].0);
    let outcome = apply(&book, CLAUDE, &body);
    let names: Vec<_> = outcome.applied.iter().map(|applied| &*applied.rule).collect();
    assert_eq!(names, ["r[1]", "trigger texts", "cache_breakpoints", "r[0]"]);
    assert_eq!(outcome.body.windows(13).filter(|window| *window == b"cache_control").count(), 3);
}

#[test]
fn the_same_prefix_is_marked_the_same_way_in_the_next_turn() {
    let book = rule(r#"{"target":"system"}"#);
    let first = after(&book, CLAUDE, r#"{"system":"s","messages":[{"content":"a"}]}"#);
    let second = after(&book, CLAUDE, r#"{"system":"s","messages":[{"content":"a"},{"content":"b"}]}"#);
    assert!(second.starts_with(first.trim_end_matches("]}")));
}

proptest! {
    /// Whatever a body is, there are never more than four marks of ours, and marks are all that is new.
    #[test]
    fn no_body_gets_more_than_four(messages in prop::collection::vec(("[a-z ]{0,3}", 0..3_usize, any_json()), 0..8), kind in prop::sample::select(vec![CLAUDE, CHAT, RESPONSES])) {
        let list: Vec<Value> = messages.into_iter().map(|(text, shape, other)| match shape {
            0 => json!({"role": "user", "content": text, "other": other}),
            1 => json!({"role": "user", "content": [{"type": "text", "text": text}, {"type": "input_text", "text": text}, other]}),
            _ => other,
        }).collect();
        let body = json!({"system": list.clone(), "tools": list.clone(), "messages": list.clone(), "input": list}).to_string();
        let rules: Vec<_> = ["tools", "system", "message"].iter().flat_map(|target| [1, 2, -1, -2].map(|index| format!(r#"{{"target":"{target}","index":{index}}}"#))).collect();
        let rules: Vec<_> = rules.iter().map(|config| ("cache_breakpoint", config.as_str())).collect();
        let out = after(&book(&rules), kind, &body);
        let count = out.matches(MARK).count() + out.matches(POINT).count();
        prop_assert!(count <= 4, "{}", out);
        let plain = [MARK, POINT].iter().fold(out, |text, mark| text.replace(&format!(",{mark}"), "").replace(mark, ""));
        let normal = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            for name in ["messages", "input"] {
                for message in value[name].as_array_mut().unwrap() {
                    let Some(content) = message.get_mut("content") else { continue };
                    if let Some(text) = content.as_str() {
                        *content = json!([{"type": if name == "input" { "input_text" } else { "text" }, "text": text}]);
                    }
                }
            }
            value
        };
        prop_assert_eq!(normal(&plain), normal(&body));
    }
}
