//! Known counts, and small vocabularies.

use std::sync::Arc;

use crate::tokenize::{Count, Counter, Vocabulary};

fn exactly(tokens: u64) -> Count {
    Count { tokens, exact: true }
}

#[test]
fn openais_own_examples_count_as_published() {
    for (text, cl100k, o200k) in [
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 9, 8),
        ("tiktoken is great!", 6, 6),
        ("", 0, 0),
    ] {
        assert_eq!(Counter::of("gpt-4", None).count([text]), exactly(cl100k), "{text}");
        assert_eq!(Counter::of("openai/gpt-5", None).count([text]), exactly(o200k), "{text}");
    }
    assert_eq!(Counter::of("gpt-5", None).count(["2 + 2 = 4", "", "tiktoken is great!"]), exactly(13));
    assert_eq!(Counter::of("gpt-5", None).count(["<|endoftext|>"]).tokens, 7, "a client's text has no control tokens");
}

#[test]
fn no_text_takes_long_or_stops_it() {
    for counter in [Counter::of("gpt-4", None), Counter::of("gpt-5", None)] {
        for text in ["a", " ", "\n", "^", "字", "\u{301}"] {
            let count = counter.count([text.repeat(20_000).as_str()]);
            assert!(!count.exact && count.tokens > 0, "{text:?}");
        }
    }
}

/// A vocabulary of single characters and of what the merges make, with other members of the file.
fn vocabulary(merges: &[(&str, &str)], model: &str, others: &str) -> Result<Vocabulary, String> {
    let mut words: Vec<String> = "abcĠ▁1é".chars().map(String::from).collect();
    words.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
    let vocab: serde_json::Map<_, _> = words.into_iter().enumerate().map(|(id, word)| (word, id.into())).collect();
    let (vocab, merges) = (serde_json::Value::Object(vocab), serde_json::to_string(merges).unwrap());
    let file = format!(r#"{{"model":{{"type":"BPE","vocab":{vocab},"merges":{merges}{model}}}{others}}}"#);
    Vocabulary::parse(file.as_bytes()).map_err(|fault| fault.to_string())
}

const BYTES: &str = r#","pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}"#;

#[test]
fn pairs_are_merged_by_rank_and_then_by_place() {
    for (merges, text, tokens) in [
        (&[("b", "c"), ("a", "b")][..], "abc", 2),
        (&[("a", "b"), ("ab", "c")], "abcabc", 2),
        (&[("a", "a"), ("aa", "aa")], "aaaaaaa", 3),
        (&[("Ġ", "a")], "a a a", 3),
        (&[], "a a", 3),
        // Words are cut before anything is merged.
        (&[("a", "1")], "a1", 2),
        (&[], "", 0),
    ] {
        let counter = Counter::of("some-model", Some(Arc::new(vocabulary(merges, "", BYTES).unwrap())));
        assert_eq!(counter.count([text]), exactly(tokens), "{text}");
    }
}

#[test]
fn the_parts_of_a_vocabulary_do_what_they_say() {
    let split = r#","pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"b"},"behavior":"BEHAVIOR","invert":false},{"type":"ByteLevel","use_regex":false}]}"#;
    let spaces = r#","normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}"#;
    let merges = &[("a", "b"), ("▁", "a")][..];
    for (model, others, text, count) in [
        ("", split.replace("BEHAVIOR", "Isolated"), "aba", exactly(3)),
        ("", split.replace("BEHAVIOR", "Removed"), "aba", exactly(2)),
        (r#","ignore_merges":true"#, BYTES.to_owned(), "ab", exactly(1)),
        ("", spaces.to_owned(), "a a", exactly(2)),
        (r#","byte_fallback":true"#, spaces.to_owned(), "a字", exactly(4)),
        ("", spaces.to_owned(), "a字", exactly(2)),
        (
            "",
            BYTES.to_owned() + r#","added_tokens":[{"content":"<t>","special":false},{"content":"ab","special":true}]"#,
            "ab<t>",
            exactly(2),
        ),
        ("", r#","normalizer":{"type":"NFC"}"#.to_owned(), "ab", exactly(1)),
        ("", r#","normalizer":{"type":"NFC"}"#.to_owned(), "aé", Count { tokens: 2, exact: false }),
    ] {
        let vocabulary = vocabulary(merges, model, &others).unwrap();
        assert_eq!(Counter::of("m", Some(Arc::new(vocabulary))).count([text]), count, "{model}{others}: {text}");
    }
}

#[test]
fn a_vocabulary_of_another_kind_is_refused_with_its_part() {
    for (file, says) in [
        (r#"{"model":{"type":"Unigram","vocab":[["a",-1.0]]}}"#, "model.type is Unigram; expected BPE"),
        (r#"{"model":{"vocab":{"a":0},"merges":["a b"]}}"#, "no tokenizer.json: model.merges[0] is not of words in model.vocab"),
        (r#"{"model":{"vocab":{}},"normalizer":{"type":"Lowercase"}}"#, "normalizer is Lowercase; expected one of"),
        (r#"{"model":{"vocab":{}},"pre_tokenizer":{"type":"Metaspace"}}"#, "pre_tokenizer is Metaspace; expected one of"),
        (r#"{"model":{"vocab":{}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}}"#, "no tokenizer.json: "),
        ("[]", "no tokenizer.json: "),
    ] {
        let fault = Vocabulary::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(fault.starts_with(says), "{fault}");
    }
}
