//! One row of the table, and how a path finds it.

use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use crate::{
    admin::{Admin, AdminFault, Control, Member, input},
    runtime::BoxFuture,
};

/// How a route writes its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `{"error":{"message":...}}`
    Object,
    /// `{"error":"..."}`, as the first format has it.
    Text,
}

/// What a route does. The variant is the proof that it asks for.
pub(super) enum Handler {
    Public(for<'a> fn(Call<'a>) -> BoxFuture<'a, Answer>),
    Member(for<'a> fn(Member<'a>, Call<'a>) -> BoxFuture<'a, Answer>),
    Admin(for<'a> fn(Admin<'a>, Call<'a>) -> BoxFuture<'a, Answer>),
}

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) style: Style,
    pub(super) handler: Handler,
}

impl Route {
    pub(super) const fn admin(
        method: Method,
        path: &'static str,
        handler: for<'a> fn(Admin<'a>, Call<'a>) -> BoxFuture<'a, Answer>,
    ) -> Self {
        Self { method, path, style: Style::Object, handler: Handler::Admin(handler) }
    }

    pub(super) const fn member(
        method: Method,
        path: &'static str,
        handler: for<'a> fn(Member<'a>, Call<'a>) -> BoxFuture<'a, Answer>,
    ) -> Self {
        Self { method, path, style: Style::Object, handler: Handler::Member(handler) }
    }

    pub(super) const fn public(method: Method, path: &'static str, handler: for<'a> fn(Call<'a>) -> BoxFuture<'a, Answer>) -> Self {
        Self { method, path, style: Style::Object, handler: Handler::Public(handler) }
    }

    /// A route of the first format: always a POST.
    pub(super) const fn alias(path: &'static str, handler: for<'a> fn(Admin<'a>, Call<'a>) -> BoxFuture<'a, Answer>) -> Self {
        Self { method: Method::POST, path, style: Style::Text, handler: Handler::Admin(handler) }
    }

    /// A route of the first format on what is the caller's own.
    pub(super) const fn own_alias(path: &'static str, handler: for<'a> fn(Member<'a>, Call<'a>) -> BoxFuture<'a, Answer>) -> Self {
        Self { method: Method::POST, path, style: Style::Text, handler: Handler::Member(handler) }
    }
}

/// What a handler gets.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// What stood for `{id}` in the path.
    pub(super) id: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) body: &'a Bytes,
    pub(super) peer: Option<IpAddr>,
    pub(super) control: &'a Control,
}

impl Call<'_> {
    /// The `{id}` of the path.
    pub(super) fn number(&self, what: &'static str) -> Result<i64, AdminFault> {
        self.id.parse().map_err(|_| AdminFault::missing(what, self.id))
    }

    /// The body.
    pub(super) fn input<T: DeserializeOwned>(&self) -> Result<T, AdminFault> {
        input::parse(self.body)
    }
}

/// The routes whose pattern fits best, with what stood for `{id}`. A literal segment fits better than a parameter.
pub(super) fn find<'p>(table: impl Iterator<Item = &'static Route>, path: &'p str) -> Vec<(&'static Route, &'p str)> {
    let mut best: Vec<(&'static Route, &'p str)> = Vec::new();
    let mut fewest = usize::MAX;
    for route in table {
        let Some((id, parameters)) = fit(route.path, path) else { continue };
        if parameters < fewest {
            best.clear();
            fewest = parameters;
        }
        if parameters == fewest {
            best.push((route, id));
        }
    }
    best
}

fn fit<'p>(pattern: &str, path: &'p str) -> Option<(&'p str, usize)> {
    let (mut id, mut parameters) = ("", 0);
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected == "{id}" && !segment.is_empty() {
            id = segment;
            parameters += 1;
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some((id, parameters))
}
