//! The record of what was done in SQL: its step of the schema, and its statements.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Value};

use super::{
    SqlStore,
    data::{optional, text},
    failed,
    schema::Migration,
    stored,
    usage::{int, uint},
};
use crate::{
    base::{KeyId, OrganizationId, UserId},
    store::{
        persist::{AuditFilter, AuditLog, Stored},
        record::{AuditAction, AuditRow, NewAudit, Role},
    },
};

/// The table of entries.
pub(super) const STEP: Migration = Migration { version: 5, statements: TABLES };

const TABLES: &[&str] = &[
    // The first index finds the oldest ones, the second an organization's.
    "CREATE TABLE IF NOT EXISTS audit_logs ({id}, at BIGINT NOT NULL, actor_id BIGINT, key_id BIGINT, actor_name {text}, role {word}, \
     action {word} NOT NULL, target_kind {word} NOT NULL, target_id BIGINT, organization_id BIGINT, peer {text}, before_json {text}, \
     after_json {text}, UNIQUE (at, id), UNIQUE (organization_id, id)) {end}",
];

const COLUMNS: [&str; 12] = [
    "at",
    "actor_id",
    "key_id",
    "actor_name",
    "role",
    "action",
    "target_kind",
    "target_id",
    "organization_id",
    "peer",
    "before_json",
    "after_json",
];

impl AuditLog for SqlStore {
    fn note(&self, entry: NewAudit) -> Stored<'_, ()> {
        stored(async move { self.insert_entry(&self.database, &entry).await.map_err(failed) })
    }

    fn entries(&self, filter: AuditFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<AuditRow>> {
        stored(async move {
            let (condition, mut values) = condition(&filter, before);
            values.push(int(limit));
            let sql = format!("SELECT id, {} FROM audit_logs WHERE {condition} ORDER BY id DESC LIMIT ?", COLUMNS.join(", "));
            let rows = self.database.query_all_raw(self.statement(&sql, values)).await.map_err(failed)?;
            rows.iter().map(|row| read(row).map_err(failed)).collect()
        })
    }
}

impl SqlStore {
    /// Writes entries as a part of a transaction.
    pub(super) async fn insert_entries(&self, transaction: &DatabaseTransaction, entries: &[NewAudit]) -> Result<(), DbErr> {
        for entry in entries {
            self.insert_entry(transaction, entry).await?;
        }
        Ok(())
    }

    async fn insert_entry<C: ConnectionTrait>(&self, connection: &C, entry: &NewAudit) -> Result<(), DbErr> {
        let marks = vec!["?"; COLUMNS.len()].join(", ");
        let sql = format!("INSERT INTO audit_logs ({}) VALUES ({marks})", COLUMNS.join(", "));
        connection.execute_raw(self.statement(&sql, values(entry))).await.map(drop)
    }
}

/// A filter as a condition and what it binds.
fn condition(filter: &AuditFilter, before: Option<i64>) -> (String, Vec<Value>) {
    let parts: [(&str, Option<Value>); 8] = [
        ("at >= ?", filter.from_ms.map(int)),
        ("at < ?", filter.to_ms.map(int)),
        ("actor_id = ?", filter.actor_id.map(|id| id.0.into())),
        ("action = ?", filter.action.map(|action| text(action.word()))),
        ("target_kind = ?", filter.target_kind.as_deref().map(text)),
        ("target_id = ?", filter.target_id.map(Into::into)),
        ("organization_id = ?", filter.organization_id.map(|id| id.0.into())),
        ("id < ?", before.map(Into::into)),
    ];
    let (conditions, values): (Vec<&str>, Vec<Value>) = parts.into_iter().filter_map(|(part, value)| Some((part, value?))).unzip();
    (if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") }, values)
}

fn values(entry: &NewAudit) -> Vec<Value> {
    vec![
        int(entry.at),
        entry.actor_id.map(|id| id.0).into(),
        entry.key_id.map(|id| id.0).into(),
        optional(entry.actor_name.as_deref()),
        optional(entry.role.map(Role::word)),
        text(entry.action.word()),
        text(&entry.target_kind),
        entry.target_id.into(),
        entry.organization_id.map(|id| id.0).into(),
        optional(entry.peer.as_deref()),
        optional(entry.before_json.as_deref()),
        optional(entry.after_json.as_deref()),
    ]
}

fn read(row: &QueryResult) -> Result<AuditRow, DbErr> {
    let (action, role): (String, Option<String>) = (row.try_get("", "action")?, row.try_get("", "role")?);
    let unknown = |column: &str, word: &str| DbErr::Type(format!("column {column} has an unknown value {word:?}"));
    let role = role.map(|word| Role::parse(&word).ok_or_else(|| unknown("role", &word))).transpose()?;
    let entry = NewAudit {
        at: uint(row, "at")?,
        actor_id: row.try_get::<Option<i64>>("", "actor_id")?.map(UserId),
        key_id: row.try_get::<Option<i64>>("", "key_id")?.map(KeyId),
        actor_name: row.try_get("", "actor_name")?,
        role,
        action: AuditAction::parse(&action).ok_or_else(|| unknown("action", &action))?,
        target_kind: row.try_get("", "target_kind")?,
        target_id: row.try_get("", "target_id")?,
        organization_id: row.try_get::<Option<i64>>("", "organization_id")?.map(OrganizationId),
        peer: row.try_get("", "peer")?,
        before_json: row.try_get("", "before_json")?,
        after_json: row.try_get("", "after_json")?,
    };
    Ok(AuditRow { id: row.try_get("", "id")?, entry })
}
