//! The yardstick: the least that a forwarder on hyper can do.
//!
//! It takes a request, sends it upstream over a pooled connection and streams
//! the answer back. No key, no parse, no record. `TCP_NODELAY` on both sides,
//! bodies pass as hyper hands them over, and one thread runs it all, since it
//! is measured on one core.

#![expect(clippy::disallowed_methods, reason = "a bench tool stands outside the runtime room")]

use std::{convert::Infallible, net::SocketAddr};

use clap::Parser;
use http::{
    Request, Response, StatusCode, Uri,
    header::CONNECTION,
    uri::{Authority, Scheme},
};
use http_body_util::{Either, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Host and port of the upstream.
    #[arg(long)]
    upstream: Authority,
}

type Pool = Client<HttpConnector, Incoming>;
type Answer = Response<Either<Incoming, Empty<Bytes>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind(options.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, pool.clone(), options.upstream.clone()));
    }
}

async fn serve(stream: TcpStream, pool: Pool, upstream: Authority) {
    let service = service_fn(|request| forward(request, &pool, &upstream));
    // A client that breaks off is no news to a yardstick.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

fn forward(mut request: Request<Incoming>, pool: &Pool, upstream: &Authority) -> impl Future<Output = Result<Answer, Infallible>> + use<> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.clone());
    let reply = Uri::from_parts(parts).map(|uri| {
        *request.uri_mut() = uri;
        request.headers_mut().remove(CONNECTION);
        pool.request(request)
    });
    async move {
        let Ok(reply) = reply else { return Ok(refusal(StatusCode::BAD_REQUEST)) };
        Ok(match reply.await {
            Ok(mut reply) => {
                reply.headers_mut().remove(CONNECTION);
                reply.map(Either::Left)
            }
            Err(_) => refusal(StatusCode::BAD_GATEWAY),
        })
    }
}

fn refusal(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = status;
    answer
}
