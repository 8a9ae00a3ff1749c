//! The data plane's entry: a request in, the answer's stream back.

use std::{any::Any, net::IpAddr, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response, Uri};

use super::reply;
use crate::{
    base::RequestId,
    pipeline::{Cues, Engine, GatewayError, Inbound, Outbound, execute, family_of},
    protocol::fault::FaultKind,
    runtime::Body,
};

/// Serves one call of a model, whatever comes of it.
pub async fn serve(engine: &Engine, request: Request<Body>, peer: Option<IpAddr>) -> Response<Body> {
    let cues = Cues::of(request.headers());
    answer(engine.clone(), arrive(engine, request, cues, peer)).await
}

/// Answers a call that has arrived. One that panics gets a 500; what it reserved is given back on the way, and everybody else
/// goes on.
pub async fn answer(engine: Engine, inbound: Box<Inbound>) -> Response<Body> {
    let (request_id, uri) = (inbound.request_id, inbound.uri.clone());
    let walked = AssertUnwindSafe(execute(&engine, inbound)).catch_unwind().await;
    match walked.unwrap_or_else(|panic| panicked(&engine, request_id, (&uri, &*panic))) {
        Outbound::Answer(answer) => {
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            reply::name(&mut response, request_id);
            response
        }
        Outbound::Refused(error, family) => reply::refuse(&error, family, request_id),
    }
}

fn panicked(engine: &Engine, request_id: RequestId, (uri, panic): (&Uri, &(dyn Any + Send))) -> Outbound {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
    engine.metrics.panics.inc();
    tracing::error!(%request_id, path = uri.path(), panic = words, "a call panicked; this is a bug of the gateway");
    let error = GatewayError::new(FaultKind::Internal, "the gateway failed on this call; its operator finds why in the log");
    Outbound::Refused(Box::new(error), family_of(uri.path(), &HeaderMap::new(), uri.query()))
}

/// Names a request on its arrival.
pub fn arrive(engine: &Engine, request: Request<Body>, cues: Cues, peer: Option<IpAddr>) -> Box<Inbound> {
    let (request_id, at_ms) = engine.request_id();
    let (parts, body) = request.into_parts();
    let arrived = engine.platform.clock.now();
    let http::request::Parts { method, uri, headers, .. } = parts;
    Box::new(Inbound { request_id, arrived, at_ms, method, uri, headers, cues, body, peer, memory: None })
}
