//! Pages of usage rows. The table has one index, its time-ordered key: any other would cost every call. Where only some calls are
//! asked for, rollups tell the hours that have any, newest first, and only those are read.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{
    SqlStore,
    ledger::condition,
    summary::dimensions,
    usage::{self, int, uint},
};
use crate::{
    base::RequestId,
    store::{
        persist::UsageFilter,
        record::{Span, UsageRow},
    },
};

/// Days that are asked for at once.
const DAYS: u64 = 16;
/// How far a row's own time may be from the time in its id, milliseconds.
const SLACK_MS: u64 = 60_000;

/// Newest first, at most `limit` rows, those before `before` where it is set.
pub(super) async fn page(store: &SqlStore, filter: &UsageFilter, before: Option<RequestId>, limit: u64) -> Result<Vec<UsageRow>, DbErr> {
    if dimensions(filter).is_empty() {
        return rows(store, filter, before, limit).await;
    }
    let mut found = Vec::new();
    let after_before = before.map(|id| id.unix_ms().saturating_add(SLACK_MS));
    let mut to_ms = filter.to_ms.into_iter().chain(after_before).min();
    loop {
        let days = spans(store, filter, (Span::Day, filter.from_ms, to_ms), DAYS).await?;
        for day in &days {
            let from = filter.from_ms.unwrap_or(0).max(*day);
            let to = to_ms.unwrap_or(u64::MAX).min(day.saturating_add(Span::Day.ms()));
            let hours = spans(store, filter, (Span::Hour, Some(from), Some(to)), 24).await?;
            for hour in hours {
                let left = limit.saturating_sub(found.len() as u64);
                if left == 0 {
                    return Ok(found);
                }
                found.extend(rows(store, &within(filter, hour), before, left).await?);
            }
        }
        match days.last() {
            Some(last) if days.len() as u64 == DAYS => to_ms = Some(*last),
            Some(_) | None => return Ok(found),
        }
    }
}

/// The filter, and only one hour.
fn within(filter: &UsageFilter, hour: u64) -> UsageFilter {
    let ends = hour.saturating_add(Span::Hour.ms());
    UsageFilter {
        from_ms: Some(filter.from_ms.unwrap_or(0).max(hour)),
        to_ms: Some(filter.to_ms.unwrap_or(u64::MAX).min(ends)),
        ..filter.clone()
    }
}

async fn rows(store: &SqlStore, filter: &UsageFilter, before: Option<RequestId>, limit: u64) -> Result<Vec<UsageRow>, DbErr> {
    let (condition, mut values) = condition(filter, before);
    let sql = format!("SELECT {} FROM usages WHERE {condition} ORDER BY request_id DESC LIMIT ?", usage::COLUMNS.join(", "));
    values.push(int(limit));
    let rows = store.database.query_all_raw(store.statement(&sql, values)).await?;
    rows.iter().map(usage::read).collect()
}

/// The beginnings of the hours or days that have such calls, newest first, at most `limit`.
async fn spans(
    store: &SqlStore,
    filter: &UsageFilter,
    (span, from, to): (Span, Option<u64>, Option<u64>),
    limit: u64,
) -> Result<Vec<u64>, DbErr> {
    let mut parts: Vec<(&str, Value)> = vec![("span = ?", span.hours().into())];
    parts.extend(from.map(|from| ("at >= ?", int(span.begins(from)))));
    parts.extend(to.map(|to| ("at < ?", int(to))));
    parts.extend(dimensions(filter));
    if span == Span::Hour {
        // The rows of a closed hour are gone, or about to go.
        parts.push(("closed = ?", 0_i64.into()));
    }
    let condition = parts.iter().map(|(part, _)| *part).collect::<Vec<_>>().join(" AND ");
    let sql = format!("SELECT at FROM usage_rollups WHERE {condition} GROUP BY at ORDER BY at DESC LIMIT ?");
    let values = parts.into_iter().map(|(_, value)| value).chain([int(limit)]).collect();
    let found: Vec<QueryResult> = store.database.query_all_raw(store.statement(&sql, values)).await?;
    found.iter().map(|row| uint(row, "at")).collect()
}
