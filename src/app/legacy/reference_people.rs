//! The reference's organizations, teams, users and keys, and the settings of its instance.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    LegacyFault,
    draft::{Draft, NO_USER},
    reference::{Names, named},
    sealed,
    tables::{Otherwise, Row, Tables},
};
use crate::{
    access::key,
    admin::password::is_hash,
    base::OrganizationId,
    store::record::{NewKey, NewOrganization, NewTeam, NewUser, Role, ScopeKind},
};

/// What may have permissions, limits and quotas, by its ids.
pub(super) type Owners = BTreeMap<ScopeKind, Names>;

/// Reads them.
pub(super) fn read(tables: &Tables, draft: &mut Draft) -> Result<Owners, LegacyFault> {
    let mut organizations = Names::new();
    for row in tables.rows("orgs") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let new =
            NewOrganization { name: name.clone(), description: row.text("description")?, enabled: row.flag("enabled", Otherwise::Yes)? };
        draft.put(&new, []);
        draft.report.took("orgs");
        organizations.insert(id, name.into());
    }
    let mut teams = Names::new();
    for row in tables.rows("teams") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let Some(organization) = named(draft, &organizations, &row, "org_id", ("teams", &name))? else { continue };
        let new = NewTeam { organization_id: OrganizationId(0), name: name.clone(), enabled: row.flag("enabled", Otherwise::Yes)? };
        draft.put(&new, [("organization", organization.clone())]);
        draft.report.took("teams");
        teams.insert(id, json!([organization, name]));
    }
    let users = users(tables, (&organizations, &teams), draft)?;
    for row in tables.rows("user_keys") {
        user_key(&row, &users, draft)?;
    }
    Ok(Owners::from([(ScopeKind::Organization, organizations), (ScopeKind::Team, teams), (ScopeKind::User, users)]))
}

fn users(tables: &Tables, (organizations, teams): (&Names, &Names), draft: &mut Draft) -> Result<Names, LegacyFault> {
    let mut users = Names::new();
    for row in tables.rows("users") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let team = row.int("team_id")?.and_then(|id| teams.get(&id)).cloned().unwrap_or_default();
        let password = row.text("password")?;
        let (is_admin, enabled) = (row.flag("is_admin", Otherwise::No)?, row.flag("enabled", Otherwise::Yes)?);
        let Some(organization) = named(draft, organizations, &row, "org_id", ("users", &name))? else { continue };
        let hash = password.clone().filter(|text| is_hash(text));
        if password.is_some() && hash.is_none() {
            draft.report.note("users", &name, "lose their password, which is no argon2id hash: set another one");
        }
        let role = if is_admin { Role::Admin } else { Role::Member };
        let new = NewUser { role, enabled, password_hash: hash, ..NewUser::named(&name) };
        draft.put(&new, [("organization", organization.clone()), ("team", team)]);
        draft.report.took("users");
        users.insert(id, name.into());
    }
    Ok(users)
}

fn user_key(row: &Row<'_>, users: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    let id = row.int("id")?;
    let label = row.text("label")?;
    let shown = format!("{} {:?}", id.unwrap_or_default(), label.as_deref().unwrap_or_default());
    // The table has it under the one name, the bundle under the other.
    let text = row.text("api_key_ciphertext")?.or(row.text("api_key")?);
    let (digest, version) = (row.text("api_key_digest")?, row.int("api_key_digest_version")?.unwrap_or(1));
    let enabled = row.flag("enabled", Otherwise::Yes)?;
    let Some(user) = named(draft, users, row, "user_id", ("user_keys", &shown))? else { return Ok(()) };
    let is_open = text.as_ref().is_some_and(|text| !sealed::is_envelope(text));
    let (digest, prefix) = match (text.filter(|_| is_open), digest) {
        (Some(key), _) => (key::digest_text(&key), key::prefix(&key)),
        // Of the whole key, as here: it is found without being opened.
        (None, Some(digest)) if version == 1 && key::parse_digest(&digest).is_some() => (digest.to_ascii_lowercase(), "sk-".to_owned()),
        (None, _) => {
            let why = "are sealed, and their digest is not of the whole key: export there, and import that file, which has them";
            draft.report.left_out("user_keys", shown, why);
            return Ok(());
        }
    };
    draft.put(&NewKey { label, enabled, ..NewKey::of(NO_USER, digest, prefix) }, [("user", user.clone())]);
    draft.report.took("user_keys");
    Ok(())
}

/// What of the instance's settings holds here as well.
pub(super) fn settings(tables: &Tables, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("instance_settings") {
        if let Some(proxy) = row.text("proxy")?.or(row.text("proxy_url")?) {
            draft.settings.insert("proxy".to_owned(), proxy.into());
        }
        for name in ["enable_downstream_log", "enable_downstream_log_body", "enable_upstream_log", "enable_upstream_log_body"] {
            draft.settings.insert(name.to_owned(), Value::Bool(row.flag(name, Otherwise::No)?));
        }
        let is_masked = !row.flag("disable_log_redaction", Otherwise::No)?;
        draft.settings.insert("mask_sensitive_info".to_owned(), Value::Bool(is_masked));
        draft.report.took("instance_settings");
    }
    Ok(())
}
