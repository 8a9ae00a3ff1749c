//! What applies to the whole instance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin, AdminFault, Origin, audit,
    input::{SecretText, clearable},
    redact,
};
use crate::{
    snapshot::{name, secret::HF_TOKEN},
    store::record::{AuditAction, ChangeSet, NewAudit, SettingsRow},
};

/// The settings as they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SettingsView {
    /// Outbound proxy for providers without one of their own, a password in it masked.
    pub proxy: Option<String>,
    /// Base address of tokenizer downloads.
    pub hf_url: Option<String>,
    /// Whether a token for them is kept.
    pub has_hf_token: bool,
    /// Where updates come from.
    pub update_source: Option<String>,
    /// Whether secrets and bodies stay out of the request records.
    pub mask_sensitive_info: bool,
    /// Whether each client request leaves a row.
    pub enable_downstream_log: bool,
    /// Whether that row has the bodies.
    pub enable_downstream_log_body: bool,
    /// Whether each upstream attempt leaves a row.
    pub enable_upstream_log: bool,
    /// Whether that row has the bodies.
    pub enable_upstream_log_body: bool,
    /// Whether the prompt-cache doctor watches sessions.
    pub cache_doctor: bool,
    /// `database`, or `file` where the configuration file is the source and these are read-only.
    pub source: &'static str,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl SettingsView {
    fn of(row: &SettingsRow, origin: &Origin) -> Self {
        Self {
            proxy: row.proxy.as_deref().map(name::without_userinfo),
            hf_url: row.hf_url.clone(),
            has_hf_token: row.hf_token_sealed.is_some(),
            update_source: row.update_source.clone(),
            mask_sensitive_info: row.mask_sensitive_info,
            enable_downstream_log: row.enable_downstream_log,
            enable_downstream_log_body: row.enable_downstream_log_body,
            enable_upstream_log: row.enable_upstream_log,
            enable_upstream_log_body: row.enable_upstream_log_body,
            cache_doctor: row.cache_doctor,
            source: match origin {
                Origin::Database => "database",
                Origin::File(_) => "file",
            },
            updated_at: row.updated_at,
        }
    }
}

/// Changes settings; what is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct SettingsInput {
    #[serde(deserialize_with = "clearable")]
    proxy: Option<Option<String>>,
    #[serde(deserialize_with = "clearable")]
    hf_url: Option<Option<String>>,
    #[serde(deserialize_with = "clearable")]
    hf_token: Option<Option<SecretText>>,
    #[serde(deserialize_with = "clearable")]
    update_source: Option<Option<String>>,
    mask_sensitive_info: Option<bool>,
    enable_downstream_log: Option<bool>,
    enable_downstream_log_body: Option<bool>,
    enable_upstream_log: Option<bool>,
    enable_upstream_log_body: Option<bool>,
    cache_doctor: Option<bool>,
}

/// The settings.
///
/// # Errors
/// Of the store.
pub async fn get(admin: Admin<'_>) -> Result<SettingsView, AdminFault> {
    let rows = admin.control().records().load().await?;
    Ok(SettingsView::of(&rows.settings, &admin.control().origin()))
}

/// Changes the settings.
///
/// # Errors
/// [`AdminFault`].
pub async fn save(admin: Admin<'_>, input: SettingsInput) -> Result<SettingsView, AdminFault> {
    admin.may_configure()?;
    let control = admin.control();
    let rows = control.records().load().await?;
    let mut row = rows.settings.clone();
    if let Some(proxy) = input.proxy {
        let proxy = proxy.filter(|proxy| !proxy.is_empty()).map(|proxy| redact::restore_address(proxy, row.proxy.as_deref()));
        if let Some(proxy) = &proxy {
            name::proxy(proxy).map_err(|message| AdminFault::invalid("proxy", message))?;
        }
        row.proxy = proxy;
    }
    if let Some(token) = input.hf_token {
        let token = token.filter(|token| !token.0.expose().is_empty());
        row.hf_token_sealed = token.map(|token| control.sealer().seal(HF_TOKEN, token.0.expose(), &*control.platform().entropy));
    }
    row.hf_url = input.hf_url.unwrap_or(row.hf_url);
    row.update_source = input.update_source.unwrap_or(row.update_source);
    row.mask_sensitive_info = input.mask_sensitive_info.unwrap_or(row.mask_sensitive_info);
    row.enable_downstream_log = input.enable_downstream_log.unwrap_or(row.enable_downstream_log);
    row.enable_downstream_log_body = input.enable_downstream_log_body.unwrap_or(row.enable_downstream_log_body);
    row.enable_upstream_log = input.enable_upstream_log.unwrap_or(row.enable_upstream_log);
    row.enable_upstream_log_body = input.enable_upstream_log_body.unwrap_or(row.enable_upstream_log_body);
    row.cache_doctor = input.cache_doctor.unwrap_or(row.cache_doctor);
    row.updated_at = i64::try_from(control.now_ms()).unwrap_or(i64::MAX);
    let (before_json, after_json) = audit::told_settings(&rows.settings, &row);
    let entry = NewAudit { before_json, after_json, ..admin.actor().blank(AuditAction::Update, "settings") };
    admin.actor().apply(ChangeSet { settings: Some(row), audit: vec![entry], ..ChangeSet::default() }).await?;
    get(admin).await
}
