//! The hot write of a SQLite file: a batch of usage rows goes to the library in one turn of a thread that may block.
//!
//! SQLite runs in this process and shares its cores with the requests. A driver that hands one statement after the other to a
//! thread of its own makes a list of all values first, and costs two changes of threads for each statement.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql, TransactionBehavior};
use sea_orm::{DbErr, RuntimeErr, Value};

use super::{
    BUSY_TIME, LOG_BYTES,
    dialect::Dialect,
    head,
    rollup::{self, Batch, Rollup, Sealed},
    usage::{self, Alike, Binder, Same, Word},
};
use crate::{
    base::{Bucket, RequestId},
    store::{
        persist::seal::SealKey,
        record::{Phases, UsageRow},
    },
};

/// Rows of a statement for those that are alike: what it compiles and what is bound to it stays in a processor's second cache.
const MANY: usize = 64;
/// Rows of the next smaller one.
const SOME: usize = 16;

/// How many statements are kept compiled: two for each likeness, of which most traffic has few, and those for single rows, rollups
/// and the head.
const COMPILED: usize = 16;

/// The connection for usage rows. It has pages of its own; those of a connection that others write past are read again.
pub(super) struct Direct {
    path: PathBuf,
    /// Opened by the first batch.
    connection: Mutex<Option<Connection>>,
}

/// What became of a batch that was taken to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it was, and is written.
    All,
    /// Some of it stood already; nothing was written.
    Nothing,
}

impl Direct {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, connection: Mutex::new(None) })
    }

    /// Writes rows, with what they add to rollups and head, in one transaction. Whoever lets go of this future does not undo that.
    pub(super) async fn write(self: &Arc<Self>, key: &SealKey, rows: &Arc<[Arc<UsageRow>]>) -> Result<Written, DbErr> {
        let (own, key, rows) = (Arc::clone(self), key.clone(), Arc::clone(rows));
        let written = tokio::task::spawn_blocking(move || own.write_now(&key, &rows)).await;
        let told = |why: &dyn std::fmt::Display| DbErr::Exec(RuntimeErr::Internal(why.to_string()));
        written.map_err(|panic| told(&panic))?.map_err(|error| told(&error))
    }

    fn write_now(&self, key: &SealKey, rows: &[Arc<UsageRow>]) -> rusqlite::Result<Written> {
        let batch = Batch::of(key, rows.iter().map(|row| &**row));
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // One that fails is not put back.
        let mut connection = slot.take().map_or_else(|| self.open(), Ok)?;
        let written = write(&mut connection, key, &batch)?;
        *slot = Some(connection);
        Ok(written)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIME)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        connection.set_prepared_statement_cache_capacity(COMPILED);
        Ok(connection)
    }

    /// Closes the connection after its last batch.
    pub(super) fn close(&self) {
        drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Writes a batch in one transaction; all of it or nothing.
fn write(connection: &mut Connection, key: &SealKey, batch: &Batch<'_>) -> rusqlite::Result<Written> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if insert(&transaction, &batch.rows)? != batch.rows.len() {
        return Ok(Written::Nothing);
    }
    for rollup in &batch.rollups {
        add_rollup(&transaction, rollup)?;
    }
    head::add_direct(key, &transaction, &batch.sum)?;
    transaction.commit()?;
    Ok(Written::All)
}

