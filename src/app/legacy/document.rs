//! A YAML document of another program. What nobody asks for is remembered, so that it can be told.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{LegacyFault, Report};

/// A document.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    root: Value,
    /// Paths that were asked for, each with all that is below it.
    seen: RefCell<BTreeSet<String>>,
}

/// A value of it, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    document: &'a Document,
    place: String,
    value: &'a Value,
}

impl Document {
    /// Reads YAML whose outermost value is a mapping.
    ///
    /// # Errors
    /// [`LegacyFault::Damaged`] with the place.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, LegacyFault> {
        let damaged = |message: String| LegacyFault::Damaged { path: path.to_owned(), message };
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        // The reader's own message may repeat what stands there; the place says enough.
        let root: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            damaged(match error.location() {
                Some(at) => format!("it is no YAML at line {}, column {}", at.line(), at.column()),
                None => "it is no YAML".to_owned(),
            })
        })?;
        if root.is_object() {
            Ok(Self { path: path.to_owned(), root, seen: RefCell::default() })
        } else {
            Err(damaged("its outermost value is no mapping; expected one with model_list".to_owned()))
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the outermost mapping has a member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.root.get(name).is_some()
    }

    /// The outermost mapping.
    pub(super) fn root(&self) -> Node<'_> {
        Node { document: self, place: String::new(), value: &self.root }
    }

    /// Tells each member that holds something and that nobody asked for. `known` says why, by the end of its path.
    pub(super) fn tell_rest(&self, report: &mut Report, known: &[(&str, &str)]) {
        let mut unread: BTreeMap<String, Vec<String>> = BTreeMap::new();
        self.walk("", &self.root, &mut unread);
        for (general, places) in unread {
            let why = known.iter().find(|(known, _)| general.starts_with(known)).map_or("nothing here is like it", |(_, why)| *why);
            for place in places {
                report.note(&general, place, why);
            }
        }
    }

    fn walk(&self, place: &str, value: &Value, unread: &mut BTreeMap<String, Vec<String>>) {
        if self.seen.borrow().contains(place) {
            return;
        }
        match value {
            Value::Null => {}
            Value::Object(members) => {
                for (name, value) in members {
                    self.walk(&joined(place, name), value, unread);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (at, value) in items.iter().enumerate() {
                    self.walk(&format!("{place}[{at}]"), value, unread);
                }
            }
            Value::Array(items) if items.is_empty() => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                unread.entry(general(place)).or_default().push(place.to_owned());
            }
        }
    }
}

fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// A place without the numbers of its lists.
fn general(place: &str) -> String {
    let mut parts = place.split('[');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('[');
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

impl<'a> Node<'a> {
    /// A member; null where it is absent.
    pub(super) fn get(&self, name: &str) -> Node<'a> {
        Node { document: self.document, place: joined(&self.place, name), value: self.value.get(name).unwrap_or(&Value::Null) }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether there is something.
    pub(super) fn is_there(&self) -> bool {
        !self.value.is_null()
    }

    /// Says that it is known, with all that is below it.
    pub(super) fn skip(&self) -> &Self {
        self.document.seen.borrow_mut().insert(self.place.clone());
        self
    }

    /// A fault here, with what stands there: numbers and flags as they are, texts only by their length.
    pub(super) fn fault(&self, expected: impl Into<String>) -> LegacyFault {
        let found = match self.value {
            Value::Null => "is missing".to_owned(),
            Value::String(text) => format!("is a text of {} characters", text.chars().count()),
            Value::Array(_) => "is a list".to_owned(),
            Value::Object(_) => "is a mapping".to_owned(),
            Value::Bool(_) | Value::Number(_) => format!("is {}", self.value),
        };
        LegacyFault::Value { path: self.document.path.clone(), place: self.place.clone(), found, expected: expected.into() }
    }

    /// A text; nothing where it is blank or absent.
    pub(super) fn text(&self) -> Result<Option<&'a str>, LegacyFault> {
        match self.skip().value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(self.fault("a text")),
        }
    }

    /// A text that has to be there.
    pub(super) fn need_text(&self) -> Result<&'a str, LegacyFault> {
        self.text()?.ok_or_else(|| self.fault("a text that is not blank"))
    }

    /// A number of at least 0, as it is written.
    pub(super) fn number(&self) -> Result<Option<f64>, LegacyFault> {
        let number = match self.skip().value {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_f64(),
            // YAML 1.2 takes 1e-6 for a number and some writers put it in quotes.
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.filter(|number| number.is_finite() && *number >= 0.0).map(Some).ok_or_else(|| self.fault("a number of at least 0"))
    }

    /// A whole number of at least 0.
    pub(super) fn whole(&self) -> Result<Option<i64>, LegacyFault> {
        let Some(number) = self.number()? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and smaller than 2^53")]
        let whole = (number.fract() == 0.0 && number < 9e15).then_some(number as i64);
        whole.map(Some).ok_or_else(|| self.fault("a whole number of at least 0"))
    }

    /// The items of a list; none where it is absent.
    pub(super) fn items(&self) -> Result<Vec<Node<'a>>, LegacyFault> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                let node =
                    |(at, value): (usize, &'a Value)| Node { document: self.document, place: format!("{}[{at}]", self.place), value };
                Ok(items.iter().enumerate().map(node).collect())
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Err(self.fault("a list")),
        }
    }

    /// The members of a mapping; none where it is absent.
    pub(super) fn members(&self) -> Result<Vec<(&'a String, Node<'a>)>, LegacyFault> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Object(members) => {
                let node = |(name, value): (&'a String, &'a Value)| {
                    (name, Node { document: self.document, place: joined(&self.place, name), value })
                };
                Ok(members.iter().map(node).collect())
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(self.fault("a mapping")),
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<&'a str>, LegacyFault> {
        self.skip().items()?.iter().map(Node::need_text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a:\n  - name: x\n    other: 1\n  - name: y\n    other: 2\nb: {c: sk-canary, d: []}\n";

    #[test]
    fn what_nobody_asked_for_is_told_by_its_place_and_never_by_its_value() {
        let document = Document::read(Path::new("c.yaml"), TEXT).unwrap();
        for item in document.root().get("a").items().unwrap() {
            item.get("name").need_text().unwrap();
        }
        let mut report = Report::default();
        document.tell_rest(&mut report, &[("b.", "is another matter")]);
        let told: Vec<String> = report.left.iter().map(|left| format!("{}: {}: {}", left.what, left.why, left.names.join(", "))).collect();
        assert_eq!(told, ["a[].other: nothing here is like it: a[0].other, a[1].other", "b.c: is another matter: b.c"]);
    }

    #[test]
    fn each_flaw_is_told_with_its_place_and_without_its_text() {
        let read = |text: &str| Document::read(Path::new("c.yaml"), text);
        for text in ["a: [sk-canary", "a: &x sk-canary\nb: *sk-canary", "- sk-canary", "sk-canary", ""] {
            let fault = read(text).unwrap_err().to_string();
            assert!(fault.starts_with("c.yaml: cannot be read: it"), "{text}: {fault}");
            assert!(!fault.contains("canary"), "{fault}");
        }
        let document = read(TEXT).unwrap();
        let fault = document.root().get("b").get("c").whole().unwrap_err().to_string();
        assert_eq!(fault, "c.yaml: b.c is a text of 9 characters; expected a number of at least 0");
    }
}
