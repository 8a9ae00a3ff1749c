//! The rows of one noun, by id. Clones share everything until one of them changes.

use std::{
    collections::{BTreeMap, btree_map::Values},
    sync::Arc,
};

use super::{Record, Standing};

/// Rows in the order of their ids.
#[derive(Debug)]
pub struct Table<N: Record>(Arc<BTreeMap<N::Id, Arc<Standing<N>>>>);

impl<N: Record> Table<N> {
    /// The row of an id.
    #[must_use]
    pub fn get(&self, id: N::Id) -> Option<&Standing<N>> {
        self.0.get(&id).map(|row| &**row)
    }

    /// All rows, lowest id first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Standing<N>> + ExactSizeIterator + Clone {
        self.0.values().map(|row| &**row)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a row in its place.
    pub fn put(&mut self, row: Standing<N>) {
        Arc::make_mut(&mut self.0).insert(row.id, Arc::new(row));
    }

    /// Takes a row away; tells whether it stood.
    pub fn take(&mut self, id: N::Id) -> bool {
        self.0.contains_key(&id) && Arc::make_mut(&mut self.0).remove(&id).is_some()
    }

    /// Whether nothing changed between two clones.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Puts all rows of another table in their places.
    pub fn put_all(&mut self, rows: &Self) {
        if !rows.is_empty() {
            Arc::make_mut(&mut self.0).extend(rows.0.iter().map(|(id, row)| (*id, Arc::clone(row))));
        }
    }
}

impl<N: Record> Clone for Table<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<N: Record> Default for Table<N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<N: Record> PartialEq for Table<N> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl<N: Record> Eq for Table<N> {}

impl<N: Record, const ROWS: usize> PartialEq<[Standing<N>; ROWS]> for Table<N> {
    fn eq(&self, other: &[Standing<N>; ROWS]) -> bool {
        self.iter().eq(other)
    }
}

impl<N: Record> FromIterator<Standing<N>> for Table<N> {
    fn from_iter<I: IntoIterator<Item = Standing<N>>>(rows: I) -> Self {
        Self(Arc::new(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect()))
    }
}

/// The rows of a table, lowest id first.
type Rows<'a, N> = std::iter::Map<Values<'a, <N as Record>::Id, Arc<Standing<N>>>, fn(&Arc<Standing<N>>) -> &Standing<N>>;

fn row<N: Record>(row: &Arc<Standing<N>>) -> &Standing<N> {
    row
}

impl<'a, N: Record> IntoIterator for &'a Table<N> {
    type Item = &'a Standing<N>;
    type IntoIter = Rows<'a, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.values().map(row)
    }
}
