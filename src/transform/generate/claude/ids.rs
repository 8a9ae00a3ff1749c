//! Ids that Anthropic takes: letters, digits, `_` and `-`.

use std::borrow::Cow;

use crate::transform::generate::alphabet::digest;

/// A call's id in the alphabet that Anthropic takes. The same id always becomes the same one, and two different ones
/// never do: what was replaced is told apart by a digest.
pub(super) fn call(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.bytes().all(taken) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("{}_{:08x}", plain(id), digest(id)))
}

/// The id of a call of one of Anthropic's own tools.
pub(super) fn server_call(id: &str) -> String {
    if id.starts_with("srvtoolu_") && id.bytes().all(taken) {
        return id.to_owned();
    }
    format!("srvtoolu_{}", call(id).replace('-', "_"))
}

fn taken(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn plain(text: &str) -> String {
    text.chars().map(|letter| if u8::try_from(letter).is_ok_and(taken) { letter } else { '_' }).collect()
}
