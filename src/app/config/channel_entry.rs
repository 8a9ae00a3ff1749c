//! `[[channels]]`: providers, their credentials and models.

use serde_json::Value;

use super::{dispatch, reader::Section};
use crate::{
    base::Secret,
    channel::{self, CHANNELS},
    runtime::Platform,
    snapshot::name,
};

/// One provider.
#[derive(Debug)]
pub struct ChannelEntry {
    /// `id`: the provider's name.
    pub name: String,
    /// Id of its channel.
    pub channel: &'static str,
    /// Whether it serves.
    pub enabled: bool,
    /// Its own outbound proxy.
    pub proxy: Option<String>,
    /// The channel's settings, a JSON object.
    pub settings_json: String,
    /// The operator's dispatch rules.
    pub dispatch_json: Option<String>,
    /// Its credentials.
    pub credentials: Vec<CredentialEntry>,
    /// Its models, where the file lists them.
    pub models: Option<Vec<String>>,
}

/// One credential.
#[derive(Debug)]
pub struct CredentialEntry {
    /// `label`, else `id`.
    pub name: Option<String>,
    /// The API key.
    pub api_key: Secret<String>,
    /// Whether it serves.
    pub enabled: bool,
}

/// The channel of upstreams that nobody else knows.
const CUSTOM: &str = "custom";

/// Channels of the reference that we know and do not serve: they act as somebody's application.
const UNSERVED: &[&str] = &[
    "antigravity",
    "chatgpt",
    "claudecode",
    "claudeweb",
    "cline",
    "codex",
    "copilotcli",
    "devin",
    "geminicli",
    "glmcode",
    "grokbuild",
    "kiro",
    "opencodego",
    "opencodezen",
    "workbuddy",
];

/// Settings of the reference that we know and do not serve, where the channel at hand does not take them.
const UNSERVED_SETTINGS: &[&str] = &[
    "anthropic_append_beta_query",
    "anthropic_extra_beta_headers",
    "anthropic_prelude_text",
    "extra_beta_headers",
    "flatten_system_before_cache",
    "mask_table",
    "rewrite_rules",
    "sanitize_rules",
    "tokenizer_map",
];

