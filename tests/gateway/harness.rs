//! A gateway on a port of its own, and a provider that says what it is told to say.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gproxy::{
    access::key,
    admin::{Control, Stores},
    app::vault::RecordVault,
    http::{
        api,
        cors::Cors,
        native::{Server, Serving},
        ops::{Figures, Readiness},
    },
    observe::Metrics,
    pipeline::{Engine, Keeping, Limits},
    runtime::{Body, BoxFuture, Clock, Platform, Transport, native},
    snapshot::{Compiler, Snapshot, SnapshotCell, compile},
    store::{
        persist::{Journal, JournalFault, Ledger, Records, RecordsExt, memory::MemoryStore},
        record::{
            Entry, NewAlias, NewCredential, NewKey, NewPermission, NewProvider, NewRoute, NewRouteMember, NewUser, Strategy, UsageRow,
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// The key of the user who may do everything.
pub(crate) const KEY: &str = "sk-test-everything";
/// The key of the user who may use `up/allowed*` only.
pub(crate) const NARROW: &str = "sk-test-narrow";
/// The provider's key, which must not be seen anywhere but at the provider.
pub(crate) const SECRET: &str = "sk-provider-canary";

/// A journal in memory that tells when something was written.
#[derive(Debug, Default)]
pub(crate) struct Notebook {
    entries: Mutex<Vec<Entry>>,
    written: Notify,
}

impl Notebook {
    /// The rows of ended calls, once there are as many.
    pub(crate) async fn rows(&self, count: usize) -> Vec<UsageRow> {
        tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let written = self.written.notified();
                let rows: Vec<UsageRow> = self
                    .entries
                    .lock()
                    .unwrap()
                    .iter()
                    .filter_map(|entry| match entry {
                        Entry::Ended(row) => Some((**row).clone()),
                        _ => None,
                    })
                    .collect();
                if rows.len() >= count {
                    return rows;
                }
                written.await;
            }
        })
        .await
        .expect("the rows come")
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }
}

impl Journal for Notebook {
    fn append(&self, entry: &Entry) -> Result<(), JournalFault> {
        self.entries.lock().unwrap().push(entry.clone());
        self.written.notify_waiters();
        Ok(())
    }

    fn backlog(&self) -> u64 {
        0
    }
}

/// What the provider got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    pub head: String,
    pub body: Vec<u8>,
}

/// A provider on a raw socket. It reads one request a connection and sends scripted pieces, then closes.
pub(crate) struct Upstream {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<VecDeque<Vec<Bytes>>>>,
    standing: Arc<Mutex<Vec<Bytes>>>,
    pub gone: Arc<Notify>,
    /// Something of an answer that waits has been sent.
    pub spoken: Arc<Notify>,
    /// Lets an answer go on that waits for it.
    pub go: Arc<Notify>,
}

/// A piece of an answer that is never sent: the rest waits for [`Upstream::go`].
pub(crate) const WAIT: Bytes = Bytes::from_static(b"\0wait");

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (got, script, gone) =
            (Arc::<Mutex<Vec<Got>>>::default(), Arc::<Mutex<VecDeque<Vec<Bytes>>>>::default(), Arc::new(Notify::new()));
        let standing = Arc::<Mutex<Vec<Bytes>>>::default();
        let (spoken, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let upstream = Self {
            address,
            got: Arc::clone(&got),
            script: Arc::clone(&script),
            standing: Arc::clone(&standing),
            gone: Arc::clone(&gone),
            spoken: Arc::clone(&spoken),
            go: Arc::clone(&go),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (got, script, gone) = (Arc::clone(&got), Arc::clone(&script), Arc::clone(&gone));
                let (standing, spoken, go) = (Arc::clone(&standing), Arc::clone(&spoken), Arc::clone(&go));
                tokio::spawn(async move { serve(stream, &got, (&script, &standing), (&gone, &spoken, &go)).await });
            }
        });
        upstream
    }

    /// The next answer: each piece is written and flushed by itself. An empty piece stands for "wait until the peer is gone".
    pub(crate) fn answers(&self, pieces: Vec<Bytes>) {
        self.script.lock().unwrap().push_back(pieces);
    }

    /// The answer to every request that the script has none for.
    pub(crate) fn always(&self, status: u16, body: &str) {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        *self.standing.lock().unwrap() = vec![Bytes::from(head), Bytes::copy_from_slice(body.as_bytes())];
    }

    /// The next answer: a whole one with a status, headers (each with its line end) and a body.
    pub(crate) fn answers_with(&self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
        );
        self.answers(vec![Bytes::from(head), Bytes::copy_from_slice(body.as_bytes())]);
    }

    /// The next answer: a whole JSON body.
    pub(crate) fn answers_json(&self, body: &str) {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: up-1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.answers(vec![Bytes::from(head), Bytes::copy_from_slice(body.as_bytes())]);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Got {
        self.got().pop().expect("the provider got a request")
    }
}

