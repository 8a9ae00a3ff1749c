//! Old rows go, an hour at a time: its sums are proven and sealed first, then its rows are deleted in bounded batches.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};

use super::{SqlStore, data::text, failed, rollup, stored, usage, usage::int};
use crate::store::{
    persist::{Retention, Retired, Stored},
    record::{Dimensions, Span, Sums},
};

/// Rows of an hour that are read at once to prove it.
const PAGE: u64 = 1000;
/// Slack between the time in an id and the row's own time, milliseconds.
const SLACK_MS: u64 = 60_000;

impl Retention for SqlStore {
    fn retire_usages(&self, behind_ms: u64, before_ms: u64, most: u64) -> Stored<'_, Retired> {
        stored(async move { self.retire(behind_ms, before_ms, most).await.map_err(failed) })
    }

    fn retire_wire(&self, before_ms: u64, most: u64) -> Stored<'_, u64> {
        stored(async move {
            let mut gone = 0;
            for table in ["downstream_requests", "upstream_requests"] {
                gone += self.delete(table, "request_id < ?", vec![floor(before_ms)], most).await.map_err(failed)?;
            }
            Ok(gone)
        })
    }

    fn retire_audit(&self, before_ms: u64, most: u64) -> Stored<'_, u64> {
        stored(async move {
            let sql = "SELECT id FROM audit_logs WHERE at < ? ORDER BY at, id LIMIT ?";
            let found = self.database.query_all_raw(self.statement(sql, vec![int(before_ms), int(most)])).await.map_err(failed)?;
            let ids: Vec<Value> =
                found.iter().map(|row| row.try_get::<i64>("", "id").map(Value::from)).collect::<Result<_, _>>().map_err(failed)?;
            if ids.is_empty() {
                return Ok(0);
            }
            let sql = format!("DELETE FROM audit_logs WHERE id IN ({})", vec!["?"; ids.len()].join(","));
            let done = self.database.execute_raw(self.statement(&sql, ids)).await.map_err(failed)?;
            Ok(done.rows_affected())
        })
    }

    fn usages_fit(&self, rows: u64) -> Stored<'_, Option<u64>> {
        stored(async move {
            let sum = self.dialect.sum("requests");
            let sql = format!("SELECT at, {sum} AS requests FROM usage_rollups WHERE span = 1 AND closed = 0 GROUP BY at ORDER BY at DESC");
            let hours = self.database.query_all_raw(self.statement(&sql, Vec::new())).await.map_err(failed)?;
            let mut held = 0_u64;
            for hour in hours {
                held = held.saturating_add(usage::uint(&hour, "requests").map_err(failed)?);
                if held > rows {
                    return Ok(Some(usage::uint(&hour, "at").map_err(failed)?.saturating_add(Span::Hour.ms())));
                }
            }
            Ok(None)
        })
    }

    fn wire_fits(&self, rows: u64) -> Stored<'_, Option<u64>> {
        stored(async move {
            let sql = "SELECT at FROM downstream_requests ORDER BY request_id DESC LIMIT 1 OFFSET ?";
            let row = self.database.query_one_raw(self.statement(sql, vec![int(rows)])).await.map_err(failed)?;
            row.map(|row| usage::uint(&row, "at").map_err(failed)).transpose()
        })
    }

    fn audit_fits(&self, rows: u64) -> Stored<'_, Option<u64>> {
        stored(async move {
            let sql = "SELECT at FROM audit_logs ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?";
            let row = self.database.query_one_raw(self.statement(sql, vec![int(rows)])).await.map_err(failed)?;
            row.map(|row| usage::uint(&row, "at").map_err(failed)).transpose()
        })
    }
}

impl SqlStore {
    async fn retire(&self, behind_ms: u64, before_ms: u64, most: u64) -> Result<Retired, DbErr> {
        let sql = "SELECT request_id, at FROM usages WHERE request_id >= ? ORDER BY request_id LIMIT 1";
        let Some(oldest) = self.database.query_one_raw(self.statement(sql, vec![floor(behind_ms)])).await? else {
            return Ok(Retired::Nothing);
        };
        let (at, id_ms) = (usage::uint(&oldest, "at")?, usage::request_id(&oldest)?.unix_ms());
        if at.abs_diff(id_ms) > SLACK_MS {
            // Somebody moved it: it is in no hour's reach.
            return Ok(Retired::Unproven { hour_ms: Span::Hour.begins(id_ms) });
        }
        let hour = Span::Hour.begins(at);
        let ends = hour.saturating_add(Span::Hour.ms());
        if ends > before_ms {
            return Ok(Retired::Nothing);
        }
        if !self.close_hour(hour).await? {
            return Ok(Retired::Unproven { hour_ms: hour });
        }
        let values = vec![floor(hour.saturating_sub(SLACK_MS)), floor(ends.saturating_add(SLACK_MS)), int(hour), int(ends)];
        let gone = self.delete("usages", "request_id >= ? AND request_id < ? AND at >= ? AND at < ?", values, most).await?;
        Ok(if gone == 0 { Retired::Unproven { hour_ms: hour } } else { Retired::Rows(gone) })
    }

