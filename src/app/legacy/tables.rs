//! Tables of a foreign file. What nobody asks for is remembered, so that it can be told.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{LegacyFault, Report};
use crate::base::Nanos;

/// The columns that were asked for.
type Seen = Rc<RefCell<BTreeSet<String>>>;

/// Every table of a file, by its name.
#[derive(Debug)]
pub(super) struct Tables {
    path: PathBuf,
    tables: BTreeMap<String, Table>,
}

/// A table, whose rows were read or only counted.
#[derive(Debug)]
struct Table {
    rows: Vec<Map<String, Value>>,
    count: usize,
    seen: Seen,
    is_taken: RefCell<bool>,
}

/// A row of a foreign table.
#[derive(Debug)]
pub(super) struct Row<'a> {
    path: &'a Path,
    table: &'a str,
    cells: &'a Map<String, Value>,
    seen: Seen,
}

impl Tables {
    /// No tables yet.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), tables: BTreeMap::new() }
    }

    /// Puts a table in its place.
    pub(super) fn put(&mut self, name: &str, rows: Vec<Map<String, Value>>) {
        let count = rows.len();
        self.tables.insert(name.to_owned(), Table { rows, count, seen: Seen::default(), is_taken: RefCell::new(false) });
    }

    /// Puts a table in its place whose rows are not wanted.
    pub(super) fn count(&mut self, name: &str, count: usize) {
        self.put(name, Vec::new());
        if let Some(table) = self.tables.get_mut(name) {
            table.count = count;
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether some row of a table has this column.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|table| table.rows.iter().any(|row| row.contains_key(column)))
    }

    /// The rows of a table; none where there is no such table.
    pub(super) fn rows<'a>(&'a self, table: &'a str) -> Vec<Row<'a>> {
        let Some(found) = self.tables.get(table) else { return Vec::new() };
        found.is_taken.replace(true);
        let row = |cells| Row { path: &self.path, table, cells, seen: Rc::clone(&found.seen) };
        found.rows.iter().map(row).collect()
    }

    /// Tells tables and columns that hold something and that nobody asked for. `known` says why a table or a `table.column` is
    /// left out; `worthless` ones need no word.
    pub(super) fn tell_rest(&self, report: &mut Report, known: &[(&str, &str)], worthless: &[&str]) {
        let why = |name: &str| known.iter().find(|(known, _)| *known == name).map_or("nothing here is like it", |(_, why)| *why);
        for (name, table) in &self.tables {
            if !*table.is_taken.borrow() {
                if table.count > 0 && !worthless.contains(&name.as_str()) {
                    report.note_all(name, format!("{} rows: {}", table.count, why(name)));
                }
                continue;
            }
            let mut unread: BTreeMap<&str, usize> = BTreeMap::new();
            for (column, _) in table.rows.iter().flatten().filter(|(_, value)| says_something(value)) {
                if !table.seen.borrow().contains(column) && !worthless.contains(&column.as_str()) {
                    *unread.entry(column).or_default() += 1;
                }
            }
            for (column, rows) in unread {
                let place = format!("{name}.{column}");
                report.note_all(&place, format!("{rows} rows have one: {}", why(&place)));
            }
        }
    }
}

/// Whether a value is more than a column's usual nothing.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim(), "" | "{}" | "[]" | "null" | "0" | "false"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

