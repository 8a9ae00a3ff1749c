//! JSON read one level at a time, and written without a tree in between.
//!
//! A [`Node`] is a piece of JSON text that has not been looked into. What a reader does not name is not lost: it stays
//! behind as text, byte for byte ([`Fields::rest`]), so numbers keep their digits and objects their order.

mod node;
mod write;

#[cfg(test)]
mod tests;

pub use node::{Fields, Node, Shape, WrongShape, mended};
pub use write::{ArrayWriter, ObjectWriter, array, object, text};
