//! A plan into the store: one transaction, all of it or nothing.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    Bundle, Entry, Extracted, Plan, TransferFault,
    plan::{Item, Step},
    shape::{Names, Secrecy, Shape},
};
use crate::{
    admin::{Control, audit},
    base::Secret,
    snapshot::secret::{self, HF_TOKEN},
    store::record::{
        AuditAction, Change, ChangeSet, ConfigRows, Datum, Finish, Noun, NounWork, Record, Row, ScopeKind, SettingsRow, made_by,
    },
};

/// What stands for a secret whose provider is not known yet; no sealed text begins so.
const PLACE: &str = "#";

/// Makes a bundle stand, as a plan over the same rows says.
///
/// # Errors
/// [`TransferFault::Bundle`] where an entry cannot be a row or names none, [`TransferFault::Store`]; then nothing was written.
pub async fn apply(
    control: &Control,
    rows: &ConfigRows,
    (standing, wanted): (&Extracted, &Bundle),
    plan: &Plan,
) -> Result<(), TransferFault> {
    let mut writer = Writer { control, rows, wanted, ids: standing.known(), secrets: Vec::new(), changes: Vec::new() };
    for item in &plan.items {
        writer.take(item)?;
    }
    let settings = match &wanted.settings {
        Some(entry) if !plan.settings.is_empty() => Some(settings(control, &rows.settings, entry)?),
        Some(_) | None => None,
    };
    if writer.changes.is_empty() && settings.is_none() {
        return Ok(());
    }
    let finish = Some(sealing(control, writer.secrets));
    let told = audit::by_command(control, "gproxy import", (AuditAction::Import, "bundle"), &counts(&writer.changes, settings.is_some()));
    let set = ChangeSet { changes: writer.changes, settings, base: Some(rows.revision), audit: vec![told], finish, ..ChangeSet::default() };
    control.records().apply_set(set).await?;
    Ok(())
}

/// How many rows of each noun are made, changed and taken away; what they hold stands in them.
fn counts(changes: &[Change], settings: bool) -> Value {
    let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for change in changes {
        let (noun, place) = match change {
            Change::Make(row) | Change::Ensure(row) => (row.noun(), 0),
            Change::Set(_, row) => (row.noun(), 1),
            Change::Delete(noun, _) => (*noun, 2),
        };
        counts.entry(noun.name()).or_default()[place] += 1;
    }
    let told = |[made, changed, removed]: [u64; 3]| json!({ "made": made, "changed": changed, "removed": removed });
    let mut told: Map<String, Value> = counts.into_iter().map(|(noun, counts)| (noun.to_owned(), told(counts))).collect();
    told.insert("settings".to_owned(), settings.into());
    Value::Object(told)
}

/// Seals each credential's secret for the provider that it ended up with.
fn sealing(control: &Control, secrets: Vec<Secret<String>>) -> Finish {
    let (sealer, entropy) = (control.sealer().clone(), Arc::clone(&control.platform().entropy));
    Arc::new(move |row| match row {
        Row::Credential(mut row) => {
            let place = row.secret_sealed.strip_prefix(PLACE).and_then(|place| place.parse::<usize>().ok());
            if let Some(plain) = place.and_then(|place| secrets.get(place)) {
                row.secret_sealed = secret::seal(&sealer, row.provider_id, plain, &*entropy);
            }
            Row::Credential(row)
        }
        other => other,
    })
}

struct Writer<'a> {
    control: &'a Control,
    rows: &'a ConfigRows,
    wanted: &'a Bundle,
    /// What names a row, and its id.
    ids: BTreeMap<(Noun, String), i64>,
    secrets: Vec<Secret<String>>,
    changes: Vec<Change>,
}

