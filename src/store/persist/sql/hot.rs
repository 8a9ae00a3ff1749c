//! The hot write: usage rows in few statements whose texts never change, so that each is prepared once per connection.
//!
//! SQLite runs in this process and shares a core with the requests, so its rows go to the driver directly: a third
//! cheaper than through the general statement, which copies every value twice more.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, RuntimeErr, Statement, Value,
    sqlx::{self, AssertSqlSafe, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteArguments},
};

use super::{
    SqlStore, data,
    dialect::Dialect,
    head,
    rollup::{self, Batch, Rollup, Sealed},
    usage,
    usage::{Alike, Binder, Same, Word},
};
use crate::{
    base::{Bucket, RequestId},
    store::record::{Phases, UsageRow},
};

/// Rows per statement: few different texts, and few turns to the database for a full batch.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// The most rows of one statement of SQLite: what it compiles of more, and what is bound to that, would not stay in a processor's
/// second cache from one use to the next.
const MOST_IN_CACHE: usize = 64;

/// So many rows that are alike have a statement of their own, in whose text stands what they have in common: SQLite copies
/// a value that is bound three times, and none that it has compiled.
const MANY: usize = 16;

/// How many likenesses have such statements. Most traffic is of few kinds, and each statement takes memory.
const LIKENESSES: usize = 4;

/// A statement's text and how many rows it takes; the one with the most comes first.
type Fit = (usize, Arc<str>);

/// The texts, by the size of their chunk.
pub(super) struct Texts {
    dialect: Dialect,
    /// For all rows.
    any: Vec<Fit>,
    /// For rows that are alike.
    alike: Mutex<Vec<(Alike, Arc<[Fit]>)>>,
    /// For rollups.
    rollups: [Fit; 3],
}

impl Texts {
    pub(super) fn new(dialect: Dialect) -> Self {
        let any = chunks(dialect).map(|rows| (rows, dialect.insert_new("usages", &usage::COLUMNS, rows, "request_id").into())).collect();
        let rollups = [16, 4, 1].map(|rows| (rows, rollup::upsert(dialect, rows).into()));
        Self { dialect, any, alike: Mutex::default(), rollups }
    }

    /// The texts for rows of a likeness; `None` where enough others have some.
    fn of(&self, alike: Alike) -> Option<Arc<[Fit]>> {
        let mut known = self.alike.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, texts)) = known.iter().find(|(known, _)| *known == alike) {
            return Some(Arc::clone(texts));
        }
        if known.len() == LIKENESSES {
            return None;
        }
        let text = |rows| {
            let values = alike.values(rows);
            let row: Vec<&str> = values.iter().map(String::as_str).collect();
            self.dialect.insert_like("usages", &usage::COLUMNS, &row, (rows, "request_id")).into()
        };
        let texts: Arc<[Fit]> = chunks(self.dialect).filter(|rows| *rows >= MANY).map(|rows| (rows, text(rows))).collect();
        known.push((alike, Arc::clone(&texts)));
        Some(texts)
    }
}

/// The sizes of an engine's chunks.
fn chunks(dialect: Dialect) -> impl Iterator<Item = usize> {
    CHUNKS.into_iter().filter(move |rows| dialect != Dialect::Sqlite || *rows <= MOST_IN_CACHE)
}

/// What rows of one statement have in common.
type Common<'a> = (Alike, Same<'a>);

/// Cuts rows into chunks that there are texts for.
fn cut<'a, R>(texts: &'a [Fit], rows: &'a [R]) -> impl Iterator<Item = (&'a Arc<str>, &'a [R])> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (size, text) = texts.iter().find(|(size, _)| *size <= rest.len())?;
        let (chunk, after) = rest.split_at(*size);
        rest = after;
        Some((text, chunk))
    })
}

/// Puts rows together that are alike and went to the same place.
fn sorted<'a>(rows: &[Sealed<'a>]) -> Vec<(Common<'a>, Vec<Sealed<'a>>)> {
    let mut sorted: Vec<(Common<'a>, Vec<Sealed<'a>>)> = Vec::new();
    for row in rows {
        let alike = (Alike::of(row.row), Same::of(row.row));
        match sorted.iter_mut().find(|(known, _)| *known == alike) {
            Some((_, rows)) => rows.push(*row),
            None => sorted.push((alike, vec![*row])),
        }
    }
    sorted
}

