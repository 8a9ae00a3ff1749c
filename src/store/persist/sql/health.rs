//! The health of credentials in SQL: its step of the schema, and its statements.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};

use super::{
    SqlStore,
    data::text,
    failed,
    schema::Migration,
    stored,
    usage::{int, uint},
};
use crate::{
    base::{CredentialId, ProviderId},
    store::{
        persist::{HealthBook, HealthFilter, HealthNews, Stored},
        record::{HealthEventRow, HealthReset, HealthRow, HealthWord, NewHealthEvent, RestRow},
    },
};

/// The tables of what stands and of what happened.
pub(super) const STEP: Migration = Migration { version: 7, statements: TABLES };

const TABLES: &[&str] = &[
    // A provider itself has credential 0; all models are the empty one.
    "CREATE TABLE IF NOT EXISTS health (provider_id BIGINT NOT NULL, credential_id BIGINT NOT NULL, changed BIGINT NOT NULL, \
     model {name} NOT NULL, noted_ms BIGINT NOT NULL, why {word} NOT NULL, until_ms BIGINT NOT NULL, is_told BOOLEAN NOT NULL, \
     is_dead BOOLEAN NOT NULL, failures BIGINT NOT NULL, PRIMARY KEY (provider_id, credential_id, changed, model)) {end}",
    "CREATE TABLE IF NOT EXISTS health_events ({id}, at BIGINT NOT NULL, provider_id BIGINT NOT NULL, credential_id BIGINT NOT NULL, \
     model {name} NOT NULL, event {word} NOT NULL, until_ms BIGINT, failures BIGINT NOT NULL, UNIQUE (at, id), \
     UNIQUE (provider_id, credential_id, id)) {end}",
];

const COLUMNS: [&str; 10] =
    ["provider_id", "credential_id", "changed", "model", "noted_ms", "why", "until_ms", "is_told", "is_dead", "failures"];
const EVENT_COLUMNS: [&str; 7] = ["at", "provider_id", "credential_id", "model", "event", "until_ms", "failures"];

/// What a row's name may hold, in characters: a longer one is not written, and forgotten by a restart.
const LONGEST_MODEL: usize = 255;

impl HealthBook for SqlStore {
    fn standing(&self) -> Stored<'_, Vec<HealthRow>> {
        stored(async move {
            let sql = format!("SELECT {} FROM health ORDER BY noted_ms", COLUMNS.join(", "));
            let rows = self.database.query_all_raw(self.statement(&sql, Vec::new())).await.map_err(failed)?;
            rows.iter().map(|row| read(row).map_err(failed)).collect()
        })
    }

    fn learn(&self, news: HealthNews) -> Stored<'_, ()> {
        stored(async move { self.write_health(&news).await.map_err(failed) })
    }

    fn history(&self, filter: HealthFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<HealthEventRow>> {
        stored(async move {
            let (condition, mut values) = condition(&filter, before);
            values.push(int(limit));
            let sql = format!("SELECT id, {} FROM health_events WHERE {condition} ORDER BY id DESC LIMIT ?", EVENT_COLUMNS.join(", "));
            let rows = self.database.query_all_raw(self.statement(&sql, values)).await.map_err(failed)?;
            rows.iter().map(|row| read_event(row).map_err(failed)).collect()
        })
    }

    fn tidy(&self, over_before_ms: u64, (before_ms, keep): (u64, u64), most: u64) -> Stored<'_, u64> {
        stored(async move {
            let over = "DELETE FROM health WHERE is_dead = ? AND until_ms < ?";
            self.database.execute_raw(self.statement(over, vec![false.into(), int(over_before_ms)])).await.map_err(failed)?;
            let first = "SELECT id FROM health_events ORDER BY id DESC LIMIT 1 OFFSET ?";
            let first = self.database.query_one_raw(self.statement(first, vec![int(keep)])).await.map_err(failed)?;
            let up_to: i64 = first.map_or(Ok(0), |row| row.try_get("", "id")).map_err(failed)?;
            let gone = self.delete_events("at < ?", int(before_ms), most).await.map_err(failed)?;
            Ok(gone + self.delete_events("id <= ?", up_to.into(), most.saturating_sub(gone)).await.map_err(failed)?)
        })
    }
}

