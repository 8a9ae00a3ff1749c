//! `[[users]]`: who may use the gateway, with which keys, and what.

use super::reader::Section;
use crate::{admin::password, base::Secret, snapshot::name};

/// One user.
#[derive(Debug)]
pub struct UserEntry {
    /// Unique.
    pub name: String,
    /// Plain, or an argon2id hash.
    pub password: Option<Secret<String>>,
    /// Whether the admin API is open to it.
    pub is_admin: bool,
    /// Whether its keys work.
    pub enabled: bool,
    /// Its keys.
    pub keys: Vec<KeyEntry>,
    /// What it may use, where the file says so.
    pub permissions: Option<Vec<String>>,
}

/// One key of a user.
#[derive(Debug)]
pub struct KeyEntry {
    /// The whole key.
    pub api_key: Secret<String>,
    /// A name for people.
    pub label: Option<String>,
    /// Whether it works.
    pub enabled: bool,
}

/// Reads all of them.
pub(super) fn read(sections: &[Section<'_>]) -> Vec<UserEntry> {
    let mut entries: Vec<UserEntry> = Vec::new();
    for section in sections {
        let entry = one(section, &entries);
        section.close();
        let Some(entry) = entry else { continue };
        if entries.iter().any(|other| other.name == entry.name) {
            section.error("name", format!("{:?} is there already; expected another name", entry.name));
        } else {
            entries.push(entry);
        }
    }
    entries
}

fn one(section: &Section<'_>, before: &[UserEntry]) -> Option<UserEntry> {
    let name = section.text("name");
    match name.as_deref().map(name::text) {
        Some(Err(message)) => section.error("name", message),
        None if !section.has("name") => section.fault("name is missing"),
        Some(Ok(())) | None => {}
    }
    let password = section.secret("password");
    let plain = password.as_ref().map(Secret::expose).filter(|text| !password::is_hash(text));
    if let Some(Err(message)) = plain.map(|text| password::judge(text)) {
        section.error("password", format!("{message}, or no such key for a user who cannot log in"));
    }
    let permissions = section.texts("permissions");
    for pattern in permissions.iter().flatten() {
        if let Err(message) = name::text(pattern) {
            section.error("permissions", message);
        } else if !pattern.contains(['/', '*']) {
            section.warning("permissions", format!("{pattern:?} names a whole provider; for one model write \"provider/model\""));
        }
    }
    Some(UserEntry {
        password,
        is_admin: section.switch("is_admin").unwrap_or(false),
        enabled: section.switch("enabled").unwrap_or(true),
        keys: keys(section, before),
        permissions,
        name: name?,
    })
}

fn keys(section: &Section<'_>, before: &[UserEntry]) -> Vec<KeyEntry> {
    let mut entries: Vec<KeyEntry> = Vec::new();
    for key in section.sections("keys") {
        let api_key = key.secret("api_key");
        let label = key.text("label").filter(|label| !label.is_empty());
        let enabled = key.switch("enabled").unwrap_or(true);
        key.close();
        let Some(api_key) = api_key else {
            if !key.has("api_key") {
                key.fault("api_key is missing");
            }
            continue;
        };
        check_key(&key, "api_key", &api_key);
        if before.iter().flat_map(|user| &user.keys).chain(&entries).any(|other| other.api_key == api_key) {
            key.error("api_key", "is there already; every key belongs to one user");
        } else {
            entries.push(KeyEntry { api_key, label, enabled });
        }
    }
    entries
}

/// Checks a key that somebody chose. No message shows it.
pub(super) fn check_key(section: &Section<'_>, at: &str, key: &Secret<String>) {
    match judge_key(key) {
        Ok(None) => {}
        Ok(Some(warning)) => section.warning(at, warning),
        Err(error) => section.error(at, error),
    }
}

/// What there is to say about a key that somebody chose.
pub(super) fn judge_key(key: &Secret<String>) -> Result<Option<&'static str>, &'static str> {
    let text = key.expose();
    if text.len() < 8 || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("expected at least 8 visible ASCII characters without blanks");
    }
    Ok((text.len() < 20).then_some("is short enough to be guessed; a generated key has 51 characters"))
}
