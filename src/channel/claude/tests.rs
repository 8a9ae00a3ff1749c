use http::Method;

use crate::{
    channel::contract::{Call, channel, get, key, platform, post, received, sent},
    channel::{build, find},
    protocol::{Operation as O, OperationKind as K},
};

#[test]
fn the_prelude_stands_first_and_the_rest_keeps_its_bytes() {
    let claude = channel("claude", r#"{"anthropic_prelude_text":"P"}"#);
    let messages = key(O::GenerateContent, K::ClaudeMessages);
    for (body, wanted) in [
        (r#"{"model":"m"}"#, r#"{"system":"P","model":"m"}"#),
        (r#"{"system":"a\n","max_tokens":1}"#, r#"{"system":[{"text":"P","type":"text"},{"type":"text","text":"a\n"}],"max_tokens":1}"#),
        (
            r#"{"system":[{"type":"text","cache_control":{"type":"ephemeral"},"text":"a"}]}"#,
            r#"{"system":[{"text":"P","type":"text"},{"type":"text","cache_control":{"type":"ephemeral"},"text":"a"}]}"#,
        ),
    ] {
        assert_eq!(sent(&claude, &post(messages, "/v1/messages", body)).3, wanted);
    }
    let count = post(key(O::CountTokens, K::Claude), "/v1/messages/count_tokens", r#"{"model":"m"}"#);
    assert_eq!(sent(&claude, &count).3, r#"{"model":"m"}"#);
}

#[test]
fn betas_are_merged_once_each_and_the_query_grows() {
    for settings in [
        r#"{"anthropic_append_beta_query":true,"anthropic_extra_beta_headers":["b-2","b-3"]}"#,
        r#"{"anthropic_append_beta_query":"true","extra_beta_headers":"b-2, b-3"}"#,
    ] {
        let claude = channel("anthropic", settings);
        let headers = &[("anthropic-beta", "b-1,B-2"), ("anthropic-version", "2024-01-01")];
        let messages = key(O::StreamGenerateContent, K::ClaudeMessages);
        let call = Call { key: messages, method: Method::POST, path: "/v1/messages?x=1", headers, body: "{}" };
        let (_, uri, headers, _) = sent(&claude, &call);
        assert_eq!(uri, "https://api.anthropic.com/v1/messages?x=1&beta=true");
        assert_eq!(headers["anthropic-beta"], "b-1,B-2,b-3");
        assert_eq!(headers["anthropic-version"], "2024-01-01");
        assert_eq!(headers["x-api-key"], "credential-0f7c");
    }
    let fault = build(find("claude").unwrap(), r#"{"anthropic_append_beta_query":"maybe"}"#, &platform()).unwrap_err();
    assert_eq!(fault.path, "anthropic_append_beta_query");
}

#[test]
fn openai_chat_goes_with_a_bearer_key_and_models_with_the_native_one() {
    let claude = channel("anthropic", r#"{"anthropic_append_beta_query":true,"anthropic_extra_beta_headers":"b"}"#);
    let (_, uri, headers, _) = sent(&claude, &post(key(O::GenerateContent, K::OpenAiChatCompletions), "/v1/chat/completions", "{}"));
    assert_eq!(uri, "https://api.anthropic.com/v1/chat/completions");
    assert_eq!(headers["authorization"], "Bearer credential-0f7c");
    assert!(!headers.contains_key("x-api-key") && !headers.contains_key("anthropic-beta"));
    let list = key(O::ListModels, K::OpenAi);
    assert_eq!(sent(&claude, &get(list, "/v1/models")).2["anthropic-version"], "2023-06-01");
    let answer = received(&claude, list, "application/json", r#"{"data":[{"type":"model","id":"c"}],"has_more":false}"#);
    assert_eq!(
        answer,
        r#"{"object":"list","data":[{"object":"model","created":0,"owned_by":"","type":"model","id":"c"}],"has_more":false}"#
    );
    let own = r#"{"data":[{"type":"model","id":"c"}]}"#;
    assert_eq!(received(&claude, key(O::ListModels, K::Claude), "application/json", own), own);
}
