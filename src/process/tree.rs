//! JSON that can be edited: opened level by level, and what nobody touches is written back byte for byte.

use std::borrow::Cow;

use memchr::memmem;

use crate::protocol::{json, peek};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Tree<'a> {
    /// Not opened: its text, without white space around it.
    Closed(Cow<'a, str>),
    /// An object, opened.
    Object(Entries<'a>),
    /// An array, opened.
    Array(Entries<'a>),
}

/// What an object or an array holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries<'a> {
    list: Vec<Entry<'a>>,
    /// The white space of an empty one.
    hollow: Cow<'a, str>,
}

#[derive(Clone, Debug)]
struct Entry<'a> {
    /// All that stands before the value: white space, and in an object its name and the colon.
    before: Cow<'a, str>,
    name: Cow<'a, str>,
    value: Tree<'a>,
    /// White space behind the value.
    after: Cow<'a, str>,
}

/// The JSON text of a string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::text(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Writes a value, and around it what stood around `json` in `text`: white space, a byte order mark.
pub(super) fn framed(tree: &Tree<'_>, json: &str, text: &str) -> String {
    let before = text.len() - text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).len();
    let mut out = String::with_capacity(text.len() + 256);
    out.push_str(&text[..before]);
    tree.write(&mut out);
    out.push_str(&text[before + json.len()..]);
    out
}

impl<'a> Tree<'a> {
    /// A value that stands in valid JSON.
    pub(super) fn closed(json: impl Into<Cow<'a, str>>) -> Self {
        Self::Closed(json.into())
    }

    /// A string.
    pub(super) fn string(text: &str) -> Self {
        Self::Closed(quoted(text).into())
    }

    /// The members of an object, opened.
    pub(super) fn object(&mut self) -> Option<&mut Entries<'a>> {
        self.open();
        match self {
            Self::Object(entries) => Some(entries),
            Self::Closed(_) | Self::Array(_) => None,
        }
    }

    /// The elements of an array, opened.
    pub(super) fn array(&mut self) -> Option<&mut Entries<'a>> {
        self.open();
        match self {
            Self::Array(entries) => Some(entries),
            Self::Closed(_) | Self::Object(_) => None,
        }
    }

    /// What an object or an array holds, opened.
    pub(super) fn entries(&mut self) -> Option<&mut Entries<'a>> {
        self.open();
        match self {
            Self::Object(entries) | Self::Array(entries) => Some(entries),
            Self::Closed(_) => None,
        }
    }

    /// A member of an object; of several of one name the last, as most readers take it.
    pub(super) fn member(&mut self, name: &str) -> Option<&mut Self> {
        self.object()?.named(name)
    }

    /// An element of an array.
    pub(super) fn element(&mut self, at: usize) -> Option<&mut Self> {
        self.array()?.at(at)
    }

    /// A string's content.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Closed(json) => peek::string(json.as_bytes()),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// A string member's content.
    pub(super) fn member_text(&mut self, name: &str) -> Option<Cow<'_, str>> {
        self.member(name)?.text()
    }

    pub(super) fn is(&self, json: &str) -> bool {
        matches!(self, Self::Closed(text) if text == json)
    }

    pub(super) fn is_null(&self) -> bool {
        self.is("null")
    }

    /// Whether a word may stand somewhere in it; certainly not where it is not opened and its text has neither the word
    /// nor an escape that could spell it.
    pub(super) fn may_hold(&self, word: &str) -> bool {
        match self {
            Self::Closed(json) => {
                memmem::find(json.as_bytes(), word.as_bytes()).is_some() || memmem::find(json.as_bytes(), b"\\u00").is_some()
            }
            Self::Object(_) | Self::Array(_) => true,
        }
    }

    /// Sets it to a JSON text; tells whether that is a change.
    pub(super) fn set(&mut self, json: Cow<'a, str>) -> bool {
        let changes = !self.is(&json);
        *self = Self::Closed(json);
        changes
    }

    /// Writes it, and all in it.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Closed(json) => out.push_str(json),
            Self::Object(entries) => entries.write(out, ('{', '}')),
            Self::Array(entries) => entries.write(out, ('[', ']')),
        }
    }

    fn open(&mut self) {
        let Self::Closed(json) = self else { return };
        let keyed = match json.as_bytes().first() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return,
        };
        let entries = match json {
            Cow::Borrowed(json) => split(json, keyed),
            Cow::Owned(json) => split(json, keyed).owned(),
        };
        *self = if keyed { Self::Object(entries) } else { Self::Array(entries) };
    }

    fn owned<'b>(self) -> Tree<'b> {
        match self {
            Self::Closed(json) => Tree::Closed(json.into_owned().into()),
            Self::Object(entries) => Tree::Object(entries.owned()),
            Self::Array(entries) => Tree::Array(entries.owned()),
        }
    }
}

