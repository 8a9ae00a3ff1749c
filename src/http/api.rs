//! The admin API: a table of routes and the dispatcher over it.
//!
//! Written over plain `http` types, so that every host can serve it. Deny by default: [`Asks`] says what a route asks for, and
//! what is not there is for administrators to see.

use std::{net::IpAddr, sync::LazyLock};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ALLOW, AUTHORIZATION},
};

use crate::{
    access::{Caller, identify},
    admin::{Admin, Control, Member, role::Access},
    pipeline::Engine,
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

use answer::{Answer, Refusal, render};
pub use asks::Asks;
pub use openapi::document;
use route::{Call, Handler, Route, Style};

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

/// Answers a request. `peer` is the client's address, trusted proxies already taken into account.
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
    let path = trimmed(head.uri.path());
    let found: Vec<(&Route, &str)> = route::find(tables(), path);
    let style = found.first().map_or(Style::Object, |(route, _)| route.style);
    let wanted = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let chosen = found.iter().find(|(route, _)| route.method == *wanted);
    let call = Call::new((chosen.map_or("", |(_, id)| id), head.uri.query(), &body), (&head.headers, peer), (control, engine));
    let asks = chosen.map_or_else(|| Asks::of_nothing(path), |(route, _)| Asks::of(&route.method, route.path));
    let answer = match identified(control, &head.headers, asks, peer) {
        Err(refusal) => Err(refusal),
        Ok(caller) => match chosen {
            Some((route, _)) => run(route, asks, caller.as_ref(), call).await,
            None if found.is_empty() => Err(Refusal::NoRoute(path.to_owned())),
            None => Err(Refusal::Method(found.iter().map(|(route, _)| route.method.clone()).collect())),
        },
    };
    let mut response = render(answer, style);
    if head.method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response
}

/// Proves who calls. What is not there is shown to administrators only.
fn identified(control: &Control, headers: &HeaderMap, asks: Asks, peer: Option<IpAddr>) -> Result<Option<Caller>, Refusal> {
    if asks == Asks::Nothing {
        return Ok(None);
    }
    let snapshot = control.snapshot().load();
    let caller = identify(snapshot.directory(), token(headers), control.now_ms(), peer).map_err(Refusal::Unauthenticated)?;
    match asks {
        Asks::Ruler if !caller.is_admin() => Err(Refusal::Role(caller.role())),
        Asks::Ruler | Asks::Nothing | Asks::Key | Asks::Role(..) => Ok(Some(caller)),
    }
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

/// The caller's key. It is never taken from the query, which ends up in logs.
fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| text("x-api-key"))
}

fn trimmed(path: &str) -> &str {
    if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path }
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
