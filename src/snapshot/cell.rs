//! Holds the snapshot that serves. Readers never wait.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Snapshot;

/// The snapshot of now. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SnapshotCell(Arc<ArcSwap<Snapshot>>);

impl SnapshotCell {
    /// Begins with a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(snapshot)))
    }

    /// The snapshot that serves now. A request takes it once and keeps it to its end.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts another one in its place.
    pub fn store(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
