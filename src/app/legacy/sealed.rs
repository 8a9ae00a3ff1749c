//! Secrets of foreign files as they rest there: open, or sealed in a form that we know.

use serde_json::Value;

use super::{
    LegacyFault,
    draft::Reading,
    tables::{Keyed, Row},
};
use crate::{
    base::Secret,
    credentials::{SealFault, Sealer},
};

/// The first format's mark in sealed JSON.
const JSON_MARK: &str = "$gproxy_enc";

/// Opens what the reference's first format sealed, as a text or as JSON; what stands open is given as it is.
pub(super) fn opened(row: &Row<'_>, column: &str, text: String, reading: &Reading<'_>) -> Result<String, LegacyFault> {
    let sealed = match first_form(&text) {
        Some(sealed) => sealed,
        None if Sealer::is_sealed(&text) => text,
        None => return Ok(text),
    };
    let Some(key) = &reading.source_key else { return Err(row.sealed(column, Keyed::No)) };
    match Sealer::new(Secret::new(key.expose().clone())).open("", &sealed) {
        Ok(plain) => Ok(plain.expose().clone()),
        Err(SealFault::Refused) => Err(row.sealed(column, Keyed::Wrong)),
        Err(SealFault::Plain | SealFault::Damaged) => Err(row.fault(column, "a sealed text: enc:v1:nonce:ciphertext")),
    }
}

/// The text form of a seal that stands as JSON.
fn first_form(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    part(JSON_MARK).filter(|version| *version == "v1")?;
    Some(format!("enc:v1:{}:{}", part("nonce")?, part("ciphertext")?))
}

/// Whether a text is an envelope of the reference's later versions, which only its own program opens.
pub(super) fn is_envelope(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.get("wrapped_dek").is_some())
}

/// The API key in a credential's secret: the text itself, or a member of its JSON. Nothing where it is of another kind.
pub(super) fn api_key(text: &str) -> Option<String> {
    let key = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(members)) => {
            let found = ["api_key", "secret", "key", "token"].iter().find_map(|name| members.get(*name));
            // OAuth and service accounts have keys among other things; those alone are worth nothing.
            let others = ["refresh_token", "private_key", "cookie", "client_secret"];
            found.filter(|_| !others.iter().any(|name| members.contains_key(*name)))?.as_str()?.to_owned()
        }
        Ok(Value::String(text)) => text,
        Ok(Value::Null | Value::Bool(_) | Value::Array(_)) => return None,
        Ok(Value::Number(_)) | Err(_) => text.to_owned(),
    };
    let key = key.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_each_form_and_nothing_else_is_taken_for_one() {
        for (text, key) in [
            ("sk-1", Some("sk-1")),
            (r#""sk-2""#, Some("sk-2")),
            (r#"{"api_key":"sk-3"}"#, Some("sk-3")),
            (r#"{"secret":"sk-4","note":"x"}"#, Some("sk-4")),
            (r#"{"token":"ya29","refresh_token":"1//x"}"#, None),
            (r#"{"client_email":"a@b","private_key":"---"}"#, None),
            (r#"{"api_key":""}"#, None),
            ("", None),
        ] {
            assert_eq!(api_key(text).as_deref(), key, "{text}");
        }
        assert!(is_envelope(r#"{"kek_id":"k","wrapped_dek":"a","nonce":"b","ciphertext":"c"}"#) && !is_envelope("sk-1"));
    }
}
