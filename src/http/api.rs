//! The admin API: a table of routes and the dispatcher over it.
//!
//! Written over plain `http` types, so that every host can serve it. Deny by default: whatever is not below `/user`
//! and is not `/login` is for administrators, also what is not there.

use std::net::IpAddr;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ALLOW, AUTHORIZATION},
};

use crate::{
    access::{Caller, identify},
    admin::{Admin, Control, Member},
};

mod alias;
mod alias_usage;
mod answer;
mod manage;
mod own;
mod plain;
mod query;
mod route;

use answer::{Answer, Refusal, render};
use route::{Call, Handler, Route, Style};

/// What a caller must be. The path alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Anybody.
    Public,
    /// Whoever has a key.
    User,
    /// An administrator.
    Admin,
}

impl Role {
    /// What a path asks for.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            "/login" => Self::Public,
            path if path == "/user" || path.starts_with("/user/") => Self::User,
            _ => Self::Admin,
        }
    }
}

/// Whether a path belongs to this API.
#[must_use]
pub fn owns(path: &str) -> bool {
    let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    under("/admin") || under("/user") || under("/login")
}

/// Every route: method, pattern, what it asks for. For documentation and for tests that walk all of them.
pub fn routes() -> impl Iterator<Item = (&'static Method, &'static str, Role)> {
    tables().map(|route| (&route.method, route.path, Role::of(route.path)))
}

fn tables() -> impl Iterator<Item = &'static Route> {
    manage::ROUTES.iter().chain(plain::routes()).chain(own::ROUTES).chain(alias::ROUTES)
}

/// Answers a request. `peer` is the client's address, trusted proxies already taken into account.
pub async fn serve(control: &Control, request: Request<Bytes>, peer: Option<IpAddr>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let path = trimmed(head.uri.path());
    let found: Vec<(&Route, &str)> = route::find(tables(), path);
    let style = found.first().map_or(Style::Object, |(route, _)| route.style);
    let wanted = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let chosen = found.iter().find(|(route, _)| route.method == *wanted);
    let call = Call { id: chosen.map_or("", |(_, id)| id), query: head.uri.query(), body: &body, peer, control };
    let answer = match authorize(control, &head.headers, path, peer) {
        Err(refusal) => Err(refusal),
        Ok(caller) => match chosen {
            Some((route, _)) => run(route, caller.as_ref(), call).await,
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

/// Proves who calls, and that the path is open to them.
fn authorize(control: &Control, headers: &HeaderMap, path: &str, peer: Option<IpAddr>) -> Result<Option<Caller>, Refusal> {
    let role = Role::of(path);
    if role == Role::Public {
        return Ok(None);
    }
    let snapshot = control.snapshot().load();
    let caller = identify(snapshot.directory(), token(headers), control.now_ms(), peer).map_err(Refusal::Unauthenticated)?;
    match role {
        Role::Admin if !caller.is_admin() => Err(Refusal::NotAdmin),
        Role::Admin | Role::User | Role::Public => Ok(Some(caller)),
    }
}

async fn run(route: &Route, caller: Option<&Caller>, call: Call<'_>) -> Answer {
    let control = call.control;
    match (&route.handler, caller) {
        (Handler::Public(handler), _) => handler(call).await,
        (Handler::Member(handler), Some(caller)) => handler(Member::prove(control, caller), call).await,
        (Handler::Admin(handler), Some(caller)) => handler(Admin::prove(control, caller).ok_or(Refusal::NotAdmin)?, call).await,
        (Handler::Member(_) | Handler::Admin(_), None) => Err(Refusal::NotAdmin),
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
