//! What the call is about: its body read and looked at, its model, whom it may go to.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;

use super::{
    authenticate::Authenticated,
    cues::Cue,
    error::GatewayError,
    form,
    kept::Draft,
    offer,
    opened::OnBlock,
    target::{self, Target, Targets, Wanted},
};
use crate::{
    access::Caller,
    base::RouteId,
    protocol::{
        Operation, OperationKey, OperationKind,
        catalog::{BodyShape, CatalogRow, ModelPosition, StreamSwitch},
        fault::FaultKind,
        peek::{Peek, string},
        segment,
        splice::Document,
    },
    route::{Cause, OnStreamFault, Policy, RouteAffinity},
    runtime::{Body, Timers},
    snapshot::Snapshot,
    transform::compact,
};

/// A call whose model and shape are known, and whom it may go to.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) call: Authenticated,
    /// What the client asks.
    pub(super) key: OperationKey,
    /// Whether the client wants a stream.
    pub(super) streams: bool,
    /// The model as the client named it.
    pub(super) named: Option<String>,
    /// The route that the client named, by which it is permitted and limited too.
    pub(super) route: Option<std::sync::Arc<str>>,
    /// That route's row.
    pub(super) route_id: Option<RouteId>,
    /// Whom it may go to, in order; at least one, but for a call that is served [`here`](Self::here).
    pub(super) targets: Vec<Target>,
    /// How long each of them may take.
    pub(super) timers: Timers,
    /// What becomes of a stream that one of them breaks off.
    pub(super) on_stream_fault: OnStreamFault,
    /// What stays with one of them.
    pub(super) affinity: Option<RouteAffinity>,
    /// What becomes of an answer that says nothing but that it was blocked.
    pub(super) on_block: OnBlock,
    pub(super) content: Content,
    /// Bytes of the prompt, for estimates.
    pub(super) prompt_bytes: u64,
    /// What is to be kept of its answer, where the gateway keeps it.
    pub(super) draft: Option<Box<Draft>>,
    /// What the client has of the answer already, where the provider is asked to go on from it.
    pub(super) goes_on_from: Option<String>,
}

impl Resolved {
    /// A call that the gateway serves without a provider, with its body unread. Limits know it by the name in its path, if any.
    pub(super) fn here(call: Authenticated) -> Self {
        let key = call.call.row.key(false);
        let route = call.call.scope.as_deref().unwrap_or_default().into();
        let Policy { timers, on_stream_fault, affinity, .. } = Policy::default();
        Self {
            call,
            key,
            streams: false,
            named: None,
            route: Some(route),
            route_id: None,
            targets: Vec::new(),
            timers,
            on_stream_fault,
            affinity,
            on_block: OnBlock::Passes,
            content: Content::Empty,
            prompt_bytes: 0,
            draft: None,
            goes_on_from: None,
        }
    }

    /// Whether the gateway answers by itself.
    pub(super) fn is_local(&self) -> bool {
        self.targets.first().is_some_and(|target| target.is_local)
    }
}

/// The client's body.
#[derive(Debug)]
pub(super) enum Content {
    Empty,
    Json(Document),
    /// A form, and where the model stands in it.
    Form {
        body: Bytes,
        model: Option<Range<usize>>,
    },
    /// A voice session's offer, and where its settings name a model, as a JSON string.
    Offer {
        body: Bytes,
        model: Option<Range<usize>>,
    },
    /// Bytes that pass unread.
    Unread(Body),
}

impl Content {
    /// Whether it can be sent a second time.
    pub(super) fn is_in_hand(&self) -> bool {
        !matches!(self, Self::Unread(_))
    }

    /// The JSON body, where it is one.
    pub(super) fn json(&self) -> Option<&Document> {
        match self {
            Self::Json(document) => Some(document),
            Self::Empty | Self::Form { .. } | Self::Offer { .. } | Self::Unread(_) => None,
        }
    }
}

