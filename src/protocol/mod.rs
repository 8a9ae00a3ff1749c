//! What is spoken: the operations, their wire kinds, the one table of both, and framing.

pub mod cache_mark;
pub mod catalog;
pub mod dispatch;
pub mod fault;
pub mod frame;
pub mod json;
pub mod opening;
mod operation;
pub mod peek;
pub mod rule;
mod scan;
pub mod segment;
pub mod splice;

pub use operation::{Family, Operation, OperationGroup, OperationKey, OperationKind};
