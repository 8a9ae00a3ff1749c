//! Google's own word for a thought signature that was lost: documented, and taken in the place of one.

/// The word, as Google's slot takes it.
pub(super) const WORD: &str = "skip_thought_signature_validator";
/// The same for clients: the slot holds bytes, and those that decode and encode it anew know one alphabet only.
pub(super) const BYTES: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
/// The hint on a part whose sender says so; Google's own dialect gives it back as it stood.
pub(super) const HINT: &str = "lost";
/// What is documented beside it.
const OTHERS: [&str; 2] = ["context_engineering_is_the_way_to_go", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"];

/// Whether a text says that there is no signature.
pub(super) fn is(text: &str) -> bool {
    // The plain word read as base64 comes back in the other alphabet from some.
    let text = text.trim_end_matches('=').replace('/', "_");
    text == WORD || text == BYTES.trim_end_matches('=') || OTHERS.contains(&&*text)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{BYTES, OTHERS, WORD, is};

    #[test]
    fn the_word_is_known_in_every_writing() {
        assert_eq!(BYTES, STANDARD.encode(WORD));
        assert_eq!(OTHERS[1], STANDARD.encode(OTHERS[0]));
        for text in [WORD, BYTES, BYTES.trim_end_matches('='), "skip/thought/signature/validator", OTHERS[0], OTHERS[1]] {
            assert!(is(text), "{text}");
        }
        assert!(!is("") && !is("c2lnbmF0dXJl"));
    }
}
