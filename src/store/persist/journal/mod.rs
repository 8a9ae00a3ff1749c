//! The journal in files: what calls leave behind, written before the answer's last byte and read by the writer.
//!
//! Segments `<number>.journal` are only appended to, each life of the process begins a new one, and one is deleted when the
//! database has all of it. The file is the queue: what waits for the database is not held in memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    runtime::Clock,
    store::{
        persist::{Journal, JournalFault},
        record::{Begun, DownstreamRow, Entry, UpstreamRow},
    },
};

mod codec;
mod reader;
mod recover;
mod segments;
#[cfg(test)]
mod tests;

pub(crate) use codec::Record;
pub(crate) use reader::{Found, Reader};
pub use recover::Replay;
use segments::Folder;
pub(crate) use segments::Position;

/// What `soon` may leave in memory before it writes by itself.
const PENDING_BYTES: usize = 256 << 10;
/// How long a flush that the disk refused waits for the next try.
const DISK_PAUSE: Duration = Duration::from_millis(100);

/// When written entries are forced onto the disk. A kill of the process loses nothing either way; a power cut may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When the system pleases.
    Never,
    /// Within this span of the write.
    Within(Duration),
}

/// The journal's place and limits.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// The folder of the segments.
    pub folder: PathBuf,
    /// A segment's length.
    pub segment_bytes: u64,
    /// What all segments may take. Beyond it new work is refused.
    pub budget_bytes: u64,
    /// When entries are forced onto the disk.
    pub sync: SyncPolicy,
}

impl JournalConfig {
    /// The default limits, in the folder `journal` of a data folder.
    #[must_use]
    pub fn beside(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("journal"), segment_bytes: 64 << 20, budget_bytes: 1 << 30, sync: SyncPolicy::Never }
    }
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// Another process has it.
    #[error("another process uses the journal in {path:?}; give each instance a data folder of its own")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("the journal file {path:?} has entries of version {version}, newer than this program knows; start the newer program once")]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u8,
    },
    /// The disk refused.
    #[error("journal cannot be opened in {path:?}: {source}")]
    Disk {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was left out while the journal was nearly full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// Rows of the wire that lost their bodies.
    pub bodies: u64,
    /// Rows of the wire that were dropped.
    pub rows: u64,
}

/// A [`Journal`] in files.
#[derive(Debug)]
pub struct FileJournal {
    folder: Folder,
    config: JournalConfig,
    inner: Mutex<Inner>,
    waiting: AtomicU64,
    shed_bodies: AtomicU64,
    shed_rows: AtomicU64,
    unsynced: AtomicBool,
    pending: Notify,
    written: Notify,
    to_sync: Notify,
}

#[derive(Debug)]
struct Inner {
    file: Arc<File>,
    /// The number of the segment that is written.
    number: u64,
    /// Its length, up to the last whole write.
    length: u64,
    /// Whether bytes of a refused write may stand behind that.
    ragged: bool,
    /// The segments before it, with their lengths.
    older: BTreeMap<u64, u64>,
    older_bytes: u64,
    /// Frames that are not written yet.
    buffer: Vec<u8>,
}

impl FileJournal {
    /// Opens the journal, locks it, and looks through what a previous life left.
    ///
    /// # Errors
    /// [`OpenFault`].
    pub fn open(config: JournalConfig) -> Result<Replay, OpenFault> {
        recover::open(config)
    }

