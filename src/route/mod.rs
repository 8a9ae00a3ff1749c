//! What names mean: aliases, routes and the order in which a route's members are asked.
//!
//! Pure: rows go in, names and plans come out. What is counted while serving (turns, latencies, calls under way) lives
//! beside, and goes over from one compiled table to the next.

mod alias;
mod balance;
mod plan;
mod policy;
mod table;

pub use alias::Aliases;
pub use balance::{Member, MemberState, RouteState, Underway, order};
pub use plan::{Plan, Stop};
pub use policy::{Cause, Fallback, OnStreamFault, Policy, RouteAffinity, Subject};
pub use table::{NameFault, Names, Route};

#[cfg(test)]
mod tests;
