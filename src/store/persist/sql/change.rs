//! A batch of changes within one transaction.

use std::pin::Pin;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};

use super::{SqlStore, data, dialect::Dialect, failed, records::refused};
use crate::store::{
    persist::StoreFault,
    record::{Change, Finish, Link, NewAudit, Noun, NounWork, OnDelete, Record, Row, RowWork, ScopeKind, Stamp, finished, maker},
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// What was done so far.
pub(super) struct Batch<'a> {
    store: &'a SqlStore,
    transaction: &'a DatabaseTransaction,
    now: i64,
    finish: Option<Finish>,
    touched: Vec<(Noun, i64)>,
    stamps: Vec<Stamp>,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(store: &'a SqlStore, transaction: &'a DatabaseTransaction, now: i64, finish: Option<Finish>) -> Self {
        Self { store, transaction, now, finish, touched: Vec::new(), stamps: Vec::new() }
    }

    /// Makes the changes in their order.
    pub(super) async fn make(&mut self, changes: Vec<Change>) -> Result<Vec<Stamp>, StoreFault> {
        for change in changes {
            let stamp = match change {
                Change::Make(row) => self.put(None, false, row).await?,
                Change::Ensure(row) => self.put(None, true, row).await?,
                Change::Set(id, row) => {
                    let id = self.resolve(id)?;
                    self.put(Some(id), false, row).await?
                }
                Change::Delete(noun, id) => {
                    let id = self.resolve(id)?;
                    self.forget(noun, id).await?;
                    Stamp { id, created_at: 0, updated_at: 0 }
                }
            };
            self.stamps.push(stamp);
        }
        Ok(self.stamps.clone())
    }

    /// What is written down of the changes, with the ids of the rows that they made.
    pub(super) fn told(&self, entries: Vec<NewAudit>) -> Result<Vec<NewAudit>, StoreFault> {
        entries.into_iter().map(|entry| entry.resolved(|id| self.resolve(id))).collect()
    }

    /// What was touched.
    pub(super) fn end(self) -> Vec<(Noun, i64)> {
        self.touched
    }

    fn resolve(&self, id: i64) -> Result<i64, StoreFault> {
        match maker(id) {
            None => Ok(id),
            Some(place) => self.stamps.get(place).map(|stamp| stamp.id).ok_or(StoreFault::Missing { what: "change", id }),
        }
    }

    fn put(&mut self, id: Option<i64>, may_stand: bool, row: Row) -> Boxed<'_, Stamp> {
        let row = finished(row, self.finish.as_ref(), |id| self.resolve(id).unwrap_or(id));
        row.with(Put { batch: self, id, may_stand })
    }

    fn forget(&mut self, noun: Noun, id: i64) -> Boxed<'_, ()> {
        Box::pin(async move {
            for child in Noun::ALL {
                for (link, dependent) in child.with(Dependents { batch: self, noun, id }).await? {
                    match link.on_delete {
                        OnDelete::Cascade => self.forget(*child, dependent).await?,
                        OnDelete::Clear => {
                            let (table, column) = (child.with(TableName), link.column);
                            let sql = format!("UPDATE {table} SET {column} = NULL, updated_at = ? WHERE id = ?");
                            self.execute(&sql, vec![self.now.into(), dependent.into()]).await?;
                            self.touched.push((*child, dependent));
                        }
                    }
                }
            }
            let gone = self.execute(&format!("DELETE FROM {} WHERE id = ?", noun.with(TableName)), vec![id.into()]).await?;
            if gone == 0 {
                return Err(StoreFault::Missing { what: noun.name(), id });
            }
            self.touched.push((noun, id));
            Ok(())
        })
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreFault> {
        let done = self.transaction.execute_raw(self.store.statement(sql, values)).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    /// Whether a row stands, and when it was made.
    async fn made_at(&self, noun: Noun, id: i64) -> Result<i64, StoreFault> {
        let sql = format!("SELECT created_at FROM {} WHERE id = ?", noun.with(TableName));
        let row = self.transaction.query_one_raw(self.store.statement(&sql, vec![id.into()])).await.map_err(failed)?;
        row.ok_or(StoreFault::Missing { what: noun.name(), id })?.try_get("", "created_at").map_err(failed)
    }

    async fn standing<N: Record>(&self, row: &N) -> Result<Option<Stamp>, DbErr> {
        let (conditions, values): (Vec<String>, Vec<Value>) = N::COLUMNS
            .iter()
            .zip(data::values(row))
            .filter(|((column, _), _)| N::UNIQUE.contains(column))
            .map(|((column, _), value)| (format!("{column} = ?"), value))
            .unzip();
        if conditions.is_empty() {
            return Ok(None);
        }
        let sql = format!("SELECT id, created_at, updated_at FROM {} WHERE {}", N::TABLE, conditions.join(" AND "));
        let row = self.transaction.query_one_raw(self.store.statement(&sql, values)).await?;
        row.map(|row| {
            Ok(Stamp { id: row.try_get("", "id")?, created_at: row.try_get("", "created_at")?, updated_at: row.try_get("", "updated_at")? })
        })
        .transpose()
    }

    async fn insert<N: Record>(&self, row: &N) -> Result<i64, DbErr> {
        let columns: Vec<&str> = N::COLUMNS.iter().map(|(column, _)| *column).collect();
        let marks = vec!["?"; columns.len() + 2].join(", ");
        let sql = format!("INSERT INTO {} (created_at, updated_at, {}) VALUES ({marks})", N::TABLE, columns.join(", "));
        let mut values = vec![self.now.into(), self.now.into()];
        values.extend(data::values(row));
        match self.store.dialect {
            Dialect::Postgres => {
                let row = self.transaction.query_one_raw(self.store.statement(&format!("{sql} RETURNING id"), values)).await?;
                row.ok_or_else(|| DbErr::RecordNotInserted)?.try_get("", "id")
            }
            Dialect::Sqlite | Dialect::Mysql => {
                let made = self.transaction.execute_raw(self.store.statement(&sql, values)).await?;
                i64::try_from(made.last_insert_id()).map_err(|_| DbErr::RecordNotInserted)
            }
        }
    }

    async fn update<N: Record>(&self, id: i64, row: &N) -> Result<(), DbErr> {
        let sets: Vec<String> = N::COLUMNS.iter().map(|(column, _)| format!("{column} = ?")).collect();
        let sql = format!("UPDATE {} SET updated_at = ?, {} WHERE id = ?", N::TABLE, sets.join(", "));
        let mut values = vec![self.now.into()];
        values.extend(data::values(row));
        values.push(id.into());
        self.transaction.execute_raw(self.store.statement(&sql, values)).await.map(drop)
    }
}

