//! A batch of changes to rows in memory: all of it, or nothing.

use std::collections::BTreeSet;

use crate::store::{
    persist::StoreFault,
    record::{
        Change, ConfigRows, Delta, Finish, NewAudit, Noun, NounWork, OnDelete, Record, Row, RowWork, Stamp, Standing, finished, maker,
    },
};

/// Rows on their way to their next revision.
pub(super) struct Batch {
    rows: ConfigRows,
    last_id: i64,
    now: i64,
    finish: Option<Finish>,
    touched: Vec<(Noun, i64)>,
    stamps: Vec<Stamp>,
}

impl Batch {
    pub(super) fn begin(rows: &ConfigRows, last_id: i64, now: i64, finish: Option<Finish>) -> Self {
        let mut rows = rows.clone();
        rows.revision += 1;
        Self { rows, last_id, now, finish, touched: Vec::new(), stamps: Vec::new() }
    }

    /// Makes the changes in their order.
    pub(super) fn make(&mut self, changes: Vec<Change>) -> Result<Vec<Stamp>, StoreFault> {
        for change in changes {
            let stamp = match change {
                Change::Make(row) => self.put(None, false, row)?,
                Change::Ensure(row) => self.put(None, true, row)?,
                Change::Set(id, row) => {
                    let id = self.resolve(id)?;
                    self.put(Some(id), false, row)?
                }
                Change::Delete(noun, id) => {
                    let id = self.resolve(id)?;
                    self.forget(noun, id)?;
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

    /// The rows, the last id that was given away, and what was touched.
    pub(super) fn end(self) -> (ConfigRows, i64, Vec<(Noun, i64)>) {
        (self.rows, self.last_id, self.touched)
    }

    fn put(&mut self, id: Option<i64>, may_stand: bool, row: Row) -> Result<Stamp, StoreFault> {
        let row = finished(row, self.finish.as_ref(), |id| self.resolve(id).unwrap_or(id));
        row.with(Put { batch: self, id, may_stand })
    }

    fn resolve(&self, id: i64) -> Result<i64, StoreFault> {
        match maker(id) {
            None => Ok(id),
            Some(place) => self.stamps.get(place).map(|stamp| stamp.id).ok_or(StoreFault::Missing { what: "change", id }),
        }
    }

    fn forget(&mut self, noun: Noun, id: i64) -> Result<(), StoreFault> {
        if !noun.with(Take { rows: &mut self.rows, id }) {
            return Err(StoreFault::Missing { what: noun.name(), id });
        }
        self.touched.push((noun, id));
        for child in Noun::ALL {
            for dependent in child.with(Dependents { rows: &self.rows, noun, id }) {
                match dependent.on_delete {
                    OnDelete::Cascade => self.forget(*child, dependent.id)?,
                    OnDelete::Clear => {
                        child.with(Unlink { rows: &mut self.rows, dependent: &dependent, now: self.now });
                        self.touched.push((*child, dependent.id));
                    }
                }
            }
        }
        Ok(())
    }
}

struct Put<'a> {
    batch: &'a mut Batch,
    id: Option<i64>,
    may_stand: bool,
}

impl RowWork for Put<'_> {
    type Output = Result<Stamp, StoreFault>;

    fn on<N: Record>(self, mut row: N) -> Self::Output {
        let Self { batch, id, may_stand } = self;
        for (link, named) in row.links() {
            let id = batch.resolve(named)?;
            if !link.noun.with(Stands { rows: &batch.rows, id }) {
                return Err(StoreFault::Missing { what: link.noun.name(), id });
            }
        }
        row.relink(|id| batch.resolve(id).unwrap_or(id));
        let standing = match id {
            None => None,
            Some(id) => Some(N::table(&batch.rows).get(id.into()).ok_or(StoreFault::Missing { what: N::NOUN.name(), id })?.created_at),
        };
        let own: Option<N::Id> = id.map(Into::into);
        let alike = N::table(&batch.rows).iter().find(|other| Some(other.id) != own && other.row.is_alike(&row));
        if let Some(alike) = alike {
            return if may_stand {
                Ok(Stamp { id: alike.id.into(), created_at: alike.created_at, updated_at: alike.updated_at })
            } else {
                Err(StoreFault::Taken { what: N::NOUN.name(), value: row.own_name() })
            };
        }
        let id = id.unwrap_or_else(|| {
            batch.last_id += 1;
            batch.last_id
        });
        let stamp = Stamp { id, created_at: standing.unwrap_or(batch.now), updated_at: batch.now };
        N::table_mut(&mut batch.rows).put(Standing { id: id.into(), row, created_at: stamp.created_at, updated_at: stamp.updated_at });
        batch.touched.push((N::NOUN, id));
        Ok(stamp)
    }
}

struct Stands<'a> {
    rows: &'a ConfigRows,
    id: i64,
}

impl NounWork for Stands<'_> {
    type Output = bool;

