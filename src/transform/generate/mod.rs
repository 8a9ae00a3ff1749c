//! Requests for content and their answers, between the four dialects, by way of one canonical form.
//!
//! Each dialect is a [`Spoke`] in a folder of its own: it lifts its wire shape into the canonical form (`canon`, `event`)
//! and lowers the canonical form into it. Nothing knows two dialects.

mod alphabet;
pub(in crate::transform) mod canon;
mod chat;
mod claude;
mod convert;
mod dialect;
pub(in crate::transform) mod disguise;
mod effort;
pub(in crate::transform) mod event;
pub(in crate::transform) mod fold;
pub(in crate::transform) mod frames;
mod gemini;
mod grammar;
mod likeness;
pub(in crate::transform) mod names;
mod owned;
mod responses;
mod rest;
mod schema;
mod seam;
pub(in crate::transform) mod spoke;
mod strict;

#[cfg(test)]
mod testing;

pub use convert::{
    Broken, Collector, Converted, Memory, NoAnswer, StreamConverter, answer, continues, request, stream_of_answer, stream_of_fault,
};
pub use dialect::Dialect;
pub use frames::Wire;
pub use seam::{Breach, Join};
pub use spoke::{Asked, Standing, Target, Telling};
