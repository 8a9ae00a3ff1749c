//! The gateway over real sockets: a client here, a provider there, the whole walk between them.

mod harness;
mod identity;
mod refusals;
mod sockets;
mod streams;
