//! Framing of answers, without input or output: bytes in any pieces go in, whole events come out.
//!
//! Nothing here changes bytes. Each event tells where it lies in the stream, so that a reader can leave one out.

mod framing;
pub mod json_array;
pub mod ndjson;
pub mod sse;
pub mod walk;

#[cfg(test)]
mod tests;

pub use framing::{Event, FrameFault, Framing, MAX_EVENT};
