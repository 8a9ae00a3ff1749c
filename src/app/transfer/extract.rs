//! What stands, as a bundle.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Bundle, Entry,
    shape::{Names, Secrecy, Shape, secrecy},
};
use crate::{
    admin::has_secret_settings,
    base::{ProviderId, Secret},
    credentials::Sealer,
    snapshot::secret::{self, HF_TOKEN},
    store::record::{ConfigRows, Datum, Noun, NounWork, Record, ScopeKind},
};

/// What stands.
#[derive(Debug, Default)]
pub struct Extracted {
    /// The bundle.
    pub bundle: Bundle,
    /// What could not be told, a line each.
    pub notes: Vec<String>,
    /// The rows' ids, in the order of the bundle's rows.
    pub(super) ids: BTreeMap<Noun, Vec<i64>>,
    references: BTreeMap<(Noun, i64), Value>,
}

impl Extracted {
    /// What names each row, and its id.
    pub(super) fn known(&self) -> BTreeMap<(Noun, String), i64> {
        self.references.iter().map(|((noun, id), name)| ((*noun, name.to_string()), *id)).collect()
    }
}

/// Makes a bundle of rows. The sealer opens their secrets; one that it does not open is left out and noted.
#[must_use]
pub fn extract(rows: &ConfigRows, sealer: &Sealer) -> Extracted {
    let mut extracted = Extracted::default();
    for noun in Noun::ALL {
        noun.with(Extract { rows, sealer, into: &mut extracted });
    }
    extracted.bundle.settings = Some(settings(rows, sealer, &mut extracted.notes));
    extracted
}

struct Extract<'a> {
    rows: &'a ConfigRows,
    sealer: &'a Sealer,
    into: &'a mut Extracted,
}

impl NounWork for Extract<'_> {
    type Output = ();

    fn of<N: Record>(self) {
        let shape = Shape::of(N::NOUN);
        let (mut entries, mut ids) = (Vec::new(), Vec::new());
        for row in N::table(self.rows) {
            let columns: Map<String, Value> =
                N::COLUMNS.iter().zip(row.data()).map(|((column, _), datum)| ((*column).to_owned(), value(datum))).collect();
            let entry = entry(&shape, &columns, self.sealer, self.into);
            self.into.references.insert((N::NOUN, row.id.into()), shape.reference(&entry));
            entries.push(entry);
            ids.push(row.id.into());
        }
        self.into.bundle.rows.insert(N::NOUN, entries);
        self.into.ids.insert(N::NOUN, ids);
    }
}

fn value(datum: Datum) -> Value {
    match datum {
        Datum::Text(text) => text.into(),
        Datum::Int(number) => number.into(),
        Datum::Bool(flag) => flag.into(),
    }
}

fn entry(shape: &Shape, columns: &Map<String, Value>, sealer: &Sealer, into: &mut Extracted) -> Entry {
    let mut entry = Entry::default();
    for member in &shape.members {
        let Some(value) = columns.get(member.column).filter(|value| !value.is_null()) else { continue };
        let noun = match member.names {
            Names::Nothing => None,
            Names::Row(noun) => Some(noun),
            Names::Owner => columns.get("scope").and_then(Value::as_str).and_then(ScopeKind::parse).map(ScopeKind::noun),
        };
        let value = match (noun, value.as_i64()) {
            (Some(noun), Some(id)) => into.references.get(&(noun, id)).cloned().unwrap_or_default(),
            _ => value.clone(),
        };
        let opened = match (member.secrecy, value.as_str(), columns.get("provider_id").and_then(Value::as_i64)) {
            (Secrecy::AtRest, Some(sealed), Some(provider)) => Some(secret::open(sealer, ProviderId(provider), sealed).ok()),
            (Secrecy::Settings, Some(text), _) if is_secret(Secrecy::Settings, text) => {
                Some(secret::open_settings(sealer, text).ok().map(|text| Secret::new(text.into_owned())))
            }
            (by, Some(text), _) if is_secret(by, text) => Some(Some(Secret::new(text.to_owned()))),
            _ => None,
        };
        match opened {
            None => {
                entry.fields.insert(member.name.to_owned(), value);
            }
            Some(Some(secret)) => {
                entry.secrets.insert(member.name.to_owned(), secret);
            }
            Some(None) => {
                entry.left_out.insert(member.name.to_owned());
            }
        }
    }
    if let Some(name) = entry.left_out.first() {
        into.notes.push(format!(
            "{} {}: the {name} does not open with this database's key and is left out",
            shape.section,
            shape.reference(&entry)
        ));
    }
    entry
}

/// Whether a text that does not rest sealed is a secret.
pub(super) fn is_secret(secrecy: Secrecy, text: &str) -> bool {
    match secrecy {
        Secrecy::Open | Secrecy::AtRest => false,
        Secrecy::Always => true,
        Secrecy::Address => text.contains('@'),
        Secrecy::Settings => has_secret_settings(text),
    }
}

fn settings(rows: &ConfigRows, sealer: &Sealer, notes: &mut Vec<String>) -> Entry {
    let mut entry = Entry::default();
    let columns = json!(rows.settings);
    let told = columns.as_object().into_iter().flatten().filter(|(name, value)| *name != "updated_at" && !value.is_null());
    for (name, value) in told {
        match (name.as_str(), value.as_str()) {
            ("hf_token_sealed", Some(sealed)) => {
                if let Ok(token) = sealer.open(HF_TOKEN, sealed) {
                    entry.secrets.insert("hf_token".to_owned(), token);
                } else {
                    notes.push("settings: the hf_token does not open with this database's key and is left out".to_owned());
                    entry.left_out.insert("hf_token".to_owned());
                }
            }
            (_, Some(text)) if is_secret(secrecy(name), text) => {
                entry.secrets.insert(name.clone(), Secret::new(text.to_owned()));
            }
            _ => {
                entry.fields.insert(name.clone(), value.clone());
            }
        }
    }
    entry
}
