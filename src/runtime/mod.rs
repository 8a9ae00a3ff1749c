//! The platform as traits: time, tasks, randomness and the network. The only room that knows native from edge.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

mod body;
#[cfg(feature = "native")]
pub mod native;
mod signature;
#[cfg(all(feature = "native", target_os = "linux"))]
mod tick;
#[cfg(all(feature = "native", not(target_os = "linux")))]
#[path = "tick_exact.rs"]
mod tick;

pub use body::{Body, BodyFault};
pub use signature::{KeyFamily, PublicKey, Scheme, Signed, Verify};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A moment on a clock that never goes back, in nanoseconds since the clock's own beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Time from `earlier` until this moment; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time and waits.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Unix time in milliseconds.
    fn unix_ms(&self) -> u64;
    /// Now, for measuring spans.
    fn now(&self) -> Instant;
    /// Resolves after `span`.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// Starts background work that the platform ends or awaits at shutdown.
pub trait Spawn: Send + Sync + fmt::Debug {
    /// Starts `task`.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Gives random bytes fit for keys.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// Limits of time for one upstream call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request until the response head.
    pub head: Duration,
    /// From the request until the first content of an answer.
    pub content: Duration,
    /// From one piece of the body to the next.
    pub idle: Duration,
    /// The whole call.
    pub total: Duration,
}

impl Timers {
    /// For models that may think for minutes.
    pub const PATIENT: Self = Self {
        connect: Duration::from_secs(5),
        head: Duration::from_mins(1),
        content: Duration::from_mins(2),
        idle: Duration::from_mins(2),
        total: Duration::from_mins(20),
    };
    /// For people who wait at a screen: a silent provider is left for the next one soon.
    pub const INTERACTIVE: Self =
        Self { head: Duration::from_secs(10), content: Duration::from_secs(12), idle: Duration::from_secs(12), ..Self::PATIENT };
}

impl Default for Timers {
    fn default() -> Self {
        Self::PATIENT
    }
}

/// How a connection is made: the data that decides which pooled connections a request may share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The outbound proxy: `http://`, `https://` or `socks5://`, with credentials where it wants them.
    pub proxy: Option<Arc<str>>,
}

/// A request for an upstream. Its `Debug` leaves out the query, where some upstreams take their key.
pub struct UpstreamRequest {
    /// Method.
    pub method: Method,
    /// Absolute address.
    pub uri: Uri,
    /// Headers, without `host` and `content-length`, which the transport sets.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
    /// How to connect.
    pub profile: Profile,
    /// How long to wait.
    pub timers: Timers,
}

impl fmt::Debug for UpstreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address =
            (self.uri.scheme_str().unwrap_or(""), self.uri.authority().map_or("", |authority| authority.as_str()), self.uri.path());
        f.debug_struct("UpstreamRequest")
            .field("method", &self.method)
            .field("address", &address)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

/// An upstream's answer: its head, and its body as it comes.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body. Pieces that have arrived together come together; nothing waits for more.
    pub body: Body,
    /// How long opening its connection took; zero where one was at rest.
    pub connecting: Duration,
}

impl Reply {
    /// An answer that needed no connection.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: Body) -> Self {
        Self { status, headers, body, connecting: Duration::ZERO }
    }
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportFault {
    /// The address, the proxy or the headers cannot be used.
    #[error("unusable request: {0}")]
    Unusable(String),
    /// No connection within the time, or none at all.
    #[error("cannot connect: {0}")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke before the response head.
    #[error("connection broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The upstream said that it did not begin with the request: it may be sent again, whatever it asks.
    #[error("not begun: {0}")]
    Unbegun(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A timer ran out.
    #[error("no {0} in time")]
    Timeout(&'static str),
    /// The upstream answered a WebSocket handshake with a plain response.
    #[error("upstream refused the socket with status {status}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The beginning of its body.
        body: Bytes,
    },
    /// This platform cannot do it.
    #[error("not supported here: {0}")]
    Unsupported(&'static str),
}

impl TransportFault {
    /// Whether the request's own body did not come: the fault of whoever sends it, and not the upstream's.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        let mut cause = std::error::Error::source(self);
        while let Some(fault) = cause {
            if matches!(fault.downcast_ref(), Some(BodyFault::Stalled { .. })) {
                return true;
            }
            cause = fault.source();
        }
        false
    }
}

/// One message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// The end, with the peer's code and reason.
    Close(u16, String),
}

/// An open WebSocket. Pings are answered below.
pub trait Socket: Send + fmt::Debug {
    /// The next message; `None` after the end.
    fn receive(&mut self) -> BoxFuture<'_, Option<Result<Message, BodyFault>>>;
    /// Sends and flushes one message.
    fn send(&mut self, message: Message) -> BoxFuture<'_, Result<(), BodyFault>>;
}

/// Sends requests to upstreams.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one request and resolves with the response head.
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>>;
    /// Opens a WebSocket (`http` and `https` addresses stand for `ws` and `wss`).
    fn dial(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>>;
}

/// Everything the core needs of the platform.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Background work.
    pub spawn: Arc<dyn Spawn>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The way out.
    pub transport: Arc<dyn Transport>,
}
