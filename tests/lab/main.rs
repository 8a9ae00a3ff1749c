//! The lab itself: each fault shows exactly what it should, the judge decides by its table, and this gateway survives.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where something is not as it must be, and its sockets live on tokio"
)]

mod clock;
mod judge;
mod provider;
mod scripts;
mod survival;