/// Inserts rows that do not stand yet, and gives how many those were.
fn insert(connection: &Connection, rows: &[Sealed<'_>]) -> rusqlite::Result<usize> {
    let mut written = 0;
    for (alike, rows) in sorted(rows) {
        let mut rest = rows.as_slice();
        for size in [MANY, SOME] {
            let (fitting, less) = rest.split_at(rest.len() / size * size);
            if !fitting.is_empty() {
                let text = text(alike, size);
                for chunk in fitting.chunks(size) {
                    written += bound(connection, &text, chunk, Some(alike))?;
                    // Whoever serves on the same core has a turn before the next one.
                    std::thread::yield_now();
                }
            }
            rest = less;
        }
        if !rest.is_empty() {
            let text = Dialect::Sqlite.insert_new("usages", &usage::COLUMNS, 1, "request_id");
            for row in rest.chunks(1) {
                written += bound(connection, &text, row, None)?;
            }
        }
    }
    Ok(written)
}

/// Puts rows together that are alike and went to the same place.
fn sorted<'a>(rows: &[Sealed<'a>]) -> Vec<(Alike, Vec<Sealed<'a>>)> {
    let mut sorted: Vec<((Alike, Same<'a>), Vec<Sealed<'a>>)> = Vec::new();
    for row in rows {
        let common = (Alike::of(row.row), Same::of(row.row));
        match sorted.iter_mut().find(|(known, _)| *known == common) {
            Some((_, rows)) => rows.push(*row),
            None => sorted.push((common, vec![*row])),
        }
    }
    sorted.into_iter().map(|((alike, _), rows)| (alike, rows)).collect()
}

/// The statement for so many rows that are alike: what they have in common stands in its text, since SQLite copies a value that is
/// bound, and none that it has compiled.
fn text(alike: Alike, rows: usize) -> String {
    let values = alike.values();
    let row: Vec<&str> = values.iter().map(String::as_str).collect();
    Dialect::Sqlite.insert_like("usages", &usage::COLUMNS, &row, (rows, "request_id"))
}

fn bound(connection: &Connection, text: &str, rows: &[Sealed<'_>], alike: Option<Alike>) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(text)?;
    let mut binding = Binding { statement: &mut statement, bound: 0, alike, is_first: true, fault: None };
    for Sealed { row, seal } in rows {
        usage::bind(&mut binding, row);
        binding.bind(seal);
        binding.is_first = false;
    }
    match binding.fault {
        Some(fault) => Err(fault),
        None => statement.raw_execute(),
    }
}

fn add_rollup(connection: &Connection, rollup: &Rollup) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&rollup::upsert(Dialect::Sqlite, 1))?;
    for (at, value) in rollup::values(rollup).into_iter().enumerate() {
        match value {
            Value::String(text) => statement.raw_bind_parameter(at + 1, text)?,
            Value::BigInt(figure) => statement.raw_bind_parameter(at + 1, figure)?,
            other => return Err(rusqlite::Error::ToSqlConversionFailure(format!("a rollup has no column for {other:?}").into())),
        }
    }
    statement.raw_execute().map(drop)
}

/// Binds the values of rows, one after the other. What rows that are alike have bound in common has a name in their statement, whose
/// place is that in the first row.
struct Binding<'a, 'c> {
    statement: &'a mut CachedStatement<'c>,
    /// How many values are bound.
    bound: usize,
    alike: Option<Alike>,
    is_first: bool,
    fault: Option<rusqlite::Error>,
}

impl Binding<'_, '_> {
    fn bind(&mut self, value: impl ToSql) {
        self.bound += 1;
        if let Err(fault) = self.statement.raw_bind_parameter(self.bound, value) {
            self.fault = Some(fault);
        }
    }

    /// Whether this row binds what it has in common with the others.
    fn binds_common(&self) -> bool {
        self.alike.is_none() || self.is_first
    }
}

impl Binder for Binding<'_, '_> {
    fn id(&mut self, id: RequestId) {
        self.bind(std::str::from_utf8(&id.digits()).unwrap_or_default());
    }

    fn member(&mut self, id: Option<i64>) {
        if self.alike.is_none_or(Alike::binds_members) {
            self.bind(id);
        }
    }

    fn same(&mut self, figure: Option<i64>) {
        if self.binds_common() {
            self.bind(figure);
        }
    }

    fn word(&mut self, word: Word, text: &str) {
        if self.alike.is_none() || (self.is_first && Alike::binds_word(word)) {
            self.bind(text);
        }
    }

    fn bucket(&mut self, bucket: Bucket, tokens: i64) {
        if self.alike.is_none_or(|alike| alike.binds_bucket(bucket)) {
            self.bind(tokens);
        }
    }

    fn metrics(&mut self, json: Option<&str>) {
        if self.alike.is_none_or(Alike::binds_metrics) {
            self.bind(json);
        }
    }

    fn int(&mut self, figure: i64) {
        self.bind(figure);
    }

    fn optional_int(&mut self, figure: Option<i64>) {
        self.bind(figure);
    }

    fn phases(&mut self, phases: Option<&Phases>) {
        self.bind(usage::packed(phases));
    }
}
