//! From what a handler gives to a response: the one place of the API that knows status codes.

use std::marker::PhantomData;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{allow, route::Style};
use crate::{
    access::Unauthenticated,
    admin::{AdminFault, oidc::SignInFault, usage_csv::Export},
    runtime::BodyFault,
    store::record::Role,
};

/// What a handler gives. `A` says which shape it has.
pub(super) type Answer<A = ()> = Result<Reply<A>, Refusal>;

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply<A = ()> {
    content: Content,
    cookie: Option<HeaderValue>,
    shape: PhantomData<fn() -> A>,
}

#[derive(Debug)]
enum Content {
    Json(Vec<u8>),
    /// A table, and where its next page goes on.
    Csv(String, Option<String>),
    /// On to another address.
    Redirect(HeaderValue),
    Nothing,
}

impl<A> Reply<A> {
    fn of(content: Content) -> Self {
        Self { content, cookie: None, shape: PhantomData }
    }

    /// The same, whatever its shape.
    pub(super) fn plain(self) -> Reply {
        Reply { content: self.content, cookie: self.cookie, shape: PhantomData }
    }

    /// The same with a cookie.
    pub(super) fn carrying(self, cookie: Option<HeaderValue>) -> Self {
        Self { cookie, ..self }
    }
}

/// The shape of a good answer.
pub(super) enum Gives {
    /// A JSON value.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// A table.
    Csv,
    /// Another address, and a cookie.
    Redirect,
    /// Only that it is done.
    Nothing,
}

/// What a handler's answer is made of.
pub(super) trait Output {
    const GIVES: Gives;
}

/// A JSON value.
#[derive(Debug)]
pub(super) struct Json<T>(PhantomData<fn() -> T>);

impl<T: JsonSchema> Output for Json<T> {
    const GIVES: Gives = Gives::Json(SchemaGenerator::subschema_for::<T>);
}

/// A table.
#[derive(Debug)]
pub(super) struct Csv;

impl Output for Csv {
    const GIVES: Gives = Gives::Csv;
}

/// On to another address, with a cookie.
#[derive(Debug)]
pub(super) struct Redirect;

impl Output for Redirect {
    const GIVES: Gives = Gives::Redirect;
}

/// Only that it is done.
#[derive(Debug)]
pub(super) struct Done;

impl Output for Done {
    const GIVES: Gives = Gives::Nothing;
}

/// A refusal.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthenticated(Unauthenticated),
    /// The caller's role opens nothing here.
    Role(Role),
    NoRoute(String),
    Method(Vec<Method>),
    /// The body did not come whole.
    Body(BodyFault),
    Fault(AdminFault),
}

impl From<AdminFault> for Refusal {
    fn from(fault: AdminFault) -> Self {
        Self::Fault(fault)
    }
}

/// Answers with a value.
pub(super) fn json<T: Serialize>(value: &T) -> Answer<Json<T>> {
    let text = serde_json::to_vec(value);
    text.map(|text| Reply::of(Content::Json(text)))
        .map_err(|error| Refusal::Fault(AdminFault::Conflict(format!("the answer cannot be written: {error}"))))
}

/// Answers with a table.
pub(super) fn csv(export: Export) -> Reply<Csv> {
    Reply::of(Content::Csv(export.csv, export.next.map(|id| id.to_string())))
}

/// Answers with another address.
pub(super) fn redirect(location: &str) -> Answer<Redirect> {
    let location = HeaderValue::try_from(location);
    location
        .map(|location| Reply::of(Content::Redirect(location)))
        .map_err(|_| Refusal::Fault(AdminFault::Conflict("the address to go on to cannot be written in a header".to_owned())))
}

/// Answers that it is done.
pub(super) fn done((): ()) -> Reply<Done> {
    Reply::of(Content::Nothing)
}

