//! One process from its start to its end: stores, journal, snapshot, server; and back in the other order.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    handover::{
        Program,
        counters::Handed,
        giver::Giver,
        heir::{self, Coming, Estate, Heir, HeirFault},
        say_ready,
    },
    server::{ControlPlane, Server, Serving},
    signals::{Inherited, Signals, patiently, stop},
};
use crate::{
    admin::{Control, Stores, oidc::Oidc},
    app::{
        affinity,
        bootstrap::{self, BootFault, Booted},
        config::{Config, CountersDown, Keep, KeyFault, database_key},
        counting, doctor, expire, follow,
        health::{self, HealthKeeper},
        reconcile::{self, Reconciler},
        reload, retire, seals,
        vault::RecordVault,
        verify,
    },
    base::Secret,
    credentials::Sealer,
    http::{
        api,
        cors::Cors,
        ops::{Figures, Readiness},
    },
    observe::Metrics,
    pipeline::{Engine, Keeping, Limits},
    runtime::{
        Clock, Platform,
        native::{Signatures, Tasks},
    },
    store::{
        cache::{
            CacheFault,
            guarded::{Guarded, Policy},
            memory::MemoryCounters,
            redis::RedisStore,
        },
        persist::{
            Journal, StoreFault,
            journal::{Beside, FileJournal, OpenFault},
            private,
            sql::SqlStore,
            writer::{Writer, WriterConfig},
        },
    },
};

