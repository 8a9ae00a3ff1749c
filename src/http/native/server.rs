//! Accepts connections, hands requests to their planes, and stops without cutting anybody off.

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{HttpService, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use super::{
    body,
    heads::HeadTimer,
    leaving::{Departure, Door, Resumed, Watched, drive, drive_or_leave},
    preface::{Prefaced, speaks_http2},
    upgrade,
};
use crate::{
    base::Network,
    http::{
        cors::Cors,
        data,
        forwarded::client_address,
        ops::{self, Figures, Readiness},
        reply,
    },
    pipeline::{Cue, Cues, Engine, GatewayError, family_of},
    protocol::fault::FaultKind,
    runtime::{Body, BoxFuture, native::Bursts},
};

/// The longest head of a request, in bytes.
const HEAD_BYTES: u32 = 64 << 10;
/// What is read at a time, in bytes; a head must fit into it. A larger buffer stays with its connection, and costs a long
/// body more than it saves: it is copied out of there, and what was just read is still in the processor's cache.
const READ_BYTES: usize = HEAD_BYTES as usize;

/// How long a request's head may take to come, and an HTTP/2 connection's beginning.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long connections that are not waited for any longer may take to go.
const SHUT_TIME: Duration = Duration::from_secs(1);

/// The control plane as the server sees it: takes every request under `/admin`, `/user` and `/login`.
pub(super) type ControlPlane = Arc<dyn Fn(Request<Body>, Option<IpAddr>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// What the server serves.
#[derive(Clone)]
pub struct Serving {
    /// The data plane.
    pub engine: Engine,
    /// The control plane.
    pub control: ControlPlane,
    /// Browser access to data routes.
    pub cors: Cors,
    /// Peers whose word about the client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Whether new work is wanted.
    pub readiness: Arc<Readiness>,
    /// Whether what was counted is shown.
    pub figures: Figures,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Serving")
    }
}

/// A bound server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Connections that another process hands over.
    arrivals: mpsc::Receiver<Departure>,
}

impl Server {
    /// Binds an address.
    ///
    /// # Errors
    /// The system's, for instance where the port is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let (_nobody, arrivals) = mpsc::channel(1);
        Ok(Self { listener: TcpListener::bind(address).await?, arrivals })
    }

    /// Goes on with a socket that another process listened on, and with the connections that it hands over.
    pub(super) fn resume(listener: std::net::TcpListener, arrivals: mpsc::Receiver<Departure>) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, arrivals })
    }

    /// The socket once more, for another process. As long as it is kept, the address is listened on.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// The address in use, with the port that the system chose where 0 was asked.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` resolves, then lets what runs end, at most for `drain`.
    pub async fn run(self, serving: Serving, stop: impl Future<Output = ()>, drain: Duration) {
        self.run_on(serving, stop.map(|()| Ending::Stop), drain).await;
    }

    /// The same; in the end another process may serve, and then connections go there whose clients wait for nothing.
    pub(super) async fn run_on(mut self, serving: Serving, stop: impl Future<Output = Ending>, drain: Duration) {
        let (door, open) = watch::channel(Door::Open);
        let serving = Arc::new(serving);
        let house = House { serving: Arc::clone(&serving), bursts: Bursts::here(), open };
        let mut stop = pin!(stop);
        let ending = loop {
            // Cancelling `accept` loses no connection: it takes one only when it is ready. No more does `recv`.
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(arrived) = self.arrivals.recv() => {
                    house.resume(arrived);
                    continue;
                }
                ending = &mut stop => break ending,
            };
            match accepted {
                Ok((stream, peer)) => house.receive(stream, peer.ip()),
                Err(error) => {
                    // Out of file handles: wait for some to come back rather than spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    serving.engine.platform.clock.sleep(Duration::from_millis(50)).await;
                }
            }
        };
        serving.readiness.drain();
        // What was handed over to us goes the way of our own.
        while let Ok(arrived) = self.arrivals.try_recv() {
            house.resume(arrived);
        }
        drop((self.listener, self.arrivals, house));
        door.send_replace(match ending {
            Ending::Stop => Door::Closing,
            Ending::Onward(to) => Door::Onward(to),
        });
        let clock = &serving.engine.platform.clock;
        tokio::select! {
            () = door.closed() => return,
            () = clock.sleep(drain) => tracing::warn!("the drain time is over; open connections are closed"),
        }
        door.send_replace(Door::Shut);
        tokio::select! {
            () = door.closed() => {}
            () = clock.sleep(SHUT_TIME) => {}
        }
    }
}

