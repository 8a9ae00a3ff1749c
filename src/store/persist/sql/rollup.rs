//! Rollups in SQL: their step of the schema, and what a batch of usage rows adds to them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Value};

use super::{SqlStore, data::text, dialect::Dialect, schema::Migration, usage, usage::Binder};
use crate::{
    base::{Bucket, CredentialId, KeyId, OrganizationId, ProviderId, RequestId, TeamId, UserId},
    protocol::Operation,
    store::{
        persist::seal::{SealKey, Sheet},
        record::{Begun, Dimensions, Phases, SEALS, Span, Sums, UsageRow},
    },
};

/// Seals of usage rows, rollups by hour and day, and the sum over all of them.
pub(super) const STEP: Migration = Migration { version: 4, statements: TABLES };

const TABLES: &[&str] = &[
    "ALTER TABLE usages {add} seal BIGINT NOT NULL DEFAULT 0",
    // `digest` is a seal of the columns up to `model`: they are too many and too long for a key.
    "CREATE TABLE IF NOT EXISTS usage_rollups (span BIGINT NOT NULL, at BIGINT NOT NULL, digest BIGINT NOT NULL, user_id BIGINT NOT NULL, \
     user_key_id BIGINT NOT NULL, team_id BIGINT, organization_id BIGINT, provider_id BIGINT NOT NULL, credential_id BIGINT, \
     operation {name} NOT NULL, model {text} NOT NULL, requests BIGINT NOT NULL, input_tokens BIGINT NOT NULL, \
     cache_read_tokens BIGINT NOT NULL, cache_write_5m_tokens BIGINT NOT NULL, cache_write_30m_tokens BIGINT NOT NULL, \
     cache_write_1h_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, reasoning_tokens BIGINT NOT NULL, images BIGINT NOT NULL, \
     media_ms BIGINT NOT NULL, searches BIGINT NOT NULL, cost_nanos BIGINT NOT NULL, priced BIGINT NOT NULL, unpriced BIGINT NOT NULL, \
     seal BIGINT NOT NULL, closed BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (span, at, digest)) {keyed}",
    "CREATE TABLE IF NOT EXISTS usage_head (id BIGINT NOT NULL PRIMARY KEY, requests BIGINT NOT NULL, cost_nanos BIGINT NOT NULL, \
     seal BIGINT NOT NULL, adopted BIGINT NOT NULL, mark {name} NOT NULL, key_mark {name} NOT NULL) {keyed}",
];

/// The columns of `usage_rollups`, in the order of [`values`]. `closed` is set by nobody who adds.
pub(super) const COLUMNS: [&str; 26] = [
    "span",
    "at",
    "digest",
    "user_id",
    "user_key_id",
    "team_id",
    "organization_id",
    "provider_id",
    "credential_id",
    "operation",
    "model",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "media_ms",
    "searches",
    "cost_nanos",
    "priced",
    "unpriced",
    "seal",
];
/// Where the figures of [`Sums::figures`] begin among them, and where they end.
const FIGURES: std::ops::Range<usize> = 11..25;

/// How many ids one statement asks for.
const IDS: usize = 500;

/// A usage row and its seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed<'a> {
    pub(super) row: &'a UsageRow,
    pub(super) seal: i64,
}

/// What is added to one rollup.
#[derive(Debug)]
pub(super) struct Rollup {
    span: Span,
    at: i64,
    digest: i64,
    dimensions: Dimensions,
    sums: Sums,
}

/// Rows with their seals, and what they add to rollups.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) rows: Vec<Sealed<'a>>,
    /// In the order of their keys, in which everybody locks them.
    pub(super) rollups: Vec<Rollup>,
    /// All of it.
    pub(super) sum: Sums,
}

impl<'a> Batch<'a> {
    pub(super) fn of(key: &SealKey, rows: impl IntoIterator<Item = &'a UsageRow>) -> Self {
        let mut sheet = Sheet::new(ROW);
        let rows = rows.into_iter().map(|row| {
            sheet.clear();
            usage::bind(&mut sheet, row);
            Sealed { row, seal: key.seal(&sheet) }
        });
        let mut rows: Vec<Sealed<'_>> = rows.collect();
        // Rows come as their calls ended. In the order of their key, the table's tree is appended to and seldom searched.
        rows.sort_by_cached_key(|sealed| sealed.row.begun.request_id);
        Self::sealed(key, rows)
    }

