use proptest::prelude::*;

use super::{skip_nested, skip_string};

/// What [`skip_string`] must say, byte by byte.
fn plain_string(body: &[u8], at: usize) -> Option<usize> {
    let mut escaped = false;
    for (place, byte) in body.iter().enumerate().skip(at + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// What [`skip_nested`] must say, byte by byte.
fn plain_nested(body: &[u8], at: usize) -> Option<usize> {
    let (mut depth, mut place) = (1, at + 1);
    while let Some(byte) = body.get(place) {
        match byte {
            b'"' => {
                place = plain_string(body, place)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'\\' => return None,
            _ => {}
        }
        place += 1;
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

/// A stretch of text: what the masks tell apart, what they must not take for it, and runs that cross blocks.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(b"\"\"\"\\\\{}[]{[,: a;\x02\x1b\xdb\xfd\xa2".as_slice()).prop_map(|byte| vec![byte]),
        2 => (0..80_usize).prop_map(|length| vec![b'x'; length]),
        2 => (0..140_usize).prop_map(|length| vec![b'\\'; length]),
        1 => (0..70_usize).prop_map(|length| vec![b'['; length]),
        1 => (0..70_usize).prop_map(|length| vec![b'}'; length]),
        1 => (500..900_usize).prop_map(|length| vec![b'y'; length]),
        1 => (500..900_usize).prop_map(|length| br"\n\\{".iter().copied().cycle().take(length).collect()),
        1 => Just(br#"{"a\\":["b\"]",{"c":"}"}]}"#.to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

/// Brackets and whole strings, so that reading goes far before something is wrong.
fn orderly() -> impl Strategy<Value = Vec<u8>> {
    let string = text().prop_map(|text| serde_json::to_vec(&String::from_utf8_lossy(&text)).unwrap());
    let other = prop::sample::select(b"{{{[[[}}]],: 1".as_slice()).prop_map(|byte| vec![byte]);
    let pieces =
        prop_oneof![20 => other, 3 => Just(br#""\"\\\n""#.to_vec()), 1 => string, 1 => (0..70_usize).prop_map(|length| vec![b' '; length])];
    prop::collection::vec(pieces, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_string_ends_where_reading_each_byte_ends_it(text in text(), lead in 0..130_usize) {
        let body = [b"  \"".as_slice(), &vec![b'z'; lead], &text].concat();
        prop_assert_eq!(skip_string(&body, 2), plain_string(&body, 2));
    }

    #[test]
    fn brackets_end_where_reading_each_byte_ends_them(text in prop_oneof![text(), orderly()], lead in 0..130_usize, open in prop::sample::select(b"{[".as_slice())) {
        let body = [[b' ', open].as_slice(), &vec![b' '; lead], &text].concat();
        prop_assert_eq!(skip_nested(&body, 1), plain_nested(&body, 1));
    }

    #[test]
    fn brackets_within_strings_are_passed_over(text in text(), deep in 1..100_usize) {
        // Quoted by a JSON writer, any text is one string; behind it the brackets close at the very end.
        let quoted = serde_json::to_string(&String::from_utf8_lossy(&text)).unwrap();
        let body = format!("{}{quoted}{}", "[".repeat(deep), "]".repeat(deep));
        prop_assert_eq!(skip_nested(body.as_bytes(), 0), Some(body.len()));
        prop_assert_eq!(skip_string(body.as_bytes(), deep), Some(deep + quoted.len()));
    }
}

#[test]
fn an_escaped_quote_is_no_end_at_any_place_behind_any_run() {
    // The second range is where the search leaves blocks for a leap.
    for lead in (0..200).chain(440..600) {
        for run in 0..140 {
            let body = [b"[\"".as_slice(), &vec![b'x'; lead], &vec![b'\\'; run], b"\"]\"]"].concat();
            let end = if run % 2 == 0 { body.len() - 2 } else { body.len() };
            assert_eq!(skip_nested(&body, 0), Some(end), "{lead} {run}");
            let end = if run % 2 == 0 { body.len() - 3 } else { body.len() - 1 };
            assert_eq!(skip_string(&body, 1), Some(end), "{lead} {run}");
        }
    }
}

#[test]
fn a_backslash_outside_strings_is_refused_unless_it_stands_behind_the_end() {
    for lead in 0..200 {
        let body = [b"[".as_slice(), &vec![b' '; lead], br"\]]"].concat();
        assert_eq!(skip_nested(&body, 0), None, "{lead}");
        let body = [b"[".as_slice(), &vec![b' '; lead], br"]\]"].concat();
        assert_eq!(skip_nested(&body, 0), Some(lead + 2), "{lead}");
    }
}

#[test]
fn what_does_not_end_has_no_end() {
    for length in 0..300 {
        let body = [b"[\"".as_slice(), &vec![b'x'; length]].concat();
        assert_eq!((skip_nested(&body, 0), skip_string(&body, 1)), (None, None), "{length}");
        let body = [body.as_slice(), b"\\\""].concat();
        assert_eq!((skip_nested(&body, 0), skip_string(&body, 1)), (None, None), "{length}");
        let body = [body.as_slice(), b"\""].concat();
        assert_eq!((skip_nested(&body, 0), skip_string(&body, 1)), (None, Some(body.len())), "{length}");
    }
}
