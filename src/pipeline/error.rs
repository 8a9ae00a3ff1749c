//! Why a call got no answer. No status codes here: `http/reply.rs` chooses them.

use std::time::Duration;

use http::HeaderMap;

use crate::{
    access::{Forbidden, Unauthenticated},
    channel::PrepareFault,
    protocol::{catalog::Missed, fault::FaultKind, peek::PeekFault},
    runtime::{BodyFault, TransportFault},
    store::persist::JournalFault,
};

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{public}")]
pub struct GatewayError {
    /// What went wrong, in every family's vocabulary.
    pub kind: FaultKind,
    /// For the caller: what it was, what was expected. Never an upstream's body, key or host.
    pub public: String,
    /// The request's field at fault.
    pub field: Option<Box<str>>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// More headers of the refusal: how much of each limit is left.
    pub headers: Option<Box<HeaderMap>>,
    /// The methods that the path takes.
    pub allow: Option<Box<str>>,
    /// Whether the request's body is still on the wire, so that its connection cannot go on.
    pub closes: bool,
    /// For the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl GatewayError {
    /// An error with words for the caller.
    pub fn new(kind: FaultKind, public: impl Into<String>) -> Self {
        Self { kind, public: public.into(), field: None, retry_after: None, headers: None, allow: None, closes: false, source: None }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<Box<str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Ends the connection with the refusal.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Refused for now: too much at once.
    #[must_use]
    pub fn overloaded(public: &str) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(FaultKind::Overloaded, public) }
    }
}

impl From<Unauthenticated> for GatewayError {
    fn from(refusal: Unauthenticated) -> Self {
        Self::new(FaultKind::Unauthenticated, refusal.to_string())
    }
}

impl From<Forbidden> for GatewayError {
    fn from(refusal: Forbidden) -> Self {
        Self::new(FaultKind::Forbidden, refusal.to_string()).at("model")
    }
}

impl From<PeekFault> for GatewayError {
    fn from(fault: PeekFault) -> Self {
        let error = Self::new(FaultKind::BadRequest, fault.to_string());
        match fault {
            PeekFault::Contradiction { name } | PeekFault::Type { name, .. } => error.at(name),
            PeekFault::NotAnObject | PeekFault::Syntax { .. } => error,
        }
    }
}

impl From<BodyFault> for GatewayError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge { limit } => {
                Self::new(FaultKind::TooLarge, format!("the request body is larger than the {limit} bytes allowed here")).closing()
            }
            BodyFault::Stalled { span } => {
                let seconds = span.as_secs();
                let message = format!("nothing of the request body came for {seconds} seconds; expected the rest of it");
                Self::new(FaultKind::Stalled, message).closing()
            }
            BodyFault::Broken(_) | BodyFault::Timeout(_) => {
                Self::new(FaultKind::BadRequest, "the request body ended before its end").because(fault)
            }
        }
    }
}

impl From<PrepareFault> for GatewayError {
    fn from(fault: PrepareFault) -> Self {
        match fault {
            PrepareFault::Request { field, message } => Self { field: field.map(Into::into), ..Self::new(FaultKind::BadRequest, message) },
            PrepareFault::NoCredential => Self::new(FaultKind::Overloaded, fault.to_string()),
            PrepareFault::Address(_) => Self::new(FaultKind::Internal, "the provider is not configured well").because(fault),
        }
    }
}

impl From<TransportFault> for GatewayError {
    fn from(fault: TransportFault) -> Self {
        match fault {
            fault if fault.is_stalled() => Self::new(FaultKind::Stalled, "the request body did not come in time").closing(),
            TransportFault::Timeout(what) => Self::new(FaultKind::UpstreamTimeout, format!("the provider gave no {what} in time")),
            TransportFault::Unusable(_) | TransportFault::Unsupported(_) => {
                Self::new(FaultKind::Internal, "the provider is not configured well").because(fault)
            }
            TransportFault::Connect(_) => Self::new(FaultKind::Upstream, "the provider cannot be reached").because(fault),
            TransportFault::Broken(_) | TransportFault::Unbegun(_) | TransportFault::Refused { .. } => {
                Self::new(FaultKind::Upstream, "the provider gave no answer").because(fault)
            }
        }
    }
}

impl From<JournalFault> for GatewayError {
    fn from(fault: JournalFault) -> Self {
        Self::overloaded("the gateway cannot keep more records now").because(fault)
    }
}

impl From<Missed> for GatewayError {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Path => Self::new(FaultKind::NotFound, "this path is not served here"),
            Missed::Method { allowed } => Self {
                allow: Some(allowed.join(", ").into()),
                ..Self::new(FaultKind::MethodNotAllowed, format!("this path takes {}", allowed.join(", ")))
            },
        }
    }
}
