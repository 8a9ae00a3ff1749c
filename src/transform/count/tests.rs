//! Answers in every pair, and what is left of a request. What passes through a dialect is tested in `across`.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Count, Counting, Origin, answer, request::trimmed};
use crate::{
    protocol::{Family, json::Node},
    transform::generate::{
        Dialect,
        canon::{Block, CacheWish, Effort, Part, Request, Rest, Role, Sampling, State, Thinking, Turn},
    },
};

const FAMILIES: [Family; 3] = [Family::OpenAi, Family::Claude, Family::Gemini];

fn cut(to: Family, body: &Value) -> Value {
    serde_json::from_slice(&trimmed(to, body.to_string().as_bytes(), "m-1").unwrap()).unwrap()
}

#[test]
fn a_count_goes_across_in_every_pair() {
    let written = |family| match family {
        Family::OpenAi => json!({"object": "response.input_tokens", "input_tokens": 11}),
        Family::Claude => json!({"input_tokens": 11}),
        Family::Gemini => json!({"totalTokens": 11}),
    };
    for from in FAMILIES {
        for to in FAMILIES {
            let body = answer(written(from).to_string().as_bytes(), from, to).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), written(to), "{from:?} {to:?}");
        }
    }
}

#[test]
fn what_only_google_tells_stays_with_google() {
    let body = br#"{"totalTokens": 31, "cachedContentTokenCount": 20, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]}"#;
    let count = Count::read(Family::Gemini, Node::parse(body).unwrap()).unwrap();
    assert_eq!(count, Count { tokens: 31, cached: Some(20), origin: Origin::Counted });
    assert_eq!(count.written(Family::Gemini), br#"{"totalTokens":31,"cachedContentTokenCount":20}"#);
    assert_eq!(count.written(Family::Claude), br#"{"input_tokens":31}"#);
    assert_eq!(Count::read(Family::Gemini, Node::parse(b"{}").unwrap()).unwrap().tokens, 0);
}

#[test]
fn an_estimate_says_that_it_is_one() {
    for family in FAMILIES {
        let (estimate, count) = (Count::local(7, Origin::Estimated), Count::local(7, Origin::Counted));
        let body = estimate.written(family);
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["gproxy_estimated"], true);
        assert_eq!(Count::read(family, Node::parse(&body).unwrap()).unwrap(), estimate);
        assert!(!String::from_utf8(count.written(family)).unwrap().contains("estimated"));
    }
}

#[test]
fn an_answer_without_a_count_is_named() {
    let fault = |body: &str, family| answer(body.as_bytes(), family, Family::OpenAi).unwrap_err().to_string();
    assert_eq!(fault("{}", Family::Claude), r#""input_tokens" is missing; expected a number of tokens"#);
    assert_eq!(fault(r#"{"input_tokens": "5"}"#, Family::OpenAi), r#""input_tokens" is "5"; expected a whole number, not negative"#);
    assert_eq!(fault(r#"{"error": {}}"#, Family::Gemini), r#""totalTokens" is missing; expected a number of tokens"#);
}

#[test]
fn a_request_is_cut_to_what_a_count_takes() {
    let claude = json!({"model": "m-1", "max_tokens": 5, "stream": true, "messages": [], "system": "s", "metadata": {}, "tools": [], "temperature": 1});
    assert_eq!(cut(Family::Claude, &claude), json!({"model": "m-1", "messages": [], "system": "s", "tools": []}));
    let openai =
        json!({"model": "m-1", "input": "a", "instructions": "s", "stream": true, "store": false, "max_output_tokens": 5, "include": []});
    assert_eq!(cut(Family::OpenAi, &openai), json!({"model": "m-1", "input": "a", "instructions": "s"}));
    assert_eq!(cut(Family::Gemini, &json!({"contents": [1], "safetySettings": []})), json!({"contents": [1]}));
    assert_eq!(
        cut(Family::Gemini, &json!({"contents": [1], "systemInstruction": {"parts": []}})),
        json!({"generateContentRequest": {"model": "models/m-1", "contents": [1], "systemInstruction": {"parts": []}}})
    );
}

#[test]
fn what_does_not_change_the_length_is_not_carried() {
    let text = Block {
        part: Part::Text { text: Cow::Borrowed("Hi."), citations: Vec::new() },
        cache: None,
        seal: None,
        at: 0,
        rest: Rest::default(),
    };
    let request = Request {
        from: Dialect::Gemini,
        model: "m".into(),
        streams: true,
        instructions: Vec::new(),
        turns: vec![Turn { role: Role::User, blocks: vec![text], at: 0, id: None, name: None, rest: Rest::default() }],
        tools: Vec::new(),
        tool_choice: None,
        parallel_calls: None,
        format: None,
        thinking: Thinking { effort: Some(Effort::High), ..Thinking::default() },
        sampling: Sampling { temperature: Some(0.5), n: Some(2), ..Sampling::default() },
        max_tokens: Some(5),
        cache: CacheWish::default(),
        state: State { store: Some(true), ..State::default() },
        user: Some("u".into()),
        metadata: None,
        service_tier: Some("flex".into()),
        verbosity: None,
        modalities: vec!["image".into()],
        include_usage: Some(true),
        rest: Rest::default(),
    };
    let counting = Counting::of(request);
    let request = counting.request();
    assert_eq!((request.streams, request.max_tokens, request.turns.len()), (false, None, 1));
    assert_eq!((request.thinking.effort, request.sampling.temperature, request.state.store), (None, None, None));
    assert!(request.modalities.is_empty() && request.user.is_none() && request.service_tier.is_none());
}
