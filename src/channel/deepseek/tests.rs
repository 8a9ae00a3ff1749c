use crate::{
    channel::contract::{channel, key, post, received, sent},
    protocol::{Operation as O, OperationKind as K},
};

#[test]
fn chat_goes_without_what_it_refuses() {
    let deepseek = channel("deepseek", "{}");
    let chat = key(O::GenerateContent, K::OpenAiChatCompletions);
    for (body, wanted) in [
        (r#"{"model":"m","n":2,"seed":1,"user":"u","store":false}"#, r#"{"model":"m"}"#),
        (r#"{"max_completion_tokens":9,"temperature":1.0}"#, r#"{"max_tokens":9,"temperature":1.0}"#),
        (r#"{"max_completion_tokens":9,"max_tokens":90000}"#, r#"{"max_tokens":90000}"#),
        (
            r#"{"messages":[{"content":"a","role":"developer"},{"role":"user", "content":"b"}]}"#,
            r#"{"messages":[{"content":"a","role":"system"},{"role":"user", "content":"b"}]}"#,
        ),
        (r#"{"extra_body":{"thinking":{"type":"adaptive"},"k":1}}"#, r#"{"thinking":{"type":"enabled"}}"#),
        (r#"{"thinking":{"type":"disabled","x":1}}"#, r#"{"thinking":{"type":"disabled"}}"#),
        (r#"{"thinking":true,"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":1,"tools":[{"type":"custom","custom":{}}],"tool_choice":"required"}"#, r#"{"a":1,"tool_choice":"none"}"#),
        (
            r#"{"tools":[{"type":"x"},{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools"}}"#,
            r#"{"tools":[{"type":"function","function":{"name":"f"}}]}"#,
        ),
    ] {
        assert_eq!(sent(&deepseek, &post(chat, "/v1/chat/completions", body)).3, wanted, "{body}");
    }
}

#[test]
fn claude_has_a_path_and_a_key_of_its_own() {
    for base in ["https://api.deepseek.com", "https://api.deepseek.com/v1", "https://api.deepseek.com/anthropic"] {
        let deepseek = channel("deepseek", &format!("{{\"base_url\":\"{base}\"}}"));
        let call = post(key(O::GenerateContent, K::ClaudeMessages), "/v1/messages", r#"{"n":1}"#);
        let (_, uri, headers, body) = sent(&deepseek, &call);
        assert_eq!(uri, "https://api.deepseek.com/anthropic/v1/messages");
        assert_eq!(headers["x-api-key"], "credential-0f7c");
        assert_eq!(body, r#"{"n":1}"#);
    }
}

#[test]
fn its_own_reason_and_cache_hits_are_told_as_openai_tells_them() {
    let deepseek = channel("deepseek", "{}");
    let chat = key(O::StreamGenerateContent, K::OpenAiChatCompletions);
    let body = r#"{"id":"1","choices":[{"index":0,"finish_reason":"insufficient_system_resource"}],"usage":{"prompt_cache_hit_tokens":3,"prompt_tokens":9}}"#;
    let wanted = r#"{"id":"1","choices":[{"index":0,"finish_reason":"length"}],"usage":{"prompt_tokens_details":{"cached_tokens":3},"prompt_cache_hit_tokens":3,"prompt_tokens":9}}"#;
    assert_eq!(received(&deepseek, chat, "application/json", body), wanted);
    assert_eq!(
        received(&deepseek, chat, "text/event-stream", &format!("data: {body}\n\ndata: [DONE]\n\n")),
        format!("data: {wanted}\n\ndata: [DONE]\n\n")
    );
}