struct Put<'b, 'a> {
    batch: &'b mut Batch<'a>,
    id: Option<i64>,
    may_stand: bool,
}

impl<'b> RowWork for Put<'b, '_> {
    type Output = Boxed<'b, Stamp>;

    fn on<N: Record>(self, mut row: N) -> Self::Output {
        let Self { batch, id, may_stand } = self;
        Box::pin(async move {
            for (link, id) in row.links() {
                batch.made_at(link.noun, batch.resolve(id)?).await?;
            }
            row.relink(|id| batch.resolve(id).unwrap_or(id));
            let stamp = match id {
                Some(id) => {
                    let created_at = batch.made_at(N::NOUN, id).await?;
                    batch.update(id, &row).await.map_err(|error| refused(error, &row))?;
                    Stamp { id, created_at, updated_at: batch.now }
                }
                None => {
                    if may_stand && let Some(standing) = batch.standing(&row).await.map_err(failed)? {
                        return Ok(standing);
                    }
                    let id = batch.insert(&row).await.map_err(|error| refused(error, &row))?;
                    Stamp { id, created_at: batch.now, updated_at: batch.now }
                }
            };
            batch.touched.push((N::NOUN, stamp.id));
            Ok(stamp)
        })
    }
}

struct TableName;

impl NounWork for TableName {
    type Output = &'static str;

    fn of<N: Record>(self) -> &'static str {
        N::TABLE
    }
}

/// The rows of a noun that name one that goes.
struct Dependents<'b, 'a> {
    batch: &'b Batch<'a>,
    noun: Noun,
    id: i64,
}

impl<'b> NounWork for Dependents<'b, '_> {
    type Output = Boxed<'b, Vec<(Link, i64)>>;

    fn of<N: Record>(self) -> Self::Output {
        let Self { batch, noun, id } = self;
        Box::pin(async move {
            let links = N::LINKS.iter().flatten().filter(|link| link.noun == noun).map(|link| (*link, format!("{} = ?", link.column)));
            let scope = ScopeKind::ALL.iter().filter(|kind| N::SCOPED && kind.noun() == noun);
            let scopes = scope.map(|kind| (kind.link(), format!("scope = '{kind}' AND scope_id = ?")));
            let mut found = Vec::new();
            for (link, condition) in links.chain(scopes) {
                let sql = format!("SELECT id FROM {} WHERE {condition}", N::TABLE);
                let rows = batch.transaction.query_all_raw(batch.store.statement(&sql, vec![id.into()])).await.map_err(failed)?;
                for row in rows {
                    found.push((link, row.try_get("", "id").map_err(failed)?));
                }
            }
            Ok(found)
        })
    }
}
