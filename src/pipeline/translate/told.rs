//! An answer in another shape: the client's, out of what the provider sent.
//!
//! Whole answers are turned before their head leaves, so that a provider's nonsense becomes an error and not a broken
//! body. Streams are turned as they pass, behind the meter, which reads the provider's own bytes.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, HeaderName as Name},
};

use super::{Translation, way::Way};
use crate::{
    pipeline::error::GatewayError,
    protocol::{
        fault::FaultKind,
        frame::{FrameFault, Framing, json_array, ndjson, sse},
    },
    transform::{
        Loss,
        compact::{self, Unsummarised},
        completion, count, embeddings,
        fault::Problem,
        generate::{self, Broken, Collector, Dialect, Join, NoAnswer, StreamConverter, Wire},
        images::{self, Maker},
        models,
    },
    usage::Shape,
};

/// The header that tells a client what its request or answer lost.
const LOSSY: Name = HeaderName::from_static("x-gproxy-lossy");
/// The longest value of that header, in bytes.
const LOSSY_LIMIT: usize = 1024;
/// Headers of a provider's answer that mean the same in every dialect.
const SHARED: [&str; 3] = ["retry-after", "retry-after-ms", "x-should-retry"];

/// A whole answer in the client's shape.
#[derive(Debug)]
pub(in crate::pipeline) struct Told {
    pub(in crate::pipeline) status: StatusCode,
    pub(in crate::pipeline) body: Bytes,
    pub(in crate::pipeline) losses: Vec<Loss>,
}

/// Turns a stream as it passes.
#[derive(Debug)]
pub(in crate::pipeline) enum Converter {
    Generate(Box<StreamConverter>),
    Completion(Box<completion::Stream>),
    Images(Box<images::Stream>),
}

impl Converter {
    /// What the client gets of the next bytes.
    pub(in crate::pipeline) fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, FrameFault> {
        match self {
            Self::Generate(converter) => converter.push(chunk),
            Self::Completion(stream) => stream.push(chunk),
            Self::Images(stream) => stream.push(chunk),
        }
    }

    /// The last of it.
    pub(in crate::pipeline) fn finish(&mut self) -> Vec<u8> {
        match self {
            Self::Generate(converter) => converter.finish(),
            Self::Completion(stream) => stream.finish(),
            Self::Images(stream) => stream.finish(),
        }
    }

    /// Whether the client's stream is complete already.
    pub(in crate::pipeline) fn is_over(&self) -> bool {
        match self {
            Self::Generate(converter) => converter.is_over(),
            Self::Completion(_) | Self::Images(_) => false,
        }
    }

    /// What could not be carried so far.
    pub(in crate::pipeline) fn losses(&self) -> &[Loss] {
        match self {
            Self::Generate(converter) => converter.losses(),
            Self::Completion(stream) => stream.losses(),
            Self::Images(_) => &[],
        }
    }
}

/// Gathers a stream for a client that wants a whole answer.
#[derive(Debug)]
pub(in crate::pipeline) struct Gathering {
    collector: Collector,
}

impl Gathering {
    /// Takes the next bytes.
    pub(in crate::pipeline) fn push(&mut self, chunk: &[u8]) -> Result<(), FrameFault> {
        self.collector.push(chunk)
    }
}

impl Translation {
    /// A provider's refusal, in the client's words.
    pub(in crate::pipeline) fn problem(&self, status: StatusCode, body: &[u8]) -> Told {
        let problem = Problem::read(self.provider.kind().family(), status.as_u16(), body);
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
    /// The answer is not what its dialect says, or not what was asked for.
    pub(in crate::pipeline) fn whole(&self, body: &[u8]) -> Result<Told, GatewayError> {
        let mut losses = Vec::new();
        let body = match &self.way {
            Way::Generate { client, provider } if self.client_streams => {
                let (body, lost) = generate::stream_of_answer(*provider, *client, body, &self.telling).map_err(unanswered)?;
                losses = lost;
                body
            }
            Way::Generate { client, provider } => {
                let (body, lost) = generate::answer(*provider, *client, body, &self.telling).map_err(unanswered)?;
                losses = lost;
                body
            }
            Way::Completion { provider, told } if self.client_streams => {
                let (events, _) = generate::stream_of_answer(*provider, *provider, body, &self.telling).map_err(unanswered)?;
                let mut stream = completion::Stream::new(*provider, told.clone());
                let mut body = stream.push(&events).map_err(nonsense)?;
                body.extend(stream.finish());
                body
            }
            Way::Completion { provider, told } => completion::answer(body, *provider, told, &mut losses).map_err(unanswered)?,
            Way::Compact { provider, kept } => compact::answer(body, *provider, kept, &self.telling).map_err(|fault| match fault {
                Unsummarised::Unanswered(fault) => unanswered(fault),
                fault @ (Unsummarised::Empty | Unsummarised::CutOff) => nonsense(fault),
            })?,
            Way::Count { client, provider } => count::answer(body, *provider, *client).map_err(nonsense)?,
            Way::Models { client, provider, one: true } => models::model(body, *provider, *client, &mut losses).map_err(nonsense)?,
            Way::Models { client, provider, one: false } => models::list(body, *provider, *client, &mut losses).map_err(nonsense)?,
            Way::Embed { client, provider, encoding } => {
                // OpenAI's clients count on a usage; Google's know of none.
                let prompt_estimate = (*client == embeddings::Shape::OpenAi).then_some(self.telling.prompt_estimate);
                let told = embeddings::Told { model: &self.telling.model, encoding: *encoding, prompt_estimate };
                embeddings::answer(body, *provider, *client, &told).map_err(nonsense)?
            }
            Way::Images(told) if self.client_streams => images::Stream::whole(body, self.maker(), told.clone()),
            Way::Images(told) => images::answer(&[body], self.maker(), told).map_err(nonsense)?,
        };
        Ok(Told { status: StatusCode::OK, body: body.into(), losses })
    }

    fn maker(&self) -> Maker<'_> {
        Maker::Gemini { model: &self.telling.model }
    }