/// How serving ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// For good.
    Stop,
    /// Another process goes on.
    Onward(mpsc::Sender<Departure>),
}

/// What every connection is served with.
struct House {
    serving: Arc<Serving>,
    bursts: Bursts,
    /// Changes when no new work is taken; each connection keeps one of its own for as long as it lasts.
    open: watch::Receiver<Door>,
}

impl House {
    /// Serves a connection for as long as it lasts.
    #[expect(clippy::disallowed_methods, reason = "connections are waited for by themselves, not with the platform's tasks")]
    fn receive(&self, stream: TcpStream, peer: IpAddr) {
        // Without it the first token of a stream waits 40 ms for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (serving, bursts, mut open) = (Arc::clone(&self.serving), self.bursts.clone(), self.open.clone());
        let mut late = serving.engine.platform.clock.sleep(HEAD_TIME);
        let service = service_fn(move |request| guarded(&serving, request, peer));
        tokio::spawn(async move {
            let told = tokio::select! {
                biased;
                told = speaks_http2(&stream) => told,
                _closing = open.changed() => {
                    // One that has asked for nothing yet has nothing to lose.
                    let door = open.borrow().clone();
                    if let Door::Onward(to) = door {
                        Departure::of(stream, peer, to).await;
                    }
                    return;
                }
                () = &mut late => None,
            };
            let Some(speaks_http2) = told else { return };
            let gathering = bursts.join(stream);
            if speaks_http2 {
                let connection =
                    either().serve_connection_with_upgrades(TokioIo::new(Prefaced::new(gathering, late)), service).into_owned();
                drive(Box::pin(connection), open, |connection| connection.as_mut().graceful_shutdown()).await;
            } else {
                drop(late);
                let (other_end, timer) = (gathering.peer(), HeadTimer::default());
                let watched = Watched { peer: other_end, address: peer, heads: timer.heads() };
                serve_plain(TokioIo::new(gathering), service, (timer, open, watched)).await;
            }
        });
    }

    /// Goes on with a connection that another process has had.
    #[expect(clippy::disallowed_methods, reason = "connections are waited for by themselves, not with the platform's tasks")]
    fn resume(&self, departure: Departure) {
        let (stream, peer, read) = match departure.arrive() {
            Ok(arrived) => arrived,
            Err(error) => return tracing::warn!(%error, "a connection that was handed over cannot be served"),
        };
        if read.is_empty() {
            return self.receive(stream, peer);
        }
        let (serving, open, gathering) = (Arc::clone(&self.serving), self.open.clone(), self.bursts.join(stream));
        let service = service_fn(move |request| guarded(&serving, request, peer));
        let (other_end, timer) = (gathering.peer(), HeadTimer::default());
        let watched = Watched { peer: other_end, address: peer, heads: timer.heads() };
        tokio::spawn(serve_plain(TokioIo::new(Resumed::new(read, gathering)), service, (timer, open, watched)));
    }
}

/// Serves HTTP/1.1 for as long as the connection lasts, or stays here.
async fn serve_plain<I, S>(io: I, service: S, (timer, open, watched): (HeadTimer, watch::Receiver<Door>, Watched))
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = Body> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = plain(timer).serve_connection(io, service).with_upgrades();
    let end = |connection: &mut http1::UpgradeableConnection<I, S>| Pin::new(connection).graceful_shutdown();
    let unserved = |connection: http1::UpgradeableConnection<I, S>| connection.into_parts().map(|parts| parts.read_buf);
    drive_or_leave(connection, open, watched, (end, unserved)).await;
}

