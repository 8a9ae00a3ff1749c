//! System texts, rewrites, transforms and headers; filters and order; what is not touched.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{any_json, support::*};
use crate::{
    process::{ProviderCache, RuleBook, RuleScope, RuleSet},
    protocol::{Operation, OperationKind},
};

#[test]
fn a_system_text_is_put_where_the_dialect_has_it() {
    let before = book(&[("system_text", r#"{"text":"A\"b"}"#)]);
    let behind = book(&[("system_text", r#"{"text":"Z","position":"append"}"#)]);
    check(
        &before,
        CLAUDE,
        &[
            (r#"{"system":"Old\u00e9", "n": 1.0}"#, r#"{"system":"A\"b Oldé", "n": 1.0}"#),
            (
                r#"{"system": [ {"type":"text","text":"Old"} ]}"#,
                r#"{"system": [{"type":"text","text":"A\"b"}, {"type":"text","text":"Old"} ]}"#,
            ),
            (r#"{"messages":[]}"#, r#"{"messages":[],"system":"A\"b"}"#),
            (r#"{"system":null}"#, r#"{"system":"A\"b"}"#),
            (r#"{"system":""}"#, r#"{"system":"A\"b"}"#),
            (r#"{"system":5}"#, r#"{"system":5}"#),
        ],
    );
    check(
        &behind,
        CLAUDE,
        &[
            (r#"{"system":"Old"}"#, r#"{"system":"Old\n\nZ"}"#),
            (r#"{"system":[{"type":"text","text":"Old"}]}"#, r#"{"system":[{"type":"text","text":"Old"},{"type":"text","text":"Z"}]}"#),
        ],
    );
    check(
        &before,
        CHAT,
        &[
            (r#"{"messages": [{"role":"user"}]}"#, r#"{"messages": [{"role":"system","content":"A\"b"},{"role":"user"}]}"#),
            (r#"{"messages": []}"#, r#"{"messages": [{"role":"system","content":"A\"b"}]}"#),
            (r#"{"messages": "x"}"#, r#"{"messages": "x"}"#),
        ],
    );
    check(
        &behind,
        CHAT,
        &[(
            r#"{"messages":[{"role":"system"},{"role":"developer"},{"role":"user"},{"role":"system"}]}"#,
            r#"{"messages":[{"role":"system"},{"role":"developer"},{"role":"system","content":"Z"},{"role":"user"},{"role":"system"}]}"#,
        )],
    );
    check(
        &before,
        RESPONSES,
        &[
            (r#"{"instructions":"Old"}"#, r#"{"instructions":"A\"b Old"}"#),
            (r#"{"input":"x"}"#, r#"{"input":"x","instructions":"A\"b"}"#),
            (r#"{"instructions":[]}"#, r#"{"instructions":[]}"#),
        ],
    );
    check(
        &behind,
        GEMINI,
        &[
            (r#"{"systemInstruction":{"parts":[{"text":"Old"}]}}"#, r#"{"systemInstruction":{"parts":[{"text":"Old"},{"text":"Z"}]}}"#),
            (r#"{"system_instruction":{"role":"user"}}"#, r#"{"system_instruction":{"role":"user","parts":[{"text":"Z"}]}}"#),
            (r#"{"contents":[]}"#, r#"{"contents":[],"systemInstruction":{"parts":[{"text":"Z"}]}}"#),
            (r#"{"systemInstruction":"x"}"#, r#"{"systemInstruction":"x"}"#),
        ],
    );
    check(&before, OperationKind::OpenAiResponsesWebSocket, &[(r#"{"instructions":"x"}"#, r#"{"instructions":"A\"b x"}"#)]);
}

#[test]
fn a_rewrite_changes_one_member_in_any_dialect() {
    for kind in [CHAT, RESPONSES, CLAUDE, GEMINI] {
        check(
            &book(&[("rewrite", r#"{"path":"a.b","action":"set","value_json":1.50}"#)]),
            kind,
            &[(r#" {"x" : 1E2} "#, r#" {"x" : 1E2,"a":{"b":1.50}} "#), (r#"{"a":{"b": 1.50 }}"#, r#"{"a":{"b": 1.50 }}"#)],
        );
        check(
            &book(&[("rewrite", r#"{"path":"tools.*.strict","action":"delete"}"#)]),
            kind,
            &[(r#"{"tools":[{"strict":true,"n":1},{"n":2}]}"#, r#"{"tools":[{"n":1},{"n":2}]}"#)],
        );
        check(
            &book(&[("rewrite", r#"{"path":"m","action":"merge","value_json":{"k":null}}"#)]),
            kind,
            &[(r#"{"m":{"j":1}}"#, r#"{"m":{"j":1,"k":null}}"#), (r#"{"n":{}}"#, r#"{"n":{}}"#)],
        );
    }
}

#[test]
fn a_transform_replaces_text_where_it_is_told_to() {
    let rename = r#"{"locate":{"paths":["tools.*.name","t"]},"actions":[{"op":"replace_text","from":"old","with":"new"}]}"#;
    check(
        &book(&[("transform", rename)]),
        CLAUDE,
        &[
            (
                r#"{"tools":[{"name":"old"},{"name":"older"},{"name":5}],"t":"old"}"#,
                r#"{"tools":[{"name":"new"},{"name":"older"},{"name":5}],"t":"new"}"#,
            ),
            (r#"{"x":"old"}"#, r#"{"x":"old"}"#),
        ],
    );
    let groups = r#"{"locate":{"path":"m"},"actions":[{"op":"replace_regex","pattern":"(\\w+)@x","with":"<$1>"}],"limit":2}"#;
    check(&book(&[("transform", groups)]), CHAT, &[(r#"{"m":"a@x b@x c@x"}"#, r#"{"m":"<a> <b> c@x"}"#)]);
    let raw = r#"{"locate":{"match":"\"strict\":(true|false),?"},"actions":[{"op":"replace_text","with":""}]}"#;
    check(
        &book(&[("transform", raw)]),
        GEMINI,
        &[
            (r#"{"strict":true,"x":[{"strict":false,"y":1}]}"#, r#"{"x":[{"y":1}]}"#),
            // It would leave a comma behind, and no JSON.
            (r#"{"y":1,"strict":true}"#, r#"{"y":1,"strict":true}"#),
        ],
    );
    let guarded = r#"{"locate":{"match":"ab?"},"actions":[{"op":"replace_text","from":"ab","with":"c"}]}"#;
    check(&book(&[("transform", guarded)]), CHAT, &[(r#"{"x":"a ab"}"#, r#"{"x":"a c"}"#)]);
}

#[test]
fn an_answer_is_transformed_whole_and_event_by_event() {
    let book = book(&[
        (
            "transform",
            r#"{"phase":"response","locate":{"path":"content_block.name"},"actions":[{"op":"replace_text","from":"a","with":"b"}],"limit":2}"#,
        ),
        ("transform", r#"{"phase":"request","locate":{"path":"x"},"actions":[{"op":"replace_text","with":"y"}]}"#),
        ("system_text", r#"{"text":"never in an answer"}"#),
    ]);
    let headers = HeaderMap::new();
    let scope =
        RuleScope { operation: Operation::StreamGenerateContent, kind: CLAUDE, inbound_model: "", upstream_model: "", headers: &headers };
    let event = Bytes::from_static(br#"{"type":"content_block_start", "content_block": {"name":"a"}}"#);
    let mut rules = book.response(&scope).unwrap();
    let renamed: &[u8] = br#"{"type":"content_block_start", "content_block": {"name":"b"}}"#;
    assert_eq!(rules.apply(event.clone()), renamed);
    assert_eq!(rules.apply(event.clone()), renamed);
    assert_eq!(rules.apply(event.clone()), event, "the limit is over the whole answer");
    assert_eq!(rules.apply(Bytes::from_static(b"[DONE]")), "[DONE]");
    assert_eq!(book.apply_response(event, &scope), renamed);
    assert!(RuleBook::default().response(&scope).is_none());
}

#[test]
fn a_header_is_set_or_merged() {
    let set = |mode: &str, there: &[&'static str]| {
        let book = book(&[("header", &format!(r#"{{"name":"anthropic-beta","value":"a,B","mode":"{mode}"}}"#))]);
        let client = HeaderMap::new();
        let scope = RuleScope {
            operation: Operation::ListModels,
            kind: OperationKind::Claude,
            inbound_model: "",
            upstream_model: "",
            headers: &client,
        };
        let mut headers = HeaderMap::new();
        for value in there {
            headers.append("anthropic-beta", HeaderValue::from_static(value));
        }
        let rules = book.request(&scope).unwrap();
        assert!(!rules.wants_body());
        let applied = rules.apply(Bytes::new(), &mut headers).applied.len();
        let all: Vec<_> = headers.get_all("anthropic-beta").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        (all, applied)
    };
    assert_eq!(set("override", &["x", "y"]), (vec!["a,B".into()], 1));
    assert_eq!(set("override", &["a,B"]), (vec!["a,B".into()], 0));
    assert_eq!(set("merge", &[]), (vec!["a,B".into()], 1));
    assert_eq!(set("merge", &["x, b", "y"]), (vec!["x,b,y,a".into()], 1));
    assert_eq!(set("merge", &["b,A"]), (vec!["b,A".into()], 0));
}

#[test]
fn filters_must_all_fit() {
    let client = HeaderMap::from_iter([(http::header::USER_AGENT, HeaderValue::from_static("OpenCode/1.2"))]);
    let fits = |filter: &str, operation: Operation| {
        let json = format!(r#"{{"kind":"header","config_json":{{"name":"x","value":"y"}},{filter}"enabled":true}}"#);
        let book = compiled(&[RuleSet { name: String::new(), sort_order: 0, rules: vec![rule(&json)] }]);
        let scope = RuleScope { operation, kind: CHAT, inbound_model: "fast", upstream_model: "gpt-5", headers: &client };
        book.request(&scope).is_some()
    };
    for (filter, expected) in [
        ("", true),
        (r#""filter_model_pattern":"gpt-*","#, true),
        (r#""filter_model_pattern":"fast","#, true),
        (r#""filter_model_pattern":"gpt","#, false),
        (r#""filter_operation_keys":["generate_content"],"#, true),
        (r#""filter_operation_keys":["count_tokens"],"#, false),
        (r#""filter_operation_keys":[],"#, false),
        (r#""filter_header_pattern":"^USER-agent: opencode/","#, true),
        (r#""filter_header_pattern":"cline","#, false),
        (r#""filter_model_pattern":"gpt-*","filter_header_pattern":"cline","#, false),
    ] {
        assert_eq!(fits(filter, Operation::GenerateContent), expected, "{filter}");
    }
    assert!(!fits(r#""filter_operation_keys":["generate_content"],"#, Operation::StreamGenerateContent));
}

#[test]
fn kinds_have_an_order_of_their_own_and_sets_and_rules_another() {
    let set = |path: &str, value: &str, order: i64| {
        rule(&format!(
            r#"{{"kind":"rewrite","config_json":{{"path":"{path}","action":"set","value_json":"{value}"}},"sort_order":{order}}}"#
        ))
    };
    let replace = |from: &str, with: &str| {
        rule(&format!(
            r#"{{"kind":"transform","config_json":{{"locate":{{"path":"a"}},"actions":[{{"op":"replace_text","from":"{from}","with":"{with}"}}]}},"sort_order":-9}}"#
        ))
    };
    let sets = [
        RuleSet { name: "late".into(), sort_order: 2, rules: vec![replace("late", "end"), set("a", "late", -5)] },
        RuleSet { name: "early".into(), sort_order: 1, rules: vec![set("a", "second", 2), set("a", "first", 1)] },
    ];
    let outcome = apply(&compiled(&sets), CHAT, "{}");
    assert_eq!(outcome.body, r#"{"a":"end"}"#);
    let names: Vec<_> = outcome.applied.iter().map(|applied| (&*applied.rule, applied.kind)).collect();
    assert_eq!(names, [("early[1]", "rewrite"), ("early[0]", "rewrite"), ("late[1]", "rewrite"), ("late[0]", "transform")]);
}

#[test]
fn a_bad_rule_is_reported_and_skipped() {
    let rules = [
        r#"{"kind":"rewrite","config_json":{"path":"a..b","action":"delete"}}"#,
        r#"{"kind":"transform","config_json":{"locate":{"match":"("},"actions":[{"op":"replace_text","with":""}]}}"#,
        r#"{"kind":"transform","config_json":{"locate":{"path":"a"},"actions":[{"op":"replace_regex","pattern":"(\\w{1000}){1000}","with":""}]}}"#,
        r#"{"kind":"transform","config_json":{"locate":{"match":"a"},"actions":[{"op":"replace_text","with":"\n"}]}}"#,
        r#"{"kind":"header","config_json":{"name":"host","value":"x"}}"#,
        r#"{"kind":"header","config_json":{"name":"a b","value":"x"}}"#,
        r#"{"kind":"header","config_json":{"name":"x","value":"se\ncret"}}"#,
        r#"{"kind":"header","config_json":{"name":"x","value":"y"},"filter_header_pattern":"["}"#,
        r#"{"kind":"rewrite","config_json":{"path":"ok","action":"set","value_json":1}}"#,
        r#"{"kind":"header","config_json":{"name":"host","value":"x"},"enabled":false}"#,
        r#"{"kind":"headers","config_json":{"name":"x","value":"x"}}"#,
    ];
    let set = RuleSet { name: "s".into(), sort_order: 0, rules: rules.iter().map(|json| rule(json)).collect() };
    let (book, faults) = RuleBook::compile(&[set], ProviderCache::default());
    let paths: Vec<_> = faults.iter().map(|fault| fault.fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "config_json.path",
            "config_json.locate.match",
            "config_json.actions[0].pattern",
            "config_json.actions[0].with",
            "config_json.name",
            "config_json.name",
            "config_json.value",
            "filter_header_pattern",
            "kind",
        ]
    );
    let shown: String = faults.iter().map(|fault| fault.to_string() + "\n").collect();
    assert!(shown.starts_with("rule 0 of set \"s\": \"config_json.path\" is \"a..b\"; expected a dotted path"), "{shown}");
    assert!(!shown.contains("cret"), "{shown}");
    assert_eq!(after(&book, CHAT, "{}"), r#"{"ok":1}"#);
}

#[test]
fn nothing_is_read_where_nothing_applies() {
    let body = Bytes::from_static(b"{ no json");
    let headers = HeaderMap::new();
    let scope = RuleScope {
        operation: Operation::CountTokens,
        kind: OperationKind::Claude,
        inbound_model: "m",
        upstream_model: "m",
        headers: &headers,
    };
    for book in [RuleBook::default(), settings(r#"[{"target":"system"}]"#, true)] {
        assert!(book.request(&scope).is_none());
        let outcome = book.apply_request(body.clone(), &mut HeaderMap::new(), &scope);
        assert_eq!(outcome.body.as_ptr(), body.as_ptr());
    }
    let book = book(&[("rewrite", r#"{"path":"a","action":"delete"}"#), ("system_text", r#"{"text":"x"}"#)]);
    for body in [body, Bytes::from_static(b"[1]"), Bytes::from_static(b"\xff"), Bytes::from_static(b"{\"b\":1}")] {
        let outcome = book.apply_request(body.clone(), &mut HeaderMap::new(), &scope);
        assert_eq!((outcome.body.as_ptr(), outcome.applied.len()), (body.as_ptr(), 0));
    }
}

#[test]
fn a_byte_order_mark_and_space_around_stay() {
    let book = book(&[("rewrite", r#"{"path":"a","action":"set","value_json":[]}"#)]);
    check(&book, CHAT, &[("\u{feff}\n {\"b\":1} \r\n", "\u{feff}\n {\"b\":1,\"a\":[]} \r\n")]);
}

proptest! {
    /// Whatever else is in a body, setting a member changes that member, and its text is otherwise the same.
    #[test]
    fn nothing_but_the_target_changes(value in any_json(), members in prop::collection::btree_map("[a-d]", any_json(), 0..5), pretty: bool) {
        let body = Value::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        let config = json!({"path": "target.x", "action": "set", "value_json": value.clone()}).to_string();
        let book = book(&[("rewrite", &config)]);
        let out = after(&book, CHAT, &text);
        let added = format!("\"target\":{{\"x\":{value}}}");
        let without = out.replacen(&format!(",{added}"), "", 1).replacen(&added, "", 1);
        prop_assert_eq!(&without, &text);
        // Deleting what was set gives the body as it came.
        let back = super::support::book(&[("rewrite", r#"{"path":"target","action":"delete"}"#)]);
        prop_assert_eq!(after(&back, CHAT, &out), text);
    }

    /// No body and no path makes it stop, and what comes out is JSON.
    #[test]
    fn any_path_on_any_body_leaves_json(body in any_json(), path in "[a-c*0-2]{1,2}(\\.[a-c*0-2]{1,2}){0,2}") {
        for action in [r#""set","value_json":{"a":[1]}"#, r#""delete""#, r#""merge","value_json":{"b":2}"#] {
            let book = book(&[("rewrite", &format!(r#"{{"path":"{path}","action":{action}}}"#))]);
            for kind in [CHAT, CLAUDE] {
                let out = after(&book, kind, &body.to_string());
                prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
            }
        }
    }
}
