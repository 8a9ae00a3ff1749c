//! Whole answers.

use std::borrow::Cow;

use serde_json::json;

use super::{
    super::{
        super::{
            Dialect, NoAnswer,
            canon::{Block, Citation, Page, Part, Reasoning, Rest, ServerCall, ServerResult, ServerTool, Stop, Tokens},
            spoke::{Spoke, Telling},
            testing::{lower_stream, node},
        },
        Gemini,
        lift_part::lone,
    },
    answer, paths, told,
};
use crate::transform::Seal;

fn speaking(parts: &str, more: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}},"finishReason":"STOP"{more}}}],"responseId":"r"}}"#)
}

#[test]
fn ends_are_read() {
    for (reason, stop) in [
        ("STOP", Stop::End),
        ("MAX_TOKENS", Stop::MaxTokens),
        ("SAFETY", Stop::Filtered(Some("SAFETY".into()))),
        ("RECITATION", Stop::Filtered(Some("RECITATION".into()))),
        ("MALFORMED_FUNCTION_CALL", Stop::Other("MALFORMED_FUNCTION_CALL".into())),
    ] {
        let body = format!(r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#);
        let lifted = answer(&body);
        assert_eq!(lifted.choices[0].stop, stop);
        assert_eq!(told(&lifted).0["candidates"][0]["finishReason"], reason);
    }
}

#[test]
fn calls_without_ids_get_their_own() {
    let call = r#"{"functionCall":{"name":"f","args":{}}}"#;
    let body = speaking(&format!("{call},{call}"), "");
    let lifted = answer(&body);
    let ids = lifted.choices[0].blocks.iter().map(|block| match &block.part {
        Part::Call(call) => call.id.to_string(),
        other => panic!("{other:?}"),
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids, ["call_r_0", "call_r_1"]);
    assert_eq!(lifted.choices[0].stop, Stop::Calls);
    assert!(!told(&lifted).0.to_string().contains("call_r"), "what Google did not say is not told");
}

#[test]
fn an_answer_of_another_provider_has_what_google_wants_back() {
    let call = r#"{"functionCall":{"id":"a","name":"f","args":{}}}"#;
    let body = speaking(&format!("{call},{call}"), "").replace(r#""responseId""#, r#""createTime":"2026-11-25T20:04:00Z","responseId""#);
    let mut lifted = answer(&body);
    assert!(!told(&lifted).0.to_string().contains("thoughtSignature"), "Google itself knows where it signs");
    assert_eq!(told(&lifted).0["createTime"], "2026-11-25T20:04:00Z");
    lifted.from = Dialect::Chat;
    let whole = told(&lifted).0;
    let parts = &whole["candidates"][0]["content"]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=");
    assert_eq!((&parts[1]["thoughtSignature"], &whole["createTime"]), (&json!(null), &json!(null)));
    let (stream, _) = lower_stream(Dialect::Gemini, &lifted, &Telling::default());
    assert_eq!(stream.matches("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=").count(), 1, "{stream}");
    assert!(!stream.contains("createTime"), "{stream}");
    assert!(answer(&whole.to_string()).choices[0].blocks.iter().all(|block| block.seal.is_none()), "it is no seal");
}

#[test]
fn a_blocked_prompt_comes_back_without_candidates() {
    let body = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3}]},"modelVersion":"m","responseId":"r"}"#;
    let lifted = answer(body);
    assert_eq!(lifted.choices[0].stop, Stop::Filtered(Some("PROHIBITED_CONTENT".into())));
    assert_eq!(told(&lifted).0, serde_json::from_str::<serde_json::Value>(body).unwrap());
    let fault = Gemini.lift_answer(node(r#"{"responseId":"r"}"#)).unwrap_err();
    assert!(matches!(&fault, NoAnswer::Shape(fault) if fault.path == "candidates"), "{fault}");
}

#[test]
fn usage_is_read_into_disjoint_buckets() {
    let usage = |json: &str| {
        let body = format!(r#"{{"candidates":[{{}}],"usageMetadata":{json}}}"#);
        answer(&body).usage
    };
    let full = r#"{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":7,"thoughtsTokenCount":5,"toolUsePromptTokenCount":11,
        "promptTokensDetails":[{"modality":"IMAGE","tokenCount":20},{"modality":"AUDIO","tokenCount":3}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":2}]}"#;
    let tokens = Tokens {
        input: 81,
        cache_read: 30,
        output: 7,
        reasoning: 5,
        input_image: 20,
        input_audio: 3,
        output_image: 2,
        ..Tokens::default()
    };
    assert_eq!(usage(full), Some(tokens));
    let odd = usage(r#"{"promptTokenCount":"1","cachedContentTokenCount":9}"#).unwrap();
    assert_eq!((odd.input, odd.cache_read), (0, 9));
    assert_eq!(usage("{}"), None);
}

#[test]
fn citations_count_characters_not_bytes() {
    let body = speaking(
        r#"{"text":"Zürich, 你好. Then more."}"#,
        r#","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],"webSearchQueries":["q",""],
            "groundingSupports":[{"segment":{"startIndex":9,"endIndex":15,"text":"你好"},"groundingChunkIndices":[0,7]}]}"#,
    );
    let lifted = answer(&body);
    let blocks = &lifted.choices[0].blocks;
    let Part::Text { citations, .. } = &blocks[0].part else { panic!() };
    assert_eq!(citations[0].span, Some((8, 10)));
    assert_eq!(citations[0].url.as_deref(), Some("https://a"));
    assert!(matches!(&blocks[1].part, Part::ServerCall(call) if call.queries == ["q"]));
    assert!(matches!(&blocks[2].part, Part::ServerResult(result) if result.pages[0].url == "https://a"));
    assert_eq!(
        told(&lifted).0["candidates"][0]["groundingMetadata"],
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["candidates"][0]["groundingMetadata"]
    );
}

#[test]
fn a_search_of_others_becomes_grounding() {
    let body = speaking(r#"{"text":"Ü Team A won."}"#, "");
    let mut lifted = answer(&body);
    let block = |part| Block { part, cache: None, seal: None, at: 0, rest: Rest::default() };
    let json = || lone("type", "\"web_search\"");
    let call = ServerCall { id: "s".into(), tool: ServerTool::WebSearch, queries: vec!["who".into()], json: json() };
    let page = Page { url: "https://a".into(), title: Some("A".into()) };
    let found = ServerResult {
        id: "s".into(),
        tool: ServerTool::WebSearch,
        pages: vec![page],
        output: None,
        media: vec![],
        failed: false,
        json: json(),
    };
    let Part::Text { citations, .. } = &mut lifted.choices[0].blocks[0].part else { panic!() };
    let (url, title) = (Some(Cow::Borrowed("https://a")), Some(Cow::Borrowed("A")));
    citations.push(Citation { url, title, quote: None, span: Some((2, 13)), of: Dialect::Claude, json: json() });
    lifted.choices[0].blocks.insert(0, block(Part::ServerCall(call)));
    lifted.choices[0].blocks.insert(1, block(Part::ServerResult(found)));
    let (back, losses) = told(&lifted);
    assert_eq!(
        back["candidates"][0]["groundingMetadata"],
        json!({"webSearchQueries": ["who"], "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
            "groundingSupports": [{"segment": {"startIndex": 3, "endIndex": 14, "text": "Team A won."}, "groundingChunkIndices": [0]}]})
    );
    assert!(losses.is_empty());
}

#[test]
fn signatures_of_others_travel_in_disguise_and_come_home() {
    for (owner, redacted) in [(Dialect::Claude, false), (Dialect::Claude, true), (Dialect::Responses, false)] {
        let mut lifted = answer(r#"{"candidates":[{"content":{"parts":[{"text":"x","thought":true}]}}]}"#);
        let seal = Some(Seal { owner, data: "opaque+/=".into() });
        let text = if redacted { vec![] } else { vec![Cow::Borrowed("hm")] };
        lifted.choices[0].blocks[0].part = Part::Reasoning(Reasoning { text, seal: seal.clone(), redacted, ..Reasoning::default() });
        let (back, _) = told(&lifted);
        let body = json!({"contents": [back["candidates"][0]["content"]]}).to_string();
        let request = super::request(&body, "m");
        let Part::Reasoning(reasoning) = &request.turns[0].blocks[0].part else { panic!("{request:?}") };
        assert_eq!((&reasoning.seal, reasoning.redacted), (&seal, redacted), "{body}");
        // A client that moves the signature to the part behind does no harm.
        let parts = &back["candidates"][0]["content"]["parts"][0];
        let moved = json!({"contents": [{"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "x", "thoughtSignature": parts["thoughtSignature"]}]}]});
        let moved = moved.to_string();
        let request = super::request(&moved, "m");
        assert!(matches!(&request.turns[0].blocks[0].part, Part::Reasoning(reasoning) if reasoning.seal == seal));
        assert!(request.turns[0].blocks[1].seal.is_none());
    }
}

#[test]
fn unknown_members_are_told_as_lost_to_others() {
    let body = speaking(r#"{"text":"x","new":1}"#, r#","other":2"#);
    let mut lifted = answer(&body);
    assert!(told(&lifted).1.is_empty());
    lifted.choices[0].rest.of = Some(Dialect::Chat);
    lifted.from = Dialect::Chat;
    assert_eq!(paths(&told(&lifted).1), ["choices[0].other"]);
}
