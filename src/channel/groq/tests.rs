use crate::{
    channel::contract::{channel, key, post, sent},
    protocol::{Operation as O, OperationKind as K},
};

#[test]
fn requests_go_without_what_it_refuses() {
    let groq = channel("groq", "{}");
    let chat = key(O::GenerateContent, K::OpenAiChatCompletions);
    let responses = key(O::StreamGenerateContent, K::OpenAiResponses);
    for (key, path, body, wanted) in [
        (chat, "/v1/chat/completions", r#"{"n":3,"logprobs":true,"top_logprobs":2,"logit_bias":{}}"#, r#"{"n":1}"#),
        (chat, "/v1/chat/completions", r#"{"messages":[{"name":"x","role":"user"}]}"#, r#"{"messages":[{"role":"user"}]}"#),
        (chat, "/v1/chat/completions", r#"{"tools":[{"type":"custom"}],"tool_choice":"auto","a":1}"#, r#"{"a":1}"#),
        (responses, "/v1/responses", r#"{"store":true,"include":[],"previous_response_id":"r"}"#, r#"{"store":false}"#),
        (
            responses,
            "/v1/responses",
            r#"{"tools":[{"type":"web_search"},{"type":"function","name":"f"}]}"#,
            r#"{"tools":[{"type":"function","name":"f"}]}"#,
        ),
    ] {
        let (_, uri, headers, out) = sent(&groq, &post(key, path, body));
        assert_eq!(uri.to_string(), format!("https://api.groq.com/openai{path}"));
        assert_eq!(headers["authorization"], "Bearer credential-0f7c");
        assert_eq!(out, wanted, "{body}");
    }
}