/// Reads all of them.
pub(super) fn read(sections: &[Section<'_>], platform: &Platform) -> Vec<ChannelEntry> {
    let mut entries: Vec<ChannelEntry> = Vec::new();
    for section in sections {
        let entry = one(section, platform);
        section.close();
        let Some(entry) = entry else { continue };
        if entries.iter().any(|other| other.name == entry.name) {
            section.error("id", format!("{:?} is there already; expected another name, with channel = {:?}", entry.name, entry.channel));
        } else {
            entries.push(entry);
        }
    }
    entries
}

fn one(section: &Section<'_>, platform: &Platform) -> Option<ChannelEntry> {
    let name = section.text("id");
    match name.as_deref().map(name::provider) {
        Some(Err(message)) => section.error("id", message),
        None if !section.has("id") => {
            section.fault("id is missing; expected the name of a channel or, with channel or settings.base_url, any name");
        }
        Some(Ok(())) | None => {}
    }
    let kind = section.text("channel");
    let settings = section.section("settings");
    let enabled = section.switch("enabled").unwrap_or(true);
    let proxy = section.text("proxy").filter(|proxy| !proxy.is_empty());
    if let Some(Err(message)) = proxy.as_deref().map(name::proxy) {
        section.error("proxy", message);
    }
    let dispatch_json = section.section("dispatch").and_then(|dispatch| dispatch::read(&dispatch));
    let models = section.texts("models");
    let credentials = credentials(section);
    let has_base = settings.as_ref().is_some_and(|settings| settings.has("base_url"));
    let found = find(section, kind.as_deref(), name.as_deref()?, has_base)?;
    let (settings_json, needs_credential) = check_settings(section, settings.as_ref(), found, platform);
    if enabled && needs_credential && !lists_credentials(section) {
        section.fault("has no credential; expected at least one [[channels.credentials]] with a secret, or enabled = false");
    }
    Some(ChannelEntry { name: name?, channel: found.id, enabled, proxy, settings_json, dispatch_json, credentials, models })
}

/// Which channel an entry means.
fn find(section: &Section<'_>, kind: Option<&str>, name: &str, has_base: bool) -> Option<&'static channel::ChannelRow> {
    let (key, wanted) = kind.map_or(("id", name), |kind| ("channel", kind));
    if let Some(found) = channel::find(wanted) {
        return Some(found);
    }
    if UNSERVED.contains(&wanted) {
        section.warning(key, format!("no effect: this build does not serve the channel {wanted:?}; its provider is left out"));
        return None;
    }
    if kind.is_none()
        && has_base
        && let Some(custom) = channel::find(CUSTOM)
    {
        return Some(custom);
    }
    let known: Vec<&str> = CHANNELS.iter().map(|channel| channel.id).collect();
    let hint = name::hint(wanted, known.iter().copied());
    let otherwise = if kind.is_none() { ", or settings.base_url for an upstream of your own" } else { "" };
    section.error(key, format!("unknown channel {wanted:?}; expected one of {}{otherwise}{hint}", known.join(", ")));
    None
}

/// Gives the settings as JSON, and whether the channel needs a credential.
fn check_settings(
    section: &Section<'_>,
    settings: Option<&Section<'_>>,
    found: &'static channel::ChannelRow,
    platform: &Platform,
) -> (String, bool) {
    let mut kept = settings.map(Section::json).unwrap_or_default();
    let mut tried = kept.clone();
    // A channel names one fault at a time; without the member at fault it names the next.
    loop {
        match channel::build(found, &Value::Object(tried.clone()).to_string(), platform) {
            Ok(channel) => return (Value::Object(kept).to_string(), channel.needs_credential()),
            Err(fault) => {
                let root = fault.path.split(['.', '[']).next().unwrap_or("").to_owned();
                let at = settings.filter(|settings| settings.has(&root));
                if fault.message.starts_with("unknown field") && UNSERVED_SETTINGS.contains(&root.as_str()) {
                    kept.remove(&root);
                    if let Some(settings) = at {
                        settings.warning(&root, "no effect: this channel does not take it");
                    }
                } else {
                    tell(section, at, &fault);
                }
                if tried.remove(&root).is_none() {
                    return (Value::Object(kept).to_string(), false);
                }
            }
        }
    }
}

fn tell(section: &Section<'_>, at: Option<&Section<'_>>, fault: &channel::SettingsFault) {
    let message = fault.message.replace(", there are no fields", "");
    match at {
        Some(settings) => settings.error(&fault.path, message),
        None => section.error(&format!("settings.{}", fault.path), message),
    }
}

/// Whether an entry lists credentials, good ones or not: those that are not have their own findings.
fn lists_credentials(section: &Section<'_>) -> bool {
    section.any("credentials").and_then(|value| value.get_ref().as_array()).is_some_and(|items| !items.is_empty())
}

fn credentials(section: &Section<'_>) -> Vec<CredentialEntry> {
    let mut entries = Vec::new();
    for credential in section.sections("credentials") {
        let id = credential.any("id").map(|value| super::reader::json(value.get_ref()));
        let id = match id {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            None => None,
            Some(other) => {
                credential.error("id", format!("expected a string or a whole number, not {other}"));
                None
            }
        };
        let label = credential.text("label").filter(|label| !label.is_empty());
        let enabled = credential.switch("enabled").unwrap_or(true);
        state(&credential);
        let api_key = credential.secret("secret");
        if credential.any("builtin").is_some() {
            credential.warning("builtin", "no effect: this build serves no such accounts; the credential is left out");
        } else {
            match api_key {
                Some(api_key) if usable(&api_key) => entries.push(CredentialEntry { name: label.or(id), api_key, enabled }),
                Some(_) => credential.error("secret", "is blank, or has blanks in it; expected the API key"),
                None if credential.has("secret") => {}
                None => credential.fault("secret is missing; expected the API key"),
            }
        }
        credential.close();
    }
    entries
}

fn usable(api_key: &Secret<String>) -> bool {
    let text = api_key.expose();
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Reads the health that the reference's files carry. Ours is learnt anew.
fn state(credential: &Section<'_>) {
    let Some(state) = credential.section("state") else { return };
    state.whole("checked_at_unix_ms");
    state.text("last_error");
    if let Some(health) = state.section("health") {
        if let Some(kind) = health.text("kind")
            && !["healthy", "partial", "dead"].contains(&kind.as_str())
        {
            health.error("kind", format!("expected \"healthy\", \"partial\" or \"dead\", not {kind:?}"));
        }
        for model in health.sections("models") {
            model.text("model");
            model.whole("until_unix_ms");
            model.close();
        }
        health.close();
    }
    state.close();
    credential.warning("state", "no effect: the health of credentials is learnt anew");
}
