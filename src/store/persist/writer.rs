//! The one writer: brings the journal's rows into the database, in order and in batches.
//!
//! It holds no queue. While it keeps up, the journal hands it the rows as they were written; where it does not, and where
//! the database fails, it reads them from the journal's files.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    base::Usage,
    runtime::Clock,
    store::{
        persist::{
            Ledger, StoreFault,
            journal::{Damaged, FileJournal, Found, Position, Reader, Record, Replay},
        },
        record::{Begun, DownstreamRow, Ended, Entry, Source, UpstreamRow, UsageRow},
    },
};

/// The first pause after a fault of the database; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many faults of a database that answers, the rows are tried one by one.
const PATIENCE: u32 = 5;
/// How often each such row is tried before it is set aside.
const ROUNDS: u32 = 3;
/// Bytes of the journal that are decoded at once, so that captured bodies cannot fill the memory.
const BATCH_BYTES: u64 = 8 << 20;

/// The writer's measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterConfig {
    /// Rows of all kinds that are held decoded at once.
    pub queue_capacity: usize,
    /// Usage rows in one transaction.
    pub max_batch: usize,
    /// How long rows gather before they are written.
    pub window: Duration,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self { queue_capacity: 4096, max_batch: 1024, window: Duration::from_millis(25) }
    }
}

/// Brings the journal's rows into a [`Ledger`].
pub struct Writer {
    journal: Arc<FileJournal>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    config: WriterConfig,
    tail: Mutex<Tail>,
    stopped: AtomicBool,
}

/// How far the writer is.
struct Tail {
    /// Everything before it is in the database.
    committed: Position,
    /// The segment being read; `None` after a fault, so that reading begins again at `committed`.
    reader: Option<(u64, Reader)>,
    damaged: HashSet<u64>,
    /// The last segment of the previous life, until its interrupted calls are rows.
    boundary: Option<u64>,
    interrupted: Vec<Begun>,
}

/// Rows that were read together.
#[derive(Default)]
struct Batch {
    usages: Vec<Arc<UsageRow>>,
    downstream: Vec<DownstreamRow>,
    upstream: Vec<UpstreamRow>,
    upto: Position,
    /// Nothing else was there when it was taken.
    is_last: bool,
}

/// One row, of whichever kind.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Row {
    Usage(Arc<UsageRow>),
    Downstream(DownstreamRow),
    Upstream(UpstreamRow),
}

impl Batch {
    fn rows(&self) -> usize {
        self.usages.len() + self.downstream.len() + self.upstream.len()
    }

    fn take(&mut self, row: Entry) {
        match row {
            // The journal knows which calls are open.
            Entry::Begun(_) => {}
            Entry::Ended(row) => self.usages.push(row),
            Entry::Downstream(row) => self.downstream.push(Arc::unwrap_or_clone(row)),
            Entry::Upstream(row) => self.upstream.push(Arc::unwrap_or_clone(row)),
        }
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Entry(entry) => self.take(entry),
            Record::Carried(_) => {}
        }
    }

    fn singly(self) -> Vec<Row> {
        let usages = self.usages.into_iter().map(Row::Usage);
        usages.chain(self.downstream.into_iter().map(Row::Downstream)).chain(self.upstream.into_iter().map(Row::Upstream)).collect()
    }
}

impl From<Row> for Batch {
    fn from(row: Row) -> Self {
        let mut batch = Self::default();
        match row {
            Row::Usage(row) => batch.usages.push(row),
            Row::Downstream(row) => batch.downstream.push(row),
            Row::Upstream(row) => batch.upstream.push(row),
        }
        batch
    }
}

impl Writer {
    /// Takes on what a journal holds. [`Self::run`] must then be polled.
    #[must_use]
    pub fn new(replay: Replay, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, config: WriterConfig) -> Arc<Self> {
        let Replay { journal, from, boundary, interrupted } = replay;
        journal.hold(config.queue_capacity);
        let tail = Tail { committed: from, reader: None, damaged: HashSet::new(), boundary: Some(boundary), interrupted };
        Arc::new(Self { journal, ledger, clock, config, tail: Mutex::new(tail), stopped: AtomicBool::new(false) })
    }

    /// Writes until [`Self::drain`] is called.
    pub async fn run(&self) {
        loop {
            // What came during the last batch gathers for a window of its own: small ones cost nearly as much as large ones.
            self.catch_up(&mut *self.tail.lock().await, Until::Last).await;
            if self.stopped.load(Ordering::Acquire) {
                return;
            }
            self.journal.written().await;
            if !self.stopped.load(Ordering::Acquire) {
                self.clock.sleep(self.config.window).await;
            }
        }
    }

