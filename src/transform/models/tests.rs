//! The same family gives back what it was given; the others get what they have a place for.

use serde_json::{Value, json};

use super::{List, Model, Page, list, model, query};
use crate::{
    protocol::{Family, json::Node},
    transform::Loss,
};

const FAMILIES: [Family; 3] = [Family::OpenAi, Family::Claude, Family::Gemini];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/models/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn name(family: Family) -> &'static str {
    match family {
        Family::OpenAi => "openai",
        Family::Claude => "claude",
        Family::Gemini => "gemini",
    }
}

fn across(fixture_name: &str, from: Family, to: Family) -> (Value, Vec<String>) {
    let mut losses = Vec::new();
    let body = list(&fixture(fixture_name), from, to, &mut losses).unwrap();
    (serde_json::from_slice(&body).unwrap(), losses.into_iter().map(|loss| loss.path).collect())
}

#[test]
fn a_list_read_and_written_in_its_family_is_the_same() {
    for family in FAMILIES {
        let body = fixture(name(family));
        let (written, losses) = across(name(family), family, family);
        assert_eq!(written, serde_json::from_slice::<Value>(&body).unwrap(), "{family:?}");
        assert!(losses.is_empty());
    }
}

#[test]
fn ids_names_dates_owners_and_limits_go_across() {
    let (openai, _) = across("claude", Family::Claude, Family::OpenAi);
    assert_eq!(
        openai,
        json!({"object": "list", "has_more": true, "last_id": "claude-haiku-4-5", "data": [
            {"id": "claude-opus-4-6", "object": "model", "created": 1_770_163_200, "owned_by": "anthropic", "display_name": "Claude Opus 4.6",
             "max_input_tokens": 1_000_000, "max_output_tokens": 128_000},
            {"id": "claude-haiku-4-5", "object": "model", "created": 1_760_486_400, "owned_by": "anthropic", "display_name": "Claude Haiku 4.5",
             "max_input_tokens": 200_000, "max_output_tokens": 64_000, "shutdown_date": "2027-04-01"},
        ]})
    );
    let (claude, _) = across("gemini", Family::Gemini, Family::Claude);
    assert_eq!(
        claude["data"][0],
        json!({"type": "model", "id": "gemini-3-pro", "display_name": "Gemini 3 Pro", "created_at": "1970-01-01T00:00:00Z",
            "max_input_tokens": 1_048_576, "max_tokens": 65_536, "lifecycle": "active", "retires_at": null, "deprecated_at": null,
            "line": null, "capabilities": null})
    );
    assert_eq!((&claude["has_more"], &claude["last_id"]), (&json!(true), &json!("Chltb2RlbHM=")));
    let (gemini, _) = across("openai", Family::OpenAi, Family::Gemini);
    assert_eq!(
        gemini["models"][2],
        json!({"name": "models/text-embedding-3-small", "displayName": "text-embedding-3-small",
            "supportedGenerationMethods": ["embedContent", "batchEmbedContents", "countTokens"]})
    );
    assert_eq!(gemini.get("nextPageToken"), None);
    let (claude, _) = across("openai", Family::OpenAi, Family::Claude);
    assert_eq!(claude["data"][1]["retires_at"], "2027-01-14T00:00:00Z");
    assert_eq!(claude["data"][1]["lifecycle"], "deprecated");
}

#[test]
fn a_member_that_many_models_have_is_lost_once() {
    let (_, losses) = across("gemini", Family::Gemini, Family::OpenAi);
    assert_eq!(
        losses,
        ["models[].maxTemperature", "models[].temperature", "models[].thinking", "models[].topK", "models[].topP", "models[].version"]
    );
    let (_, losses) = across("claude", Family::Claude, Family::Gemini);
    assert!(losses.contains(&"data[].capabilities".to_owned()), "{losses:?}");
}

