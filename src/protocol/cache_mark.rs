//! Where a prompt is to be cached, in an operator's words: the provider setting `cache_breakpoints`, and the trigger
//! texts with which a client that has no words for it asks.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap as _};

use super::{
    json::{Node, WrongShape},
    rule::words::{self, Words},
};

/// So many marks a request may have, the client's own among them.
pub const MOST_MARKS: usize = 4;

/// What every trigger text begins with.
pub const TRIGGER: &str = "GPROXY_MAGIC_STRING_TRIGGER_CACHING_CREATE_";

/// How the triggers end, and how long what they mark is kept.
pub const TRIGGER_ENDS: &[(&str, CacheTtl)] = &[
    ("7D9ASD7A98SD7A9S8D79ASC98A7FNKJBVV80SCMSHDSIUCH", CacheTtl::Auto),
    ("49VA1S5V19GR4G89W2V695G9W9GV52W95V198WV5W2FC9DF", CacheTtl::Minutes5),
    ("1FAS5GV9R5H29T5Y2J9584K6O95M2NBVW52C95CX984FRJY", CacheTtl::Hour1),
];

/// How long a marked prefix is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheTtl {
    /// As long as the provider keeps it by itself.
    #[default]
    Auto,
    /// Five minutes (Claude).
    Minutes5,
    /// Thirty minutes (OpenAI).
    Minutes30,
    /// An hour (Claude).
    Hour1,
}

impl CacheTtl {
    pub(super) const WORDS: Words<Self> = &[
        ("auto", Self::Auto),
        ("5m", Self::Minutes5),
        ("30m", Self::Minutes30),
        ("1h", Self::Hour1),
        ("ttl5m", Self::Minutes5),
        ("ttl1h", Self::Hour1),
    ];

    /// The word on the wire, where there is one.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Minutes5 => Some("5m"),
            Self::Minutes30 => Some("30m"),
            Self::Hour1 => Some("1h"),
        }
    }
}

/// The part of a request that a mark is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheTarget {
    /// The request itself.
    TopLevel,
    /// The tools.
    Tools,
    /// The system prompt.
    System,
    /// The conversation.
    Message,
}

impl CacheTarget {
    pub(super) const WORDS: Words<Self> = &[
        ("top_level", Self::TopLevel),
        ("tools", Self::Tools),
        ("system", Self::System),
        ("message", Self::Message),
        ("messages", Self::Message),
        ("global", Self::TopLevel),
    ];
}

/// The end that is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheFrom {
    /// The first is number one.
    Start,
    /// The last is number one.
    End,
}

impl CacheFrom {
    const WORDS: Words<Self> = &[("nth", Self::Start), ("last_nth", Self::End), ("last", Self::End), ("from_end", Self::End)];
}

/// One of a list, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CachePick {
    /// From which end.
    pub from: CacheFrom,
    /// Which one; the first is 1.
    pub nth: usize,
}

impl CachePick {
    /// The last of a list.
    pub const LAST: Self = Self { from: CacheFrom::End, nth: 1 };

    /// A signed number, counted from one: `-1` is the last. Zero is none.
    #[must_use]
    pub fn signed(index: i64) -> Option<Self> {
        let from = if index < 0 { CacheFrom::End } else { CacheFrom::Start };
        usize::try_from(index.unsigned_abs()).ok().filter(|nth| *nth > 0).map(|nth| Self { from, nth })
    }

    /// The one of `list`, where it is long enough.
    #[must_use]
    pub fn of<T>(self, list: &[T]) -> Option<&T> {
        match self.from {
            CacheFrom::Start => list.get(self.nth.checked_sub(1)?),
            CacheFrom::End => list.get(list.len().checked_sub(self.nth)?),
        }
    }
}

/// One element of `cache_breakpoints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheMark {
    /// Where.
    pub target: CacheTarget,
    /// Which block there; with `within`, which message.
    pub pick: CachePick,
    /// Which block of the message.
    pub within: Option<CachePick>,
    /// For how long.
    pub ttl: CacheTtl,
}

impl CacheMark {
    const KNOWN: &[&str] = &["target", "position", "index", "content_position", "content_index", "ttl"];

