//! Responses and conversations that outlive their call, for providers that keep none: what a call leans on is put before its
//! input (`recall`), what it answered is kept before its client sees the end (`write`), and both can be asked for (`serve`).
//!
//! A provider that speaks Responses itself is not touched: its calls pass as bytes, and what it keeps is its own.

mod items;
mod memory;
mod recall;
mod serve;
mod thing;
mod write;

use std::{sync::Arc, time::Duration};

use super::error::GatewayError;
use crate::{
    base::UserId,
    protocol::fault::FaultKind,
    store::{
        persist::{Kept, StoreFault},
        record::{KeptKind, KeptRow},
    },
};

pub use memory::Memory;
pub(super) use recall::{concerns, is_kept_here, recall};
pub(super) use serve::{is_here, serve};
pub(super) use write::{Draft, Watch};

/// Where responses are kept between calls, and how.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Where.
    pub store: Arc<dyn Kept>,
    /// For how long after their last use.
    pub span: Duration,
    /// The most bytes of input and output of one response; what is larger is answered and not kept.
    pub bytes: u64,
}

impl Keeping {
    /// A thing of a user's that has not expired.
    async fn live(&self, (user, id): (UserId, &str), kind: KeptKind, now_ms: u64) -> Result<Option<KeptRow>, GatewayError> {
        let found = self.store.find(user, id.to_owned()).await.map_err(down)?;
        Ok(found.filter(|row| row.kind == kind && row.expires_at > signed(now_ms)))
    }

    /// When what is used now expires, Unix milliseconds.
    fn expiry(&self, now_ms: u64) -> i64 {
        signed(now_ms.saturating_add(u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX)))
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// The store does not answer: without it a call would go on from nothing, and nobody would know.
fn down(fault: StoreFault) -> GatewayError {
    GatewayError::overloaded("the store of responses and conversations cannot be reached; try again, or send the conversation as input")
        .because(fault)
}

/// Where else it may be.
const ELSEWHERE: &str = "What a provider keeps itself is asked for under its own path, /{provider}/v1/...";

fn no_response(id: &str) -> GatewayError {
    GatewayError::new(FaultKind::UnknownThing, format!("Response with id '{id}' not found. {ELSEWHERE}"))
}

fn no_conversation(id: &str) -> GatewayError {
    GatewayError::new(FaultKind::UnknownThing, format!("Conversation with id '{id}' not found. {ELSEWHERE}"))
}

fn bad(message: impl Into<String>) -> GatewayError {
    GatewayError::new(FaultKind::BadRequest, message)
}
