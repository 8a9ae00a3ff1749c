//! Requests into the canon, answers and streams out of it. What passes through a dialect is tested in `across`.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Prompted, Told, answer::written, stream::Chunks};
use crate::{
    protocol::json::Node,
    transform::{
        Loss, Refused,
        generate::{
            Asked, Dialect, Telling, Wire,
            canon::{Answer, Block, Choice, Logprob, Part, Reasoning, Rest, Stop, Tokens},
            event::{Event, StreamFault},
            fold::unfold,
            frames::Frames,
            spoke::Lower,
        },
    },
};

const ASKED: Asked<'static> = Asked { model: "m-1", streams: false, goes_on_from: None };

fn read(body: &str) -> Result<Prompted<'_>, Refused> {
    Prompted::read(Node::parse(body.as_bytes()).unwrap(), ASKED)
}

fn told(echo: Option<&str>, include_usage: bool) -> Told {
    let telling = Telling { request_id: "r9".into(), now: 9, model: "m-1".into(), include_usage, ..Telling::default() };
    Told { telling, echo: echo.map(str::to_owned) }
}

fn block(part: Part<'static>) -> Block<'static> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

fn words(text: &'static str) -> Block<'static> {
    block(Part::Text { text: Cow::Borrowed(text), citations: Vec::new() })
}

fn sample(stop: Stop<'static>) -> Answer<'static> {
    let top = vec![Logprob { token: "ok".into(), logprob: -0.01, bytes: None, top: Vec::new() }];
    let logprob = Logprob { token: "ok".into(), logprob: -0.01, bytes: None, top };
    let thinking = block(Part::Reasoning(Reasoning { text: vec!["hm".into()], ..Reasoning::default() }));
    let first = Choice { index: 0, blocks: vec![thinking, words("ok")], stop, logprobs: vec![logprob], rest: Rest::default() };
    let second =
        Choice { index: 1, blocks: vec![words("no"), words("pe")], stop: Stop::MaxTokens, logprobs: Vec::new(), rest: Rest::default() };
    let usage = Tokens { input: 15, cache_read: 5, output: 7, reasoning: 3, ..Tokens::default() };
    Answer {
        from: Dialect::Chat,
        id: "chatcmpl-1".into(),
        model: "gpt-5.4".into(),
        created: Some(5),
        choices: vec![first, second],
        usage: Some(usage),
        service_tier: None,
        rest: Rest::default(),
    }
}

fn stream(answer: &Answer<'_>, told: Told) -> (Vec<Value>, bool, Vec<Loss>) {
    let (mut lower, mut frames, mut losses) = (Chunks::new(told), Frames::new(Wire::Sse), Vec::new());
    unfold(answer, &mut |event| lower.push(&event, &mut frames, &mut losses));
    let text = String::from_utf8(frames.take()).unwrap();
    let data: Vec<&str> = text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")).collect();
    let done = data.last() == Some(&"[DONE]");
    (data.into_iter().filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect(), done, losses)
}

#[test]
fn every_member_of_a_request_is_taken_or_kept() {
    let body = r#"{"model": "x", "prompt": ["Once"], "suffix": "end.", "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "n": 2, "best_of": 3,
        "logprobs": 2, "echo": true, "stop": ["a", "b"], "presence_penalty": 0.1, "frequency_penalty": 0.2, "logit_bias": {"1": -1}, "user": "u",
        "seed": 7, "stream": false, "stream_options": {"include_usage": true}, "min_p": 0.05}"#;
    let prompted = read(body).unwrap();
    let request = prompted.request();
    assert_eq!((&*request.model, request.max_tokens, request.include_usage), ("m-1", Some(5), Some(true)));
    let Part::Text { text, .. } = &request.turns[0].blocks[0].part else { panic!("no text") };
    assert_eq!(text, "Once");
    let Part::Text { text, .. } = &request.instructions[0].part else { panic!("no text") };
    assert!(text.ends_with("The ending:\n\nend."));
    let sampling = &request.sampling;
    assert_eq!((sampling.n, sampling.logprobs, sampling.top_logprobs, sampling.seed), (Some(2), Some(true), Some(2), Some(7)));
    assert_eq!(sampling.stop, ["a", "b"]);
    assert_eq!(request.rest.members.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["min_p"]);
    assert_eq!((prompted.echo(), prompted.include_usage()), (Some("Once"), true));
}

#[test]
fn a_prompt_that_is_not_one_text_is_refused_by_its_place() {
    for (body, words) in [
        ("{}", r#""prompt" is missing; expected a string"#),
        (r#"{"prompt": ""}"#, r#""prompt" is an empty string; expected a prompt"#),
        (r#"{"prompt": []}"#, r#""prompt" is an empty array; expected a string"#),
        (r#"{"prompt": [1, 2]}"#, r#""prompt" cannot be served by this model: it is given as token ids"#),
        (r#"{"prompt": [[1]]}"#, r#""prompt[0]" cannot be served by this model: it is given as token ids"#),
        (r#"{"prompt": ["a", "b"]}"#, r#""prompt" cannot be served by this model: it holds several prompts"#),
        (r#"{"prompt": {}}"#, r#""prompt" is an object; expected a string"#),
        (r#"{"prompt": "a", "stop": ["x", 5]}"#, r#""stop[1]" is 5; expected a string"#),
    ] {
        let fault = read(body).unwrap_err().to_string();
        assert!(fault.starts_with(words), "{fault}");
    }
}

#[test]
fn an_answer_is_a_text_completion() {
    let mut losses = Vec::new();
    let body: Value = serde_json::from_slice(&written(&sample(Stop::Sequence(None)), &told(None, false), &mut losses)).unwrap();
    let logprobs = json!({"tokens": ["ok"], "token_logprobs": [-0.01], "top_logprobs": [{"ok": -0.01}], "text_offset": [0]});
    assert_eq!(
        body,
        json!({"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "gpt-5.4",
            "choices": [{"text": "ok", "index": 0, "logprobs": logprobs, "finish_reason": "stop"},
                {"text": "nope", "index": 1, "logprobs": null, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3}}})
    );
    assert_eq!(losses.iter().map(|loss| &*loss.path).collect::<Vec<_>>(), ["reasoning"]);
}

#[test]
fn a_stream_says_what_the_answer_says() {
    for echo in [None, Some("Say é: ")] {
        let answer = sample(Stop::Filtered(None));
        let (chunks, done, losses) = stream(&answer, told(echo, true));
        assert!(done);
        assert_eq!(losses.len(), 1);
        let whole: Value = serde_json::from_slice(&written(&answer, &told(echo, true), &mut Vec::new())).unwrap();
        for choice in whole["choices"].as_array().unwrap() {
            let of_choice =
                || chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap()).filter(|one| one["index"] == choice["index"]);
            assert_eq!(of_choice().map(|one| one["text"].as_str().unwrap()).collect::<String>(), choice["text"].as_str().unwrap());
            assert_eq!(of_choice().next_back().unwrap()["finish_reason"], choice["finish_reason"]);
            let probable: Vec<&Value> = of_choice().map(|one| &one["logprobs"]).filter(|logprobs| !logprobs.is_null()).collect();
            assert!(probable.iter().all(|logprobs| **logprobs == choice["logprobs"]), "{probable:?}");
        }
        let last = chunks.last().unwrap();
        assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
        assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["usage"].is_null() && chunk["id"] == "cmpl-1"));
    }
    let (chunks, _, _) = stream(&sample(Stop::End), told(None, false));
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn a_fault_ends_a_stream_without_its_marker() {
    let (mut lower, mut frames, mut losses) = (Chunks::new(told(None, true)), Frames::new(Wire::Sse), Vec::new());
    let fault = StreamFault { status: Some(429), code: Some("slow_down".into()), message: "Slow.".into() };
    lower.push(&Event::Fault(fault), &mut frames, &mut losses);
    assert_eq!(
        String::from_utf8(frames.take()).unwrap(),
        "data: {\"error\":{\"message\":\"Slow.\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"slow_down\"}}\n\n"
    );
}

#[test]
fn a_blocked_prompt_still_has_a_first_choice() {
    let answer = Answer { choices: Vec::new(), id: "".into(), model: "".into(), created: None, usage: None, ..sample(Stop::End) };
    let body: Value = serde_json::from_slice(&written(&answer, &told(None, false), &mut Vec::new())).unwrap();
    assert_eq!(
        body,
        json!({"id": "cmpl-r9", "object": "text_completion", "created": 9, "model": "m-1",
            "choices": [{"text": "", "index": 0, "logprobs": null, "finish_reason": "content_filter"}]})
    );
}
