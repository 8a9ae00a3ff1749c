//! The journal in files: what calls leave behind, written before the answer's last byte and read by the writer.
//!
//! Segments `<number>.journal` are only appended to, each life of the process begins a new one, and one that the database has all
//! of is emptied and used again under a higher number, or deleted. The file is the queue; the newest rows are also held in memory, for the writer that keeps up.

use std::{
    borrow::Cow,
    collections::BTreeMap,
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
    base::{QuickMap, RequestId},
    runtime::Clock,
    store::{
        persist::{Journal, JournalFault, private},
        record::{Begun, DownstreamRow, Entry, UpstreamRow},
    },
};

mod codec;
mod folder;
mod folders;
mod reader;
mod recent;
mod recover;
mod segment;
mod survey;
#[cfg(test)]
mod tests;

pub(crate) use codec::Record;
use folder::Folder;
pub(crate) use folder::Position;
pub use folders::{Beside, Held, folders};
pub(crate) use reader::{Found, Reader};
use recent::Recent;
pub use recover::Replay;
use segment::Segment;
pub use survey::{Home, Seen, Survey};

/// The buffer that a frame is made in is no longer than this between two.
const FRAME_BYTES: usize = 64 << 10;
/// How often the disk is tried.
const PULSE: Duration = Duration::from_secs(1);

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
        Self { folder: data_dir.join("journal"), segment_bytes: 4 << 20, budget_bytes: 1 << 30, sync: SyncPolicy::Never }
    }

    /// A segment's length; small against the budget, or a journal that the database has all of could still be full.
    fn segment_bytes(&self) -> u64 {
        self.segment_bytes.min(self.budget_bytes / 8)
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
    /// A program of another version wrote it.
    #[error(
        "the journal file {path:?} has entries of version {version}, which this program does not read; start the one that wrote them once"
    )]
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
    /// Whether the disk took no writes when it was last tried.
    unwritable: AtomicBool,
    written: Notify,
    to_sync: Notify,
}

#[derive(Debug)]
struct Inner {
    segment: Segment,
    /// The segments before it, with their lengths.
    older: BTreeMap<u64, u64>,
    older_bytes: u64,
    /// The last one of them, still mapped, to be used again once the database has it.
    full: Option<Segment>,
    /// An empty one, to go on in.
    spare: Option<Segment>,
    /// The number of the next segment that is made.
    next: u64,
    /// The frame in the making.
    frame: Vec<u8>,
    /// This life's calls that have not ended, with the last segment that names them.
    open: QuickMap<RequestId, (u64, Begun)>,
    recent: Recent,
}

impl FileJournal {
    /// Opens the journal, locks it, and looks through what a previous life left.
    ///
    /// # Errors
    /// [`OpenFault`].
    pub fn open(config: JournalConfig) -> Result<Replay, OpenFault> {
        recover::open(config)
    }

