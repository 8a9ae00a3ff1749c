//! Any upstream: an address, the dialects that it speaks, and what to take out of requests for it.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::{
    channel::{
        Adapter, Dispatch, Order, Payload, PrepareFault, Renewal, SettingsFault, Site, joined,
        kit::{
            auth, edit,
            oauth::{self, RefreshToken},
            upstream::{self, Destination},
        },
    },
    protocol::{Family, OperationKey, OperationKind, splice::Document},
};

/// A provider at an address of the operator's own.
#[derive(Debug)]
pub(super) struct Custom {
    site: Site,
    dialects: Vec<OperationKind>,
    prefixes: BTreeMap<Family, String>,
    headers: HeaderMap,
    mask: Vec<MaskRule>,
    oauth: Option<RefreshToken>,
}

/// What can be set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Dialects that the upstream speaks: kinds, or families for all of theirs. All, where nothing is said.
    dialects: Option<Vec<String>>,
    /// What stands before the path, by family.
    prefixes: BTreeMap<String, String>,
    /// Headers of every request.
    headers: BTreeMap<String, String>,
    /// What is taken out of JSON bodies.
    mask_table: MaskTable,
    /// How access tokens are got, where the credentials are refresh tokens.
    oauth: Option<oauth::Settings>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MaskTable {
    rules: Vec<MaskRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskRule {
    /// The method, in any case; every one, where nothing is said.
    #[serde(default)]
    method: Option<String>,
    /// The path, or its beginning and a `*`; every one, where nothing is said.
    #[serde(default)]
    path: Option<String>,
    /// Dotted paths into the body.
    remove_fields: Vec<String>,
}

impl Adapter for Custom {
    const ID: &'static str = "custom";
    const BASE_URL: Option<&'static str> = None;
    type Settings = Settings;

    fn build(site: Site, settings: Settings) -> Result<Self, SettingsFault> {
        let dialects = match settings.dialects {
            None => OperationKind::ALL.iter().copied().filter(|kind| *kind != OperationKind::OpenAiResponsesWebSocket).collect(),
            Some(names) => dialects(&names)?,
        };
        let prefixes = settings.prefixes.into_iter().map(|(name, prefix)| {
            let at = || format!("prefixes.{name}");
            let family = family(&name).ok_or_else(|| fault(at(), format!("{name:?} must be one of open_ai, claude, gemini")))?;
            let usable = prefix.is_empty() || (prefix.starts_with('/') && !prefix.contains(['?', '#']));
            if !usable {
                return Err(fault(at(), format!("{prefix:?} must be a path that begins with /")));
            }
            Ok((family, prefix.trim_end_matches('/').to_owned()))
        });
        let prefixes = prefixes.collect::<Result<_, _>>()?;
        let oauth = settings.oauth.map(|oauth| RefreshToken::new(oauth, &site)).transpose()?;
        Ok(Self { site, dialects, prefixes, headers: headers(settings.headers)?, mask: settings.mask_table.rules, oauth })
    }

    fn serves(&self, key: OperationKey) -> bool {
        self.dialects.contains(&key.kind())
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let family = order.key().kind().family();
        let asked = order.take_path();
        let path = self.prefixes.get(&family).map_or_else(|| asked.clone(), |prefix| joined(prefix, &asked));
        let method = order.draft().method.clone();
        if let Payload::Json(document) = order.payload_mut() {
            for rule in self.mask.iter().filter(|rule| rule.fits(method.as_str(), [&asked, &path])) {
                rule.apply(document);
            }
        }
        let to = Destination { path, query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| {
            headers.extend(self.headers.clone());
            let secret = upstream::secret(order)?;
            // An access token is a bearer token (RFC 6750), whatever the family takes a key by.
            if self.oauth.is_some() { auth::bearer(secret, headers) } else { auth::by_family(family, secret, headers) }
        })
    }

    fn renewal(&self) -> Option<&dyn Renewal> {
        self.oauth.as_ref().map(|oauth| oauth as _)
    }
}

impl MaskRule {
    fn fits(&self, method: &str, paths: [&String; 2]) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        let path_fits = self.path.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => paths.iter().any(|path| path.starts_with(beginning)),
            None => paths.contains(&wanted),
        });
        method_fits && path_fits
    }

    fn apply(&self, document: &mut Document) {
        for field in &self.remove_fields {
            let segments: Vec<&str> = field.split('.').collect();
            if let Some((first, rest)) = segments.split_first() {
                edit::cut_in(document, first, rest);
            }
        }
    }
}

fn dialects(names: &[String]) -> Result<Vec<OperationKind>, SettingsFault> {
    let mut kinds = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(family) = family(name) {
            let socket = OperationKind::OpenAiResponsesWebSocket;
            kinds.extend(OperationKind::ALL.iter().copied().filter(|kind| kind.family() == family && *kind != socket));
            continue;
        }
        let Some(kind) = kind(name) else {
            let known: Vec<&str> = OperationKind::ALL.iter().map(|kind| kind.id()).collect();
            return Err(fault(format!("dialects[{at}]"), format!("unknown dialect {name:?}; expected one of {}", known.join(", "))));
        };
        // Who speaks a family's content dialect lists its models too.
        kinds.extend([kind, rest_of(kind.family())]);
    }
    Ok(kinds)
}

fn family(name: &str) -> Option<Family> {
    if name == "openai" { Some(Family::OpenAi) } else { Family::parse(name) }
}

fn kind(name: &str) -> Option<OperationKind> {
    match name {
        "openai_chat_completions" | "openai_chat" | "chat" => Some(OperationKind::OpenAiChatCompletions),
        "openai_responses" | "openai_response" | "responses" => Some(OperationKind::OpenAiResponses),
        _ => OperationKind::parse(name),
    }
}

const fn rest_of(family: Family) -> OperationKind {
    match family {
        Family::OpenAi => OperationKind::OpenAi,
        Family::Claude => OperationKind::Claude,
        Family::Gemini => OperationKind::Gemini,
    }
}

fn headers(named: BTreeMap<String, String>) -> Result<HeaderMap, SettingsFault> {
    let mut headers = HeaderMap::with_capacity(named.len());
    for (name, value) in named {
        let at = format!("headers.{name}");
        let name = HeaderName::try_from(&name).map_err(|_| fault(at.clone(), "is no header name".into()))?;
        // Operators put keys here as well, so the value is shown nowhere, not even in this message.
        let mut value = HeaderValue::try_from(value).map_err(|_| fault(at, "the value cannot stand in a header".into()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn fault(path: String, message: String) -> SettingsFault {
    SettingsFault { path, message }
}

#[cfg(test)]
mod tests;
