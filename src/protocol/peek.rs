//! A shallow look at a JSON body: its top-level members by byte range, and the few values that routing needs.
//!
//! One scan, no tree. What lies deeper is skipped by counting brackets outside strings; whether it is valid is for
//! the provider to say.

use std::{borrow::Cow, ops::Range};

use super::scan;

/// One member of the body's top-level object, as byte ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// The top level of a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    members: Vec<Member>,
    /// Just behind the opening brace.
    inside: usize,
    /// The closing brace.
    close: usize,
}

/// Why a body is not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekFault {
    /// The body does not begin with `{`.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// The text is not JSON at this place.
    #[error("the body is not valid JSON: expected {expected} at byte {at}")]
    Syntax {
        /// What should stand there.
        expected: &'static str,
        /// Offset from the body's beginning.
        at: usize,
    },
    /// A member that decides where the call goes stands twice, with different values.
    #[error("{name:?} is given more than once with different values")]
    Contradiction {
        /// The member.
        name: &'static str,
    },
    /// A member has a value of another type.
    #[error("{name:?} must be {expected}, not {found}")]
    Type {
        /// The member.
        name: &'static str,
        /// The type that it must have.
        expected: &'static str,
        /// What was there, shortened.
        found: String,
    },
}

impl Peek {
    /// Scans `body`.
    ///
    /// # Errors
    /// [`PeekFault`] where it is not a JSON object, as far as the scan looks.
    pub fn scan(body: &[u8]) -> Result<Self, PeekFault> {
        let mut scan = Scan { body, at: 0 };
        // RFC 8259 lets a parser ignore a byte order mark.
        if body.starts_with(b"\xef\xbb\xbf") {
            scan.at = 3;
        }
        scan.space();
        if scan.byte() != Some(b'{') {
            return Err(PeekFault::NotAnObject);
        }
        scan.at += 1;
        let mut peek = Self { members: Vec::with_capacity(16), inside: scan.at, close: 0 };
        scan.space();
        if scan.byte() == Some(b'}') {
            peek.close = scan.at;
        } else {
            peek.close = scan.members(&mut peek.members)?;
        }
        scan.at = peek.close + 1;
        scan.space();
        if scan.at < body.len() {
            return Err(PeekFault::Syntax { expected: "the end of the body", at: scan.at });
        }
        Ok(peek)
    }

    /// The members in their order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Where a new first member would stand.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside
    }

    /// The members called `name`, in their order. JSON allows a key twice; most parsers take the last.
    #[must_use]
    pub fn all<'a>(&'a self, body: &'a [u8], name: &'a str) -> impl DoubleEndedIterator<Item = &'a Member> {
        self.members.iter().filter(move |member| key_is(&body[member.key.clone()], name))
    }

    /// Where the members called `name` stand among the others.
    pub(super) fn places(&self, body: &[u8], name: &str) -> impl Iterator<Item = usize> {
        (0..self.members.len()).filter(move |at| key_is(&body[self.members[*at].key.clone()], name))
    }

    /// The value of the last member called `name`, as JSON text.
    #[must_use]
    pub fn value<'a>(&self, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.members.iter().rev().find(|member| key_is(&body[member.key.clone()], name)).map(|member| &body[member.value.clone()])
    }

    /// The text of a string member; `None` where it is absent or null.
    ///
    /// # Errors
    /// [`PeekFault::Type`] where it is something else, [`PeekFault::Contradiction`] where it stands twice with two values.
    pub fn text<'a>(&self, body: &'a [u8], name: &'static str) -> Result<Option<Cow<'a, str>>, PeekFault> {
        let mut found: Option<Cow<'a, str>> = None;
        for member in self.members.iter().filter(|member| key_is(&body[member.key.clone()], name)) {
            let value = &body[member.value.clone()];
            if value == b"null" {
                continue;
            }
            let text = string(value).ok_or_else(|| PeekFault::Type { name, expected: "a string", found: brief(value) })?;
            match &found {
                Some(earlier) if *earlier != text => return Err(PeekFault::Contradiction { name }),
                _ => found = Some(text),
            }
        }
        Ok(found)
    }

    /// Whether a member is `true`. Anything else, also the text `"true"`, is not.
    #[must_use]
    pub fn flag(&self, body: &[u8], name: &str) -> bool {
        self.value(body, name) == Some(b"true")
    }

    /// A member that is a whole number.
    #[must_use]
    pub fn number(&self, body: &[u8], name: &str) -> Option<u64> {
        std::str::from_utf8(self.value(body, name)?).ok()?.parse().ok()
    }
}

