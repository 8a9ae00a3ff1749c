//! An answer in another shape: the client's, out of what the provider sent.
//!
//! Whole answers are turned before their head leaves, so that a provider's nonsense becomes an error and not a broken
//! body. Streams are turned as they pass, behind the meter, which reads the provider's own bytes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::{error::GatewayError, translate::Translation};
use crate::{
    protocol::{
        Family,
        fault::FaultKind,
        frame::{Framing, json_array, ndjson, sse},
    },
    transform::{
        Loss,
        fault::Problem,
        generate::{self, Collector, Dialect, StreamConverter, Wire},
    },
    usage::Shape,
};

/// The header that tells a client what its request or answer lost.
const LOSSY: HeaderName = HeaderName::from_static("x-gproxy-lossy");
/// The longest value of that header, in bytes.
const LOSSY_LIMIT: usize = 1024;
/// Headers of a provider's answer that mean the same in every dialect.
const SHARED: [&str; 3] = ["retry-after", "retry-after-ms", "x-should-retry"];

/// A whole answer in the client's shape.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) losses: Vec<Loss>,
}

impl Translation {
    /// The family whose conventions the client follows.
    pub(super) fn family(&self) -> Family {
        family(self.client)
    }

    /// A provider's refusal, in the client's words.
    pub(super) fn problem(&self, status: StatusCode, body: &[u8]) -> Told {
        let problem = Problem::read(family(self.provider), status.as_u16(), body);
        let client = self.family();
        Told {
            status: StatusCode::from_u16(problem.status_for(client)).unwrap_or(status),
            body: problem.write(client, &self.telling.request_id).into(),
            losses: Vec::new(),
        }
    }

    /// A whole answer of the provider, as the client wants it: whole, or as a stream.
    ///
    /// # Errors
    /// The answer is not what its dialect says.
    pub(super) fn whole(&self, body: &[u8]) -> Result<Told, GatewayError> {
        let turned = if self.client_streams {
            generate::stream_of_answer(self.provider, self.client, body, &self.telling)
        } else {
            generate::answer(self.provider, self.client, body, &self.telling)
        };
        let (body, losses) = turned.map_err(|fault| {
            GatewayError::new(FaultKind::Upstream, "the provider's answer is not what its protocol says").because(fault)
        })?;
        Ok(Told { status: StatusCode::OK, body: body.into(), losses })
    }

    /// Turns the provider's stream as it passes.
    pub(super) fn converter(&self, shape: Shape) -> StreamConverter {
        StreamConverter::new(self.provider, framing(shape), self.client, &self.telling)
    }

    /// The whole answer out of a gathered stream.
    ///
    /// # Errors
    /// The stream broke off: what the provider said of it.
    pub(super) fn collected(&self, collector: Collector) -> Result<Told, GatewayError> {
        match collector.finish(self.client, &self.telling) {
            Ok((body, losses)) => Ok(Told { status: StatusCode::OK, body: body.into(), losses }),
            Err(broken) => Err(GatewayError::new(FaultKind::Upstream, broken.message)),
        }
    }

    /// A stream that ends with an error before it has begun.
    pub(super) fn last_words(&self, message: &str) -> Bytes {
        generate::stream_of_fault(self.client, message, &self.telling).into()
    }

    /// What keeps a stream open that has not begun.
    pub(super) fn keep_alive(&self) -> Bytes {
        match self.telling.wire {
            Wire::Sse => Bytes::from_static(b": keep-alive\n\n"),
            // White space may stand before an array.
            Wire::JsonArray | Wire::Ndjson => Bytes::from_static(b"\n"),
        }
    }

    /// Gathers the provider's stream.
    pub(super) fn collector(&self, shape: Shape) -> Collector {
        Collector::new(self.provider, framing(shape))
    }

    /// The head of the answer: what means the same in every dialect, and what was lost so far.
    pub(super) fn headers(&self, provider: &HeaderMap, streams: bool, losses: &[Loss]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in SHARED {
            if let Some(value) = provider.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let content_type = match (streams, self.telling.wire) {
            (false, _) | (true, Wire::JsonArray) => "application/json",
            (true, Wire::Sse) => "text/event-stream",
            (true, Wire::Ndjson) => "application/x-ndjson",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(lossy) = lossy(&self.losses, losses) {
            headers.insert(LOSSY, lossy);
        }
        headers
    }
}

const fn family(dialect: Dialect) -> Family {
    match dialect {
        Dialect::Chat | Dialect::Responses => Family::OpenAi,
        Dialect::Claude => Family::Claude,
        Dialect::Gemini => Family::Gemini,
    }
}

fn framing(shape: Shape) -> Framing {
    match shape {
        Shape::Sse => Framing::Sse(sse::Splitter::default()),
        Shape::Ndjson => Framing::Ndjson(ndjson::Lines::default()),
        Shape::JsonArray | Shape::Whole => Framing::JsonArray(json_array::Elements::default()),
    }
}

/// The paths of what was lost, each once; an ellipsis for what goes beyond the header's room.
fn lossy(request: &[Loss], answer: &[Loss]) -> Option<HeaderValue> {
    let mut paths: Vec<&str> = request.iter().chain(answer).map(|loss| loss.path.as_str()).collect();
    paths.dedup();
    let mut text = String::new();
    for path in paths {
        if text.len() + path.len() + 2 > LOSSY_LIMIT {
            text.push_str(", ...");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        // Member names are the client's own text: what no header may hold is left out.
        text.extend(path.chars().filter(|letter| letter.is_ascii_graphic()));
    }
    (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}
