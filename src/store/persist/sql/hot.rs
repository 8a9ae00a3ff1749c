//! The hot write: usage rows in few statements whose texts never change, so that each is prepared once per connection.
//!
//! SQLite runs in this process and shares a core with the requests, so its rows go to the driver directly: a third
//! cheaper than through the general statement, which copies every value twice more.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{
    ConnectionTrait, DbErr, RuntimeErr, Statement, Value,
    sqlx::{self, AssertSqlSafe, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteArguments},
};

use super::{
    SqlStore, data,
    dialect::Dialect,
    usage,
    usage::{Alike, Binder, Word},
};
use crate::{
    base::{Bucket, RequestId},
    store::record::UsageRow,
};

/// Rows per statement: few different texts, and few turns of the database's thread for a full batch.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

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
    any: [Fit; 5],
    /// For rows that are alike.
    alike: Mutex<Vec<(Alike, Arc<[Fit]>)>>,
}

impl Texts {
    pub(super) fn new(dialect: Dialect) -> Self {
        let any = CHUNKS.map(|rows| (rows, dialect.insert_new("usages", &usage::COLUMNS, rows, "request_id").into()));
        Self { dialect, any, alike: Mutex::default() }
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
        let values = alike.values();
        let row: Vec<&str> = values.iter().map(String::as_str).collect();
        let text = |rows| self.dialect.insert_like("usages", &usage::COLUMNS, &row, (rows, "request_id")).into();
        let texts: Arc<[Fit]> = CHUNKS.into_iter().filter(|rows| *rows >= MANY).map(|rows| (rows, text(rows))).collect();
        known.push((alike, Arc::clone(&texts)));
        Some(texts)
    }
}

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

/// Puts rows together that are alike.
fn sorted(rows: &[UsageRow]) -> Vec<(Alike, Vec<&UsageRow>)> {
    let mut sorted: Vec<(Alike, Vec<&UsageRow>)> = Vec::new();
    for row in rows {
        let alike = Alike::of(row);
        match sorted.iter_mut().find(|(known, _)| *known == alike) {
            Some((_, rows)) => rows.push(row),
            None => sorted.push((alike, vec![row])),
        }
    }
    sorted
}

/// Writes the rows in one transaction.
pub(super) async fn write(store: &SqlStore, rows: &[UsageRow]) -> Result<(), DbErr> {
    match store.dialect {
        Dialect::Sqlite => {
            let pool = store.writing.as_ref().unwrap_or_else(|| store.database.get_sqlite_connection_pool());
            write_sqlite(pool, &store.texts, rows).await.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        }
        Dialect::Postgres | Dialect::Mysql => {
            let transaction = store.begin().await?;
            for (text, chunk) in cut(&store.texts.any, rows) {
                let mut values = Vec::with_capacity(chunk.len() * usage::COLUMNS.len());
                for row in chunk {
                    usage::bind(&mut values, row);
                }
                let statement = Statement::from_sql_and_values(store.dialect.backend(), text.as_ref(), values);
                transaction.execute_raw(statement).await?;
            }
            transaction.commit().await
        }
    }
}

async fn write_sqlite(pool: &SqlitePool, texts: &Texts, rows: &[UsageRow]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut others = Vec::new();
    for (alike, rows) in sorted(rows) {
        let fitted = (rows.len() >= MANY).then(|| texts.of(alike)).flatten();
        let (many, few) = rows.split_at(if fitted.is_some() { rows.len() / MANY * MANY } else { 0 });
        for (text, chunk) in cut(fitted.as_deref().unwrap_or_default(), many) {
            execute(&mut transaction, text, SqliteValues::of(chunk, Some(alike))?).await?;
        }
        others.extend_from_slice(few);
    }
    for (text, chunk) in cut(&texts.any, &others) {
        execute(&mut transaction, text, SqliteValues::of(chunk, None)?).await?;
    }
    transaction.commit().await
}

async fn execute(connection: &mut SqliteConnection, text: &Arc<str>, values: SqliteArguments) -> Result<(), sqlx::Error> {
    sqlx::query_with(AssertSqlSafe(Arc::clone(text)), values).execute(connection).await.map(drop)
}

impl Binder for Vec<Value> {
    fn id(&mut self, id: RequestId) {
        self.push(id.to_string().into());
    }

    fn member(&mut self, id: Option<i64>) {
        self.push(id.into());
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
}

/// The driver's own list of values. Words that repeat from row to row are shared instead of copied.
struct SqliteValues {
    values: SqliteArguments,
    /// What the statement has already.
    alike: Option<Alike>,
    last: [Arc<str>; Word::COUNT],
    fault: Option<sqlx::error::BoxDynError>,
}

impl SqliteValues {
    /// The values of rows, but for what they have in common.
    fn of(rows: &[&UsageRow], alike: Option<Alike>) -> Result<SqliteArguments, sqlx::Error> {
        let mut values = SqliteArguments::default();
        sqlx::Arguments::reserve(&mut values, rows.len() * usage::COLUMNS.len(), 0);
        let mut bound = Self { values, alike, last: std::array::from_fn(|_| Arc::from("")), fault: None };
        for row in rows {
            usage::bind(&mut bound, row);
        }
        bound.finish()
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

    fn word(&mut self, word: Word, text: &str) {
        if self.alike.is_some() && !Alike::binds_word(word) {
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
}
