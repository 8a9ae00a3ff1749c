//! One vector, as numbers or as base64.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Encoding;
use crate::protocol::json::{Node, ObjectWriter, Shape, WrongShape};

/// A vector as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vector<'a> {
    /// An array of numbers, unread.
    Numbers(Node<'a>),
    /// Base64 of little-endian 32-bit floats.
    Base64(Node<'a>),
}

impl<'a> Vector<'a> {
    /// Takes a vector of either writing.
    pub(super) fn read(node: Node<'a>) -> Result<Self, WrongShape> {
        match node.shape() {
            Shape::Array => Ok(Self::Numbers(node)),
            Shape::Text => Ok(Self::Base64(node)),
            Shape::Null | Shape::Bool | Shape::Number | Shape::Object => Err(node.wrong("", "an array of numbers, or base64")),
        }
    }

    /// Writes it; numbers that stay numbers keep their digits.
    pub(super) fn write(self, name: &str, encoding: Encoding, o: &mut ObjectWriter<'_>) -> Result<(), WrongShape> {
        match (self, encoding) {
            (Self::Numbers(node), Encoding::Float) | (Self::Base64(node), Encoding::Base64) => {
                o.raw(name, node.raw());
            }
            (Self::Numbers(node), Encoding::Base64) => {
                let floats: Vec<f32> = serde_json::from_str(node.json()).map_err(|_| node.wrong("", "an array of numbers"))?;
                let bytes: Vec<u8> = floats.into_iter().flat_map(f32::to_le_bytes).collect();
                o.text(name, &STANDARD.encode(bytes));
            }
            (Self::Base64(node), Encoding::Float) => {
                o.json(name, &numbers(&node.text().unwrap_or(Cow::Borrowed(""))).ok_or_else(|| node.wrong("", "base64 of 32-bit floats"))?);
            }
        }
        Ok(())
    }
}

/// The numbers within base64, each in the fewest digits that mean it; `None` where a number is none or bytes are left over.
fn numbers(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text).ok()?;
    if bytes.len() % 4 != 0 {
        return None;
    }
    let mut json = String::with_capacity(bytes.len() * 3 + 2);
    json.push('[');
    for (at, four) in bytes.chunks_exact(4).enumerate() {
        let number = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        if !number.is_finite() {
            return None;
        }
        if at > 0 {
            json.push(',');
        }
        json.push_str(&number.to_string());
    }
    json.push(']');
    Some(json)
}
