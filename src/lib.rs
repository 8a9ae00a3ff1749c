//! GPROXY: one gateway between every client's dialect and every provider.
//!
//! The rooms by floor; an import goes only downward (`tests/architecture.rs` holds it):
//!
//! - floor 0: [`base`], the words everybody uses
//! - floor 1: [`protocol`], what is spoken; [`runtime`], the platform as traits; [`observe`], what is measured
//! - floor 2: [`transform`], one shape into another; [`process`], an operator's rules; [`tokenize`], tokens counted here;
//!   [`usage`], what passing frames say was used; [`store`], where things rest
//! - floor 3: [`access`], who may; [`route`], what names mean; [`billing`], what it costs; [`credentials`], secrets
//!   sealed, and whose turn it is; [`health`], who may be asked now; [`doctor`], what prompt caches lose
//! - floor 4: [`channel`], the adapters to upstreams
//! - floor 5: [`snapshot`], the configuration compiled
//! - floor 6: [`pipeline`], the life of one request
//! - floor 7: [`admin`], the use cases of the control plane; [`app`], putting it all together
//! - floor 8: [`http`], serving; [`lab`], a misbehaving provider and the scorecard

pub mod access;
pub mod admin;
pub mod app;
pub mod base;
pub mod billing;
pub mod channel;
pub mod credentials;
pub mod doctor;
pub mod health;
pub mod http;
#[cfg(feature = "native")]
pub mod lab;
pub mod observe;
pub mod pipeline;
pub mod process;
pub mod protocol;
pub mod route;
pub mod runtime;
pub mod snapshot;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tokenize;
pub mod transform;
pub mod usage;
