//! Configuration: read whole or by what changed, written in batches of changes.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, IsolationLevel, SqlErr, TransactionTrait, Value};

use super::{SqlStore, change::Batch, data, dialect::Dialect, failed, head, stored};
use crate::store::{
    persist::{Records, StoreFault, Stored},
    record::{ChangeSet, ConfigRows, Delta, Noun, NounWork, Record, SettingsRow, Stamp},
};

/// How many rows of changes are kept for instances that were away. Whoever was away for longer reads everything.
const LOGGED: i64 = 100_000;

impl Records for SqlStore {
    fn load(&self) -> Stored<'_, ConfigRows> {
        stored(async move { self.read_all().await.map_err(failed) })
    }

    fn revision(&self) -> Stored<'_, i64> {
        stored(async move { self.revision_in(&self.database).await.map_err(failed) })
    }

    fn since(&self, revision: i64) -> Stored<'_, Option<Delta>> {
        stored(async move { self.read_since(revision).await.map_err(failed) })
    }

    fn is_fresh(&self) -> Stored<'_, bool> {
        stored(async move {
            let sql = "SELECT id FROM instance_settings WHERE was_used = ?";
            let row = self.database.query_one_raw(self.statement(sql, vec![true.into()])).await.map_err(failed)?;
            Ok(row.is_none())
        })
    }

    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()> {
        stored(async move { self.replace_settings(&settings).await.map_err(failed) })
    }

    fn apply_set(&self, set: ChangeSet) -> Stored<'_, Vec<Stamp>> {
        stored(async move {
            let transaction = self.begin().await.map_err(failed)?;
            let now = self.now(&transaction).await.map_err(failed)?;
            let revision = self.next_revision(&transaction).await.map_err(failed)?;
            if set.base.is_some_and(|base| base + 1 != revision) {
                return Err(StoreFault::Moved);
            }
            self.note_use(&transaction).await.map_err(failed)?;
            let mut batch = Batch::begin(self, &transaction, now, set.finish);
            let stamps = batch.make(set.changes).await?;
            if let Some(sealed) = set.ledger_key {
                head::keep_key(self, &transaction, &sealed).await.map_err(failed)?;
            }
            let audit = batch.told(set.audit)?;
            self.insert_entries(&transaction, &audit).await.map_err(failed)?;
            if let Some(settings) = set.settings {
                self.write_settings(&transaction, &settings, (revision, now)).await.map_err(failed)?;
            }
            self.log_changes(&transaction, revision, batch.end()).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            Ok(stamps)
        })
    }
}

