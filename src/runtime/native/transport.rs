//! The transport over hyper: HTTP/1.1 and HTTP/2, pooled, and WebSockets.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, Uri,
    header::HOST,
    uri::{self, PathAndQuery, Scheme},
};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::{
    alarm::Alarm,
    connect::{Connector, Offer},
    exchange::{Deadline, Lane, exchange},
    pool::{Found, Origin, Pool, Shelf},
    socket,
};
use crate::runtime::{Body, BodyFault, BoxFuture, Reply, Socket, Timers, Transport, TransportFault, UpstreamRequest};

/// Sends requests over pooled connections. An HTTP/1.1 connection is driven by the request that uses it.
#[derive(Clone, Debug)]
pub struct HyperTransport {
    connector: Connector,
    pool: Pool,
}

impl HyperTransport {
    /// Reads the system's certificates; connects to nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { connector: Connector::new(), pool: Pool::default() }
    }

    /// The same, which trusts one more certificate (DER), as `SSL_CERT_FILE` would have it do.
    #[must_use]
    pub fn trusting(certificate: &[u8]) -> Self {
        Self { connector: Connector::trusting(certificate), pool: Pool::default() }
    }

    /// Closes connections that nobody has used for a while. Call it every few seconds.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Not an `async fn`, which would keep its arguments twice: many of these wait at a time, and each is moved into its box.
    fn carry(&self, request: UpstreamRequest) -> Result<impl Future<Output = Result<Reply, TransportFault>>, TransportFault> {
        let UpstreamRequest { method, uri, headers, body, profile, timers } = request;
        let uri::Parts { scheme, authority, path_and_query, .. } = uri.into_parts();
        let authority = authority.ok_or_else(|| TransportFault::Unusable("the address has no host".into()))?;
        let origin = Origin { secure: scheme == Some(Scheme::HTTPS), authority, profile };
        let shelf = self.pool.shelf(&origin)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        // HTTP/1.1 wants the path alone.
        *request.uri_mut() = Uri::from(path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")));
        Ok(async move {
            let mut connecting = Duration::ZERO;
            loop {
                let mut now = Instant::now();
                let (lane, reused) = match shelf.take(now) {
                    Some(Found::Shared(sender)) => match Box::pin(multiplexed(sender, origin.name_in(request), timers)).await {
                        Ok(reply) => return Ok(reply),
                        // The server had taken its leave of the connection; nothing was sent, so another one may carry it.
                        Err((_, Some(unsent))) => {
                            request = path_alone(*unsent);
                            continue;
                        }
                        Err((fault, None)) => return Err(fault),
                    },
                    Some(Found::Lane(lane)) => (lane, true),
                    // In a box, since all that waits for an answer would be as large as what opens a connection.
                    None => match Box::pin(self.open(&shelf, &origin, timers)).await? {
                        Found::Shared(sender) => {
                            let connecting = now.elapsed();
                            let sent = Box::pin(multiplexed(sender, origin.name_in(request), timers)).await;
                            return sent.map(|reply| Reply { connecting, ..reply }).map_err(|(fault, _)| fault);
                        }
                        Found::Lane(lane) => {
                            let asked = std::mem::replace(&mut now, Instant::now());
                            connecting += now - asked;
                            (lane, false)
                        }
                    },
                };
                request.headers_mut().insert(HOST, shelf.host());
                match exchange(lane, request, (timers, now), shelf.clone()).await {
                    Ok(response) => return Ok(Reply { connecting, ..reply(response) }),
                    // The server had closed a resting connection; nothing was sent, so another one may carry it.
                    Err((_, Some(unsent))) if reused => request = *unsent,
                    Err((fault, _)) => return Err(fault),
                }
            }
        })
    }

    async fn open(&self, shelf: &Shelf, origin: &Origin, timers: Timers) -> Result<Found, TransportFault> {
        let line = self.connector.open(&origin.address(None), origin.profile.proxy.as_deref(), Offer::Any, timers.connect).await?;
        Ok(if line.is_h2 { Found::Shared(Self::share(shelf, line).await?) } else { Found::Lane(Lane::open(line).await?) })
    }

    async fn share(shelf: &Shelf, line: super::connect::Line) -> Result<http2::SendRequest<Body>, TransportFault> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20)).adaptive_window(true);
        let (sender, connection) = builder.handshake(line).await.map_err(|error| TransportFault::Connect(error.into()))?;
        #[expect(clippy::disallowed_methods, reason = "the connection ends with its last stream; nothing waits for it at shutdown")]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection ended");
            }
        });
        shelf.share(sender.clone());
        Ok(sender)
    }

    async fn open_socket(&self, request: UpstreamRequest) -> Result<Box<dyn Socket>, TransportFault> {
        let line = self.connector.open(&request.uri, request.profile.proxy.as_deref(), Offer::Http1, request.timers.connect).await?;
        socket::dial(TokioIo::new(line), request).await
    }
}

