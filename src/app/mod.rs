//! How a process comes up: configuration, first boot, and the file as it changes later.

pub mod bootstrap;
pub mod config;
pub mod counting;
pub mod expire;
#[cfg(feature = "native")]
pub mod flags;
pub mod follow;
#[cfg(feature = "native")]
pub mod log;
pub mod reload;
#[cfg(feature = "native")]
pub mod transfer;
