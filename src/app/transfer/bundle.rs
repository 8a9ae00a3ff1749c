//! The bundle, and how it is written as JSON and read again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    TransferFault,
    extract::is_secret,
    seal::Sealing,
    shape::{Names, Secrecy, Shape, secrecy},
};
use crate::{
    base::Secret,
    credentials::Sealer,
    runtime::Entropy,
    store::record::{Datum, Noun, Record, SettingsRow},
};

/// The version of the form that is written, and the only one that is read.
pub const SCHEMA_VERSION: u64 = 1;

const SEALED: &str = "sealed";
const LEFT_OUT: &str = "left_out";
const SETTINGS: &str = "settings";

/// A row without ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What may stand open. Absent is the same as null.
    pub fields: Map<String, Value>,
    /// Secrets, by their members.
    pub secrets: BTreeMap<String, Secret<String>>,
    /// Secrets that there were, and that are not told.
    pub left_out: BTreeSet<String>,
}

impl Entry {
    /// A row as an entry. What its ids name is said in `names`, by the bundle's members; the ids themselves say nothing here.
    #[must_use]
    pub fn of<N: Record>(row: &N, names: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let mut entry = Self::default();
        for (member, datum) in Shape::of(N::NOUN).members.iter().zip(row.data()) {
            let value = match datum {
                Datum::Text(text) => Value::from(text),
                Datum::Int(number) => number.into(),
                Datum::Bool(flag) => flag.into(),
            };
            if member.names != Names::Nothing || value.is_null() {
                continue;
            }
            match value.as_str().filter(|text| member.secrecy == Secrecy::AtRest || is_secret(member.secrecy, text)) {
                Some(text) => drop(entry.secrets.insert(member.name.to_owned(), Secret::new(text.to_owned()))),
                None => drop(entry.fields.insert(member.name.to_owned(), value)),
            }
        }
        entry.fields.extend(names.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)));
        entry
    }

    /// What others of the bundle call a row of this noun, where no two may be called so.
    #[must_use]
    pub fn unique_name<N: Record>(&self) -> Option<Value> {
        (!N::UNIQUE.is_empty()).then(|| Shape::of(N::NOUN).reference(self))
    }
}

/// Configuration apart from any database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The instance's settings, where they are told.
    pub settings: Option<Entry>,
    /// The rows, by noun, oldest first.
    pub rows: BTreeMap<Noun, Vec<Entry>>,
}

impl Bundle {
    /// The rows of a noun.
    #[must_use]
    pub fn of(&self, noun: Noun) -> &[Entry] {
        self.rows.get(&noun).map_or(&[], Vec::as_slice)
    }

    /// How many secrets it holds.
    #[must_use]
    pub fn secrets(&self) -> usize {
        self.settings.iter().chain(self.rows.values().flatten()).map(|entry| entry.secrets.len()).sum()
    }

    /// Writes it. Without a passphrase the secrets are left out, each named in its entry's `left_out`.
    ///
    /// # Errors
    /// [`TransferFault::BlankPassphrase`], or a passphrase that argon2 cannot take.
    pub fn write(&self, passphrase: Option<&Secret<String>>, entropy: &dyn Entropy) -> Result<String, TransferFault> {
        let sealing = passphrase.map(|_| Sealing::new(entropy));
        let sealer = sealing.as_ref().zip(passphrase).map(|(sealing, passphrase)| sealing.sealer(passphrase)).transpose()?;
        let write = |place: &str, entry: &Entry| written(entry, place, sealer.as_ref().map(|sealer| (sealer, entropy)));
        let mut members = Map::new();
        members.insert("schema_version".into(), SCHEMA_VERSION.into());
        members.insert("sealing".into(), json!(sealing));
        if let Some(settings) = &self.settings {
            members.insert(SETTINGS.into(), write(SETTINGS, settings));
        }
        for noun in Noun::ALL {
            let shape = Shape::of(*noun);
            let entries = self.of(*noun).iter().map(|entry| write(&context(&shape, entry), entry)).collect();
            members.insert(shape.section.into(), Value::Array(entries));
        }
        Ok(format!("{:#}\n", Value::Object(members)))
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`TransferFault`]: what is wrong, and where.
    pub fn read(text: &str, passphrase: Option<&Secret<String>>) -> Result<Self, TransferFault> {
        let mut members: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| TransferFault::at("bundle", format!("is no JSON object: {error}")))?;
        let version = members.remove("schema_version").unwrap_or_default();
        if version.as_u64() != Some(SCHEMA_VERSION) {
            return Err(TransferFault::at("schema_version", format!("is {version}; expected {SCHEMA_VERSION}")));
        }
        let sealing: Option<Sealing> = serde_json::from_value(members.remove("sealing").unwrap_or_default())
            .map_err(|error| TransferFault::at("sealing", error.to_string()))?;
        let sealer = match (&sealing, passphrase) {
            (Some(sealing), Some(passphrase)) => Some(sealing.sealer(passphrase)?),
            (Some(_), None) => return Err(TransferFault::NoPassphrase),
            (None, _) => None,
        };
        let settings = members.remove(SETTINGS).map(|value| settings(value, sealer.as_ref())).transpose()?;
        let mut bundle = Self { settings, rows: BTreeMap::new() };
        for noun in Noun::ALL {
            let shape = Shape::of(*noun);
            let entries = section(&shape, members.remove(shape.section), sealer.as_ref())?;
            bundle.rows.insert(*noun, entries);
        }
        match members.keys().next() {
            None => Ok(bundle),
            Some(unknown) => {
                let known: Vec<&str> = Noun::ALL.iter().map(|noun| Shape::of(*noun).section).collect();
                Err(TransferFault::at(unknown, format!("is unknown; expected {SETTINGS}, {}", known.join(", "))))
            }
        }
    }
}