type Script<'a> = (&'a Mutex<VecDeque<Vec<Bytes>>>, &'a Mutex<Vec<Bytes>>);

async fn serve(
    mut stream: TcpStream,
    got: &Mutex<Vec<Got>>,
    (script, standing): Script<'_>,
    (gone, spoken, go): (&Notify, &Notify, &Notify),
) {
    stream.set_nodelay(true).unwrap();
    let Some(request) = read_request(&mut stream).await else { return };
    got.lock().unwrap().push(request);
    let next = script.lock().unwrap().pop_front();
    let pieces = next.unwrap_or_else(|| standing.lock().unwrap().clone());
    for piece in pieces {
        if piece == WAIT {
            spoken.notify_one();
            go.notified().await;
            continue;
        }
        if piece.is_empty() {
            spoken.notify_one();
            // Reads until the other side has closed.
            let mut rest = [0; 64];
            while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
            gone.notify_one();
            return;
        }
        if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
            gone.notify_one();
            return;
        }
        // Gives the other side a turn, so that pieces arrive as they were cut.
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<Got> {
    let mut data = Vec::new();
    let head_end = loop {
        if let Some(at) = data.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut data).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(data[..head_end].to_vec()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.trim().parse().unwrap());
    while data.len() < head_end + length {
        if stream.read_buf(&mut data).await.ok()? == 0 {
            return None;
        }
    }
    Some(Got { head, body: data[head_end..].to_vec() })
}

/// A route for a test: namespace, name, and members as model and weight.
pub(crate) type NamedRoute<'a> = (&'a str, &'a str, &'a [(&'a str, i64)]);

/// What answers requests of the control plane.
type Plane = Arc<dyn Fn(http::Request<Body>, Option<IpAddr>) -> BoxFuture<'static, http::Response<Body>> + Send + Sync>;

/// Serves both planes on a port of their own.
pub(crate) async fn serve_both(control: Arc<Control>, engine: Engine) -> SocketAddr {
    let own = engine.clone();
    let plane: Plane = Arc::new(move |request, peer| {
        let (control, engine) = (Arc::clone(&control), own.clone());
        Box::pin(async move { api::receive((&control, &engine), request, peer).await })
    });
    listen(engine, plane).await
}

async fn listen(engine: Engine, control: Plane) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address().unwrap();
    let readiness = Arc::new(Readiness::default());
    let serving = Serving { engine, control, cors: Cors::Any, trusted_proxies: Vec::new(), readiness, figures: Figures::default() };
    tokio::spawn(server.run(serving, std::future::pending(), Duration::from_secs(1)));
    address
}

/// A gateway with the provider `up` behind it.
pub(crate) struct Gateway {
    pub address: SocketAddr,
    pub upstream: Upstream,
    pub journal: Arc<Notebook>,
    pub engine: Engine,
}

impl Gateway {
    /// `channel` is what `up` speaks.
    pub(crate) async fn start(channel: &str) -> Self {
        Self::with_limits(channel, Limits { body: 1 << 20, ..Limits::default() }).await
    }

    pub(crate) async fn with_limits(channel: &str, limits: Limits) -> Self {
        let upstream = Upstream::start().await;
        let address = upstream.address;
        Self::over(channel, limits, upstream, address).await
    }

    /// With routes, as (namespace, name, models of `up` with their weights), and a global alias `nick` of `smart`.
    /// The narrow user may use the route `smart` too.
    pub(crate) async fn named(channel: &str, routes: &[NamedRoute<'_>]) -> Self {
        let upstream = Upstream::start().await;
        let (platform, _tasks) = native::platform();
        let (before, store) = snapshot(&platform, channel, &format!("http://{}", upstream.address)).await;
        let provider_id = before.provider("up").unwrap().id;
        for (namespace, name, members) in routes {
            let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
            let strategy = Strategy::Weighted;
            let route = NewRoute { namespace, name, strategy, description: None, settings_json: None, enabled: true };
            let route_id = store.save(None, route).await.unwrap().id;
            for (model, weight) in *members {
                let upstream_model = (*model).to_owned();
                let member = NewRouteMember { route_id, provider_id, upstream_model, weight: *weight, tier: 0, enabled: true };
                store.save(None, member).await.unwrap();
            }
        }
        let alias = NewAlias { provider: "*".into(), alias: "nick".into(), target: "smart".into(), sort_order: 0, enabled: true };
        store.save(None, alias).await.unwrap();
        let narrow = before.rows().users.iter().find(|user| user.name == "narrow").unwrap().id;
        store.ensure(NewPermission::of(narrow, "smart")).await.unwrap();
        let sealer = gproxy::credentials::Sealer::new(gproxy::base::Secret::new("test".to_owned()));
        let snapshot = compile(&store.load().await.unwrap(), Compiler { sealer: &sealer, platform: &platform });
        assert!(snapshot.faults().is_empty(), "{:?}", snapshot.faults());
        Self::serve(platform, snapshot, upstream, (Limits::default(), None)).await
    }

    /// With the provider somewhere else than at the scripted one.
    pub(crate) async fn start_at(channel: &str, address: SocketAddr) -> Self {
        Self::over(channel, Limits::default(), Upstream::start().await, address).await
    }

    /// With more configuration.
    pub(crate) async fn configured(channel: &str, configure: impl AsyncFnOnce(&MemoryStore)) -> Self {
        let upstream = Upstream::start().await;
        let (platform, _tasks) = native::platform();
        let (_, store) = snapshot(&platform, channel, &format!("http://{}", upstream.address)).await;
        configure(&store).await;
        let snapshot = compiled(&store, &platform).await;
        Self::serve(platform, snapshot, upstream, (Limits { body: 1 << 20, ..Limits::default() }, None)).await
    }

    /// With more configuration, and the provider somewhere else than at the scripted one.
    pub(crate) async fn configured_at(channel: &str, address: SocketAddr, configure: impl AsyncFnOnce(&MemoryStore)) -> Self {
        let (platform, _tasks) = native::platform();
        let (_, store) = snapshot(&platform, channel, &format!("http://{address}")).await;
        configure(&store).await;
        let snapshot = compiled(&store, &platform).await;
        Self::serve(platform, snapshot, Upstream::start().await, (Limits::default(), None)).await
    }

    /// With more configuration, and a clock of its own. Sleeps of the transport are not on it.
    pub(crate) async fn timed(clock: Arc<dyn Clock>, configure: impl AsyncFnOnce(&MemoryStore)) -> Self {
        let upstream = Upstream::start().await;
        let (platform, _tasks) = native::platform();
        let platform = Platform { clock, ..platform };
        let (_, store) = snapshot(&platform, "custom", &format!("http://{}", upstream.address)).await;
        configure(&store).await;
        let snapshot = compiled(&store, &platform).await;
        Self::serve(platform, snapshot, upstream, (Limits { body: 1 << 20, ..Limits::default() }, None)).await
    }

    /// With another way to the provider.
    pub(crate) async fn reached_by(transport: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>) -> Self {
        let upstream = Upstream::start().await;
        let (platform, _tasks) = native::platform();
        let platform = Platform { transport: transport(Arc::clone(&platform.transport)), ..platform };
        let (snapshot, _) = snapshot(&platform, "custom", &format!("http://{}", upstream.address)).await;
        Self::serve(platform, snapshot, upstream, (Limits::default(), None)).await
    }

    /// With another provider, over its own platform's way.
    pub(crate) async fn before(provider: &str, platform: Platform) -> Self {
        let (snapshot, _) = snapshot(&platform, "custom", provider).await;
        Self::serve(platform, snapshot, Upstream::start().await, (Limits::default(), None)).await
    }

    /// With a store of responses, and a clock of its own for how long they are kept.
    pub(crate) async fn keeping(channel: &str, clock: Arc<dyn Clock>, keep: impl FnOnce(Arc<MemoryStore>) -> Keeping) -> Self {
        let upstream = Upstream::start().await;
        let address = upstream.address;
        let (platform, _tasks) = native::platform();
        let platform = Platform { clock, ..platform };
        let (snapshot, store) = snapshot(&platform, channel, &format!("http://{address}")).await;
        let limits = Limits { body: 1 << 20, ..Limits::default() };
        Self::serve(platform, snapshot, upstream, (limits, Some(keep(store)))).await
    }

    /// On a store that others may share, in which its credentials are renewed.
    pub(crate) async fn sharing(store: &Arc<MemoryStore>, clock: Arc<dyn Clock>, upstream: Upstream) -> Self {
        let (platform, _tasks) = native::platform();
        let platform = Platform { clock, ..platform };
        let snapshot = compiled(store, &platform).await;
        let gateway = Self::serve(platform.clone(), snapshot, upstream, (Limits::default(), None)).await;
        let stores = Stores::of(store);
        let sealer = gproxy::credentials::Sealer::new(gproxy::base::Secret::new("test".to_owned()));
        gateway.engine.renew_in(Arc::new(RecordVault::new(Arc::new(Control::new(stores, sealer, platform)))));
        gateway
    }

    async fn over(channel: &str, limits: Limits, upstream: Upstream, provider: SocketAddr) -> Self {
        let (platform, _tasks) = native::platform();
        let (snapshot, _) = snapshot(&platform, channel, &format!("http://{provider}")).await;
        Self::serve(platform, snapshot, upstream, (limits, None)).await
    }

    async fn serve(platform: Platform, snapshot: Snapshot, upstream: Upstream, (limits, keeping): (Limits, Option<Keeping>)) -> Self {
        let snapshot = SnapshotCell::new(snapshot);
        let journal = Arc::<Notebook>::default();
        let engine = Engine::new(snapshot, platform, Arc::clone(&journal) as _, Arc::<Metrics>::default(), limits);
        if let Some(keeping) = keeping {
            engine.keep(keeping);
        }
        let nothing: Plane = Arc::new(|_, _| Box::pin(async { http::Response::new(Body::Empty) }));
        let address = listen(engine.clone(), nothing).await;
        Self { address, upstream, journal, engine }
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.open(method, path, headers, body).await;
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        Answer::parse(&data)
    }

    /// Sends a request and leaves the answer on the wire.
    pub(crate) async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }

    /// A POST with the key that may do everything.
    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.call("POST", path, &[("authorization", &format!("Bearer {KEY}")), ("content-type", "application/json")], body).await
    }
}

async fn snapshot(platform: &Platform, channel: &str, base_url: &str) -> (Snapshot, Arc<MemoryStore>) {
    let store = furnished(platform, channel, &format!("{{\"base_url\":\"{base_url}\"}}")).await;
    (compiled(&store, platform).await, store)
}

/// A store with the provider `up`, its credential, and the two users.
pub(crate) async fn furnished(platform: &Platform, channel: &str, settings_json: &str) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
    let sealer = gproxy::credentials::Sealer::new(gproxy::base::Secret::new("test".to_owned()));
    let provider = NewProvider { settings_json: settings_json.to_owned(), ..NewProvider::of("up", channel) };
    let provider = store.save(None, provider).await.unwrap();
    let secret = gproxy::base::Secret::new(SECRET.to_owned());
    let secret_sealed = gproxy::snapshot::secret::seal_api_key(&sealer, provider.id, &secret, &*platform.entropy);
    let credential = NewCredential::of(provider.id, "api_key", secret_sealed);
    store.save(None, credential).await.unwrap();
    for (name, token, pattern) in [("all", KEY, "*"), ("narrow", NARROW, "up/allowed*")] {
        let user = NewUser::named(name);
        let user = store.save(None, user).await.unwrap();
        let (digest, prefix) = (key::digest_text(token), key::prefix(token));
        store.save(None, NewKey::of(user.id, digest, prefix)).await.unwrap();
        store.ensure(NewPermission::of(user.id, pattern)).await.unwrap();
    }
    store.ping().await.unwrap();
    store
}