    /// Writes what [`Journal::soon`] left. The flusher calls it; anybody may.
    ///
    /// # Errors
    /// [`JournalFault::Disk`]; the entries are kept for the next time.
    pub fn flush(&self) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        self.write_out(&mut inner).map_err(JournalFault::Disk)
    }

    /// Flushes, each time after the tasks that were ready when the first entry came. Runs for as long as it is polled.
    pub async fn keep_flushed(&self, clock: Arc<dyn Clock>) {
        loop {
            self.pending.notified().await;
            tokio::task::yield_now().await;
            while let Err(error) = self.flush() {
                tracing::error!(%error, "journal cannot be written, trying again");
                clock.sleep(DISK_PAUSE).await;
            }
        }
    }

    /// Forces written entries onto the disk by the policy. Runs for as long as it is polled; ends at once where the policy is never.
    pub async fn keep_synced(&self, clock: Arc<dyn Clock>) {
        let SyncPolicy::Within(span) = self.config.sync else { return };
        loop {
            self.to_sync.notified().await;
            clock.sleep(span).await;
            let file = Arc::clone(&self.lock().file);
            self.unsynced.store(false, Ordering::Release);
            // A disk may take many milliseconds: not on a thread that serves.
            match tokio::task::spawn_blocking(move || file.sync_data()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "journal cannot be synced"),
                Err(error) => tracing::error!(%error, "journal sync broke off"),
            }
        }
    }

    /// What was left out because the journal was nearly full.
    #[must_use]
    pub fn shed(&self) -> Shed {
        Shed { bodies: self.shed_bodies.load(Ordering::Relaxed), rows: self.shed_rows.load(Ordering::Relaxed) }
    }

    /// Bytes that the segments take on the disk.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used()
    }

    /// Resolves when something was written since the last time.
    pub(crate) async fn written(&self) {
        self.written.notified().await;
    }

    /// Wakes whoever waits in [`Self::written`].
    pub(crate) fn wake(&self) {
        self.written.notify_one();
    }

    /// The end of the last whole write.
    pub(crate) fn end(&self) -> Position {
        let inner = self.lock();
        Position { segment: inner.number, offset: inner.length }
    }

    /// A segment's length up to its last whole write, where it stands.
    pub(crate) fn length(&self, segment: u64) -> Option<u64> {
        let inner = self.lock();
        if segment == inner.number { Some(inner.length) } else { inner.older.get(&segment).copied() }
    }

    /// The first segment at or after a number.
    pub(crate) fn segment_from(&self, number: u64) -> u64 {
        let inner = self.lock();
        inner.older.range(number..).next().map_or(inner.number, |(segment, _)| *segment)
    }

    /// The closed segments before a number.
    pub(crate) fn segments_before(&self, number: u64) -> Vec<u64> {
        self.lock().older.range(..number).map(|(segment, _)| *segment).collect()
    }

    /// Opens a segment for reading.
    pub(crate) fn read(&self, at: Position) -> io::Result<Reader> {
        Reader::open(&self.folder.segment(at.segment), at.offset)
    }

    /// Writes open calls again, so that the segment where they began can go.
    pub(crate) fn carry(&self, calls: &[&Begun]) -> io::Result<Position> {
        let mut inner = self.lock();
        let mark = inner.buffer.len();
        for begun in calls {
            codec::write_carried(&mut inner.buffer, begun).map_err(io::Error::other)?;
        }
        if let Err(error) = self.write_out(&mut inner) {
            inner.buffer.truncate(mark);
            return Err(error);
        }
        Ok(Position { segment: inner.number, offset: inner.length })
    }

    /// Lets a segment go that the database has all of. A damaged one is kept under another name.
    pub(crate) fn forget(&self, segment: u64, damaged: Damaged) -> io::Result<()> {
        match damaged {
            Damaged::No => self.folder.remove(segment)?,
            Damaged::Yes => {
                let kept = self.folder.set_aside(segment)?;
                tracing::error!(file = %kept.display(), "damaged journal segment set aside");
            }
        }
        let mut inner = self.lock();
        if let Some(length) = inner.older.remove(&segment) {
            inner.older_bytes -= length;
        }
        Ok(())
    }

    /// Notes that rows are in the database.
    pub(crate) fn committed(&self, rows: u64, upto: Position) {
        self.waiting.fetch_sub(rows, Ordering::Relaxed);
        // Losing a checkpoint costs a second reading, never a row.
        if let Err(error) = self.folder.save_checkpoint(upto) {
            tracing::warn!(%error, "journal checkpoint cannot be saved");
        }
    }

    /// Keeps rows that the database refuses, as lines of JSON beside the segments.
    pub(crate) fn keep_refused(&self, lines: &str) -> io::Result<PathBuf> {
        let path = self.folder.path().join("refused.jsonl");
        File::options().create(true).append(true).open(&path)?.write_all(lines.as_bytes())?;
        Ok(path)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change of `Inner` is whole between two writes, so a panic of another thread leaves it usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes an entry behind the pending ones, unless the journal is too full for its kind. Tells whether it was taken.
    fn take(&self, inner: &mut Inner, entry: &Entry) -> Result<Taken, JournalFault> {
        let (used, budget) = (inner.used(), self.config.budget_bytes);
        let encoded = match entry {
            Entry::Begun(_) if used >= budget => return Err(JournalFault::Full { used, budget }),
            Entry::Downstream(_) | Entry::Upstream(_) if used > budget / 8 * 7 => {
                self.shed_rows.fetch_add(1, Ordering::Relaxed);
                return Ok(Taken::Shed);
            }
            Entry::Downstream(row) if used > budget / 4 * 3 => codec::write(&mut inner.buffer, &self.strip_downstream(row)),
            Entry::Upstream(row) if used > budget / 4 * 3 => codec::write(&mut inner.buffer, &self.strip_upstream(row)),
            Entry::Begun(_) | Entry::Ended(_) | Entry::Downstream(_) | Entry::Upstream(_) => codec::write(&mut inner.buffer, entry),
        };
        encoded.map_err(|error| JournalFault::Disk(io::Error::other(error)))?;
        match entry {
            Entry::Begun(_) => {}
            Entry::Ended(_) | Entry::Downstream(_) | Entry::Upstream(_) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(Taken::Whole)
    }

    fn strip_downstream(&self, row: &DownstreamRow) -> Entry {
        if row.request_body.is_some() || row.response_body.is_some() {
            self.shed_bodies.fetch_add(1, Ordering::Relaxed);
        }
        Entry::Downstream(Box::new(DownstreamRow { request_body: None, response_body: None, ..row.clone() }))
    }

    fn strip_upstream(&self, row: &UpstreamRow) -> Entry {
        if row.request_body.is_some() || row.response_body.is_some() {
            self.shed_bodies.fetch_add(1, Ordering::Relaxed);
        }
        Entry::Upstream(Box::new(UpstreamRow { request_body: None, response_body: None, ..row.clone() }))
    }

    /// Writes the buffer with one system call. Where the disk refuses, the buffer stays.
    fn write_out(&self, inner: &mut Inner) -> io::Result<()> {
        if inner.buffer.is_empty() {
            return Ok(());
        }
        let full = inner.length > 0 && inner.length + inner.buffer.len() as u64 > self.segment_bytes();
        if full || inner.ragged {
            self.rotate(inner)?;
        }
        if let Err(error) = (&*inner.file).write_all(&inner.buffer) {
            // What stands of the refused write would be damage in the middle: cut it off, or write no more behind it.
            inner.ragged = inner.file.set_len(inner.length).is_err();
            return Err(error);
        }
        inner.length += inner.buffer.len() as u64;
        inner.buffer.clear();
        // One large body must not keep its memory for ever.
        inner.buffer.shrink_to(PENDING_BYTES * 2);
        self.written.notify_one();
        if self.config.sync != SyncPolicy::Never && !self.unsynced.swap(true, Ordering::AcqRel) {
            self.to_sync.notify_one();
        }
        Ok(())
    }

    /// Goes on in a new segment.
    fn rotate(&self, inner: &mut Inner) -> io::Result<()> {
        if self.config.sync != SyncPolicy::Never {
            inner.file.sync_data()?;
        }
        let file = self.folder.create(inner.number + 1)?;
        let (number, length) = (inner.number, inner.length);
        inner.older.insert(number, length);
        inner.older_bytes += length;
        inner.file = Arc::new(file);
        inner.number += 1;
        inner.length = 0;
        inner.ragged = false;
        Ok(())
    }

    /// A segment's length; small against the budget, or a journal that the database has all of could still be full.
    fn segment_bytes(&self) -> u64 {
        self.config.segment_bytes.min(self.config.budget_bytes / 8)
    }
}

/// Whether a segment had bytes that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// It had.
    Yes,
    /// It had not.
    No,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It is in the buffer.
    Whole,
    /// It was left out.
    Shed,
}

