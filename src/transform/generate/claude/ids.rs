//! Ids and names that Anthropic takes: letters, digits, `_` and `-`.

use std::borrow::Cow;

/// The longest name of a tool.
const NAME: usize = 128;

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

/// A tool's name in the alphabet and length that Anthropic takes; `None` where it is so already.
pub(super) fn tool_name(name: &str) -> Option<String> {
    if !name.is_empty() && name.len() <= NAME && name.bytes().all(taken) {
        return None;
    }
    let mut plain = plain(name);
    plain.truncate(NAME - 9);
    Some(format!("{plain}_{:08x}", digest(name)))
}

fn taken(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn plain(text: &str) -> String {
    text.chars().map(|letter| if u8::try_from(letter).is_ok_and(taken) { letter } else { '_' }).collect()
}

/// FNV-1a: short, stable, and no secret depends on it.
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