async fn compiled(store: &MemoryStore, platform: &Platform) -> Snapshot {
    let sealer = gproxy::credentials::Sealer::new(gproxy::base::Secret::new("test".to_owned()));
    let snapshot = compile(&store.load().await.unwrap(), Compiler { sealer: &sealer, platform });
    assert!(snapshot.faults().is_empty(), "{:?}", snapshot.faults());
    snapshot
}

/// An answer taken apart, its chunks joined.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the body came to its stated end.
    pub whole: bool,
}

impl Answer {
    pub(crate) fn parse(data: &[u8]) -> Self {
        let at = data.windows(4).position(|window| window == b"\r\n\r\n").expect("a response head");
        let head = String::from_utf8(data[..at].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let rest = &data[at + 4..];
        let (body, whole) = if head.contains("transfer-encoding: chunked") {
            unchunk(rest)
        } else {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|length| length.trim().parse::<usize>().unwrap());
            (rest.to_vec(), length.is_none_or(|length| length == rest.len()))
        };
        Self { status, head, body, whole }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

fn unchunk(mut data: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = data.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&data[..at]).unwrap(), 16).unwrap();
        data = &data[at + 2..];
        if size == 0 {
            return (body, true);
        }
        if data.len() < size + 2 {
            return (body, false);
        }
        body.extend_from_slice(&data[..size]);
        data = &data[size + 2..];
    }
}