impl Inner {
    fn used(&self) -> u64 {
        self.older_bytes + self.length + self.buffer.len() as u64
    }
}

impl Journal for FileJournal {
    fn append(&self, entry: &Entry) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        let mark = inner.buffer.len();
        let taken = self.take(&mut inner, entry)?;
        self.write_out(&mut inner).map_err(|error| {
            inner.buffer.truncate(mark);
            self.give_back(entry, taken);
            JournalFault::Disk(error)
        })
    }

    fn soon(&self, entry: &Entry) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        let mark = inner.buffer.len();
        let taken = self.take(&mut inner, entry)?;
        if inner.buffer.len() >= PENDING_BYTES {
            return self.write_out(&mut inner).map_err(|error| {
                inner.buffer.truncate(mark);
                self.give_back(entry, taken);
                JournalFault::Disk(error)
            });
        }
        if mark == 0 && !inner.buffer.is_empty() {
            self.pending.notify_one();
        }
        Ok(())
    }

    fn backlog(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl FileJournal {
    /// Counts an entry out again that could not be written.
    fn give_back(&self, entry: &Entry, taken: Taken) {
        match (entry, taken) {
            (Entry::Ended(_) | Entry::Downstream(_) | Entry::Upstream(_), Taken::Whole) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            (Entry::Begun(_), _) | (_, Taken::Shed) => {}
        }
    }
}
