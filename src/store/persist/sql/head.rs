//! The head: the sum over all usage rows that were ever written, under a seal of its own. Seals of rollups are only added up, so
//! somebody who takes a whole group away could take it off every sum; without the key nobody can take it off here.

use rusqlite::{Connection, OptionalExtension};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Value};

use super::{
    SqlStore,
    data::text,
    hot,
    rollup::{self, Batch, Sealed},
    schema::Migration,
    usage,
};
use crate::store::{
    persist::{
        Head,
        seal::{SealKey, Sheet},
    },
    record::{SEALS, Sums},
};

/// The key that a ledger began with, sealed, where the operator's secret was replaced since.
pub(super) const STEP: Migration = Migration { version: 6, statements: &["ALTER TABLE usage_head {add} key_sealed {text}"] };

/// The sorts of sheets.
const HEAD: u8 = 3;
const KEY: u8 = 5;

/// Rows that are given their seals in one transaction.
const ADOPTED: u64 = 1000;

const SELECT: &str = "SELECT requests, cost_nanos, seal, adopted, mark, key_mark FROM usage_head WHERE id = 1";
const UPDATE: &str = "UPDATE usage_head SET requests = ?, cost_nanos = ?, seal = ?, adopted = ?, mark = ? WHERE id = 1";
const COLUMNS: [&str; 7] = ["id", "requests", "cost_nanos", "seal", "adopted", "mark", "key_mark"];

/// The row of the head.
#[derive(Clone, Debug, Default)]
struct Row {
    requests: i64,
    cost_nanos: i64,
    seal: i64,
    adopted: i64,
    /// The digest of the above. Empty while rows are still adopted.
    mark: String,
    /// Which key it was made with.
    key_mark: String,
}

impl Row {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            requests: row.try_get("", "requests")?,
            cost_nanos: row.try_get("", "cost_nanos")?,
            seal: row.try_get("", "seal")?,
            adopted: row.try_get("", "adopted")?,
            mark: row.try_get("", "mark")?,
            key_mark: row.try_get("", "key_mark")?,
        })
    }

    fn right_mark(&self, key: &SealKey) -> String {
        let mut sheet = Sheet::new(HEAD);
        for figure in [self.requests, self.cost_nanos, self.seal, self.adopted] {
            sheet.int(Some(figure));
        }
        key.mark(&sheet)
    }

    /// With more in it. A wrong mark stays wrong: what was tampered with must not be made good by the next batch.
    fn plus(self, key: &SealKey, sums: &Sums, adopted: i64) -> Self {
        let was_right = self.mark == self.right_mark(key);
        let mut next = Self {
            requests: self.requests.saturating_add(sums.requests),
            cost_nanos: self.cost_nanos.saturating_add(sums.cost),
            seal: (self.seal.rem_euclid(SEALS) + sums.seal) % SEALS,
            adopted: self.adopted.saturating_add(adopted),
            ..self
        };
        if was_right {
            next.mark = next.right_mark(key);
        }
        next
    }

    fn values(&self) -> Vec<Value> {
        vec![self.requests.into(), self.cost_nanos.into(), self.seal.into(), self.adopted.into(), text(&self.mark)]
    }
}

fn key_mark(key: &SealKey) -> String {
    let mut mark = key.mark(&Sheet::new(KEY));
    mark.truncate(16);
    mark
}

/// The ledger's kept key, sealed; nothing where its key is that of the secret it began with.
pub(super) async fn kept_key(store: &SqlStore) -> Result<Option<String>, DbErr> {
    let sql = "SELECT key_sealed FROM usage_head WHERE id = 1";
    let row = store.database.query_one_raw(store.statement(sql, Vec::new())).await?;
    row.map_or(Ok(None), |row| row.try_get("", "key_sealed"))
}

/// Keeps a sealed key as the ledger's.
pub(super) async fn keep_key(store: &SqlStore, transaction: &DatabaseTransaction, sealed: &str) -> Result<(), DbErr> {
    let sql = "UPDATE usage_head SET key_sealed = ? WHERE id = 1";
    transaction.execute_raw(store.statement(sql, vec![text(sealed)])).await.map(drop)
}

/// The head, and whether it is right; `None` where it is missing.
pub(super) async fn read<C: ConnectionTrait>(store: &SqlStore, connection: &C) -> Result<Option<Head>, DbErr> {
    let Some(row) = connection.query_one_raw(store.statement(SELECT, Vec::new())).await? else { return Ok(None) };
    let row = Row::read(&row)?;
    Ok(Some(Head {
        requests: row.requests,
        cost: row.cost_nanos,
        seal: row.seal,
        adopted: row.adopted,
        is_intact: row.mark == row.right_mark(&store.key),
        is_ours: row.key_mark == key_mark(&store.key),
    }))
}

