//! TLS and HTTP/2 in front of the provider: each stream is asked of it over HTTP/1.1, under a name by which its script can go away.
//!
//! What a script does to a connection becomes what HTTP/2 has for it: a broken answer is a reset of its stream.

use std::{io, net::SocketAddr, sync::Arc};

use http::{HeaderValue, Request, Response, Uri, Version, header::HOST, uri::PathAndQuery};
use hyper::{body::Incoming, client::conn::http1, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    certificate::Certificate,
    line::{Line, Lines, Stream, Tap},
    wire::STREAM,
};
use crate::runtime::Spawn;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Front {
    acceptor: TlsAcceptor,
    lines: Arc<Lines>,
    spawn: Arc<dyn Spawn>,
    provider: SocketAddr,
}

impl Front {
    /// In front of the provider at an address, with a certificate just made.
    ///
    /// # Errors
    /// No certificate can be made.
    pub(super) fn new(lines: Arc<Lines>, spawn: Arc<dyn Spawn>, provider: SocketAddr) -> io::Result<(Self, CertificateDer<'static>)> {
        let Certificate { der, key } = Certificate::make().map_err(|_| io::Error::other("no certificate can be made"))?;
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut config = config.with_no_client_auth().with_single_cert(vec![der.clone()], key).map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Self { acceptor: TlsAcceptor::from(Arc::new(config)), lines, spawn, provider }, der))
    }

    /// Serves whoever comes, as long as the runtime lives.
    pub(super) async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let front = self.clone();
                    self.spawn.spawn(Box::pin(async move {
                        if let Err(error) = front.connection(stream).await {
                            tracing::debug!(%error, "a secured connection to the provider ended badly");
                        }
                    }));
                }
                Err(error) => return tracing::warn!(%error, "the provider cannot accept secured connections any more"),
            }
        }
    }

    async fn connection(&self, stream: TcpStream) -> Result<(), Fault> {
        stream.set_nodelay(true)?;
        let mut socket = self.acceptor.accept(stream).await?;
        if socket.get_ref().1.alpn_protocol() != Some(b"h2") {
            let mut provider = TcpStream::connect(self.provider).await?;
            tokio::io::copy_bidirectional(&mut socket, &mut provider).await?;
            return Ok(());
        }
        let (reading, writing) = tokio::io::split(socket);
        let line = self.lines.open();
        let written = Arc::clone(&line);
        self.spawn.spawn(Box::pin(async move {
            if let Err(error) = written.write_to(writing).await {
                tracing::debug!(%error, "a secured connection to the provider cannot be written to");
            }
        }));
        let tap = Tap { socket: reading, line: Arc::clone(&line) };
        let service = service_fn(|request| self.ask(&line, request));
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tap), service).await?;
        Ok(())
    }

    fn ask(&self, line: &Arc<Line>, request: Request<Incoming>) -> impl Future<Output = Result<Response<Incoming>, Fault>> + use<> {
        let (stream, provider, spawn) = (line.stream(), self.provider, Arc::clone(&self.spawn));
        async move {
            if stream.is_refused() {
                // It came behind the last one.
                return std::future::pending().await;
            }
            let answer = forward(&stream, (provider, &*spawn), request).await;
            if stream.is_refused() {
                // Nothing more is said on a stream that was not begun with; the peer has let go of it.
                std::future::pending::<()>().await;
            }
            answer
        }
    }
}

/// Asks the provider over HTTP/1.1.
async fn forward(
    stream: &Stream,
    (provider, spawn): (SocketAddr, &dyn Spawn),
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Fault> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(provider).await?)).await?;
    spawn.spawn(Box::pin(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the provider broke off");
        }
    }));
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().insert(HOST, HeaderValue::from_static("lab"));
    request.headers_mut().insert(STREAM, HeaderValue::try_from(stream.name())?);
    let mut answer = sender.send_request(request).await?;
    *answer.version_mut() = Version::HTTP_2;
    Ok(answer)
}