    /// Writes everything that the journal holds by now, and ends [`Self::run`]. Waits for as long as the database fails: the
    /// caller says how long that may be, and what is left then is written by the next start.
    pub async fn drain(&self) {
        self.stopped.store(true, Ordering::Release);
        self.journal.wake();
        self.catch_up(&mut *self.tail.lock().await, Until::Nothing).await;
    }

    /// Writes everything that a journal holds whose process is gone, and empties it. Waits for as long as the database fails.
    ///
    /// # Errors
    /// Of the disk; then some of it is written again by whoever does this next, which changes nothing.
    pub async fn bring_home(&self) -> io::Result<()> {
        self.drain().await;
        self.let_go(&mut *self.tail.lock().await).await;
        self.journal.empty()
    }

    /// Writes batch after batch, through all faults.
    async fn catch_up(&self, tail: &mut Tail, until: Until) {
        let mut faults = 0;
        loop {
            match self.turn(tail, faults).await {
                Ok(Progress::Done) => return,
                Ok(Progress::Last) if until == Until::Last => return,
                Ok(Progress::Last | Progress::More) => faults = 0,
                Err(fault) => {
                    tail.reader = None;
                    let pause = FIRST_PAUSE.saturating_mul(1 << faults.min(16)).min(LONGEST_PAUSE);
                    faults = faults.saturating_add(1);
                    tracing::warn!(%fault, faults, ?pause, "usage cannot be written, trying again");
                    self.clock.sleep(pause).await;
                }
            }
        }
    }

    async fn turn(&self, tail: &mut Tail, faults: u32) -> Result<Progress, Fault> {
        self.settle_interrupted(tail).await?;
        self.let_go(tail).await;
        let batch = self.gather(tail)?;
        if batch.upto == tail.committed {
            return Ok(Progress::Done);
        }
        let (rows, upto) = (batch.rows() as u64, batch.upto);
        let progress = if batch.is_last { Progress::Last } else { Progress::More };
        if faults >= PATIENCE && self.ledger.ping().await.is_ok() {
            self.write_singly(batch).await?;
        } else {
            self.write(batch).await?;
        }
        self.committed(rows, upto).await?;
        tail.committed = upto;
        Ok(progress)
    }

    /// Tells the journal how far the database is.
    async fn committed(&self, rows: u64, upto: Position) -> io::Result<()> {
        let journal = Arc::clone(&self.journal);
        on_disk(move || {
            journal.committed(rows, upto);
            Ok(())
        })
        .await
    }

    async fn write(&self, batch: Batch) -> Result<(), Fault> {
        if !batch.usages.is_empty() {
            self.ledger.write_usages(batch.usages).await?;
        }
        if !batch.downstream.is_empty() || !batch.upstream.is_empty() {
            self.ledger.write_wire(batch.downstream, batch.upstream).await?;
        }
        Ok(())
    }

    /// Writes each row by itself. One bad row must not keep all later ones out: rows that are refused again and again, while
    /// others are taken before and after, are kept in a file.
    async fn write_singly(&self, batch: Batch) -> Result<(), Fault> {
        let (mut rest, mut good) = (batch.singly(), None);
        for _ in 0..ROUNDS {
            let (mut refused, mut last) = (Vec::new(), None);
            for row in rest {
                match self.write(row.clone().into()).await {
                    Ok(()) => good = Some(row),
                    Err(fault) => {
                        refused.push(row);
                        last = Some(fault);
                    }
                }
            }
            match last {
                None => return Ok(()),
                Some(fault) if good.is_none() => return Err(fault),
                Some(fault) => tracing::warn!(rows = refused.len(), %fault, "rows refused by the database, trying each again"),
            }
            rest = refused;
            self.clock.sleep(FIRST_PAUSE).await;
        }
        // The proof that it is the rows and not the database: one that it has already is still taken.
        if let Some(row) = good {
            self.write(row.into()).await?;
        }
        let lines: Vec<String> = rest.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n").collect();
        let file = self.journal.keep_refused(&lines.concat())?;
        tracing::error!(rows = rest.len(), file = %file.display(), "rows refused by the database, kept in a file");
        Ok(())
    }

    /// What comes next: from memory where the journal has it there, else from its files.
    fn gather(&self, tail: &mut Tail) -> io::Result<Batch> {
        let Some((rows, upto)) = self.journal.recent(tail.committed, self.config.max_batch) else { return self.read(tail) };
        let mut batch = Batch { upto, usages: Vec::with_capacity(rows.len()), ..Batch::default() };
        for row in rows {
            batch.take(row);
        }
        batch.is_last = batch.usages.len() < self.config.max_batch;
        Ok(batch)
    }

