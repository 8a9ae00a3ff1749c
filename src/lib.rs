//! GPROXY: one gateway between every client's dialect and every provider.
//!
//! The rooms by floor; an import goes only downward (`tests/architecture.rs` holds it):
//!
//! - floor 0: [`base`], the words everybody uses
//! - floor 1: [`protocol`], what is spoken; [`runtime`], the platform as traits
//! - floor 2: [`usage`], the meter; [`store`], where things rest
//! - floor 3: [`access`], who may
//! - floor 4: [`channel`], the adapters to upstreams

pub mod access;
pub mod base;
pub mod channel;
pub mod observe;
pub mod protocol;
pub mod runtime;
pub mod store;
pub mod usage;
