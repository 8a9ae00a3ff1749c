//! A call in another shape: what the provider takes out of what the client asked, and the answer back.

mod told;
mod way;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use percent_encoding::utf8_percent_encode;

use super::{
    aim::{Aimed, SEGMENT, ask_for_usage},
    error::GatewayError,
    kept::Draft,
    resolve::Resolved,
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

/// Turns a call into what its provider takes. `None` where the client's own bytes go out: the shapes are the same, and the
/// body holds nothing that another provider sealed.
///
/// # Errors
/// The body is not what its dialect says; something has no form at the provider; in strict mode, any loss.
pub(super) fn translate(call: &Resolved, aimed: &mut Aimed) -> Result<Option<Box<Translation>>, GatewayError> {
    let client = call.key;
    if client == aimed.key && call.goes_on_from.is_none() && !holds_foreign_seals(client, &aimed.payload) {
        return Ok(None);
    }
    let inbound = &call.call.call.inbound;
    let query = call.call.call.query.as_deref();
    let mut telling = telling(call, &aimed.model);
    telling.standing = call.draft.as_ref().map(|draft| draft.standing());
    let body = aimed.payload.json();
    let made = way::make((client, aimed.key), (&body, call.goes_on_from.as_deref()), telling, query)?;
    refuse_losses(&inbound.headers, &made.losses)?;
    let provider = made.target;
    if provider != aimed.key && !aimed.provider.channel.serves(provider) {
        return Err(unsupported(client, provider));
    }
    aimed.key = provider;
    if client != provider {
        redirect(client, aimed, made.query)?;
    }
    put(aimed, made.body)?;
    Ok(Some(Box::new(Translation {
        way: made.way,
        client,
        client_streams: call.streams,
        provider,
        telling: made.telling,
        losses: made.losses,
        draft: None,
    })))
}

/// What it takes to write a stream anew in its own dialect, where another one may have to take it over.
pub(super) fn same(call: &Resolved, key: OperationKey, model: &str, hides_usage: bool) -> Option<Box<Translation>> {
    let dialect = Dialect::of(key.kind())?;
    let mut telling = telling(call, model);
    telling.include_usage = !hides_usage;
    let way = Way::Generate { client: dialect, provider: dialect };
    Some(Box::new(Translation { way, client: key, client_streams: true, provider: key, telling, losses: Vec::new(), draft: None }))
}

fn telling(call: &Resolved, model: &str) -> Telling {
    let classified = &call.call.call;
    let inbound = &classified.inbound;
    let wire = wire(call.key, classified.query.as_deref());
    Telling::new(inbound.request_id.to_string(), inbound.at_ms / 1000, model.to_owned(), call.prompt_bytes / 4, wire)
}

/// What another provider sealed went out in the client's own slot. This one would refuse it, and the call with it.
fn holds_foreign_seals(client: OperationKey, payload: &Payload) -> bool {
    match (Dialect::of(client.kind()), payload) {
        (Some(dialect), Payload::Json(document)) => Seal::is_in(dialect, document.body()),
        (Some(_), Payload::Empty | Payload::Opaque(_)) | (None, _) => false,
    }
}

/// Puts the provider's path and headers in the place of the client's.
fn redirect(client: OperationKey, aimed: &mut Aimed, query: Option<String>) -> Result<(), GatewayError> {
    let target = aimed.key;
    let row = catalog::of(target).ok_or_else(|| unsupported(client, target))?;
    aimed.path = match row.model {
        ModelPosition::Path => row.path.replace("{model}", &utf8_percent_encode(&aimed.model, SEGMENT).to_string()),
        ModelPosition::Body | ModelPosition::Form | ModelPosition::Query | ModelPosition::Absent => row.path.to_owned(),
    };
    let google_streams = target.kind() == OperationKind::GeminiGenerateContent && target.operation() == Operation::StreamGenerateContent;
    aimed.query = if google_streams { Some("alt=sse".to_owned()) } else { query };
    aimed.method = row.method.clone();
    // The client's headers speak its own dialect: none of them means anything to this provider.
    aimed.headers = Some(HeaderMap::new());
    Ok(())
}

/// Puts a body in the place of the client's.
fn put(aimed: &mut Aimed, body: Vec<u8>) -> Result<(), GatewayError> {
    if body.is_empty() {
        aimed.payload = Payload::Empty;
        return Ok(());
    }
    let target = aimed.key;
    if let Some(headers) = &mut aimed.headers {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let body = bytes::Bytes::from(body);
    let peek = Peek::scan(&body)?;
    let mut document = Document::new(body, peek);
    if target.kind() == OperationKind::OpenAiChatCompletions && target.operation() == Operation::StreamGenerateContent {
        ask_for_usage(&mut document);
    }
    aimed.payload = Payload::Json(document);
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
