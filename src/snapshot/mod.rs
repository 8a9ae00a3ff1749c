//! What the request path reads: configuration, compiled once, immutable and indexed.
//!
//! A record that cannot be compiled is absent and explained by a [`Fault`]; everything else serves.

mod cell;
mod compile;
mod dispatch;
mod fault;
pub mod name;
pub mod prices;
pub mod rules;
pub mod secret;
mod view;

pub use cell::SnapshotCell;
pub use compile::{Compiler, compile};
pub use dispatch::Rules;
pub use fault::Fault;
pub use view::{Capture, Credential, Model, Provider, Settings, Snapshot};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod update_tests;