    /// Reads on from where the last batch ended, up to what the journal has in memory.
    fn read(&self, tail: &mut Tail) -> io::Result<Batch> {
        let upto = self.journal.recent_begins();
        let mut batch = Batch { upto: tail.committed, ..Batch::default() };
        let mut bytes = 0;
        while batch.usages.len() < self.config.max_batch && batch.rows() < self.config.queue_capacity && bytes < BATCH_BYTES {
            let Some((segment, reader, length)) = self.reader(tail, batch.upto)? else { break };
            let end = if segment == upto.segment { upto.offset } else { length };
            let before = reader.offset();
            let found = reader.next(end)?;
            batch.upto = Position { segment, offset: reader.offset() };
            bytes += batch.upto.offset - before;
            match found {
                Some(Found::Record(record)) => batch.note(record),
                Some(Found::Damage(skipped)) => {
                    tail.damaged.insert(segment);
                    tracing::error!(segment, offset = before, skipped, "journal is damaged, bytes skipped");
                }
                Some(Found::Torn(skipped)) => tracing::warn!(segment, offset = before, skipped, "journal ends with a torn entry"),
                // Opening refuses such a journal, and this life writes none.
                Some(Found::Newer(version)) => return Err(io::Error::other(format!("journal entry of version {version}"))),
                None if segment == upto.segment => break,
                None => batch.upto = Position { segment: self.journal.segment_from(segment + 1), offset: 0 },
            }
        }
        Ok(batch)
    }

    /// The reader at a place, and the end of what it may read.
    fn reader<'a>(&self, tail: &'a mut Tail, at: Position) -> io::Result<Option<(u64, &'a mut Reader, u64)>> {
        let segment = self.journal.segment_from(at.segment);
        let Some(end) = self.journal.length(segment) else { return Ok(None) };
        let offset = if segment == at.segment { at.offset } else { 0 };
        // Rows that came by memory since were not read here, and must not be read again.
        if tail.reader.as_ref().is_none_or(|(open, reader)| *open != segment || reader.offset() != offset) {
            tail.reader = Some((segment, self.journal.read(Position { segment, offset })?));
        }
        Ok(tail.reader.as_mut().map(|(segment, reader)| (*segment, reader, end)))
    }

    /// Makes rows of the calls that the previous life left open. After its own rows, since one of those may be the call's end.
    async fn settle_interrupted(&self, tail: &mut Tail) -> Result<(), Fault> {
        let Some(boundary) = tail.boundary else { return Ok(()) };
        if tail.committed.segment <= boundary {
            return Ok(());
        }
        for calls in tail.interrupted.chunks(self.config.max_batch.max(1)) {
            self.ledger.write_usages(calls.iter().map(|begun| Arc::new(interrupted(begun))).collect()).await?;
        }
        self.committed(tail.interrupted.len() as u64, tail.committed).await?;
        tail.interrupted = Vec::new();
        tail.boundary = None;
        Ok(())
    }

    /// Lets go of the segments that the database has all of.
    async fn let_go(&self, tail: &mut Tail) {
        if tail.boundary.is_some() {
            return;
        }
        for segment in self.journal.segments_before(tail.committed.segment) {
            let damaged = if tail.damaged.contains(&segment) { Damaged::Yes } else { Damaged::No };
            let journal = Arc::clone(&self.journal);
            match on_disk(move || journal.forget(segment, damaged)).await {
                Ok(()) => _ = tail.damaged.remove(&segment),
                Err(error) => tracing::warn!(segment, %error, "journal segment cannot be removed"),
            }
        }
    }
}

/// Does what a busy disk may take many milliseconds for: not on a thread that serves.
async fn on_disk(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("config", &self.config).finish_non_exhaustive()
    }
}

enum Progress {
    /// There was nothing.
    Done,
    /// There was nothing behind it when it was taken.
    Last,
    /// There may be more.
    More,
}

/// Where a run of batches ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// With a batch that had nothing behind it.
    Last,
    /// Where nothing is left.
    Nothing,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Store(#[from] StoreFault),
    #[error("journal cannot be read: {0}")]
    Disk(#[from] io::Error),
}

/// The row of a call that nobody ended.
fn interrupted(begun: &Begun) -> UsageRow {
    UsageRow {
        begun: begun.clone(),
        usage: Usage::default(),
        source: Source::None,
        ended: Ended::Interrupted,
        status: 0,
        first_byte_us: None,
        latency_us: 0,
        phases: None,
        billed: None,
        losses: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
