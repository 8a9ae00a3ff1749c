//! A refusal in a dialect's own shape.

use serde_json::Value;

use super::{count, text};
use crate::transform::generate::Dialect;

/// The message of a refusal with this status.
///
/// # Errors
/// What the dialect does not say.
pub(super) fn message(dialect: Dialect, status: u16, body: &[u8]) -> Result<String, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| format!("a refusal is no JSON: {}", String::from_utf8_lossy(body)))?;
    let message = self::body(dialect, &value)?;
    if dialect == Dialect::Gemini && count(&value, "/error/code")? != u64::from(status) {
        return Err(format!("error.code is not the status: {value}"));
    }
    Ok(message)
}

/// The message of an error's body.
pub(super) fn body(dialect: Dialect, value: &Value) -> Result<String, String> {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            text(value, "/error/type")?;
        }
        Dialect::Claude => {
            if text(value, "/type")? != "error" {
                return Err(format!("type is not \"error\" in {value}"));
            }
            text(value, "/error/type")?;
        }
        Dialect::Gemini => {
            count(value, "/error/code")?;
            text(value, "/error/status")?;
        }
    }
    Ok(text(value, "/error/message")?.to_owned())
}
