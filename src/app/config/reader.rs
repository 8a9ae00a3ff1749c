//! Reads TOML by hand, so that every error is found, and each one with its path and line.

use std::{cell::RefCell, fmt};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Finding;
use crate::{base::Secret, snapshot::name};

/// The text that is read, and what was found in it.
pub(super) struct Log<'t> {
    text: &'t str,
    findings: RefCell<Vec<Finding>>,
}

impl<'t> Log<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, findings: RefCell::default() }
    }

    pub(super) fn add(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| finding.line.unwrap_or(usize::MAX));
        findings
    }
}

/// One table of the file. Each key is asked for by name; [`Section::close`] refuses those that nobody asked for.
pub(super) struct Section<'d> {
    pub(super) path: String,
    table: &'d DeTable<'d>,
    start: usize,
    asked: RefCell<Vec<String>>,
    log: &'d Log<'d>,
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'d> Section<'d> {
    pub(super) fn root(table: &'d DeTable<'d>, log: &'d Log<'d>) -> Self {
        Self { path: String::new(), table, start: 0, asked: RefCell::default(), log }
    }

    fn below(&self, path: String, table: &'d DeTable<'d>, start: usize) -> Self {
        Self { path, table, start, asked: RefCell::default(), log: self.log }
    }

    /// The path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The line of a key, or of the table where it has no such key.
    pub(super) fn line(&self, key: &str) -> usize {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        self.log.line(found.map_or(self.start, |(name, _)| name.span().start))
    }

    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        self.log.add(Finding::error(self.at(key), Some(self.line(key)), message));
    }

    pub(super) fn warning(&self, key: &str, message: impl Into<String>) {
        self.log.add(Finding::warning(self.at(key), Some(self.line(key)), message));
    }

    /// An error of the table itself.
    pub(super) fn fault(&self, message: impl Into<String>) {
        self.log.add(Finding::error(self.path.clone(), Some(self.log.line(self.start)), message));
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    pub(super) fn any(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn wrong<T>(&self, key: &str, expected: &str, value: &DeValue<'_>) -> Option<T> {
        self.error(key, format!("expected {expected}, not {}", shown(value)));
        None
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.any(key)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong(key, "a string", other),
        }
    }

    /// A text that no message may show.
    pub(super) fn secret(&self, key: &str) -> Option<Secret<String>> {
        match self.any(key)?.get_ref() {
            DeValue::String(text) => Some(Secret::new(text.to_string())),
            other => {
                self.error(key, format!("expected a string, not {}", article(other)));
                None
            }
        }
    }

    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        match self.any(key)?.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => self.wrong(key, "true or false", other),
        }
    }

    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        let value = self.any(key)?.get_ref();
        let number = value.as_integer().and_then(|number| u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok());
        number.or_else(|| self.wrong(key, "a whole number that is not negative", value))
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.any(key)?.get_ref();
        let Some(items) = value.as_array() else { return self.wrong(key, "a list of strings", value) };
        let mut texts = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => {
                    let message = format!("expected a string, not {}", shown(item.get_ref()));
                    self.log.add(Finding::error(format!("{}[{at}]", self.at(key)), Some(self.log.line(item.span().start)), message));
                }
            }
        }
        Some(texts)
    }

    pub(super) fn section(&self, key: &str) -> Option<Self> {
        let value = self.any(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.below(self.at(key), table, value.span().start)),
            other => self.wrong(key, &format!("a table [{}]", self.at(key)), other),
        }
    }

    pub(super) fn sections(&self, key: &str) -> Vec<Self> {
        let Some(value) = self.any(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong::<()>(key, &format!("tables [[{}]]", self.at(key)), value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let path = format!("{}[{at}]", self.at(key));
            match item.get_ref() {
                DeValue::Table(table) => sections.push(self.below(path, table, item.span().start)),
                other => self.log.add(Finding::error(
                    path,
                    Some(self.log.line(item.span().start)),
                    format!("expected a table, not {}", shown(other)),
                )),
            }
        }
        sections
    }

    /// Accepts a key that has no effect here, and says so.
    pub(super) fn unserved(&self, key: &str, why: &str) {
        if self.any(key).is_some() {
            self.warning(key, format!("no effect: {why}"));
        }
    }

    /// The whole table as JSON.
    pub(super) fn json(&self) -> Map<String, Value> {
        members(self.table)
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn close(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !asked.iter().any(|asked| asked == key.get_ref())) {
            let key = key.get_ref();
            self.error(key, format!("unknown key {key:?}{}", name::hint(key, asked.iter().map(String::as_str))));
        }
    }
}

fn members(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

/// A TOML value as JSON.
pub(super) fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).map_or_else(|_| number.as_str().into(), Value::from)
        }
        DeValue::Float(number) => {
            let number = number.as_str().replace('_', "").parse().ok().and_then(Number::from_f64);
            number.map_or(Value::Null, Value::Number)
        }
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(members(table)),
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => article(value),
    }
}

fn article(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) { format!("an {name}") } else { format!("a {name}") }
}
