//! The instance's settings: one row, which also counts the changes of configuration.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement, Value};

use super::{SqlStore, data::optional, schema::Migration};
use crate::store::record::SettingsRow;

/// The step that makes room for the doctor's switch.
pub(super) const STEP: Migration =
    Migration { version: 9, statements: &["ALTER TABLE instance_settings {add} cache_doctor BOOLEAN NOT NULL DEFAULT FALSE"] };

impl SqlStore {
    pub(super) async fn settings(&self, view: &DatabaseTransaction) -> Result<SettingsRow, DbErr> {
        let Some(row) = view.query_one_raw(self.statement("SELECT * FROM instance_settings WHERE id = 1", Vec::new())).await? else {
            return Ok(SettingsRow::default());
        };
        Ok(SettingsRow {
            proxy: row.try_get("", "proxy")?,
            hf_url: row.try_get("", "hf_url")?,
            hf_token_sealed: row.try_get("", "hf_token_sealed")?,
            update_source: row.try_get("", "update_source")?,
            mask_sensitive_info: row.try_get("", "mask_sensitive_info")?,
            enable_downstream_log: row.try_get("", "enable_downstream_log")?,
            enable_downstream_log_body: row.try_get("", "enable_downstream_log_body")?,
            enable_upstream_log: row.try_get("", "enable_upstream_log")?,
            enable_upstream_log_body: row.try_get("", "enable_upstream_log_body")?,
            cache_doctor: row.try_get("", "cache_doctor")?,
            updated_at: row.try_get("", "updated_at")?,
        })
    }

    pub(super) async fn replace_settings(&self, settings: &SettingsRow) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        let now = self.now(&transaction).await?;
        let revision = self.next_revision(&transaction).await?;
        self.write_settings(&transaction, settings, (revision, now)).await?;
        transaction.commit().await
    }

    /// Writes the settings as a part of a revision, at a time in Unix milliseconds.
    pub(super) async fn write_settings(
        &self,
        transaction: &DatabaseTransaction,
        settings: &SettingsRow,
        (revision, now): (i64, i64),
    ) -> Result<(), DbErr> {
        // Told like a row's change, so that revisions follow one another in the log without a gap.
        let told = "INSERT INTO config_changes (revision, noun, row_id) VALUES (?, ?, ?)";
        transaction.execute_raw(self.statement(told, vec![revision.into(), super::data::text("settings"), 1_i64.into()])).await?;
        let sql = "UPDATE instance_settings SET proxy = ?, hf_url = ?, hf_token_sealed = ?, update_source = ?, mask_sensitive_info = ?, \
                   enable_downstream_log = ?, enable_downstream_log_body = ?, enable_upstream_log = ?, enable_upstream_log_body = ?, \
                   cache_doctor = ?, updated_at = ? WHERE id = 1";
        let mut values = settings_values(settings);
        values.push(now.into());
        transaction.execute_raw(self.statement(sql, values)).await.map(drop)
    }

    /// Makes the one row of settings, with defaults, where it is missing.
    pub(super) async fn lay_settings(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        const COLUMNS: [&str; 14] = [
            "proxy",
            "hf_url",
            "hf_token_sealed",
            "update_source",
            "mask_sensitive_info",
            "enable_downstream_log",
            "enable_downstream_log_body",
            "enable_upstream_log",
            "enable_upstream_log_body",
            "cache_doctor",
            "id",
            "was_used",
            "revision",
            "updated_at",
        ];
        let sql = self.dialect.insert_new("instance_settings", &COLUMNS, 1, "id");
        let mut values = settings_values(&SettingsRow::default());
        values.extend([1_i64.into(), false.into(), 0_i64.into(), 0_i64.into()]);
        transaction.execute_raw(Statement::from_sql_and_values(self.dialect.backend(), sql, values)).await.map(drop)
    }

    /// Counts one more change. Whoever changes configuration waits here for whoever is at it: revisions end in their order.
    pub(super) async fn next_revision(&self, transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
        self.lay_settings(transaction).await?;
        let sql = "UPDATE instance_settings SET revision = revision + 1 WHERE id = 1";
        transaction.execute_raw(self.statement(sql, Vec::new())).await?;
        self.revision_in(transaction).await
    }

    pub(super) async fn revision_in<C: ConnectionTrait>(&self, connection: &C) -> Result<i64, DbErr> {
        let row = connection.query_one_raw(self.statement("SELECT revision FROM instance_settings WHERE id = 1", Vec::new())).await?;
        row.map_or(Ok(0), |row| row.try_get("", "revision"))
    }

    /// Notes for ever that the store is no longer fresh, also when everything is deleted again.
    pub(super) async fn note_use(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        let sql = "UPDATE instance_settings SET was_used = ? WHERE id = 1";
        transaction.execute_raw(self.statement(sql, vec![true.into()])).await.map(drop)
    }
}

fn settings_values(settings: &SettingsRow) -> Vec<Value> {
    vec![
        optional(settings.proxy.as_deref()),
        optional(settings.hf_url.as_deref()),
        optional(settings.hf_token_sealed.as_deref()),
        optional(settings.update_source.as_deref()),
        settings.mask_sensitive_info.into(),
        settings.enable_downstream_log.into(),
        settings.enable_downstream_log_body.into(),
        settings.enable_upstream_log.into(),
        settings.enable_upstream_log_body.into(),
        settings.cache_doctor.into(),
    ]
}
