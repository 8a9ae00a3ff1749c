use crate::{
    channel::contract::{channel, key, platform, post, sent, uphold_channel_contract},
    channel::{build, find},
    protocol::{Operation as O, OperationKind as K},
};

#[test]
fn each_family_has_its_prefix_and_its_proof() {
    let custom = channel(
        "custom",
        r#"{"base_url":"https://x.test/v1/","prefixes":{"claude":"/anthropic","gemini":"/g/v1beta"},"headers":{"x-team":"t","x-api-key":"no"}}"#,
    );
    for (kind, path, uri, header, value) in [
        (K::OpenAiChatCompletions, "/v1/chat/completions", "https://x.test/v1/chat/completions", "authorization", "Bearer credential-0f7c"),
        (K::ClaudeMessages, "/v1/messages", "https://x.test/v1/anthropic/v1/messages", "x-api-key", "credential-0f7c"),
        (
            K::GeminiGenerateContent,
            "/v1beta/models/m:generateContent",
            "https://x.test/v1/g/v1beta/models/m:generateContent",
            "x-goog-api-key",
            "credential-0f7c",
        ),
    ] {
        let (_, out, headers, _) = sent(&custom, &post(key(O::GenerateContent, kind), path, "{}"));
        assert_eq!(out, uri);
        assert_eq!(headers[header], value);
        assert_eq!(headers["x-team"], "t");
    }
    uphold_channel_contract("custom", r#"{"prefixes":{"claude":"/a"},"headers":{"x-team":"t"}}"#);
}

#[test]
fn dialects_say_what_is_served() {
    for (dialects, chat, responses, messages, models) in [
        (r#"["openai_chat"]"#, true, false, false, true),
        (r#"["openai"]"#, true, true, false, true),
        (r#"["claude_messages","open_ai_responses"]"#, false, true, true, true),
        (r#"["claude"]"#, false, false, true, false),
    ] {
        let custom = channel("custom", &format!("{{\"base_url\":\"https://x.test\",\"dialects\":{dialects}}}"));
        let serves = |kind| custom.serves(key(O::GenerateContent, kind));
        let wanted = (chat, responses, messages, models);
        let models = custom.serves(key(O::ListModels, K::OpenAi));
        assert_eq!((serves(K::OpenAiChatCompletions), serves(K::OpenAiResponses), serves(K::ClaudeMessages), models), wanted, "{dialects}");
    }
}

#[test]
fn masks_take_out_what_they_name_where_they_fit() {
    let custom = channel(
        "custom",
        r#"{"base_url":"https://x.test","mask_table":{"rules":[
            {"method":"post","path":"/v1/chat/*","remove_fields":["store","messages.*.name"]},
            {"path":"/v1/responses","remove_fields":["*"]},
            {"method":"GET","remove_fields":["model"]}]}}"#,
    );
    for (kind, path, body, wanted) in [
        (
            K::OpenAiChatCompletions,
            "/v1/chat/completions",
            r#"{"model":"m","store":true,"messages":[{"name":"x","role":"user"}]}"#,
            r#"{"model":"m","messages":[{"role":"user"}]}"#,
        ),
        (K::OpenAiResponses, "/v1/responses", r#"{"model":"m","input":"x"}"#, "{}"),
        (K::ClaudeMessages, "/v1/messages", r#"{"store":true}"#, r#"{"store":true}"#),
    ] {
        assert_eq!(sent(&custom, &post(key(O::GenerateContent, kind), path, body)).3, wanted);
    }
}

#[test]
fn faults_name_the_member() {
    for (settings, path) in [
        ("{}", "base_url"),
        (r#"{"base_url":"https://x.test","dialects":["chatt"]}"#, "dialects[0]"),
        (r#"{"base_url":"https://x.test","prefixes":{"claude":"a"}}"#, "prefixes.claude"),
        (r#"{"base_url":"https://x.test","headers":{"a b":"c"}}"#, "headers.a b"),
        (r#"{"base_url":"https://x.test","mask_table":{"rules":[{"paths":"x"}]}}"#, "mask_table.rules[0].paths"),
    ] {
        assert_eq!(build(find("custom").unwrap(), settings, &platform()).unwrap_err().path, path, "{settings}");
    }
}
