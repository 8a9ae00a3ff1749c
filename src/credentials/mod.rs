//! The secrets that providers are called with: how they rest, and whose turn it is.

mod pool;
mod seal;

pub use pool::{Limits, Pool, Seat, Taken, Turns};
pub use seal::{SealFault, Sealer};
