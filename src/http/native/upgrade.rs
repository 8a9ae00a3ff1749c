//! From a request for a WebSocket to the socket.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use crate::{
    http::{data, reply},
    pipeline::{Cues, Engine, GatewayError, Outbound, family_of, socket},
    protocol::fault::FaultKind,
    runtime::{Body, native::socket as ws},
};

/// Whether a request wants a WebSocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Admits the session first, and only then says 101.
pub(super) async fn serve(engine: &Engine, mut request: Request<Incoming>, cues: Cues, client: IpAddr) -> Response<Body> {
    let family = family_of(request.uri().path(), request.headers(), request.uri().query());
    let accept = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| ws::accept_key(key.as_bytes()));
    let upgrading = hyper::upgrade::on(&mut request);
    let inbound = data::arrive(engine, request.map(|_| Body::Empty), cues, Some(client));
    let request_id = inbound.request_id;
    let Some(accept) = accept.and_then(|accept| HeaderValue::from_str(&accept).ok()) else {
        let error = GatewayError::new(FaultKind::BadRequest, "a WebSocket handshake needs the header sec-websocket-key");
        return reply::refuse(&error, family, request_id);
    };
    let session = match socket::open(engine, inbound).await {
        Ok(session) => session,
        Err(Outbound::Refused(error, family)) => return reply::refuse(&error, family, request_id),
        Err(Outbound::Answer(answer)) => {
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            return response;
        }
    };
    let engine_for_task = engine.clone();
    engine.platform.spawn.spawn(Box::pin(async move {
        match upgrading.await {
            Ok(upgraded) => session.run(&engine_for_task, ws::accepted(TokioIo::new(upgraded)).await).await,
            Err(error) => tracing::debug!(%error, "a client left during the handshake"),
        }
    }));
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    reply::name(&mut response, request_id);
    response
}
