//! Serving over TCP with hyper.

mod body;
pub mod explain;
mod heads;
pub mod host;
mod server;
mod upgrade;

pub use server::{Server, Serving};
