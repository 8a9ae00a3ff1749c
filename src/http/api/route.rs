//! One row of the table, and how a path finds it.

use std::{borrow::Cow, marker::PhantomData, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::{
    answer::{Answer, Done, Gives, Output, Reply},
    query::{self, Question},
};
use crate::{
    admin::{Admin, AdminFault, Control, Member, input},
    pipeline::Engine,
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

type PublicHandler = dyn for<'a> Fn(Call<'a>) -> BoxFuture<'a, Answer> + Send + Sync;
type MemberHandler = dyn for<'a> Fn(Member<'a>, Call<'a>) -> BoxFuture<'a, Answer> + Send + Sync;
type AdminHandler = dyn for<'a> Fn(Admin<'a>, Call<'a>) -> BoxFuture<'a, Answer> + Send + Sync;

/// What a route does. The variant is the proof that it asks for.
pub(super) enum Handler {
    Public(Box<PublicHandler>),
    Member(Box<MemberHandler>),
    Admin(Box<AdminHandler>),
}

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What it is for, a few words.
    pub(super) summary: Cow<'static, str>,
    pub(super) style: Style,
    pub(super) handler: Handler,
    pub(super) shape: Shape,
}

/// What a route takes and gives, as its handler's types say.
pub(super) struct Shape {
    /// What stands for `{id}`.
    pub(super) key: fn(&mut SchemaGenerator) -> Schema,
    pub(super) takes: Takes,
    pub(super) gives: Gives,
}

/// What comes with a call.
pub(super) enum Takes {
    /// Nothing but the path.
    Nothing,
    /// Parameters of the query: the members of this object.
    Query(fn(&mut SchemaGenerator) -> Schema),
    /// A JSON body.
    Body(fn(&mut SchemaGenerator) -> Schema),
}

/// What a call brings besides its path.
pub(super) trait Input {
    const TAKES: Takes;

    /// Refuses a query that nobody reads.
    fn admits(query: Option<&str>) -> Result<(), AdminFault> {
        query::none(query)
    }
}

impl Input for () {
    const TAKES: Takes = Takes::Nothing;
}

/// A question in the query.
pub(super) struct Query<Q>(PhantomData<fn() -> Q>);

impl<Q: Question> Input for Query<Q> {
    const TAKES: Takes = Takes::Query(Q::json_schema);

    fn admits(_: Option<&str>) -> Result<(), AdminFault> {
        Ok(())
    }
}

/// A value in the body.
pub(super) struct Body<I>(PhantomData<fn() -> I>);

impl<I: DeserializeOwned + JsonSchema> Input for Body<I> {
    const TAKES: Takes = Takes::Body(SchemaGenerator::subschema_for::<I>);
}

/// Declares how a route of one kind of caller is made, by method.
macro_rules! verbs {
    ($(#[$doc:meta])* $module:ident, $proof:ident) => {
        $(#[$doc])*
        pub(super) mod $module {
            use std::borrow::Cow;

            use http::Method;
            use schemars::JsonSchema;
            use serde::de::DeserializeOwned;

            use super::{Answer, Body, Call, Done, Handler, Input, Output, Query, Question, Reply, Route};
            use crate::{admin::$proof, runtime::BoxFuture};

            fn route<I: Input + 'static, A: Output + 'static>(
                method: Method,
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, I>) -> BoxFuture<'a, Answer<A>>,
            ) -> Route {
                let handler = Handler::$proof(Box::new(move |proof, call| {
                    Box::pin(async move {
                        I::admits(call.query)?;
                        handler(proof, call.bringing()).await.map(Reply::plain)
                    })
                }));
                Route::of::<I, A>((method, path), summary, handler)
            }

            /// Shows something.
            pub(in super::super) fn get<A: Output + 'static>(
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, ()>) -> BoxFuture<'a, Answer<A>>,
            ) -> Route {
                route(Method::GET, path, summary, handler)
            }

            /// Shows what a question in the query asks for.
            pub(in super::super) fn ask<Q: Question + 'static, A: Output + 'static>(
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, Query<Q>>) -> BoxFuture<'a, Answer<A>>,
            ) -> Route {
                route(Method::GET, path, summary, handler)
            }

            /// Makes or changes something, or does it.
            pub(in super::super) fn post<I: DeserializeOwned + JsonSchema + 'static, A: Output + 'static>(
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, Body<I>>) -> BoxFuture<'a, Answer<A>>,
            ) -> Route {
                route(Method::POST, path, summary, handler)
            }

            /// Changes something.
            pub(in super::super) fn patch<I: DeserializeOwned + JsonSchema + 'static, A: Output + 'static>(
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, Body<I>>) -> BoxFuture<'a, Answer<A>>,
            ) -> Route {
                route(Method::PATCH, path, summary, handler)
            }

            /// Takes something away.
            pub(in super::super) fn delete(
                path: &'static str,
                summary: impl Into<Cow<'static, str>>,
                handler: for<'a> fn($proof<'a>, Call<'a, ()>) -> BoxFuture<'a, Answer<Done>>,
            ) -> Route {
                route(Method::DELETE, path, summary, handler)
            }
        }
    };
}

