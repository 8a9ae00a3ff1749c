//! The reference's first tables: one with an administrator's key and users without permissions, one with users, limits and quotas.
//!
//! Its secrets may be sealed under DATABASE_SECRET_KEY. They are opened, or the import is refused.

use serde_json::{Value, json};

use super::{
    Format, LegacyFault,
    draft::{Draft, NO_PROVIDER, NO_USER, Reading},
    reference::{Names, WORTHLESS, named, providers},
    reference_money::{left, limit},
    sealed,
    tables::{Otherwise, Row, Tables},
};
use crate::{
    access::key,
    admin::password::is_hash,
    base::Secret,
    store::record::{NewAlias, NewKey, NewModel, NewPriceRule, NewUser, PriceMatch, Role, ScopeKind},
};

/// The tables whose rows are wanted.
pub(super) const WANTED: &[&str] = &[
    "credentials",
    "global_settings",
    "model_aliases",
    "models",
    "providers",
    "user_keys",
    "user_permissions",
    "user_quotas",
    "user_rate_limits",
    "users",
];

/// Why the rest is left.
const KNOWN: &[(&str, &str)] = &[
    ("usages", "history is no configuration"),
    ("downstream_requests", "history is no configuration"),
    ("upstream_requests", "history is no configuration"),
    ("credential_statuses", "health is found out anew"),
    ("credential_model_statuses", "health is found out anew"),
    ("user_file_permissions", "files are open to whoever may use something of their provider"),
    ("providers.dispatch_json", "each channel's own table holds here; where yours differed, set the provider's dispatch rules"),
    ("global_settings.dsn", "this instance has its own database"),
    ("global_settings.data_dir", "this instance has its own folder"),
    ("global_settings.host", "this instance has its own address"),
    ("global_settings.port", "this instance has its own address"),
    ("global_settings.spoof_emulation", "this program shows itself as what it is"),
    ("models.price_tiers_json", "write the bands by hand: see docs/prices.md"),
];

/// The user whose key the administrator's key becomes, where the file has no user of that name.
const ADMIN: &str = "admin";

/// Reads the tables.
///
/// # Errors
/// [`LegacyFault`]; [`LegacyFault::Sealed`] where secrets are sealed and no key was given.
pub(super) fn read(tables: &Tables, reading: &Reading<'_>) -> Result<Draft, LegacyFault> {
    let mut draft = Draft::of(Format::Reference, tables.path());
    let users = users(tables, reading, &mut draft)?;
    let providers = providers(tables, &mut draft, reading)?;
    settings(tables, &users, reading, &mut draft)?;
    models(tables, &providers, &mut draft)?;
    allowances(tables, &users, &providers, &mut draft)?;
    tables.tell_rest(&mut draft.report, KNOWN, WORTHLESS);
    Ok(draft)
}

fn users(tables: &Tables, reading: &Reading<'_>, draft: &mut Draft) -> Result<Names, LegacyFault> {
    let mut users = Names::new();
    for row in tables.rows("users") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let password = row.text("password")?.map(|text| sealed::opened(&row, "password", text, reading)).transpose()?;
        let hash = password.clone().filter(|text| is_hash(text));
        if let (Some(open), None) = (password, &hash) {
            draft.passwords.insert(name.clone(), Secret::new(open));
        }
        let role = if row.flag("is_admin", Otherwise::No)? { Role::Admin } else { Role::Member };
        let new = NewUser { role, enabled: row.flag("enabled", Otherwise::Yes)?, password_hash: hash, ..NewUser::named(&name) };
        draft.put(&new, []);
        draft.report.took("users");
        users.insert(id, name.into());
    }
    for row in tables.rows("user_keys") {
        let label = row.text("label")?;
        let shown = format!("{} {:?}", row.need_int("id")?, label.as_deref().unwrap_or_default());
        let text = sealed::opened(&row, "api_key", row.need_text("api_key")?, reading)?;
        let enabled = row.flag("enabled", Otherwise::Yes)?;
        for column in ["api_key_digest", "api_key_digest_version"] {
            row.skip(column);
        }
        let Some(user) = named(draft, &users, &row, "user_id", ("user_keys", &shown))? else { continue };
        let new = NewKey { label, enabled, ..NewKey::of(NO_USER, key::digest_text(&text), key::prefix(&text)) };
        draft.put(&new, [("user", user.clone())]);
        draft.report.took("user_keys");
    }
    Ok(users)
}

fn settings(tables: &Tables, users: &Names, reading: &Reading<'_>, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("global_settings") {
        if let Some(text) = row.text("admin_key")? {
            admin(&row, text, users, reading, draft)?;
        }
        if row.text("hf_token")?.is_some() {
            draft
                .report
                .note_all("global_settings.hf_token", "vocabularies ship with the program; set the token by hand where it is wanted");
        }
        for name in ["proxy", "hf_url", "update_source"] {
            if let Some(value) = row.text(name)? {
                draft.settings.insert(name.to_owned(), value.into());
            }
        }
        for name in ["enable_downstream_log", "enable_downstream_log_body", "enable_upstream_log", "enable_upstream_log_body"] {
            if tables.has_column("global_settings", name) {
                draft.settings.insert(name.to_owned(), Value::Bool(row.flag(name, Otherwise::No)?));
            }
        }
        let is_masked = row.flag("mask_sensitive_info", Otherwise::Yes)?;
        draft.settings.insert("mask_sensitive_info".to_owned(), Value::Bool(is_masked));
        draft.report.took("global_settings");
    }
    Ok(())
}