    fn of<N: Record>(self) -> bool {
        N::table(self.rows).get(self.id.into()).is_some()
    }
}

struct Take<'a> {
    rows: &'a mut ConfigRows,
    id: i64,
}

impl NounWork for Take<'_> {
    type Output = bool;

    fn of<N: Record>(self) -> bool {
        N::table_mut(self.rows).take(self.id.into())
    }
}

/// A row that names one that goes.
struct Dependent {
    id: i64,
    column: &'static str,
    on_delete: OnDelete,
}

struct Dependents<'a> {
    rows: &'a ConfigRows,
    noun: Noun,
    id: i64,
}

impl NounWork for Dependents<'_> {
    type Output = Vec<Dependent>;

    fn of<N: Record>(self) -> Vec<Dependent> {
        if !N::SCOPED && !N::LINKS.iter().flatten().any(|link| link.noun == self.noun) {
            return Vec::new();
        }
        let rows = N::table(self.rows).iter();
        rows.filter_map(|kept| {
            let links = kept.row.links();
            let (link, _) = links.into_iter().find(|(link, id)| link.noun == self.noun && *id == self.id)?;
            Some(Dependent { id: kept.id.into(), column: link.column, on_delete: link.on_delete })
        })
        .collect()
    }
}

struct Unlink<'a> {
    rows: &'a mut ConfigRows,
    dependent: &'a Dependent,
    now: i64,
}

impl NounWork for Unlink<'_> {
    type Output = ();

    fn of<N: Record>(self) {
        if let Some(kept) = N::table(self.rows).get(self.dependent.id.into()) {
            let mut kept = kept.clone();
            kept.row.unlink(self.dependent.column);
            kept.updated_at = self.now;
            N::table_mut(self.rows).put(kept);
        }
    }
}

/// What changed after a revision, by the log of what each one touched.
pub(super) fn since(rows: &ConfigRows, log: &[(i64, Noun, i64)], revision: i64) -> Delta {
    let touched: BTreeSet<(Noun, i64)> = log.iter().filter(|(at, ..)| *at > revision).map(|(_, noun, id)| (*noun, *id)).collect();
    let mut delta =
        Delta { rows: ConfigRows { revision: rows.revision, settings: rows.settings.clone(), ..ConfigRows::default() }, gone: Vec::new() };
    for (noun, id) in touched {
        if !noun.with(CopyRow { from: rows, to: &mut delta.rows, id }) {
            delta.gone.push((noun, id));
        }
    }
    delta
}

struct CopyRow<'a> {
    from: &'a ConfigRows,
    to: &'a mut ConfigRows,
    id: i64,
}

impl NounWork for CopyRow<'_> {
    type Output = bool;

    fn of<N: Record>(self) -> bool {
        match N::table(self.from).get(self.id.into()) {
            Some(row) => {
                N::table_mut(self.to).put(row.clone());
                true
            }
            None => false,
        }
    }
}
