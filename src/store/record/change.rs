//! Changes of configuration: several at once, all or none.

use std::{fmt, sync::Arc};

use super::{ConfigRows, NewAudit, Noun, NounWork, Record, Row, RowWork, SettingsRow};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a row.
    Make(Row),
    /// Makes a row, unless one with the same unique columns stands: then that one is the answer, as it is.
    Ensure(Row),
    /// Changes the row of an id.
    Set(i64, Row),
    /// Forgets the row of an id, and what hangs on it.
    Delete(Noun, i64),
}

/// Changes that stand or fall together.
#[derive(Clone, Default)]
pub struct ChangeSet {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// The settings, where they change too.
    pub settings: Option<SettingsRow>,
    /// The revision that the changes were made for; another one is refused. Any where absent.
    pub base: Option<i64>,
    /// What is written down of them, in the same transaction.
    pub audit: Vec<NewAudit>,
    /// The key of the ledger's seals, sealed, where it is kept anew. A store without seals keeps none.
    pub ledger_key: Option<String>,
    /// What each row becomes once the ids that it names are known.
    pub finish: Option<Finish>,
}

/// Turns a row, whose links are ids that stand, into the one that is stored.
pub type Finish = Arc<dyn Fn(Row) -> Row + Send + Sync>;

impl From<Vec<Change>> for ChangeSet {
    fn from(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }
}

impl fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeSet").field("changes", &self.changes.len()).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A row as it is stored; `resolve` gives the id that stands for one that names a change.
pub(in crate::store) fn finished(row: Row, finish: Option<&Finish>, resolve: impl Fn(i64) -> i64) -> Row {
    match finish {
        Some(finish) => finish(row.with(Relink(resolve))),
        None => row,
    }
}

struct Relink<F>(F);

impl<F: Fn(i64) -> i64> RowWork for Relink<F> {
    type Output = Row;

    fn on<N: Record>(self, mut row: N) -> Row {
        row.relink(self.0);
        row.into_row()
    }
}

/// What an id has to be to name the row that an earlier change of the same batch makes; `place` counts from 0.
#[must_use]
pub fn made_by(place: usize) -> i64 {
    (-1_i64).saturating_sub_unsigned(place as u64)
}

/// Which change of the batch an id names, where it names one.
#[must_use]
pub(in crate::store) fn maker(id: i64) -> Option<usize> {
    usize::try_from(id.checked_add(1)?.checked_neg()?).ok()
}

/// What a change gives: the row's id and times, Unix milliseconds. Of a deleted row only the id means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The row.
    pub id: i64,
    /// When it was made.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

/// What changed between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The rows that are new or other, the settings, and the revision that it leads to.
    pub rows: ConfigRows,
    /// The rows that are gone.
    pub gone: Vec<(Noun, i64)>,
}

impl ConfigRows {
    /// These rows with what changed.
    pub fn apply(&mut self, delta: &Delta) {
        for noun in Noun::ALL {
            noun.with(PutAll { rows: self, from: &delta.rows });
        }
        for (noun, id) in &delta.gone {
            noun.with(Take { rows: self, id: *id });
        }
        self.settings = delta.rows.settings.clone();
        self.revision = delta.rows.revision;
    }
}

struct PutAll<'a> {
    rows: &'a mut ConfigRows,
    from: &'a ConfigRows,
}

impl NounWork for PutAll<'_> {
    type Output = ();

    fn of<N: Record>(self) {
        N::table_mut(self.rows).put_all(N::table(self.from));
    }
}

struct Take<'a> {
    rows: &'a mut ConfigRows,
    id: i64,
}

impl NounWork for Take<'_> {
    type Output = ();

    fn of<N: Record>(self) {
        N::table_mut(self.rows).take(self.id.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{made_by, maker};

    #[test]
    fn an_id_below_zero_names_a_change() {
        for place in [0, 1, 7, 100_000] {
            assert_eq!(maker(made_by(place)), Some(place));
        }
        for id in [0, 1, i64::MAX] {
            assert_eq!(maker(id), None);
        }
    }
}
