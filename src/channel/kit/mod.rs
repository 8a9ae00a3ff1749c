//! Shared by several channels.

pub mod auth;
pub mod settings;
pub mod upstream;
pub mod vendor;
