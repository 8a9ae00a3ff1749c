//! Every kind is read and written back; every fault says where, what and what instead.

use super::Rule;

fn fault(json: &str) -> String {
    Rule::parse(json).unwrap_err().to_string()
}

#[test]
fn every_kind_is_read_and_written_back() {
    for (kind, config) in [
        ("system_text", r#"{"position":"append","text":"Be brief."}"#),
        ("cache_breakpoint", r#"{"index":-2,"target":"message","ttl":"1h"}"#),
        ("rewrite", r#"{"path":"a.b","action":"set","value_json":1.50}"#),
        ("rewrite", r#"{"path":"a.b","action":"set","value_json":null}"#),
        ("rewrite", r#"{"path":"a.b","action":"delete"}"#),
        ("rewrite", r#"{"path":"a.b","action":"merge","value_json":{"x": 1}}"#),
        (
            "transform",
            r#"{"actions":[{"op":"replace_regex","pattern":"a+","with":"b"}],"limit":3,"locate":{"paths":["x.*.y"]},"phase":"both"}"#,
        ),
        ("transform", r#"{"actions":[{"from":"a","op":"replace_text","with":"b"}],"locate":{"match":"a"},"phase":"request"}"#),
        ("header", r#"{"mode":"merge","name":"anthropic-beta","value":"x"}"#),
    ] {
        let json = format!(
            r#"{{"kind":"{kind}","config_json":{config},"filter_model_pattern":"gpt-*","filter_operation_keys":["generate_content"],"filter_header_pattern":"x","sort_order":-3,"enabled":false}}"#
        );
        let rule = Rule::parse(&json).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::from_value::<Rule>(value).unwrap().kind.id(), kind);
    }
}

#[test]
fn defaults_and_synonyms_are_as_written_in_the_reference() {
    let same = |a: &str, b: &str| assert_eq!(Rule::parse(a).unwrap(), Rule::parse(b).unwrap());
    same(
        r#"{"kind":"system_text","config_json":"{\"text\":\"x\"}","filter_operation_keys":"[\"count_tokens\"]"}"#,
        r#"{"kind":"system_text","config_json":{"text":"x","position":"prepend"},"filter_operation_keys":["count_tokens"],"sort_order":0,"enabled":true}"#,
    );
    same(
        r#"{"kind":"sanitize","config_json":{"locate":{"path":"a"},"actions":[{"op":"replace_text","to":"b"}]}}"#,
        r#"{"kind":"transform","config_json":{"phase":"request","locate":{"paths":["a"]},"actions":[{"op":"replace_text","with":"b"}]}}"#,
    );
    same(
        r#"{"kind":"cache_breakpoint","config_json":{"target":"top_level","position":"nth"},"filter_model_pattern":null}"#,
        r#"{"kind":"cache_breakpoint","config_json":{"target":"global","index":-1,"ttl":"auto"}}"#,
    );
}

#[test]
fn a_wrong_rule_says_where_and_what_instead() {
    for (json, says) in [
        (
            r#"{"config_json":{}}"#,
            r#""kind" is missing; expected one of system_text, cache_breakpoint, rewrite, transform, sanitize, header"#,
        ),
        (r#"{"kind":"rewrit","config_json":{}}"#, r#"did you mean "rewrite"?"#),
        (r#"{"kind":"rewrite"}"#, r#""config_json" is missing; expected an object"#),
        (r#"{"kind":"system_text","config_json":{"txt":"a"}}"#, r#""config_json.text" is missing; expected a string"#),
        (
            r#"{"kind":"system_text","config_json":{"text":"a","postion":"append"}}"#,
            r#""config_json.postion" is unknown; expected one of text, position; did you mean "position"?"#,
        ),
        (r#"{"kind":"system_text","config_json":{"text":5}}"#, r#""config_json.text" is 5; expected a string"#),
        (
            r#"{"kind":"cache_breakpoint","config_json":{"target":"tools","index":0}}"#,
            r#""config_json.index" is 0; expected a number from 1, or a negative one that counts from the end"#,
        ),
        (r#"{"kind":"rewrite","config_json":{"path":"a","action":"set"}}"#, r#""config_json.value_json" is missing; expected a value"#),
        (
            r#"{"kind":"rewrite","config_json":{"path":"a","action":"merge","value_json":[1]}}"#,
            r#""config_json.value_json" is an array; expected an object to merge"#,
        ),
        (
            r#"{"kind":"rewrite","config_json":{"path":"a","action":"delete","value_json":1}}"#,
            r#""config_json.value_json" is 1; expected nothing, since the action is delete"#,
        ),
        (
            r#"{"kind":"transform","config_json":{"locate":{"path":"a","match":"b"},"actions":[{"op":"replace_text","with":""}]}}"#,
            r#""config_json.locate" is an object; expected exactly one of path, paths, match"#,
        ),
        (
            r#"{"kind":"transform","config_json":{"locate":{"match":"b"},"actions":[{"op":"replace_regex","pattern":"a","with":""}]}}"#,
            r#""config_json.actions[0].op" is "replace_regex"; expected replace_text, since locate has a match"#,
        ),
        (
            r#"{"kind":"transform","config_json":{"locate":{"path":"b"},"actions":[]}}"#,
            r#""config_json.actions" is missing; expected an array of at least one action"#,
        ),
        (
            r#"{"kind":"header","config_json":{"name":"a","value":"b"},"filter_operation_keys":["generate_contents"]}"#,
            r#"did you mean "generate_content"?"#,
        ),
        (
            r#"{"kind":"header","config_json":{"name":"a","value":"b"},"filter_operation_keys":["x"]}"#,
            r#""filter_operation_keys[0]" is "x"; expected one of list_models"#,
        ),
        (r#"{"kind":"header","config_json":{"name":"a","value":"b"},"sort":1}"#, r#""sort" is unknown"#),
        (r#"{"kind":"header","config_json":"{"}"#, r#""config_json" is no valid JSON"#),
    ] {
        let fault = fault(json);
        assert!(fault.contains(says), "{json}\n{fault}");
    }
}
