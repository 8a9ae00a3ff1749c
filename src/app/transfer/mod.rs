//! The configuration as a file: out of one instance, and into another.
//!
//! A [`Bundle`] holds rows without ids: what names another row does so by that row's own name. [`extract`] makes one of what stands,
//! [`Plan`] says in what it differs from what stands, and [`apply`] makes it stand, all of it or nothing.

mod apply;
mod bundle;
pub mod command;
mod extract;
mod fault;
mod plan;
mod seal;
mod shape;

pub use apply::apply;
pub use bundle::{Bundle, Entry, SCHEMA_VERSION};
pub use extract::{Extracted, extract};
pub use fault::TransferFault;
pub use plan::{Counts, Plan, Prune};
