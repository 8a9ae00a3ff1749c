//! Sums over usage: whole hours and days from their rollups, the ends of a time from rows.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{SqlStore, data::text, ledger::condition, usage};
use crate::{
    base::Nanos,
    store::{
        persist::{UsageFilter, UsageSummary},
        record::{Span, Sums},
    },
};

/// A stretch of time, Unix milliseconds: from its beginning to before its end, where it has one.
type Stretch = (u64, Option<u64>);

/// How a time is cut: what rows have to tell, and what rollups of each span do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cut {
    rows: Vec<Stretch>,
    rollups: Vec<(Span, Stretch)>,
}

impl Cut {
    /// Cuts the time of a filter at whole hours and whole days.
    fn of(from: Option<u64>, to: Option<u64>) -> Self {
        let mut cut = Self::default();
        let from = from.unwrap_or(0);
        if to.is_some_and(|to| to <= from) {
            return cut;
        }
        let (first_hour, last_hour) = (up(from, Span::Hour), to.map(|to| Span::Hour.begins(to)));
        if last_hour.is_some_and(|last| last < first_hour) {
            cut.rows.push((from, to));
            return cut;
        }
        let (first_day, last_day) = (up(from, Span::Day), last_hour.map(|last| Span::Day.begins(last)));
        cut.row((from, Some(first_hour)));
        if last_day.is_some_and(|last| last <= first_day) {
            cut.rollup(Span::Hour, (first_hour, last_hour));
        } else {
            cut.rollup(Span::Hour, (first_hour, Some(first_day)));
            cut.rollup(Span::Day, (first_day, last_day));
            if let (Some(day), Some(hour)) = (last_day, last_hour) {
                cut.rollup(Span::Hour, (day, Some(hour)));
            }
        }
        if let Some(hour) = last_hour {
            cut.row((hour, to));
        }
        cut
    }

    fn row(&mut self, stretch: Stretch) {
        if stretch.1.is_none_or(|to| stretch.0 < to) {
            self.rows.push(stretch);
        }
    }

    fn rollup(&mut self, span: Span, stretch: Stretch) {
        if stretch.1.is_none_or(|to| stretch.0 < to) {
            self.rollups.push((span, stretch));
        }
    }
}

/// The first beginning of a span at or after a moment.
fn up(at_ms: u64, span: Span) -> u64 {
    span.begins(at_ms.saturating_add(span.ms() - 1))
}

/// Sums over the calls of a filter.
pub(super) async fn sum<C: ConnectionTrait>(store: &SqlStore, connection: &C, filter: &UsageFilter) -> Result<UsageSummary, DbErr> {
    let mut all = Sums::default();
    for row in ask(store, connection, filter).await? {
        all.add(&sums(&row)?);
    }
    let [requests, ..] = all.figures();
    let positive = |figure: i64| u64::try_from(figure).unwrap_or(0);
    Ok(UsageSummary {
        requests: positive(requests),
        tokens: all.tokens.map(positive),
        cost: Nanos::new(all.cost),
        unpriced: positive(all.unpriced),
    })
}

/// What the calls of a filter cost.
pub(super) async fn cost<C: ConnectionTrait>(store: &SqlStore, connection: &C, filter: &UsageFilter) -> Result<i64, DbErr> {
    Ok(spent(store, connection, filter).await?.unwrap_or(0))
}

/// The same; `None` where none of them has a price.
pub(super) async fn spent<C: ConnectionTrait>(store: &SqlStore, connection: &C, filter: &UsageFilter) -> Result<Option<i64>, DbErr> {
    let mut all = Sums::default();
    for row in ask(store, connection, filter).await? {
        all.add(&sums(&row)?);
    }
    Ok((all.priced > 0).then_some(all.cost))
}

/// Asks rows and rollups in one statement, so that no row is counted twice or not at all.
async fn ask<C: ConnectionTrait>(store: &SqlStore, connection: &C, filter: &UsageFilter) -> Result<Vec<QueryResult>, DbErr> {
    let cut = Cut::of(filter.from_ms, filter.to_ms);
    let mut parts: Vec<String> = Vec::new();
    let mut values = Vec::new();
    for (from, to) in cut.rows {
        let (condition, bound) = condition(&UsageFilter { from_ms: Some(from), to_ms: to, ..filter.clone() }, None);
        parts.push(format!("SELECT {} FROM usages WHERE {condition}", of_rows(store)));
        values.extend(bound);
    }
    for (span, stretch) in cut.rollups {
        let (condition, bound) = rollup_condition(filter, span, stretch);
        parts.push(format!("SELECT {} FROM usage_rollups WHERE {condition}", of_rollups(store)));
        values.extend(bound);
    }
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    connection.query_all_raw(store.statement(&parts.join(" UNION ALL "), values)).await
}

const SUMMED: [&str; 10] = [
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "priced",
    "unpriced",
];

fn of_rollups(store: &SqlStore) -> String {
    let sums = SUMMED.into_iter().chain(["cost_nanos"]).map(|column| format!("{} AS {column}", store.dialect.sum(column)));
    sums.collect::<Vec<_>>().join(", ")
}

