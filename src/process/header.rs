//! Sets headers of what the provider is sent.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::protocol::{
    json::WrongShape,
    rule::{HeaderMode, HeaderRule},
};

/// Names that say how the message itself is carried: they are the transport's.
const CARRIERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header rule, compiled.
#[derive(Clone, Debug)]
pub(super) struct Header {
    name: HeaderName,
    value: HeaderValue,
    mode: HeaderMode,
}

impl Header {
    pub(super) fn compile(rule: &HeaderRule) -> Result<Self, WrongShape> {
        let wrong = |expected: &str| WrongShape::new("name", format!("{:?}", rule.name), expected);
        let name = HeaderName::try_from(&rule.name).map_err(|_| wrong("a header's name"))?;
        if CARRIERS.contains(&name.as_str()) {
            return Err(wrong("a header that is not the transport's own"));
        }
        // The value may be a secret, so the fault does not repeat it.
        let value = HeaderValue::try_from(&rule.value)
            .map_err(|_| WrongShape::new("value", "a text with line breaks or control characters", "a header's value"))?;
        Ok(Self { name, value, mode: rule.mode })
    }

    /// Sets it; tells whether that is a change.
    pub(super) fn apply(&self, headers: &mut HeaderMap) -> bool {
        let value = match self.mode {
            HeaderMode::Override => self.value.clone(),
            HeaderMode::Merge => match self.merged(headers) {
                Some(value) => value,
                None => return false,
            },
        };
        let same = headers.get_all(&self.name).iter().eq([&value]);
        headers.insert(self.name.clone(), value);
        !same
    }

    /// All values, each once, with commas; `None` where nothing is lacking or what is there is no text.
    fn merged(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut all: Vec<&str> = Vec::new();
        for value in headers.get_all(&self.name) {
            all.extend(items(value.to_str().ok()?));
        }
        let there = all.len();
        for item in items(self.value.to_str().ok()?) {
            if !all.iter().any(|known| known.eq_ignore_ascii_case(item)) {
                all.push(item);
            }
        }
        if all.len() == there { None } else { HeaderValue::try_from(all.join(",")).ok() }
    }
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}