/// Writes the rows that do not stand yet in one transaction, with what they add to rollups and head.
pub(super) async fn write(store: &SqlStore, rows: &[Arc<UsageRow>]) -> Result<(), DbErr> {
    if store.dialect == Dialect::Sqlite {
        let pool = store.writing.as_ref().unwrap_or_else(|| store.database.get_sqlite_connection_pool());
        let batch = Batch::of(&store.key, rows.iter().map(|row| &**row));
        let written = write_sqlite(pool, store, &batch).await.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))?;
        if written == Written::All {
            return Ok(());
        }
    }
    write_fresh(store, rows).await
}

/// What became of a batch that was taken to be new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// All of it was, and is written.
    All,
    /// Some of it stood already; nothing was written.
    Nothing,
}

/// Looks which rows stand already, and writes the others.
async fn write_fresh(store: &SqlStore, rows: &[Arc<UsageRow>]) -> Result<(), DbErr> {
    let transaction = store.begin().await?;
    let fresh = rollup::fresh(store, &transaction, rows).await?;
    let batch = Batch::of(&store.key, fresh);
    let mut written = 0;
    for (text, chunk) in cut(&store.texts.any, &batch.rows) {
        let mut values = Vec::with_capacity(chunk.len() * usage::COLUMNS.len());
        for Sealed { row, seal } in chunk {
            usage::bind(&mut values, row);
            values.push((*seal).into());
        }
        let statement = Statement::from_sql_and_values(store.dialect.backend(), text.as_ref(), values);
        written += transaction.execute_raw(statement).await?.rows_affected();
    }
    // What two writers write at once may stand in the rollups once only: the second looks again.
    if written != batch.rows.len() as u64 {
        return Err(DbErr::Custom("another writer wrote one of these rows at the same moment".to_owned()));
    }
    if !batch.rows.is_empty() {
        add_rollups(store, &transaction, &batch).await?;
        head::add(store, &transaction, &batch.sum).await?;
    }
    transaction.commit().await
}

/// Adds a batch to its rollups.
pub(super) async fn add_rollups(store: &SqlStore, transaction: &DatabaseTransaction, batch: &Batch<'_>) -> Result<(), DbErr> {
    for (text, chunk) in cut(&store.texts.rollups, &batch.rollups) {
        let values: Vec<Value> = chunk.iter().flat_map(rollup::values).collect();
        transaction.execute_raw(Statement::from_sql_and_values(store.dialect.backend(), text.as_ref(), values)).await?;
    }
    Ok(())
}

async fn write_sqlite(pool: &SqlitePool, store: &SqlStore, batch: &Batch<'_>) -> Result<Written, sqlx::Error> {
    let texts = &store.texts;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut others = Vec::new();
    let mut written = 0;
    for (common, rows) in sorted(&batch.rows) {
        let fitted = (rows.len() >= MANY).then(|| texts.of(common.0)).flatten();
        let (many, few) = rows.split_at(if fitted.is_some() { rows.len() / MANY * MANY } else { 0 });
        for (text, chunk) in cut(fitted.as_deref().unwrap_or_default(), many) {
            written += execute(&mut transaction, text, SqliteValues::of(chunk, Some(common))?).await?;
        }
        others.extend_from_slice(few);
    }
    for (text, chunk) in cut(&texts.any, &others) {
        written += execute(&mut transaction, text, SqliteValues::of(chunk, None)?).await?;
    }
    if written != batch.rows.len() as u64 {
        transaction.rollback().await?;
        return Ok(Written::Nothing);
    }
    for (text, chunk) in cut(&texts.rollups, &batch.rollups) {
        execute(&mut transaction, text, SqliteValues::of_rollups(chunk)?).await?;
    }
    head::add_sqlite(&store.key, &mut transaction, &batch.sum).await?;
    transaction.commit().await?;
    Ok(Written::All)
}

async fn execute(connection: &mut SqliteConnection, text: &Arc<str>, values: SqliteArguments) -> Result<u64, sqlx::Error> {
    sqlx::query_with(AssertSqlSafe(Arc::clone(text)), values).execute(connection).await.map(|done| done.rows_affected())
}

impl Binder for Vec<Value> {
    fn id(&mut self, id: RequestId) {
        self.push(id.to_string().into());
    }

    fn member(&mut self, id: Option<i64>) {
        self.push(id.into());
    }

