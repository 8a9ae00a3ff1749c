//! The secrets that providers are called with: how they rest.

mod seal;

pub use seal::{SealFault, Sealer};
