//! The hot write: usage rows in few statements whose texts never change, so that each is prepared once per connection.
//! A SQLite file has a way of its own, [`super::direct`].

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement, Value};

use super::{
    SqlStore, data,
    dialect::Dialect,
    direct::Written,
    head,
    rollup::{self, Batch, Sealed},
    usage,
    usage::{Binder, Word},
};
use crate::{
    base::{Bucket, RequestId},
    store::record::{Phases, UsageRow},
};

/// Rows per statement: few different texts, and few turns to the database for a full batch.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement's text and how many rows it takes; the one with the most comes first.
type Fit = (usize, Arc<str>);

/// The texts, by the size of their chunk.
pub(super) struct Texts {
    rows: [Fit; CHUNKS.len()],
    rollups: [Fit; 3],
}

impl Texts {
    pub(super) fn new(dialect: Dialect) -> Self {
        let rows = CHUNKS.map(|rows| (rows, dialect.insert_new("usages", &usage::COLUMNS, rows, "request_id").into()));
        let rollups = [16, 4, 1].map(|rows| (rows, rollup::upsert(dialect, rows).into()));
        Self { rows, rollups }
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

/// Writes the rows that do not stand yet in one transaction, with what they add to rollups and head.
pub(super) async fn write(store: &SqlStore, rows: Vec<Arc<UsageRow>>) -> Result<(), DbErr> {
    let rows: Arc<[Arc<UsageRow>]> = rows.into();
    match &store.direct {
        Some(direct) if direct.write(&store.key, &rows).await? == Written::All => Ok(()),
        Some(_) | None => write_fresh(store, &rows).await,
    }
}

/// Looks which rows stand already, and writes the others.
async fn write_fresh(store: &SqlStore, rows: &[Arc<UsageRow>]) -> Result<(), DbErr> {
    let transaction = store.begin().await?;
    let fresh = rollup::fresh(store, &transaction, rows).await?;
    let batch = Batch::of(&store.key, fresh);
    let mut written = 0;
    for (text, chunk) in cut(&store.texts.rows, &batch.rows) {
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
