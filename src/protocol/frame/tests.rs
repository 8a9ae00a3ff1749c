//! Laws of framing: chunking changes nothing, garbage breaks nothing, ranges are exact.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{
    Event, FrameFault, Framing,
    json_array::Elements,
    ndjson::Lines,
    sse::Splitter,
    walk::{Member, Value, Visit, walk, walk_first},
};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    name: Vec<u8>,
    data: Vec<u8>,
    from: u64,
    body: u64,
}

fn seen(event: &Event<'_>) -> Seen {
    Seen { name: event.name.to_vec(), data: event.data.to_vec(), from: event.raw.start, body: event.body }
}

fn run(mut framing: Framing, chunks: &[&[u8]]) -> Vec<Seen> {
    let mut events = Vec::new();
    let mut end = 0;
    let mut at = 0;
    for chunk in chunks {
        framing
            .push(chunk, &mut |event| {
                assert!(event.raw.start >= end && event.raw.end > event.raw.start, "events overlap");
                end = event.raw.end;
                events.push(seen(&event));
            })
            .unwrap();
        at += chunk.len() as u64;
        assert!(framing.boundary() >= end && framing.boundary() <= at);
    }
    framing.finish(&mut |event| events.push(seen(&event)));
    assert_eq!(framing.boundary(), at);
    events
}

fn sse() -> Framing {
    Framing::Sse(Splitter::default())
}

fn texts(framing: Framing, text: &str) -> Vec<(String, String)> {
    let text_of = |bytes| String::from_utf8(bytes).unwrap();
    run(framing, &[text.as_bytes()]).into_iter().map(|event| (text_of(event.name), text_of(event.data))).collect()
}

/// The standard's algorithm on a whole text, line by line. Its one difference: it also gives an event at the end of
/// the stream that has no blank line.
fn by_the_book(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), None::<String>);
    for line in text.split('\n').chain([""]) {
        let (field, value) = line.split_once(':').map_or((line, ""), |(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)));
        match field {
            _ if line.is_empty() => {
                events.extend(data.take().filter(|data| !data.is_empty()).map(|data| (name.clone(), data)));
                name.clear();
            }
            "event" => value.clone_into(&mut name),
            "data" => data = Some(data.map_or_else(|| value.to_owned(), |data| data + "\n" + value)),
            _ => {}
        }
    }
    events
}

fn chunks<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn sse_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("data: "),
        Just("data:"),
        Just("data"),
        Just("event: e\n"),
        Just("event:two"),
        Just(": comment"),
        Just(":\n\n"),
        Just("id: 7\r\n"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\r\n\r\n"),
        Just("{\"a\":1}"),
        Just("[DONE]"),
        Just("é漢🙂"),
        Just(" "),
        Just("\u{feff}"),
        Just("datax: y"),
        Just("retry"),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

#[test]
fn every_kind_of_line_is_understood() {
    for (text, events) in [
        ("data: a\n\n", vec![("", "a")]),
        ("data:a\r\n\r\ndata:  b\r\r", vec![("", "a"), ("", " b")]),
        ("event: x\ndata: a\ndata: b\ndata:\n\n", vec![("x", "a\nb\n")]),
        ("\u{feff}data: a\n\n", vec![("", "a")]),
        (": note\n\n:\nid: 1\nretry: 5\nunknown\ndata: a\n\n\n\n", vec![("", "a")]),
        ("event: x\n\ndata: a\n\n", vec![("", "a")]),
        ("data: \n\ndata\n\ndata:a: b\n\n", vec![("", "a: b")]),
        ("data: [DONE]", vec![("", "[DONE]")]),
        ("data: a\n", vec![("", "a")]),
        ("", vec![]),
    ] {
        let events: Vec<(String, String)> = events.into_iter().map(|(name, data)| (name.to_owned(), data.to_owned())).collect();
        assert_eq!(texts(sse(), text), events, "{text:?}");
        assert_eq!(by_the_book(text), events, "{text:?}");
    }
}

#[test]
fn a_finished_event_is_given_at_once_and_comments_pass_at_once() {
    for (chunk, boundary) in
        [("data: a\n\n", 9), ("data: a\r\n\r", 10), ("data: a\r\r", 9), (": note\n", 7), (": note", 0), ("\n", 1), ("data: a\n", 0)]
    {
        let mut framing = sse();
        framing.push(chunk.as_bytes(), &mut |_| ()).unwrap();
        assert_eq!(framing.boundary(), boundary, "{chunk:?}");
    }
}

#[test]
fn an_event_beyond_the_cap_is_a_fault_in_any_framing() {
    for mut framing in
        [Framing::Sse(Splitter::with_cap(16)), Framing::Ndjson(Lines::with_cap(16)), Framing::JsonArray(Elements::with_cap(16))]
    {
        assert_eq!(framing.push(b"[\"data: 678", &mut |_| ()), Ok(()));
        assert_eq!(framing.push(b"90123456", &mut |_| ()), Err(FrameFault::TooLarge { limit: 16 }));
    }
}

#[test]
fn lines_and_elements_are_given_as_json_texts() {
    let lines = "{\"a\":1}\n\r\n {\"b\":\"\\n\"} \r\n[2]";
    assert_eq!(
        texts(Framing::Ndjson(Lines::default()), lines).iter().map(|(_, data)| data.as_str()).collect::<Vec<_>>(),
        ["{\"a\":1}", "{\"b\":\"\\n\"}", "[2]"]
    );
    let array = "\u{feff} [ {\"a\":\"]},\\\"[\"}\n,\r\n[1,[2]] , 3,\"x,\\\\\" ,null] ";
    assert_eq!(
        texts(Framing::JsonArray(Elements::default()), array).iter().map(|(_, data)| data.as_str()).collect::<Vec<_>>(),
        ["{\"a\":\"]},\\\"[\"}", "[1,[2]]", "3", "\"x,\\\\\"", "null"]
    );
}

#[test]
fn an_element_without_its_end_is_given_as_far_as_it_came() {
    assert_eq!(texts(Framing::JsonArray(Elements::default()), "[1,{\"a\":\"b").last().unwrap().1, "{\"a\":\"b");
    assert_eq!(texts(Framing::JsonArray(Elements::default()), "[1,").len(), 1);
}

#[derive(Default)]
struct Path(Vec<(usize, String, String, String)>);

impl<'a> Visit<'a> for Path {
    fn member(&mut self, member: Member<'a>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let value = match member.value {
            Value::Text(value) | Value::Number(value) => text(value),
            other => format!("{other:?}"),
        };
        self.0.push((member.depth, text(member.parent), text(member.key), value));
    }
}

