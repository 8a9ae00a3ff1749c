//! Providers: channels under names of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Admin, AdminFault, input::clearable, redact};
use crate::{
    base::ProviderId,
    channel::{self, CHANNELS},
    runtime::Platform,
    snapshot::{name, secret},
    store::record::{ConfigRows, NewProvider, ProviderRow},
};

/// A provider as it is shown. Secrets in its settings and in its proxy's address are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProviderView {
    /// Its id.
    pub id: ProviderId,
    /// Unique.
    pub name: String,
    /// Id of its channel.
    pub channel: String,
    /// The channel's settings.
    pub settings: Map<String, Value>,
    /// The operator's dispatch rules.
    pub dispatch: Option<Value>,
    /// Its own outbound proxy.
    pub proxy: Option<String>,
    /// Whether it serves.
    pub enabled: bool,
    /// Credentials that it has.
    pub credentials: usize,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl ProviderView {
    fn of(row: &ProviderRow, rows: &ConfigRows) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            channel: row.channel.clone(),
            settings: redact::settings(&members(&row.settings_json)),
            dispatch: row.dispatch_json.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            proxy: row.proxy.as_deref().map(name::without_userinfo),
            enabled: row.enabled,
            credentials: rows.credentials.iter().filter(|credential| credential.provider_id == row.id).count(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Makes or changes a provider. With an `id` what is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderInput {
    /// Which one to change.
    pub id: Option<ProviderId>,
    /// Its name.
    pub name: Option<String>,
    /// Id of its channel; it stays what it was made with.
    pub channel: Option<String>,
    /// The channel's settings.
    pub settings: Option<Map<String, Value>>,
    /// The same as a text.
    pub settings_json: Option<String>,
    /// The operator's dispatch rules; `null` for the channel's defaults.
    #[serde(deserialize_with = "clearable")]
    pub dispatch: Option<Option<Map<String, Value>>>,
    /// The same as a text.
    #[serde(deserialize_with = "clearable")]
    pub dispatch_json: Option<Option<String>>,
    /// Its own outbound proxy; `null` for the instance's.
    #[serde(deserialize_with = "clearable")]
    pub proxy: Option<Option<String>>,
    /// Whether it serves; `true` for a new one.
    pub enabled: Option<bool>,
}

/// All providers.
///
/// # Errors
/// Of the store.
pub async fn list(admin: Admin<'_>) -> Result<Vec<ProviderView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    Ok(rows.providers.iter().map(|row| ProviderView::of(row, &rows)).collect())
}

/// One provider.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get(admin: Admin<'_>, id: ProviderId) -> Result<ProviderView, AdminFault> {
    let rows = admin.control().records().load().await?;
    Ok(ProviderView::of(find(&rows, id)?, &rows))
}

/// Makes or changes a provider.
///
/// # Errors
/// [`AdminFault`]; settings that its channel refuses are [`AdminFault::Invalid`] with the member's path.
pub async fn save(admin: Admin<'_>, input: ProviderInput) -> Result<ProviderView, AdminFault> {
    admin.may_configure()?;
    let control = admin.control();
    let rows = control.records().load().await?;
    let standing = input.id.map(|id| find(&rows, id)).transpose()?;
    let id = input.id;
    let sealer = control.sealer();
    let given = input.settings.is_some() || input.settings_json.is_some();
    let opened = standing.map(|row| secret::open_settings(sealer, &row.settings_json));
    let opened = opened.and_then(Result::ok).map(|text| members(&text)).unwrap_or_default();
    let mut row = merged(standing, input, &opened)?;
    check(&row, control.platform())?;
    if given {
        row.settings_json = secret::seal_settings(sealer, &row.settings_json, &*control.platform().entropy);
    }
    let saved = admin.actor().save(&rows, id, row).await?;
    Ok(ProviderView::of(&saved, &rows))
}

/// Forgets a provider with its credentials and models.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn delete(admin: Admin<'_>, id: ProviderId) -> Result<(), AdminFault> {
    admin.may_configure()?;
    let rows = admin.control().records().load().await?;
    admin.actor().delete::<NewProvider>(&rows, id).await
}

pub(super) fn find(rows: &ConfigRows, id: ProviderId) -> Result<&ProviderRow, AdminFault> {
    rows.providers.iter().find(|row| row.id == id).ok_or_else(|| AdminFault::missing("provider", id))
}

/// `opened` is what the standing row's settings are without seals; none where they do not open.
fn merged(standing: Option<&ProviderRow>, input: ProviderInput, opened: &Map<String, Value>) -> Result<NewProvider, AdminFault> {
    let mut row = standing.map_or_else(new_provider, |standing| standing.row.clone());
    if let (Some(standing), Some(channel)) = (standing, &input.channel)
        && standing.channel != *channel
    {
        let message = format!("a provider keeps its channel {:?}; make another provider for {channel:?}", standing.channel);
        return Err(AdminFault::invalid("channel", message));
    }
    row.channel = input.channel.unwrap_or(row.channel);
    row.name = input.name.unwrap_or(row.name);
    let settings = match (input.settings, input.settings_json) {
        (Some(members), _) => Some(members),
        (None, Some(text)) => Some(object("settings_json", &text)?),
        (None, None) => None,
    };
    if let Some(given) = settings {
        let settings = Value::Object(redact::restore(given, opened));
        if settings.pointer("/oauth/client_secret").is_some_and(|secret| secret == redact::MASK) {
            let message = "is masked, and the standing one is not there or does not open; expected the secret itself";
            return Err(AdminFault::invalid("settings.oauth.client_secret", message));
        }
        row.settings_json = settings.to_string();
    }
    match (input.dispatch, input.dispatch_json) {
        (Some(rules), _) => row.dispatch_json = rules.map(|rules| Value::Object(rules).to_string()),
        (None, Some(Some(text))) if !text.trim().is_empty() => {
            row.dispatch_json = Some(Value::Object(object("dispatch_json", &text)?).to_string());
        }
        (None, Some(_)) => row.dispatch_json = None,
        (None, None) => {}
    }
    if let Some(proxy) = input.proxy {
        row.proxy = proxy.filter(|proxy| !proxy.is_empty()).map(|proxy| redact::restore_address(proxy, row.proxy.as_deref()));
    }
    row.enabled = input.enabled.unwrap_or(row.enabled);
    Ok(row)
}

fn check(row: &NewProvider, platform: &Platform) -> Result<(), AdminFault> {
    let required = |field: &str| AdminFault::invalid(field, "is required");
    if row.name.is_empty() {
        return Err(required("name"));
    }
    if row.channel.is_empty() {
        return Err(required("channel"));
    }
    name::provider(&row.name).map_err(|message| AdminFault::invalid("name", message))?;
    if let Some(proxy) = &row.proxy {
        name::proxy(proxy).map_err(|message| AdminFault::invalid("proxy", message))?;
    }
    let found = channel::find(&row.channel).ok_or_else(|| {
        let hint = name::hint(&row.channel, CHANNELS.iter().map(|channel| channel.id));
        AdminFault::invalid("channel", format!("unknown channel {:?}{hint}", row.channel))
    })?;
    let built = channel::build(found, &row.settings_json, platform);
    built.map(|_| ()).map_err(|fault| AdminFault::invalid(format!("settings.{}", fault.path), fault.message))
}

fn object(field: &str, text: &str) -> Result<Map<String, Value>, AdminFault> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|error| AdminFault::invalid(field, format!("expected a JSON object as text: {error}")))
}

fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn new_provider() -> NewProvider {
    NewProvider::of("", "")
}