    /// The whole answer out of a gathered stream.
    ///
    /// # Errors
    /// The stream broke off: what the provider said of it.
    pub(in crate::pipeline) fn gathered(&self, gathering: Gathering) -> Result<Told, GatewayError> {
        // What is gathered for another operation is turned from the provider's own whole answer.
        let (dialect, through) = match &self.way {
            Way::Generate { client, .. } => (*client, false),
            Way::Completion { provider, .. } | Way::Compact { provider, .. } => (*provider, true),
            Way::Count { .. } | Way::Models { .. } | Way::Embed { .. } | Way::Images(_) => (Dialect::Gemini, true),
        };
        match gathering.collector.finish(dialect, &self.telling) {
            Ok((body, _)) if through => self.whole(&body),
            Ok((body, losses)) => Ok(Told { status: StatusCode::OK, body: body.into(), losses }),
            Err(fault) => Err(broken(fault)),
        }
    }

    /// A stream that ends with an error before it has begun.
    pub(in crate::pipeline) fn last_words(&self, message: &str) -> Bytes {
        let dialect = match &self.way {
            Way::Generate { client, .. } => *client,
            Way::Completion { .. } | Way::Compact { .. } | Way::Count { .. } | Way::Models { .. } | Way::Embed { .. } | Way::Images(_) => {
                Dialect::Chat
            }
        };
        generate::stream_of_fault(dialect, message, &self.telling).into()
    }

    /// What keeps a stream open that has not begun.
    pub(in crate::pipeline) fn keep_alive(&self) -> Bytes {
        match self.telling.wire {
            Wire::Sse => Bytes::from_static(b": keep-alive\n\n"),
            // White space may stand before an array.
            Wire::JsonArray | Wire::Ndjson => Bytes::from_static(b"\n"),
        }
    }

    /// Turns the provider's stream as it passes.
    pub(in crate::pipeline) fn converter(&self, shape: Shape) -> Converter {
        match &self.way {
            Way::Completion { provider, told } => Converter::Completion(Box::new(completion::Stream::new(*provider, told.clone()))),
            Way::Images(told) => Converter::Images(Box::new(images::Stream::new(self.maker(), told.clone()))),
            Way::Generate { client, provider } => {
                Converter::Generate(Box::new(StreamConverter::new(*provider, framing(shape), *client, &self.telling)))
            }
            Way::Compact { provider, .. } => {
                Converter::Generate(Box::new(StreamConverter::new(*provider, framing(shape), Dialect::Responses, &self.telling)))
            }
            Way::Count { .. } | Way::Models { .. } | Way::Embed { .. } => {
                Converter::Generate(Box::new(StreamConverter::new(Dialect::Gemini, framing(shape), Dialect::Gemini, &self.telling)))
            }
        }
    }

    /// Turns a stream that another one may take over.
    pub(in crate::pipeline) fn rescuable(&self, shape: Shape) -> Converter {
        match (self.converter(shape), &self.way) {
            (Converter::Generate(converter), Way::Generate { client, .. }) => Converter::Generate(Box::new(converter.with_seam(*client))),
            (converter, _) => converter,
        }
    }

    /// The provider's stream takes over from the one before it.
    pub(in crate::pipeline) fn join(&self, converter: &mut StreamConverter, shape: Shape, how: Join) {
        let provider = Dialect::of(self.provider.kind()).unwrap_or(Dialect::Gemini);
        converter.join(provider, framing(shape), &self.telling, how);
    }

    /// Gathers the provider's stream.
    pub(in crate::pipeline) fn gathering(&self, shape: Shape) -> Gathering {
        let provider = Dialect::of(self.provider.kind()).unwrap_or(Dialect::Gemini);
        Gathering { collector: Collector::new(provider, framing(shape)) }
    }

    /// The head of the answer: what means the same in every dialect, and what was lost so far.
    pub(in crate::pipeline) fn headers(&self, provider: &HeaderMap, streams: bool, losses: &[Loss]) -> HeaderMap {
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

fn nonsense(fault: impl std::error::Error + Send + Sync + 'static) -> GatewayError {
    GatewayError::new(FaultKind::Upstream, "the provider's answer is not what its protocol says").because(fault)
}

fn unanswered(fault: NoAnswer) -> GatewayError {
    match fault {
        NoAnswer::Shape(fault) => nonsense(fault),
        NoAnswer::Broken(fault) => broken(fault),
    }
}

/// What a provider says of an answer that it began well and did not give.
fn broken(fault: Broken) -> GatewayError {
    let kind = match fault.status {
        Some(400 | 413 | 422) => FaultKind::BadRequest,
        Some(429) => FaultKind::RateLimited,
        Some(503 | 529) => FaultKind::Overloaded,
        Some(504) => FaultKind::UpstreamTimeout,
        Some(_) | None => FaultKind::Upstream,
    };
    GatewayError::new(kind, fault.message)
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
        text.extend(path.chars().filter(char::is_ascii_graphic));
    }
    (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}
