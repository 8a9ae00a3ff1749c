//! `[channels.dispatch]`: the operator's rules in the first format's words.

use serde_json::Value;

use super::reader::Section;
use crate::snapshot::name;

const OPERATIONS: &[&str] = &[
    "ModelList",
    "ModelGet",
    "CountToken",
    "GenerateContent",
    "StreamGenerateContent",
    "CreateVideo",
    "VideoGet",
    "VideoContentGet",
    "CreateImage",
    "StreamCreateImage",
    "CreateImageEdit",
    "StreamCreateImageEdit",
    "OpenAiResponseWebSocket",
    "GeminiLive",
    "Embedding",
    "Compact",
];
const PROTOCOLS: &[&str] = &["OpenAi", "OpenAiChatCompletion", "Claude", "Gemini", "GeminiNDJson"];
const IMPLEMENTATIONS: &[&str] = &["Passthrough", "Local", "Unsupported", "TransformTo"];

/// Checks the rules and gives them as JSON.
pub(super) fn read(section: &Section<'_>) -> Option<String> {
    let rules = section.sections("rules");
    for rule in &rules {
        if let Some(route) = required(rule, "route") {
            end(&route);
        }
        implementation(rule);
        rule.close();
    }
    section.close();
    if rules.is_empty() {
        return None;
    }
    Some(Value::Object(section.json()).to_string())
}

fn implementation(rule: &Section<'_>) {
    const KEY: &str = "implementation";
    match rule.any(KEY).map(toml::Spanned::get_ref) {
        None => rule.fault("implementation is missing"),
        Some(value) if value.is_table() => {
            let Some(table) = rule.section(KEY) else { return };
            if let Some(to) = required(&table, "TransformTo") {
                if let Some(destination) = required(&to, "destination") {
                    end(&destination);
                }
                to.close();
            }
            table.close();
        }
        Some(_) => known(rule, KEY, &IMPLEMENTATIONS[..3]),
    }
}

fn end(section: &Section<'_>) {
    known(section, "operation", OPERATIONS);
    known(section, "protocol", PROTOCOLS);
    section.close();
}

fn required<'d>(section: &Section<'d>, key: &'static str) -> Option<Section<'d>> {
    if !section.has(key) {
        section.fault(format!("{key} is missing"));
    }
    section.section(key)
}

fn known(section: &Section<'_>, key: &'static str, names: &[&str]) {
    match section.text(key) {
        Some(given) if !names.contains(&given.as_str()) => {
            let hint = name::hint(&given, names.iter().copied());
            section.error(key, format!("unknown {key} {given:?}; expected one of {}{hint}", names.join(", ")));
        }
        None if !section.has(key) => section.fault(format!("{key} is missing")),
        Some(_) | None => {}
    }
}
