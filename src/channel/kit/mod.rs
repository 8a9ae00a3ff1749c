//! Shared by several channels.

pub mod auth;
pub mod edit;
pub mod mend;
pub mod oauth;
pub mod settings;
pub mod upstream;
pub mod vendor;