/// The same figures of rows, in the same order.
fn of_rows(store: &SqlStore) -> String {
    let sum = |column: &str| store.dialect.sum(column);
    let used = usage::BUCKET_COLUMNS.map(|column| format!("{column} > 0")).join(" OR ");
    let sums = SUMMED.into_iter().chain(["cost_nanos"]).map(|column| {
        let sum = match column {
            "requests" => "COUNT(*)".to_owned(),
            "priced" => "COUNT(cost_nanos)".to_owned(),
            "unpriced" => sum(&format!("CASE WHEN cost_nanos IS NULL AND ({used}) THEN 1 ELSE 0 END")),
            column => sum(column),
        };
        format!("{sum} AS {column}")
    });
    sums.collect::<Vec<_>>().join(", ")
}

fn sums(row: &QueryResult) -> Result<Sums, DbErr> {
    let mut sums = Sums { requests: row.try_get("", "requests")?, cost: row.try_get("", "cost_nanos")?, ..Sums::default() };
    for (tokens, column) in sums.tokens.iter_mut().zip(usage::BUCKET_COLUMNS) {
        *tokens = row.try_get("", column)?;
    }
    sums.priced = row.try_get("", "priced")?;
    sums.unpriced = row.try_get("", "unpriced")?;
    Ok(sums)
}

/// A filter as a condition on rollups, and what it binds.
fn rollup_condition(filter: &UsageFilter, span: Span, (from, to): Stretch) -> (String, Vec<Value>) {
    let mut parts: Vec<(&str, Value)> = vec![("span = ?", span.hours().into()), ("at >= ?", usage::int(from))];
    parts.extend(to.map(|to| ("at < ?", usage::int(to))));
    parts.extend(dimensions(filter));
    let condition = parts.iter().map(|(part, _)| *part).collect::<Vec<_>>().join(" AND ");
    (condition, parts.into_iter().map(|(_, value)| value).collect())
}

/// What a filter says besides its time.
pub(super) fn dimensions(filter: &UsageFilter) -> Vec<(&'static str, Value)> {
    let UsageFilter { from_ms: _, to_ms: _, user_id, key_id, provider_id, model, team_id, organization_id } = filter;
    let mut parts: Vec<(&str, Value)> = Vec::new();
    parts.extend(user_id.map(|id| ("user_id = ?", id.0.into())));
    parts.extend(key_id.map(|id| ("user_key_id = ?", id.0.into())));
    parts.extend(provider_id.map(|id| ("provider_id = ?", id.0.into())));
    parts.extend(team_id.map(|id| ("team_id = ?", id.0.into())));
    parts.extend(organization_id.map(|id| ("organization_id = ?", id.0.into())));
    parts.extend(model.as_ref().map(|model| ("model = ?", text(model))));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    #[test]
    fn a_time_is_cut_at_whole_hours_and_days() {
        let cut = |from, to| Cut::of(from, to);
        assert_eq!(cut(None, None), Cut { rows: vec![], rollups: vec![(Span::Day, (0, None))] });
        assert_eq!(cut(Some(5), Some(9)), Cut { rows: vec![(5, Some(9))], rollups: vec![] });
        assert_eq!(cut(Some(9), Some(9)), Cut::default());
        let whole = cut(Some(DAY - HOUR - 7), Some(3 * DAY + 2 * HOUR + 1));
        assert_eq!(whole.rows, [(DAY - HOUR - 7, Some(DAY - HOUR)), (3 * DAY + 2 * HOUR, Some(3 * DAY + 2 * HOUR + 1))]);
        let hours = |from, to| (Span::Hour, (from, Some(to)));
        assert_eq!(whole.rollups, [hours(DAY - HOUR, DAY), (Span::Day, (DAY, Some(3 * DAY))), hours(3 * DAY, 3 * DAY + 2 * HOUR)]);
        assert_eq!(cut(Some(HOUR), Some(5 * HOUR)), Cut { rows: vec![], rollups: vec![hours(HOUR, 5 * HOUR)] });
    }

    #[test]
    fn every_moment_of_a_time_lies_in_one_stretch_of_its_cut() {
        for from in [0, 1, HOUR - 1, HOUR, 23 * HOUR + 5, DAY, DAY + 1] {
            for to in [HOUR, HOUR + 1, DAY - 1, DAY, DAY + HOUR, 2 * DAY + 3] {
                let cut = Cut::of(Some(from), Some(to));
                let mut stretches: Vec<Stretch> = cut.rows.clone();
                stretches.extend(cut.rollups.iter().map(|(_, stretch)| *stretch));
                stretches.sort_unstable();
                let mut at = from;
                for (begins, ends) in stretches {
                    assert_eq!(begins, at, "{from} to {to}: {cut:?}");
                    at = ends.unwrap();
                }
                assert_eq!(at, to.max(from), "{from} to {to}: {cut:?}");
            }
        }
    }
}
