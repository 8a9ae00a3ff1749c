//! GPROXY: one gateway between every client's dialect and every provider.
//!
//! The rooms by floor; an import goes only downward (`tests/architecture.rs` holds it):
//!
//! - floor 0: [`base`], the words everybody uses
//! - floor 1: [`protocol`], what is spoken; [`runtime`], the platform as traits
//! - floor 2: [`store`], where things rest
//! - floor 3: [`access`], who may
//! - floor 4: [`channel`], the adapters to upstreams
//! - floor 5: [`snapshot`], configuration compiled for reading
//! - floor 7: [`admin`], the control plane's use cases; [`app`], how a process comes up
//! - floor 8: [`http`], serving

pub mod access;
pub mod admin;
pub mod app;
pub mod base;
pub mod channel;
pub mod credentials;
pub mod http;
pub mod observe;
pub mod protocol;
pub mod runtime;
pub mod snapshot;
pub mod store;