    /// Reads one element.
    ///
    /// # Errors
    /// [`WrongShape`] with the member at fault, and the nearest word where one is unknown.
    pub fn read(node: Node<'_>) -> Result<Self, WrongShape> {
        let mut fields = node.members()?;
        let target = words::required(&mut fields, "target", CacheTarget::WORDS)?;
        let pick = |position: Option<CacheFrom>, index: Option<u64>| CachePick {
            from: position.unwrap_or(CacheFrom::Start),
            nth: usize::try_from(index.unwrap_or(1).max(1)).unwrap_or(usize::MAX),
        };
        let outer = pick(words::optional(&mut fields, "position", CacheFrom::WORDS)?, fields.unsigned("index")?);
        let inner = (words::optional(&mut fields, "content_position", CacheFrom::WORDS)?, fields.unsigned("content_index")?);
        let within = match inner {
            (None, None) => None,
            (position, index) => Some(pick(position, index)),
        };
        let ttl = words::optional(&mut fields, "ttl", CacheTtl::WORDS)?.unwrap_or_default();
        if ttl == CacheTtl::Minutes30 {
            return Err(WrongShape::new("ttl", "\"30m\"", "one of auto, 5m, 1h"));
        }
        words::nothing_left(fields, Self::KNOWN)?;
        Ok(Self { target, pick: outer, within, ttl })
    }

    /// Reads the whole setting. More than [`MOST_MARKS`] are read, and the rest is never used.
    ///
    /// # Errors
    /// [`WrongShape`] of the first element at fault.
    pub fn read_all(node: Node<'_>) -> Result<Vec<Self>, WrongShape> {
        let elements = node.array().ok_or_else(|| node.wrong("", "an array of cache breakpoints"))?;
        elements.into_iter().enumerate().map(|(at, element)| Self::read(element).map_err(|fault| fault.at(at))).collect()
    }
}

impl<'de> Deserialize<'de> for CacheMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?.to_string();
        Node::parse(value.as_bytes()).and_then(Self::read).map_err(D::Error::custom)
    }
}

impl Serialize for CacheMark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("target", words::word(CacheTarget::WORDS, self.target))?;
        map.serialize_entry("position", words::word(CacheFrom::WORDS, self.pick.from))?;
        map.serialize_entry("index", &self.pick.nth)?;
        if let Some(within) = self.within {
            map.serialize_entry("content_position", words::word(CacheFrom::WORDS, within.from))?;
            map.serialize_entry("content_index", &within.nth)?;
        }
        map.serialize_entry("ttl", words::word(CacheTtl::WORDS, self.ttl))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<CacheMark, String> {
        serde_json::from_str::<CacheMark>(json).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_mark_is_read_with_its_aliases_and_defaults() {
        let first = CachePick { from: CacheFrom::Start, nth: 1 };
        let plain = CacheMark { target: CacheTarget::System, pick: first, within: None, ttl: CacheTtl::Auto };
        for (json, mark) in [
            (r#"{"target":"system"}"#, plain),
            (r#"{"target":"global","index":0}"#, CacheMark { target: CacheTarget::TopLevel, ..plain }),
            (
                r#"{"target":"messages","position":"last","ttl":"ttl1h"}"#,
                CacheMark { target: CacheTarget::Message, pick: CachePick::LAST, within: None, ttl: CacheTtl::Hour1 },
            ),
            (r#"{"target":"messages","content_index":1}"#, CacheMark { target: CacheTarget::Message, within: Some(first), ..plain }),
        ] {
            assert_eq!(read(json), Ok(mark), "{json}");
            assert_eq!(read(&serde_json::to_string(&mark).unwrap()), Ok(mark), "{json}");
        }
    }

    #[test]
    fn a_wrong_mark_says_what_it_wants() {
        for (json, says) in [
            (
                r#"{"target":"sytem"}"#,
                r#""target" is "sytem"; expected one of top_level, tools, system, message, messages, global; did you mean "system"?"#,
            ),
            (r#"{"index":1}"#, r#""target" is missing; expected one of top_level"#),
            (
                r#"{"target":"tools","indx":1}"#,
                r#""indx" is unknown; expected one of target, position, index, content_position, content_index, ttl; did you mean "index"?"#,
            ),
            (r#"{"target":"tools","ttl":"30m"}"#, r#""ttl" is "30m"; expected one of auto, 5m, 1h"#),
        ] {
            let fault = read(json).unwrap_err();
            assert!(fault.starts_with(says), "{fault}");
        }
        let fault = CacheMark::read_all(Node::parse(br#"[{"target":"tools"},{"target":1}]"#).unwrap()).unwrap_err();
        assert_eq!(fault.path, "[1].target");
    }

    #[test]
    fn a_pick_counts_from_either_end() {
        let list = ["a", "b", "c"];
        for (index, found) in [(1, Some("a")), (3, Some("c")), (4, None), (-1, Some("c")), (-3, Some("a")), (-4, None)] {
            assert_eq!(CachePick::signed(index).unwrap().of(&list).copied(), found, "{index}");
        }
        assert_eq!(CachePick::signed(0), None);
    }
}
