//! What the request path reads: configuration, compiled once, immutable and indexed.

mod cell;
mod fault;
mod view;

pub use cell::SnapshotCell;
pub use fault::Fault;
pub use view::{Capture, Credential, Login, Model, Provider, Settings, Snapshot};
