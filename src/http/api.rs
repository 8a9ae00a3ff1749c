//! The admin API: a table of routes and the dispatcher over it.
//!
//! Written over plain `http` types, so that every host can serve it. Deny by default: [`Asks`] says what a route asks for, and
//! what is not there is for administrators to see.

use std::{net::IpAddr, sync::LazyLock};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ALLOW, CONNECTION},
};

use crate::{
    access::Caller,
    admin::{Admin, Control, Member, role::Access},
    pipeline::{Engine, read_away},
    runtime::Body,
    store::record::Role,
};

mod alias;
mod alias_usage;
mod answer;
mod asks;
mod batch;
pub mod explain;
mod manage;
mod oidc;
mod openapi;
mod own;
mod plain;
mod query;
mod route;
mod way;

use answer::{Answer, Refusal, render};
pub use asks::Asks;
pub use openapi::document;
use route::{Call, Handler, Route};
use way::Way;

/// Whether a path belongs to this API.
#[must_use]
pub fn owns(path: &str) -> bool {
    let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    under("/admin") || under("/user") || under("/login")
}

/// Every route: method, pattern, what it asks for. For documentation and for tests that walk all of them.
pub fn routes() -> impl Iterator<Item = (&'static Method, &'static str, Asks)> {
    tables().map(|route| (&route.method, route.path, Asks::of(&route.method, route.path)))
}

/// All of them, made at the first call.
static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let rows = manage::routes().chain(plain::routes());
    let rows = rows.chain(oidc::routes()).chain(explain::routes()).chain(batch::routes());
    rows.chain(own::routes()).chain(alias::routes()).chain([openapi::route()]).collect()
});

fn tables() -> impl Iterator<Item = &'static Route> {
    TABLE.iter()
}

/// Answers a request whose body is still to come. `peer` is the client's address, trusted proxies already taken into account.
///
/// Whoever may not call is refused by the head alone: strangers cannot make us read theirs.
pub async fn receive((control, engine): (&Control, &Engine), request: Request<Body>, peer: Option<IpAddr>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let way = Way::of(&head.method, head.uri.path());
    let (refusal, goes_on) = match way.open(control, &head.headers, peer) {
        Err(refusal) => (refusal, read_away(engine, body).await),
        Ok(_) => match body.collect(way.limit()).await {
            Ok(body) => return serve_beside((control, Some(engine)), Request::from_parts(head, body), peer).await.map(Body::from),
            Err(fault) => (Refusal::Body(fault), false),
        },
    };
    let mut response = written(Err(refusal), &way, &head.method);
    if !goes_on {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(Body::from)
}

/// Answers a request.
pub async fn serve(control: &Control, request: Request<Bytes>, peer: Option<IpAddr>) -> Response<Bytes> {
    serve_beside((control, None), request, peer).await
}

/// The same beside the engine that serves calls, which can tell what would become of one.
pub async fn serve_beside(
    (control, engine): (&Control, Option<&Engine>),
    request: Request<Bytes>,
    peer: Option<IpAddr>,
) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let way = Way::of(&head.method, head.uri.path());
    let call = Call::new((way.id(), head.uri.query(), &body), (&head.headers, peer), (control, engine));
    let answer = match way.open(control, &head.headers, peer) {
        Err(refusal) => Err(refusal),
        Ok((route, caller)) => run(route, way.asks, caller.as_ref(), call).await,
    };
    written(answer, &way, &head.method)
}

fn written(answer: Answer, way: &Way<'_>, method: &Method) -> Response<Bytes> {
    let mut response = render(answer, way.style());
    if *method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response
}

async fn run(route: &Route, asks: Asks, caller: Option<&Caller>, call: Call<'_>) -> Answer {
    let (control, peer) = (call.control, call.peer);
    match (&route.handler, asks, caller) {
        (Handler::Public(handler), _, _) => handler(call).await,
        (Handler::Member(handler), _, Some(caller)) => handler(Member::prove(control, caller, peer), call).await,
        (Handler::Admin(handler), Asks::Role(area, access), Some(caller)) => {
            let admin = Admin::prove(control, (caller, peer), area, access).ok_or_else(|| Refusal::Role(caller.role()))?;
            let _changing = match access {
                Access::Read => None,
                Access::Change => Some(control.changing().await),
            };
            handler(admin, call).await
        }
        (Handler::Member(_) | Handler::Admin(_), _, caller) => Err(Refusal::Role(caller.map_or(Role::Member, Caller::role))),
    }
}

fn allow(methods: &[Method]) -> (http::HeaderName, HeaderValue) {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    (ALLOW, HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("GET")))
}

#[cfg(test)]
mod tests;
