//! The only room that knows serving: requests in, responses out, whoever holds the socket.

pub mod api;
pub mod cors;
pub mod data;
pub mod forwarded;
#[cfg(feature = "native")]
pub mod native;
pub mod ops;
pub mod reply;
