//! A call in another shape: what the provider takes, out of what the client asked.

use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use percent_encoding::utf8_percent_encode;

use super::{
    error::GatewayError,
    resolve::{Resolved, SEGMENT, ask_for_usage},
};
use crate::{
    channel::Payload,
    protocol::{
        Operation, OperationKey, OperationKind,
        catalog::{self, ModelPosition},
        fault::FaultKind,
        peek::Peek,
        splice::Document,
    },
    transform::{
        Loss, Refused, Seal,
        generate::{self, Asked, Dialect, Target, Telling, Wire},
    },
};

/// The header by which a client wants to lose nothing.
const STRICT: &str = "x-gproxy-strict";

/// What it takes to turn the answer back.
#[derive(Debug)]
pub(super) struct Translation {
    /// The client's dialect, and whether it wants a stream.
    pub(super) client: Dialect,
    pub(super) client_streams: bool,
    /// The provider's dialect.
    pub(super) provider: Dialect,
    /// What the answer must be told.
    pub(super) telling: Telling,
    /// What the request could not carry.
    pub(super) losses: Vec<Loss>,
}

/// Turns a resolved call into what its provider takes. `None` where the client's own bytes go out: the dialects are the same, and
/// the body holds nothing that another provider sealed.
///
/// # Errors
/// The body is not what its dialect says; something has no form at the provider; in strict mode, any loss.
pub(super) fn translate(call: &mut Resolved) -> Result<Option<Box<Translation>>, GatewayError> {
    let (asked, target) = (call.key, call.target);
    let (Some(client), Some(provider)) = (Dialect::of(asked.kind()), Dialect::of(target.kind())) else {
        return if asked == target { Ok(None) } else { Err(unsupported(asked, target)) };
    };
    // What another provider sealed went out in the client's own slot. This provider would refuse it, and the call with it.
    if asked == target && !matches!(&call.payload, Payload::Json(document) if Seal::is_in(document.body())) {
        return Ok(None);
    }
    let streams = |key: OperationKey| key.operation() == Operation::StreamGenerateContent;
    let body = call.payload.json();
    let asking = Asked { model: &call.model, streams: streams(target) };
    let converted = generate::request(client, provider, &body, asking, Target::default())?;
    refuse_losses(&call.call.call.inbound.headers, &converted.losses)?;
    let wire = wire(asked, call.call.call.query.as_deref());
    let telling = Telling::new(
        call.call.call.inbound.request_id.to_string(),
        call.call.call.inbound.at_ms / 1000,
        call.model.to_string(),
        call.prompt_bytes / 4,
        wire,
    );
    let translation = Translation {
        client,
        client_streams: streams(asked),
        provider,
        telling: converted.memory.telling(telling),
        losses: converted.losses,
    };
    if asked != target {
        redirect(call)?;
    }
    put(call, converted.body)?;
    Ok(Some(Box::new(translation)))
}

/// Puts the provider's path and headers in the place of the client's.
fn redirect(call: &mut Resolved) -> Result<(), GatewayError> {
    let target = call.target;
    let row = catalog::of(target).ok_or_else(|| unsupported(call.key, target))?;
    let classified = &mut call.call.call;
    classified.path = match row.model {
        ModelPosition::Path => row.path.replace("{model}", &utf8_percent_encode(&call.model, SEGMENT).to_string()),
        ModelPosition::Body | ModelPosition::Form | ModelPosition::Query | ModelPosition::Absent => row.path.to_owned(),
    };
    let google_streams = target.kind() == OperationKind::GeminiGenerateContent && target.operation() == Operation::StreamGenerateContent;
    classified.query = google_streams.then(|| "alt=sse".to_owned());
    classified.inbound.method = Method::POST;
    // The client's headers speak its own dialect: none of them means anything to this provider.
    classified.inbound.headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Ok(())
}

/// Puts a body in the place of the client's.
fn put(call: &mut Resolved, body: Vec<u8>) -> Result<(), GatewayError> {
    let target = call.target;
    let body = bytes::Bytes::from(body);
    let mut document = Document::new(body.clone(), Peek::scan(&body)?);
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
