//! What only its own maker can read, carried through somebody else's hands.
//!
//! Signatures of thinking, encrypted reasoning, thought signatures: the provider wants them back unchanged with the next
//! turn, and refuses those of others. A client of another dialect gets them in its own opaque slot, with a tag that says
//! whose they are; when it sends them back, the tag is taken off. Untagged text in such a slot belongs to the slot's own
//! dialect.

use std::{borrow::Cow, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

use super::generate::Dialect;

const MARK: &str = "gproxy1.";
/// The same in base64, as far as that is certain.
const MARK_IN_BASE64: &[u8] = b"Z3Byb3h5MS";
/// What looks for the two: made once, since that costs more than to look through a short body.
static FINDERS: LazyLock<[memmem::Finder<'static>; 2]> = LazyLock::new(|| [MARK.as_bytes(), MARK_IN_BASE64].map(memmem::Finder::new));

/// An opaque text and the dialect whose provider made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Who can read it.
    pub owner: Dialect,
    /// The text, byte for byte as its maker wrote it.
    pub data: Cow<'a, str>,
}

impl<'a> Seal<'a> {
    /// What a dialect's own slot holds: its own text, or a tagged one of another.
    #[must_use]
    pub fn read(slot_of: Dialect, text: Cow<'a, str>) -> Self {
        let tagged = match slot_of {
            Dialect::Gemini => untag_bytes(&text),
            Dialect::Chat | Dialect::Responses | Dialect::Claude => untag(&text),
        };
        match tagged {
            Some((owner, data)) => Self { owner, data: Cow::Owned(data) },
            None => Self { owner: slot_of, data: text },
        }
    }

    /// The text for a slot of `slot_of`: as it is in its owner's, tagged in any other.
    #[must_use]
    pub fn write(&self, slot_of: Dialect) -> Cow<'_, str> {
        if self.owner == slot_of {
            return Cow::Borrowed(&self.data);
        }
        let tagged = format!("{MARK}{}.{}", self.owner.id(), self.data);
        match slot_of {
            // Google's slot holds bytes: clients decode it and encode it anew.
            Dialect::Gemini => Cow::Owned(STANDARD.encode(tagged)),
            Dialect::Chat | Dialect::Responses | Dialect::Claude => Cow::Owned(tagged),
        }
    }

    /// Whether a body of `dialect` may hold a tagged text, by the look of its bytes. Every body is searched, so none twice in vain.
    #[must_use]
    pub fn is_in(dialect: Dialect, body: &[u8]) -> bool {
        let [text, base64] = &*FINDERS;
        match dialect {
            Dialect::Gemini => base64.find(body).is_some(),
            // Chat's calls carry Google's slot beside its own.
            Dialect::Chat => text.find(body).is_some() || base64.find(body).is_some(),
            Dialect::Responses | Dialect::Claude => text.find(body).is_some(),
        }
    }

    /// The text, where `reader` is the one who can read it.
    #[must_use]
    pub fn opened_by(&self, reader: Dialect) -> Option<&str> {
        (self.owner == reader).then_some(&*self.data)
    }

    /// The same, independent of where it was read.
    #[must_use]
    pub fn into_owned(self) -> Seal<'static> {
        Seal { owner: self.owner, data: Cow::Owned(self.data.into_owned()) }
    }
}

fn untag(text: &str) -> Option<(Dialect, String)> {
    let (owner, data) = text.strip_prefix(MARK)?.split_once('.')?;
    Some((Dialect::parse(owner)?, data.to_owned()))
}

fn untag_bytes(text: &str) -> Option<(Dialect, String)> {
    // Clients write either alphabet, with or without padding.
    let standard: String = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(standard).ok()?;
    untag(std::str::from_utf8(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Seal};

    #[test]
    fn a_seal_comes_back_from_any_slot_byte_for_byte() {
        for owner in Dialect::ALL {
            let data = "EqQB/+8=.weird text é";
            let seal = Seal { owner, data: data.into() };
            for slot in Dialect::ALL {
                let written = seal.write(slot);
                if owner != slot || slot != Dialect::Gemini {
                    assert_eq!(Seal::read(slot, written), seal, "{owner:?} in {slot:?}");
                }
            }
        }
    }

    #[test]
    fn googles_slot_survives_a_change_of_alphabet() {
        let seal = Seal { owner: Dialect::Claude, data: "??>>~~".into() };
        let written = seal.write(Dialect::Gemini).replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(Seal::read(Dialect::Gemini, written.into()), seal);
    }

    #[test]
    fn a_tag_is_found_in_the_body_that_holds_it() {
        for owner in Dialect::ALL {
            let seal = Seal { owner, data: "EqQB".into() };
            for slot in Dialect::ALL.into_iter().filter(|slot| *slot != owner) {
                let body = format!(r#"{{"signature":"{}"}}"#, seal.write(slot));
                assert!(Seal::is_in(slot, body.as_bytes()), "{owner:?} in {slot:?}");
            }
            assert!(!Seal::is_in(owner, seal.write(owner).as_bytes()));
        }
    }

    #[test]
    fn what_is_untagged_is_the_slots_own() {
        let seal = Seal::read(Dialect::Claude, "EqQBCgYIBBgC".into());
        assert_eq!(seal.opened_by(Dialect::Claude), Some("EqQBCgYIBBgC"));
        assert_eq!(seal.opened_by(Dialect::Gemini), None);
    }
}