impl Writer<'_> {
    fn take(&mut self, item: &Item) -> Result<(), TransferFault> {
        let noun = item.noun;
        let change = match item.step {
            Step::Make { at } => {
                let row = self.row(noun, at, None)?;
                let shape = Shape::of(noun);
                if let Some(entry) = self.wanted.of(noun).get(at) {
                    self.ids.entry((noun, shape.reference(entry).to_string())).or_insert(made_by(self.changes.len()));
                }
                Change::Make(row)
            }
            Step::Set { id, at, .. } => Change::Set(id, self.row(noun, at, Some(id))?),
            Step::Remove { id } => Change::Delete(noun, id),
            Step::Skip { .. } => return Ok(()),
        };
        self.changes.push(change);
        Ok(())
    }

    fn row(&mut self, noun: Noun, at: usize, id: Option<i64>) -> Result<Row, TransferFault> {
        let shape = Shape::of(noun);
        let place = format!("{}[{at}]", shape.section);
        let Some(entry) = self.wanted.of(noun).get(at) else { return Err(TransferFault::at(place, "is not there")) };
        let standing = id.map(|id| noun.with(Columns { rows: self.rows, id })).unwrap_or_default();
        let mut columns = Map::new();
        for member in &shape.members {
            let here = || format!("{place}.{}", member.name);
            let value = match (entry.secrets.get(member.name), entry.fields.get(member.name)) {
                (Some(secret), _) if member.secrecy == Secrecy::AtRest => self.at_rest(secret),
                (Some(secret), _) if member.secrecy == Secrecy::Settings => {
                    secret::seal_settings(self.control.sealer(), secret.expose(), &*self.control.platform().entropy).into()
                }
                (Some(secret), _) => secret.expose().as_str().into(),
                (None, _) if entry.left_out.contains(member.name) => left_out(member.column, &standing),
                (None, Some(name)) => match target(member.names, entry) {
                    Target::Value => name.clone(),
                    Target::Row(target) => self.id(target, name).ok_or_else(|| {
                        TransferFault::at(here(), format!("is {name}; expected a {} of the bundle or of this instance", target.name()))
                    })?,
                    Target::Unknown => {
                        return Err(TransferFault::at(
                            here(),
                            "belongs to nobody; expected \"scope\" to be key, user, team or organization",
                        ));
                    }
                },
                (None, None) => Value::Null,
            };
            columns.insert(member.column.to_owned(), value);
        }
        noun.with(Read { columns }).map_err(|message| TransferFault::at(place, message))
    }

    fn at_rest(&mut self, secret: &Secret<String>) -> Value {
        self.secrets.push(secret.clone());
        format!("{PLACE}{}", self.secrets.len() - 1).into()
    }

    fn id(&self, noun: Noun, name: &Value) -> Option<Value> {
        self.ids.get(&(noun, name.to_string())).map(|id| (*id).into())
    }
}

enum Target {
    Value,
    Row(Noun),
    Unknown,
}

fn target(names: Names, entry: &Entry) -> Target {
    match names {
        Names::Nothing => Target::Value,
        Names::Row(noun) => Target::Row(noun),
        Names::Owner => match entry.fields.get("scope").and_then(Value::as_str).and_then(ScopeKind::parse) {
            Some(kind) => Target::Row(kind.noun()),
            None => Target::Unknown,
        },
    }
}

/// A secret that is not told stays as it is; a new row does without.
fn left_out(column: &str, standing: &Map<String, Value>) -> Value {
    match standing.get(column) {
        Some(value) => value.clone(),
        None if column == "settings_json" => "{}".into(),
        None => Value::Null,
    }
}

struct Columns<'a> {
    rows: &'a ConfigRows,
    id: i64,
}

impl NounWork for Columns<'_> {
    type Output = Map<String, Value>;

    fn of<N: Record>(self) -> Self::Output {
        let Some(row) = N::table(self.rows).get(self.id.into()) else { return Map::new() };
        let value = |datum| match datum {
            Datum::Text(text) => Value::from(text),
            Datum::Int(number) => number.into(),
            Datum::Bool(flag) => flag.into(),
        };
        N::COLUMNS.iter().zip(row.data()).map(|((column, _), datum)| ((*column).to_owned(), value(datum))).collect()
    }
}

struct Read {
    columns: Map<String, Value>,
}

impl NounWork for Read {
    type Output = Result<Row, String>;

    fn of<N: Record>(mut self) -> Self::Output {
        self.columns.retain(|_, value| !value.is_null());
        let row: N = serde_path_to_error::deserialize(Value::Object(self.columns)).map_err(|error| error.to_string())?;
        Ok(row.into_row())
    }
}

fn settings(control: &Control, standing: &SettingsRow, entry: &Entry) -> Result<SettingsRow, TransferFault> {
    let mut members = entry.fields.clone();
    members.extend(
        entry.secrets.iter().filter(|(name, _)| *name != "hf_token").map(|(name, secret)| (name.clone(), secret.expose().as_str().into())),
    );
    let mut row: SettingsRow =
        serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| TransferFault::at("settings", error.to_string()))?;
    row.hf_token_sealed = match entry.secrets.get("hf_token") {
        Some(token) => Some(control.sealer().seal(HF_TOKEN, token.expose(), &*control.platform().entropy)),
        None => standing.hf_token_sealed.clone().filter(|_| entry.left_out.contains("hf_token")),
    };
    if entry.left_out.contains("proxy") {
        row.proxy.clone_from(&standing.proxy);
    }
    Ok(row)
}
