//! The frame that most of a stream is made of, read in one pass: a piece of text, and nothing beside it.
//!
//! Whatever says more than that is none of these, and read member by member.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

const KIND: &str = "response.output_text.delta";
/// How such a frame begins, as OpenAI writes it.
const BEGINNING: &[u8] = br#"{"type":"response.output_text.delta","#;

/// A piece of a message's part.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    pub(super) output_index: u64,
    pub(super) content_index: u64,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
}

/// Reads a frame that is one of these.
pub(super) fn read<'a>(name: &[u8], data: &'a [u8]) -> Option<Piece<'a>> {
    if name != KIND.as_bytes() && !data.starts_with(BEGINNING) {
        return None;
    }
    let piece: Piece<'a> = serde_json::from_str(std::str::from_utf8(data).ok()?).ok()?;
    let bare = piece.error.is_none() && piece.logprobs.is_none_or(|list| list.get() == "[]");
    (bare && piece.kind == KIND && !piece.delta.is_empty()).then_some(piece)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_plain_piece_is_read_and_nothing_else() {
        let frame = |kind: &str, more: &str| {
            format!(r#"{{"type":"{kind}","item_id":"msg_1","output_index":1,"content_index":0,"delta":"a\nb"{more},"sequence_number":4}}"#)
        };
        let kind = "response.output_text.delta";
        for more in ["", r#","logprobs":[],"obfuscation":"x""#, r#","error":null"#] {
            let text = frame(kind, more);
            let piece = read(b"", text.as_bytes()).unwrap();
            assert_eq!((piece.output_index, piece.content_index, &*piece.delta), (1, 0, "a\nb"));
        }
        assert!(read(b"", frame("response.refusal.delta", "").as_bytes()).is_none());
        assert!(read(kind.as_bytes(), frame("error", "").as_bytes()).is_none());
        assert!(read(b"", frame(kind, r#","logprobs":[{"token":"a"}]"#).as_bytes()).is_none());
        assert!(read(b"", frame(kind, r#","error":{}"#).as_bytes()).is_none());
    }
}
