//! In what a bundle differs from what stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use super::{Bundle, Entry, Extracted, shape::Shape};
use crate::store::record::Noun;

/// What becomes of rows that the bundle does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// They stay.
    Keep,
    /// They go, and what hangs on them.
    Remove,
}

/// What is to be done with one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The bundle's entry at this place is made.
    Make { at: usize },
    /// The row of this id becomes the bundle's entry at this place.
    Set { id: i64, at: usize, changed: Vec<Changed> },
    /// The bundle's entry lacks a secret without which it cannot be made.
    Skip { lacks: String },
    /// The row of this id goes.
    Remove { id: i64 },
}

/// A member that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    name: String,
    /// Before and after; of a secret neither is told.
    values: Option<(Value, Value)>,
}

/// A row, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub noun: Noun,
    pub label: String,
    pub step: Step,
}

/// What an import would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) settings: Vec<Changed>,
    unchanged: usize,
}

/// How many rows an import makes, changes, removes, leaves out and leaves as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Made.
    pub added: usize,
    /// Changed.
    pub changed: usize,
    /// Removed.
    pub removed: usize,
    /// Left out, for want of a secret.
    pub skipped: usize,
    /// As they were.
    pub unchanged: usize,
}

impl Plan {
    /// Compares what stands with a bundle.
    #[must_use]
    pub fn of(standing: &Extracted, wanted: &Bundle, prune: Prune) -> Self {
        let mut plan = Self::default();
        for noun in Noun::ALL {
            plan.compare(*noun, standing, wanted);
        }
        if prune == Prune::Remove {
            // What hangs on others goes first, so that nothing is gone already when its turn comes.
            for noun in Noun::ALL.iter().rev() {
                plan.remove(*noun, standing, wanted);
            }
        }
        if let (Some(before), Some(after)) = (&standing.bundle.settings, &wanted.settings) {
            plan.settings = changed(before, after);
        }
        plan
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.items.iter().all(|item| matches!(item.step, Step::Skip { .. }))
    }

    /// How many rows of each fate there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { unchanged: self.unchanged, ..Counts::default() };
        for item in &self.items {
            match item.step {
                Step::Make { .. } => counts.added += 1,
                Step::Set { .. } => counts.changed += 1,
                Step::Skip { .. } => counts.skipped += 1,
                Step::Remove { .. } => counts.removed += 1,
            }
        }
        counts
    }

    fn compare(&mut self, noun: Noun, standing: &Extracted, wanted: &Bundle) {
        let shape = Shape::of(noun);
        let (before, after) = (standing.bundle.of(noun), wanted.of(noun));
        let ids = standing.ids.get(&noun).map_or(&[][..], Vec::as_slice);
        let known: BTreeMap<Identity, usize> = identities(&shape, before).zip(0..).collect();
        for (at, (identity, entry)) in identities(&shape, after).zip(after).enumerate() {
            let step = match known.get(&identity).and_then(|at| Some((before.get(*at)?, *ids.get(*at)?))) {
                None => match lacking(noun, entry) {
                    Some(lacks) => Step::Skip { lacks },
                    None => Step::Make { at },
                },
                Some((standing, id)) => match changed(standing, entry) {
                    changed if changed.is_empty() => {
                        self.unchanged += 1;
                        continue;
                    }
                    changed => Step::Set { id, at, changed },
                },
            };
            self.items.push(Item { noun, label: label(noun, &shape, entry), step });
        }
    }

    fn remove(&mut self, noun: Noun, standing: &Extracted, wanted: &Bundle) {
        let shape = Shape::of(noun);
        let kept: BTreeSet<Identity> = identities(&shape, wanted.of(noun)).collect();
        let before = standing.bundle.of(noun);
        let ids = standing.ids.get(&noun).into_iter().flatten();
        for ((identity, entry), id) in identities(&shape, before).zip(before).zip(ids) {
            if !kept.contains(&identity) {
                self.items.push(Item { noun, label: label(noun, &shape, entry), step: Step::Remove { id: *id } });
            }
        }
    }
}

/// What a row is known by, and which of those that are known by the same it is.
type Identity = (String, usize);

fn identities<'a>(shape: &'a Shape, entries: &'a [Entry]) -> impl Iterator<Item = Identity> + 'a {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    entries.iter().map(move |entry| {
        let reference = shape.reference(entry).to_string();
        let count = seen.entry(reference.clone()).or_default();
        *count += 1;
        (reference, *count)
    })
}

fn lacking(noun: Noun, entry: &Entry) -> Option<String> {
    let lacks = noun == Noun::Credential && !entry.secrets.contains_key("secret");
    lacks.then(|| "secret".to_owned())
}

fn changed(before: &Entry, after: &Entry) -> Vec<Changed> {
    let names: BTreeSet<&String> =
        before.fields.keys().chain(before.secrets.keys()).chain(after.fields.keys()).chain(after.secrets.keys()).collect();
    let names = names.into_iter().filter(|name| !after.left_out.contains(*name));
    names
        .filter_map(|name| {
            let secret = (before.secrets.get(name), after.secrets.get(name));
            let open = (before.fields.get(name), after.fields.get(name));
            if secret.0 == secret.1 && open.0 == open.1 {
                return None;
            }
            let is_open = secret == (None, None);
            let values = is_open.then(|| (open.0.cloned().unwrap_or_default(), open.1.cloned().unwrap_or_default()));
            Some(Changed { name: name.clone(), values })
        })
        .collect()
}

/// What people know a row by.
fn label(noun: Noun, shape: &Shape, entry: &Entry) -> String {
    // A key's digest says nothing to anybody.
    let shown = if noun == Noun::Key { entry.fields.get("prefix").cloned().unwrap_or_default() } else { shape.reference(entry) };
    match shown {
        Value::String(text) => format!("{} {text}", noun.name()),
        Value::Array(parts) => format!("{} {}", noun.name(), parts.iter().map(plain).collect::<Vec<_>>().join(" ")),
        other => format!("{} {other}", noun.name()),
    }
}

fn plain(part: &Value) -> String {
    match part {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Some((before, after)) => write!(f, "{}: {before} -> {after}", self.name),
            None => write!(f, "{}: another secret", self.name),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for changed in &self.settings {
            writeln!(f, "~ settings {changed}")?;
        }
        for Item { label, step, .. } in &self.items {
            match step {
                Step::Make { .. } => writeln!(f, "+ {label}")?,
                Step::Remove { .. } => writeln!(f, "- {label}")?,
                Step::Skip { lacks } => writeln!(f, "! {label} is left out: the bundle does not have its {lacks}")?,
                Step::Set { changed, .. } => {
                    for changed in changed {
                        writeln!(f, "~ {label} {changed}")?;
                    }
                }
            }
        }
        let Counts { added, changed, removed, skipped, unchanged } = self.counts();
        write!(f, "{added} added, {changed} changed, {removed} removed, {skipped} left out, {unchanged} unchanged")
    }
}
