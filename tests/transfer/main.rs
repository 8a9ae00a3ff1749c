//! Configuration out of one instance and into another, over every store.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]
#![expect(clippy::disallowed_methods, reason = "the servers' addresses come from the environment")]

#[expect(dead_code, reason = "the store's own tests use all of it")]
#[path = "../store/databases.rs"]
mod databases;
mod house;
mod laws;
mod stores;
