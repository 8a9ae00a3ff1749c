//! One moment's view of the ledger, for its proof.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Value};

use super::{SqlStore, data::text, failed, head, ledger::condition, rollup, stored, usage, usage::int};
use crate::{
    base::RequestId,
    store::{
        persist::{Books, Head, SealedRow, StandingSums, StoreFault, Stored, UsageFilter},
        record::{ConfigRows, Span, UsageRow},
    },
};

/// How long before a window a call may have begun that ended in it, milliseconds.
const LONGEST_CALL_MS: u64 = 86_400_000;

/// A view of a ledger: a transaction that only reads.
#[derive(Debug)]
pub struct SqlBooks<'a> {
    store: &'a SqlStore,
    view: DatabaseTransaction,
}

impl SqlStore {
    /// Opens a view of the ledger as it stands now. Writers go on meanwhile.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn books(&self) -> Result<SqlBooks<'_>, StoreFault> {
        Ok(SqlBooks { store: self, view: self.view().await.map_err(failed)? })
    }
}

impl Books for SqlBooks<'_> {
    fn configuration(&self) -> Stored<'_, ConfigRows> {
        stored(async move { self.store.read_view(&self.view).await.map_err(failed) })
    }

    fn head(&self) -> Stored<'_, Option<Head>> {
        stored(async move { head::read(self.store, &self.view).await.map_err(failed) })
    }

    fn rows(&self, behind: String, limit: u64) -> Stored<'_, Vec<SealedRow>> {
        stored(async move {
            let columns = usage::COLUMNS.join(", ");
            let sql = format!("SELECT {columns} FROM usages WHERE request_id > ? ORDER BY request_id LIMIT ?");
            let found = self.all(&sql, vec![text(&behind), int(limit)]).await?;
            found.iter().map(|row| self.sealed(row).map_err(failed)).collect()
        })
    }

    fn sums(&self, span: Span, (at, digest): (i64, i64), limit: u64) -> Stored<'_, Vec<StandingSums>> {
        stored(async move {
            let columns = rollup::COLUMNS.join(", ");
            let sql = format!(
                "SELECT {columns}, closed FROM usage_rollups WHERE span = ? AND at >= ? AND (at > ? OR digest > ?) ORDER BY at, digest LIMIT ?"
            );
            let values = vec![span.hours().into(), at.into(), at.into(), digest.into(), int(limit)];
            let found = self.all(&sql, values).await?;
            found.iter().map(|row| self.standing(span, row).map_err(failed)).collect()
        })
    }

    fn alike(&self, id: String, seal: i64) -> Stored<'_, Vec<String>> {
        stored(async move {
            let sql = "SELECT request_id FROM usages WHERE seal = ? AND request_id <> ? LIMIT 2";
            let found = self.all(sql, vec![seal.into(), text(&id)]).await?;
            found.iter().map(|row| row.try_get("", "request_id").map_err(failed)).collect()
        })
    }

    fn find(&self, ids: Vec<RequestId>) -> Stored<'_, Vec<UsageRow>> {
        stored(async move {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let (columns, marks) = (usage::COLUMNS.join(", "), vec!["?"; ids.len()].join(","));
            let sql = format!("SELECT {columns} FROM usages WHERE request_id IN ({marks})");
            let found = self.all(&sql, ids.iter().map(|id| text(&id.to_string())).collect()).await?;
            found.iter().map(|row| usage::read(row).map_err(failed)).collect()
        })
    }

    fn spent_since(&self, filter: UsageFilter, from_ms: u64) -> Stored<'_, (i64, i64)> {
        stored(async move {
            let since = UsageFilter { from_ms: Some(from_ms), ..filter.clone() };
            let begun = super::summary::cost(self.store, &self.view, &since).await.map_err(failed)?;
            let before = UsageFilter { from_ms: Some(from_ms.saturating_sub(LONGEST_CALL_MS)), to_ms: Some(from_ms), ..filter };
            let (condition, mut values) = condition(&before, None);
            let sum = self.store.dialect.sum("cost_nanos");
            // Whole numbers divide alike on all engines but MySQL, so both sides are microseconds.
            let sql = format!("SELECT {sum} AS cost FROM usages WHERE {condition} AND at * 1000 + latency_us >= ?");
            values.push(int(from_ms.saturating_mul(1000)));
            let found = self.all(&sql, values).await?;
            let ended = found.first().map_or(Ok(0), |row| row.try_get("", "cost")).map_err(failed)?;
            Ok((begun, ended))
        })
    }
}

impl SqlBooks<'_> {
    async fn all(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreFault> {
        self.view.query_all_raw(self.store.statement(sql, values)).await.map_err(failed)
    }

    fn sealed(&self, row: &QueryResult) -> Result<SealedRow, DbErr> {
        let key = &self.store.key;
        let seal: i64 = row.try_get("", "seal")?;
        let read = usage::read(row).map_err(|error| error.to_string());
        let digest = read.as_ref().map_or(0, |row| rollup::digest(key, &crate::store::record::Dimensions::of(&row.begun)));
        Ok(SealedRow {
            id: row.try_get("", "request_id")?,
            at: row.try_get("", "at")?,
            is_intact: seal == rollup::seal_of(key, row)?,
            row: read,
            seal,
            digest,
            negative: negative(row)?,
            cost: row.try_get("", "cost_nanos")?,
            price: row.try_get("", "price_version")?,
        })
    }

    fn standing(&self, span: Span, row: &QueryResult) -> Result<StandingSums, DbErr> {
        let key = &self.store.key;
        let (at, digest, closed): (i64, i64, i64) = (row.try_get("", "at")?, row.try_get("", "digest")?, row.try_get("", "closed")?);
        let dimensions = rollup::dimensions(row).map_err(|error| error.to_string());
        let sums = rollup::sums(row)?;
        Ok(StandingSums {
            at,
            digest,
            is_named: dimensions.as_ref().is_ok_and(|dimensions| rollup::digest(key, dimensions) == digest),
            dimensions,
            is_closed: closed != 0,
            is_intact: closed == 0 || closed == rollup::closing(key, (span, at, digest), &sums),
            sums,
        })
    }
}

/// The first column that is below zero and may not be.
fn negative(row: &QueryResult) -> Result<Option<&'static str>, DbErr> {
    for column in usage::BUCKET_COLUMNS.into_iter().chain(["at", "latency_us"]) {
        if row.try_get::<i64>("", column)? < 0 {
            return Ok(Some(column));
        }
    }
    let cost: Option<i64> = row.try_get("", "cost_nanos")?;
    Ok(cost.is_some_and(|cost| cost < 0).then_some("cost_nanos"))
}
