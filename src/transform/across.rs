//! What stands on the dialects of generation, tested through all of them: counts, legacy completions, compaction.

use serde_json::{Value, json};

use super::{
    Loss, Refused,
    compact::{self, Compacting},
    completion::{self, Prompted, Told},
    count::Counting,
    generate::{self, Asked, Dialect, Target, Telling},
};
use crate::protocol::{Family, json::Node};

const ASKED: Asked<'static> = Asked { model: "m-1", streams: false, goes_on_from: None };
const FAMILIES: [Family; 3] = [Family::OpenAi, Family::Claude, Family::Gemini];

fn node(body: &str) -> Node<'_> {
    Node::parse(body.as_bytes()).unwrap()
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// "Hello there." in a dialect, whole (`answer.json`) and as a stream (`stream.sse`).
fn fixture(dialect: Dialect, name: &str) -> Vec<u8> {
    file(&format!("completion/{}/{name}", dialect.id()))
}

fn telling() -> Telling {
    Telling { request_id: "r9".into(), now: 9, model: "m-1".into(), include_usage: true, ..Telling::default() }
}

/// The same prompt with instructions and a tool, as each family counts it, with wishes that a count does not take.
fn counted(family: Family) -> Value {
    let name = match family {
        Family::OpenAi => "openai",
        Family::Claude => "claude",
        Family::Gemini => "gemini",
    };
    value(&file(&format!("count/{name}.json")))
}

fn recount(body: &Value, from: Family, to: Family) -> Result<(Value, Vec<Loss>), Refused> {
    let (text, mut losses) = (body.to_string(), Vec::new());
    let out = Counting::read(from, node(&text), "m-1")?.written(to, &mut losses)?;
    Ok((value(&out), losses))
}

#[test]
fn a_count_is_asked_for_in_every_pair_of_families() {
    for from in FAMILIES {
        for to in FAMILIES {
            let (body, losses) = recount(&counted(from), from, to).unwrap();
            assert!(losses.is_empty(), "{from:?} {to:?}: {losses:?}");
            let text = body.to_string();
            for words in ["You are terse.", "Weather?", "get_weather", "city"] {
                assert!(text.contains(words), "{from:?} {to:?}: {text}");
            }
            for refused in ["max_tokens", "maxOutputTokens", "stream", "store", "temperature", "budget", "effort", "include"] {
                assert!(!text.contains(refused), "{from:?} {to:?}: {text}");
            }
            match to {
                Family::OpenAi | Family::Claude => assert_eq!(body["model"], "m-1"),
                Family::Gemini => assert_eq!(body["generateContentRequest"]["model"], "models/m-1"),
            }
        }
    }
    let (plain, _) = recount(&json!({"contents": [{"parts": [{"text": "Hi."}]}]}), Family::Gemini, Family::Claude).unwrap();
    assert_eq!(plain["messages"][0]["role"], "user");
    let (plain, _) =
        recount(&json!({"model": "x", "messages": [{"role": "user", "content": "Hi."}]}), Family::Claude, Family::Gemini).unwrap();
    assert_eq!(plain.as_object().unwrap().keys().collect::<Vec<_>>(), ["contents"]);
}

#[test]
fn a_counts_fault_is_named_by_its_place() {
    let fault = recount(&json!({"generateContentRequest": {"contents": 5}}), Family::Gemini, Family::Claude).unwrap_err();
    assert!(fault.path().starts_with("generateContentRequest.contents"), "{fault}");
    let fault = recount(&json!({"messages": 5}), Family::Claude, Family::Gemini).unwrap_err();
    assert_eq!(fault.path(), "messages");
}

#[test]
fn a_message_says_how_long_its_answer_may_be() {
    let body = br#"{"model": "x", "messages": [{"role": "user", "content": "Hi."}]}"#;
    for to in Dialect::ALL {
        let refused = generate::request(Dialect::Claude, to, body, ASKED, Target::default()).unwrap_err();
        assert_eq!((refused.path(), &*refused.to_string()), ("max_tokens", "\"max_tokens\" is missing; expected a whole number"));
    }
}

#[test]
fn a_prompt_is_asked_of_every_dialect() {
    let body = r#"{"model": "x", "prompt": "Once upon", "max_tokens": 50, "temperature": 0.5, "stop": "END", "n": 1}"#;
    for to in Dialect::ALL {
        let mut losses = Vec::new();
        let out = Prompted::read(node(body), ASKED).unwrap().written(to, Target::default(), &mut losses).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("Once upon") && text.contains("0.5") && text.contains(":50"), "{to:?}: {text}");
        // Responses has no stop sequences.
        let lost: Vec<&str> = losses.iter().map(|loss| &*loss.path).collect();
        assert_eq!(lost, if to == Dialect::Responses { vec!["stop"] } else { vec![] }, "{to:?}");
    }
}