/// Writes the response.
pub(super) fn render(answer: Answer, style: Style) -> Response<Bytes> {
    let (content, cookie) = answer.map_or_else(|refusal| (Err(refusal), None), |reply| (Ok(reply.content), reply.cookie));
    let mut response = match content {
        Ok(Content::Json(text)) => with_body(StatusCode::OK, text),
        Ok(Content::Csv(text, next)) => {
            let mut response = with_body(StatusCode::OK, text.into_bytes());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\""));
            if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
                headers.insert("x-gproxy-next-before", next);
            }
            response
        }
        Ok(Content::Redirect(location)) => {
            let mut response = empty(StatusCode::FOUND);
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Ok(Content::Nothing) => empty(StatusCode::NO_CONTENT),
        Err(refusal) => refuse(&refusal, style),
    };
    let headers = response.headers_mut();
    if let Some(cookie) = cookie {
        headers.insert(SET_COOKIE, cookie);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn with_body(status: StatusCode, text: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Why a call was refused.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    error: Complaint<'a>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Complaint<'a> {
    /// What was wrong, and what was expected.
    message: &'a str,
    /// The kind of refusal.
    r#type: &'a str,
    /// The member or parameter at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

/// Why a call of the first format was refused.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorText")]
pub(super) struct TextErrorBody {
    /// The member at fault, what was wrong, and what was expected.
    error: String,
}

fn refuse(refusal: &Refusal, style: Style) -> Response<Bytes> {
    let Told { status, kind, message, field, header } = tell(refusal);
    let field = field.filter(|field| !field.is_empty());
    let text = match style {
        Style::Object => serde_json::to_vec(&ErrorBody { error: Complaint { message: &message, r#type: kind, field } }),
        Style::Text => {
            let message = field.map_or_else(|| message.clone(), |field| format!("{field}: {message}"));
            serde_json::to_vec(&TextErrorBody { error: message })
        }
    };
    let mut response = with_body(status, text.unwrap_or_default());
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    response
}

struct Told<'a> {
    status: StatusCode,
    kind: &'static str,
    message: String,
    field: Option<&'a str>,
    header: Option<(HeaderName, HeaderValue)>,
}

fn tell(refusal: &Refusal) -> Told<'_> {
    let told = |status, kind, message: String| Told { status, kind, message, field: None, header: None };
    match refusal {
        Refusal::Unauthenticated(why) => Told {
            header: Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            ..told(StatusCode::UNAUTHORIZED, "authentication_error", unauthenticated(*why))
        },
        Refusal::Role(role) => {
            let message = format!("the key's user has the role {role}, which does not open this");
            told(StatusCode::FORBIDDEN, "permission_error", message)
        }
        Refusal::NoRoute(path) => told(StatusCode::NOT_FOUND, "not_found_error", format!("nothing is at {path}")),
        Refusal::Method(methods) => {
            let (name, value) = allow(methods);
            let message = format!("the method is not allowed here; expected {}", value.to_str().unwrap_or_default());
            Told { header: Some((name, value)), ..told(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message) }
        }
        Refusal::Body(fault) => {
            let (status, kind) = match fault {
                BodyFault::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
                BodyFault::Stalled { .. } => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
                BodyFault::Broken(_) | BodyFault::Timeout(_) => (StatusCode::BAD_REQUEST, "invalid_request_error"),
            };
            told(status, kind, format!("the request cannot be read: {fault}"))
        }
        Refusal::Fault(fault) => tell_fault(fault),
    }
}

fn unauthenticated(why: Unauthenticated) -> String {
    match why {
        // The admin API takes no key from a query.
        Unauthenticated::NoKey => "no API key was sent; expected one in the Authorization header (Bearer) or in x-api-key".into(),
        Unauthenticated::UnknownKey | Unauthenticated::Disabled | Unauthenticated::Expired | Unauthenticated::Elsewhere => why.to_string(),
    }
}

fn tell_fault(fault: &AdminFault) -> Told<'_> {
    let message = fault.to_string();
    let told = |status, kind| Told { status, kind, message, field: None, header: None };
    match fault {
        AdminFault::Invalid { field, .. } => Told { field: Some(field), ..told(StatusCode::BAD_REQUEST, "invalid_request_error") },
        AdminFault::Missing { .. } => told(StatusCode::NOT_FOUND, "not_found_error"),
        AdminFault::Forbidden(_) => told(StatusCode::FORBIDDEN, "permission_error"),
        AdminFault::Taken { .. } | AdminFault::Conflict(_) => told(StatusCode::CONFLICT, "conflict_error"),
        AdminFault::SignIn(fault) => tell_sign_in(fault),
        AdminFault::WrongLogin => told(StatusCode::UNAUTHORIZED, "authentication_error"),
        AdminFault::Throttled { retry_after } => {
            Told { header: Some((RETRY_AFTER, HeaderValue::from(*retry_after))), ..told(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error") }
        }
        AdminFault::Store(source) => {
            tracing::error!(error = %source, "the store failed an admin call");
            told(StatusCode::SERVICE_UNAVAILABLE, "api_error")
        }
    }
}

fn tell_sign_in(fault: &SignInFault) -> Told<'_> {
    let (status, kind) = match fault {
        SignInFault::NotSetUp => (StatusCode::NOT_FOUND, "not_found_error"),
        SignInFault::Stale => (StatusCode::BAD_REQUEST, "invalid_request_error"),
        SignInFault::Declined(_) | SignInFault::Rejected(_) => (StatusCode::UNAUTHORIZED, "authentication_error"),
        SignInFault::Stranger(_) => (StatusCode::FORBIDDEN, "permission_error"),
        SignInFault::Provider => (StatusCode::BAD_GATEWAY, "api_error"),
    };
    Told { status, kind, message: fault.to_string(), field: None, header: None }
}
