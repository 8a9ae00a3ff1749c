//! Configuration, row by row.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, IsolationLevel, QueryResult, SqlErr, Statement, TransactionTrait, Value};

use super::{
    SqlStore,
    dialect::Dialect,
    failed,
    noun::{Noun, optional},
    stored,
};
use crate::{
    base::{CredentialId, KeyId, ModelId, ProviderId, UserId},
    store::{
        persist::{Records, StoreFault, Stored},
        record::{
            ConfigRows, CredentialRow, KeyRow, ModelRow, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser,
            PermissionRow, ProviderRow, SettingsRow, UserRow,
        },
    },
};

/// A row with what the store added: its id, and the times of its making and last change.
struct Kept<N> {
    id: i64,
    row: N,
    created_at: i64,
    updated_at: i64,
}

macro_rules! into_row {
    ($($noun:ty => $row:ident($id:expr)),+ $(,)?) => {$(
        impl From<Kept<$noun>> for $row {
            fn from(kept: Kept<$noun>) -> Self {
                Self { id: $id(kept.id), row: kept.row, created_at: kept.created_at, updated_at: kept.updated_at }
            }
        }
    )+};
}

into_row! {
    NewProvider => ProviderRow(ProviderId),
    NewCredential => CredentialRow(CredentialId),
    NewModel => ModelRow(ModelId),
    NewUser => UserRow(UserId),
    NewKey => KeyRow(KeyId),
    NewPermission => PermissionRow(std::convert::identity),
}

impl Records for SqlStore {
    fn load(&self) -> Stored<'_, ConfigRows> {
        stored(async move { self.read_all().await.map_err(failed) })
    }

    fn is_fresh(&self) -> Stored<'_, bool> {
        stored(async move {
            let sql = "SELECT id FROM instance_settings WHERE was_used = ?";
            let row = self.database.query_one_raw(self.statement(sql, vec![true.into()])).await.map_err(failed)?;
            Ok(row.is_none())
        })
    }

    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()> {
        stored(async move { self.replace_settings(&settings).await.map_err(failed) })
    }

    fn save_provider(&self, id: Option<ProviderId>, row: NewProvider) -> Stored<'_, ProviderRow> {
        stored(async move { self.save(id.map(|id| id.0), row).await.map(Into::into) })
    }

    fn delete_provider(&self, id: ProviderId) -> Stored<'_, ()> {
        stored(self.delete::<NewProvider>(id.0))
    }

    fn save_credential(&self, id: Option<CredentialId>, row: NewCredential) -> Stored<'_, CredentialRow> {
        stored(async move { self.save(id.map(|id| id.0), row).await.map(Into::into) })
    }

    fn delete_credential(&self, id: CredentialId) -> Stored<'_, ()> {
        stored(self.delete::<NewCredential>(id.0))
    }

    fn save_model(&self, id: Option<ModelId>, row: NewModel) -> Stored<'_, ModelRow> {
        stored(async move { self.save(id.map(|id| id.0), row).await.map(Into::into) })
    }

    fn delete_model(&self, id: ModelId) -> Stored<'_, ()> {
        stored(self.delete::<NewModel>(id.0))
    }

    fn save_user(&self, id: Option<UserId>, row: NewUser) -> Stored<'_, UserRow> {
        stored(async move { self.save(id.map(|id| id.0), row).await.map(Into::into) })
    }

    fn delete_user(&self, id: UserId) -> Stored<'_, ()> {
        stored(self.delete::<NewUser>(id.0))
    }

    fn save_key(&self, id: Option<KeyId>, row: NewKey) -> Stored<'_, KeyRow> {
        stored(async move { self.save(id.map(|id| id.0), row).await.map(Into::into) })
    }

    fn delete_key(&self, id: KeyId) -> Stored<'_, ()> {
        stored(self.delete::<NewKey>(id.0))
    }

    fn save_permission(&self, row: NewPermission) -> Stored<'_, PermissionRow> {
        stored(async move {
            let saved = self.save(None, row.clone()).await;
            match saved {
                Ok(kept) => Ok(kept.into()),
                // Insert first, look second: between a look and an insert another instance could insert.
                Err(StoreFault::Taken { .. }) => self.standing_permission(row).await,
                Err(fault) => Err(fault),
            }
        })
    }

    fn delete_permission(&self, id: i64) -> Stored<'_, ()> {
        stored(self.delete::<NewPermission>(id))
    }
}

