//! A file, and what it is.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{Format, LegacyFault, Reading, document::Document, draft::Draft, litellm, one_api, reference, reference_first, tables::Tables};
use crate::store::persist::sql::ForeignFile;

const SQLITE: &[u8] = b"SQLite format 3\0";

/// A file, and what it is.
#[derive(Debug)]
pub enum Source {
    /// Our own bundle.
    Bundle(String),
    /// Another gateway's.
    Foreign(Box<super::Foreign>),
}

impl Source {
    /// Reads a file. Without a format what stands in it decides.
    ///
    /// # Errors
    /// [`LegacyFault`]: which file, where in it, and what was expected.
    pub async fn of(path: &Path, format: Option<Format>, reading: &Reading<'_>) -> Result<Self, LegacyFault> {
        let failed = |source| LegacyFault::File { path: path.to_owned(), source };
        let draft = if let Some(bytes) = text_of(path).map_err(failed)? {
            let text = String::from_utf8(bytes).map_err(|_| unknown(path, "neither SQLite nor text"))?;
            match read_text(path, text, format, reading)? {
                Ok(draft) => draft,
                Err(bundle) => return Ok(Self::Bundle(bundle)),
            }
        } else {
            database(path, format, reading).await?
        };
        Ok(Self::Foreign(Box::new(draft.into())))
    }
}

/// All of a file, unless it begins as SQLite's do: a database can be larger than the memory. It is opened once, for it may be a pipe.
fn text_of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(SQLITE.len() as u64).read_to_end(&mut bytes)?;
    if bytes == SQLITE {
        return Ok(None);
    }
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn unknown(path: &Path, found: &str) -> LegacyFault {
    let expected: Vec<String> = Format::ALL.iter().map(|format| format!("{format}: {}", format.has())).collect();
    LegacyFault::Unknown {
        path: path.to_owned(),
        found: found.to_owned(),
        expected: format!("a bundle of gproxy export, or {}", expected.join("; ")),
    }
}

async fn database(path: &Path, format: Option<Format>, reading: &Reading<'_>) -> Result<Draft, LegacyFault> {
    let failed = |source| LegacyFault::Sqlite { path: path.to_owned(), source };
    let file = ForeignFile::open(path).await.map_err(failed)?;
    let counts = file.tables().await.map_err(failed)?;
    let mut columns = BTreeMap::new();
    for name in counts.keys() {
        columns.insert(name.clone(), file.columns(name).await.map_err(failed)?);
    }
    let format = chosen(path, format, &columns)?;
    let is_first = counts.contains_key("global_settings") && !counts.contains_key("orgs");
    let wanted = match format {
        Format::OneApi | Format::NewApi => one_api::WANTED,
        Format::Reference if is_first => reference_first::WANTED,
        Format::Reference | Format::LiteLlm => reference::WANTED,
    };
    let mut tables = Tables::of(path);
    for (name, count) in &counts {
        if wanted.contains(&name.as_str()) {
            tables.put(name, file.rows(name).await.map_err(failed)?);
        } else {
            tables.count(name, usize::try_from(*count).unwrap_or(usize::MAX));
        }
    }
    file.close().await.map_err(failed)?;
    match format {
        Format::OneApi | Format::NewApi => one_api::read(&tables, format, reading),
        Format::Reference if is_first => reference_first::read(&tables, reading),
        Format::Reference | Format::LiteLlm => reference::read(&tables, reading),
    }
}

fn chosen(path: &Path, format: Option<Format>, columns: &BTreeMap<String, Vec<String>>) -> Result<Format, LegacyFault> {
    let names = || columns.keys().take(12).cloned().collect::<Vec<_>>().join(", ");
    match format {
        Some(format) if format.fits(columns) => Ok(format),
        Some(format) => {
            let found = format!("it has the tables {}; expected {}", names(), format.has());
            Err(LegacyFault::Other { path: path.to_owned(), format, found })
        }
        None => {
            let found = Format::ALL.iter().copied().find(|format| format.fits(columns));
            found.ok_or_else(|| unknown(path, &format!("SQLite with the tables {}", names())))
        }
    }
}

/// A text that is no bundle of ours, read; or that bundle's text.
fn read_text(path: &Path, text: String, format: Option<Format>, reading: &Reading<'_>) -> Result<Result<Draft, String>, LegacyFault> {
    let path_of = || PathBuf::from(path);
    let other = |format, found: &str| LegacyFault::Other { path: path_of(), format, found: found.to_owned() };
    match (format, text.trim_start().starts_with('{')) {
        (None | Some(Format::Reference), true) => match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(members) if members.contains_key("orgs") || members.contains_key("instance_settings") => {
                reference::read(&sections(path, members)?, reading).map(Ok)
            }
            Ok(_) | Err(_) if format.is_none() => Ok(Err(text)),
            Ok(_) | Err(_) => Err(other(Format::Reference, Format::Reference.has())),
        },
        (None | Some(Format::LiteLlm), _) => {
            let document = Document::read(path, &text)?;
            if document.has("model_list") {
                litellm::read(&document, reading).map(Ok)
            } else if let Some(format) = format {
                Err(other(format, "it has no model_list; expected YAML with one"))
            } else {
                Err(unknown(path, "text that is neither a bundle nor YAML with model_list"))
            }
        }
        (Some(format @ (Format::OneApi | Format::NewApi | Format::Reference)), _) => {
            Err(other(format, &format!("it is text; expected {}", format.has())))
        }
    }
}

/// The reference's own bundle: its sections are its tables.
fn sections(path: &Path, members: Map<String, Value>) -> Result<Tables, LegacyFault> {
    let mut tables = Tables::of(path);
    for (name, value) in members {
        let wrong = |expected: &str| LegacyFault::Value {
            path: path.to_owned(),
            place: name.clone(),
            found: "is something else".to_owned(),
            expected: expected.to_owned(),
        };
        let rows = match value {
            Value::Array(rows) => rows,
            Value::Object(row) if name == "instance_settings" => vec![Value::Object(row)],
            Value::Number(number) if name == "schema_version" && number.as_i64() == Some(1) => continue,
            Value::Null => continue,
            Value::Number(_) if name == "schema_version" => return Err(wrong("1")),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return Err(wrong("a list of objects")),
        };
        let rows = rows.into_iter().map(|row| match row {
            Value::Object(row) => Ok(row),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(wrong("a list of objects")),
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        tables.put(&name, rows);
    }
    Ok(tables)
}
