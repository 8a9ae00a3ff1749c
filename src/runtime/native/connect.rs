//! Opens connections: straight or through a proxy, plain or with TLS.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use base64::Engine as _;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{
    Connection, HttpConnector,
    proxy::{SocksV5, Tunnel},
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tower_service::Service;

use super::burst::{Bursts, Gathering};
use crate::runtime::{BoxFuture, TransportFault};

/// A connection of any make.
pub(super) trait Io: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Io for T {}

/// An open connection and the protocol that both sides settled on.
pub(super) struct Line {
    pub(super) io: Box<dyn Io>,
    pub(super) is_h2: bool,
}

/// Which protocols to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// HTTP/2, else HTTP/1.1.
    Any,
    /// HTTP/1.1 only, for WebSockets.
    Http1,
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    bursts: Bursts,
}

impl Connector {
    pub(super) fn new() -> Self {
        Self::with(client_config(&[]))
    }

    /// Trusts one more certificate.
    pub(super) fn trusting(certificate: &[u8]) -> Self {
        Self::with(client_config(&[certificate.to_vec().into()]))
    }

    fn with(mut any: ClientConfig) -> Self {
        let http1 = any.clone();
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { any: Arc::new(any), http1: Arc::new(http1), bursts: Bursts::here() }
    }

    /// Opens a connection to the host of `uri`, through `proxy` where there is one.
    pub(super) async fn open(&self, uri: &Uri, proxy: Option<&str>, offer: Offer, limit: Duration) -> Result<Line, TransportFault> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_mins(1)));
        http.set_connect_timeout(Some(limit));
        let http = Dialer { http, bursts: self.bursts.clone() };
        let tls = match offer {
            Offer::Any => &self.any,
            Offer::Http1 => &self.http1,
        };
        let opening = async {
            let Some(proxy) = proxy else { return reach(HttpsConnector::from((http, Arc::clone(tls))), uri).await };
            let proxy = Proxy::parse(proxy)?;
            match proxy.scheme.as_str() {
                "socks5" | "socks5h" => {
                    let mut socks = SocksV5::new(proxy.address.clone(), http).local_dns(proxy.scheme == "socks5");
                    if let Some((user, password)) = proxy.login {
                        socks = socks.with_auth(user, password);
                    }
                    reach(HttpsConnector::from((socks, Arc::clone(tls))), uri).await
                }
                "http" => reach(HttpsConnector::from((proxy.tunnel(http)?, Arc::clone(tls))), uri).await,
                "https" => {
                    let secured = HttpsConnector::from((http, Arc::clone(&self.http1)));
                    reach(HttpsConnector::from((proxy.tunnel(secured)?, Arc::clone(tls))), uri).await
                }
                other => Err(TransportFault::Unusable(format!("proxy scheme {other:?}; expected http, https or socks5"))),
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the native runtime may use its own timers")]
        tokio::time::timeout(limit, opening).await.map_err(|_| TransportFault::Timeout("connection"))?
    }
}

/// Opens connections that write in bursts.
#[derive(Clone)]
struct Dialer {
    http: HttpConnector,
    bursts: Bursts,
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Gathering>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (dialing, bursts) = (self.http.call(uri), self.bursts.clone());
        Box::pin(async move { Ok(TokioIo::new(bursts.join(dialing.await?.into_inner()))) })
    }
}

/// Calls a connector.
async fn reach<C>(mut connector: C, uri: &Uri) -> Result<Line, TransportFault>
where
    C: Service<Uri>,
    C::Response: Io + Connection + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    std::future::poll_fn(|cx| connector.poll_ready(cx)).await.map_err(|error| TransportFault::Connect(error.into()))?;
    let io = connector.call(uri.clone()).await.map_err(|error| TransportFault::Connect(error.into()))?;
    let is_h2 = io.connected().is_negotiated_h2();
    Ok(Line { io: Box::new(io), is_h2 })
}

/// The system's roots; where it has none (a bare container), Mozilla's. And some more.
fn client_config(more: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(more.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    #[expect(clippy::expect_used, reason = "ring supports both protocol versions that rustls knows")]
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// A proxy's address, taken apart.
struct Proxy {
    scheme: String,
    address: Uri,
    login: Option<(String, String)>,
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, TransportFault> {
        let unusable = || TransportFault::Unusable("the proxy address is not scheme://[user:password@]host[:port]".into());
        let uri: Uri = text.parse().map_err(|_| unusable())?;
        let scheme = uri.scheme_str().ok_or_else(unusable)?.to_owned();
        let authority = uri.authority().ok_or_else(unusable)?.as_str();
        let (login, host) = match authority.rsplit_once('@') {
            None => (None, authority),
            Some((login, host)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
                (Some((plain(user), plain(password))), host)
            }
        };
        let carrier = if scheme == "https" { "https" } else { "http" };
        let port = if uri.port().is_some() {
            ""
        } else if scheme.starts_with("socks") {
            ":1080"
        } else {
            ""
        };
        let address = format!("{carrier}://{host}{port}").parse().map_err(|_| unusable())?;
        Ok(Self { scheme, address, login })
    }

    fn tunnel<C>(self, inner: C) -> Result<Tunnel<C>, TransportFault> {
        let tunnel = Tunnel::new(self.address, inner);
        let Some((user, password)) = self.login else { return Ok(tunnel) };
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let basic = HeaderValue::from_str(&format!("Basic {basic}")).map_err(|error| TransportFault::Unusable(error.to_string()))?;
        Ok(tunnel.with_auth(basic))
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