/// How long the journal may take to reach the database at the end. What does not is written at the next start.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// How long a start with budgets waits for the journal's rest, and how often it looks.
const CATCH_UP: Duration = Duration::from_secs(10);
const CATCH_UP_STEP: Duration = Duration::from_millis(20);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HostFault {
    /// The database is down, or not ours.
    #[error("the database cannot be used")]
    Store(#[from] StoreFault),
    /// The journal beside it cannot be used.
    #[error("the journal cannot be used")]
    Journal(#[from] OpenFault),
    /// No key for the secrets.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The configuration cannot be brought up.
    #[error(transparent)]
    Boot(#[from] BootFault),
    /// The counters' address cannot be used.
    #[error("redis-url: {0}")]
    Counters(#[from] CacheFault),
    /// The place of a running gateway cannot be taken.
    #[error(transparent)]
    Heir(#[from] HeirFault),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How a process is started.
#[derive(Debug)]
pub struct Start {
    /// What is started to take its place, when that is asked for.
    pub program: Option<Program>,
    /// The line to the process whose place it takes, where it takes one.
    pub line: Option<OwnedFd>,
    /// Where the service manager wants to be told that this process serves.
    pub notify: Option<PathBuf>,
}

/// Serves until a signal says stop, or until another process has taken the place.
///
/// # Errors
/// [`HostFault`], before anything is served.
pub async fn run(config: Config, (platform, tasks): (Platform, Arc<Tasks>), start: Start) -> Result<(), HostFault> {
    // Heard from the beginning: what asks for a successor would else end a process that nobody has told otherwise.
    let (signals, stops) = Signals::hear(config.drain);
    let (beside, heir) = match start.line {
        Some(line) => (Beside::Predecessor, Some(Heir::meet(line).await?)),
        None => (Beside::Nobody, None),
    };
    let shared = shared_store(&config, &platform)?;
    let sealer = Sealer::new(database_key(&config, &*platform.entropy)?);
    let store = Arc::new(SqlStore::open_sealed(config.dsn.expose(), seals::keys(&sealer)).await?);
    let replay = FileJournal::claim(&config.data_dir, beside)?;
    warn_of_readers(&config);
    let journal = Arc::clone(&replay.journal);
    let left = if heir.is_some() { Vec::new() } else { journal.claim_left(&config.data_dir)?.0 };
    let writing = writing(&config);
    let write = |replay| Writer::new(replay, Arc::clone(&store) as _, Arc::clone(&platform.clock), writing);
    let lefts: Vec<Arc<FileJournal>> = left.iter().map(|replay| Arc::clone(&replay.journal)).collect();
    let (writer, home) = (write(replay), left.into_iter().map(write).collect());
    let oidc = config.oidc.clone().map(|settings| Oidc::new(settings, Arc::new(Signatures)));
    let control = Arc::new(Control::new(Stores::of(&store), sealer, platform.clone()).with_oidc(oidc));
    let here = Arc::new(MemoryCounters::new());
    let own = shared.is_none().then(|| Arc::clone(&here));
    let place = Place::take(&config, heir, own.as_ref()).await?;
    // Last of all that may fail: a key that is made and not shown would be lost.
    let Booted { admin_key, .. } = bootstrap::bootstrap(&control, &config).await?;
    show(&place.server, admin_key.as_ref());
    let mut keepers = keep((&journal, home), &writer, &platform);
    let health = keep_health(&control, shared.as_ref()).await;
    let serving = serving(&config, &control, &journal);
    serving.engine.renew_in(Arc::new(RecordVault::new(Arc::clone(&control))));
    keep_responses(&config, &serving.engine, &store);
    if let Some(shared) = &shared {
        affinity::watch(&serving.engine, Arc::clone(shared) as _);
    } else {
        serving.engine.count(place.counters.as_ref().map_or_else(|| here as _, |handed| Arc::clone(handed) as _));
    }
    if !control.snapshot().load().rows().quotas.is_empty() {
        for journal in std::iter::once(&journal).chain(&lefts) {
            catch_up(&**journal, &*platform.clock).await;
        }
    }
    count((&config, shared), &serving.engine, &control, &store).await;
    look_after(&config, &serving.engine, &store);
    let drain = config.drain;
    let giver = giver(&place.server, start.program, (own, &platform));
    let estate = Estate {
        data_dir: config.data_dir.clone(),
        journal,
        store: Arc::clone(&store),
        snapshot: control.snapshot().clone(),
        clock: Arc::clone(&platform.clock),
        writing,
    };
    let (server, inherited) = place.serve(estate).await?;
    keepers.extend(inherited.as_ref().map(Inherited::keeper));
    tracing::info!(address = address(&server), "serving");
    if let Some(socket) = &start.notify {
        say_ready(socket);
    }
    follow::watch(Arc::clone(&control), &platform);
    doctor::watch(Arc::clone(control.doctor()), &platform);
    reload::watch(Arc::clone(&control), Arc::new(config));
    let resident = tasks.running();
    let (given, mut rest) = oneshot::channel();
    let serve = async {
        server.run_on(serving, stop(signals, (giver, inherited, Arc::clone(&health)), given), drain).await;
        if !tasks.drain(resident, drain).await {
            tracing::warn!("some sessions were still open at the end of the drain time");
        }
    };
    patiently(serve, stops).await;
    if let Ok(rest) = rest.try_recv() {
        rest.tell().await;
    }
    if let Err(fault) = health.write().await {
        tracing::warn!(%fault, "what was learnt last of credentials' health is not written");
    }
    end(&writer, &store).await;
    keepers.iter().for_each(AbortHandle::abort);
    tracing::info!("stopped");
    Ok(())
}

/// What the gateway makes is its own; a folder that was there before is left as it is.
fn warn_of_readers(config: &Config) {
    if let Some(mode) = private::open_to_others(&config.data_dir) {
        let (path, mode) = (config.data_dir.display(), format!("{mode:o}"));
        tracing::warn!(%path, mode, "others on this machine may look into the data folder, which holds secrets and prompts; expected mode 700");
    }
}

fn writing(config: &Config) -> WriterConfig {
    let queue = &config.write_queue;
    WriterConfig { queue_capacity: queue.capacity, max_batch: queue.max_batch, window: queue.window }
}

/// Where a process serves, and whose place that was.
struct Place {
    server: Server,
    coming: Option<Coming>,
    /// What the process before counts so far.
    counters: Option<Arc<Handed>>,
}

impl Place {
    /// Binds the address, or goes on with the socket that is handed over.
    async fn take(config: &Config, heir: Option<Heir>, own: Option<&Arc<MemoryCounters>>) -> Result<Self, HostFault> {
        let address = format!("{}:{}", config.host, config.port);
        let fault = |source| HostFault::Listen { address: address.clone(), source };
        let mut found = tokio::net::lookup_host((config.host.as_str(), config.port)).await.map_err(fault)?;
        let first: SocketAddr = found.next().ok_or_else(|| fault(io::ErrorKind::AddrNotAvailable.into()))?;
        let Some(heir) = heir else {
            return Ok(Self { server: Server::bind(first).await.map_err(fault)?, coming: None, counters: None });
        };
        let listener = heir.listener.try_clone().map_err(fault)?;
        heir::same_address(first, &listener)?;
        let counters = own.map(|own| heir.counters(Arc::clone(own)));
        let (coming, arrivals) = heir.listen(counters.clone());
        Ok(Self { server: Server::resume(listener, arrivals).map_err(fault)?, coming: Some(coming), counters })
    }

    /// Waits until it is this process's turn.
    #[expect(clippy::disallowed_methods, reason = "it is ended last, with the other keepers")]
    async fn serve(self, estate: Estate) -> Result<(Server, Option<Inherited>), HostFault> {
        let Some(coming) = self.coming else { return Ok((self.server, None)) };
        let legacy = coming.take_place().await?;
        let settling = tokio::spawn(estate.settle(legacy, self.counters));
        Ok((self.server, Some(Inherited(settling))))
    }
}

/// What hands over, where that can be done.
fn giver(server: &Server, program: Option<Program>, (counters, platform): (Option<Arc<MemoryCounters>>, &Platform)) -> Option<Giver> {
    let listener = server.socket().inspect_err(|error| tracing::warn!(%error, "this process cannot hand over")).ok()?;
    Some(Giver { program: program?, listener, counters, clock: Arc::clone(&platform.clock) })
}

/// The tasks that live as long as the process.
#[expect(clippy::disallowed_methods, reason = "they outlive every call and are ended last, after the platform's own tasks")]
fn keep((journal, home): (&Arc<FileJournal>, Vec<Arc<Writer>>), writer: &Arc<Writer>, platform: &Platform) -> Vec<AbortHandle> {
    let (writing, synced, clock) = (Arc::clone(writer), Arc::clone(journal), Arc::clone(&platform.clock));
    vec![
        tokio::spawn(async move { writing.run().await }).abort_handle(),
        tokio::spawn(Arc::clone(journal).keep_watched(Arc::clone(&clock))).abort_handle(),
        tokio::spawn(async move { synced.keep_synced(clock).await }).abort_handle(),
        tokio::spawn(heir::bring_all_home(home)).abort_handle(),
    ]
}

fn serving(config: &Config, control: &Arc<Control>, journal: &Arc<FileJournal>) -> Serving {
    let Config { max_in_flight: in_flight, idempotency, timing, .. } = *config;
    let limits = Limits { body: config.body_limit as u64, in_flight, idempotency, timing };
    let metrics = Arc::new(Metrics::new());
    let engine = Engine::new(control.snapshot().clone(), control.platform().clone(), Arc::clone(journal) as _, metrics, limits);
    let engine = engine.with_health(Arc::clone(control.health())).with_doctor(Arc::clone(control.doctor()));
    Serving {
        control: control_plane(control, &engine),
        engine,
        cors: Cors::of(&config.cors_origins),
        trusted_proxies: config.trusted_proxies.clone(),
        readiness: Arc::new(Readiness::default()),
        figures: if config.metrics { Figures::Shown } else { Figures::Hidden },
    }
}

/// Waits for the database to have what the journal kept from before this start: budgets are set from the database.
async fn catch_up(journal: &dyn Journal, clock: &dyn Clock) {
    let mut waited = Duration::ZERO;
    while journal.backlog() > 0 && waited < CATCH_UP {
        clock.sleep(CATCH_UP_STEP).await;
        waited += CATCH_UP_STEP;
    }
    if journal.backlog() > 0 {
        tracing::error!(entries = journal.backlog(), "budgets begin to count without what still waits in the journal");
    }
}

/// The Redis that several instances share, where there is one.
fn shared_store(config: &Config, platform: &Platform) -> Result<Option<Arc<RedisStore>>, CacheFault> {
    // Who listens on it is no session that a shutdown waits for.
    let listeners = Arc::new(Tasks::default());
    let open = |address: &Secret<String>| {
        RedisStore::new(address.expose(), verify::PREFIX, Arc::clone(&platform.clock), listeners as _).map(Arc::new)
    };
    config.redis.as_ref().map(open).transpose()
}

/// Takes over what was known of credentials before this start, and keeps it with the others from here on.
async fn keep_health(control: &Arc<Control>, shared: Option<&Arc<RedisStore>>) -> Arc<HealthKeeper> {
    let (cache, platform) = (shared.map(|shared| Arc::clone(shared) as _), control.platform());
    let keeper = Arc::new(HealthKeeper::new(Arc::clone(control.health()), Arc::clone(control.health_book()), cache, platform));
    if let Err(fault) = keeper.load(control.snapshot()).await {
        tracing::warn!(%fault, "what was known of credentials' health cannot be read; it is learnt anew");
    }
    health::watch(&keeper, control.snapshot(), platform);
    keeper
}

/// Counts limits and budgets: in this process, or with others on one Redis.
async fn count((config, shared): (&Config, Option<Arc<RedisStore>>), engine: &Engine, control: &Control, store: &Arc<SqlStore>) {
    let platform = &engine.platform;
    if let Some(shared) = shared {
        let policy = match config.counters_down {
            CountersDown::Closed => Policy::Closed,
            CountersDown::Open => Policy::Open,
            CountersDown::Share(instances) => Policy::Share { instances },
        };
        engine.count(Arc::new(Guarded::new(shared, policy)));
    }
    let counters = Arc::clone(engine.counters());
    if let Err(fault) = counting::seed(&*counters, &**store, control.snapshot().load().rows(), platform.clock.unix_ms()).await {
        tracing::error!(%fault, "budgets do not count yet what was spent before this start");
    }
    counting::watch(counters, Arc::clone(store) as _, control.snapshot().clone(), platform);
}

/// Compares counters with rows, and lets old records go.
fn look_after(config: &Config, engine: &Engine, store: &Arc<SqlStore>) {
    let reconciler = Reconciler {
        counters: Arc::clone(engine.counters()),
        store: Arc::clone(store),
        journal: Arc::clone(&engine.journal),
        snapshot: engine.snapshot.clone(),
        metrics: Arc::clone(&engine.metrics),
    };
    reconcile::watch(reconciler, &engine.platform);
    retire::watch(Arc::clone(store) as _, config.kept, &engine.platform);
}

/// Keeps responses in the database, where they are wanted.
fn keep_responses(config: &Config, engine: &Engine, store: &Arc<SqlStore>) {
    let Keep { span, bytes } = config.keep;
    if !span.is_zero() {
        engine.keep(Keeping { store: Arc::clone(store) as _, span, bytes });
    }
    // What an earlier configuration kept still expires.
    expire::watch(Arc::clone(store) as _, &engine.platform);
}

/// The admin API.
fn control_plane(control: &Arc<Control>, engine: &Engine) -> ControlPlane {
    let (control, engine) = (Arc::clone(control), engine.clone());
    Arc::new(move |request, peer| {
        let (control, engine) = (Arc::clone(&control), engine.clone());
        Box::pin(async move { api::receive((&control, &engine), request, peer).await })
    })
}

/// Shows a fresh key this once, and where it is good for. Standard error, so that no log keeps the key.
fn show(server: &Server, admin_key: Option<&Secret<String>>) {
    let Some(key) = admin_key else { return };
    let (address, key) = (address(server), key.expose());
    let shown = writeln!(
        io::stderr(),
        "\n  GPROXY serves at http://{address}\n  The key of the user admin, shown only now:\n\n      {key}\n\n  \
         Should it get lost: a start with --admin-key puts the one that you give in its place.\n"
    );
    if let Err(error) = shown {
        tracing::error!(%error, "the key of the user admin cannot be shown; start with --admin-key to put another one in its place");
    }
}

fn address(server: &Server) -> String {
    server.address().map_or_else(|_| "?".to_owned(), |address| address.to_string())
}

#[expect(clippy::disallowed_methods, reason = "the native host may use the runtime's timers")]
async fn end(writer: &Writer, store: &SqlStore) {
    if tokio::time::timeout(LAST_WRITES, writer.drain()).await.is_err() {
        tracing::warn!("the database is slow; the journal's rest is written at the next start");
    }
    if let Err(fault) = store.close().await {
        tracing::warn!(%fault, "the database did not close well");
    }
}
