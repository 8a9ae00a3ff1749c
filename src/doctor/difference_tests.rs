//! The laws of the first difference, over any two JSON texts.

use proptest::prelude::*;
use serde_json::Value;

use super::{Difference, How, Node, Step, common, first};

fn differ<'a>(before: &'a str, after: &'a str, name: &'a str) -> Option<Difference<'a>> {
    first(Node::parse(before.as_bytes()).unwrap(), Node::parse(after.as_bytes()).unwrap(), (after, name))
}

/// A way as text, for tables.
fn told(way: &[Step<'_>]) -> String {
    way.iter()
        .map(|step| match step {
            Step::Member(name) => format!(".{name}"),
            Step::Element(at) => format!("[{at}]"),
        })
        .collect()
}

#[test]
fn differences_are_found_where_they_are() {
    for (before, after, way, byte, how) in [
        (r#"{"a":1,"b":"xyz"}"#, r#"{"a":1,"b":"xaz"}"#, ".b", 13, How::Changed),
        ("[1,[2,3]]", "[1,[2,4]]", "[1][1]", 6, How::Changed),
        ("[1,2]", "[1,2,3]", "[2]", 4, How::Longer),
        ("[1,2,3]", "[1,2]", "[2]", 4, How::Shorter),
        ("[]", "[7]", "[0]", 1, How::Longer),
        ("{}", r#"{"a":1}"#, ".a", 1, How::Longer),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, ".b", 6, How::Longer),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, ".b", 6, How::Shorter),
        (r#"{"aa":1}"#, r#"{"ab":1}"#, ".ab", 3, How::Changed),
        (r#"{"a":12}"#, r#"{"a":125}"#, ".a", 7, How::Changed),
        (r#"{"a":true}"#, r#"{"a":"true"}"#, ".a", 5, How::Changed),
        // Marks, white space and members without a value say nothing; what stands behind them is found all the same.
        (r#"{"cache_control":{"type":"ephemeral"},"text":"ab"}"#, r#"{ "b":null, "text" : "ac" }"#, ".text", 23, How::Changed),
    ] {
        let found = differ(before, after, "");
        let found = found.as_ref().map(|found| (told(&found.way), found.byte, found.how));
        assert_eq!(found, Some((way.to_owned(), byte, how)), "{before} {after}");
    }
}

#[test]
fn a_bare_text_is_the_same_as_one_text_part() {
    let part = r#"[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]"#;
    assert_eq!(differ(r#""hi""#, part, "content"), None);
    assert_eq!(differ(part, r#""hi""#, "system"), None);
    assert_eq!(differ(r#"{"content":"hi"}"#, &format!(r#"{{"content":{part}}}"#), ""), None);
    assert!(differ(r#""hi""#, part, "arguments").is_some(), "elsewhere it is another value");
    let more = r#"[{"type":"text","text":"hi"},{"type":"image"}]"#;
    let found = differ(r#""hi""#, more, "content").unwrap();
    assert_eq!((told(&found.way), found.byte, found.how), ("[1]".to_owned(), 28, How::Longer));
    let found = differ(more, r#""hi""#, "content").unwrap();
    assert_eq!((told(&found.way), found.how), ("[1]".to_owned(), How::Shorter));
    let found = differ(r#""hi""#, r#"[{"type":"text","text":"ho"}]"#, "content").unwrap();
    assert_eq!((told(&found.way), found.byte), ("[0].text".to_owned(), 25));
    assert_eq!(differ(r#""h\u0069""#, r#""hi""#, ""), None, "the same text, written otherwise");
}

#[test]
fn what_lies_very_deep_is_compared_by_its_bytes() {
    let deep = |core: &str| format!("{}{core}{}", "[".repeat(20_000), "]".repeat(20_000));
    let (one, other) = (deep("1"), deep("2"));
    let found = differ(&one, &other, "").unwrap();
    assert_eq!((found.byte, found.way.len()), (20_000, super::DEPTH));
}

/// JSON values without members that say nothing, and the same values changed in one place or in many.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-zA-Z \"\\\\\u{e9}\u{1F600}\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let members = prop::collection::vec(("[a-f\"\u{e9}]{1,3}", inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value, and one that is near to it.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    (value(), value(), any::<u64>()).prop_map(|(one, other, seed)| {
        let mut near = one.clone();
        graft(&mut near, &other, seed);
        (one, near)
    })
}

/// Puts another value somewhere into this one.
fn graft(value: &mut Value, other: &Value, seed: u64) {
    let (way, rest) = (usize::try_from(seed % 7).unwrap(), seed / 7);
    match value {
        Value::Array(elements) if way < 4 && !elements.is_empty() => {
            let at = way % elements.len();
            graft(&mut elements[at], other, rest);
        }
        Value::Array(elements) if way == 4 => elements.push(other.clone()),
        Value::Array(elements) if way == 5 => drop(elements.pop()),
        Value::Object(members) if way < 5 && !members.is_empty() => {
            let name = members.keys().nth(way % members.len()).unwrap().clone();
            graft(members.get_mut(&name).unwrap(), other, rest);
        }
        _ => *value = other.clone(),
    }
}

/// The value at the end of a way, where there is one.
fn walk<'a>(value: Node<'a>, way: &[Step<'_>]) -> Option<Node<'a>> {
    way.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.object()?.peek(name),
        Step::Element(at) => value.array()?.get(*at).copied(),
    })
}

fn span(value: Node<'_>, text: &str) -> std::ops::Range<usize> {
    let start = super::place(value.json(), text);
    start..start + value.json().len()
}

proptest! {
    /// Texts as serde writes them differ first where their bytes do: all before that place is the same.
    #[test]
    fn the_bytes_before_the_first_difference_are_the_same((before, after) in prop_oneof![pair(), (value(), value())]) {
        let (before, after) = (before.to_string(), after.to_string());
        let same = common(before.as_bytes(), after.as_bytes());
        match differ(&before, &after, "") {
            None => prop_assert_eq!(before, after),
            Some(found) => prop_assert_eq!(found.byte, same, "{} {} {:?}", before, after, found),
        }
    }

    /// The way leads to the value that holds the byte; where something was added or taken away, to its place in what holds it.
    #[test]
    fn the_way_leads_to_what_holds_the_byte((before, after) in pair()) {
        let (before, after) = (before.to_string(), after.to_string());
        let Some(found) = differ(&before, &after, "") else { return Ok(()) };
        let root = Node::parse(after.as_bytes()).unwrap();
        let holder = walk(root, &found.way[..found.way.len().saturating_sub(1)]).unwrap();
        prop_assert!(span(holder, &after).contains(&found.byte) || span(holder, &after).end == found.byte);
        let reached = walk(root, &found.way);
        match found.how {
            How::Shorter => prop_assert!(reached.is_none() && walk(Node::parse(before.as_bytes()).unwrap(), &found.way).is_some()),
            How::Longer => {
                prop_assert!(walk(Node::parse(before.as_bytes()).unwrap(), &found.way).is_none());
                prop_assert!(found.byte < span(reached.unwrap(), &after).end);
            }
            How::Changed => {
                let own = span(reached.unwrap(), &after);
                // A name that differs stands before its value; a number that became longer differs just behind the shorter one.
                prop_assert!(found.byte <= own.end && own.start <= found.byte || found.byte >= span(holder, &after).start);
            }
        }
    }

    /// However a text is laid out, and wherever marks stand, it is the same prompt.
    #[test]
    fn layout_and_marks_are_no_difference(value in value()) {
        fn marked(value: &Value) -> Value {
            match value {
                Value::Array(elements) => elements.iter().map(marked).collect(),
                Value::Object(members) => {
                    let mut members: serde_json::Map<String, Value> =
                        members.iter().map(|(name, value)| (name.clone(), marked(value))).collect();
                    members.insert("cache_control".to_owned(), serde_json::json!({"type": "ephemeral"}));
                    members.insert("zz".to_owned(), Value::Null);
                    Value::Object(members)
                }
                plain => plain.clone(),
            }
        }
        let (plain, pretty) = (value.to_string(), serde_json::to_string_pretty(&marked(&value)).unwrap());
        prop_assert_eq!(differ(&plain, &pretty, ""), None);
        prop_assert_eq!(differ(&pretty, &plain, ""), None);
    }
}
