//! Shapes that several inputs share.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::base::Secret;

/// A secret that comes in. It is never given out again.
#[derive(Clone, JsonSchema)]
#[schemars(inline, extend("writeOnly" = true))]
pub struct SecretText(#[schemars(with = "String")] pub Secret<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not through an untyped value: an error of that would quote the secret.
        String::deserialize(deserializer).map(|text| Self(Secret::new(text))).map_err(|_| serde::de::Error::custom("expected a string"))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads a member where absent means "keep" and `null` means "clear".
///
/// # Errors
/// Those of `T`.
pub fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads an input's JSON object, naming the member at fault and the nearest known one.
///
/// # Errors
/// The member's path and what was expected.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, super::AdminFault> {
    let body = match body.trim_ascii_start() {
        [] => b"{}",
        // An array would be taken for the members in their order.
        object @ [b'{', ..] => object,
        _ => return Err(super::AdminFault::invalid("", "expected a JSON object")),
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        fault(&path, &error.into_inner())
    })?;
    reader.end().map_err(|error| fault("", &error))?;
    Ok(value)
}

fn fault(path: &str, error: &serde_json::Error) -> super::AdminFault {
    let text = error.to_string();
    // serde_json ends its messages with a position, which means little to somebody who sent an object.
    let message = if error.is_data() { text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message) } else { &text };
    let message = crate::channel::kit::settings::with_nearest(message, &[]);
    let named = message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("missing field `"));
    let field = named.and_then(|rest| rest.split('`').next()).filter(|_| matches!(path, "." | "?" | "")).unwrap_or(path);
    let field = if field == "." { String::new() } else { field.to_owned() };
    super::AdminFault::invalid(field, message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::parse;
    use crate::admin::AdminFault;

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Given {
        label: Option<String>,
    }

    #[test]
    fn an_input_is_an_object_or_nothing() {
        for empty in ["", " \n", "{}", " {\"label\": null}\n"] {
            assert_eq!(parse::<Given>(empty.as_bytes()).unwrap(), Given::default(), "{empty:?}");
        }
        for other in ["[null]", "[]", "null", "1", "\"label\"", "label", "\u{feff}{}", "{}{}", "{", "{\"label\": []}", "{\"lable\": \"x\"}"]
        {
            assert!(matches!(parse::<Given>(other.as_bytes()), Err(AdminFault::Invalid { .. })), "{other:?}");
        }
    }
}