impl SqlStore {
    async fn write_health(&self, news: &HealthNews) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        for reset in &news.resets {
            let (condition, values) = meant(reset);
            transaction.execute_raw(self.statement(&format!("DELETE FROM health WHERE {condition}"), values)).await?;
        }
        // Always in the same order, so that two instances that write at once wait for each other and never in a circle.
        let mut rows: Vec<&HealthRow> = news.rows.iter().filter(|row| fits(row.model.as_deref())).collect();
        rows.sort_by_key(|row| key(row));
        for row in rows {
            self.put_health(&transaction, row).await?;
        }
        for event in news.events.iter().filter(|event| fits(event.model.as_deref())) {
            let marks = vec!["?"; EVENT_COLUMNS.len()].join(", ");
            let sql = format!("INSERT INTO health_events ({}) VALUES ({marks})", EVENT_COLUMNS.join(", "));
            transaction.execute_raw(self.statement(&sql, event_values(event))).await?;
        }
        transaction.commit().await
    }

    async fn delete_events(&self, condition: &str, value: Value, most: u64) -> Result<u64, DbErr> {
        let sql = format!("SELECT id FROM health_events WHERE {condition} ORDER BY id LIMIT ?");
        let found = self.database.query_all_raw(self.statement(&sql, vec![value, int(most)])).await?;
        let ids: Vec<Value> = found.iter().map(|row| row.try_get::<i64>("", "id").map(Value::from)).collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Ok(0);
        }
        let sql = format!("DELETE FROM health_events WHERE id IN ({})", vec!["?"; ids.len()].join(","));
        Ok(self.database.execute_raw(self.statement(&sql, ids)).await?.rows_affected())
    }

    /// Puts a row in the place of an older one.
    async fn put_health(&self, transaction: &DatabaseTransaction, row: &HealthRow) -> Result<(), DbErr> {
        let (provider, credential, changed, model) = key(row);
        let sql = "DELETE FROM health WHERE provider_id = ? AND credential_id = ? AND changed = ? AND model = ? AND noted_ms <= ?";
        let values = vec![provider.into(), credential.into(), changed.into(), text(model), int(row.noted_ms)];
        transaction.execute_raw(self.statement(sql, values)).await?;
        let Some(rest) = &row.rest else { return Ok(()) };
        let values = vec![
            provider.into(),
            credential.into(),
            changed.into(),
            text(model),
            int(row.noted_ms),
            text(rest.why.word()),
            int(rest.until_ms),
            rest.is_told.into(),
            rest.is_dead.into(),
            i64::from(rest.failures).into(),
        ];
        let sql = self.dialect.insert_new("health", &COLUMNS, 1, "provider_id");
        transaction.execute_raw(Statement::from_sql_and_values(self.dialect.backend(), sql, values)).await.map(drop)
    }
}

fn fits(model: Option<&str>) -> bool {
    model.is_none_or(|model| model.chars().count() <= LONGEST_MODEL)
}

fn key(row: &HealthRow) -> (i64, i64, i64, &str) {
    (row.provider_id.0, row.credential_id.map_or(0, |id| id.0), row.changed, row.model.as_deref().unwrap_or_default())
}

/// Whom a reset means, as a condition and what it binds.
fn meant(reset: &HealthReset) -> (String, Vec<Value>) {
    let parts: [(&str, Option<Value>); 3] = [
        ("noted_ms <= ?", Some(int(reset.at_ms))),
        ("provider_id = ?", reset.provider_id.map(|id| id.0.into())),
        ("credential_id = ?", reset.credential_id.map(|id| id.0.into())),
    ];
    joined(parts)
}

fn condition(filter: &HealthFilter, before: Option<i64>) -> (String, Vec<Value>) {
    let parts: [(&str, Option<Value>); 6] = [
        ("at >= ?", filter.from_ms.map(int)),
        ("at < ?", filter.to_ms.map(int)),
        ("provider_id = ?", filter.provider_id.map(|id| id.0.into())),
        ("credential_id = ?", filter.credential_id.map(|id| id.0.into())),
        ("model = ?", filter.model.as_deref().map(text)),
        ("id < ?", before.map(Into::into)),
    ];
    joined(parts)
}

fn joined<const N: usize>(parts: [(&str, Option<Value>); N]) -> (String, Vec<Value>) {
    let (conditions, values): (Vec<&str>, Vec<Value>) = parts.into_iter().filter_map(|(part, value)| Some((part, value?))).unzip();
    (if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") }, values)
}

fn event_values(event: &NewHealthEvent) -> Vec<Value> {
    vec![
        int(event.at),
        event.provider_id.0.into(),
        event.credential_id.map_or(0, |id| id.0).into(),
        text(event.model.as_deref().unwrap_or_default()),
        text(event.event.word()),
        event.until_ms.map(|until| i64::try_from(until).unwrap_or(i64::MAX)).into(),
        i64::from(event.failures).into(),
    ]
}

fn word(row: &QueryResult, column: &str) -> Result<HealthWord, DbErr> {
    let word: String = row.try_get("", column)?;
    HealthWord::parse(&word).ok_or_else(|| DbErr::Type(format!("column {column} has an unknown value {word:?}")))
}

/// Whom a row is about: the credential and the model.
fn whom(row: &QueryResult) -> Result<(Option<CredentialId>, Option<String>), DbErr> {
    let (credential, model): (i64, String) = (row.try_get("", "credential_id")?, row.try_get("", "model")?);
    Ok(((credential != 0).then_some(CredentialId(credential)), Some(model).filter(|model| !model.is_empty())))
}

fn count(row: &QueryResult) -> Result<u32, DbErr> {
    row.try_get::<i64>("", "failures").map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn read(row: &QueryResult) -> Result<HealthRow, DbErr> {
    let (credential_id, model) = whom(row)?;
    let rest = RestRow {
        why: word(row, "why")?,
        until_ms: uint(row, "until_ms")?,
        is_told: row.try_get("", "is_told")?,
        is_dead: row.try_get("", "is_dead")?,
        failures: count(row)?,
    };
    let (provider_id, changed) = (ProviderId(row.try_get("", "provider_id")?), row.try_get("", "changed")?);
    Ok(HealthRow { provider_id, credential_id, changed, model, noted_ms: uint(row, "noted_ms")?, rest: Some(rest) })
}

fn read_event(row: &QueryResult) -> Result<HealthEventRow, DbErr> {
    let (credential_id, model) = whom(row)?;
    let event = NewHealthEvent {
        at: uint(row, "at")?,
        provider_id: ProviderId(row.try_get("", "provider_id")?),
        credential_id,
        model,
        event: word(row, "event")?,
        until_ms: row.try_get::<Option<i64>>("", "until_ms")?.map(|until| u64::try_from(until).unwrap_or(0)),
        failures: count(row)?,
    };
    Ok(HealthEventRow { id: row.try_get("", "id")?, event })
}
