//! Who may: from a key to a caller, from a caller to a permit.

mod admit;
mod allowance;
mod directory;
mod identify;
pub mod key;

pub use admit::{Forbidden, Permit, admit, admit_here, admit_route, may_see, may_see_all, may_see_route};
pub use allowance::{Allowance, Grant, Limit};
pub use directory::Directory;
pub use identify::{Caller, Unauthenticated, identify, stand_in};
