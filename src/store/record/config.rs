//! Configuration rows. A `New*` is what a caller gives; a `*Row` is what the store keeps, with its id and times.
//!
//! Times are Unix milliseconds. JSON is text. Sealed columns hold what `credentials::seal` wrote.

use serde::{Deserialize, Serialize};

use crate::base::{CredentialId, KeyId, ModelId, ProviderId, UserId};

/// An instance of a channel under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProvider {
    /// Unique; the `{provider}` of paths and model ids.
    pub name: String,
    /// Id of a registered channel.
    pub channel: String,
    /// The channel's settings, a JSON object.
    pub settings_json: String,
    /// The operator's dispatch rules, or `None` for the channel's defaults.
    pub dispatch_json: Option<String>,
    /// Outbound proxy, over the global one.
    pub proxy: Option<String>,
    /// Whether it serves.
    pub enabled: bool,
}

/// A secret of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCredential {
    /// Its provider.
    pub provider_id: ProviderId,
    /// A label.
    pub name: Option<String>,
    /// `api_key`, later also `oauth` and `service_account`.
    pub kind: String,
    /// The sealed secret: for `api_key` the JSON `{"api_key":"..."}`.
    pub secret_sealed: String,
    /// Whether it serves.
    pub enabled: bool,
}

/// A model of a provider, as its operator lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewModel {
    /// Its provider.
    pub provider_id: ProviderId,
    /// The upstream's id.
    pub model_id: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// Whether it is listed.
    pub enabled: bool,
}

/// Somebody who uses the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    /// Unique.
    pub name: String,
    /// An argon2id PHC string, or `None` for a user who cannot log in.
    pub password_hash: Option<String>,
    /// Whether the admin API is open to this user.
    pub is_admin: bool,
    /// Whether the user's keys work.
    pub enabled: bool,
}

/// A key of a user. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// Its user.
    pub user_id: UserId,
    /// Hexadecimal SHA-256 of the whole key, unique: what look-ups go by.
    pub digest: String,
    /// The key's safe beginning, `sk-` and its public id.
    pub prefix: String,
    /// A name for people.
    pub label: Option<String>,
    /// When it stops working, Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Whether it works.
    pub enabled: bool,
}

/// What a user may use: a glob over `provider/model`. Without one, nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPermission {
    /// Whose.
    pub user_id: UserId,
    /// The pattern.
    pub pattern: String,
}

macro_rules! row {
    ($(#[$doc:meta])* $row:ident { $id:ty, $new:ty }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $row {
            /// Its id.
            pub id: $id,
            /// What was given.
            #[serde(flatten)]
            pub row: $new,
            /// When it was made, Unix milliseconds.
            pub created_at: i64,
            /// When it was last changed, Unix milliseconds.
            pub updated_at: i64,
        }

        impl std::ops::Deref for $row {
            type Target = $new;

            fn deref(&self) -> &$new {
                &self.row
            }
        }
    };
}

row! {
    /// A kept provider.
    ProviderRow { ProviderId, NewProvider }
}
row! {
    /// A kept credential.
    CredentialRow { CredentialId, NewCredential }
}
row! {
    /// A kept model.
    ModelRow { ModelId, NewModel }
}
row! {
    /// A kept user.
    UserRow { UserId, NewUser }
}
row! {
    /// A kept key.
    KeyRow { KeyId, NewKey }
}
row! {
    /// A kept permission.
    PermissionRow { i64, NewPermission }
}

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
            updated_at: 0,
        }
    }
}

/// Everything that a snapshot is compiled from, read in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigRows {
    /// The instance's settings.
    pub settings: SettingsRow,
    /// All providers.
    pub providers: Vec<ProviderRow>,
    /// All credentials.
    pub credentials: Vec<CredentialRow>,
    /// All models.
    pub models: Vec<ModelRow>,
    /// All users.
    pub users: Vec<UserRow>,
    /// All keys.
    pub keys: Vec<KeyRow>,
    /// All permissions.
    pub permissions: Vec<PermissionRow>,
}