impl SqlStore {
    async fn read_all(&self) -> Result<ConfigRows, DbErr> {
        // One moment's view over all tables. SQLite's every transaction is one.
        let isolation = match self.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres | Dialect::Mysql => Some(IsolationLevel::RepeatableRead),
        };
        let view = self.database.begin_with_config(isolation, None).await?;
        let rows = ConfigRows {
            settings: self.settings(&view).await?,
            providers: self.list::<NewProvider, _>(&view).await?,
            credentials: self.list::<NewCredential, _>(&view).await?,
            models: self.list::<NewModel, _>(&view).await?,
            users: self.list::<NewUser, _>(&view).await?,
            keys: self.list::<NewKey, _>(&view).await?,
            permissions: self.list::<NewPermission, _>(&view).await?,
        };
        view.commit().await?;
        Ok(rows)
    }

    async fn list<N: Noun, R: From<Kept<N>>>(&self, view: &DatabaseTransaction) -> Result<Vec<R>, DbErr> {
        let sql = format!("SELECT id, created_at, updated_at, {} FROM {} ORDER BY id", N::COLUMNS.join(", "), N::TABLE);
        let rows = view.query_all_raw(self.statement(&sql, Vec::new())).await?;
        rows.iter().map(|row| read_kept::<N>(row).map(R::from)).collect()
    }

    async fn save<N: Noun>(&self, id: Option<i64>, row: N) -> Result<Kept<N>, StoreFault> {
        let transaction = self.begin().await.map_err(failed)?;
        let now = self.now(&transaction).await.map_err(failed)?;
        let (id, created_at) = match id {
            Some(id) => (id, self.change(&transaction, (id, now), &row).await?),
            None => {
                if row.parent().is_none() {
                    self.note_use(&transaction).await.map_err(failed)?;
                }
                (self.make(&transaction, now, &row).await.map_err(|error| refused(error, &row))?, now)
            }
        };
        transaction.commit().await.map_err(|error| refused(error, &row))?;
        Ok(Kept { id, row, created_at, updated_at: now })
    }

    async fn make<N: Noun>(&self, transaction: &DatabaseTransaction, now: i64, row: &N) -> Result<i64, DbErr> {
        let marks = vec!["?"; N::COLUMNS.len() + 2].join(", ");
        let sql = format!("INSERT INTO {} (created_at, updated_at, {}) VALUES ({marks})", N::TABLE, N::COLUMNS.join(", "));
        let mut values = vec![now.into(), now.into()];
        values.extend(row.values());
        match self.dialect {
            Dialect::Postgres => {
                let row = transaction.query_one_raw(self.statement(&format!("{sql} RETURNING id"), values)).await?;
                row.ok_or_else(|| DbErr::RecordNotInserted)?.try_get("", "id")
            }
            Dialect::Sqlite | Dialect::Mysql => {
                let made = transaction.execute_raw(self.statement(&sql, values)).await?;
                i64::try_from(made.last_insert_id()).map_err(|_| DbErr::RecordNotInserted)
            }
        }
    }

    /// Changes a row, and tells when it was made.
    async fn change<N: Noun>(&self, transaction: &DatabaseTransaction, (id, now): (i64, i64), row: &N) -> Result<i64, StoreFault> {
        let sql = format!("SELECT created_at FROM {} WHERE id = ?", N::TABLE);
        let standing = transaction.query_one_raw(self.statement(&sql, vec![id.into()])).await.map_err(failed)?;
        let standing = standing.ok_or(StoreFault::Missing { what: N::NAME, id })?;
        let sets: Vec<String> = N::COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
        let sql = format!("UPDATE {} SET updated_at = ?, {} WHERE id = ?", N::TABLE, sets.join(", "));
        let mut values = vec![now.into()];
        values.extend(row.values());
        values.push(id.into());
        transaction.execute_raw(self.statement(&sql, values)).await.map_err(|error| refused(error, row))?;
        standing.try_get("", "created_at").map_err(failed)
    }

    async fn delete<N: Noun>(&self, id: i64) -> Result<(), StoreFault> {
        let sql = format!("DELETE FROM {} WHERE id = ?", N::TABLE);
        let gone = self.database.execute_raw(self.statement(&sql, vec![id.into()])).await.map_err(failed)?;
        if gone.rows_affected() == 0 { Err(StoreFault::Missing { what: N::NAME, id }) } else { Ok(()) }
    }

    async fn standing_permission(&self, row: NewPermission) -> Result<PermissionRow, StoreFault> {
        let sql = "SELECT id, created_at, updated_at, user_id, pattern FROM route_permissions WHERE user_id = ? AND pattern = ?";
        let values = vec![row.user_id.0.into(), super::noun::text(&row.pattern)];
        let standing = self.database.query_one_raw(self.statement(sql, values)).await.map_err(failed)?;
        let taken = || StoreFault::Taken { what: NewPermission::NAME, value: row.pattern.clone() };
        read_kept::<NewPermission>(&standing.ok_or_else(taken)?).map(Into::into).map_err(failed)
    }

    async fn settings(&self, view: &DatabaseTransaction) -> Result<SettingsRow, DbErr> {
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
            updated_at: row.try_get("", "updated_at")?,
        })
    }

    async fn replace_settings(&self, settings: &SettingsRow) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        let now = self.now(&transaction).await?;
        self.lay_settings(&transaction).await?;
        let sql = "UPDATE instance_settings SET proxy = ?, hf_url = ?, hf_token_sealed = ?, update_source = ?, mask_sensitive_info = ?, \
                   enable_downstream_log = ?, enable_downstream_log_body = ?, enable_upstream_log = ?, enable_upstream_log_body = ?, \
                   updated_at = ? WHERE id = 1";
        let mut values = settings_values(settings);
        values.push(now.into());
        transaction.execute_raw(self.statement(sql, values)).await?;
        transaction.commit().await
    }

    /// Makes the one row of settings, with defaults, where it is missing.
    async fn lay_settings(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        const COLUMNS: [&str; 12] = [
            "proxy",
            "hf_url",
            "hf_token_sealed",
            "update_source",
            "mask_sensitive_info",
            "enable_downstream_log",
            "enable_downstream_log_body",
            "enable_upstream_log",
            "enable_upstream_log_body",
            "id",
            "was_used",
            "updated_at",
        ];
        let sql = self.dialect.insert_new("instance_settings", &COLUMNS, 1, "id");
        let mut values = settings_values(&SettingsRow::default());
        values.extend([1_i64.into(), false.into(), 0_i64.into()]);
        transaction.execute_raw(Statement::from_sql_and_values(self.dialect.backend(), sql, values)).await.map(drop)
    }

    /// Notes for ever that the store is no longer fresh, also when everything is deleted again.
    async fn note_use(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        self.lay_settings(transaction).await?;
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
    ]
}

fn read_kept<N: Noun>(row: &QueryResult) -> Result<Kept<N>, DbErr> {
    Ok(Kept {
        id: row.try_get("", "id")?,
        row: N::read(row)?,
        created_at: row.try_get("", "created_at")?,
        updated_at: row.try_get("", "updated_at")?,
    })
}

/// The store's word for a constraint that refused a row.
fn refused<N: Noun>(error: DbErr, row: &N) -> StoreFault {
    match (error.sql_err(), row.parent()) {
        (Some(SqlErr::UniqueConstraintViolation(_)), _) => StoreFault::Taken { what: N::NAME, value: row.own_name() },
        (Some(SqlErr::ForeignKeyConstraintViolation(_)), Some((what, id))) => StoreFault::Missing { what, id },
        (Some(_) | None, _) => failed(error),
    }
}
