//! What applies to the whole instance.

use serde::{Deserialize, Serialize};

/// What applies to the whole instance. One row, id 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsRow {
    /// Outbound proxy for providers without one of their own.
    pub proxy: Option<String>,
    /// Base address of tokenizer downloads.
    pub hf_url: Option<String>,
    /// Its token, sealed.
    pub hf_token_sealed: Option<String>,
    /// Where updates come from.
    pub update_source: Option<String>,
    /// Whether secrets and bodies are kept out of the request records.
    pub mask_sensitive_info: bool,
    /// Whether each client request leaves a row.
    pub enable_downstream_log: bool,
    /// Whether that row has the bodies (only where `mask_sensitive_info` is off).
    pub enable_downstream_log_body: bool,
    /// Whether each upstream attempt leaves a row.
    pub enable_upstream_log: bool,
    /// Whether that row has the bodies (only where `mask_sensitive_info` is off).
    pub enable_upstream_log_body: bool,
    /// Whether the prompt-cache doctor watches sessions.
    pub cache_doctor: bool,
    /// Last change, Unix milliseconds.
    pub updated_at: i64,
}

impl Default for SettingsRow {
    fn default() -> Self {
        Self {
            proxy: None,
            hf_url: None,
            hf_token_sealed: None,
            update_source: None,
            mask_sensitive_info: true,
            enable_downstream_log: false,
            enable_downstream_log_body: false,
            enable_upstream_log: false,
            enable_upstream_log_body: false,
            cache_doctor: false,
            updated_at: 0,
        }
    }
}
