//! What a request's head tells: which route it asks for, what that wants of its caller, and whether the caller has it.

use std::net::IpAddr;

use http::{HeaderMap, Method, header::AUTHORIZATION};

use super::{
    answer::Refusal,
    asks::Asks,
    route::{self, Handler, Route, Style},
    tables,
};
use crate::{
    access::{Caller, identify},
    admin::{Admin, Control},
};

/// The largest body, in bytes.
const LARGEST: u64 = 10 << 20;
/// The largest of whoever need not have a key, in bytes: a name and a password are short.
const LARGEST_OF_STRANGERS: u64 = 16 << 10;

/// The way of a request to its route.
pub(super) struct Way<'a> {
    path: &'a str,
    /// The routes at its path, whatever their method, with what stands for `{id}`.
    found: Vec<(&'static Route, &'a str)>,
    chosen: Option<(&'static Route, &'a str)>,
    pub(super) asks: Asks,
}

impl<'a> Way<'a> {
    pub(super) fn of(method: &Method, path: &'a str) -> Self {
        let path = trimmed(path);
        let found = route::find(tables(), path);
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let chosen = found.iter().find(|(route, _)| route.method == *wanted).copied();
        let asks = chosen.map_or_else(|| Asks::of_nothing(path), |(route, _)| Asks::of(&route.method, route.path));
        Self { path, found, chosen, asks }
    }

    /// How errors are written there.
    pub(super) fn style(&self) -> Style {
        self.found.first().map_or(Style::Object, |(route, _)| route.style)
    }

    /// What stands for `{id}`.
    pub(super) fn id(&self) -> &'a str {
        self.chosen.map_or("", |(_, id)| id)
    }

    /// The largest body that is read there, in bytes.
    pub(super) fn limit(&self) -> u64 {
        if self.asks == Asks::Nothing { LARGEST_OF_STRANGERS } else { LARGEST }
    }

    /// The route, and who calls.
    pub(super) fn open(
        &self,
        control: &Control,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<(&'static Route, Option<Caller>), Refusal> {
        let caller = identified(control, headers, self.asks, peer)?;
        let Some((route, _)) = self.chosen else {
            let methods: Vec<Method> = self.found.iter().map(|(route, _)| route.method.clone()).collect();
            return Err(if methods.is_empty() { Refusal::NoRoute(self.path.to_owned()) } else { Refusal::Method(methods) });
        };
        if let (Handler::Admin(_), Asks::Role(area, access), Some(caller)) = (&route.handler, self.asks, &caller)
            && Admin::prove(control, (caller, peer), area, access).is_none()
        {
            return Err(Refusal::Role(caller.role()));
        }
        Ok((route, caller))
    }
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
