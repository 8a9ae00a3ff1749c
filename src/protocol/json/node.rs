//! Reading: a value as text, its members one level down, and clear words where it is not what was expected.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a JSON value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Shape {
    /// How people call it, with its article.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A value that is not what its reader needs: where it stands, what it is, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is {was}; expected {expected}")]
pub struct WrongShape {
    /// Where, dotted and with indexes: `messages[2].content`.
    pub path: String,
    /// What it is.
    pub was: String,
    /// What was expected.
    pub expected: String,
}

impl WrongShape {
    /// A fault of the member `name`.
    pub fn new(name: impl Into<String>, was: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { path: name.into(), was: was.into(), expected: expected.into() }
    }

    /// A member that must be there and is not.
    pub fn missing(name: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::new(name, "missing", expected)
    }

    /// The same fault seen from the object around it.
    #[must_use]
    pub fn under(mut self, name: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{joint}{}", self.path);
        self
    }

    /// The same fault seen from the array around it.
    #[must_use]
    pub fn at(self, index: usize) -> Self {
        self.under(&format!("[{index}]"))
    }
}

/// A JSON value, unread.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a>(&'a RawValue);

impl<'a> Node<'a> {
    /// A value whose syntax has been checked.
    #[must_use]
    pub fn of(raw: &'a RawValue) -> Self {
        Self(raw)
    }

    /// Takes a whole text as one value. Checks the syntax of all of it.
    ///
    /// # Errors
    /// No UTF-8, or no JSON; `path` is empty.
    pub fn parse(text: &'a [u8]) -> Result<Self, WrongShape> {
        let text = std::str::from_utf8(text).map_err(|_| WrongShape::new("", "not UTF-8", "JSON in UTF-8"))?;
        serde_json::from_str(text).map(Self).map_err(|fault| WrongShape::new("", format!("no valid JSON ({fault})"), "JSON"))
    }

    /// The value as its text.
    #[must_use]
    pub fn raw(self) -> &'a RawValue {
        self.0
    }

    /// The text of the value.
    #[must_use]
    pub fn json(self) -> &'a str {
        self.0.get()
    }

    /// What it is.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self.json().as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::Text,
            Some(b't' | b'f') => Shape::Bool,
            Some(b'n') | None => Shape::Null,
            Some(_) => Shape::Number,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.shape() == Shape::Null
    }

    /// A string's content, borrowed where it has no escapes.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Borrowed<'b>(#[serde(borrow)] Cow<'b, str>);
        let read = |json: &'a str| serde_json::from_str::<Borrowed<'a>>(json).ok().map(|text| text.0);
        read(self.json()).or_else(|| serde_json::from_str(&mended(self.json())?).ok().map(Cow::Owned))
    }

    /// A boolean.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        match self.json() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A whole number that is not negative; `3.0` counts as one.
    #[must_use]
    pub fn unsigned(self) -> Option<u64> {
        let json = self.json();
        json.parse().ok().or_else(|| json.strip_suffix(".0")?.parse().ok())
    }

    /// A whole number.
    #[must_use]
    pub fn signed(self) -> Option<i64> {
        let json = self.json();
        json.parse().ok().or_else(|| json.strip_suffix(".0")?.parse().ok())
    }

    /// Any number.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        (self.shape() == Shape::Number).then(|| self.json().parse().ok()).flatten()
    }

    /// The elements of an array.
    #[must_use]
    pub fn array(self) -> Option<Vec<Self>> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.json()).ok()?;
        Some(elements.into_iter().map(Self).collect())
    }

    /// The members of an object.
    #[must_use]
    pub fn object(self) -> Option<Fields<'a>> {
        serde_json::from_str(self.json()).ok()
    }

    /// The members of an object, or what it is instead.
    ///
    /// # Errors
    /// It is no object; `path` is empty, for the caller to fill with [`WrongShape::under`] or [`WrongShape::at`].
    pub fn members(self) -> Result<Fields<'a>, WrongShape> {
        self.object().ok_or_else(|| self.wrong("", "an object"))
    }

    /// Says that this value, the member `name`, is not what was expected.
    #[must_use]
    pub fn wrong(self, name: &str, expected: &str) -> WrongShape {
        let was = match self.shape() {
            Shape::Text | Shape::Number | Shape::Bool if self.json().len() <= 40 => self.json().to_owned(),
            shape => shape.word().to_owned(),
        };
        WrongShape::new(name, was, expected)
    }
}

