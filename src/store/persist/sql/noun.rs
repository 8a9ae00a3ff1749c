//! The configuration's nouns as tables: columns, values to bind, rows to read.

use sea_orm::{DbErr, QueryResult, Value};

use crate::{
    base::{ProviderId, UserId},
    store::record::{NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser},
};

/// A noun with a table of its own. The columns `id`, `created_at` and `updated_at` are everybody's and not listed.
pub(super) trait Noun: Sized + Send + Sync {
    /// What a fault calls it.
    const NAME: &'static str;
    /// Its table.
    const TABLE: &'static str;
    /// Its columns.
    const COLUMNS: &'static [&'static str];
    /// What to bind, in the order of the columns.
    fn values(&self) -> Vec<Value>;
    /// The name that must be its own.
    fn own_name(&self) -> String;
    /// The noun and id that it hangs on.
    fn parent(&self) -> Option<(&'static str, i64)>;
    /// Reads one row.
    fn read(row: &QueryResult) -> Result<Self, DbErr>;
}

impl Noun for NewProvider {
    const NAME: &'static str = "provider";
    const TABLE: &'static str = "providers";
    const COLUMNS: &'static [&'static str] = &["name", "channel", "settings_json", "dispatch_json", "proxy", "enabled"];

    fn values(&self) -> Vec<Value> {
        vec![
            text(&self.name),
            text(&self.channel),
            text(&self.settings_json),
            optional(self.dispatch_json.as_deref()),
            optional(self.proxy.as_deref()),
            self.enabled.into(),
        ]
    }

    fn own_name(&self) -> String {
        self.name.clone()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        None
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            name: row.try_get("", "name")?,
            channel: row.try_get("", "channel")?,
            settings_json: row.try_get("", "settings_json")?,
            dispatch_json: row.try_get("", "dispatch_json")?,
            proxy: row.try_get("", "proxy")?,
            enabled: row.try_get("", "enabled")?,
        })
    }
}

impl Noun for NewCredential {
    const NAME: &'static str = "credential";
    const TABLE: &'static str = "credentials";
    const COLUMNS: &'static [&'static str] = &["provider_id", "name", "kind", "secret_sealed", "enabled"];

    fn values(&self) -> Vec<Value> {
        vec![self.provider_id.0.into(), optional(self.name.as_deref()), text(&self.kind), text(&self.secret_sealed), self.enabled.into()]
    }

    fn own_name(&self) -> String {
        self.name.clone().unwrap_or_default()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        Some((NewProvider::NAME, self.provider_id.0))
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            provider_id: ProviderId(row.try_get("", "provider_id")?),
            name: row.try_get("", "name")?,
            kind: row.try_get("", "kind")?,
            secret_sealed: row.try_get("", "secret_sealed")?,
            enabled: row.try_get("", "enabled")?,
        })
    }
}

impl Noun for NewModel {
    const NAME: &'static str = "model";
    const TABLE: &'static str = "provider_models";
    const COLUMNS: &'static [&'static str] = &["provider_id", "model_id", "display_name", "enabled"];

    fn values(&self) -> Vec<Value> {
        vec![self.provider_id.0.into(), text(&self.model_id), optional(self.display_name.as_deref()), self.enabled.into()]
    }

    fn own_name(&self) -> String {
        self.model_id.clone()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        Some((NewProvider::NAME, self.provider_id.0))
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            provider_id: ProviderId(row.try_get("", "provider_id")?),
            model_id: row.try_get("", "model_id")?,
            display_name: row.try_get("", "display_name")?,
            enabled: row.try_get("", "enabled")?,
        })
    }
}

impl Noun for NewUser {
    const NAME: &'static str = "user";
    const TABLE: &'static str = "users";
    const COLUMNS: &'static [&'static str] = &["name", "password_hash", "is_admin", "enabled"];

    fn values(&self) -> Vec<Value> {
        vec![text(&self.name), optional(self.password_hash.as_deref()), self.is_admin.into(), self.enabled.into()]
    }

    fn own_name(&self) -> String {
        self.name.clone()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        None
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            name: row.try_get("", "name")?,
            password_hash: row.try_get("", "password_hash")?,
            is_admin: row.try_get("", "is_admin")?,
            enabled: row.try_get("", "enabled")?,
        })
    }
}

impl Noun for NewKey {
    const NAME: &'static str = "key";
    const TABLE: &'static str = "user_keys";
    const COLUMNS: &'static [&'static str] = &["user_id", "digest", "prefix", "label", "expires_at", "enabled"];

    fn values(&self) -> Vec<Value> {
        vec![
            self.user_id.0.into(),
            text(&self.digest),
            text(&self.prefix),
            optional(self.label.as_deref()),
            self.expires_at.into(),
            self.enabled.into(),
        ]
    }

    fn own_name(&self) -> String {
        self.prefix.clone()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        Some((NewUser::NAME, self.user_id.0))
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            user_id: UserId(row.try_get("", "user_id")?),
            digest: row.try_get("", "digest")?,
            prefix: row.try_get("", "prefix")?,
            label: row.try_get("", "label")?,
            expires_at: row.try_get("", "expires_at")?,
            enabled: row.try_get("", "enabled")?,
        })
    }
}

impl Noun for NewPermission {
    const NAME: &'static str = "permission";
    const TABLE: &'static str = "route_permissions";
    const COLUMNS: &'static [&'static str] = &["scope", "user_id", "pattern"];

    fn values(&self) -> Vec<Value> {
        vec![text("user"), self.user_id.0.into(), text(&self.pattern)]
    }

    fn own_name(&self) -> String {
        self.pattern.clone()
    }

    fn parent(&self) -> Option<(&'static str, i64)> {
        Some((NewUser::NAME, self.user_id.0))
    }

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self { user_id: UserId(row.try_get("", "user_id")?), pattern: row.try_get("", "pattern")? })
    }
}

/// A text to bind. PostgreSQL refuses NUL in texts, and one such name must not stop the writer: it becomes U+FFFD.
pub(super) fn text(text: &str) -> Value {
    Value::String(Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }))
}

/// A text that may be absent.
pub(super) fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::String(None), text)
}