    /// Seals an hour's sums, where they are those of its rows; whether they are sealed now.
    async fn close_hour(&self, hour: u64) -> Result<bool, DbErr> {
        let transaction = self.begin().await?;
        let sql = format!(
            "SELECT {}, closed FROM usage_rollups WHERE span = 1 AND at = ? ORDER BY digest{}",
            rollup::COLUMNS.join(", "),
            self.dialect.for_update()
        );
        let standing = transaction.query_all_raw(self.statement(&sql, vec![int(hour)])).await?;
        let mut closings = Vec::with_capacity(standing.len());
        let (mut groups, mut is_closed) = (HashMap::new(), !standing.is_empty());
        let at = i64::try_from(hour).unwrap_or(i64::MAX);
        for row in &standing {
            let (digest, closed): (i64, i64) = (row.try_get("", "digest")?, row.try_get("", "closed")?);
            let sums = rollup::sums(row)?;
            let closing = rollup::closing(&self.key, (Span::Hour, at, digest), &sums);
            is_closed &= closed == closing;
            closings.push((digest, closing));
            groups.insert(digest, sums);
        }
        if is_closed {
            transaction.commit().await?;
            return Ok(true);
        }
        if self.sums_of(&transaction, hour).await? != Some(groups) {
            return Ok(false);
        }
        for (digest, closing) in closings {
            let sql = "UPDATE usage_rollups SET closed = ? WHERE span = 1 AND at = ? AND digest = ?";
            transaction.execute_raw(self.statement(sql, vec![closing.into(), at.into(), digest.into()])).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The sums of an hour's rows by group; `None` where one of them is not as it was written.
    async fn sums_of(&self, transaction: &DatabaseTransaction, hour: u64) -> Result<Option<HashMap<i64, Sums>>, DbErr> {
        let ends = hour.saturating_add(Span::Hour.ms());
        let columns = usage::COLUMNS.join(", ");
        let sql = format!(
            "SELECT {columns} FROM usages WHERE request_id > ? AND request_id < ? AND at >= ? AND at < ? ORDER BY request_id LIMIT ?"
        );
        let mut behind = format!("{:012x}", hour.saturating_sub(SLACK_MS));
        let mut groups: HashMap<i64, Sums> = HashMap::new();
        loop {
            let values = vec![text(&behind), floor(ends.saturating_add(SLACK_MS)), int(hour), int(ends), int(PAGE)];
            let page = transaction.query_all_raw(self.statement(&sql, values)).await?;
            for row in &page {
                let (read, seal): (_, i64) = (usage::read(row)?, row.try_get("", "seal")?);
                if rollup::seal_of(&self.key, row)? != seal {
                    return Ok(None);
                }
                let digest = rollup::digest(&self.key, &Dimensions::of(&read.begun));
                groups.entry(digest).or_default().add(&Sums::of(&read, seal));
                behind = read.begun.request_id.to_string();
            }
            if (page.len() as u64) < PAGE {
                return Ok(Some(groups));
            }
        }
    }

    /// Deletes some rows of a condition; gives how many it were.
    async fn delete(&self, table: &str, condition: &str, mut values: Vec<Value>, most: u64) -> Result<u64, DbErr> {
        let sql = format!("SELECT request_id FROM {table} WHERE {condition} ORDER BY request_id LIMIT ?");
        values.push(int(most));
        let found = self.database.query_all_raw(self.statement(&sql, values)).await?;
        let mut ids: Vec<String> = found.iter().map(|row| row.try_get("", "request_id")).collect::<Result<_, _>>()?;
        // Of attempts several have one id.
        ids.dedup();
        if ids.is_empty() {
            return Ok(0);
        }
        let marks = vec!["?"; ids.len()].join(",");
        let sql = format!("DELETE FROM {table} WHERE request_id IN ({marks})");
        let done = self.database.execute_raw(self.statement(&sql, ids.iter().map(|id| text(id)).collect())).await?;
        Ok(done.rows_affected())
    }
}

/// Sorts before every id of a moment.
fn floor(unix_ms: u64) -> Value {
    text(&format!("{:012x}", unix_ms.min((1 << 48) - 1)))
}