impl Row<'_> {
    /// Table, row and column, for people.
    pub(super) fn place(&self, column: &str) -> String {
        let id = self.cells.get("id").filter(|id| id.is_number());
        let at = id.map(|id| format!("[id {id}]")).unwrap_or_default();
        format!("{}{at}.{column}", self.table)
    }

    /// A fault at a column, with what stands there: numbers and flags as they are, texts only by their length.
    pub(super) fn fault(&self, column: &str, expected: impl Into<String>) -> LegacyFault {
        let found = match self.cells.get(column) {
            None => "is missing".to_owned(),
            Some(Value::String(text)) => format!("is a text of {} characters", text.chars().count()),
            Some(Value::Array(_)) => "is a list".to_owned(),
            Some(Value::Object(_)) => "is an object".to_owned(),
            Some(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => format!("is {value}"),
        };
        LegacyFault::Value { path: self.path.to_owned(), place: self.place(column), found, expected: expected.into() }
    }

    /// The same with a word that is no secret.
    pub(super) fn fault_of(&self, column: &str, found: &str, expected: impl Into<String>) -> LegacyFault {
        LegacyFault::Value {
            path: self.path.to_owned(),
            place: self.place(column),
            found: format!("is {found:?}"),
            expected: expected.into(),
        }
    }

    /// The fault of a sealed value, by what is known of its key.
    pub(super) fn sealed(&self, column: &str, has_key: Keyed) -> LegacyFault {
        let (path, place) = (self.path.to_owned(), self.place(column));
        match has_key {
            Keyed::No => LegacyFault::Sealed { path, place },
            Keyed::Wrong => LegacyFault::WrongKey { path, place },
        }
    }

    fn cell(&self, column: &str) -> &Value {
        if !self.seen.borrow().contains(column) {
            self.seen.borrow_mut().insert(column.to_owned());
        }
        self.cells.get(column).unwrap_or(&Value::Null)
    }

    /// A text; nothing where it is blank, absent or null.
    pub(super) fn text(&self, column: &str) -> Result<Option<String>, LegacyFault> {
        match self.cell(column) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            // A text of digits in a column that SQLite takes for numbers.
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(self.fault(column, "a text")),
        }
    }

    /// A text that has to be there.
    pub(super) fn need_text(&self, column: &str) -> Result<String, LegacyFault> {
        self.text(column)?.ok_or_else(|| self.fault(column, "a text that is not blank"))
    }

    /// A whole number; nothing where it is absent or null.
    pub(super) fn int(&self, column: &str) -> Result<Option<i64>, LegacyFault> {
        let wrong = || self.fault(column, "a whole number");
        match self.cell(column) {
            Value::Null => Ok(None),
            Value::Number(number) => {
                let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15);
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and smaller than 2^53")]
                let whole = whole.map(|number| number as i64);
                number.as_i64().or(whole).map(Some).ok_or_else(wrong)
            }
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => text.trim().parse().map(Some).map_err(|_| wrong()),
            Value::Bool(flag) => Ok(Some(i64::from(*flag))),
            Value::Array(_) | Value::Object(_) => Err(wrong()),
        }
    }

    /// A whole number that has to be there.
    pub(super) fn need_int(&self, column: &str) -> Result<i64, LegacyFault> {
        self.int(column)?.ok_or_else(|| self.fault(column, "a whole number"))
    }

    /// Yes or no, as the engines write it; `otherwise` where nothing is said.
    pub(super) fn flag(&self, column: &str, otherwise: Otherwise) -> Result<bool, LegacyFault> {
        match self.cell(column) {
            Value::Null => Ok(otherwise == Otherwise::Yes),
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) if number.as_i64() == Some(0) => Ok(false),
            Value::Number(number) if number.as_i64() == Some(1) => Ok(true),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "t" => Ok(true),
                "" | "0" | "false" | "f" => Ok(false),
                _ => Err(self.fault(column, "0 or 1")),
            },
            Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(self.fault(column, "0 or 1")),
        }
    }

    /// Dollars as a decimal text or number.
    pub(super) fn dollars(&self, column: &str) -> Result<Option<i64>, LegacyFault> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        let plain = decimal(&text);
        Nanos::parse(&plain).map(|nanos| Some(nanos.get())).map_err(|fault| self.fault_of(column, &text, format!("dollars: {fault}")))
    }

    /// JSON; nothing where it is blank, absent or null.
    pub(super) fn json(&self, column: &str) -> Result<Option<Value>, LegacyFault> {
        match self.cell(column) {
            Value::Null => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => serde_json::from_str(text).map(Some).map_err(|error| {
                // The place alone: a message of the reader may repeat what stands there.
                self.fault(column, format!("JSON; it breaks off at line {}, column {}", error.line(), error.column()))
            }),
            value @ (Value::Object(_) | Value::Array(_)) => Ok(Some(value.clone())),
            Value::Bool(_) | Value::Number(_) => Err(self.fault(column, "JSON")),
        }
    }

    /// A JSON object; an empty one where nothing is said.
    pub(super) fn object(&self, column: &str) -> Result<Map<String, Value>, LegacyFault> {
        match self.json(column)? {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(self.fault(column, "a JSON object")),
        }
    }

    /// A column that says nothing on its own and needs no word.
    pub(super) fn skip(&self, column: &str) {
        self.cell(column);
    }
}