/// Reads a JSON string; `None` where the text is not one.
#[must_use]
pub fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice::<String>(value).ok().map(Cow::Owned);
    }
    if inner.iter().any(|byte| *byte < 0x20) {
        return None;
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

fn key_is(quoted: &[u8], name: &str) -> bool {
    let inner = &quoted[1..quoted.len() - 1];
    if inner == name.as_bytes() {
        return true;
    }
    // A key may be written with escapes, and a permission must not be evaded by writing it so.
    memchr::memchr(b'\\', inner).is_some() && string(quoted).is_some_and(|key| key == name)
}

fn brief(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned();
    if value.len() > 40 { text + "..." } else { text }
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn byte(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn fault(&self, expected: &'static str) -> PeekFault {
        PeekFault::Syntax { expected, at: self.at }
    }

    /// Reads members up to the closing brace and tells its place.
    fn members(&mut self, members: &mut Vec<Member>) -> Result<usize, PeekFault> {
        loop {
            self.space();
            let key = self.quoted()?;
            self.space();
            if self.byte() != Some(b':') {
                return Err(self.fault("':'"));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            members.push(Member { key, value });
            self.space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.at),
                _ => return Err(self.fault("',' or '}'")),
            }
        }
    }

    fn quoted(&mut self) -> Result<Range<usize>, PeekFault> {
        if self.byte() != Some(b'"') {
            return Err(self.fault("a quoted name"));
        }
        let start = self.at;
        self.skip_string()?;
        Ok(start..self.at)
    }

    /// Stands on an opening quote; leaves the scan behind the closing one.
    fn skip_string(&mut self) -> Result<(), PeekFault> {
        self.go_to(scan::skip_string(self.body, self.at), "a closing quote")
    }

    /// Stands on an opening bracket; leaves the scan behind its partner.
    fn skip_nested(&mut self) -> Result<(), PeekFault> {
        self.go_to(scan::skip_nested(self.body, self.at), "a closing bracket")
    }

    fn go_to(&mut self, end: Option<usize>, expected: &'static str) -> Result<(), PeekFault> {
        self.at = end.unwrap_or(self.body.len());
        if end.is_none() { Err(self.fault(expected)) } else { Ok(()) }
    }

    fn value(&mut self) -> Result<Range<usize>, PeekFault> {
        let start = self.at;
        match self.byte() {
            Some(b'"') => self.skip_string()?,
            Some(b'{' | b'[') => self.skip_nested()?,
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(self.byte(), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')) {
                    self.at += 1;
                }
                if serde_json::from_slice::<serde::de::IgnoredAny>(&self.body[start..self.at]).is_err() {
                    self.at = start;
                    return Err(self.fault("a value"));
                }
            }
            _ => return Err(self.fault("a value")),
        }
        Ok(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Peek, PeekFault};

    #[test]
    fn members_are_found_at_any_place_and_in_any_spelling() {
        for body in [
            r#"{"model":"m","stream":true}"#,
            "\u{feff} {\n\t\"stream\" : true , \"model\" : \"m\" } ",
            r#"{"a":{"model":"x","b":["]","}"]},"model":"m","stream":true}"#,
            r#"{"mod\u0065l":"m","stream":true,"n":-1.5e+3,"z":null}"#,
            r#"{"model":"x\\","model2":"\"","model":"x\\","stream":true}"#,
        ] {
            let peek = Peek::scan(body.as_bytes()).unwrap();
            assert!(peek.flag(body.as_bytes(), "stream"), "{body}");
            let model = peek.text(body.as_bytes(), "model").unwrap().unwrap();
            assert!(model == "m" || model == "x\\", "{body}: {model}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (body, place) in [
            ("[1]", None),
            ("", None),
            ("nul", None),
            ("{\"a\" 1}", Some(5)),
            ("{\"a\":1", Some(6)),
            ("{\"a\":[1}", Some(8)),
            ("{\"a\":1}x", Some(7)),
            ("{\"a\":tru}", Some(5)),
            ("{\"a\":\"x", Some(7)),
            ("{a:1}", Some(1)),
        ] {
            match (Peek::scan(body.as_bytes()), place) {
                (Err(PeekFault::NotAnObject), None) => {}
                (Err(PeekFault::Syntax { at, .. }), Some(place)) => assert_eq!(at, place, "{body}"),
                (other, _) => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn two_models_in_one_body_are_a_contradiction() {
        let body = br#"{"model":"a","model":"b"}"#;
        assert_eq!(Peek::scan(body).unwrap().text(body, "model"), Err(PeekFault::Contradiction { name: "model" }));
        let body = br#"{"model":7}"#;
        assert!(matches!(Peek::scan(body).unwrap().text(body, "model"), Err(PeekFault::Type { name: "model", .. })));
    }
}