    /// Forces written entries onto the disk by the policy. Runs for as long as it is polled; ends at once where the policy is never.
    pub async fn keep_synced(&self, clock: Arc<dyn Clock>) {
        let SyncPolicy::Within(span) = self.config.sync else { return };
        loop {
            self.to_sync.notified().await;
            clock.sleep(span).await;
            let file = Arc::clone(self.lock().segment.file());
            self.unsynced.store(false, Ordering::Release);
            // A disk may take many milliseconds: not on a thread that serves.
            match tokio::task::spawn_blocking(move || file.sync_data()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "journal cannot be synced"),
                Err(error) => tracing::error!(%error, "journal sync broke off"),
            }
        }
    }

    /// Tries now and then whether the disk takes writes, and refuses new work while it does not. Runs for as long as it is polled.
    pub async fn keep_watched(self: Arc<Self>, clock: Arc<dyn Clock>) {
        loop {
            clock.sleep(PULSE).await;
            let journal = Arc::clone(&self);
            // A disk may take many milliseconds: not on a thread that serves.
            if let Err(error) = tokio::task::spawn_blocking(move || journal.watch()).await {
                tracing::error!(%error, "journal watch broke off");
            }
        }
    }

    /// Tries whether the disk takes writes.
    fn watch(&self) {
        match self.folder.pulse() {
            // Blocks are reserved before they are written to: a full disk is told where the next are wanted.
            Err(error) if error.kind() != io::ErrorKind::StorageFull => {
                if !self.unwritable.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "the journal's disk takes no writes; new calls are refused until it does");
                }
            }
            Ok(()) | Err(_) => {
                if self.unwritable.swap(false, Ordering::AcqRel) {
                    tracing::info!("the journal's disk takes writes again");
                }
            }
        }
    }

    /// What was left out because the journal was nearly full.
    #[must_use]
    pub fn shed(&self) -> Shed {
        Shed { bodies: self.shed_bodies.load(Ordering::Relaxed), rows: self.shed_rows.load(Ordering::Relaxed) }
    }

    /// Bytes that the segments take on the disk, without what is reserved.
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

    /// Where the rows begin that [`Self::recent`] has.
    pub(crate) fn recent_begins(&self) -> Position {
        self.lock().recent.begins()
    }

    /// How many rows may be held decoded.
    pub(crate) fn hold(&self, most: usize) {
        self.lock().recent.limit(most);
    }

    /// The rows behind a place, up to `most` of them usage, and the place up to which these are all; `None` where they must be read.
    pub(crate) fn recent(&self, behind: Position, most: usize) -> Option<(Vec<Entry>, Position)> {
        let mut inner = self.lock();
        let end = inner.segment.end();
        (inner.recent.begins() == behind).then(|| inner.recent.take(most, end))
    }

    /// A segment's length up to its last whole write, where it stands.
    pub(crate) fn length(&self, segment: u64) -> Option<u64> {
        let inner = self.lock();
        if segment == inner.segment.number() { Some(inner.segment.length()) } else { inner.older.get(&segment).copied() }
    }

    /// The first segment at or after a number.
    pub(crate) fn segment_from(&self, number: u64) -> u64 {
        let inner = self.lock();
        inner.older.range(number..).next().map_or(inner.segment.number(), |(segment, _)| *segment)
    }

    /// The closed segments before a number.
    pub(crate) fn segments_before(&self, number: u64) -> Vec<u64> {
        self.lock().older.range(..number).map(|(segment, _)| *segment).collect()
    }

    /// Opens a segment for reading.
    pub(crate) fn read(&self, at: Position) -> io::Result<Reader> {
        Reader::open(&self.folder.segment(at.segment), at.offset)
    }

    /// Lets a segment go that the database has all of. Calls that only it names as open are written again before; a damaged
    /// one is kept under another name.
    pub(crate) fn forget(&self, segment: u64, damaged: Damaged) -> io::Result<()> {
        self.carry(segment)?;
        match damaged {
            Damaged::No => self.take_out(segment)?,
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

    /// Takes a segment out of the folder: as the next spare one where none waits, else for good.
    fn take_out(&self, segment: u64) -> io::Result<()> {
        let Some((full, number)) = self.to_recycle(segment) else { return self.folder.remove(segment) };
        let spare = full.recycle(&self.folder, number)?;
        let mut inner = self.lock();
        if inner.segment.number() < number {
            inner.spare = Some(spare);
            return Ok(());
        }
        // Meanwhile another was made, and segments stand in the order of their numbers.
        drop(inner);
        self.folder.remove(number)
    }

    /// A segment that can be used again, and the number that it then has.
    fn to_recycle(&self, segment: u64) -> Option<(Segment, u64)> {
        let mut inner = self.lock();
        let full = inner.full.take_if(|full| full.number() == segment)?;
        // Syncing a file's data does not sync its new name.
        let is_unsynced = self.config.sync == SyncPolicy::Never;
        let is_wanted = is_unsynced && inner.spare.is_none() && full.is_of(self.config.segment_bytes());
        let number = is_wanted.then(|| inner.number());
        // To let go of what is mapped takes the system a while.
        drop(inner);
        Some((full, number?))
    }

    /// Writes the calls again that a segment is the last to name as open.
    fn carry(&self, segment: u64) -> io::Result<()> {
        let mut inner = self.lock();
        let calls: Vec<Begun> = inner.open.values().filter(|(home, _)| *home == segment).map(|(_, begun)| begun.clone()).collect();
        for begun in calls {
            let to = self.write(&mut inner, |frame| codec::write_carried(frame, &begun))?.segment;
            inner.open.insert(begun.request_id, (to, begun));
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
        private::file().append(true).open(&path)?.write_all(lines.as_bytes())?;
        Ok(path)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change of `Inner` is whole between two writes, so a panic of another thread leaves it usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of an entry is written: all of it, or less where the journal is too full for its kind, or nothing.
    fn fit<'a>(&self, used: u64, entry: &'a Entry) -> Result<Option<Cow<'a, Entry>>, JournalFault> {
        let budget = self.config.budget_bytes;
        Ok(Some(match entry {
            Entry::Begun(_) if self.unwritable.load(Ordering::Acquire) => return Err(JournalFault::Unwritable),
            Entry::Begun(_) if used >= budget => return Err(JournalFault::Full { used, budget }),
            Entry::Downstream(_) | Entry::Upstream(_) if used > budget / 8 * 7 => {
                self.shed_rows.fetch_add(1, Ordering::Relaxed);
                return Ok(None);
            }
            Entry::Downstream(row) if used > budget / 4 * 3 => Cow::Owned(self.strip_downstream(row)),
            Entry::Upstream(row) if used > budget / 4 * 3 => Cow::Owned(self.strip_upstream(row)),
            Entry::Begun(_) | Entry::Ended(_) | Entry::Downstream(_) | Entry::Upstream(_) => Cow::Borrowed(entry),
        }))
    }

    fn strip_downstream(&self, row: &DownstreamRow) -> Entry {
        if row.request_body.is_some() || row.response_body.is_some() {
            self.shed_bodies.fetch_add(1, Ordering::Relaxed);
        }
        Entry::Downstream(Arc::new(DownstreamRow { request_body: None, response_body: None, ..row.clone() }))
    }

    fn strip_upstream(&self, row: &UpstreamRow) -> Entry {
        if row.request_body.is_some() || row.response_body.is_some() {
            self.shed_bodies.fetch_add(1, Ordering::Relaxed);
        }
        Entry::Upstream(Arc::new(UpstreamRow { request_body: None, response_body: None, ..row.clone() }))
    }

    /// Writes one frame, in the next segment where this one has no room for it. Tells where it ends.
    fn write(&self, inner: &mut Inner, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), postcard::Error>) -> io::Result<Position> {
        inner.frame.clear();
        encode(&mut inner.frame).map_err(io::Error::other)?;
        let length = inner.frame.len() as u64;
        if !inner.segment.has_room(length) {
            self.rotate(inner, length)?;
        }
        inner.segment.put(&inner.frame)?;
        // One large body must not keep its memory for ever.
        inner.frame.shrink_to(FRAME_BYTES);
        if self.config.sync != SyncPolicy::Never && !self.unsynced.swap(true, Ordering::AcqRel) {
            self.to_sync.notify_one();
        }
        Ok(inner.segment.end())
    }

    /// Goes on in the next segment, in which at least `bytes` have room. Mostly that is the spare one; those that are wanted while the
    /// database has not the last one yet are made here.
    fn rotate(&self, inner: &mut Inner, bytes: u64) -> io::Result<()> {
        if self.config.sync != SyncPolicy::Never {
            inner.segment.file().sync_data()?;
        }
        let next = match inner.spare.take_if(|spare| spare.has_room(bytes)) {
            Some(spare) => spare,
            None => self.create(inner, bytes)?,
        };
        // Too small a one would stand before the one that was made.
        if let Some(small) = inner.spare.take()
            && let Err(error) = self.folder.remove(small.number())
        {
            tracing::warn!(%error, "an empty journal segment cannot be removed");
        }
        let full = std::mem::replace(&mut inner.segment, next);
        inner.older.insert(full.number(), full.length());
        inner.older_bytes += full.length();
        // The zeros at the end of the one before would be read over as well.
        inner.full.replace(full).map_or(Ok(()), Segment::close).or_else(|error| {
            tracing::warn!(%error, "journal segment cannot be cut to its length");
            Ok(())
        })
    }

    fn create(&self, inner: &mut Inner, bytes: u64) -> io::Result<Segment> {
        Segment::create(&self.folder, inner.number(), self.config.segment_bytes().max(bytes))
    }

    /// Notes what became of the call, and hands rows to the writer.
    fn note(&self, inner: &mut Inner, entry: Entry, upto: Position) {
        match &entry {
            Entry::Begun(begun) => {
                inner.open.insert(begun.request_id, (upto.segment, begun.clone()));
                return;
            }
            Entry::Ended(row) => _ = inner.open.remove(&row.begun.request_id),
            Entry::Downstream(_) | Entry::Upstream(_) => {}
        }
        let bytes = inner.frame.len() as u64;
        inner.recent.push(entry, upto, bytes);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.written.notify_one();
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

impl Inner {
    /// The number of a new segment: higher than all before it.
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn used(&self) -> u64 {
        self.older_bytes + self.segment.length()
    }
}

impl Journal for FileJournal {
    fn append(&self, entry: &Entry) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        let Some(entry) = self.fit(inner.used(), entry)? else { return Ok(()) };
        let upto = self.write(&mut inner, |frame| codec::write(frame, &entry)).map_err(JournalFault::Disk)?;
        self.note(&mut inner, entry.into_owned(), upto);
        Ok(())
    }

    fn backlog(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}