/// The administrator's key: a user's, who may do everything.
fn admin(row: &Row<'_>, text: String, users: &Names, reading: &Reading<'_>, draft: &mut Draft) -> Result<(), LegacyFault> {
    let text = sealed::opened(row, "admin_key", text, reading)?;
    let is_free = !users.values().any(|name| name == ADMIN);
    let name = if is_free { ADMIN } else { "admin-key" };
    draft.put(&NewUser { role: Role::Admin, ..NewUser::named(name) }, []);
    let label = Some("admin_key".to_owned());
    draft.put(&NewKey { label, ..NewKey::of(NO_USER, key::digest_text(&text), key::prefix(&text)) }, [("user", name.into())]);
    draft.permission(ScopeKind::User, name, "*");
    draft.report.took("admin keys");
    Ok(())
}

fn models(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("models") {
        let model = row.need_text("model_id")?;
        let price = row.dollars("price_each_call")?;
        let enabled = row.flag("enabled", Otherwise::Yes)?;
        let display_name = row.text("display_name")?;
        let Some(provider) = named(draft, providers, &row, "provider_id", ("models", &model))? else { continue };
        draft.put(&NewModel { display_name, enabled, ..NewModel::of(NO_PROVIDER, &model) }, [("provider", provider.clone())]);
        draft.report.took("models");
        if price.is_some_and(|price| price > 0) {
            let rates_json = json!({ "request": row.text("price_each_call")?.map(|text| super::tables::decimal(&text)) }).to_string();
            let rule =
                NewPriceRule { provider_id: Some(NO_PROVIDER), match_kind: PriceMatch::Exact, pattern: model, rates_json, enabled: true };
            draft.put(&rule, [("provider", provider.clone())]);
        }
    }
    for (at, row) in tables.rows("model_aliases").iter().enumerate() {
        let (alias, model) = (row.need_text("alias")?, row.need_text("model_id")?);
        let enabled = row.flag("enabled", Otherwise::Yes)?;
        let Some(provider) = named(draft, providers, row, "provider_id", ("model_aliases", &alias))? else { continue };
        let target = format!("{}/{model}", provider.as_str().unwrap_or_default()).replace('$', "$$");
        let sort_order = i64::try_from(at).unwrap_or(i64::MAX);
        draft.put(&NewAlias { provider: "*".to_owned(), alias: regex::escape(&alias), target, sort_order, enabled }, []);
        draft.report.took("model_aliases");
    }
    Ok(())
}

fn allowances(tables: &Tables, users: &Names, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    if !tables.has("user_permissions") {
        // Nobody needed a permission there.
        for name in users.values().filter(|name| *name != ADMIN) {
            draft.permission(ScopeKind::User, name.clone(), "*");
        }
    }
    for row in tables.rows("user_permissions") {
        let pattern = row.text("model_pattern")?.unwrap_or_else(|| "*".to_owned());
        let provider = row.int("provider_id")?;
        let Some(user) = named(draft, users, &row, "user_id", ("user_permissions", &pattern))? else { continue };
        let pattern = match provider.map(|id| providers.get(&id).and_then(Value::as_str)) {
            None if pattern == "*" => pattern,
            None => format!("*/{pattern}"),
            Some(Some(provider)) => format!("{provider}/{pattern}"),
            Some(None) => {
                draft.report.left_out("user_permissions", pattern, "what their provider_id names is left out or gone");
                continue;
            }
        };
        draft.permission(ScopeKind::User, user.clone(), pattern);
        draft.report.took("user_permissions");
    }
    for row in tables.rows("user_rate_limits") {
        let pattern = row.text("model_pattern")?.unwrap_or_else(|| "*".to_owned());
        let figures = [row.int("rpm")?, row.int("rpd")?, row.int("total_tokens")?];
        let Some(user) = named(draft, users, &row, "user_id", ("user_rate_limits", &pattern))? else { continue };
        let pattern = if pattern == "*" { pattern } else { format!("*/{pattern}") };
        draft.put(&limit(ScopeKind::User, pattern, figures), [("owner", user.clone())]);
        draft.report.took("user_rate_limits");
    }
    for row in tables.rows("user_quotas") {
        let (total, used) = (row.dollars("quota")?, row.dollars("cost_used")?.unwrap_or(0));
        let Some(user) = named(draft, users, &row, "user_id", ("user_quotas", ""))? else { continue };
        draft.put(&left(ScopeKind::User, total, used), [("owner", user.clone())]);
        draft.report.took("user_quotas");
    }
    Ok(())
}