/// What a flag means that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// What is known of the key of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyed {
    /// There is none.
    No,
    /// It opens nothing.
    Wrong,
}

/// A decimal number without an exponent and without needless digits, at most nine after the point.
pub(super) fn decimal(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    let digits = match text.parse::<f64>() {
        // Floats of a foreign file: what is finer than a billionth is their noise.
        Ok(number) if !is_plain || text.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 9) => format!("{number:.9}"),
        Ok(_) | Err(_) => text.to_owned(),
    };
    match digits.split_once('.') {
        Some(_) => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tables(row: Value) -> Tables {
        let mut tables = Tables::of(Path::new("some.db"));
        tables.put("things", vec![row.as_object().unwrap().clone()]);
        tables
    }

    #[test]
    fn each_flaw_is_told_with_file_table_row_column_and_no_text_of_it() {
        let tables = tables(json!({ "id": 7, "a": "sk-canary", "b": 2, "c": "{\"sk-canary\"", "d": null, "e": "1.0000000000000000001x" }));
        let rows = tables.rows("things");
        let row = &rows[0];
        for (fault, told) in [
            (row.int("a").unwrap_err(), "some.db: things[id 7].a is a text of 9 characters; expected a whole number"),
            (row.flag("b", Otherwise::No).unwrap_err(), "some.db: things[id 7].b is 2; expected 0 or 1"),
            (row.object("c").unwrap_err(), "some.db: things[id 7].c is a text of 12 characters; expected JSON"),
            (row.need_text("d").unwrap_err(), "some.db: things[id 7].d is null; expected a text that is not blank"),
            (row.need_int("z").unwrap_err(), "some.db: things[id 7].z is missing; expected a whole number"),
        ] {
            let fault = fault.to_string();
            assert!(fault.starts_with(told), "{fault}");
            assert!(!fault.contains("canary"), "{fault}");
        }
        assert!(row.dollars("e").is_err());
    }

    #[test]
    fn what_nobody_asked_for_is_told() {
        let mut tables = tables(json!({ "id": 1, "read": "x", "unread": "y", "empty": "", "created_at": 5 }));
        tables.count("logs", 12);
        tables.count("nothing", 0);
        tables.put("others", vec![Map::new()]);
        tables.rows("things")[0].text("read").unwrap();
        let mut report = Report::default();
        tables.tell_rest(&mut report, &[("logs", "history")], &["id", "created_at"]);
        let told: Vec<String> = report.left.iter().map(|left| format!("{}: {}", left.what, left.why)).collect();
        assert_eq!(
            told,
            [
                "logs: 12 rows: history",
                "others: 1 rows: nothing here is like it",
                "things.unread: 1 rows have one: nothing here is like it"
            ]
        );
    }

    #[test]
    fn numbers_of_floats_become_plain_decimals() {
        for (text, plain) in [
            ("1.25", "1.25"),
            ("2.50", "2.5"),
            ("1e-06", "0.000001"),
            ("0.15000000000000002", "0.15"),
            ("3", "3"),
            ("100", "100"),
            ("x", "x"),
        ] {
            assert_eq!(decimal(text), plain);
        }
    }
}
