//! What a call used, read from its answer as it passes.
//!
//! The [`Meter`] never changes an answer, but for two kinds of stream events that it leaves out: those that are not
//! valid JSON, and the Chat usage chunk that a client did not ask for. Each dialect's file says how its numbers
//! become disjoint buckets.

mod claude;
mod draft;
pub mod estimate;
mod gemini;
mod meter;
mod openai;
mod pieces;
mod shallow;
mod sieve;
mod tally;
#[cfg(test)]
mod tests;
mod whole;
mod wire;

pub use meter::{Fault, Meter, Metered, Passed, Shape};
