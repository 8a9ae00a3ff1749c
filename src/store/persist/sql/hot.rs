//! The hot write: usage rows in few statements whose texts never change, so that each is prepared once per connection.
//!
//! SQLite runs in this process and shares a core with the requests, so its rows go to the driver directly: a third
//! cheaper than through the general statement, which copies every value twice more.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DbErr, RuntimeErr, Statement, Value,
    sqlx::{self, AssertSqlSafe, Sqlite, SqlitePool, sqlite::SqliteArguments},
};

use super::{
    SqlStore,
    dialect::Dialect,
    noun, usage,
    usage::{Binder, Word},
};
use crate::store::record::UsageRow;

/// Rows per statement: few different texts, and few turns of the database's thread for a full batch.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// The texts, by the size of their chunk.
pub(super) struct Texts([(usize, Arc<str>); 5]);

impl Texts {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self(CHUNKS.map(|rows| (rows, dialect.insert_new("usages", &usage::COLUMNS, rows, "request_id").into())))
    }

    /// Cuts rows into chunks that there are texts for.
    fn cut<'a>(&'a self, rows: &'a [UsageRow]) -> impl Iterator<Item = (&'a Arc<str>, &'a [UsageRow])> {
        let mut rest = rows;
        std::iter::from_fn(move || {
            let (size, text) = self.0.iter().find(|(size, _)| *size <= rest.len())?;
            let (chunk, after) = rest.split_at(*size);
            rest = after;
            Some((text, chunk))
        })
    }
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
            for (text, chunk) in store.texts.cut(rows) {
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
    for (text, chunk) in texts.cut(rows) {
        let mut values = SqliteValues::new(chunk.len());
        for row in chunk {
            usage::bind(&mut values, row);
        }
        sqlx::query_with(AssertSqlSafe(Arc::clone(text)), values.finish()?).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

impl Binder for Vec<Value> {
    fn text(&mut self, text: &str) {
        self.push(noun::text(text));
    }

    fn word(&mut self, _: Word, text: &str) {
        self.push(noun::text(text));
    }

    fn optional_text(&mut self, text: Option<&str>) {
        self.push(noun::optional(text));
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
    last: [Arc<str>; Word::COUNT],
    fault: Option<sqlx::error::BoxDynError>,
}

impl SqliteValues {
    fn new(rows: usize) -> Self {
        let mut values = SqliteArguments::default();
        sqlx::Arguments::reserve(&mut values, rows * usage::COLUMNS.len(), 0);
        Self { values, last: std::array::from_fn(|_| Arc::from("")), fault: None }
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
    fn text(&mut self, text: &str) {
        self.add(Arc::<str>::from(text));
    }

    fn word(&mut self, word: Word, text: &str) {
        let last = &mut self.last[word as usize];
        if **last != *text {
            *last = Arc::from(text);
        }
        let shared = Arc::clone(last);
        self.add(shared);
    }

    fn optional_text(&mut self, text: Option<&str>) {
        self.add(text.map(Arc::<str>::from));
    }

    fn int(&mut self, figure: i64) {
        self.add(figure);
    }

    fn optional_int(&mut self, figure: Option<i64>) {
        self.add(figure);
    }
}
