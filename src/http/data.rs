//! The data plane's entry: a request in, the answer's stream back.

use std::net::IpAddr;

use http::{Request, Response};

use super::reply;
use crate::{
    pipeline::{Engine, Inbound, Outbound, execute},
    runtime::Body,
};

/// Serves one call of a model, whatever comes of it.
pub async fn serve(engine: &Engine, request: Request<Body>, peer: Option<IpAddr>) -> Response<Body> {
    answer(engine.clone(), arrive(engine, request, peer)).await
}

/// Answers a call that has arrived.
pub async fn answer(engine: Engine, inbound: Box<Inbound>) -> Response<Body> {
    let request_id = inbound.request_id;
    match execute(&engine, inbound).await {
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

/// Names a request on its arrival.
pub fn arrive(engine: &Engine, request: Request<Body>, peer: Option<IpAddr>) -> Box<Inbound> {
    let (request_id, at_ms) = engine.request_id();
    let (parts, body) = request.into_parts();
    let arrived = engine.platform.clock.now();
    Box::new(Inbound { request_id, arrived, at_ms, method: parts.method, uri: parts.uri, headers: parts.headers, body, peer, memory: None })
}