/// Reads the body as far as the call's row wants it read, and finds model and provider.
///
/// # Errors
/// A body that is too large or no JSON, a missing or unknown model, one that leads elsewhere in a path, an unknown provider, an
/// operation that the provider does not serve.
pub(super) async fn resolve(mut call: Authenticated, snapshot: &Snapshot, limit: u64) -> Result<Box<Resolved>, (Caller, GatewayError)> {
    let inbound = &mut call.call.inbound;
    let body = std::mem::take(&mut inbound.body);
    let looked = match &call.call.row.body {
        BodyShape::Json | BodyShape::Form | BodyShape::Offer if inbound.cues.has(Cue::Coding) && coding(&inbound.headers).is_some() => {
            Err(coded(&inbound.headers, body).await)
        }
        BodyShape::Json | BodyShape::Form | BodyShape::Offer | BodyShape::Empty | BodyShape::Opaque => {
            look(call.call.row, body, &inbound.headers, limit).await
        }
    };
    match looked.and_then(|looked| place(&call, &looked, snapshot).map(|at| (looked, at))) {
        Ok((Looked { content, .. }, Placed { wanted, named, targets })) => {
            let prompt_bytes = match &content {
                Content::Json(document) => document.body().len() as u64,
                Content::Form { body, .. } => body.len() as u64,
                Content::Empty | Content::Offer { .. } | Content::Unread(_) => 0,
            };
            let Targets { list, route, route_id, policy } = targets;
            let Policy { timers, on_stream_fault, affinity, fallback } = policy;
            let Wanted { key, streams } = wanted;
            Ok(Box::new(Resolved {
                call,
                key,
                streams,
                named,
                route,
                route_id,
                targets: list,
                timers,
                on_stream_fault,
                affinity,
                on_block: if fallback.has(Cause::ContentPolicy) { OnBlock::Declined } else { OnBlock::Passes },
                content,
                prompt_bytes,
                draft: None,
                goes_on_from: None,
            }))
        }
        Err(error) => Err((call.caller, error)),
    }
}

/// The coding that a body is in, where it is in one.
pub(super) fn coding(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(CONTENT_ENCODING).filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// How much of a coded body is read away, in bytes, so that its connection can go on.
const CODED: u64 = 256 * 1024;

/// Refuses a coded body: a few bytes of one may stand for gigabytes. RFC 9110 (15.5.16) wants to be told which codings are read.
async fn coded(headers: &HeaderMap, body: Body) -> GatewayError {
    let is_read = body.collect(CODED).await.is_ok();
    let coding = String::from_utf8_lossy(coding(headers).map_or(&[], HeaderValue::as_bytes));
    let message = format!("\"Content-Encoding: {coding}\" is not read here; expected a body that is sent as it is");
    let told = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    let error = GatewayError { headers: Some(Box::new(told)), ..GatewayError::new(FaultKind::Coded, message) };
    if is_read { error } else { error.closing() }
}

/// What a body says of the call.
struct Looked {
    content: Content,
    /// Whether a form asks for a stream.
    form_streams: bool,
}

impl From<Content> for Looked {
    fn from(content: Content) -> Self {
        Self { content, form_streams: false }
    }
}

async fn look(row: &CatalogRow, body: Body, headers: &HeaderMap, limit: u64) -> Result<Looked, GatewayError> {
    if matches!(row.body, BodyShape::Form | BodyShape::Offer) && headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
        return Err(GatewayError::new(FaultKind::BadRequest, "the request has two content types; expected one"));
    }
    let content_type = || headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match row.body {
        BodyShape::Empty => Ok(Content::Empty.into()),
        BodyShape::Opaque => Ok(match body {
            Body::Empty => Content::Empty,
            body @ (Body::Pieces(_) | Body::Stream(_)) => Content::Unread(body),
        }
        .into()),
        BodyShape::Form if form::is_form(content_type()) => {
            let body = body.collect(limit).await?;
            let parts = form::scan(&body, content_type()).map_err(|message| GatewayError::new(FaultKind::BadRequest, message))?;
            let form_streams = parts.text(&body, "stream") == Some("true");
            let model = parts.only("model").map_err(|message| GatewayError::new(FaultKind::BadRequest, message).at("model"))?;
            Ok(Looked { content: Content::Form { body, model }, form_streams })
        }
        BodyShape::Offer => {
            let body = body.collect(limit).await?;
            let model = offer::model(&body, content_type())?;
            Ok(Content::Offer { body, model }.into())
        }
        BodyShape::Json | BodyShape::Form => {
            let body = body.collect(limit).await?;
            let body = if may_hold_summaries(row) { unsealed(body)? } else { body };
            let peek = Peek::scan(&body)?;
            Ok(Content::Json(Document::new(body, peek)).into())
        }
    }
}