verbs! {
    /// Routes of those whose role opens them.
    admin, Admin
}

verbs! {
    /// Routes on what is the caller's own.
    member, Member
}

impl Route {
    fn of<I: Input, A: Output>((method, path): (Method, &'static str), summary: impl Into<Cow<'static, str>>, handler: Handler) -> Self {
        let shape = Shape { key: SchemaGenerator::subschema_for::<i64>, takes: I::TAKES, gives: A::GIVES };
        Self { method, path, summary: summary.into(), style: Style::Object, handler, shape }
    }

    /// A route that asks nothing of its caller.
    pub(super) fn public<I: DeserializeOwned + JsonSchema + 'static, A: Output + 'static>(
        path: &'static str,
        summary: impl Into<Cow<'static, str>>,
        handler: for<'a> fn(Call<'a, Body<I>>) -> BoxFuture<'a, Answer<A>>,
    ) -> Self {
        Self::for_all(Method::POST, path, summary, handler)
    }

    /// A page that a browser visits, and that asks nothing of its caller.
    pub(super) fn open<I: Input + 'static, A: Output + 'static>(
        path: &'static str,
        summary: impl Into<Cow<'static, str>>,
        handler: for<'a> fn(Call<'a, I>) -> BoxFuture<'a, Answer<A>>,
    ) -> Self {
        Self::for_all(Method::GET, path, summary, handler)
    }

    fn for_all<I: Input + 'static, A: Output + 'static>(
        method: Method,
        path: &'static str,
        summary: impl Into<Cow<'static, str>>,
        handler: for<'a> fn(Call<'a, I>) -> BoxFuture<'a, Answer<A>>,
    ) -> Self {
        let handler = Handler::Public(Box::new(move |call| {
            Box::pin(async move {
                I::admits(call.query)?;
                handler(call.bringing()).await.map(Reply::plain)
            })
        }));
        Self::of::<I, A>((method, path), summary, handler)
    }

    /// The same, whose `{id}` is another one than a row's.
    pub(super) fn keyed<K: JsonSchema>(mut self) -> Self {
        self.shape.key = SchemaGenerator::subschema_for::<K>;
        self
    }

    /// The same, as a route of the first format.
    pub(super) fn first_format(self) -> Self {
        Self { style: Style::Text, ..self }
    }
}

/// What a handler gets. `I` says what the call brings.
pub(super) struct Call<'a, I = ()> {
    /// What stood for `{id}` in the path.
    pub(super) id: &'a str,
    query: Option<&'a str>,
    body: &'a Bytes,
    /// The headers, in which a browser's cookies are.
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: Option<IpAddr>,
    pub(super) control: &'a Control,
    /// What serves calls, where something does.
    pub(super) engine: Option<&'a Engine>,
    brings: PhantomData<fn() -> I>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        (id, query, body): (&'a str, Option<&'a str>, &'a Bytes),
        (headers, peer): (&'a HeaderMap, Option<IpAddr>),
        (control, engine): (&'a Control, Option<&'a Engine>),
    ) -> Self {
        Self { id, query, body, headers, peer, control, engine, brings: PhantomData }
    }

    /// The same, as its handler reads it.
    fn bringing<I>(self) -> Call<'a, I> {
        let Self { id, query, body, headers, peer, control, engine, brings: _ } = self;
        Call { id, query, body, headers, peer, control, engine, brings: PhantomData }
    }
}

impl<I> Call<'_, I> {
    /// The `{id}` of the path.
    pub(super) fn number(&self, what: &'static str) -> Result<i64, AdminFault> {
        self.id.parse().map_err(|_| AdminFault::missing(what, self.id))
    }
}

impl<I: DeserializeOwned> Call<'_, Body<I>> {
    /// The body.
    pub(super) fn input(&self) -> Result<I, AdminFault> {
        input::parse(self.body)
    }
}

impl<Q: Question> Call<'_, Query<Q>> {
    /// The query.
    pub(super) fn question(&self) -> Result<Q, AdminFault> {
        Q::read(self.query)
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