impl<'a> Entries<'a> {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn at(&mut self, at: usize) -> Option<&mut Tree<'a>> {
        self.list.get_mut(at).map(|entry| &mut entry.value)
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Tree<'a>> {
        self.list.iter_mut().rev().find(|entry| entry.name == name).map(|entry| &mut entry.value)
    }

    /// Every value of that name: JSON allows a name twice, and a change must not depend on which one counts.
    pub(super) fn all_named<'s>(&'s mut self, name: &'s str) -> impl Iterator<Item = &'s mut Tree<'a>> {
        self.list.iter_mut().filter(move |entry| entry.name == name).map(|entry| &mut entry.value)
    }

    pub(super) fn values(&mut self) -> impl Iterator<Item = &mut Tree<'a>> {
        self.list.iter_mut().map(|entry| &mut entry.value)
    }

    /// Adds a member behind the others.
    pub(super) fn push_named(&mut self, name: &str, value: Tree<'a>) -> Option<&mut Tree<'a>> {
        let before = format!("{}:", quoted(name));
        self.list.push(Entry { before: before.into(), name: name.to_owned().into(), value, after: Cow::default() });
        self.list.last_mut().map(|entry| &mut entry.value)
    }

    /// Puts an element before the one at `at`, or behind all.
    pub(super) fn insert(&mut self, at: usize, value: Tree<'a>) {
        let at = at.min(self.list.len());
        self.list.insert(at, Entry { before: Cow::default(), name: Cow::default(), value, after: Cow::default() });
    }

    /// Takes an element out.
    pub(super) fn remove_at(&mut self, at: usize) -> bool {
        let there = at < self.list.len();
        if there {
            self.list.remove(at);
        }
        there
    }

    /// Takes every member of the name out.
    pub(super) fn remove_named(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|entry| entry.name != name);
        self.list.len() < before
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.list).is_empty()
    }

    fn write(&self, out: &mut String, (opening, closing): (char, char)) {
        out.push(opening);
        for (at, entry) in self.list.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&entry.before);
            entry.value.write(out);
            out.push_str(&entry.after);
        }
        if self.list.is_empty() {
            out.push_str(&self.hollow);
        }
        out.push(closing);
    }

    fn owned<'b>(self) -> Entries<'b> {
        let own = |text: Cow<'a, str>| Cow::<'b, str>::Owned(text.into_owned());
        let entry = |entry: Entry<'a>| Entry {
            before: own(entry.before),
            name: own(entry.name),
            value: entry.value.owned(),
            after: own(entry.after),
        };
        Entries { list: self.list.into_iter().map(entry).collect(), hollow: own(self.hollow) }
    }
}

/// Splits the text of an object or an array, which must be valid JSON.
fn split(json: &str, keyed: bool) -> Entries<'_> {
    let text = json.as_bytes();
    let mut entries = Entries::default();
    let mut start = 1;
    loop {
        let mut at = space_end(text, start);
        if matches!(text.get(at), None | Some(b'}' | b']')) {
            entries.hollow = json[start..at].into();
            return entries;
        }
        let mut name = Cow::default();
        if keyed {
            let key = at..value_end(text, at);
            name = peek::string(&text[key.clone()]).unwrap_or_default();
            let colon = space_end(text, key.end);
            at = space_end(text, colon + 1);
        }
        let end = value_end(text, at);
        let next = space_end(text, end);
        let value = Tree::Closed(json[at..end].into());
        entries.list.push(Entry { before: json[start..at].into(), name, value, after: json[end..next].into() });
        if text.get(next) != Some(&b',') {
            return entries;
        }
        start = next + 1;
    }
}

/// The place behind white space.
fn space_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// The place behind the value at `at`.
fn value_end(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => string_end(text, at),
        Some(b'{' | b'[') => nested_end(text, at),
        _ => {
            let rest = text.get(at..).unwrap_or_default();
            at + rest.iter().take_while(|byte| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':')).count()
        }
    }
}

fn string_end(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        if text[at + found] == b'"' {
            return at + found + 1;
        }
        at += found + 2;
    }
    text.len()
}

fn nested_end(text: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Tree;

    fn open_all(tree: &mut Tree<'_>) {
        if let Some(entries) = tree.entries() {
            entries.values().for_each(open_all);
        }
    }

    fn check(json: &str) {
        let mut tree = Tree::closed(json);
        open_all(&mut tree);
        let mut out = String::new();
        tree.write(&mut out);
        assert_eq!(out, json);
    }

    #[test]
    fn what_is_opened_is_written_back_byte_for_byte() {
        for json in [
            "{}",
            "[ ]",
            "{ \n }",
            r#"{ "a" : 1.50 , "b":[ 1 , "x,]}\"" ,{"c" :null}] }"#,
            r#"{"a\"b":"\\","":{"":[[]]}}"#,
            r#"[1e400,-0,true,"é\u00e9"]"#,
            r#""text""#,
        ] {
            check(json);
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_being_opened(value in crate::process::tests::any_json(), pretty: bool) {
            check(&if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() });
        }
    }

    #[test]
    fn a_name_may_be_escaped_or_stand_twice() {
        let mut tree = Tree::closed(r#"{"mod\u0065l":1,"x":2,"model":3}"#);
        assert!(tree.member("model").unwrap().is("3"));
        assert_eq!(tree.object().unwrap().all_named("model").count(), 2);
        assert!(tree.object().unwrap().remove_named("model"));
        let mut out = String::new();
        tree.write(&mut out);
        assert_eq!(out, r#"{"x":2}"#);
    }
}
