//! A call as it came in, before anything is known of it.

use std::net::IpAddr;

use http::{HeaderMap, Method, Uri};

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
    /// Body, unread.
    pub body: Body,
    /// The client's address, as far as trusted proxies tell.
    pub peer: Option<IpAddr>,
}
