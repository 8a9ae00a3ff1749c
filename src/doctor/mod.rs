//! The prompt-cache doctor: what each session read from its provider's cache, what it could have read, why it did not, and what that cost.
//!
//! It compares each turn's body, as it was sent, with that of the turn before. Bodies are in memory only, for an hour at most, and bounded in
//! number and bytes; what is told of them is a place, never a value. No clock of its own: every call brings the time.

mod cause;
mod difference;
mod outline;
mod path;
mod sessions;
mod shift;
mod verdict;
mod ward;

pub use cause::Cause;
pub use sessions::{Loss, Report, Seen};
pub use shift::Place;
pub use ward::{Doctor, LARGEST, Sent, Session, Turn, Whose};
