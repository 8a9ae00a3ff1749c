//! A call in another shape: what the provider takes out of what the client asked, and the answer back.

mod told;
mod way;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use percent_encoding::utf8_percent_encode;

use super::{
    error::GatewayError,
    kept::Draft,
    resolve::{Resolved, SEGMENT, ask_for_usage},
};
use crate::{
    channel::Payload,
    protocol::{
        Family, Operation, OperationKey, OperationKind,
        catalog::{self, ModelPosition},
        fault::FaultKind,
        peek::Peek,
        splice::Document,
    },
    transform::{
        Loss, Refused, Seal,
        generate::{Dialect, Telling, Wire},
    },
};
pub(super) use told::{Converter, Told};
use way::Way;

/// The header by which a client wants to lose nothing.
const STRICT: &str = "x-gproxy-strict";

/// What it takes to turn the answer back.
#[derive(Debug)]
pub(super) struct Translation {
    way: Way,
    /// What the client asked, and whether it wants a stream.
    client: OperationKey,
    pub(super) client_streams: bool,
    /// What the provider was asked.
    provider: OperationKey,
    /// What every answer must be told.
    telling: Telling,
    /// What the request could not carry.
    pub(super) losses: Vec<Loss>,
    /// What is to be kept of the answer.
    pub(super) draft: Option<Box<Draft>>,
}

impl Translation {
    /// The family whose conventions the client follows.
    pub(super) fn family(&self) -> Family {
        self.client.kind().family()
    }
}

/// Turns a resolved call into what its provider takes. `None` where the client's own bytes go out: the shapes are the same, and
/// the body holds nothing that another provider sealed.
///
/// # Errors
/// The body is not what its dialect says; something has no form at the provider; in strict mode, any loss.
pub(super) fn translate(call: &mut Resolved) -> Result<Option<Box<Translation>>, GatewayError> {
    let (client, provider) = (call.key, call.target);
    if client == provider && !holds_foreign_seals(call) {
        return Ok(None);
    }
    let inbound = &call.call.call.inbound;
    let query = call.call.call.query.as_deref();
    let mut telling = Telling::new(
        inbound.request_id.to_string(),
        inbound.at_ms / 1000,
        call.model.to_string(),
        call.prompt_bytes / 4,
        wire(client, query),
    );
    telling.standing = call.draft.as_ref().map(|draft| draft.standing());
    let body = call.payload.json();
    let made = way::make((client, provider), &body, telling, query)?;
    refuse_losses(&inbound.headers, &made.losses)?;
    let provider = made.target;
    if provider != call.target && !call.provider.channel.serves(provider) {
        return Err(unsupported(client, provider));
    }
    call.target = provider;
    let client_streams = call.streams;
    if client != provider {
        redirect(call, made.query)?;
    }
    put(call, made.body)?;
    let draft = call.draft.take();
    Ok(Some(Box::new(Translation { way: made.way, client, client_streams, provider, telling: made.telling, losses: made.losses, draft })))
}

/// What another provider sealed went out in the client's own slot. This one would refuse it, and the call with it.
fn holds_foreign_seals(call: &Resolved) -> bool {
    match (Dialect::of(call.key.kind()), &call.payload) {
        (Some(dialect), Payload::Json(document)) => Seal::is_in(dialect, document.body()),
        (Some(_), Payload::Empty | Payload::Opaque(_)) | (None, _) => false,
    }
}

/// Puts the provider's path and headers in the place of the client's.
fn redirect(call: &mut Resolved, query: Option<String>) -> Result<(), GatewayError> {
    let target = call.target;
    let row = catalog::of(target).ok_or_else(|| unsupported(call.key, target))?;
    let classified = &mut call.call.call;
    classified.path = match row.model {
        ModelPosition::Path => row.path.replace("{model}", &utf8_percent_encode(&call.model, SEGMENT).to_string()),
        ModelPosition::Body | ModelPosition::Form | ModelPosition::Query | ModelPosition::Absent => row.path.to_owned(),
    };
    let google_streams = target.kind() == OperationKind::GeminiGenerateContent && target.operation() == Operation::StreamGenerateContent;
    classified.query = if google_streams { Some("alt=sse".to_owned()) } else { query };
    classified.inbound.method = row.method.clone();
    // The client's headers speak its own dialect: none of them means anything to this provider.
    classified.inbound.headers = HeaderMap::new();
    Ok(())
}

/// Puts a body in the place of the client's.
fn put(call: &mut Resolved, body: Vec<u8>) -> Result<(), GatewayError> {
    if body.is_empty() {
        call.payload = Payload::Empty;
        return Ok(());
    }
    let target = call.target;
    call.call.call.inbound.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = bytes::Bytes::from(body);
    let peek = Peek::scan(&body)?;
    let mut document = Document::new(body, peek);
    if target.kind() == OperationKind::OpenAiChatCompletions && target.operation() == Operation::StreamGenerateContent {
        ask_for_usage(&mut document);
    }
    call.payload = Payload::Json(document);
    Ok(())
}

/// How the client's stream is framed. Google's clients choose by query, and get an array where they say nothing.
fn wire(asked: OperationKey, query: Option<&str>) -> Wire {
    let says_sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    if asked.kind() == OperationKind::GeminiGenerateContent && !says_sse { Wire::JsonArray } else { Wire::Sse }
}

/// A client that wants to lose nothing is refused where something is lost.
fn refuse_losses(headers: &HeaderMap, losses: &[Loss]) -> Result<(), GatewayError> {
    let strict = headers.get(STRICT).is_some_and(|value| matches!(value.as_bytes(), b"true" | b"1"));
    let Some(first) = losses.first().filter(|_| strict) else { return Ok(()) };
    let all: Vec<String> = losses.iter().map(ToString::to_string).collect();
    let message = format!("{STRICT} is set, and this provider cannot take all of the request: {}", all.join("; "));
    Err(GatewayError::new(FaultKind::BadRequest, message).at(first.path.clone()))
}

fn unsupported(asked: OperationKey, target: OperationKey) -> GatewayError {
    let message = format!(
        "{} in the {} shape cannot be turned into {} in the {} shape",
        asked.operation(),
        asked.kind(),
        target.operation(),
        target.kind()
    );
    GatewayError::new(FaultKind::Unsupported, message)
}

impl From<Refused> for GatewayError {
    fn from(refused: Refused) -> Self {
        let path = refused.path().to_owned();
        let error = Self::new(FaultKind::BadRequest, refused.to_string());
        if path.is_empty() { error } else { error.at(path) }
    }
}
