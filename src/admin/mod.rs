//! The control plane's use cases, one file per noun. No HTTP types: the API of `http` and the bootstrap of `app` both call here.
//!
//! An administrator's use case takes an [`Admin`], a user's own one takes a [`Member`]. Both are proofs.

mod actor;
pub mod audit;
pub mod batch;
pub mod channels;
mod control;
pub mod credentials;
pub mod doctor;
mod fault;
pub mod health;
pub mod input;
pub mod keys;
pub mod login;
pub mod models;
mod names;
pub mod oidc;
pub mod password;
pub mod permissions;
pub mod plain;
pub mod providers;
mod reach;
mod redact;
pub mod requests;
pub mod role;
pub mod settings;
mod throttle;
pub mod usage;
pub mod usage_csv;
pub mod users;

pub use actor::{Admin, Member};
pub use control::{Control, Origin, Stores};
pub use fault::AdminFault;
pub use redact::has_secret_settings;

#[cfg(test)]
mod tests;
