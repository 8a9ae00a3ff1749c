//! Every dialect to every other: goldens with their losses, and what must be equal on both sides; laws on what was made up.
//!
//! `UPDATE_GOLDEN=1 cargo test --test transform` (or `make golden`) writes the goldens anew; read the difference before you keep it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where something is not as it must be, and reads the wish for new goldens from the environment"
)]

mod asked;
mod ends;
mod faults;
mod garbage;
mod golden;
mod laws;
mod reply;
mod said;
mod talk;
