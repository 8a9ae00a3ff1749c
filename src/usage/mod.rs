//! TEMPORARY until the real room lands.
use crate::{base::Usage, protocol::OperationKey};
use bytes::Bytes;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Whole,
    Sse,
    Ndjson,
    JsonArray,
}
pub struct Passed {
    pub bytes: Bytes,
    pub done: bool,
}
pub struct Metered {
    pub usage: Option<Usage>,
    pub dropped_events: u32,
    pub relayed_text_bytes: u64,
}
pub struct Meter;
impl Meter {
    pub fn new(_k: OperationKey, _s: Shape, _h: bool) -> Self {
        Self
    }
    pub fn push(&mut self, bytes: Bytes) -> Passed {
        Passed { bytes, done: false }
    }
    pub fn ended_well(&mut self) -> bool {
        true
    }
    pub fn rest(&mut self) -> Bytes {
        Bytes::new()
    }
    pub fn finish(self) -> Metered {
        Metered { usage: None, dropped_events: 0, relayed_text_bytes: 0 }
    }
}
pub mod estimate {
    pub fn estimate(_: u64, _: u64) -> crate::base::Usage {
        crate::base::Usage::default()
    }
}
