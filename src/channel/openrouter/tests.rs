use crate::{
    channel::contract::{channel, key, post, received, sent},
    protocol::{Operation as O, OperationKind as K},
};

#[test]
fn every_dialect_goes_with_the_bearer_key() {
    let openrouter = channel("openrouter", "{}");
    for (kind, path) in
        [(K::OpenAiChatCompletions, "/v1/chat/completions"), (K::OpenAiResponses, "/v1/responses"), (K::ClaudeMessages, "/v1/messages")]
    {
        let (_, uri, headers, _) = sent(&openrouter, &post(key(O::GenerateContent, kind), path, "{}"));
        assert_eq!(uri.to_string(), format!("https://openrouter.ai/api{path}"));
        assert_eq!(headers["authorization"], "Bearer credential-0f7c");
    }
}

#[test]
fn lists_and_errors_are_brought_to_the_dialects_shape() {
    let openrouter = channel("openrouter", "{}");
    for (operation, kind, body, wanted) in [
        (
            O::ListModels,
            K::OpenAi,
            r#"{"data":[{"id":"a/b","created":7}]}"#,
            r#"{"object":"list","data":[{"object":"model","owned_by":"a","id":"a/b","created":7}]}"#,
        ),
        (
            O::GenerateContent,
            K::OpenAiChatCompletions,
            r#"{"error":{"message":"no","code":402},"user_id":"u"}"#,
            r#"{"error":{"type":"insufficient_quota","message":"no","code":"402"},"user_id":"u"}"#,
        ),
        (O::GenerateContent, K::OpenAiChatCompletions, r#"{"error":{"code":"x"}}"#, r#"{"error":{"code":"x"}}"#),
        (O::GenerateContent, K::ClaudeMessages, r#"{"error":{"code":402}}"#, r#"{"error":{"code":402}}"#),
    ] {
        assert_eq!(received(&openrouter, key(operation, kind), "application/json", body), wanted);
    }
}
