//! The only thing that a channel accepts, and that nobody can make without a permit.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::{
    access::Permit,
    base::Secret,
    protocol::{OperationKey, splice::Document},
    runtime::{Body, Profile, Timers},
};

/// What a call carries to the upstream.
#[derive(Debug, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    Empty,
    /// A JSON object that can still be changed member by member.
    Json(Document),
    /// Bytes that pass unread.
    Opaque(Body),
}

impl Payload {
    /// The body as it goes out.
    #[must_use]
    pub fn into_body(self) -> Body {
        match self {
            Self::Empty => Body::Empty,
            Self::Json(document) => Body::from(document.into_pieces()),
            Self::Opaque(body) => body,
        }
    }

    /// The JSON body as it stands, joined; empty for anything else. For channels that answer by themselves.
    #[must_use]
    pub fn json(&self) -> Bytes {
        match self {
            Self::Json(document) => document.whole(),
            Self::Empty | Self::Opaque(_) => Bytes::new(),
        }
    }
}

/// A call as the pipeline hands it over: the client's, with the upstream's model in it.
#[derive(Debug)]
pub struct Draft {
    /// What is asked of the provider, and in which shape.
    pub key: OperationKey,
    /// Method.
    pub method: Method,
    /// Canonical path of the catalogue, the upstream's model in it, percent-encoded.
    pub path: String,
    /// Query without the caller's key.
    pub query: Option<String>,
    /// The client's headers, without those that belong to the connection or to the gateway.
    pub headers: HeaderMap,
    /// What it carries.
    pub payload: Payload,
    /// The upstream's id of the model; empty where the call has none.
    pub model: Arc<str>,
}

/// How a provider is reached.
#[derive(Clone, Debug, Default)]
pub struct Via {
    /// The credential's secret, where the channel needs one.
    pub secret: Option<Arc<Secret<String>>>,
    /// The connection.
    pub profile: Profile,
    /// The timers.
    pub timers: Timers,
}

/// A call that was admitted. Made only by [`Order::seal`].
///
/// ```compile_fail,E0451
/// use gproxy::channel::{Draft, Order, Via};
/// fn forge(draft: Draft, via: Via) -> Order {
///     Order { draft, via }
/// }
/// ```
#[derive(Debug)]
pub struct Order {
    draft: Draft,
    via: Via,
}

impl Order {
    /// Seals a draft under the permit of the call that it serves. The draft's key is the permit's own, or what dispatch
    /// turned it into.
    #[must_use]
    pub fn seal(_permit: &Permit, draft: Draft, via: Via) -> Self {
        Self { draft, via }
    }

    /// What is asked.
    #[must_use]
    pub fn key(&self) -> OperationKey {
        self.draft.key
    }

    /// The call.
    #[must_use]
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// How it is sent.
    #[must_use]
    pub fn via(&self) -> &Via {
        &self.via
    }

    /// The payload, for a channel that must change what its vendor refuses.
    pub fn payload_mut(&mut self) -> &mut Payload {
        &mut self.draft.payload
    }

    /// Takes the canonical path out.
    #[must_use]
    pub fn take_path(&mut self) -> String {
        std::mem::take(&mut self.draft.path)
    }

    /// Takes the query out.
    #[must_use]
    pub fn take_query(&mut self) -> Option<String> {
        self.draft.query.take()
    }

    /// Takes the headers out.
    #[must_use]
    pub fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.draft.headers)
    }

    /// Takes the order apart for sending.
    #[must_use]
    pub fn into_parts(self) -> (OperationKey, Draft, Via) {
        (self.draft.key, self.draft, self.via)
    }
}
