//! Laws of the conversions, on conversations, answers and streams out of nothing.

use gproxy::{
    protocol::frame::{Framing, sse::Splitter},
    transform::generate::{self, Asked, Collector, Dialect, StreamConverter, Target, Telling, Wire},
};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::Value;

use crate::{
    ends::{self, End},
    reply::{Indexes, reply},
    said::{self, Said},
    talk::{Talk, talk},
};

fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Responses => "gpt-4.1",
        Dialect::Claude => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-2.5-flash",
    }
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(json)))
}

/// A request in another dialect, and what was lost on the way.
fn asked(from: Dialect, to: Dialect, body: &[u8]) -> (Vec<u8>, Vec<String>) {
    let asked = Asked { model: model(to), streams: false, goes_on_from: None };
    let there = generate::request(from, to, body, asked, Target::default())
        .unwrap_or_else(|refused| panic!("{from:?} to {to:?}: {refused}: {}", String::from_utf8_lossy(body)));
    (there.body, there.losses.iter().map(ToString::to_string).collect())
}

/// The turns of a request as they are written, without the bracket at their end; and everything else.
fn turns(dialect: Dialect, body: &[u8]) -> (String, Value) {
    let name = match dialect {
        Dialect::Chat | Dialect::Claude => "messages",
        Dialect::Responses => "input",
        Dialect::Gemini => "contents",
    };
    let members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_slice(body).unwrap();
    let mut rest = value(body);
    rest.as_object_mut().unwrap().remove(name);
    (members[name].get().trim_end_matches(']').trim_end().to_owned(), rest)
}

/// The same cases in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` look further.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether to look further")]
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let further = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_RNG_SEED").or(std::env::var_os("PROPTEST_CASES")) {
        Some(_) => further,
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..further },
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn a_request_comes_back_as_it_was(talk in talk()) {
        for dialect in Dialect::ALL {
            let body = talk.write(dialect, model(dialect));
            let (back, losses) = asked(dialect, dialect, body.to_string().as_bytes());
            prop_assert_eq!(difference(&value(&back), &body, ""), None, "{:?}", dialect);
            prop_assert!(losses.is_empty(), "{:?}: {:?}", dialect, losses);
        }
    }

    #[test]
    fn a_request_goes_there_and_back_without_loss(talk in talk()) {
        for from in Dialect::ALL {
            let body = talk.write(from, model(from));
            for to in Dialect::ALL {
                let (there, losses) = asked(from, to, body.to_string().as_bytes());
                prop_assert!(losses.is_empty(), "{:?} to {:?}: {:?}", from, to, losses);
                // It is what somebody else would have written in that dialect.
                prop_assert_eq!(difference(&bare(value(&there)), &talk.write(to, model(to)), ""), None, "{:?} to {:?}", from, to);
                let (back, losses) = asked(to, from, &there);
                prop_assert!(losses.is_empty(), "{:?} to {:?} and back: {:?}", from, to, losses);
                prop_assert_eq!(difference(&bare(value(&back)), &body, ""), None, "{:?} to {:?} and back", from, to);
                prop_assert_eq!(said::request(from, &value(&back)), said::request(from, &body));
            }
        }
    }

    #[test]
    fn a_longer_conversation_begins_as_the_shorter_one(talk in talk()) {
        let lengths: Vec<Talk> = (0..=talk.rounds.len()).map(|rounds| talk.until(rounds)).collect();
        for from in Dialect::ALL {
            for to in Dialect::ALL {
                let told: Vec<(String, Value)> = lengths
                    .iter()
                    .map(|talk| turns(to, &asked(from, to, talk.write(from, model(from)).to_string().as_bytes()).0))
                    .collect();
                for pair in told.windows(2) {
                    prop_assert!(pair[1].0.starts_with(&pair[0].0), "{:?} to {:?}:\n{}\n{}", from, to, pair[0].0, pair[1].0);
                    prop_assert_eq!(&pair[0].1, &pair[1].1);
                }
            }
        }
    }
}

fn telling() -> Telling {
    let mut telling = Telling::new("0197c0ffee".to_owned(), 1_760_000_000, "m".to_owned(), 20, Wire::Sse);
    telling.include_usage = true;
    telling
}

/// A stream told in another dialect, its bytes coming in pieces of `size`.
fn streamed(from: Dialect, to: Dialect, stream: &[u8], size: usize) -> String {
    let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &telling());
    let mut out = Vec::new();
    for chunk in stream.chunks(size) {
        out.extend(converter.push(chunk).unwrap());
    }
    out.extend(converter.finish());
    String::from_utf8(out).unwrap()
}