#[test]
fn members_are_shown_with_their_depth_and_the_key_they_stand_under() {
    let mut path = Path::default();
    assert!(walk(br#" {"a":{"b":[{"c":-1.5e3},[true],"x\"y"],"d":{}},"e":null} "#, &mut path));
    let shown: Vec<(usize, &str, &str, &str)> =
        path.0.iter().map(|(depth, parent, key, value)| (*depth, &**parent, &**key, &**value)).collect();
    assert_eq!(
        shown,
        [
            (0, "", "", "Object"),
            (1, "", "a", "Object"),
            (2, "a", "b", "Array"),
            (3, "b", "", "Object"),
            (4, "b", "c", "-1.5e3"),
            (3, "b", "", "Array"),
            (4, "b", "", "Bool"),
            (3, "b", "", "x\\\"y"),
            (2, "a", "d", "Object"),
            (1, "", "e", "Null"),
        ]
    );
    assert_eq!(walk_first(b"{\"a\":[1]},\"b\"", 5, &mut ()), Some(9));
    assert_eq!(walk_first(b"{\"a\":[1", 5, &mut ()), None);
}

#[test]
fn depth_is_no_danger() {
    for depth in [126, 127, 128, 129, 5000] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert!(walk(text.as_bytes(), &mut ()), "{depth}");
        assert!(!walk(&text.as_bytes()[..depth * 2 - 1], &mut ()), "{depth}");
    }
    assert!(!walk("{\"a\":".repeat(100_000).as_bytes(), &mut ()));
}

fn judged_as_serde_does(text: &[u8]) -> Result<(), TestCaseError> {
    let valid = std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    prop_assert_eq!(walk(text, &mut ()), valid, "{:?}", String::from_utf8_lossy(text));
    Ok(())
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>().prop_filter_map("finite", |number| serde_json::to_string(&number).ok()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "[a-z\"\\\\\u{0}-\u{1f} é]{0,30}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("{}:{value}", serde_json::to_string(&key).unwrap())).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn the_walk_judges_as_serde_does(text in json(), place in any::<prop::sample::Index>(), byte in any::<u8>(), other in 0..6_usize) {
        judged_as_serde_does(text.as_bytes())?;
        prop_assert!(walk(text.as_bytes(), &mut ()));
        let mut bytes = text.into_bytes();
        let at = place.index(bytes.len());
        judged_as_serde_does(&bytes[..at])?;
        let old = bytes[at];
        for byte in [byte, b"\"\\,]}0"[other]] {
            bytes[at] = byte;
            judged_as_serde_does(&bytes)?;
        }
        bytes[at] = old;
        bytes.remove(at);
        judged_as_serde_does(&bytes)?;
    }

    #[test]
    fn numbers_and_words_are_judged_as_serde_does(text in "[-+0-9.eE]{1,8}|[nulltruefas]{3,6}|\"\\\\[u\"bx0-9a-f]{0,6}\"") {
        judged_as_serde_does(text.as_bytes())?;
    }

    #[test]
    fn sse_is_read_as_the_standard_says(text in sse_text()) {
        prop_assert_eq!(texts(sse(), &text), by_the_book(&text));
    }

    #[test]
    fn any_chunking_of_sse_gives_the_same_events(text in sse_text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = run(sse(), &[text.as_bytes()]);
        prop_assert_eq!(&run(sse(), &chunks(text.as_bytes(), &cuts)), &whole);
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&run(sse(), &single), &whole);
    }

    #[test]
    fn any_chunking_of_garbage_gives_the_same_events(
        text in prop_oneof![prop::collection::vec(any::<u8>(), 0..80), "[\\[\\]{}\",:\\\\ \n\ra1\u{feff}]{0,60}".prop_map(String::into_bytes)],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        for framing in [sse, || Framing::Ndjson(Lines::default()), || Framing::JsonArray(Elements::default())] {
            prop_assert_eq!(run(framing(), &chunks(&text, &cuts)), run(framing(), &[&text]));
        }
    }

    #[test]
    fn an_arrays_elements_are_its_values(items in prop::collection::vec(json(), 0..5), gap in "[ \r\n]{0,2}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let text = format!("{gap}[{gap}{}{gap}]{gap}", items.join(&format!("{gap},{gap}")));
        let events = run(Framing::JsonArray(Elements::default()), &chunks(text.as_bytes(), &cuts));
        let data: Vec<String> = events.iter().map(|event| String::from_utf8(event.data.clone()).unwrap()).collect();
        prop_assert_eq!(&data, &items);
        for event in events {
            let body = usize::try_from(event.body).unwrap();
            prop_assert!(text.as_bytes()[body..].starts_with(&event.data));
        }
    }
}
