//! From rows to a snapshot. Nothing here fails: what cannot be compiled becomes a fault.

use std::{collections::HashMap, sync::Arc};

use super::{
    Capture, Credential, Fault, Login, Model, Provider, Rules, Settings, Snapshot, name, rules,
    secret::{self, API_KEY},
};
use crate::{
    access::{Directory, key::parse_digest},
    base::ProviderId,
    channel::{self, CHANNELS, Channel},
    credentials::Sealer,
    runtime::{Platform, Profile},
    store::record::{ConfigRows, CredentialRow, ModelRow, ProviderRow, SettingsRow},
};

/// What compiling needs besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct Compiler<'a> {
    /// Opens the secrets.
    pub sealer: &'a Sealer,
    /// For channels that answer by themselves.
    pub platform: &'a Platform,
}

/// Compiles rows.
#[must_use]
pub fn compile(rows: &ConfigRows, with: Compiler<'_>) -> Snapshot {
    let mut faults = Vec::new();
    let settings = settings(&rows.settings, &mut faults);
    let mut providers = Vec::new();
    let mut parts = Parts::of(rows);
    for row in rows.providers.iter().filter(|row| row.enabled) {
        let parts = (parts.credentials.remove(&row.id).unwrap_or_default(), parts.models.remove(&row.id).unwrap_or_default());
        match provider(row, parts, &settings, with, &mut faults) {
            Ok(provider) => providers.push(Arc::new(provider)),
            Err(fault) => faults.push(fault),
        }
    }
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    let by_name = providers.iter().enumerate().map(|(at, provider)| (Arc::clone(&provider.name), at)).collect();
    identities(rows, &mut faults);
    Snapshot {
        settings,
        directory: Directory::build(&rows.users, &rows.keys, &rows.permissions),
        providers,
        by_name,
        logins: logins(rows),
        faults,
    }
}

/// Rows by the provider that they belong to.
#[derive(Default)]
struct Parts<'a> {
    credentials: HashMap<ProviderId, Vec<&'a CredentialRow>>,
    models: HashMap<ProviderId, Vec<&'a ModelRow>>,
}

impl<'a> Parts<'a> {
    fn of(rows: &'a ConfigRows) -> Self {
        let mut parts = Self::default();
        for row in rows.credentials.iter().filter(|row| row.enabled) {
            parts.credentials.entry(row.provider_id).or_default().push(row);
        }
        for row in rows.models.iter().filter(|row| row.enabled) {
            parts.models.entry(row.provider_id).or_default().push(row);
        }
        parts
    }
}

fn provider(
    row: &ProviderRow,
    (credentials, models): (Vec<&CredentialRow>, Vec<&ModelRow>),
    settings: &Settings,
    with: Compiler<'_>,
    faults: &mut Vec<Fault>,
) -> Result<Provider, Fault> {
    let fault = |path: &str, message: String| Fault::new("provider", &row.name, path, message);
    name::provider(&row.name).map_err(|message| fault("name", message))?;
    let channel = channel(row, with.platform)?;
    let proxy = match row.proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
        Some(own) => {
            // Falling back to a direct connection would send traffic where its operator did not want it.
            name::proxy(own).map_err(|message| fault("proxy", message))?;
            Some(own.into())
        }
        None => settings.proxy.clone(),
    };
    let mut credentials: Vec<_> = credentials.into_iter().filter_map(|credential| open(row, credential, with.sealer, faults)).collect();
    credentials.sort_by_key(|credential| credential.id);
    let (dispatch, unusable) = Rules::read(row.dispatch_json.as_deref());
    faults.extend(unusable.into_iter().map(|rule| fault(&format!("dispatch.{}", rule.path), rule.message)));
    let models = models
        .into_iter()
        .map(|model| Model { id: model.model_id.as_str().into(), display_name: model.display_name.as_deref().map(Into::into) });
    let members = serde_json::from_str(&row.settings_json).unwrap_or_default();
    Ok(Provider {
        id: row.id,
        name: row.name.as_str().into(),
        channel,
        credentials,
        models: models.collect(),
        profile: Profile { proxy },
        rules: rules::compile(&row.name, &members, faults),
        settings: members,
        dispatch,
    })
}

fn channel(row: &ProviderRow, platform: &Platform) -> Result<Arc<dyn Channel>, Fault> {
    let found = channel::find(&row.channel).ok_or_else(|| {
        let known = CHANNELS.iter().map(|channel| channel.id);
        let message = format!("unknown channel {:?}{}", row.channel, name::hint(&row.channel, known));
        Fault::new("provider", &row.name, "channel", message)
    })?;
    channel::build(found, &row.settings_json, platform).map_err(|fault| {
        let path = if fault.path == "settings" { fault.path } else { format!("settings.{}", fault.path) };
        Fault::new("provider", &row.name, path, fault.message)
    })
}

fn open(provider: &ProviderRow, row: &CredentialRow, sealer: &Sealer, faults: &mut Vec<Fault>) -> Option<Credential> {
    let label = || row.name.clone().unwrap_or_else(|| row.id.to_string());
    let name = || format!("{}/{}", provider.name, label());
    if row.kind != API_KEY {
        faults.push(Fault::new("credential", name(), "kind", format!("unknown kind {:?}; expected {API_KEY:?}", row.kind)));
        return None;
    }
    match secret::open_api_key(sealer, provider.id, &row.secret_sealed) {
        Ok(secret) => Some(Credential { id: row.id, secret: Some(Arc::new(secret)) }),
        Err(fault) => {
            faults.push(Fault::new("credential", name(), "secret", fault.to_string()));
            None
        }
    }
}

fn settings(row: &SettingsRow, faults: &mut Vec<Fault>) -> Settings {
    let proxy = row.proxy.as_deref().filter(|proxy| !proxy.is_empty());
    if let Some(Err(message)) = proxy.map(name::proxy) {
        faults.push(Fault::new("settings", "settings", "proxy", message));
    }
    Settings {
        // An unusable proxy is kept: calls then fail, and say why, rather than go out directly.
        proxy: proxy.map(Into::into),
        mask_sensitive_info: row.mask_sensitive_info,
        downstream: capture((row.enable_downstream_log, row.enable_downstream_log_body && !row.mask_sensitive_info)),
        upstream: capture((row.enable_upstream_log, row.enable_upstream_log_body && !row.mask_sensitive_info)),
    }
}

fn capture(heads_and_bodies: (bool, bool)) -> Capture {
    match heads_and_bodies {
        (false, _) => Capture::Off,
        (true, false) => Capture::Heads,
        (true, true) => Capture::Bodies,
    }
}

/// Says which identities the directory leaves out.
fn identities(rows: &ConfigRows, faults: &mut Vec<Fault>) {
    for row in &rows.keys {
        if parse_digest(&row.digest).is_none() {
            faults.push(Fault::new("key", &row.prefix, "digest", "expected 64 hexadecimal digits"));
        }
    }
    for row in rows.permissions.iter().filter(|row| row.pattern.is_empty()) {
        faults.push(Fault::new("permission", row.id.to_string(), "pattern", "is empty and allows nothing"));
    }
}

fn logins(rows: &ConfigRows) -> HashMap<Arc<str>, Login> {
    let login = |row: &crate::store::record::UserRow| Login {
        id: row.id,
        password_hash: row.password_hash.as_deref().map(Into::into),
        is_admin: row.is_admin,
        enabled: row.enabled,
    };
    rows.users.iter().map(|row| (row.name.as_str().into(), login(row))).collect()
}
