//! Opening: what a previous life left is looked through once, before anything new is written.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
};

use tokio::sync::Notify;

use super::{
    FileJournal, Found, Inner, JournalConfig, OpenFault, Reader, Record,
    folder::{Folder, Position},
    recent::Recent,
    segment::Segment,
};
use crate::{
    base::{QuickMap, RequestId},
    store::record::{Begun, Entry},
};

/// What a previous life left, and the journal that goes on from there. The writer takes it: so there is one writer.
pub struct Replay {
    /// The journal, open.
    pub journal: Arc<FileJournal>,
    /// Where the rows begin that the database may not have.
    pub(crate) from: Position,
    /// The last segment of the previous life.
    pub(crate) boundary: u64,
    /// Calls of the previous life that never ended.
    pub(crate) interrupted: Vec<Begun>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("from", &self.from).field("interrupted", &self.interrupted.len()).finish_non_exhaustive()
    }
}

/// What one look through the old segments told.
#[derive(Default)]
struct Left {
    open: HashMap<RequestId, Begun>,
    waiting: u64,
}

pub(super) fn open(config: JournalConfig) -> Result<Replay, OpenFault> {
    let folder = Folder::open(&config.folder)?;
    let disk = |source| OpenFault::Disk { path: config.folder.clone(), source };
    let older = folder.list().map_err(disk)?;
    let from = folder.checkpoint();
    let mut left = Left::default();
    for (number, length) in &older {
        look_through(&folder.segment(*number), (*number, *length), from, &mut left)?;
    }
    // A checkpoint may name a segment that is gone; its number is not used again, or the new one would seem read already.
    let boundary = older.last_key_value().map_or(0, |(number, _)| *number).max(from.segment);
    let create = |number| Segment::create(&folder, number, config.segment_bytes()).and_then(Segment::warm).map_err(disk);
    let (segment, spare) = (create(boundary + 1)?, create(boundary + 2)?);
    let recent = Recent::since(segment.end(), usize::MAX);
    let inner = Inner {
        next: spare.number() + 1,
        segment,
        older_bytes: older.values().sum(),
        older,
        full: None,
        spare: Some(spare),
        frame: Vec::new(),
        open: QuickMap::default(),
        recent,
    };
    let mut interrupted: Vec<Begun> = left.open.into_values().collect();
    interrupted.sort_unstable_by_key(|begun| begun.request_id);
    let journal = FileJournal {
        folder,
        config,
        inner: Mutex::new(inner),
        waiting: AtomicU64::new(left.waiting + interrupted.len() as u64),
        shed_bodies: AtomicU64::new(0),
        shed_rows: AtomicU64::new(0),
        unsynced: AtomicBool::new(false),
        unwritable: AtomicBool::new(false),
        written: Notify::new(),
        to_sync: Notify::new(),
    };
    Ok(Replay { journal: Arc::new(journal), from, boundary, interrupted })
}

/// Notes which calls are open after a segment, and how many of its rows wait. The writer reports damage when it comes by.
fn look_through(path: &Path, (number, length): (u64, u64), from: Position, left: &mut Left) -> Result<(), OpenFault> {
    let disk = |source| OpenFault::Disk { path: path.to_owned(), source };
    let mut reader = Reader::open(path, 0).map_err(disk)?;
    while let Some(found) = reader.next(length).map_err(disk)? {
        let waits = Position { segment: number, offset: reader.offset() } > from;
        match found {
            Found::Record(Record::Entry(Entry::Begun(begun)) | Record::Carried(begun)) => {
                left.open.insert(begun.request_id, begun);
            }
            Found::Record(Record::Entry(Entry::Ended(row))) => {
                left.open.remove(&row.begun.request_id);
                left.waiting += u64::from(waits);
            }
            Found::Record(Record::Entry(Entry::Downstream(_) | Entry::Upstream(_))) => left.waiting += u64::from(waits),
            Found::Damage(_) | Found::Torn(_) => {}
            Found::Newer(version) => return Err(OpenFault::Newer { path: path.to_owned(), version }),
        }
    }
    Ok(())
}
