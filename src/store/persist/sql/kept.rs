//! Kept things in SQL: their step of the schema, and their statements.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, SqlErr, Value};

use super::{SqlStore, data::optional, data::text, failed, schema::Migration, stored};
use crate::{
    base::UserId,
    store::{
        persist::{Kept, Link, Page, StoreFault, Stored},
        record::{Keep, KeptItem, KeptKind, KeptRow},
    },
};

/// The tables of kept things.
pub(super) const STEP: Migration = Migration { version: 3, statements: TABLES };

const TABLES: &[&str] = &[
    // The second index finds a line's responses, the third what has expired.
    "CREATE TABLE IF NOT EXISTS kept_things (user_id BIGINT NOT NULL, id {name} NOT NULL, kind {name} NOT NULL, previous {name}, \
     thread {name} NOT NULL, depth BIGINT NOT NULL, bytes BIGINT NOT NULL, body_json {text} NOT NULL, input_json {text} NOT NULL, \
     created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (user_id, id), UNIQUE (user_id, thread, depth, id), \
     UNIQUE (expires_at, user_id, id), FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE) {end}",
    "CREATE TABLE IF NOT EXISTS kept_items (user_id BIGINT NOT NULL, owner {name} NOT NULL, seq BIGINT NOT NULL, item_id {name} NOT NULL, \
     item_json {text} NOT NULL, PRIMARY KEY (user_id, owner, seq), UNIQUE (user_id, item_id, owner, seq), \
     FOREIGN KEY (user_id, owner) REFERENCES kept_things (user_id, id) ON DELETE CASCADE) {end}",
];

const COLUMNS: [&str; 11] =
    ["user_id", "id", "kind", "previous", "thread", "depth", "bytes", "body_json", "input_json", "created_at", "expires_at"];

/// How many values one statement names at most.
const BATCH: usize = 100;

impl Kept for SqlStore {
    fn keep(&self, things: Vec<Keep>) -> Stored<'_, ()> {
        stored(async move {
            let user = things.first().map(|thing| thing.row.user_id);
            self.keep_all(&things).await.map_err(|error| match (error.sql_err(), user) {
                (Some(SqlErr::ForeignKeyConstraintViolation(_)), Some(user)) => StoreFault::Missing { what: "user", id: user.0 },
                (Some(_) | None, _) => failed(error),
            })
        })
    }

    fn find(&self, user: UserId, id: String) -> Stored<'_, Option<KeptRow>> {
        stored(async move {
            let sql = format!("SELECT {} FROM kept_things WHERE user_id = ? AND id = ?", COLUMNS.join(", "));
            let row = self.database.query_one_raw(self.statement(&sql, vec![user.0.into(), text(&id)])).await.map_err(failed)?;
            row.map(|row| read(&row)).transpose()
        })
    }

    fn line(&self, last: KeptRow) -> Stored<'_, Vec<Link>> {
        stored(async move { self.read_line(&last).await.map_err(failed) })
    }

    fn items(&self, user: UserId, owner: String, page: Page) -> Stored<'_, Vec<KeptItem>> {
        stored(async move { self.page(user, &owner, &page).await.map_err(failed) })
    }

    fn named(&self, user: UserId, ids: Vec<String>, now_ms: i64) -> Stored<'_, Vec<KeptItem>> {
        stored(async move { self.read_named(user, &ids, now_ms).await.map_err(failed) })
    }

    fn forget(&self, user: UserId, id: String) -> Stored<'_, bool> {
        stored(async move {
            let sql = "DELETE FROM kept_things WHERE user_id = ? AND id = ?";
            let gone = self.database.execute_raw(self.statement(sql, vec![user.0.into(), text(&id)])).await.map_err(failed)?;
            Ok(gone.rows_affected() > 0)
        })
    }

    fn forget_item(&self, user: UserId, owner: String, id: String) -> Stored<'_, bool> {
        stored(async move {
            let sql = "DELETE FROM kept_items WHERE user_id = ? AND owner = ? AND item_id = ?";
            let values = vec![user.0.into(), text(&owner), text(&id)];
            let gone = self.database.execute_raw(self.statement(sql, values)).await.map_err(failed)?;
            Ok(gone.rows_affected() > 0)
        })
    }

    fn expire(&self, now_ms: i64, most: u64) -> Stored<'_, u64> {
        stored(async move { self.expire_some(now_ms, most).await.map_err(failed) })
    }
}

