//! The gateway over real sockets: a client here, a provider there, the whole walk between them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where something is not as it must be, and its sockets live on tokio"
)]

mod bounds;
mod canaries;
mod declined;
mod disconnect;
mod doctor;
mod failover;
mod goaway;
mod grants;
mod handover;
mod harness;
mod hostile;
mod idempotency;
mod identity;
mod kept;
mod money;
mod names;
mod paths;
mod phases;
mod program;
mod refusals;
mod renewal;
mod rescue;
mod rescue_streams;
mod roles;
mod shared;
mod silence;
mod sockets;
mod starts;
mod streams;
mod switches;
