//! A foreign configuration beside what stands here: what neither may lose.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Format, LegacyFault, Report, draft::Draft};
use crate::{
    admin::Control,
    app::transfer::{Bundle, Entry, Extracted},
    base::Secret,
    store::record::{ConfigRows, Noun},
};

/// Another gateway's configuration.
#[derive(Debug)]
pub struct Foreign {
    /// What is to stand.
    pub bundle: Bundle,
    /// What was taken and what was left.
    pub report: Report,
    passwords: BTreeMap<String, Secret<String>>,
    settings: Map<String, Value>,
}

impl From<Draft> for Foreign {
    fn from(draft: Draft) -> Self {
        let Draft { bundle, report, passwords, settings, .. } = draft;
        Self { bundle, report, passwords, settings }
    }
}

/// Makes a foreign bundle ready for what stands: roles of users who stand here already stay, passwords that the file has in the
/// open are hashed unless their hash stands, and settings that it does not tell stay.
///
/// # Errors
/// [`LegacyFault::Password`] where a password cannot be hashed.
pub fn settle(control: &Control, rows: &ConfigRows, standing: &Extracted, foreign: &mut Foreign) -> Result<(), LegacyFault> {
    for entry in foreign.bundle.rows.get_mut(&Noun::User).into_iter().flatten() {
        let Some(name) = entry.fields.get("name").and_then(Value::as_str).map(str::to_owned) else { continue };
        let here = rows.users.iter().find(|row| row.name == name);
        if let Some(here) = here {
            let role = Value::from(here.role.word());
            if entry.fields.get("role") != Some(&role) {
                foreign.report.note(
                    "users",
                    format!("{name} stays {}", here.role.word()),
                    "stand here already and keep their role, which their imported keys get as well",
                );
                entry.fields.insert("role".to_owned(), role);
            }
        }
        if let Some(password) = foreign.passwords.get(&name) {
            let kept = here.and_then(|row| row.password_hash.clone());
            let kept = kept.filter(|hash| control.passwords().verify(password.expose(), Some(hash)));
            let hash = match kept {
                Some(hash) => hash,
                None => control.passwords().hash(password.expose(), &*control.platform().entropy)?,
            };
            entry.secrets.insert("password_hash".to_owned(), Secret::new(hash));
        } else if let Some(hash) = here.and_then(|row| row.password_hash.clone())
            && !entry.secrets.contains_key("password_hash")
        {
            entry.secrets.insert("password_hash".to_owned(), Secret::new(hash));
        }
    }
    if !foreign.settings.is_empty() {
        // With settings of its own the instance takes itself for one that was set up, and makes no owner at its first start.
        let governs = |entry: &Entry| matches!(entry.fields.get("role").and_then(Value::as_str), Some("admin" | "owner"));
        if !rows.users.iter().any(|user| user.is_admin()) && !foreign.bundle.of(Noun::User).iter().any(governs) {
            foreign.report.note_all("users", "none of them is an administrator: start the gateway with --admin-key, which makes one");
        }
        let mut settings = standing.bundle.settings.clone().unwrap_or_default();
        for (name, value) in &foreign.settings {
            settings.secrets.remove(name);
            match value.as_str().filter(|text| name == "proxy" && text.contains('@')) {
                Some(secret) => {
                    settings.fields.remove(name);
                    settings.secrets.insert(name.clone(), Secret::new(secret.to_owned()));
                }
                None => drop(settings.fields.insert(name.clone(), value.clone())),
            }
        }
        foreign.bundle.settings = Some(settings);
    }
    Ok(())
}

impl Format {
    /// The names of all formats, for people.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|format| format.name()).collect()
    }
}
