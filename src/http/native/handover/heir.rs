//! The process that comes: takes the listening socket from the one before, then its connections, its counters and what its journal
//! still holds.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustix::net::{AddressFamily, getsockname};
use tokio::sync::{mpsc, oneshot};

use super::{
    STDIN, VARIABLE,
    counters::Handed,
    line::{self, Ear, Mouth, blurt},
    words::{VERSION, Word},
};
use crate::{
    app::counting,
    base::RequestId,
    http::native::leaving::Departure,
    runtime::Clock,
    snapshot::SnapshotCell,
    store::{
        cache::{Counters, Counts, Holdings, Spend, Standing, memory::MemoryCounters},
        persist::{
            Books as _, Journal, StoreFault,
            journal::FileJournal,
            sql::SqlStore,
            writer::{Writer, WriterConfig},
        },
        record::UsageRow,
    },
};

/// Connections that may wait to be served.
const ARRIVING: usize = 256;
/// How long budgets wait for rows that are under way, before they begin without them.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often it is looked whether the process before let go of its journal.
const STEP: Duration = Duration::from_millis(50);
/// Rows that are looked up at once.
const PAGE: usize = 500;

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum HeirFault {
    /// The line cannot be used.
    #[error("the process before this one cannot be heard: {0}")]
    Line(#[from] io::Error),
    /// It went before it handed over.
    #[error("the process before this one went before it handed over")]
    Gone,
    /// It says what is not expected.
    #[error("the process before this one hands over otherwise than this program understands; stop it, and start this one")]
    Strange,
    /// The configuration wants another address than the socket has.
    #[error("the configuration wants to listen on {wanted}, and the socket that is handed over listens on {given}; stop and start")]
    Elsewhere {
        /// What is wanted.
        wanted: String,
        /// What is given.
        given: String,
    },
}

/// The line to the process before, where there is one.
///
/// # Errors
/// In words, where the variable says so and there is none.
pub fn line(environment: &BTreeMap<String, String>) -> Result<Option<OwnedFd>, String> {
    let Some(place) = environment.get(VARIABLE) else { return Ok(None) };
    if place != STDIN {
        return Err(format!("{VARIABLE}: expected {STDIN:?}, not {place:?}; a running gateway sets it for the one that takes its place"));
    }
    let taken = || {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        if getsockname(&input)?.address_family() != AddressFamily::UNIX {
            return Err(io::Error::other("it is another socket"));
        }
        // The line ends with this process's own hold of it.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(input)
    };
    taken().map(Some).map_err(|error| {
        format!("{VARIABLE}: the standard input is no line to a running gateway ({error}); only a running gateway sets this variable")
    })
}

/// Tells the process before why its place is not taken.
pub fn refuse(line: &OwnedFd, why: &str) {
    // It learns by our end as well.
    let _unheard = blurt(line, &Word::Failed(why.to_owned()));
}

/// Who takes over.
#[derive(Debug)]
pub(in crate::http::native) struct Heir {
    mouth: Mouth,
    ear: Ear,
    /// The socket that is handed over.
    pub(in crate::http::native) listener: TcpListener,
}

/// What comes while it serves.
#[derive(Debug)]
pub(in crate::http::native) struct Coming {
    mouth: Mouth,
    serve: oneshot::Receiver<()>,
    /// What is left at the end.
    legacy: oneshot::Receiver<Legacy>,
}

/// What the process before left.
#[derive(Debug)]
pub(in crate::http::native) enum Legacy {
    /// It told what it counted. These reservations of its own calls stand, whose ends are rows of its journal.
    Told(Vec<Standing>),
    /// It died without a word.
    Died,
}

impl Heir {
    /// Takes the listening socket.
    pub(in crate::http::native) async fn meet(line: OwnedFd) -> Result<Self, HeirFault> {
        let (mouth, mut ear, _writing) = line::open(UnixStream::from(line))?;
        match ear.hear().await? {
            Some(Word::Listener { version: VERSION }) => {}
            Some(_) => return Err(HeirFault::Strange),
            None => return Err(HeirFault::Gone),
        }
        let listener = TcpListener::from(ear.file()?);
        listener.set_nonblocking(true)?;
        Ok(Self { mouth, ear, listener })
    }

    /// Counters that the process before keeps so far.
    pub(in crate::http::native) fn counters(&self, here: Arc<MemoryCounters>) -> Arc<Handed> {
        Arc::new(Handed::new(self.mouth.clone(), here))
    }

    /// Listens from here on. Connections come apart.
    #[expect(clippy::disallowed_methods, reason = "it ends with the process before this one")]
    pub(in crate::http::native) fn listen(self, counters: Option<Arc<Handed>>) -> (Coming, mpsc::Receiver<Departure>) {
        let (served, serve) = oneshot::channel();
        let (arriving, arrivals) = mpsc::channel(ARRIVING);
        let (left, legacy) = oneshot::channel();
        tokio::spawn(async move {
            let told = hear(self.ear, counters.as_deref(), (served, arriving)).await;
            let _ended = left.send(told);
        });
        (Coming { mouth: self.mouth, serve, legacy }, arrivals)
    }
}

impl Coming {
    /// Says that everything is up, waits until this process is to serve, and says that it does. Gives what will be left.
    pub(in crate::http::native) async fn take_place(mut self) -> Result<oneshot::Receiver<Legacy>, HeirFault> {
        self.say(Word::Prepared).await?;
        (&mut self.serve).await.map_err(|_| HeirFault::Gone)?;
        self.say(Word::Serving).await?;
        Ok(self.legacy)
    }

    async fn say(&self, word: Word) -> Result<(), HeirFault> {
        self.mouth.send((word, None)).await.map_err(|_| HeirFault::Gone)
    }
}

/// Hears what the process before says, to its end.
async fn hear(mut ear: Ear, counters: Option<&Handed>, (served, arriving): (oneshot::Sender<()>, mpsc::Sender<Departure>)) -> Legacy {
    let (mut served, mut holdings) = (Some(served), Holdings::default());
    loop {
        match ear.hear().await {
            Ok(Some(Word::Told { number, told })) => {
                if let Some(counters) = counters {
                    counters.told(number, told);
                }
            }
            Ok(Some(Word::Serve)) => _ = served.take().map(|served| served.send(())),
            Ok(Some(Word::Connection { peer, read })) => match ear.file() {
                // Nobody serves any more: it is closed.
                Ok(socket) => _ = arriving.send(Departure { socket, peer, read: read.into() }).await,
                Err(error) => tracing::error!(%error, "a connection was lost on the way"),
            },
            Ok(Some(Word::Meters(piece))) => holdings.meters.extend(piece),
            Ok(Some(Word::Standing(piece))) => holdings.standing.extend(piece),
            Ok(Some(Word::Over)) => return Legacy::Told(counters.map_or_else(Vec::new, |counters| counters.take_over(holdings))),
            Ok(Some(Word::Listener { .. } | Word::Prepared | Word::Serving | Word::Failed(_) | Word::Ask { .. })) => {}
            Ok(None) => return Legacy::Died,
            Err(error) => {
                tracing::error!(%error, "the process before this one cannot be heard any more");
                return Legacy::Died;
            }
        }
    }
}

/// What this process takes over when the one before has ended.
#[derive(Debug)]
pub(in crate::http::native) struct Estate {
    pub(in crate::http::native) data_dir: PathBuf,
    pub(in crate::http::native) journal: Arc<FileJournal>,
    pub(in crate::http::native) store: Arc<SqlStore>,
    pub(in crate::http::native) snapshot: SnapshotCell,
    pub(in crate::http::native) clock: Arc<dyn Clock>,
    pub(in crate::http::native) writing: WriterConfig,
}

impl Estate {
    /// Waits for the end of the process before, and brings home what it left.
    pub(in crate::http::native) async fn settle(self, legacy: oneshot::Receiver<Legacy>, counters: Option<Arc<Handed>>) {
        let legacy = legacy.await.unwrap_or(Legacy::Died);
        if let (Legacy::Died, Some(counters)) = (&legacy, &counters) {
            tracing::warn!("the process before this one died; budgets begin from its rows");
            self.begin_anew(counters).await;
        }
        self.bring_home().await;
        if let (Legacy::Told(strangers), Some(counters)) = (legacy, &counters) {
            self.end_by_rows(strangers, counters.here()).await;
        }
        tracing::info!("the process before this one has ended; everything of it is taken over");
    }

    /// Sets budgets from the rows, as a start does.
    async fn begin_anew(&self, counters: &Handed) {
        // Both wait for the database at most so long.
        tokio::select! {
            () = async { self.bring_home().await; self.caught_up().await } => {}
            () = self.clock.sleep(CATCH_UP) => tracing::error!("budgets begin to count without what still waits in the journal"),
        }
        let seeded = counting::seed(&**counters.here(), &*self.store, self.snapshot.load().rows(), self.clock.unix_ms()).await;
        if let Err(fault) = seeded {
            tracing::error!(%fault, "budgets do not count what was spent before this start");
        }
        counters.go_on_alone();
    }

    async fn caught_up(&self) {
        while self.journal.backlog() > 0 {
            self.clock.sleep(STEP).await;
        }
    }

    /// Writes what its journal still holds, once it lets go of that.
    async fn bring_home(&self) {
        loop {
            match self.journal.claim_left(&self.data_dir) {
                Ok((left, held)) => {
                    let (ledger, clock): (Arc<_>, _) = (Arc::clone(&self.store) as _, Arc::clone(&self.clock));
                    bring_all_home(
                        left.into_iter().map(|replay| Writer::new(replay, Arc::clone(&ledger), Arc::clone(&clock), self.writing)),
                    )
                    .await;
                    if held == 0 {
                        return;
                    }
                }
                Err(fault) => return tracing::error!(%fault, "what a journal beside ours holds is written by a later start"),
            }
            self.clock.sleep(STEP).await;
        }
    }

    /// Ends reservations of calls that were cut off with their process: their rows say what they spent.
    async fn end_by_rows(&self, strangers: Vec<Standing>, counters: &MemoryCounters) {
        for some in strangers.chunks(PAGE) {
            let ids: Vec<RequestId> = some.iter().map(|standing| standing.id).collect();
            let rows = match self.rows(ids).await {
                Ok(rows) => rows,
                Err(fault) => return tracing::warn!(%fault, "reservations of the process before this one stand until their leases end"),
            };
            for standing in some {
                let row = rows.iter().find(|row| row.begun.request_id == standing.id);
                let spends = row.map_or_else(Vec::new, |row| spent(standing, row));
                // Memory answers at once.
                drop(counters.settle(standing.id, self.clock.unix_ms(), &spends));
            }
        }
    }

    async fn rows(&self, ids: Vec<RequestId>) -> Result<Vec<UsageRow>, StoreFault> {
        self.store.books().await?.find(ids).await
    }
}

/// What a call spent, as its row says.
fn spent(standing: &Standing, row: &UsageRow) -> Vec<Spend> {
    let amount = |counts| match counts {
        Counts::Tokens => i64::try_from(row.usage.total()).unwrap_or(i64::MAX),
        Counts::NanoDollars => row.billed.as_ref().map_or(0, |billed| billed.cost.get()),
        Counts::Requests | Counts::Concurrency => 0,
    };
    let settled = standing.draws.iter().filter(|draw| draw.meter.settles());
    settled.map(|draw| Spend { meter: draw.meter, amount: amount(draw.meter.counts) }).collect()
}

/// Writes what journals hold whose processes are gone, one after the other.
pub(in crate::http::native) async fn bring_all_home(writers: impl IntoIterator<Item = Arc<Writer>>) {
    for writer in writers {
        if let Err(error) = writer.bring_home().await {
            tracing::warn!(%error, "a journal that is in the database cannot be emptied");
        }
    }
}

/// Whether an address that is wanted is the one that is given; a port of 0 takes any.
pub(in crate::http::native) fn same_address(wanted: std::net::SocketAddr, listener: &TcpListener) -> Result<(), HeirFault> {
    let given = listener.local_addr()?;
    if wanted.ip() == given.ip() && (wanted.port() == 0 || wanted.port() == given.port()) {
        return Ok(());
    }
    Err(HeirFault::Elsewhere { wanted: wanted.to_string(), given: given.to_string() })
}