/// What a secret's seal is bound to.
fn context(shape: &Shape, entry: &Entry) -> String {
    format!("{}/{}", shape.section, shape.reference(entry))
}

fn written(entry: &Entry, place: &str, sealer: Option<(&Sealer, &dyn Entropy)>) -> Value {
    let mut members = entry.fields.clone();
    let mut left_out: BTreeSet<&String> = entry.left_out.iter().collect();
    match sealer {
        Some((sealer, entropy)) if !entry.secrets.is_empty() => {
            let seal = |(name, secret): (&String, &Secret<String>)| {
                (name.clone(), Value::String(sealer.seal(&format!("{place}/{name}"), secret.expose(), entropy)))
            };
            members.insert(SEALED.into(), Value::Object(entry.secrets.iter().map(seal).collect()));
        }
        Some(_) => {}
        None => left_out.extend(entry.secrets.keys()),
    }
    if !left_out.is_empty() {
        members.insert(LEFT_OUT.into(), json!(left_out));
    }
    Value::Object(members)
}

fn section(shape: &Shape, value: Option<Value>, sealer: Option<&Sealer>) -> Result<Vec<Entry>, TransferFault> {
    let entries = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(TransferFault::at(shape.section, "is no array of objects")),
    };
    let may = |name: &str| shape.member(name).map(|member| member.secrecy);
    let read = |(at, value): (usize, Value)| {
        let place = format!("{}[{at}]", shape.section);
        let parts = parts(&place, value, may)?;
        opened(&place, parts, |entry| context(shape, entry), sealer)
    };
    entries.into_iter().enumerate().map(read).collect()
}

fn settings(value: Value, sealer: Option<&Sealer>) -> Result<Entry, TransferFault> {
    let known = json!(SettingsRow::default());
    let may = |name: &str| match name {
        "updated_at" | "hf_token_sealed" => None,
        "hf_token" => Some(Secrecy::AtRest),
        name => known.get(name).map(|_| secrecy(name)),
    };
    opened(SETTINGS, parts(SETTINGS, value, may)?, |_| SETTINGS.to_owned(), sealer)
}

/// An entry whose secrets are still sealed.
type Parts = (Entry, BTreeMap<String, String>);

fn parts(place: &str, value: Value, may: impl Fn(&str) -> Option<Secrecy>) -> Result<Parts, TransferFault> {
    let Value::Object(mut fields) = value else { return Err(TransferFault::at(place, "is no object")) };
    let read = |name: &str, error: serde_json::Error| TransferFault::at(format!("{place}.{name}"), error.to_string());
    let sealed: Option<BTreeMap<String, String>> =
        serde_json::from_value(fields.remove(SEALED).unwrap_or_default()).map_err(|error| read(SEALED, error))?;
    let left_out: Option<BTreeSet<String>> =
        serde_json::from_value(fields.remove(LEFT_OUT).unwrap_or_default()).map_err(|error| read(LEFT_OUT, error))?;
    let (sealed, left_out) = (sealed.unwrap_or_default(), left_out.unwrap_or_default());
    for name in fields.keys().chain(sealed.keys()).chain(&left_out) {
        if may(name).is_none() {
            return Err(TransferFault::at(format!("{place}.{name}"), "is unknown"));
        }
    }
    let secret = |name: &str| matches!(may(name), Some(Secrecy::AtRest | Secrecy::Always));
    if let Some(open) = fields.keys().find(|name| secret(name)) {
        return Err(TransferFault::at(format!("{place}.{open}"), format!("stands open; expected it under {SEALED:?}")));
    }
    fields.retain(|_, value| !value.is_null());
    Ok((Entry { fields, secrets: BTreeMap::new(), left_out }, sealed))
}

fn opened(
    place: &str,
    (mut entry, sealed): Parts,
    context: impl Fn(&Entry) -> String,
    sealer: Option<&Sealer>,
) -> Result<Entry, TransferFault> {
    for (name, text) in sealed {
        let place = format!("{place}.{SEALED}.{name}");
        let Some(sealer) = sealer else {
            return Err(TransferFault::at(place, "is sealed; expected the bundle to say how, in \"sealing\""));
        };
        let opened = sealer.open(&format!("{}/{name}", context(&entry)), &text);
        entry.secrets.insert(name, opened.map_err(|_| TransferFault::WrongPassphrase { place })?);
    }
    Ok(entry)
}