impl SqlStore {
    async fn keep_all(&self, things: &[Keep]) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        for thing in things {
            let sql = self.dialect.insert_new("kept_things", &COLUMNS, 1, "user_id");
            transaction.execute_raw(sea_orm::Statement::from_sql_and_values(self.dialect.backend(), sql, values(&thing.row))).await?;
            // Holds the row until the end, so that two calls on one conversation put their items one behind the other.
            let sql = "UPDATE kept_things SET body_json = ?, expires_at = ? WHERE user_id = ? AND id = ?";
            let row = &thing.row;
            let values = vec![text(&row.body_json), row.expires_at.into(), row.user_id.0.into(), text(&row.id)];
            transaction.execute_raw(self.statement(sql, values)).await?;
            self.put_behind(&transaction, thing).await?;
        }
        transaction.commit().await
    }

    /// Puts items behind those that a thing has.
    async fn put_behind(&self, transaction: &DatabaseTransaction, thing: &Keep) -> Result<(), DbErr> {
        if thing.items.is_empty() {
            return Ok(());
        }
        let (user, owner) = (thing.row.user_id.0, &thing.row.id);
        let sql = "SELECT MAX(seq) AS last FROM kept_items WHERE user_id = ? AND owner = ?";
        let row = transaction.query_one_raw(self.statement(sql, vec![user.into(), text(owner)])).await?;
        let last: Option<i64> = row.map(|row| row.try_get("", "last")).transpose()?.flatten();
        let mut seq = last.map_or(0, |last| last + 1);
        for items in thing.items.chunks(BATCH) {
            let marks = vec!["(?, ?, ?, ?, ?)"; items.len()].join(", ");
            let sql = format!("INSERT INTO kept_items (user_id, owner, seq, item_id, item_json) VALUES {marks}");
            let mut values: Vec<Value> = Vec::with_capacity(items.len() * 5);
            for item in items {
                values.extend([user.into(), text(owner), seq.into(), text(&item.id), text(&item.json)]);
                seq += 1;
            }
            transaction.execute_raw(self.statement(&sql, values)).await?;
        }
        Ok(())
    }

    async fn read_line(&self, last: &KeptRow) -> Result<Vec<Link>, DbErr> {
        let sql = "SELECT id, previous FROM kept_things WHERE user_id = ? AND thread = ? AND depth <= ?";
        let values = vec![last.user_id.0.into(), text(&last.thread), i64::from(last.depth).into()];
        let rows = self.database.query_all_raw(self.statement(sql, values)).await?;
        let mut before: HashMap<String, Option<String>> = HashMap::with_capacity(rows.len());
        for row in rows {
            before.insert(row.try_get("", "id")?, row.try_get("", "previous")?);
        }
        let mut ids = Vec::new();
        let mut next = Some(last.id.clone());
        while let Some(id) = next {
            // Each is taken once, so that no table, however it came to be, leads in a circle.
            let Some(previous) = before.remove(&id) else { return Ok(Vec::new()) };
            ids.push(id);
            next = previous;
        }
        ids.reverse();
        let (mut inputs, mut outputs) = (HashMap::new(), HashMap::<String, Vec<KeptItem>>::new());
        for some in ids.chunks(BATCH) {
            let (marks, values) = listed(last.user_id, some);
            let sql = format!("SELECT id, input_json FROM kept_things WHERE user_id = ? AND id IN ({marks})");
            for row in self.database.query_all_raw(self.statement(&sql, values.clone())).await? {
                inputs.insert(row.try_get::<String>("", "id")?, row.try_get::<String>("", "input_json")?);
            }
            let sql =
                format!("SELECT owner, item_id, item_json FROM kept_items WHERE user_id = ? AND owner IN ({marks}) ORDER BY owner, seq");
            for row in self.database.query_all_raw(self.statement(&sql, values)).await? {
                outputs.entry(row.try_get("", "owner")?).or_default().push(item(&row)?);
            }
        }
        let link = |id: String| {
            let (input_json, output) = (inputs.remove(&id)?, outputs.remove(&id).unwrap_or_default());
            Some(Link { id, input_json, output })
        };
        Ok(ids.into_iter().map(link).collect::<Option<_>>().unwrap_or_default())
    }

    async fn page(&self, user: UserId, owner: &str, page: &Page) -> Result<Vec<KeptItem>, DbErr> {
        let (order, beyond) = if page.newest_first { ("DESC", "<") } else { ("ASC", ">") };
        let mut values: Vec<Value> = vec![user.0.into(), text(owner)];
        let mut condition = String::new();
        if let Some(after) = &page.after {
            // Without such an item the comparison is with NULL, and holds for none.
            condition = format!("AND seq {beyond} (SELECT MAX(seq) FROM kept_items WHERE user_id = ? AND owner = ? AND item_id = ?)");
            values.extend([user.0.into(), text(owner), text(after)]);
        }
        values.push(i64::try_from(page.limit).unwrap_or(i64::MAX).into());
        let sql =
            format!("SELECT item_id, item_json FROM kept_items WHERE user_id = ? AND owner = ? {condition} ORDER BY seq {order} LIMIT ?");
        let rows = self.database.query_all_raw(self.statement(&sql, values)).await?;
        rows.iter().map(item).collect()
    }

    async fn read_named(&self, user: UserId, ids: &[String], now_ms: i64) -> Result<Vec<KeptItem>, DbErr> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        for some in ids.chunks(BATCH) {
            let (marks, mut values) = listed(user, some);
            values.push(now_ms.into());
            let sql = format!(
                "SELECT i.item_id, i.item_json FROM kept_items i JOIN kept_things t ON t.user_id = i.user_id AND t.id = i.owner \
                 WHERE i.user_id = ? AND i.item_id IN ({marks}) AND t.expires_at > ? ORDER BY t.created_at DESC"
            );
            for row in self.database.query_all_raw(self.statement(&sql, values)).await? {
                let item = item(&row)?;
                if seen.insert(item.id.clone()) {
                    found.push(item);
                }
            }
        }
        Ok(found)
    }

    async fn expire_some(&self, now_ms: i64, most: u64) -> Result<u64, DbErr> {
        let sql = "SELECT t.user_id, t.id FROM kept_things t WHERE t.expires_at <= ? AND NOT EXISTS (SELECT 1 FROM kept_things o \
                   WHERE o.user_id = t.user_id AND o.thread = t.thread AND o.expires_at > ?) ORDER BY t.expires_at LIMIT ?";
        let values = vec![now_ms.into(), now_ms.into(), i64::try_from(most).unwrap_or(i64::MAX).into()];
        let rows = self.database.query_all_raw(self.statement(sql, values)).await?;
        let mut gone = 0;
        for row in &rows {
            let (user, id): (i64, String) = (row.try_get("", "user_id")?, row.try_get("", "id")?);
            // Looked at again: between the two statements somebody may have used it.
            let sql = "DELETE FROM kept_things WHERE user_id = ? AND id = ? AND expires_at <= ?";
            let values = vec![user.into(), text(&id), now_ms.into()];
            gone += self.database.execute_raw(self.statement(sql, values)).await?.rows_affected();
        }
        Ok(gone)
    }
}

