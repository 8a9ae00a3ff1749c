//! Serving over TCP with hyper.

mod body;
pub mod explain;
pub mod handover;
mod heads;
pub mod host;
mod leaving;
mod patience;
mod preface;
mod server;
mod signals;
mod upgrade;

pub use server::{Server, Serving};
