//! Which of the headers that decide a call's way a request has, found in one pass over their names.
//!
//! Nearly every call has none but its key's. A look-up hashes the name that it is asked for, so that a dozen of them in vain would cost
//! more than all the others that find something.

use http::{HeaderMap, HeaderName};

/// A header, or a few that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cue {
    /// `upgrade`.
    Upgrade,
    /// `origin`, which browsers send.
    Origin,
    /// `x-forwarded-for`.
    Forwarded,
    /// `connection`.
    Connection,
    /// `content-encoding`.
    Coding,
    /// `x-goog-api-key`.
    GooglesKey,
    /// `anthropic-version`.
    AnthropicVersion,
    /// `x-api-key` or `api-key`.
    OtherKey,
    /// `idempotency-key`.
    IdempotencyKey,
}

impl Cue {
    fn of(name: &HeaderName) -> Option<Self> {
        Some(match name.as_str() {
            "upgrade" => Self::Upgrade,
            "origin" => Self::Origin,
            "x-forwarded-for" => Self::Forwarded,
            "connection" => Self::Connection,
            "content-encoding" => Self::Coding,
            "x-goog-api-key" => Self::GooglesKey,
            "anthropic-version" => Self::AnthropicVersion,
            "x-api-key" | "api-key" => Self::OtherKey,
            "idempotency-key" => Self::IdempotencyKey,
            _ => return None,
        })
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// The cues of a request's headers. A header that is taken out later keeps its cue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cues(u16);

impl Cues {
    /// Those that some headers have.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.keys().filter_map(Cue::of).fold(0, |cues, cue| cues | cue.bit()))
    }

    /// Whether one of them is there.
    #[must_use]
    pub const fn has(self, cue: Cue) -> bool {
        self.0 & cue.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Cue, Cues};

    const ALL: [(&str, Cue); 10] = [
        ("upgrade", Cue::Upgrade),
        ("origin", Cue::Origin),
        ("x-forwarded-for", Cue::Forwarded),
        ("connection", Cue::Connection),
        ("content-encoding", Cue::Coding),
        ("x-goog-api-key", Cue::GooglesKey),
        ("anthropic-version", Cue::AnthropicVersion),
        ("x-api-key", Cue::OtherKey),
        ("api-key", Cue::OtherKey),
        ("idempotency-key", Cue::IdempotencyKey),
    ];

    #[test]
    fn a_header_gives_its_own_cue_and_no_other() {
        for (name, cue) in ALL {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            headers.insert(name, HeaderValue::from_static("x"));
            let cues = Cues::of(&headers);
            for (other, another) in ALL {
                assert_eq!(cues.has(another), another == cue, "{name} and {other}");
            }
        }
    }
}