/// Placeholders for some ids, and what a statement that begins with the user binds.
fn listed(user: UserId, ids: &[String]) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![user.0.into()];
    values.extend(ids.iter().map(|id| text(id)));
    (vec!["?"; ids.len()].join(", "), values)
}

fn values(row: &KeptRow) -> Vec<Value> {
    vec![
        row.user_id.0.into(),
        text(&row.id),
        text(row.kind.id()),
        optional(row.previous.as_deref()),
        text(&row.thread),
        i64::from(row.depth).into(),
        i64::try_from(row.bytes).unwrap_or(i64::MAX).into(),
        text(&row.body_json),
        text(&row.input_json),
        row.created_at.into(),
        row.expires_at.into(),
    ]
}

fn item(row: &QueryResult) -> Result<KeptItem, DbErr> {
    Ok(KeptItem { id: row.try_get("", "item_id")?, json: row.try_get("", "item_json")? })
}

fn read(row: &QueryResult) -> Result<KeptRow, StoreFault> {
    let kind: String = row.try_get("", "kind").map_err(failed)?;
    let kind =
        KeptKind::parse(&kind).ok_or_else(|| StoreFault::Schema(format!("kept_things.kind is {kind:?}; a newer gproxy wrote it")))?;
    let columns = || {
        Ok(KeptRow {
            user_id: UserId(row.try_get("", "user_id")?),
            id: row.try_get("", "id")?,
            kind,
            previous: row.try_get("", "previous")?,
            thread: row.try_get("", "thread")?,
            depth: u32::try_from(row.try_get::<i64>("", "depth")?).unwrap_or(u32::MAX),
            bytes: u64::try_from(row.try_get::<i64>("", "bytes")?).unwrap_or(u64::MAX),
            body_json: row.try_get("", "body_json")?,
            input_json: row.try_get("", "input_json")?,
            created_at: row.try_get("", "created_at")?,
            expires_at: row.try_get("", "expires_at")?,
        })
    };
    columns().map_err(failed)
}
