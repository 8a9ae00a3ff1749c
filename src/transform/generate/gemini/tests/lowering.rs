//! Requests of other dialects, written for Google.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    super::super::{
        Dialect,
        canon::{Block, Effort, Part, Reasoning, Request, Rest, Role, Thinking, ToolChoice, Turn},
        convert,
        spoke::{Asked, Spoke, Target},
    },
    Gemini, foreign, paths, written,
};
use crate::transform::Seal;

const HISTORY: &str = r#"{"contents":[{"role":"user","parts":[{"text":"Weather?"}]},
    {"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{"c":1}}},{"functionCall":{"id":"b","name":"f","args":{"c":2}}}]},
    {"role":"user","parts":[{"functionResponse":{"id":"a","response":{"output":"1"}}}]},
    {"role":"user","parts":[{"functionResponse":{"id":"b","response":{"output":"2"}}}]},
    {"role":"user","parts":[{"text":"And?"}]}]}"#;

fn block(part: Part<'static>) -> Block<'static> {
    Block { part, cache: None, seal: None, at: 0, rest: Rest::default() }
}

fn words(text: &'static str) -> Block<'static> {
    block(Part::Text { text: Cow::Borrowed(text), citations: Vec::new() })
}

fn turn(role: Role, at: usize, blocks: Vec<Block<'static>>) -> Turn<'static> {
    Turn { role, blocks, at, id: None, name: None, rest: Rest::default() }
}

fn thought(owner: Dialect) -> Block<'static> {
    let seal = Some(Seal { owner, data: Cow::Borrowed("c2VhbA==") });
    block(Part::Reasoning(Reasoning { text: vec![Cow::Borrowed("hm")], seal, ..Reasoning::default() }))
}

#[test]
fn a_steps_results_stand_in_one_turn_and_are_named_after_their_calls() {
    let (body, _) = written(&foreign(HISTORY, "gemini-2.5-pro", Dialect::Chat));
    let contents = body["contents"].as_array().unwrap();
    assert_eq!(contents.len(), 3);
    let named: Vec<_> = contents[2]["parts"].as_array().unwrap().iter().map(|part| part["functionResponse"]["name"].clone()).collect();
    assert_eq!(named, [json!("f"), json!("f"), Value::Null]);
}

#[test]
fn a_lost_signature_is_told_by_googles_own_word_on_the_first_call_only() {
    let (body, losses) = written(&foreign(HISTORY, "gemini-3-flash-preview", Dialect::Claude));
    let parts = &body["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1]["thoughtSignature"], Value::Null);
    assert_eq!(paths(&losses), ["messages[1].content[0]"]);
    // Older models want none.
    let (body, losses) = written(&foreign(HISTORY, "gemini-2.5-pro", Dialect::Claude));
    assert_eq!(body["contents"][1]["parts"][0]["thoughtSignature"], Value::Null);
    assert!(losses.is_empty());
}

#[test]
fn googles_own_signature_goes_to_the_part_behind_the_thought() {
    let mut request = foreign(HISTORY, "gemini-3-pro", Dialect::Claude);
    request.turns[1].blocks.insert(0, thought(Dialect::Gemini));
    let (body, losses) = written(&request);
    let parts = &body["contents"][1]["parts"];
    assert_eq!(parts[0], json!({"text": "hm", "thought": true}));
    assert_eq!(parts[1]["thoughtSignature"], "c2VhbA==");
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn thinking_of_others_is_never_sent() {
    for owner in [Dialect::Claude, Dialect::Responses, Dialect::Chat] {
        let mut request = foreign(HISTORY, "gemini-2.5-pro", owner);
        request.turns[1].blocks.insert(0, thought(owner));
        let (body, losses) = written(&request);
        assert!(!body.to_string().contains("hm") && !body.to_string().contains("thoughtSignature"), "{body}");
        assert_eq!(losses.len(), 1);
    }
}

#[test]
fn thoughts_that_nobody_signed_stay_behind_untold() {
    let mut request = foreign(HISTORY, "gemini-2.5-pro", Dialect::Claude);
    let unsigned = Reasoning { text: vec![Cow::Borrowed("hm")], ..Reasoning::default() };
    request.turns[1].blocks.insert(0, block(Part::Reasoning(unsigned)));
    let (body, losses) = written(&request);
    assert!(!body.to_string().contains("hm"), "{body}");
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn googles_word_for_a_lost_signature_is_nobodys_loss() {
    for word in ["skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="] {
        let body = HISTORY.replace(r#"{"c":1}}"#, &format!(r#"{{"c":1}}}},"thoughtSignature":"{word}""#));
        let (own, losses) = written(&super::request(&body, "gemini-3-pro"));
        assert_eq!(own["contents"][1]["parts"][0]["thoughtSignature"], word);
        assert!(losses.is_empty(), "{losses:?}");
        let asked = Asked { model: "claude-opus-5", streams: false, goes_on_from: None };
        let other = convert::request(Dialect::Gemini, Dialect::Claude, body.as_bytes(), asked, Target::default()).unwrap();
        assert!(other.losses.is_empty() && !String::from_utf8(other.body).unwrap().contains(word), "{:?}", other.losses);
    }
}

#[test]
fn claudes_clients_see_thoughts_unless_they_say_no() {
    let shown = |thinking: Thinking<'static>, from| {
        let request = Request { thinking, ..foreign(r#"{"contents":[]}"#, "gemini-3-pro", from) };
        written(&request).0["generationConfig"]["thinkingConfig"]["includeThoughts"].clone()
    };
    let on = || Thinking { on: Some(true), ..Thinking::default() };
    assert_eq!(shown(on(), Dialect::Claude), true);
    assert_eq!(shown(Thinking { shown: Some(false), ..on() }, Dialect::Claude), false);
    assert_eq!(shown(Thinking::default(), Dialect::Claude), Value::Null);
    assert_eq!(shown(on(), Dialect::Responses), Value::Null);
    assert_eq!(shown(Thinking { shown: Some(true), ..on() }, Dialect::Responses), true);
}

#[test]
fn a_longer_conversation_begins_like_the_shorter_one() {
    for model in ["gemini-2.5-flash", "gemini-3-pro"] {
        let mut shorter: Option<Vec<u8>> = None;
        for turns in 1..=5 {
            let mut request = foreign(HISTORY, model, Dialect::Chat);
            request.turns.truncate(turns);
            let body = Gemini.lower_request(&request, Target::default(), &mut Vec::new()).unwrap();
            if let Some(shorter) = shorter {
                assert!(body.starts_with(shorter.strip_suffix(b"]}]}").unwrap()), "{}", String::from_utf8_lossy(&body));
            }
            shorter = Some(body);
        }
    }
}

#[test]
fn instructions_amid_the_conversation_keep_their_place() {
    let mut request = foreign(r#"{"contents":[]}"#, "gemini-2.5-pro", Dialect::Chat);
    request.turns = vec![
        turn(Role::System, 0, vec![words("Be terse.")]),
        turn(Role::User, 1, vec![words("Hi.")]),
        turn(Role::Assistant, 2, vec![words("Hello.")]),
        turn(Role::Developer, 3, vec![words("In French.")]),
        turn(Role::User, 4, vec![words("Well?"), words("")]),
    ];
    let (body, losses) = written(&request);
    assert_eq!(
        body,
        json!({"systemInstruction": {"parts": [{"text": "Be terse."}]}, "contents": [
            {"role": "user", "parts": [{"text": "Hi."}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [{"text": "In French."}, {"text": "Well?"}]},
        ]})
    );
    assert_eq!(paths(&losses), ["messages[3]"]);
}

#[test]
fn effort_is_told_as_each_generation_takes_it() {
    let config = |model: &'static str, thinking: Thinking<'static>, max_tokens| {
        let request = Request { thinking, max_tokens, ..foreign(r#"{"contents":[]}"#, model, Dialect::Chat) };
        let (body, losses) = written(&request);
        (body["generationConfig"]["thinkingConfig"].clone(), losses.len())
    };
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    assert_eq!(config("gemini-3-pro", effort(Effort::High), None), (json!({"thinkingLevel": "HIGH"}), 0));
    assert_eq!(config("gemini-3-pro", effort(Effort::Medium), None), (json!({"thinkingLevel": "HIGH"}), 1));
    assert_eq!(config("gemini-3-flash", effort(Effort::None), None), (json!({"thinkingLevel": "MINIMAL"}), 1));
    assert_eq!(config("models/gemini-2.5-flash", effort(Effort::High), None), (json!({"thinkingBudget": 16384}), 0));
    assert_eq!(config("gemini-2.5-flash", effort(Effort::None), None), (json!({"thinkingBudget": 0}), 0));
    assert_eq!(config("gemini-2.5-pro", effort(Effort::None), None), (json!({"thinkingBudget": 128}), 1));
    assert_eq!(config("gemini-2.5-flash", effort(Effort::High), Some(1000)), (json!({"thinkingBudget": 999}), 0));
    assert_eq!(config("gemini-2.0-flash", effort(Effort::High), None), (Value::Null, 1));
    let budget = Thinking { on: Some(true), budget: Some(2000), shown: Some(true), ..Thinking::default() };
    assert_eq!(config("gemini-3-pro", budget.clone(), None), (json!({"thinkingLevel": "LOW", "includeThoughts": true}), 1));
    assert_eq!(config("gemini-2.5-pro", budget, None), (json!({"thinkingBudget": 2000, "includeThoughts": true}), 0));
    let adaptive = Thinking { on: Some(true), adaptive: true, ..Thinking::default() };
    assert_eq!(config("gemini-2.5-pro", adaptive, None), (json!({"thinkingBudget": -1}), 0));
}

#[test]
fn what_google_does_not_have_is_told_in_the_senders_words() {
    let mut request = foreign(r#"{"contents":[{"parts":[{"text":"x","cacheThis":1}]}],"x_new":1}"#, "gemini-2.5-pro", Dialect::Claude);
    request.rest.of = Some(Dialect::Claude);
    request.turns[0].blocks[0].rest.of = Some(Dialect::Claude);
    request.user = Some(Cow::Borrowed("u"));
    request.parallel_calls = Some(false);
    request.sampling.temperature = Some(3.0);
    request.sampling.stop = ["a", "b", "c", "d", "e", "f"].map(Cow::Borrowed).to_vec();
    let (body, losses) = written(&request);
    assert_eq!(body["generationConfig"], json!({"temperature": 2, "stopSequences": ["a", "b", "c", "d", "e"]}));
    let mut lost = paths(&losses);
    lost.sort_unstable();
    let all = [
        "messages[0].content[0].cacheThis",
        "metadata.user_id",
        "stop_sequences",
        "temperature",
        "tool_choice.disable_parallel_tool_use",
        "x_new",
    ];
    assert_eq!(lost, all);
}

#[test]
fn functions_push_aside_what_older_models_do_not_take_beside_them() {
    let body = r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"$schema":"x","type":"object"}}]},{"googleSearch":{}}],
        "generationConfig":{"responseMimeType":"application/json"}}"#;
    let (old, losses) = written(&foreign(body, "gemini-2.5-pro", Dialect::Chat));
    assert_eq!(old["tools"], json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]));
    assert_eq!(paths(&losses), ["tools[1]", "response_format"]);
    let (new, _) = written(&foreign(body, "gemini-3-pro", Dialect::Chat));
    assert_eq!(new["tools"][1], json!({"googleSearch": {}}));
    assert_eq!(new["toolConfig"], json!({"includeServerSideToolInvocations": true}));
    assert_eq!(new["generationConfig"], json!({"responseMimeType": "application/json"}));
}

#[test]
fn broken_arguments_keep_their_call() {
    let mut request = foreign(HISTORY, "gemini-2.5-pro", Dialect::Chat);
    for (block, input) in request.turns[1].blocks.iter_mut().zip(["{\"c\": ", ""]) {
        let Part::Call(call) = &mut block.part else { panic!() };
        call.input = super::super::super::canon::Input::Json(Cow::Borrowed(input));
    }
    let (body, losses) = written(&request);
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["args"], json!({"arguments": "{\"c\": "}));
    assert_eq!(body["contents"][1]["parts"][1]["functionCall"]["args"], json!({}));
    assert_eq!(paths(&losses), ["messages[1].content[0]"]);
}

#[test]
fn choices_of_tools_are_written() {
    let choice = |choice| {
        let declared = r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]}"#;
        let request = Request { tool_choice: Some(choice), ..foreign(declared, "gemini-2.5-pro", Dialect::Chat) };
        written(&request).0["toolConfig"]["functionCallingConfig"].clone()
    };
    assert_eq!(choice(ToolChoice::Required), json!({"mode": "ANY"}));
    assert_eq!(choice(ToolChoice::Named(Cow::Borrowed("f"))), json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    let names = vec![Cow::Borrowed("f"), Cow::Borrowed("g")];
    assert_eq!(choice(ToolChoice::Among { names, required: false }), json!({"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}));
}

#[test]
fn media_of_results_go_within_or_beside() {
    let body = r#"{"contents":[{"role":"model","parts":[{"functionCall":{"id":"a","name":"f"}}]},{"parts":[{"functionResponse":{"id":"a","name":"f",
        "response":{"output":"chart"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}]}"#;
    let (new, _) = written(&foreign(body, "gemini-3-pro", Dialect::Claude));
    assert_eq!(new["contents"][1]["parts"][0]["functionResponse"]["parts"][0]["inlineData"]["data"], "AAAA");
    let (old, losses) = written(&foreign(body, "gemini-2.5-pro", Dialect::Claude));
    assert_eq!(old["contents"][1]["parts"][1]["inlineData"]["data"], "AAAA");
    assert_eq!(losses.len(), 1);
}