/// Adds sums to the head.
pub(super) async fn add(store: &SqlStore, transaction: &DatabaseTransaction, sums: &Sums) -> Result<(), DbErr> {
    let row = held(store, transaction).await?.plus(&store.key, sums, 0);
    transaction.execute_raw(store.statement(UPDATE, row.values())).await.map(drop)
}

/// The same on the connection for usage rows of a SQLite file. A head that is missing stays so, and is found missing.
pub(super) fn add_direct(key: &SealKey, connection: &Connection, sums: &Sums) -> rusqlite::Result<()> {
    let row = connection.prepare_cached(SELECT)?.query_row([], |row| {
        let (requests, cost_nanos, seal) = (row.get("requests")?, row.get("cost_nanos")?, row.get("seal")?);
        Ok(Row { requests, cost_nanos, seal, adopted: row.get("adopted")?, mark: row.get("mark")?, key_mark: row.get("key_mark")? })
    });
    let Some(row) = row.optional()? else { return Ok(()) };
    let Row { requests, cost_nanos, seal, adopted, mark, .. } = row.plus(key, sums, 0);
    connection.prepare_cached(UPDATE)?.execute((requests, cost_nanos, seal, adopted, mark)).map(drop)
}

/// The row, held until the transaction ends; all zeros where it is missing.
async fn held(store: &SqlStore, transaction: &DatabaseTransaction) -> Result<Row, DbErr> {
    let sql = format!("{SELECT}{}", store.dialect.for_update());
    let row = transaction.query_one_raw(store.statement(&sql, Vec::new())).await?;
    row.map_or_else(|| Ok(Row::default()), |row| Row::read(&row))
}

/// Gives the rows of a database that comes from before the seals their seals and rollups, a bounded batch at a time. A database
/// that has a head is left alone: what has no seal there was not written by this program.
pub(super) async fn adopt(store: &SqlStore) -> Result<(), DbErr> {
    let row = store.database.query_one_raw(store.statement(SELECT, Vec::new())).await?;
    match row.map(|row| Row::read(&row)).transpose()? {
        Some(row) if !row.mark.is_empty() => return Ok(()),
        Some(_) => {}
        None => lay(store).await?,
    }
    while adopt_some(store).await? > 0 {}
    Ok(())
}

/// Makes the row of a head that is being made.
async fn lay(store: &SqlStore) -> Result<(), DbErr> {
    let sql = store.dialect.insert_new("usage_head", &COLUMNS, 1, "id");
    let row = Row { key_mark: key_mark(&store.key), ..Row::default() };
    let mut values: Vec<Value> = vec![1_i64.into()];
    values.extend(row.values());
    values.push(text(&row.key_mark));
    let statement = sea_orm::Statement::from_sql_and_values(store.dialect.backend(), sql, values);
    store.database.execute_raw(statement).await.map(drop)
}

/// Adopts some rows; when none is left the head gets its mark. Gives how many it were.
async fn adopt_some(store: &SqlStore) -> Result<usize, DbErr> {
    let transaction = store.begin().await?;
    let head = held(store, &transaction).await?;
    if !head.mark.is_empty() {
        // Another instance was at it too, and is done.
        transaction.commit().await?;
        return Ok(0);
    }
    let columns = usage::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM usages WHERE seal = 0 ORDER BY request_id LIMIT {ADOPTED}");
    let found = transaction.query_all_raw(store.statement(&sql, Vec::new())).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let (read, seal) = (usage::read(row)?, rollup::seal_of(&store.key, row)?);
        let sql = "UPDATE usages SET seal = ? WHERE request_id = ?";
        transaction.execute_raw(store.statement(sql, vec![seal.into(), text(&read.begun.request_id.to_string())])).await?;
        rows.push((read, seal));
    }
    let batch = Batch::sealed(&store.key, rows.iter().map(|(row, seal)| Sealed { row, seal: *seal }).collect());
    hot::add_rollups(store, &transaction, &batch).await?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let mut next = head.plus(&store.key, &batch.sum, count);
    if rows.is_empty() {
        next.mark = next.right_mark(&store.key);
        if next.adopted > 0 {
            tracing::info!(rows = next.adopted, "usage rows from before the seals were sealed");
        }
    }
    transaction.execute_raw(store.statement(UPDATE, next.values())).await?;
    transaction.commit().await?;
    Ok(rows.len())
}