    /// Of rows whose seals are known.
    pub(super) fn sealed(key: &SealKey, rows: Vec<Sealed<'a>>) -> Self {
        let mut hours = Hours::default();
        let mut sum = Sums::default();
        for Sealed { row, seal } in &rows {
            let one = Sums::of(row, *seal);
            hours.of(&row.begun).add(&one);
            sum.add(&one);
        }
        Self { rows, rollups: spread(key, hours.sums), sum }
    }
}

/// Sums by the hour and by what the calls have in common.
#[derive(Default)]
struct Hours {
    sums: Vec<((u64, Dimensions), Sums)>,
    places: HashMap<(u64, Dimensions), usize>,
    /// Where the last call went; the next one often goes there too.
    last: usize,
}

impl Hours {
    /// The sums that a call belongs to.
    fn of(&mut self, begun: &Begun) -> &mut Sums {
        let hour = Span::Hour.begins(begun.at);
        if !self.sums.get(self.last).is_some_and(|((at, dimensions), _)| *at == hour && dimensions.are_of(begun)) {
            let group = (hour, Dimensions::of(begun));
            self.last = *self.places.entry(group.clone()).or_insert_with(|| {
                self.sums.push((group, Sums::default()));
                self.sums.len() - 1
            });
        }
        &mut self.sums[self.last].1
    }
}

/// Hours and days of sums by the hour.
fn spread(key: &SealKey, hours: Vec<((u64, Dimensions), Sums)>) -> Vec<Rollup> {
    let mut rollups: BTreeMap<(i64, i64, i64), Rollup> = BTreeMap::new();
    for ((hour, dimensions), sums) in hours {
        let digest = digest(key, &dimensions);
        for span in Span::ALL {
            let at = i64::try_from(span.begins(hour)).unwrap_or(i64::MAX);
            let rollup = rollups.entry((span.hours(), at, digest));
            rollup.or_insert_with(|| Rollup { span, at, digest, dimensions: dimensions.clone(), sums: Sums::default() }).sums.add(&sums);
        }
    }
    rollups.into_values().collect()
}

/// The sorts of sheets.
const ROW: u8 = 1;
const DIMENSIONS: u8 = 2;
const CLOSED: u8 = 4;

/// The seal of what the calls of a rollup have in common.
pub(super) fn digest(key: &SealKey, dimensions: &Dimensions) -> i64 {
    let mut sheet = Sheet::new(DIMENSIONS);
    write_dimensions(&mut sheet, dimensions);
    key.seal(&sheet)
}

fn write_dimensions(sheet: &mut Sheet, dimensions: &Dimensions) {
    let Dimensions { user_id, key_id, team_id, organization_id, provider_id, credential_id, operation, model } = dimensions;
    for id in [Some(user_id.0), Some(key_id.0), team_id.map(|id| id.0), organization_id.map(|id| id.0), Some(provider_id.0)] {
        sheet.int(id);
    }
    sheet.int(credential_id.map(|id| id.0));
    sheet.text(Some(operation.id()));
    sheet.text(Some(model));
}

/// The seal of a rollup whose calls' rows may go.
pub(super) fn closing(key: &SealKey, (span, at, digest): (Span, i64, i64), sums: &Sums) -> i64 {
    let mut sheet = Sheet::new(CLOSED);
    for figure in [span.hours(), at, digest, sums.seal].into_iter().chain(sums.figures()) {
        sheet.int(Some(figure));
    }
    key.seal(&sheet)
}

impl Binder for Sheet {
    fn id(&mut self, id: RequestId) {
        self.text(std::str::from_utf8(&id.digits()).ok());
    }

    fn member(&mut self, id: Option<i64>) {
        self.int(id);
    }

    fn same(&mut self, figure: Option<i64>) {
        self.int(figure);
    }

    fn word(&mut self, _: usage::Word, text: &str) {
        self.text(Some(text));
    }

    fn bucket(&mut self, _: Bucket, tokens: i64) {
        self.int(Some(tokens));
    }

    fn metrics(&mut self, json: Option<&str>) {
        self.text(json);
    }

    fn int(&mut self, figure: i64) {
        self.int(Some(figure));
    }