    fn same(&mut self, figure: Option<i64>) {
        self.push(figure.into());
    }

    fn word(&mut self, _: Word, text: &str) {
        self.push(data::text(text));
    }

    fn bucket(&mut self, _: Bucket, tokens: i64) {
        self.push(tokens.into());
    }

    fn metrics(&mut self, json: Option<&str>) {
        self.push(data::optional(json));
    }

    fn int(&mut self, figure: i64) {
        self.push(figure.into());
    }

    fn optional_int(&mut self, figure: Option<i64>) {
        self.push(figure.into());
    }

    fn phases(&mut self, phases: Option<&Phases>) {
        self.push(usage::packed(phases).into());
    }
}

/// The driver's own list of values. Words that repeat from row to row are shared instead of copied.
struct SqliteValues {
    values: SqliteArguments,
    /// Rows of these are bound without what the statement has already.
    alike: Option<Alike>,
    last: [Arc<str>; Word::COUNT],
    fault: Option<sqlx::error::BoxDynError>,
}

impl SqliteValues {
    /// The values of rows, and behind them those that they have in common.
    fn of(rows: &[Sealed<'_>], common: Option<Common<'_>>) -> Result<SqliteArguments, sqlx::Error> {
        let (alike, same) = common.unzip();
        let mut bound = Self::with_room(rows.len() * usage::COLUMNS.len(), alike);
        for Sealed { row, seal } in rows {
            usage::bind(&mut bound, row);
            bound.add(*seal);
        }
        bound.alike = None;
        if let Some(same) = same {
            same.bind(&mut bound);
        }
        bound.finish()
    }

    /// The values of rollups.
    fn of_rollups(rollups: &[Rollup]) -> Result<SqliteArguments, sqlx::Error> {
        let mut bound = Self::with_room(rollups.len() * rollup::COLUMNS.len(), None);
        for value in rollups.iter().flat_map(rollup::values) {
            match value {
                Value::String(text) => bound.add(text),
                Value::BigInt(figure) => bound.add(figure),
                other => bound.fault = Some(format!("a rollup has no column for {other:?}").into()),
            }
        }
        bound.finish()
    }

    fn with_room(values: usize, alike: Option<Alike>) -> Self {
        let mut arguments = SqliteArguments::default();
        sqlx::Arguments::reserve(&mut arguments, values, 0);
        Self { values: arguments, alike, last: std::array::from_fn(|_| Arc::from("")), fault: None }
    }

    fn add<'t, T: sqlx::Encode<'t, Sqlite> + sqlx::Type<Sqlite>>(&mut self, value: T) {
        if let Err(error) = sqlx::Arguments::add(&mut self.values, value) {
            self.fault = Some(error);
        }
    }

    fn finish(self) -> Result<SqliteArguments, sqlx::Error> {
        match self.fault {
            Some(error) => Err(sqlx::Error::Encode(error)),
            None => Ok(self.values),
        }
    }
}

impl Binder for SqliteValues {
    fn id(&mut self, id: RequestId) {
        self.add(std::str::from_utf8(&id.digits()).map(Arc::<str>::from).unwrap_or_default());
    }

    fn member(&mut self, id: Option<i64>) {
        if self.alike.is_none_or(Alike::binds_members) {
            self.add(id);
        }
    }

    fn same(&mut self, figure: Option<i64>) {
        if self.alike.is_none() {
            self.add(figure);
        }
    }

    fn word(&mut self, word: Word, text: &str) {
        if self.alike.is_some() {
            return;
        }
        let last = &mut self.last[word as usize];
        if **last != *text {
            *last = Arc::from(text);
        }
        let shared = Arc::clone(last);
        self.add(shared);
    }

    fn bucket(&mut self, bucket: Bucket, tokens: i64) {
        if self.alike.is_none_or(|alike| alike.binds_bucket(bucket)) {
            self.add(tokens);
        }
    }

    fn metrics(&mut self, json: Option<&str>) {
        if self.alike.is_none_or(Alike::binds_metrics) {
            self.add(json.map(Arc::<str>::from));
        }
    }

    fn int(&mut self, figure: i64) {
        self.add(figure);
    }

    fn optional_int(&mut self, figure: Option<i64>) {
        self.add(figure);
    }

    fn phases(&mut self, phases: Option<&Phases>) {
        self.add(usage::packed(phases));
    }
}