fn gathered(from: Dialect, to: Dialect, stream: &str) -> Value {
    let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
    collector.push(stream.as_bytes()).unwrap();
    value(&collector.finish(to, &telling()).unwrap().0)
}

/// What a stream that ended well says.
fn heard(dialect: Dialect, stream: &str) -> Said {
    assert_eq!(ends::end(dialect, stream), Ok(End::Well), "{dialect:?}: {stream}");
    said::answer(dialect, &said::whole(dialect, stream).unwrap())
}

/// Where calls come mixed, the one that is whole first may be told first.
fn sorted(mut said: Said) -> Said {
    said.calls.sort_by_key(|call| format!("{call:?}"));
    said
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn an_answer_comes_back_as_it_was(reply in reply()) {
        for from in Dialect::ALL {
            let body = reply.whole(from);
            for to in Dialect::ALL {
                let (there, losses) = generate::answer(from, to, body.to_string().as_bytes(), &telling()).unwrap();
                prop_assert_eq!(said::answer(to, &value(&there)), said::answer(from, &body), "{:?} to {:?}", from, to);
                prop_assert!(losses.is_empty() || reply.thinking.is_some(), "{:?} to {:?}: {:?}", from, to, losses);
                let (back, _) = generate::answer(to, from, &there, &telling()).unwrap();
                prop_assert_eq!(said::answer(from, &value(&back)), said::answer(from, &body), "{:?} to {:?} and back", from, to);
            }
        }
    }

    #[test]
    fn a_stream_says_what_its_answer_says_in_every_dialect(reply in reply(), size in 1..40_usize) {
        for from in Dialect::ALL {
            let (stream, said) = (reply.stream(from), said::answer(from, &reply.whole(from)));
            for to in Dialect::ALL {
                let told = streamed(from, to, stream.as_bytes(), usize::MAX);
                prop_assert_eq!(&sorted(heard(to, &told)), &sorted(said.clone()), "{:?} to {:?}", from, to);
                prop_assert_eq!(&streamed(from, to, stream.as_bytes(), size), &told, "{:?} to {:?} in pieces of {}", from, to, size);
                prop_assert_eq!(&said::answer(to, &gathered(from, to, &stream)), &said, "{:?} to {:?}, gathered", from, to);
                let back = heard(from, &streamed(to, from, told.as_bytes(), 17));
                prop_assert_eq!(&sorted(back), &sorted(said.clone()), "{:?} to {:?} and back", from, to);
            }
        }
    }

    #[test]
    fn an_answer_streamed_and_gathered_is_the_same(reply in reply()) {
        for dialect in Dialect::ALL {
            let once = gathered(dialect, dialect, &reply.stream(dialect));
            let (stream, _) = generate::stream_of_answer(dialect, dialect, once.to_string().as_bytes(), &telling()).unwrap();
            let twice = gathered(dialect, dialect, std::str::from_utf8(&stream).unwrap());
            prop_assert_eq!(difference(&once, &twice, ""), None, "{:?}", dialect);
        }
    }

    #[test]
    fn calls_come_together_however_they_are_told_apart(reply in reply()) {
        let said = said::answer(Dialect::Chat, &reply.whole(Dialect::Chat));
        for indexes in Indexes::ALL {
            let stream = reply.chat_stream(indexes);
            for to in Dialect::ALL {
                let told = heard(to, &streamed(Dialect::Chat, to, stream.as_bytes(), usize::MAX));
                prop_assert_eq!(&sorted(told), &sorted(said.clone()), "{:?} to {:?}", indexes, to);
            }
        }
    }
}

/// A body without what a conversion adds on purpose.
fn bare(mut body: Value) -> Value {
    // Nobody else keeps what is said, so the provider shall not.
    body.as_object_mut().unwrap().remove("store");
    // Instructions may stand before the turns or be the first of them.
    if let Some(system) = body["input"].as_array().and_then(|input| input.first()).filter(|first| first["role"] == "system").cloned() {
        body["instructions"] = system["content"][0]["text"].clone();
        body["input"].as_array_mut().unwrap().remove(0);
    }
    // Responses is strict where nothing is said, Chat is not.
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        if let Some(function) = tool["function"].as_object_mut() {
            function.retain(|name, value| name != "strict" || value != false);
        }
    }
    body
}

/// Where two bodies differ first.
pub(crate) fn difference(one: &Value, other: &Value, at: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => left.keys().chain(right.keys()).find_map(|name| {
            difference(left.get(name).unwrap_or(&Value::Null), right.get(name).unwrap_or(&Value::Null), &format!("{at}.{name}"))
        }),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).enumerate().find_map(|(index, (left, right))| difference(left, right, &format!("{at}[{index}]")))
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        (one, other) => (one != other).then(|| format!("{at}: {one} and {other}")),
    }
}
