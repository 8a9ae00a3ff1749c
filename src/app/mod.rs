//! How a process comes up: configuration, first boot, and the file as it changes later.

pub mod affinity;
pub mod bootstrap;
pub mod config;
pub mod counting;
pub mod expire;
#[cfg(feature = "native")]
pub mod flags;
pub mod follow;
pub mod health;
#[cfg(feature = "native")]
pub mod legacy;
#[cfg(feature = "native")]
pub mod log;
#[cfg(feature = "native")]
pub mod reconcile;
pub mod reload;
pub mod retire;
#[cfg(feature = "native")]
pub mod rotate;
#[cfg(feature = "native")]
pub mod seals;
#[cfg(feature = "native")]
pub mod transfer;
pub mod vault;
#[cfg(feature = "native")]
pub mod verify;
