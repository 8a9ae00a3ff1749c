//! Every dialect to every other: goldens with their losses, and what must be equal on both sides; laws on what was made up.
//!
//! `UPDATE_GOLDEN=1 cargo test --test transform` (or `make golden`) writes the goldens anew; read the difference before you keep it.

mod ends;
mod garbage;
mod golden;
mod laws;
mod reply;
mod said;
mod talk;
