//! The wire as it is written down, where the operator asked for it.

use bytes::Bytes;
use http::HeaderMap;

use super::headers::as_json;
use crate::snapshot::Capture;

/// How much of a body is kept at most, in bytes.
const LIMIT: usize = 1 << 20;

/// One side of one message.
#[derive(Debug)]
pub(super) struct Half {
    depth: Capture,
    pub(super) headers_json: String,
    body: Vec<u8>,
}

impl Half {
    pub(super) fn new(depth: Capture, headers: &HeaderMap) -> Self {
        let headers_json = if depth == Capture::Off { String::new() } else { as_json(headers) };
        Self { depth, headers_json, body: Vec::new() }
    }

    pub(super) fn depth(&self) -> Capture {
        self.depth
    }

    /// Keeps bytes, up to the limit.
    pub(super) fn push(&mut self, data: &Bytes) {
        if self.depth == Capture::Bodies {
            let room = LIMIT.saturating_sub(self.body.len());
            self.body.extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    pub(super) fn body(self) -> Option<Vec<u8>> {
        (self.depth == Capture::Bodies).then_some(self.body)
    }
}