/// JSON with U+FFFD for each half of a surrogate pair that stands alone, which is no character; `None` where there is none.
#[must_use]
pub fn mended(json: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut at, mut done) = (String::new(), 0, 0);
    while let Some(found) = memchr::memchr(b'\\', json.as_bytes().get(at..)?) {
        at += found;
        match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                out.push_str(&json[done..at]);
                out.push_str("\\ufffd");
                at += 6;
                done = at;
            }
            Some(_) => at += 6,
            // An escape of one letter.
            None => at += 2,
        }
    }
    out.push_str(&json[done..]);
    (done > 0).then_some(out)
}

/// The members of one object, in their order. A reader takes out what it knows; the rest is kept.
///
/// Of several members of one name the last counts, as with most readers of JSON; taking it takes all of them.
#[derive(Clone, Debug, Default)]
pub struct Fields<'a> {
    members: Vec<(Cow<'a, str>, Node<'a>)>,
}

impl<'a> Fields<'a> {
    /// Takes a member out, whatever it is.
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let mut found = None;
        self.members.retain(|(key, value)| {
            let named = key == name;
            if named {
                found = Some(*value);
            }
            !named
        });
        found
    }

    /// Takes a member out; `null` counts as absent.
    pub fn some(&mut self, name: &str) -> Option<Node<'a>> {
        self.take(name).filter(|value| !value.is_null())
    }

    /// Looks at a member without taking it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<Node<'a>> {
        self.members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The content of the member `name` where it is a string, without taking it. For `type` and its like.
    #[must_use]
    pub fn peek_text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.peek(name).and_then(Node::text)
    }

    /// Takes a string.
    ///
    /// # Errors
    /// The member is there and no string.
    pub fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, WrongShape> {
        self.read(name, "a string", Node::text)
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// It is absent, or no string.
    pub fn required_text(&mut self, name: &str) -> Result<Cow<'a, str>, WrongShape> {
        self.text(name)?.ok_or_else(|| WrongShape::missing(name, "a string"))
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// The member is there and no boolean.
    pub fn bool(&mut self, name: &str) -> Result<Option<bool>, WrongShape> {
        self.read(name, "a boolean", Node::bool)
    }

    /// Takes a whole number that is not negative.
    ///
    /// # Errors
    /// The member is there and no such number.
    pub fn unsigned(&mut self, name: &str) -> Result<Option<u64>, WrongShape> {
        self.read(name, "a whole number, not negative", Node::unsigned)
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// The member is there and no such number.
    pub fn signed(&mut self, name: &str) -> Result<Option<i64>, WrongShape> {
        self.read(name, "a whole number", Node::signed)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// The member is there and no number.
    pub fn number(&mut self, name: &str) -> Result<Option<f64>, WrongShape> {
        self.read(name, "a number", Node::number)
    }

    /// Takes an array.
    ///
    /// # Errors
    /// The member is there and no array.
    pub fn array(&mut self, name: &str) -> Result<Option<Vec<Node<'a>>>, WrongShape> {
        self.read(name, "an array", Node::array)
    }

    /// Takes an object.
    ///
    /// # Errors
    /// The member is there and no object.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, WrongShape> {
        self.read(name, "an object", Node::object)
    }

    /// What nobody took, in its order.
    #[must_use]
    pub fn rest(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        self.members
    }

    /// Whether everything was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn read<T>(&mut self, name: &str, expected: &str, read: impl FnOnce(Node<'a>) -> Option<T>) -> Result<Option<T>, WrongShape> {
        let Some(value) = self.some(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| value.wrong(name, expected))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, Node(map.next_value()?)));
                }
                Ok(Fields { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
