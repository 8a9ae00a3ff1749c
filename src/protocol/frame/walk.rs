//! A walk over a JSON text: is it valid, and what are its members? No tree, no allocation, no copy.
//!
//! The check of every stream event rests on it, so it is one pass: strings are read sixteen bytes at a time, and a
//! visitor picks what it wants from the members as they pass.

use std::ops::Range;

use serde::de::IgnoredAny;
use wide::u8x16;

/// A member's value. Texts stand without their quotes and with their escapes, numbers as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An object; its members follow.
    Object,
    /// An array; its elements follow.
    Array,
    /// A string.
    Text(&'a [u8]),
    /// A number.
    Number(&'a [u8]),
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

/// A member of an object, or an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// In how many brackets it stands; 1 for a member of the text's own object.
    pub depth: usize,
    /// The key of the object or array that it stands in. Objects in an array go by the array's key.
    pub parent: &'a [u8],
    /// Its key with its escapes; empty for an element.
    pub key: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
}

/// Sees the members of a text, in their order.
pub trait Visit<'a> {
    /// A member or element. The text may still turn out to be invalid.
    fn member(&mut self, member: Member<'a>);
}

impl<'a> Visit<'a> for () {
    fn member(&mut self, _: Member<'a>) {}
}

/// Whether `text` is one valid JSON text. Members deeper than 127 brackets are checked, but not shown.
pub fn walk<'a>(text: &'a [u8], visit: &mut impl Visit<'a>) -> bool {
    if std::str::from_utf8(text).is_err() {
        return false;
    }
    let mut walk = Walk::new(text, 0);
    match walk.run(visit) {
        Ok(()) => {
            walk.space();
            walk.at == text.len()
        }
        Err(Stop::Invalid) => false,
        Err(Stop::Deep) => serde_json::from_slice::<IgnoredAny>(text).is_ok(),
    }
}

/// Walks the value that `text` begins with, as if it stood in `depth` brackets, and tells its length.
pub fn walk_first<'a>(text: &'a [u8], depth: usize, visit: &mut impl Visit<'a>) -> Option<usize> {
    let mut walk = Walk::new(text, depth);
    walk.run(visit).ok().map(|()| walk.at)
}

/// Keys of containers are remembered to this depth; nothing of interest lies deeper.
const NAMED: usize = 16;
/// One bit of `objects` for each open bracket.
const DEEPEST: usize = 127;

enum Stop {
    Invalid,
    Deep,
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// What closes the innermost open bracket.
    closer: u8,
    /// Which of the open brackets are braces.
    objects: u128,
    names: [&'a [u8]; NAMED],
}

impl<'a> Walk<'a> {
    fn new(text: &'a [u8], depth: usize) -> Self {
        Self { text, at: 0, depth, closer: b']', objects: 0, names: [&[]; NAMED] }
    }

    fn run(&mut self, visit: &mut impl Visit<'a>) -> Result<(), Stop> {
        let floor = self.depth;
        let mut key: &'a [u8] = &[];
        loop {
            if self.value(key, visit)? {
                self.space();
                if self.byte() != Some(self.closer) {
                    key = self.key()?;
                    continue;
                }
                self.at += 1;
                self.close();
            }
            loop {
                if self.depth == floor {
                    return Ok(());
                }
                self.space();
                let byte = self.byte();
                self.at += 1;
                if byte == Some(b',') {
                    key = self.key()?;
                    break;
                }
                if byte != Some(self.closer) {
                    return Err(Stop::Invalid);
                }
                self.close();
            }
        }
    }

    /// Reads a scalar, or the opening bracket of what is not one; true for the latter.
    #[inline]
    fn value(&mut self, key: &'a [u8], visit: &mut impl Visit<'a>) -> Result<bool, Stop> {
        self.space();
        let value = match self.byte() {
            Some(b'"') => Value::Text(self.string()?),
            Some(b'{') => Value::Object,
            Some(b'[') => Value::Array,
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word(b"true", Value::Bool)?,
            Some(b'f') => self.word(b"false", Value::Bool)?,
            Some(b'n') => self.word(b"null", Value::Null)?,
            _ => return Err(Stop::Invalid),
        };
        let parent = self.names.get(self.depth).copied().unwrap_or_default();
        visit.member(Member { depth: self.depth, parent, key, value });
        match value {
            Value::Object => self.open(key, parent, 1)?,
            Value::Array => self.open(key, parent, 0)?,
            Value::Text(_) | Value::Number(_) | Value::Bool | Value::Null => return Ok(false),
        }
        Ok(true)
    }

    fn open(&mut self, key: &'a [u8], parent: &'a [u8], object: u128) -> Result<(), Stop> {
        let name = if self.in_object() { key } else { parent };
        if self.depth == DEEPEST {
            return Err(Stop::Deep);
        }
        self.at += 1;
        self.depth += 1;
        self.closer = if object == 1 { b'}' } else { b']' };
        self.objects = (self.objects & !(1 << self.depth)) | (object << self.depth);
        if let Some(slot) = self.names.get_mut(self.depth) {
            *slot = name;
        }
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.closer = if self.objects >> self.depth & 1 == 1 { b'}' } else { b']' };
    }

    fn in_object(&self) -> bool {
        self.closer == b'}'
    }

    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        if self.byte().is_none_or(|byte| byte <= b' ') {
            self.pass_space();
        }
    }

    fn pass_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// In an object, reads a key with its colon.
    #[inline]
    fn key(&mut self) -> Result<&'a [u8], Stop> {
        if !self.in_object() {
            return Ok(&[]);
        }
        self.space();
        if self.byte() != Some(b'"') {
            return Err(Stop::Invalid);
        }
        let key = self.string()?;
        self.space();
        if self.byte() != Some(b':') {
            return Err(Stop::Invalid);
        }
        self.at += 1;
        Ok(key)
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, Stop> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Stop::Invalid);
        }
        self.at += word.len();
        Ok(value)
    }

    /// Stands on an opening quote; gives what lies between it and the closing one.
    #[inline]
    fn string(&mut self) -> Result<&'a [u8], Stop> {
        self.at += 1;
        let from = self.at;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[from..self.at - 1]);
                }
                Some(b'\\') => self.escape()?,
                Some(_) | None => return Err(Stop::Invalid),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        let hex: Range<usize> = self.at + 2..self.at + 6;
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if self.text.get(hex).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => self.at += 6,
            _ => return Err(Stop::Invalid),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<&'a [u8], Stop> {
        let from = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.text[self.at - whole] == b'0') {
            return Err(Stop::Invalid);
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(Stop::Invalid);
            }
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(Stop::Invalid);
            }
        }
        Ok(&self.text[from..self.at])
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - from
    }
}

/// How many bytes stand before the first quote, backslash or control character.
#[inline]
fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = text[at..].first_chunk() {
        let stops = stops(block);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += block.len();
    }
    at + text[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(text.len() - at)
}

/// One bit for each byte that is a quote, a backslash or a control character.
#[inline]
fn stops(block: &[u8; 16]) -> u32 {
    let bytes = u8x16::new(*block);
    let [quote, slash, control] = [b'"', b'\\', 0x1f].map(u8x16::splat);
    (bytes.simd_eq(quote) | bytes.simd_eq(slash) | bytes.simd_eq(bytes.min(control))).to_bitmask()
}
