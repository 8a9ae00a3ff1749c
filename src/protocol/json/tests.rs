//! Reading names what is wrong and keeps the rest; writing gives back what was read.

use super::{Fields, Node, Shape, mended, object, text};

fn fields(json: &str) -> Fields<'_> {
    Node::parse(json.as_bytes()).unwrap().object().unwrap()
}

#[test]
fn what_nobody_takes_is_kept_byte_for_byte() {
    let mut members = fields(r#"{"a": 1, "big": 12345678901234567890123.50, "b": {"x" : [ 1 ]}, "a": 2}"#);
    assert_eq!(members.take("a").unwrap().json(), "2");
    let rest: Vec<_> = members.rest().into_iter().map(|(name, value)| (name, value.json())).collect();
    assert_eq!(rest, [("big".into(), "12345678901234567890123.50"), ("b".into(), r#"{"x" : [ 1 ]}"#)]);
}

#[test]
fn null_counts_as_absent_and_a_wrong_type_is_named() {
    let mut members = fields(r#"{"none": null, "text": 5, "count": -1, "long": {"a": 1}}"#);
    assert_eq!(members.text("none"), Ok(None));
    assert_eq!(members.text("text").unwrap_err().to_string(), r#""text" is 5; expected a string"#);
    assert_eq!(members.unsigned("count").unwrap_err().to_string(), r#""count" is -1; expected a whole number, not negative"#);
    let fault = members.text("long").unwrap_err().at(3).under("messages");
    assert_eq!(fault.to_string(), r#""messages[3].long" is an object; expected a string"#);
    assert_eq!(members.required_text("gone").unwrap_err().to_string(), r#""gone" is missing; expected a string"#);
}

#[test]
fn each_shape_is_told_by_its_first_byte() {
    for (json, shape) in [
        ("null", Shape::Null),
        ("true", Shape::Bool),
        ("-1e3", Shape::Number),
        ("\"\"", Shape::Text),
        (" [ ] ", Shape::Array),
        ("{}", Shape::Object),
    ] {
        assert_eq!(Node::parse(json.as_bytes()).unwrap().shape(), shape, "{json}");
    }
    assert!(Node::parse(b"{\"a\": }").is_err());
    assert!(Node::parse(b"{} x").is_err());
    assert!(Node::parse(b"\"\xff\"").is_err());
}

#[test]
fn numbers_are_read_as_they_are_meant() {
    let read = |json: &'static str| Node::parse(json.as_bytes()).unwrap();
    assert_eq!(read("3.0").unsigned(), Some(3));
    assert_eq!(read("3.5").unsigned(), None);
    assert_eq!(read("-3").signed(), Some(-3));
    assert_eq!(read("1e400").number(), Some(f64::INFINITY));
    assert_eq!(read("\"3\"").number(), None);
}

#[test]
fn half_a_character_is_no_reason_to_lose_a_text() {
    for (json, text) in [
        (r#""a\ud83d""#, "a\u{fffd}"),
        (r#""\ude00b""#, "\u{fffd}b"),
        (r#""\ud83d\ude00\ud83d""#, "\u{1f600}\u{fffd}"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        (r#""\\ud83d\n\u00e9\uD83Dx""#, "\\ud83d\né\u{fffd}x"),
    ] {
        assert_eq!(Node::parse(json.as_bytes()).unwrap().text().as_deref(), Some(text), "{json}");
    }
    assert_eq!(Node::parse(b"[\"a\"]").unwrap().text(), None);
    assert_eq!(mended(r#"{"a":"\ud83d\ude00"}"#), None);
    assert_eq!(mended(r#"{"a":"\ud83d"}"#).as_deref(), Some(r#"{"a":"\ufffd"}"#));
}

#[test]
fn whole_numbers_and_texts_are_written_as_serde_writes_them() {
    for number in [0, 7, 10, 99, 1_000_000, u64::MAX] {
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.unsigned("n", number);
        });
        assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{{"n":{number}}}"#));
    }
    for words in ["", "plain", "a\"b", "a\\b", "\u{1f}", "\u{7f}é\u{2028}", "a\nb"] {
        let mut out = Vec::new();
        text(&mut out, words);
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(words).unwrap());
    }
}

#[test]
fn what_is_written_can_be_read() {
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.text("a\"b", "é\n\u{1}").number("t", 0.7).number("w", 2.0).signed("s", -5).bool("f", false).null("n");
        o.array("list", |a| {
            a.text("x").number(1.5).json("[1]").object(|o| {
                o.unsigned("u", 1);
            });
        });
        o.object("empty", |_| {});
    });
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"a\"b":"é\n\u0001","t":0.7,"w":2,"s":-5,"f":false,"n":null,"list":["x",1.5,[1],{"u":1}],"empty":{}}"#
    );
}