impl Default for HyperTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HyperTransport {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        match self.carry(request) {
            Ok(carrying) => Box::pin(carrying),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }

    fn dial(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>> {
        Box::pin(self.open_socket(request))
    }
}

/// HTTP/1.1 wants the path alone in the request line.
fn path_alone(mut request: Request<Body>) -> Request<Body> {
    let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    request
}

/// Sends a request on a shared connection. It comes back in the error where nothing of it was sent, which happens only where the
/// connection takes none any more.
async fn multiplexed(
    mut sender: http2::SendRequest<Body>,
    request: Request<Body>,
    timers: Timers,
) -> Result<Reply, (TransportFault, Option<Box<Request<Body>>>)> {
    let end = Instant::now() + timers.total;
    #[expect(clippy::disallowed_methods, reason = "the native runtime may use its own timers")]
    let response = tokio::time::timeout(timers.head, sender.try_send_request(request))
        .await
        .map_err(|_| (TransportFault::Timeout("response head"), None))?
        .map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            (unanswered(error.into_error()), unsent)
        })?;
    let idle_limit = timers.idle;
    let deadline = Deadline::of_body((Instant::now() + idle_limit).min(end), Alarm::default());
    Ok(reply(response.map(|incoming| Body::stream(Shared { incoming: Some(incoming), deadline, idle_limit, end }))))
}

/// Why there is no answer. A server that goes away names the last request that it began with, and one that refuses a stream has
/// not begun with it (RFC 9113, 6.8 and 8.7).
fn unanswered(error: hyper::Error) -> TransportFault {
    let told = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
    let is_unbegun = told.is_some_and(|told| {
        told.is_remote() && (told.is_go_away() || (told.is_reset() && told.reason() == Some(h2::Reason::REFUSED_STREAM)))
    });
    if is_unbegun { TransportFault::Unbegun(error.into()) } else { TransportFault::Broken(error.into()) }
}

fn reply(response: Response<Body>) -> Reply {
    let (parts, body) = response.into_parts();
    Reply::new(parts.status, parts.headers, body)
}

/// A body on a shared HTTP/2 connection. Dropping it resets its stream; the connection serves on.
struct Shared {
    /// Gone once it was silent for too long.
    incoming: Option<Incoming>,
    deadline: Deadline,
    idle_limit: Duration,
    end: Instant,
}

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.deadline.at = (Instant::now() + this.idle_limit).min(this.end);
                Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyFault::Broken(error.into()))))
            }
            Poll::Pending => this.deadline.poll(cx).map(|what| {
                this.incoming = None;
                Some(Err(BodyFault::Timeout(what)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use http::{Request, Response, Uri};
    use http_body_util::BodyExt as _;
    use hyper::{client::conn::http2, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::duplex;

    use super::{Body, BodyFault, Timers, multiplexed};

    /// A body that says one word and then nothing.
    struct Silent(bool);

    impl http_body::Body for Silent {
        type Data = bytes::Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
            if std::mem::replace(&mut self.0, false) {
                return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(bytes::Bytes::from_static(b"word")))));
            }
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the two ends of a connection are tasks of their own")]
    async fn an_answer_that_goes_silent_on_a_shared_connection_is_left() {
        let (ours, theirs) = duplex(64 * 1024);
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Silent(true))) });
        tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(theirs), service));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        let timers = Timers { idle: Duration::from_millis(20), ..Timers::default() };
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = Uri::from_static("http://upstream.test/");
        let reply = multiplexed(sender, request, timers).await.ok().unwrap();
        let mut body = reply.body;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "word");
        assert!(matches!(body.frame().await, Some(Err(BodyFault::Timeout("more of the answer")))));
        assert!(body.frame().await.is_none());
    }
}