#[test]
fn losses_are_told_in_the_words_of_the_old_call() {
    let body = r#"{"prompt": "a", "logprobs": 3, "logit_bias": {"1": 2}, "suffix": "b", "best_of": 2, "x_new": 1}"#;
    let mut losses = Vec::new();
    let out = Prompted::read(node(body), ASKED).unwrap().written(Dialect::Claude, Target::default(), &mut losses).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("The ending:"));
    let mut lost: Vec<&str> = losses.iter().map(|loss| &*loss.path).collect();
    lost.sort_unstable();
    lost.dedup();
    assert_eq!(lost, ["best_of", "logit_bias", "logprobs", "suffix", "x_new"]);
}

#[test]
fn answers_and_streams_of_every_dialect_are_completions() {
    for from in Dialect::ALL {
        let told = || Told { telling: telling(), echo: Some("Say hello.".into()) };
        let mut losses = Vec::new();
        let whole = value(&completion::answer(&fixture(from, "answer.json"), from, &told(), &mut losses).unwrap());
        assert_eq!(whole["choices"][0]["text"], "Say hello.Hello there.", "{from:?}");
        assert_eq!((&whole["choices"][0]["finish_reason"], &whole["object"]), (&json!("stop"), &json!("text_completion")));
        assert_eq!((&whole["usage"]["prompt_tokens"], &whole["usage"]["completion_tokens"]), (&json!(20), &json!(10)));
        assert!(whole["id"].as_str().unwrap().starts_with("cmpl-"));
        assert!(losses.is_empty(), "{from:?}: {losses:?}");
        let sse = fixture(from, "stream.sse");
        for size in [3, usize::MAX] {
            let mut stream = completion::Stream::new(from, told());
            let mut out = Vec::new();
            for chunk in sse.chunks(size) {
                out.extend(stream.push(chunk).unwrap());
            }
            out.extend(stream.finish());
            let text = String::from_utf8(out).unwrap();
            assert!(text.ends_with("data: [DONE]\n\n"), "{from:?}: {text}");
            let chunks = text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: {"));
            let chunks: Vec<Value> = chunks.map(|rest| value(format!("{{{rest}").as_bytes())).collect();
            let said: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
            assert_eq!(said, "Say hello.Hello there.", "{from:?}");
            assert_eq!(chunks.last().unwrap()["usage"], whole["usage"], "{from:?}");
        }
        let mut cut = completion::Stream::new(from, told());
        let mut out = cut.push(&sse[..sse.len() / 3]).unwrap();
        out.extend(cut.finish());
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#"{"error":{"#) && !text.contains("[DONE]"), "{from:?}: {text}");
    }
}

#[test]
fn a_conversation_is_compacted_by_every_dialect() {
    let body = String::from_utf8(file("compact/request.json")).unwrap();
    for dialect in Dialect::ALL {
        let compacting = Compacting::read(node(&body), ASKED).unwrap();
        let mut losses = Vec::new();
        let out = compacting.written(dialect, Target::default(), &mut losses).unwrap();
        let text = String::from_utf8(out).unwrap();
        for words in [
            "You are terse.",
            "Weather in Paris?",
            "[Called get_weather with: ",
            "gave: 18 C, clear]",
            "*** Begin Patch",
            "It is 18 C.",
            "Write a summary",
        ] {
            assert!(text.contains(words), "{dialect:?} lacks {words:?}: {text}");
        }
        assert!(!text.contains("gAAAA"), "{dialect:?}: {text}");
        assert!(losses.is_empty(), "{dialect:?}: {losses:?}");
        let compacted = compact::answer(&fixture(dialect, "answer.json"), dialect, &compacting.kept(), &telling()).unwrap();
        let compacted = value(&compacted);
        assert_eq!((&compacted["object"], &compacted["usage"]["total_tokens"]), (&json!("response.compaction"), &json!(30)));
        assert_eq!(compacted["output"][0]["content"], json!([{"type": "input_text", "text": "Weather in Paris?"}]));
        let mut input = compacted["output"].as_array().unwrap().clone();
        input.push(json!({"role": "user", "content": "And Rome?"}));
        let next = json!({"model": "x", "input": input}).to_string();
        let opened = compact::opened(next.as_bytes()).unwrap().unwrap();
        let opened = String::from_utf8(opened).unwrap();
        assert!(opened.contains("Hello there.") && !opened.contains("compaction"), "{opened}");
        // The opened conversation is one that every dialect takes, here by way of a count.
        for to in FAMILIES {
            let (body, _) = recount(&value(opened.as_bytes()), Family::OpenAi, to).unwrap();
            assert!(body.to_string().contains("Hello there."));
        }
    }
}