impl SqlStore {
    /// One moment's view over all tables. SQLite's every transaction is one.
    pub(super) async fn view(&self) -> Result<DatabaseTransaction, DbErr> {
        let isolation = match self.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres | Dialect::Mysql => Some(IsolationLevel::RepeatableRead),
        };
        self.database.begin_with_config(isolation, None).await
    }

    async fn read_all(&self) -> Result<ConfigRows, DbErr> {
        let view = self.view().await?;
        let rows = self.read_view(&view).await?;
        view.commit().await?;
        Ok(rows)
    }

    /// Everything in a view.
    pub(super) async fn read_view(&self, view: &DatabaseTransaction) -> Result<ConfigRows, DbErr> {
        let mut rows = self.without_rows(view).await?;
        for noun in Noun::ALL {
            noun.with(Read { store: self, view, rows: &mut rows, ids: None }).await?;
        }
        Ok(rows)
    }

    async fn read_since(&self, revision: i64) -> Result<Option<Delta>, DbErr> {
        let view = self.view().await?;
        let mut delta = Delta { rows: self.without_rows(&view).await?, gone: Vec::new() };
        let sql = "SELECT noun, row_id, revision FROM config_changes WHERE revision > ? ORDER BY id";
        let touched = view.query_all_raw(self.statement(sql, vec![revision.into()])).await?;
        let mut ids: Vec<(Noun, Vec<i64>)> = Noun::ALL.iter().map(|noun| (*noun, Vec::new())).collect();
        let mut reaches = delta.rows.revision == revision;
        for row in touched {
            let (noun, id, at): (String, i64, i64) = (row.try_get("", "noun")?, row.try_get("", "row_id")?, row.try_get("", "revision")?);
            reaches |= at == revision + 1;
            if let Some((_, ids)) = ids.iter_mut().find(|(known, _)| known.name() == noun) {
                ids.push(id);
            }
        }
        for (noun, mut ids) in ids {
            ids.sort_unstable();
            ids.dedup();
            if !ids.is_empty() {
                let gone = noun.with(Read { store: self, view: &view, rows: &mut delta.rows, ids: Some(ids) }).await?;
                delta.gone.extend(gone.into_iter().map(|id| (noun, id)));
            }
        }
        view.commit().await?;
        Ok(reaches.then_some(delta))
    }

    async fn without_rows(&self, view: &DatabaseTransaction) -> Result<ConfigRows, DbErr> {
        let (revision, settings) = (self.revision_in(view).await?, self.settings(view).await?);
        Ok(ConfigRows { revision, settings, ..ConfigRows::default() })
    }

    async fn log_changes(&self, transaction: &DatabaseTransaction, revision: i64, touched: Vec<(Noun, i64)>) -> Result<(), DbErr> {
        for rows in touched.chunks(100) {
            let marks = vec!["(?, ?, ?)"; rows.len()].join(", ");
            let sql = format!("INSERT INTO config_changes (revision, noun, row_id) VALUES {marks}");
            let values: Vec<Value> = rows.iter().flat_map(|(noun, id)| [revision.into(), data::text(noun.name()), (*id).into()]).collect();
            transaction.execute_raw(self.statement(&sql, values)).await?;
        }
        let row = transaction.query_one_raw(self.statement("SELECT MAX(id) AS last FROM config_changes", Vec::new())).await?;
        let last: Option<i64> = row.map(|row| row.try_get("", "last")).transpose()?.flatten();
        let sql = "DELETE FROM config_changes WHERE id < ?";
        transaction.execute_raw(self.statement(sql, vec![(last.unwrap_or(0) - LOGGED).into()])).await.map(drop)
    }
}

/// How many ids stand in one statement.
const IDS: usize = 500;

/// Reads rows of a noun into their table, all or those of some ids, and tells which ids are gone.
struct Read<'a> {
    store: &'a SqlStore,
    view: &'a DatabaseTransaction,
    rows: &'a mut ConfigRows,
    ids: Option<Vec<i64>>,
}

impl<'a> NounWork for Read<'a> {
    type Output = std::pin::Pin<Box<dyn Future<Output = Result<Vec<i64>, DbErr>> + Send + 'a>>;

    fn of<N: Record>(self) -> Self::Output {
        Box::pin(async move {
            let columns: Vec<&str> = N::COLUMNS.iter().map(|(column, _)| *column).collect();
            let sql = format!("SELECT id, created_at, updated_at, {} FROM {}", columns.join(", "), N::TABLE);
            let Some(ids) = self.ids else {
                let found = self.view.query_all_raw(self.store.statement(&sql, Vec::new())).await?;
                *N::table_mut(self.rows) = found.iter().map(data::kept::<N>).collect::<Result<_, _>>()?;
                return Ok(Vec::new());
            };
            let mut gone = Vec::new();
            for ids in ids.chunks(IDS) {
                let sql = format!("{sql} WHERE id IN ({})", vec!["?"; ids.len()].join(", "));
                let values = ids.iter().map(|id| (*id).into()).collect();
                for row in self.view.query_all_raw(self.store.statement(&sql, values)).await? {
                    N::table_mut(self.rows).put(data::kept(&row)?);
                }
                gone.extend(ids.iter().copied().filter(|id| N::table(self.rows).get((*id).into()).is_none()));
            }
            Ok(gone)
        })
    }
}

/// The store's word for a constraint that refused a row.
pub(super) fn refused<N: Record>(error: DbErr, row: &N) -> StoreFault {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => StoreFault::Taken { what: N::NOUN.name(), value: row.own_name() },
        Some(_) | None => failed(error),
    }
}
