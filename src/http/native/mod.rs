//! Serving over TCP with hyper.

mod body;
mod server;
mod upgrade;

pub use server::{Server, Serving};