/// HTTP/1.1. Whoever is known to speak it is not read by hyper-util's search for a protocol, which doubles what a connection reads into.
fn plain(timer: HeadTimer) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(timer).header_read_timeout(HEAD_TIME).max_buf_size(READ_BYTES);
    builder
}

/// HTTP/2, or HTTP/1.1 after all.
fn either() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(HeadTimer::default()).header_read_timeout(HEAD_TIME).max_buf_size(READ_BYTES);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20)).max_header_list_size(HEAD_BYTES);
    builder
}

/// A panic in one request costs that request, not the connection and not the process. The data plane catches its own.
fn guarded(
    serving: &Arc<Serving>,
    request: Request<Incoming>,
    peer: IpAddr,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let answering = catch_unwind(AssertUnwindSafe(|| route(serving, request, peer)));
    let answering = answering.unwrap_or_else(|_panic| Box::pin(ready(panicked(&serving.engine, &Uri::default()))));
    async move { Ok(answering.await) }
}

fn panicked(engine: &Engine, address: &Uri) -> Response<Body> {
    let (request_id, _) = engine.request_id();
    tracing::error!(%request_id, "a request panicked");
    // The headers are gone with the request.
    let family = family_of(address.path(), &HeaderMap::new(), None);
    reply::refuse(&GatewayError::new(FaultKind::Internal, "the gateway failed"), family, request_id)
}

/// Finds who answers. What is known at once is no part of the future: hyper moves it, and many of them wait at a time.
fn route(serving: &Arc<Serving>, request: Request<Incoming>, peer: IpAddr) -> BoxFuture<'static, Response<Body>> {
    let shown = (&*serving.readiness, serving.figures);
    if let Some(response) = ops::serve(&serving.engine, shown, request.method(), request.uri().path()) {
        return Box::pin(ready(response));
    }
    let cues = Cues::of(request.headers());
    let client = if cues.has(Cue::Forwarded) { client_address(request.headers(), peer, &serving.trusted_proxies) } else { peer };
    let first = request.uri().path().split('/').nth(1).unwrap_or("");
    if matches!(first, "admin" | "user" | "login") {
        let address = request.uri().clone();
        let request = request.map(|body| body::incoming(body, &serving.engine.platform.clock));
        return caught(serving, address, (serving.control)(request, Some(client)));
    }
    if request.method() == Method::OPTIONS || cues.has(Cue::Upgrade) || cues.has(Cue::Origin) {
        let address = request.uri().clone();
        return caught(serving, address, Box::pin(rare(Arc::clone(serving), request, cues, client)));
    }
    let inbound = data::arrive(&serving.engine, body::arriving(request, &serving.engine.platform.clock), cues, Some(client));
    Box::pin(data::answer(serving.engine.clone(), inbound))
}

/// The same answer, or what a client is told where it panics.
fn caught(serving: &Arc<Serving>, address: Uri, answering: BoxFuture<'static, Response<Body>>) -> BoxFuture<'static, Response<Body>> {
    let engine = serving.engine.clone();
    Box::pin(async move { AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_panic| panicked(&engine, &address)) })
}

/// What browsers and sockets ask, and whoever would like to upgrade.
async fn rare(serving: Arc<Serving>, request: Request<Incoming>, cues: Cues, client: IpAddr) -> Response<Body> {
    if request.method() == Method::OPTIONS {
        return serving.cors.preflight(request.headers());
    }
    if upgrade::is_wanted(request.headers()) {
        return upgrade::serve(&serving.engine, request, cues, client).await;
    }
    for_browser(&serving, request, client).await
}

/// A call's answer, with what a browser wants to see before it hands that on.
async fn for_browser(serving: &Serving, request: Request<Incoming>, client: IpAddr) -> Response<Body> {
    let headers = request.headers().clone();
    let request = request.map(|body| body::incoming(body, &serving.engine.platform.clock));
    let mut response = data::serve(&serving.engine, request, Some(client)).await;
    serving.cors.mark(&headers, response.headers_mut());
    response
}
