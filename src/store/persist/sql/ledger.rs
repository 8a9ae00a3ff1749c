//! What calls left behind: the hot write, and the screens' reads.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::{
    SqlStore,
    data::{optional, text},
    failed, hot, paging, stored, summary,
    usage::{int, request_id, uint},
};
use crate::{
    base::{CredentialId, KeyId, ProviderId, RequestId, UserId},
    store::{
        persist::{Ledger, Stored, UsageFilter, UsageSummary},
        record::{DownstreamRow, UpstreamRow, UsageRow},
    },
};

const DOWNSTREAM: [&str; 12] = [
    "request_id",
    "at",
    "user_id",
    "user_key_id",
    "method",
    "path",
    "query",
    "request_headers_json",
    "request_body",
    "status",
    "response_headers_json",
    "response_body",
];

const UPSTREAM: [&str; 13] = [
    "request_id",
    "attempt",
    "at",
    "provider_id",
    "credential_id",
    "method",
    "url",
    "request_headers_json",
    "request_body",
    "status",
    "response_headers_json",
    "response_body",
    "latency_us",
];

/// One slot of this length holds all calls: rollups know their sum, also of calls whose rows are gone.
const ALL_TIME: u64 = i64::MAX.unsigned_abs();

/// Slack between the time in an id and the row's own time, when a range of time is made a range of ids.
const SLACK_MS: u64 = 60_000;

impl Ledger for SqlStore {
    fn write_usages(&self, rows: Vec<Arc<UsageRow>>) -> Stored<'_, ()> {
        stored(async move {
            if rows.is_empty() {
                return Ok(());
            }
            hot::write(self, rows).await.map_err(failed)
        })
    }

    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()> {
        stored(async move {
            if downstream.is_empty() && upstream.is_empty() {
                return Ok(());
            }
            self.insert_wire(downstream, upstream).await.map_err(failed)
        })
    }

    fn usages(&self, filter: UsageFilter, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<UsageRow>> {
        stored(async move { paging::page(self, &filter, before, limit).await.map_err(failed) })
    }

    fn usage_summary(&self, filter: UsageFilter) -> Stored<'_, UsageSummary> {
        stored(async move { summary::sum(self, &self.database, &filter).await.map_err(failed) })
    }

    fn spent(&self, filter: UsageFilter, slot_ms: u64) -> Stored<'_, Vec<(u64, i64)>> {
        stored(async move { self.sum_by_slot(&filter, slot_ms.max(1)).await.map_err(failed) })
    }

    fn downstream(&self, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<DownstreamRow>> {
        stored(async move {
            let (condition, mut values) = condition(&UsageFilter::default(), before);
            let columns = DOWNSTREAM.join(", ");
            let sql = format!("SELECT {columns} FROM downstream_requests WHERE {condition} ORDER BY request_id DESC LIMIT ?");
            values.push(int(limit));
            let rows = self.database.query_all_raw(self.statement(&sql, values)).await.map_err(failed)?;
            rows.iter().map(|row| read_downstream(row).map_err(failed)).collect()
        })
    }

    fn upstream(&self, request_id: RequestId) -> Stored<'_, Vec<UpstreamRow>> {
        stored(async move {
            let sql = format!("SELECT {} FROM upstream_requests WHERE request_id = ? ORDER BY attempt", UPSTREAM.join(", "));
            let values = vec![text(&request_id.to_string())];
            let rows = self.database.query_all_raw(self.statement(&sql, values)).await.map_err(failed)?;
            rows.iter().map(|row| read_upstream(row).map_err(failed)).collect()
        })
    }

    fn ping(&self) -> Stored<'_, ()> {
        stored(async move { self.database.ping().await.map_err(failed) })
    }
}

impl SqlStore {
    async fn insert_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        let sql = self.dialect.insert_new("downstream_requests", &DOWNSTREAM, 1, "request_id");
        for row in downstream {
            transaction.execute_raw(Statement::from_sql_and_values(self.dialect.backend(), &sql, downstream_values(row))).await?;
        }
        let sql = self.dialect.insert_new("upstream_requests", &UPSTREAM, 1, "request_id");
        for row in upstream {
            transaction.execute_raw(Statement::from_sql_and_values(self.dialect.backend(), &sql, upstream_values(row))).await?;
        }
        transaction.commit().await
    }

    async fn sum_by_slot(&self, filter: &UsageFilter, slot_ms: u64) -> Result<Vec<(u64, i64)>, DbErr> {
        if slot_ms >= ALL_TIME {
            let cost = summary::spent(self, &self.database, filter).await?;
            return Ok(cost.map(|cost| (0, cost)).into_iter().collect());
        }
        let (condition, values) = condition(filter, None);
        // What is subtracted is the rest of a division: all engines agree on it for whole numbers.
        let (slot, sum) = (format!("at - at % {slot_ms}"), self.dialect.sum("cost_nanos"));
        let sql = format!(
            "SELECT {slot} AS slot, {sum} AS cost FROM usages WHERE cost_nanos IS NOT NULL AND {condition} GROUP BY {slot} ORDER BY 1"
        );
        let rows = self.database.query_all_raw(self.statement(&sql, values)).await?;
        rows.iter().map(|row| Ok((uint(row, "slot")?, row.try_get("", "cost")?))).collect()
    }
}