    fn optional_int(&mut self, figure: Option<i64>) {
        self.int(figure);
    }

    fn phases(&mut self, _: Option<&Phases>) {}
}

/// The seal that the columns of a standing row should have.
pub(super) fn seal_of(key: &SealKey, row: &QueryResult) -> Result<i64, DbErr> {
    let mut sheet = Sheet::new(ROW);
    let (_, columns) = usage::COLUMNS.split_last().unwrap_or((&"", &[]));
    for column in columns {
        match *column {
            "request_id" | "operation" | "kind" | "model" | "metrics_json" | "source" | "ended" | "price_version" => {
                sheet.text(row.try_get::<Option<String>>("", column)?.as_deref());
            }
            "phases" => {}
            _ => sheet.int(row.try_get("", column)?),
        }
    }
    Ok(key.seal(&sheet))
}

/// An insert that adds to what stands.
pub(super) fn upsert(dialect: Dialect, rows: usize) -> String {
    let mut sums: Vec<(&str, Option<i64>)> = COLUMNS[FIGURES].iter().map(|column| (*column, None)).collect();
    sums.push(("seal", Some(SEALS)));
    dialect.insert_adding("usage_rollups", &COLUMNS, ("span, at, digest", rows), &sums)
}

/// What to bind for a rollup, in the order of [`COLUMNS`].
pub(super) fn values(rollup: &Rollup) -> Vec<Value> {
    let Rollup { span, at, digest, dimensions, sums } = rollup;
    let mut values: Vec<Value> = vec![
        span.hours().into(),
        (*at).into(),
        (*digest).into(),
        dimensions.user_id.0.into(),
        dimensions.key_id.0.into(),
        dimensions.team_id.map(|id| id.0).into(),
        dimensions.organization_id.map(|id| id.0).into(),
        dimensions.provider_id.0.into(),
        dimensions.credential_id.map(|id| id.0).into(),
        text(dimensions.operation.id()),
        text(&dimensions.model),
    ];
    values.extend(sums.figures().map(Value::from));
    values.push(sums.seal.into());
    values
}

/// Reads what the calls of a rollup have in common.
pub(super) fn dimensions(row: &QueryResult) -> Result<Dimensions, DbErr> {
    let operation: String = row.try_get("", "operation")?;
    let unknown = || DbErr::Type(format!("column operation has an unknown value {operation:?}"));
    Ok(Dimensions {
        user_id: UserId(row.try_get("", "user_id")?),
        key_id: KeyId(row.try_get("", "user_key_id")?),
        team_id: row.try_get::<Option<i64>>("", "team_id")?.map(TeamId),
        organization_id: row.try_get::<Option<i64>>("", "organization_id")?.map(OrganizationId),
        provider_id: ProviderId(row.try_get("", "provider_id")?),
        credential_id: row.try_get::<Option<i64>>("", "credential_id")?.map(CredentialId),
        operation: Operation::parse(&operation).ok_or_else(unknown)?,
        model: row.try_get::<String>("", "model")?.into(),
    })
}

/// Reads the sums of a rollup, or of a sum over rollups with the same columns.
pub(super) fn sums(row: &QueryResult) -> Result<Sums, DbErr> {
    let mut sums = Sums::default();
    for (figure, column) in sums.figures_mut().into_iter().zip(&COLUMNS[FIGURES]) {
        *figure = row.try_get("", column)?;
    }
    sums.seal = row.try_get("", "seal")?;
    Ok(sums)
}

/// The rows that do not stand yet, each once.
pub(super) async fn fresh<'a>(
    store: &SqlStore,
    transaction: &DatabaseTransaction,
    rows: &'a [Arc<UsageRow>],
) -> Result<Vec<&'a UsageRow>, DbErr> {
    let mut known: HashSet<RequestId> = HashSet::new();
    for rows in rows.chunks(IDS) {
        let marks = vec!["?"; rows.len()].join(",");
        let sql = format!("SELECT request_id FROM usages WHERE request_id IN ({marks})");
        let ids = rows.iter().map(|row| text(&row.begun.request_id.to_string())).collect();
        for row in transaction.query_all_raw(store.statement(&sql, ids)).await? {
            known.insert(usage::request_id(&row)?);
        }
    }
    Ok(rows.iter().map(|row| &**row).filter(|row| known.insert(row.begun.request_id)).collect())
}
