//! Other gateways' files into this one: counts, keys that go on working, and what is told of the rest.
//!
//! The files are written by Python programs, which count what they write; the gateway is the program itself.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, helpers included")]

mod counted;
mod flaws;
mod house;
mod served;
