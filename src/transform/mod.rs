//! One protocol shape into another. Pure: bytes and values in, bytes and values out; no clock, no network, no log.
//!
//! Same kind in and out never enters this room. What a conversion cannot carry is a [`Loss`], never silence; what it
//! must not carry is a [`Refused`].

pub mod compact;
pub mod completion;
pub mod count;
pub mod embeddings;
pub mod fault;
pub mod generate;
pub mod images;
mod loss;
pub mod models;
mod seal;
pub(crate) mod time;

#[cfg(test)]
mod across;

pub use loss::{Loss, LossKind, Refused};
pub use seal::Seal;
