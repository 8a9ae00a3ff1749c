//! What was lifted is lowered as it was; a stream says what its answer says.

use serde_json::Value;

use super::{
    super::super::{
        Dialect, Wire,
        event::Event,
        frames::Frames,
        spoke::spoke,
        testing::{fold_stream, lift_stream, lower_stream, value},
    },
    events, fixture, lift, lift_answer, lower, lower_answer, scenarios, telling,
};

#[test]
fn a_request_comes_back_as_it_was() {
    for (name, folder) in scenarios() {
        let body = std::fs::read_to_string(folder.join("request.json")).unwrap();
        let (back, losses) = lower(&lift(&body));
        assert_eq!(back, value(body.as_bytes()), "{name}");
        assert_eq!(losses, [], "{name}");
    }
}

#[test]
fn numbers_that_nobody_reads_keep_their_digits() {
    let body = fixture("unknown_fields/request.json");
    let mut losses = Vec::new();
    let back = spoke(Dialect::Responses).lower_request(&lift(&body), super::Target::default(), &mut losses).unwrap();
    assert_eq!(String::from_utf8(back).unwrap().matches("1.50").count(), 3);
}

#[test]
fn an_answer_comes_back_as_it_was() {
    for (name, folder) in scenarios() {
        let body = std::fs::read_to_string(folder.join("answer.json")).unwrap();
        let (back, losses) = lower_answer(&lift_answer(&body));
        assert_eq!(back, value(body.as_bytes()), "{name}");
        assert_eq!(losses, [], "{name}");
    }
}

#[test]
fn a_stream_says_what_its_answer_says() {
    for (name, folder) in scenarios() {
        let stream = std::fs::read(folder.join("stream.sse")).unwrap();
        let body = std::fs::read_to_string(folder.join("answer.json")).unwrap();
        let folded = fold_stream(Dialect::Responses, &stream).unwrap();
        let whole = lift_answer(&body);
        let (mut one, _) = lower_answer(&folded);
        let (other, _) = lower_answer(&whole);
        if let Some(unknown) = other.get("x_new") {
            one["x_new"] = unknown.clone();
        }
        assert_eq!(one, other, "{name}");
        assert_eq!(folded.choices.len(), 1, "{name}");
        assert_eq!(folded.choices[0].stop, whole.choices[0].stop, "{name}");
        assert_eq!(folded.usage, whole.usage, "{name}");
    }
}

#[test]
fn any_chunking_gives_the_same_events() {
    for (name, folder) in scenarios() {
        let stream = std::fs::read(folder.join("stream.sse")).unwrap();
        let of = |size: usize| {
            let mut all = Vec::new();
            lift_stream(Dialect::Responses, &stream, size, &mut |event| all.push(format!("{event:?}")));
            all
        };
        let whole = of(usize::MAX);
        for size in [1, 3, 17, 256] {
            assert_eq!(of(size), whole, "{name} in chunks of {size}");
        }
    }
}

/// Events without what differs by right: padding, and the halves of one text.
fn normal(stream: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for mut event in events(stream) {
        let fields = event.as_object_mut().unwrap();
        fields.remove("obfuscation");
        fields.remove("sequence_number");
        let is_delta = fields.contains_key("delta");
        if fields["type"] == "response.output_item.added" {
            // What an item holds at its beginning is the provider's choice.
            fields["item"] = fields["item"]["id"].clone();
        }
        match all.last_mut() {
            Some(last) if is_delta && last["type"] == event["type"] => {
                let joined = format!("{}{}", last["delta"].as_str().unwrap(), event["delta"].as_str().unwrap());
                last["delta"] = joined.into();
                if event["logprobs"].as_array().is_some_and(|list| !list.is_empty()) {
                    last["logprobs"] = event["logprobs"].clone();
                }
            }
            _ => all.push(event),
        }
    }
    all
}

#[test]
fn a_stream_comes_back_as_it_was() {
    for (name, folder) in scenarios() {
        // Code is told when the item is done: the steps before it are not kept.
        if matches!(&*name, "code_execution" | "web_search" | "unknown_fields") {
            continue;
        }
        let stream = std::fs::read_to_string(folder.join("stream.sse")).unwrap();
        let mut lower = spoke(Dialect::Responses).lowerer(&telling());
        let (mut frames, mut losses) = (Frames::new(Wire::Sse), Vec::new());
        lift_stream(Dialect::Responses, stream.as_bytes(), usize::MAX, &mut |event| lower.push(event, &mut frames, &mut losses));
        let back = String::from_utf8(frames.take()).unwrap();
        assert_eq!(normal(&back), normal(&stream), "{name}");
        let numbers: Vec<_> = events(&back).iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "{name}");
        assert_eq!(losses, [], "{name}");
    }
}

#[test]
fn folding_twice_changes_nothing() {
    for (name, folder) in scenarios() {
        let stream = std::fs::read(folder.join("stream.sse")).unwrap();
        let once = fold_stream(Dialect::Responses, &stream).unwrap();
        let (written, losses) = lower_stream(Dialect::Responses, &once, &telling());
        let twice = fold_stream(Dialect::Responses, written.as_bytes()).unwrap();
        assert_eq!(lower_answer(&once).0, lower_answer(&twice).0, "{name}");
        assert_eq!(losses, [], "{name}");
    }
}

#[test]
fn a_stream_that_breaks_ends_with_the_providers_words() {
    let stream = fixture("errors/stream_error.sse");
    let mut lower = spoke(Dialect::Responses).lowerer(&telling());
    let (mut frames, mut losses) = (Frames::new(Wire::Sse), Vec::new());
    let mut faults = 0;
    lift_stream(Dialect::Responses, stream.as_bytes(), usize::MAX, &mut |event| {
        faults += usize::from(matches!(event, Event::Fault(_)));
        lower.push(event, &mut frames, &mut losses);
    });
    assert_eq!(faults, 1);
    let written = events(&String::from_utf8(frames.take()).unwrap());
    let last = written.last().unwrap();
    let error = &last["response"]["error"];
    assert_eq!((last["type"].as_str(), error["code"].as_str()), (Some("response.failed"), Some("server_error")));
    assert_eq!(error["message"], "The server had an error while processing your request.");
    assert_eq!(last["sequence_number"], written.len() as u64 - 1);
    assert!(!written.iter().any(|event| event["type"] == "response.completed"));
}
