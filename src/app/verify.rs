//! `gproxy verify`: proves the ledger from outside, while its gateway runs or after it.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{
    config::{Config, KeyFault, standing_key},
    seals,
};
use crate::{
    base::RequestId,
    billing::verify::{Budget, Check, Prices, Report, budgets, ledger},
    credentials::Sealer,
    runtime::Platform,
    snapshot::prices,
    store::{
        cache::{CacheFault, Counters as _, redis::RedisStore},
        persist::{
            Books, StoreFault,
            journal::{Home, Seen, Survey, folders},
            sql::SqlStore,
        },
        record::{Begun, Entry, UsageRow},
    },
};

/// Journal rows that are looked up at once.
const PAGE: usize = 500;
/// How long after the end of its lease a reservation may still be there: somebody sweeps every second.
const SWEPT_MS: u64 = 60_000;
/// How long a call may be under way.
const LONGEST_CALL_MS: u64 = 86_400_000;
/// The keys of the shared counters begin with it.
pub const PREFIX: &str = "gproxy";

/// Why there is no proof, and no refutation.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFault {
    /// No key for the seals.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The database cannot be read.
    #[error("the database cannot be read")]
    Store(#[from] StoreFault),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] std::io::Error),
    /// The shared counters cannot be read.
    #[error("the shared counters cannot be read")]
    Counters(#[from] CacheFault),
}

/// Reads the database, this machine's journal, and the shared counters where there are some.
///
/// # Errors
/// [`VerifyFault`] where something cannot be read. What differs is in the report.
pub async fn run(config: &Config, platform: &Platform) -> Result<Report, VerifyFault> {
    let keys = seals::keys(&Sealer::new(standing_key(config)?));
    let shared = match &config.redis {
        Some(address) => Some(RedisStore::new(address.expose(), PREFIX, Arc::clone(&platform.clock), Arc::clone(&platform.spawn))?),
        None => None,
    };
    let store = SqlStore::look_at(config.dsn.expose(), keys).await?;
    let proof = prove(&store, (&config.data_dir, shared.as_ref()), platform.clock.unix_ms()).await;
    store.close().await?;
    proof
}

/// The same with a store that is open, and the data folder that the journal is in.
///
/// # Errors
/// As [`run`].
pub async fn prove(store: &SqlStore, (data_dir, shared): (&Path, Option<&RedisStore>), now_ms: u64) -> Result<Report, VerifyFault> {
    // What is read first of the journal and of the counters is in the view that is opened after it.
    let surveys = folders(data_dir)?.iter().map(|folder| Survey::begin(folder)).collect::<Result<Vec<_>, _>>()?;
    let held = match shared {
        Some(shared) => shared.reservations().await?,
        None => Vec::new(),
    };
    let windows = budgets(&store.books().await?.configuration().await?, now_ms);
    let before = read(shared, &windows, now_ms).await?;
    let books = store.books().await?;
    let rows = books.configuration().await?;
    let mut windows = windows;
    let mut report = ledger(&books, &Prices::new(&prices::rules(&rows), &rows), &rows, &mut windows).await?;
    let mut waiting = 0_i64;
    for survey in surveys {
        waiting = waiting.saturating_add(journal(survey, &books, now_ms, &mut report).await?);
    }
    if let Some(shared) = shared {
        let after = read(Some(shared), &windows, now_ms).await?;
        for (budget, spent) in windows.iter().zip(before.into_iter().zip(after)) {
            report.looked(Check::Counters);
            if let Some(told) = budget.drift(&books, spent, waiting).await? {
                report.differs(Check::Counters, told);
            }
        }
        reservations(shared, (&books, held), now_ms, &mut report).await?;
    } else {
        report.note("counters are in the gateway's memory: what they begin with is proven, --redis-url proves shared ones".to_owned());
    }
    Ok(report)
}

/// What the counters hold as spent.
async fn read(shared: Option<&RedisStore>, windows: &[Budget], now_ms: u64) -> Result<Vec<i64>, CacheFault> {
    let Some(shared) = shared else { return Ok(Vec::new()) };
    let mut spent = Vec::with_capacity(windows.len());
    for windows in windows.chunks(100) {
        let meters: Vec<_> = windows.iter().map(|budget| budget.meter).collect();
        spent.extend(shared.read(&meters, now_ms).await?.iter().map(|reading| reading.spent));
    }
    Ok(spent)
}

/// Proves what the journal holds; gives what the rows cost that wait for the database.
async fn journal(mut survey: Survey, books: &dyn Books, now_ms: u64, report: &mut Report) -> Result<i64, VerifyFault> {
    let mut open: HashMap<RequestId, Begun> = HashMap::new();
    let mut home: Vec<Arc<UsageRow>> = Vec::new();
    let (mut waiting, mut waits) = (0_i64, 0_u64);
    while let Some(seen) = survey.next_seen()? {
        report.looked(Check::JournalWhole);
        match seen {
            Seen::Entry(Entry::Begun(begun), _) | Seen::Carried(begun) => _ = open.insert(begun.request_id, begun),
            Seen::Entry(Entry::Ended(row), is_home) => {
                open.remove(&row.begun.request_id);
                match is_home {
                    Home::Yes => home.push(row),
                    Home::Waits => {
                        waits += 1;
                        waiting = waiting.saturating_add(row.billed.as_ref().map_or(0, |billed| billed.cost.get()));
                    }
                }
            }
            Seen::Entry(Entry::Downstream(_) | Entry::Upstream(_), _) => {}
            Seen::Damage { segment, offset, bytes } => {
                report.differs(Check::JournalWhole, format!("segment {segment}: {bytes} bytes at {offset} are no entry"));
            }
            Seen::Torn => report.note("the journal's last entry was never written whole".to_owned()),
            Seen::Newer(version) => {
                report.differs(Check::JournalWhole, format!("entries of version {version} are newer than this program"));
            }
        }
        if home.len() == PAGE {
            settled(books, &std::mem::take(&mut home), report).await?;
        }
    }
    settled(books, &home, report).await?;
    under_way(books, (open, survey.is_live()), now_ms, report).await?;
    if waits > 0 {
        report.note(format!("{waits} calls in the journal wait for the database"));
    }
    Ok(waiting)
}

/// Settled calls against their rows.
async fn settled(books: &dyn Books, home: &[Arc<UsageRow>], report: &mut Report) -> Result<(), StoreFault> {
    let found = books.find(home.iter().map(|row| row.begun.request_id).collect()).await?;
    let standing: HashMap<RequestId, UsageRow> = found.into_iter().map(|row| (row.begun.request_id, row)).collect();
    for row in home {
        report.looked(Check::JournalRows);
        let id = row.begun.request_id;
        match standing.get(&id) {
            None => report.differs(Check::JournalRows, format!("call {id} was settled, and has no row")),
            Some(stands) if is_same(stands, row) => {}
            Some(_) => report.differs(Check::JournalRows, format!("call {id} was settled otherwise than its row says")),
        }
    }
    Ok(())
}

/// Whether a row is what the journal says. Databases take no NUL.
fn is_same(stands: &UsageRow, row: &UsageRow) -> bool {
    if !row.begun.model.contains('\0') {
        return stands == row;
    }
    let mut row = row.clone();
    row.begun.model = row.begun.model.replace('\0', "\u{fffd}").into();
    *stands == row
}

/// Calls that the journal knows no end of.
async fn under_way(
    books: &dyn Books,
    (open, is_live): (HashMap<RequestId, Begun>, bool),
    now_ms: u64,
    report: &mut Report,
) -> Result<(), StoreFault> {
    let open: Vec<Begun> = open.into_values().collect();
    let mut left = 0_u64;
    for calls in open.chunks(PAGE) {
        let found = books.find(calls.iter().map(|begun| begun.request_id).collect()).await?;
        for begun in calls {
            report.looked(Check::JournalOpen);
            let is_settled = found.iter().any(|row| row.begun.request_id == begun.request_id);
            if is_settled {
                continue;
            }
            left += 1;
            if is_live && begun.at.saturating_add(LONGEST_CALL_MS) < now_ms {
                report.differs(Check::JournalOpen, format!("call {} began a day ago and has no end", begun.request_id));
            }
        }
    }
    if left > 0 && !is_live {
        report.note(format!("{left} calls were under way when the gateway was ended; its next start settles them"));
    }
    Ok(())
}

/// Reservations against their leases and rows.
async fn reservations(
    shared: &RedisStore,
    (books, held): (&dyn Books, Vec<crate::store::cache::redis::Reservation>),
    now_ms: u64,
    report: &mut Report,
) -> Result<(), VerifyFault> {
    let audit = shared.audit().await?;
    report.looked(Check::Reservations);
    if !audit.agrees() {
        report.differs(Check::Reservations, format!("{} counters hold otherwise than their reservations say", audit.differing));
    }
    // A row is written after its reservation ended. Both are looked at again, since both may have come in between.
    let still: Vec<RequestId> = shared.reservations().await?.iter().map(|one| one.id).collect();
    for held in held.chunks(PAGE) {
        let found = books.find(held.iter().map(|one| one.id).collect()).await?;
        for one in held {
            report.looked(Check::Reservations);
            let is_settled = found.iter().any(|row| row.begun.request_id == one.id);
            let id = one.id;
            if !still.contains(&id) {
                continue;
            }
            match one.until_ms {
                _ if is_settled => report.differs(Check::Reservations, format!("call {id} has its row and still reserves")),
                None => report.differs(Check::Reservations, format!("call {id} reserves without a lease")),
                Some(until) if until.saturating_add(SWEPT_MS) < now_ms => {
                    let ago = (now_ms - until) / 1000;
                    report.differs(Check::Reservations, format!("call {id} reserves, and its lease ended {ago} s ago"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
