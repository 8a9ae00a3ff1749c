//! one-api's and new-api's users and tokens. A token becomes a key that the same client goes on with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    LegacyFault,
    draft::{Draft, NO_USER, networks},
    one_api::{Served, list},
    one_api_prices::Options,
    tables::{Otherwise, Row, Tables},
};
use crate::{
    access::key,
    store::record::{Admission, NewKey, NewOrganization, NewQuota, NewUser, ScopeKind},
};

/// What every token begins with where clients have it; the table leaves it out.
const BEGINNING: &str = "sk-";

/// The upstream names of each model.
type Upstreams = BTreeMap<String, BTreeSet<String>>;

/// Reads groups, users and tokens.
pub(super) fn read(
    tables: &Tables,
    served: &BTreeMap<i64, Served>,
    upstreams: &Upstreams,
    options: &Options,
    draft: &mut Draft,
) -> Result<(), LegacyFault> {
    let mut groups: BTreeSet<String> = served.values().flat_map(|channel| channel.groups.iter().cloned()).collect();
    let mut users = BTreeMap::new();
    for row in tables.rows("users") {
        if let Some((id, user)) = user(&row, options, draft)? {
            groups.insert(user.1.clone());
            users.insert(id, user);
        }
    }
    for name in groups {
        draft.put(&NewOrganization { name, description: None, enabled: true }, []);
        draft.report.took("groups");
    }
    for row in tables.rows("tokens") {
        token(&row, &users, upstreams, options, draft)?;
    }
    Ok(())
}

/// A user's name and group.
type User = (String, String);

/// The first start of this program makes the user of this name an owner, and a token of it would open the admin API.
const ADMIN: &str = "admin";
const ADMIN_HERE: &str = "imported-admin";

fn user(row: &Row<'_>, options: &Options, draft: &mut Draft) -> Result<Option<(i64, User)>, LegacyFault> {
    let (id, mut name) = (row.need_int("id")?, row.need_text("username")?);
    let (role, status) = (row.int("role")?.unwrap_or(1), row.int("status")?.unwrap_or(1));
    let group = row.text("group")?.unwrap_or_else(|| "default".to_owned());
    let (quota, password) = (row.int("quota")?.unwrap_or(0), row.text("password")?);
    if status == 3 || row.text("deleted_at")?.is_some() {
        draft.report.left_out("users", name, "were deleted");
        return Ok(None);
    }
    if name == ADMIN {
        ADMIN_HERE.clone_into(&mut name);
        draft.report.note("users", ADMIN, format!("are called {ADMIN_HERE} here, where {ADMIN} is the owner"));
    }
    if role > 1 {
        let why = "were administrators; they are members here, since an administrator's key opens the admin API: give them a role by hand";
        draft.report.note("users", &name, why);
    }
    if password.is_some() {
        draft.report.note("users", &name, "lose their password, whose hash (bcrypt) is not taken here: set another one");
    }
    draft.put(&NewUser { enabled: status == 1, ..NewUser::named(&name) }, [("organization", group.as_str().into())]);
    draft.put(&total(ScopeKind::User, options.nanos(row, "quota", quota)?), [("owner", name.as_str().into())]);
    draft.report.took("users");
    Ok(Some((id, (name, group))))
}

fn token(
    row: &Row<'_>,
    users: &BTreeMap<i64, User>,
    upstreams: &Upstreams,
    options: &Options,
    draft: &mut Draft,
) -> Result<(), LegacyFault> {
    let id = row.need_int("id")?;
    let text = row.need_text("key")?;
    let name = row.text("name")?;
    let label = format!("{id} {:?}", name.as_deref().unwrap_or_default());
    let (status, expires) = (row.int("status")?.unwrap_or(1), row.int("expired_time")?.filter(|at| *at > 0));
    let (remains, unlimited) = (row.int("remain_quota")?.unwrap_or(0), row.flag("unlimited_quota", Otherwise::No)?);
    let limits = limits(row)?;
    let addresses = addresses(row)?;
    let (group, owner) = (row.text("group")?, row.need_int("user_id")?);
    if row.text("deleted_at")?.is_some() {
        draft.report.left_out("tokens", label, "were deleted");
        return Ok(());
    }
    let Some((user, own_group)) = users.get(&owner) else {
        draft.report.left_out("tokens", label, "their user is left out or gone");
        return Ok(());
    };
    if group.as_ref().is_some_and(|group| group != own_group) {
        draft.report.note("tokens", &label, "name a group of their own; here a key has its user's");
    }
    let mut enabled = match status {
        1 => true,
        // Its own time, or its own quota, says so here as well.
        3 => expires.is_some(),
        4 => !unlimited && remains <= 0,
        _ => false,
    };
    if limits.as_ref().is_some_and(BTreeSet::is_empty) {
        draft.report.note("tokens", &label, "may use no model, and stand disabled");
        enabled = false;
    }
    let (known, wrong) = networks(addresses.iter().map(String::as_str));
    if !wrong.is_empty() {
        draft.report.note("tokens", format!("{label} {}", wrong.join(" ")), "have addresses that are none, which are left out");
        // None that is left must not mean everywhere.
        enabled &= !known.is_empty();
    }
    let key = if text.starts_with(BEGINNING) { text } else { format!("{BEGINNING}{text}") };
    let digest = key::digest_text(&key);
    let new = NewKey {
        label: name.filter(|name| !name.is_empty()),
        expires_at: expires.map(|seconds| seconds.saturating_mul(1000)),
        allowed_ips: (!known.is_empty()).then(|| known.join(",")),
        enabled,
        ..NewKey::of(NO_USER, digest.clone(), key::prefix(&key))
    };
    draft.put(&new, [("user", user.as_str().into())]);
    if !unlimited {
        draft.put(&total(ScopeKind::Key, options.nanos(row, "remain_quota", remains)?), [("owner", digest.as_str().into())]);
    }
    for model in limits.into_iter().flatten() {
        let meant = upstreams.get(&model).cloned().unwrap_or_else(|| BTreeSet::from([model]));
        for upstream in meant {
            draft.permission(ScopeKind::Key, json!(digest), format!("*/{upstream}"));
        }
    }
    draft.report.took("tokens");
    Ok(())
}

/// The only models that a token may use, where there are such: new-api's column and its switch, or one-api's column.
fn limits(row: &Row<'_>) -> Result<Option<BTreeSet<String>>, LegacyFault> {
    let (switch, limits, models) = (row.flag("model_limits_enabled", Otherwise::No)?, row.text("model_limits")?, row.text("models")?);
    Ok(match (switch, models) {
        (true, _) => Some(list(&limits.unwrap_or_default())),
        (false, Some(models)) => Some(list(&models)),
        (false, None) => None,
    })
}

/// From where a token works: new-api writes a line for each, one-api commas.
fn addresses(row: &Row<'_>) -> Result<Vec<String>, LegacyFault> {
    let given = [row.text("allow_ips")?, row.text("subnet")?];
    let parts = given.iter().flatten().flat_map(|text| text.split(['\n', ',', ' ']));
    Ok(parts.map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect())
}

/// So much in all. The other programs set aside an estimate as well.
fn total(scope: ScopeKind, nanos: i64) -> NewQuota {
    NewQuota {
        scope,
        scope_id: 0,
        total: Some(nanos),
        daily: None,
        weekly: None,
        monthly: None,
        rolling_5h: None,
        rolling_7d: None,
        admission: Admission::Estimate,
    }
}
