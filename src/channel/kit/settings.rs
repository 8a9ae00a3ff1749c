//! Reads a provider's settings: the members that all channels share, then the channel's own.

use std::sync::Arc;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::{
    channel::{Adapter, BaseUrl, Built, SettingsFault, Site},
    runtime::Platform,
};

/// Members that every channel accepts. The `credential_*` ones steer the pool, the last five are rules.
pub const COMMON: &[&str] = &[
    "base_url",
    "user_agent",
    "credential_round_robin_enabled",
    "credential_cache_affinity_enabled",
    "credential_cache_affinity_max_keys",
    "credential_pick_mode",
    "cache_affinity_enabled",
    "rules",
    "cache_breakpoints",
    "enable_magic_cache",
    "enable_claude_magic_cache",
    "enable_openai_magic_cache",
];

/// Splits settings into the site and the channel's own members.
///
/// # Errors
/// [`SettingsFault`] where the text is no JSON object, or a shared member is not what it must be.
pub fn split(settings_json: &str, default_base: Option<&str>, platform: &Platform) -> Result<(Site, Map<String, Value>), SettingsFault> {
    let text = if settings_json.trim().is_empty() { "{}" } else { settings_json };
    let mut rest: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| fault("settings", format!("expected a JSON object: {error}")))?;
    let base = text_member(&mut rest, "base_url")?.filter(|base| !base.is_empty());
    let base_url =
        base.or_else(|| default_base.map(str::to_owned)).ok_or_else(|| fault("base_url", "is required for this channel".into()))?;
    let base_url = read_base(&base_url)?;
    let user_agent = text_member(&mut rest, "user_agent")?
        .map(|agent| HeaderValue::from_str(&agent).map_err(|_| fault("user_agent", format!("{agent:?} is no header value"))))
        .transpose()?;
    for name in COMMON {
        rest.remove(*name);
    }
    Ok((Site { base_url, user_agent, platform: platform.clone() }, rest))
}

fn read_base(text: &str) -> Result<BaseUrl, SettingsFault> {
    BaseUrl::parse(text).ok_or_else(|| fault("base_url", format!("{text:?} must be an http:// or https:// address without a query")))
}

fn text_member(members: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, SettingsFault> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(fault(name, format!("expected a string, not {other}"))),
    }
}

/// Makes a folder's channel.
///
/// # Errors
/// [`SettingsFault`] with the path of the member at fault and the nearest known name.
pub fn adapter<A: Adapter>(site: Site, rest: Map<String, Value>) -> Result<Built, SettingsFault> {
    let settings: A::Settings = serde_path_to_error::deserialize(Value::Object(rest)).map_err(|error| {
        let path = error.path().to_string();
        let message = with_nearest(&error.into_inner().to_string(), COMMON);
        SettingsFault { path: if path == "." { "settings".into() } else { path }, message }
    })?;
    Ok(Arc::new(A::build(site, settings)?))
}

/// Refuses members that nobody knows.
///
/// # Errors
/// [`SettingsFault`] naming the first.
pub fn nothing_left(rest: &Map<String, Value>) -> Result<(), SettingsFault> {
    match rest.keys().next() {
        None => Ok(()),
        Some(name) => Err(fault(name, with_nearest(&format!("unknown field `{name}`"), COMMON))),
    }
}

/// Adds the nearest known name to serde's message about an unknown field.
#[must_use]
pub fn with_nearest(message: &str, also: &[&str]) -> String {
    let Some(unknown) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) else { return message.to_owned() };
    let expected = message.split('`').skip(3).step_by(2);
    let nearest = expected.chain(also.iter().copied()).max_by(|a, b| strsim::jaro(a, unknown).total_cmp(&strsim::jaro(b, unknown)));
    match nearest {
        Some(nearest) if strsim::jaro(nearest, unknown) > 0.75 => format!("{message}; did you mean `{nearest}`?"),
        _ => message.to_owned(),
    }
}

fn fault(path: &str, message: String) -> SettingsFault {
    SettingsFault { path: path.to_owned(), message }
}
