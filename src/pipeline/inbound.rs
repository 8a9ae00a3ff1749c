//! A call as it came in, before anything is known of it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method, Uri};

use super::{cues::Cues, kept::Memory};
use crate::{
    base::RequestId,
    runtime::{Body, Instant},
};

/// A call as it came in.
#[derive(Debug)]
pub struct Inbound {
    /// Its name, given on arrival.
    pub request_id: RequestId,
    /// Arrival, for spans.
    pub arrived: Instant,
    /// Arrival, Unix milliseconds.
    pub at_ms: u64,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Which of the headers that decide its way it has.
    pub cues: Cues,
    /// Body, unread.
    pub body: Body,
    /// The client's address, as far as trusted proxies tell.
    pub peer: Option<IpAddr>,
    /// What the socket that it came by remembers, where it came by one.
    pub memory: Option<Arc<Memory>>,
}
