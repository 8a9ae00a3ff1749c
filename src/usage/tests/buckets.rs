//! How each provider's numbers become disjoint buckets.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn check(operation: Operation, kind: OperationKind, cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let metered = whole(key(operation, kind), body);
        assert_eq!(show(metered.usage.as_ref()), *expected, "{body}");
        assert!(metered.ended_well, "{body}");
    }
}

#[test]
fn chat_includes_cache_and_reasoning() {
    check(
        Operation::GenerateContent,
        OperationKind::OpenAiChatCompletions,
        &[
            ("{}", "none"),
            (r#"{"usage":null}"#, "none"),
            (r#"{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#, ""),
            (r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#, "input=10 output=5"),
            (
                r#"{"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}}"#,
                "input=10 cache_read=60 cache_write_30m=30 output=30 reasoning=20",
            ),
            (
                r#"{"usage":{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":40,"image_tokens":10,"cached_tokens":60},"completion_tokens_details":{"audio_tokens":45,"text_tokens":5}}}"#,
                "input.audio=40 cache_read=50 cache_read.image=10 output=5 output.audio=45",
            ),
            // DeepSeek: hits and misses; Groq: usage in its own member; Moonshot: usage in the choice.
            (
                r#"{"usage":{"prompt_tokens":30,"completion_tokens":1,"prompt_cache_hit_tokens":20,"prompt_cache_miss_tokens":10}}"#,
                "input=10 cache_read=20 output=1",
            ),
            (
                r#"{"usage":{"completion_tokens":1,"prompt_cache_hit_tokens":20,"prompt_cache_miss_tokens":10}}"#,
                "input=10 cache_read=20 output=1",
            ),
            (
                r#"{"x_groq":{"id":"x","usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"total_time":0.5}}}"#,
                "input=7 output=2",
            ),
            (r#"{"choices":[{"usage":{"prompt_tokens":7,"completion_tokens":2,"cached_tokens":5}}]}"#, "input=2 cache_read=5 output=2"),
            // Reasoning beside the answer, as the total proves; reasoning that only the total knows; cache beside the prompt.
            (
                r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}}"#,
                "input=10 output=5 reasoning=20",
            ),
            (r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35}}"#, "input=10 output=5 reasoning=20"),
            (
                r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"prompt_tokens_details":{"cached_tokens":7}}}"#,
                "input=10 cache_read=7 output=5",
            ),
            // Nonsense stays at zero or above.
            (
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":9},"completion_tokens_details":{"reasoning_tokens":8}}}"#,
                "cache_read=9 reasoning=3",
            ),
            (r#"{"usage":{"prompt_tokens":-5,"completion_tokens":"3","total_tokens":null}}"#, ""),
            (r#"{"usage":{"prompt_tokens":12.0,"completion_tokens":1.5e1}}"#, "input=12 output=15"),
            (r#"{"usage":"none","metadata":{"usage":{"prompt_tokens":5}}}"#, "none"),
        ],
    );
}

#[test]
fn responses_tell_tools_apart() {
    check(
        Operation::GenerateContent,
        OperationKind::OpenAiResponses,
        &[
            (
                r#"{"status":"completed","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64,"cache_write_tokens":6},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":15},"total_tokens":120}}"#,
                "input=30 cache_read=64 cache_write_30m=6 output=5 reasoning=15",
            ),
            (
                r#"{"output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call","action":{"type":"open_page"}},{"type":"web_search_call"}],"usage":{"input_tokens":1,"output_tokens":1}}"#,
                "input=1 output=1 searches=2",
            ),
            (
                r#"{"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2},"tool_usage":{"image_gen":{"input_tokens":30,"input_tokens_details":{"image_tokens":20,"text_tokens":10},"output_tokens":200,"total_tokens":230},"web_search":{"num_requests":3}}}"#,
                "input=11 input.image=20 output=1 output.image=200 searches=3",
            ),
        ],
    );
    check(
        Operation::CompactContent,
        OperationKind::OpenAi,
        &[(r#"{"object":"response.compaction","usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}"#, "input=9 output=4")],
    );
}

#[test]
fn claude_excludes_the_cache_and_lists_turns() {
    check(
        Operation::GenerateContent,
        OperationKind::ClaudeMessages,
        &[
            (
                r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":9,"output_tokens_details":{"thinking_tokens":4},"server_tool_use":{"web_search_requests":2}}}"#,
                "input=10 cache_read=40 cache_write_5m=20 cache_write_1h=10 output=5 reasoning=4 searches=2",
            ),
            (r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"output_tokens":9}}"#, "input=10 cache_write_5m=30 output=9"),
            (
                r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":null,"cache_creation":null,"output_tokens":9}}"#,
                "input=10 output=9",
            ),
            // The totals leave out a compaction; the turns do not.
            (
                r#"{"usage":{"input_tokens":10,"output_tokens":9,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":20,"cache_read_input_tokens":5},{"type":"message","input_tokens":10,"output_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":3},"cache_creation_input_tokens":3}]}}"#,
                "input=110 cache_read=5 cache_write_1h=3 output=29",
            ),
        ],
    );
}

#[test]
fn gemini_includes_the_cache_and_tells_thoughts_and_tools_beside() {
    check(
        Operation::GenerateContent,
        OperationKind::GeminiGenerateContent,
        &[
            (r#"{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}"#, "input=10 output=5"),
            (
                r#"{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":8,"totalTokenCount":120}}"#,
                "input=48 cache_read=60 output=5 reasoning=7",
            ),
            (
                r#"{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":50,"promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"tokenCount":70,"modality":"AUDIO"},{"modality":"DOCUMENT","tokenCount":10}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":45},{"modality":"TEXT","tokenCount":5}],"candidatesTokenCount":30,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":30}],"totalTokenCount":130}}"#,
                "input=25 input.audio=25 cache_read=5 cache_read.audio=45 output.image=30",
            ),
            // The answer's tokens are left out where only the total has them.
            (r#"{"usageMetadata":{"promptTokenCount":10,"totalTokenCount":14}}"#, "input=10 output=4"),
        ],
    );
    check(
        Operation::BatchCreateEmbedding,
        OperationKind::Gemini,
        &[
            (r#"{"embeddings":[{"values":[0.1,-2e-3]}],"usageMetadata":{"promptTokenCount":6}}"#, "input=6"),
            (r#"{"embeddings":[]}"#, "none"),
        ],
    );
    check(
        Operation::Predict,
        OperationKind::Gemini,
        &[
            (
                r#"{"predictions":[{"embeddings":{"statistics":{"truncated":false,"token_count":6},"values":[1]}},{"embeddings":{"statistics":{"token_count":4}}}]}"#,
                "input=10",
            ),
            (r#"{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"AAAA"},{"bytesBase64Encoded":"BB"}]}"#, "images=2"),
        ],
    );
}

#[test]
fn other_calls_are_metered_by_what_they_tell() {
    let image = r#"{"data":[{"b64_json":"AA"},{"b64_json":"BB"}],"usage":{"input_tokens":50,"output_tokens":1000,"total_tokens":1050}}"#;
    let told = r#"{"data":[{"b64_json":"AA"}],"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":1000,"total_tokens":1050}}"#;
    for (operation, body, expected) in [
        (
            Operation::CreateEmbedding,
            r#"{"data":[{"embedding":[0.5,1]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            "input=8",
        ),
        (Operation::CreateImage, image, "input=50 output.image=1000"),
        (Operation::EditImage, image, "input.image=50 output.image=1000"),
        (Operation::EditImage, told, "input=10 input.image=40 output.image=1000"),
        (Operation::CreateImage, r#"{"created":1,"data":[{"url":"u","revised_prompt":"p"},{"url":"v"}]}"#, "images=2"),
        (
            Operation::CreateTranscription,
            r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":3,"total_tokens":17}}"#,
            "input=4 input.audio=10 output=3",
        ),
        (Operation::CreateTranscription, r#"{"text":"hi","usage":{"type":"duration","seconds":9.25}}"#, "millis=9250"),
        (Operation::CreateTranslation, r#"{"task":"translate","duration":8.470000267028809,"text":"hi"}"#, "millis=8470"),
        (Operation::CreateTranscription, r#"{"duration":"8.4","text":"hi"}"#, "millis=8400"),
        (Operation::Rerank, r#"{"results":[],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":2}}}"#, "searches=2"),
        (Operation::Rerank, r#"{"model":"r","usage":{"total_tokens":77},"results":[]}"#, "input=77"),
        (Operation::CreateVideo, r#"{"id":"v","object":"video","seconds":"8","size":"720x1280"}"#, "millis=8000"),
        (Operation::WebSearch, r#"{"results":[{"url":"u"}]}"#, "searches=1"),
        (Operation::CreateModeration, r#"{"id":"m","results":[{"flagged":false}]}"#, "none"),
        (
            Operation::CreateCompletion,
            r#"{"choices":[{"text":"hi","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}"#,
            "input=2 output=1",
        ),
    ] {
        check(operation, OperationKind::OpenAi, &[(body, expected)]);
    }
}

#[test]
fn sound_and_subtitles_are_no_broken_json() {
    for (operation, well, text) in
        [(Operation::CreateSpeech, true, 0), (Operation::CreateTranscription, true, 4), (Operation::CreateEmbedding, false, 0)]
    {
        let metered = whole(key(operation, OperationKind::OpenAi), "\u{1}ID3");
        assert_eq!((metered.ended_well, metered.relayed_text_bytes, metered.usage), (well, text, None), "{operation}");
    }
}

#[test]
fn a_body_too_large_to_keep_is_read_by_its_ends() {
    let picture = "A".repeat(5 << 20);
    let body = format!(
        r#"{{"model":"gpt-image","created":1,"data":[{{"b64_json":"{picture}"}},{{"b64_json":"{picture}"}}],"usage":{{"input_tokens":5,"output_tokens":7,"total_tokens":12}}}}"#
    );
    let key = key(Operation::CreateImage, OperationKind::OpenAi);
    for size in [body.len(), 70_001] {
        let (passed, metered) = pass(Meter::new(key, Shape::Whole), body.as_bytes().chunks(size));
        assert!(passed == body.as_bytes());
        assert_eq!(show(metered.usage.as_ref()), "input=5 output.image=7");
        assert_eq!((metered.model.as_deref(), metered.ended_well), (Some("gpt-image"), true));
    }
    let bare = &body[..body.rfind(",\"usage\"").unwrap()];
    // At every place of the mark a chunk may end.
    let mark = bare.rfind("\"b64_json\"").unwrap();
    for cut in mark..mark + 11 {
        let (_, metered) =
            pass(Meter::new(key, Shape::Whole), [&bare.as_bytes()[..cut], &bare.as_bytes()[cut..=cut], &bare.as_bytes()[cut + 1..], b"}"]);
        assert_eq!((show(metered.usage.as_ref()).as_str(), metered.ended_well), ("images=2", true), "{cut}");
    }
}

#[test]
fn a_realtime_session_adds_its_responses_up() {
    let mut meter = Meter::new(key(Operation::ConnectRealtime, OperationKind::OpenAi), Shape::Whole);
    let done = r#"{"type":"response.done","response":{"usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10,"input_token_details":{"text_tokens":5,"audio_tokens":15,"cached_tokens":8,"cached_tokens_details":{"text_tokens":2,"audio_tokens":6}},"output_token_details":{"text_tokens":1,"audio_tokens":9}}}}"#;
    for (message, well) in [
        (r#"{"type":"session.created"}"#, true),
        (r#"{"type":"response.created","response":{}}"#, false),
        (r#"{"type":"response.output_audio.delta","delta":"AAAA"}"#, false),
        (r#"{"type":"response.output_text.delta","delta":"hello"}"#, false),
        (done, true),
        (done, true),
        (r#"{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"duration","seconds":2}}"#, true),
        ("no json", true),
    ] {
        assert_eq!(meter.message(message.as_bytes()), message.contains("response.done"), "the end of an answer is told");
        assert_eq!(meter.ended_well(), well, "{message}");
    }
    let metered = meter.finish();
    assert_eq!(
        show(metered.usage.as_ref()),
        "input=6 input.audio=18 cache_read=4 cache_read.audio=12 output=2 output.audio=18 millis=2000"
    );
    assert_eq!(metered.relayed_text_bytes, 5);
}

#[test]
fn responses_over_a_websocket_end_with_their_terminal_message() {
    let mut meter = Meter::new(streamed(OperationKind::OpenAiResponsesWebSocket), Shape::Whole);
    assert!(!meter.message(br#"{"type":"response.output_text.delta","delta":"hi"}"#));
    assert!(meter.message(
        br#"{"type":"response.completed","response":{"model":"m","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}"#
    ));
    let metered = meter.finish();
    assert_eq!((show(metered.usage.as_ref()).as_str(), metered.ended_well, metered.relayed_text_bytes), ("input=1 output=2", true, 2));
}

/// Parts of a total, and a total that holds them.
fn part_of(total: u64) -> impl Strategy<Value = u64> {
    0..=total
}

fn openai_usage() -> impl Strategy<Value = Value> {
    (0..5000_u64, 0..5000_u64, any::<bool>())
        .prop_flat_map(|(prompt, answer, chat)| {
            (Just((prompt, answer, chat)), part_of(prompt), part_of(answer), part_of(prompt), part_of(answer))
        })
        .prop_flat_map(|(sides, cached, reasoning, audio, spoken)| {
            (Just((sides, cached, reasoning, audio, spoken)), part_of(sides.0 - cached))
        })
        .prop_map(|(((prompt, answer, chat), cached, reasoning, audio, spoken), written)| {
            let (into, out) = if chat { ("prompt", "completion") } else { ("input", "output") };
            json!({
                format!("{into}_tokens"): prompt, format!("{out}_tokens"): answer, "total_tokens": prompt + answer,
                format!("{into}_tokens_details"): {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio},
                format!("{out}_tokens_details"): {"reasoning_tokens": reasoning, "audio_tokens": spoken},
            })
        })
}

fn gemini_usage() -> impl Strategy<Value = Value> {
    (0..5000_u64, 0..5000_u64, 0..500_u64, 0..500_u64)
        .prop_flat_map(|numbers| (Just(numbers), part_of(numbers.0), part_of(numbers.0), part_of(numbers.0), part_of(numbers.1)))
        .prop_map(|((prompt, answer, thoughts, tool), cached, image, cached_image, drawn)| {
            json!({
                "promptTokenCount": prompt, "candidatesTokenCount": answer, "thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": tool,
                "cachedContentTokenCount": cached, "totalTokenCount": prompt + answer + thoughts + tool,
                "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": image}],
                "cacheTokensDetails": [{"modality": "IMAGE", "tokenCount": cached_image.min(cached)}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": drawn}],
            })
        })
}

/// Usage objects with any members at all, true or nonsense.
fn any_usage() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "prompt_tokens",
        "input_tokens",
        "completion_tokens",
        "output_tokens",
        "total_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "audio_tokens",
        "prompt_tokens_details",
        "input_tokens_details",
        "output_tokens_details",
        "cache_creation",
        "iterations",
        "ephemeral_1h_input_tokens",
        "cache_creation_input_tokens",
        "promptTokenCount",
        "cachedContentTokenCount",
        "totalTokenCount",
        "promptTokensDetails",
        "modality",
        "tokenCount",
    ]);
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!("AUDIO")),
        Just(Value::Null)
    ];
    leaf.prop_recursive(4, 30, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn the_buckets_of_openai_sum_to_its_total(usage in openai_usage()) {
        for kind in [OperationKind::OpenAiChatCompletions, OperationKind::OpenAiResponses] {
            let metered = whole(key(Operation::GenerateContent, kind), &json!({"usage": usage}).to_string());
            prop_assert_eq!(metered.usage.unwrap().total(), usage["total_tokens"].as_u64().unwrap());
        }
    }

    #[test]
    fn the_buckets_of_gemini_sum_to_its_total(usage in gemini_usage()) {
        let metered = whole(key(Operation::GenerateContent, OperationKind::GeminiGenerateContent), &json!({"usageMetadata": usage}).to_string());
        let read = metered.usage.unwrap();
        prop_assert_eq!(read.total(), usage["totalTokenCount"].as_u64().unwrap());
        prop_assert_eq!(read.bucket(Bucket::CacheRead), usage["cachedContentTokenCount"].as_u64().unwrap());
    }

    #[test]
    fn no_usage_object_breaks_the_meter(usage in any_usage(), operation in prop::sample::select(Operation::ALL.to_vec())) {
        for kind in OperationKind::ALL {
            let Some(key) = OperationKey::new(operation, *kind) else { continue };
            for body in [json!({"usage": usage, "tool_usage": usage, "meta": usage}), json!({"response": {"usage": usage}}), json!({"usageMetadata": usage})] {
                if let Some(usage) = whole(key, &body.to_string()).usage {
                    prop_assert!(usage.total() < u64::MAX / 2);
                }
            }
        }
    }
}
