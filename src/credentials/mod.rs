//! The secrets that providers are called with: how they rest, whose turn it is, and who knows a prompt.

mod affinity;
pub mod common;
mod grant;
mod pool;
mod seal;

pub use affinity::{Affinity, Bound, Chooser, Digest, Learnt};
pub use grant::{Claim, Grant, Lease, Renewed, Vault, VaultFault};
pub use pool::{Limits, Pool, Seat, Taken, Turns, remembered};
pub use seal::{SealFault, Sealer};