/// A filter as a condition and what it binds.
pub(super) fn condition(filter: &UsageFilter, before: Option<RequestId>) -> (String, Vec<Value>) {
    let mut parts: Vec<(&str, Value)> = Vec::new();
    if let Some(from) = filter.from_ms {
        // An id begins with its 48-bit time: twelve digits alone sort before every id of that millisecond.
        parts.push(("request_id >= ?", id_floor(from.saturating_sub(SLACK_MS))));
        parts.push(("at >= ?", int(from)));
    }
    if let Some(to) = filter.to_ms {
        parts.push(("request_id < ?", id_floor(to.saturating_add(SLACK_MS))));
        parts.push(("at < ?", int(to)));
    }
    if let Some(before) = before {
        parts.push(("request_id < ?", text(&before.to_string())));
    }
    parts.extend(summary::dimensions(filter));
    let mut sql = "1 = 1".to_owned();
    let mut values = Vec::with_capacity(parts.len() + 1);
    for (part, value) in parts {
        sql.push_str(" AND ");
        sql.push_str(part);
        values.push(value);
    }
    (sql, values)
}

fn id_floor(unix_ms: u64) -> Value {
    text(&format!("{:012x}", unix_ms.min((1 << 48) - 1)))
}

fn downstream_values(row: DownstreamRow) -> Vec<Value> {
    vec![
        text(&row.request_id.to_string()),
        int(row.at),
        row.user_id.map(|id| id.0).into(),
        row.key_id.map(|id| id.0).into(),
        text(&row.method),
        text(&row.path),
        optional(row.query.as_deref()),
        text(&row.request_headers_json),
        Value::Bytes(row.request_body),
        i64::from(row.status).into(),
        text(&row.response_headers_json),
        Value::Bytes(row.response_body),
    ]
}

fn read_downstream(row: &QueryResult) -> Result<DownstreamRow, DbErr> {
    Ok(DownstreamRow {
        request_id: request_id(row)?,
        at: uint(row, "at")?,
        user_id: row.try_get::<Option<i64>>("", "user_id")?.map(UserId),
        key_id: row.try_get::<Option<i64>>("", "user_key_id")?.map(KeyId),
        method: row.try_get("", "method")?,
        path: row.try_get("", "path")?,
        query: row.try_get("", "query")?,
        request_headers_json: row.try_get("", "request_headers_json")?,
        request_body: row.try_get("", "request_body")?,
        status: u16::try_from(uint(row, "status")?).unwrap_or(0),
        response_headers_json: row.try_get("", "response_headers_json")?,
        response_body: row.try_get("", "response_body")?,
    })
}

fn upstream_values(row: UpstreamRow) -> Vec<Value> {
    vec![
        text(&row.request_id.to_string()),
        i64::from(row.attempt).into(),
        int(row.at),
        row.provider_id.0.into(),
        row.credential_id.map(|id| id.0).into(),
        text(&row.method),
        text(&row.url),
        text(&row.request_headers_json),
        Value::Bytes(row.request_body),
        row.status.map(i64::from).into(),
        text(&row.response_headers_json),
        Value::Bytes(row.response_body),
        int(row.latency_us),
    ]
}

fn read_upstream(row: &QueryResult) -> Result<UpstreamRow, DbErr> {
    Ok(UpstreamRow {
        request_id: request_id(row)?,
        attempt: u32::try_from(uint(row, "attempt")?).unwrap_or(0),
        at: uint(row, "at")?,
        provider_id: ProviderId(row.try_get("", "provider_id")?),
        credential_id: row.try_get::<Option<i64>>("", "credential_id")?.map(CredentialId),
        method: row.try_get("", "method")?,
        url: row.try_get("", "url")?,
        request_headers_json: row.try_get("", "request_headers_json")?,
        request_body: row.try_get("", "request_body")?,
        status: row.try_get::<Option<i64>>("", "status")?.and_then(|status| u16::try_from(status).ok()),
        response_headers_json: row.try_get("", "response_headers_json")?,
        response_body: row.try_get("", "response_body")?,
        latency_us: uint(row, "latency_us")?,
    })
}
