//! What a reader makes of a foreign file: rows, and the report.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Map, Value, json};

use super::{Format, Report};
use crate::{
    app::transfer::{Bundle, Entry},
    base::{Network, ProviderId, Secret, UserId},
    channel::{self, ChannelRow},
    runtime::Platform,
    snapshot::{name, secret},
    store::record::{NewCredential, NewPermission, Noun, Record, ScopeKind},
};

/// What readers are given besides the file.
#[derive(Debug)]
pub struct Reading<'a> {
    /// For channels, whose settings are tried.
    pub platform: &'a Platform,
    /// The variables that a file may refer to.
    pub environment: &'a BTreeMap<String, String>,
    /// What the file's secrets were sealed under.
    pub source_key: Option<Secret<String>>,
}

/// A bundle in the making.
#[derive(Debug)]
pub(super) struct Draft {
    /// Rows so far.
    pub bundle: Bundle,
    /// The report so far.
    pub report: Report,
    /// Passwords that stand open, by user.
    pub passwords: BTreeMap<String, Secret<String>>,
    /// Settings of the instance that the file tells.
    pub settings: Map<String, Value>,
    taken: BTreeSet<String>,
    unique: BTreeSet<(Noun, String)>,
}

/// An id that a bundle does not tell: what it names is said by name.
pub(super) const NO_PROVIDER: ProviderId = ProviderId(0);
/// The same for users.
pub(super) const NO_USER: UserId = UserId(0);

impl Draft {
    /// An empty one.
    pub(super) fn of(format: Format, path: &Path) -> Self {
        let report = Report { format: format!("{format} ({})", path.display()), ..Report::default() };
        Self {
            bundle: Bundle::default(),
            report,
            passwords: BTreeMap::new(),
            settings: Map::new(),
            taken: BTreeSet::new(),
            unique: BTreeSet::new(),
        }
    }

    /// Adds a row; `names` says what its ids name. Of rows that may stand once only the first is kept, and that is told.
    pub(super) fn put<N: Record>(&mut self, row: &N, names: impl IntoIterator<Item = (&'static str, Value)>) {
        let entry = Entry::of(row, names);
        if let Some(name) = entry.unique_name::<N>()
            && !self.unique.insert((N::NOUN, name.to_string()))
        {
            // A key's digest says nothing to anybody.
            let name = if N::NOUN == Noun::Key { row.own_name() } else { name.to_string() };
            self.report.note(N::TABLE, name, "stand several times, and the first is kept");
            return;
        }
        self.bundle.rows.entry(N::NOUN).or_default().push(entry);
    }

    /// A provider's name that is like a foreign one, is allowed here, and stands once. Where it differs that is told.
    pub(super) fn provider_name(&mut self, what: &str, wanted: &str, id: &str) -> String {
        let mut slug = String::new();
        for c in wanted.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                slug.push(c);
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug: String = slug.trim_matches(['-', '_', '.']).chars().take(50).collect();
        // Of a name in another script nothing but a number may be left.
        let is_told = slug.chars().any(|c| c.is_ascii_alphabetic()) || wanted.is_ascii();
        let slug = if is_told { slug } else { String::new() };
        let usable = |name: &str, taken: &BTreeSet<String>| name::provider(name).is_ok() && !taken.contains(&name.to_ascii_lowercase());
        let mut tried = vec![slug.clone(), format!("{slug}-{id}"), format!("{what}-{id}")];
        // Names that people chose may look like those that are made here, but not more often than there are any.
        tried.extend((2..=self.taken.len() + 2).map(|more| format!("{what}-{id}-{more}")));
        let chosen = tried.into_iter().find(|name| usable(name, &self.taken)).unwrap_or_default();
        self.taken.insert(chosen.to_ascii_lowercase());
        if chosen != wanted {
            self.report.note(
                &format!("{what}s"),
                format!("{wanted:?} is {chosen}"),
                "have another name here, which paths and logs can show",
            );
        }
        chosen
    }

    /// Adds a credential that is one API key.
    pub(super) fn api_key(&mut self, provider: &str, row: NewCredential, api_key: &str) {
        let secret_sealed = json!({ secret::API_KEY: api_key }).to_string();
        self.put(&NewCredential { kind: secret::API_KEY.to_owned(), secret_sealed, ..row }, [("provider", provider.into())]);
    }

    /// Adds a permission of somebody.
    pub(super) fn permission(&mut self, scope: ScopeKind, owner: impl Into<Value>, pattern: impl Into<String>) {
        let row = NewPermission { scope, scope_id: 0, pattern: pattern.into(), operation_group: String::new() };
        self.put(&row, [("owner", owner.into())]);
    }

    /// Takes out of a channel's settings what it does not take, telling each; the rest as JSON text.
    pub(super) fn settings(
        &mut self,
        found: &'static ChannelRow,
        provider: &str,
        members: Map<String, Value>,
        platform: &Platform,
    ) -> String {
        let mut kept = members;
        // A channel names one fault at a time; without the member at fault it names the next.
        loop {
            let text = Value::Object(kept.clone()).to_string();
            let Err(fault) = channel::build(found, &text, platform) else { return text };
            let root = fault.path.split(['.', '[']).next().unwrap_or_default().to_owned();
            if kept.remove(&root).is_none() {
                // Nothing of it is at fault: something is missing, and the compiler will say so.
                return text;
            }
            self.report.note("providers.settings", format!("{provider}: {root}"), format!("the channel {} does not take them", found.id));
        }
    }
}

/// Networks of a foreign list as ours are written, and those that are none.
pub(super) fn networks<'a>(list: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, Vec<&'a str>) {
    list.map(str::trim).filter(|one| !one.is_empty()).partition(|one| one.parse::<Network>().is_ok())
}