#[test]
fn limits_are_found_under_the_names_that_routers_give_them() {
    let (openai, _) = across("router", Family::OpenAi, Family::OpenAi);
    let entry = &openai["data"][0];
    assert_eq!((&entry["object"], &entry["owned_by"]), (&json!("model"), &json!("gproxy")));
    assert_eq!((&entry["max_input_tokens"], &entry["max_output_tokens"]), (&json!(1_000_000), &json!(128_000)));
    assert_eq!((&entry["context_length"], &entry["pricing"]["prompt"]), (&json!(1_000_000), &json!("0.000005")));
    let (claude, _) = across("router", Family::OpenAi, Family::Claude);
    assert_eq!(claude["data"][0]["display_name"], "Anthropic: Claude Opus 4.6");
}

#[test]
fn one_model_goes_across_and_a_wrong_one_is_named() {
    let mut losses = Vec::new();
    let body = model(br#"{"name": "models/gemini-3-pro", "version": "3"}"#, Family::Gemini, Family::OpenAi, &mut losses).unwrap();
    let written: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(written, json!({"id": "gemini-3-pro", "object": "model", "created": 0, "owned_by": "google"}));
    assert_eq!(losses, [Loss::dropped("version")]);
    let fault = model(br#"{"object": "model"}"#, Family::OpenAi, Family::Claude, &mut losses).unwrap_err();
    assert_eq!(fault.to_string(), r#""id" is missing; expected a string"#);
    let fault = list(br#"{"object": "list"}"#, Family::OpenAi, Family::Claude, &mut losses).unwrap_err();
    assert_eq!(fault.to_string(), r#""data" is missing; expected an array of models"#);
}

#[test]
fn bare_arrays_and_odd_entries_do_not_hide_the_others() {
    let read = |family, text: &str| List::read(family, Node::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(read(Family::OpenAi, r#"[{"id": "a"}, {"no": 1}, 5]"#).models.len(), 1);
    assert_eq!(read(Family::Gemini, "{}").models.len(), 0);
    assert_eq!(read(Family::Gemini, r#"{"publisherModels": [{"name": "publishers/google/models/x"}]}"#).models[0].id, "x");
}

#[test]
fn queries_go_across_with_their_losses() {
    for (from, to, text, expected, lost) in [
        (Family::Claude, Family::Gemini, "limit=5&after_id=Chl%3D", Some("pageSize=5&pageToken=Chl%3D"), vec![]),
        (Family::Claude, Family::Gemini, "", Some("pageSize=20"), vec![]),
        (Family::Claude, Family::Gemini, "before_id=a&lifecycle=active", Some("pageSize=20"), vec!["lifecycle", "before_id"]),
        (Family::Gemini, Family::Claude, "pageSize=9999&pageToken=a&key=k", Some("limit=1000&after_id=a"), vec![]),
        (Family::Gemini, Family::OpenAi, "pageSize=5", None, vec![]),
        (Family::OpenAi, Family::Claude, "", Some("limit=1000"), vec![]),
        (Family::OpenAi, Family::Gemini, "limit=3&after=t", Some("pageSize=3&pageToken=t"), vec![]),
    ] {
        let mut losses = Vec::new();
        assert_eq!(query(text, from, to, &mut losses).as_deref(), expected, "{from:?} {to:?} {text}");
        assert_eq!(losses.iter().map(|loss| &*loss.path).collect::<Vec<_>>(), lost);
    }
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let models = || (0..7).map(|n| Model::named(format!("m{n}"))).collect::<Vec<_>>();
    let mut page = Page { limit: Some(3), ..Page::default() };
    let mut seen = Vec::new();
    loop {
        let list = page.cut(models());
        seen.extend(list.models.into_iter().map(|model| model.id));
        let Some(next) = list.next else { break };
        page.after = Some(next);
    }
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    let before = Page { limit: Some(2), before: Some("m5".into()), ..Page::default() }.cut(models());
    assert_eq!(before.models.iter().map(|model| &*model.id).collect::<Vec<_>>(), ["m3", "m4"]);
}
