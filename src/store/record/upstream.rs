//! What the gateway reaches: providers, their credentials, their models.

use super::noun::record;
use crate::base::{CredentialId, ModelId, ProviderId};

record! {
    /// An instance of a channel under a name of its own.
    NewProvider(ProviderId) in "providers", unique [name], named name {
        /// Unique; the `{provider}` of paths and model ids.
        name: String,
        /// Id of a registered channel.
        channel: String,
        /// For people.
        label: Option<String>,
        /// The channel's settings, a JSON object.
        settings_json: String,
        /// The operator's dispatch rules, or `None` for the channel's defaults.
        dispatch_json: Option<String>,
        /// How its credentials take turns; `None` for the default.
        credential_strategy: Option<String>,
        /// Outbound proxy, over the global one.
        proxy: Option<String>,
        /// Whether it serves.
        enabled: bool,
    }
}

impl NewProvider {
    /// A provider with a channel's defaults.
    #[must_use]
    pub fn of(name: impl Into<String>, channel: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            channel: channel.into(),
            label: None,
            settings_json: "{}".to_owned(),
            dispatch_json: None,
            credential_strategy: None,
            proxy: None,
            enabled: true,
        }
    }
}

record! {
    /// A secret of a provider.
    NewCredential(CredentialId) in "credentials", unique [], named name {
        /// Its provider; with it, it goes.
        provider_id: ProviderId,
        /// A label.
        name: Option<String>,
        /// `api_key`, later also `oauth` and `service_account`.
        kind: String,
        /// The sealed secret: for `api_key` the JSON `{"api_key":"..."}`.
        secret_sealed: String,
        /// Its share of the calls, next to its siblings'; 100 is usual, 0 for one that only steps in.
        weight: i64,
        /// Calls per minute that the provider allows it.
        rpm_limit: Option<i64>,
        /// Tokens per minute that the provider allows it.
        tpm_limit: Option<i64>,
        /// Calls at a time that the provider allows it.
        concurrency_limit: Option<i64>,
        /// Outbound proxy, over its provider's.
        proxy: Option<String>,
        /// Whether it serves.
        enabled: bool,
    }
}

impl NewCredential {
    /// A credential without limits of its own.
    #[must_use]
    pub fn of(provider_id: ProviderId, kind: impl Into<String>, secret_sealed: impl Into<String>) -> Self {
        Self {
            provider_id,
            name: None,
            kind: kind.into(),
            secret_sealed: secret_sealed.into(),
            weight: 100,
            rpm_limit: None,
            tpm_limit: None,
            concurrency_limit: None,
            proxy: None,
            enabled: true,
        }
    }
}

record! {
    /// A model of a provider, as its operator lists it.
    NewModel(ModelId) in "provider_models", unique [provider_id, model_id], named model_id {
        /// Its provider; with it, it goes.
        provider_id: ProviderId,
        /// The upstream's id.
        model_id: String,
        /// A name for people.
        display_name: Option<String>,
        /// Other whole names of it: `{"expose_base": bool, "variants": ["name", ...]}`, or the array alone.
        variants_json: Option<String>,
        /// The most tokens that prompt and answer may have together.
        context_window: Option<i64>,
        /// The most tokens that an answer may have.
        max_output_tokens: Option<i64>,
        /// Whether it is listed.
        enabled: bool,
    }
}

impl NewModel {
    /// A listed model.
    #[must_use]
    pub fn of(provider_id: ProviderId, model_id: impl Into<String>) -> Self {
        Self {
            provider_id,
            model_id: model_id.into(),
            display_name: None,
            variants_json: None,
            context_window: None,
            max_output_tokens: None,
            enabled: true,
        }
    }
}