/// Whether a row's bodies are in the shape of Responses, the only one in which summaries are sealed.
fn may_hold_summaries(row: &CatalogRow) -> bool {
    let key = row.key(false);
    match key.kind() {
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => true,
        OperationKind::OpenAi => matches!(key.operation(), Operation::CompactContent | Operation::CountTokens),
        OperationKind::OpenAiChatCompletions
        | OperationKind::ClaudeMessages
        | OperationKind::GeminiGenerateContent
        | OperationKind::Claude
        | OperationKind::Gemini => false,
    }
}

/// A body without summaries that this gateway sealed: no provider could read them.
fn unsealed(body: Bytes) -> Result<Bytes, GatewayError> {
    if !compact::is_sealed(&body) {
        return Ok(body);
    }
    let opened = compact::opened(&body).map_err(|fault| GatewayError::new(FaultKind::BadRequest, fault.to_string()))?;
    Ok(opened.map_or(body, Bytes::from))
}

struct Placed {
    wanted: Wanted,
    named: Option<String>,
    targets: Targets,
}

fn place(call: &Authenticated, looked: &Looked, snapshot: &Snapshot) -> Result<Placed, GatewayError> {
    let classified = &call.call;
    let row = classified.row;
    let document = looked.content.json();
    let streams = match row.stream {
        StreamSwitch::Always => true,
        StreamSwitch::Flag => document.map_or(looked.form_streams, |document| document.peek().flag(document.body(), "stream")),
        StreamSwitch::SseFormat => document.is_some_and(|document| document.value("stream_format") == Some(b"\"sse\"")),
        StreamSwitch::Never => false,
    };
    let key = row.key(streams);
    let named = named_model(call, &looked.content)?;
    if let Some(named) = &named {
        segment::model(named).map_err(|stray| {
            let message = format!("\"model\" is {named:?}, which {stray}; expected the id of a model");
            GatewayError::new(FaultKind::BadRequest, message).at("model")
        })?;
    }
    if named.is_none() && row.model != ModelPosition::Absent && classified.scope.is_none() {
        return Err(GatewayError::new(FaultKind::BadRequest, "\"model\" is missing; expected \"provider/model\"").at("model"));
    }
    if named.is_none()
        && matches!(row.model, ModelPosition::Body)
        && !matches!(key.operation(), Operation::CreateModeration | Operation::CreateImage)
    {
        return Err(GatewayError::new(FaultKind::BadRequest, "\"model\" is missing; expected the id of a model").at("model"));
    }
    let wanted = Wanted { key, streams };
    let targets = target::find(wanted, classified.scope.as_deref(), named.as_deref(), snapshot)?;
    Ok(Placed { wanted, named, targets })
}

/// The model as the client named it.
fn named_model(call: &Authenticated, content: &Content) -> Result<Option<String>, GatewayError> {
    let classified = &call.call;
    Ok(match (classified.row.model, content) {
        (ModelPosition::Path, _) => {
            let encoded = classified.model.clone().map_or("", |range| &classified.path[range]);
            Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned())
        }
        (ModelPosition::Query, content) => {
            let of_query = classified.query.as_deref().and_then(|query| {
                form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model").map(|(_, value)| value.into_owned())
            });
            match content {
                Content::Offer { body, model: Some(at) } => Some(agreed(of_query, string(&body[at.clone()]).unwrap_or_default())?),
                Content::Offer { model: None, .. } | Content::Empty | Content::Json(_) | Content::Form { .. } | Content::Unread(_) => {
                    of_query
                }
            }
        }
        (ModelPosition::Body | ModelPosition::Form, Content::Json(document)) => {
            document.peek().text(document.body(), "model")?.map(Cow::into_owned)
        }
        (ModelPosition::Form | ModelPosition::Body, Content::Form { body, model }) => {
            model.clone().map(|range| String::from_utf8_lossy(&body[range]).into_owned())
        }
        (ModelPosition::Absent, _)
        | (ModelPosition::Body | ModelPosition::Form, Content::Empty | Content::Offer { .. } | Content::Unread(_)) => None,
    })
}

/// The one model that a query and a session's settings name.
fn agreed(of_query: Option<String>, of_session: Cow<'_, str>) -> Result<String, GatewayError> {
    match of_query {
        Some(of_query) if of_query != of_session => {
            let message =
                format!("\"model\" is {of_session:?} in \"session\" and {of_query:?} in the query; expected the same, or one of them");
            Err(GatewayError::new(FaultKind::BadRequest, message).at("session.model"))
        }
        _ => Ok(of_session.into_owned()),
    }
}
