//! Users: who may log in and whose keys work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin, AdminFault, Member,
    input::{SecretText, clearable},
    keys::{self, LOGIN_LABEL},
    password,
};
use crate::{
    base::{KeyId, OrganizationId, TeamId, UserId},
    snapshot::name,
    store::record::{ConfigRows, KeyRow, NewUser, Role, Standing, UserRow},
};

/// A user as it is shown. The hash stays inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// Unique.
    pub name: String,
    /// Whether the whole admin API is open to it.
    pub is_admin: bool,
    /// What it may do in the control plane.
    pub role: Role,
    /// Its organization.
    pub organization_id: Option<OrganizationId>,
    /// Its team.
    pub team_id: Option<TeamId>,
    /// Whether its keys work.
    pub enabled: bool,
    /// Whether it can log in by password.
    pub has_password: bool,
    /// Whom of an identity provider it is bound to: issuer and subject, one blank between.
    pub external_id: Option<String>,
    /// What it may use: globs over `provider/model`.
    pub permissions: Vec<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl UserView {
    fn of(row: &UserRow, rows: &ConfigRows) -> Self {
        let own = rows.permissions.iter().filter(|permission| permission.is_of(row.id));
        Self {
            id: row.id,
            name: row.name.clone(),
            is_admin: row.is_admin(),
            role: row.role,
            organization_id: row.organization_id,
            team_id: row.team_id,
            enabled: row.enabled,
            has_password: row.password_hash.is_some(),
            external_id: row.external_id.clone(),
            permissions: own.map(|permission| permission.pattern.clone()).collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Makes or changes a user. With an `id` what is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserInput {
    /// Which one to change.
    pub id: Option<UserId>,
    /// Its name.
    pub name: Option<String>,
    /// Plain; `null` takes the login away.
    #[serde(deserialize_with = "clearable")]
    pub password: Option<Option<SecretText>>,
    /// Whom of an identity provider it is: issuer and subject, one blank between; `null` frees it for whoever signs in under its name.
    #[serde(deserialize_with = "clearable")]
    pub external_id: Option<Option<String>>,
    /// What it may do in the control plane; `member` for a new one.
    pub role: Option<Role>,
    /// The older way to say it: `true` for `admin`, `false` for `member`.
    pub is_admin: Option<bool>,
    /// Its organization; `null` takes it out.
    #[serde(deserialize_with = "clearable")]
    pub organization_id: Option<Option<OrganizationId>>,
    /// Its team, of that organization.
    #[serde(deserialize_with = "clearable")]
    pub team_id: Option<Option<TeamId>>,
    /// Whether its keys work; `true` for a new one.
    pub enabled: Option<bool>,
}

impl UserInput {
    /// Whether somebody comes in by it who could not before, or may do more.
    fn gives_a_way_in(&self) -> bool {
        let is_risen = self.role.is_some() || self.is_admin.is_some();
        self.id.is_none() || self.password.is_some() || self.external_id.is_some() || is_risen
    }
}

/// All users.
///
/// # Errors
/// Of the store.
pub async fn list(admin: Admin<'_>) -> Result<Vec<UserView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    Ok(rows.users.iter().filter(|row| admin.sees(&rows, row.id)).map(|row| UserView::of(row, &rows)).collect())
}

/// One user.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get(admin: Admin<'_>, id: UserId) -> Result<UserView, AdminFault> {
    let rows = admin.control().records().load().await?;
    Ok(UserView::of(find_seen(admin, &rows, id)?, &rows))
}

/// The caller itself.
///
/// # Errors
/// Of the store.
pub async fn me(member: Member<'_>) -> Result<UserView, AdminFault> {
    let rows = member.control().records().load().await?;
    Ok(UserView::of(find(&rows, member.caller().user())?, &rows))
}

/// Makes or changes a user. A new password, or none, ends the sessions that the old one began; so does another identity.
///
/// # Errors
/// [`AdminFault`], also where it, or what it becomes, is above the caller, and where nobody would rule any more.
pub async fn save(admin: Admin<'_>, input: UserInput) -> Result<UserView, AdminFault> {
    let control = admin.control();
    let rows = control.records().load().await?;
    if input.gives_a_way_in() {
        keys::may_give_keys(admin.caller(), &rows)?;
    }
    let standing = input.id.map(|id| find_touched(admin, &rows, id)).transpose()?;
    let mut row = standing.map_or_else(|| new_user(admin), |standing| standing.row.clone());
    row.name = input.name.unwrap_or(row.name);
    name::text(&row.name).map_err(|message| AdminFault::invalid("name", message))?;
    row = with_role(row, input.role, input.is_admin)?;
    row.enabled = input.enabled.unwrap_or(row.enabled);
    row.organization_id = input.organization_id.unwrap_or(row.organization_id);
    row.team_id = input.team_id.unwrap_or(row.team_id);
    belongs(&rows, &row)?;
    admin.may_govern(row.role)?;
    if let Some(own) = admin.within().filter(|own| row.organization_id != Some(*own)) {
        return Err(AdminFault::Forbidden(format!("expected a user of organization {own}")));
    }
    if let Some(standing) = standing {
        let mut after = rows.clone();
        after.users.put(Standing { row: row.clone(), ..standing.clone() });
        admin.may_shut_out(&rows, &after)?;
    }
    let ends_sessions = input.password.is_some() || input.external_id.is_some();
    row.external_id = match input.external_id {
        None => row.external_id,
        Some(external_id) => identity(admin, external_id)?,
    };
    row.password_hash = match input.password {
        None => row.password_hash,
        Some(None) => None,
        Some(Some(plain)) => {
            password::judge(plain.0.expose()).map_err(|message| AdminFault::invalid("password", message))?;
            Some(control.passwords().hash(plain.0.expose(), &*control.platform().entropy)?)
        }
    };
    let ended = if ends_sessions { input.id } else { None };
    let saved = admin.actor().save_ending(&rows, (input.id, sessions(&rows, ended)), row).await?;
    Ok(UserView::of(&saved, &rows))
}

/// Forgets a user with its keys and permissions.
///
/// # Errors
/// [`AdminFault::Missing`], [`AdminFault::Forbidden`] for one above the caller, [`AdminFault::Conflict`] for the last owner.
pub async fn delete(admin: Admin<'_>, id: UserId) -> Result<(), AdminFault> {
    let rows = admin.control().records().load().await?;
    find_touched(admin, &rows, id)?;
    let mut after = rows.clone();
    after.users.take(id);
    admin.may_shut_out(&rows, &after)?;
    admin.actor().delete::<NewUser>(&rows, id).await
}

/// The keys of a user's logins.
fn sessions(rows: &ConfigRows, of: Option<UserId>) -> Vec<KeyId> {
    let is_session = |key: &&KeyRow| Some(key.user_id) == of && key.label.as_deref() == Some(LOGIN_LABEL);
    rows.keys.iter().filter(is_session).map(|key| key.id).collect()
}

/// Refuses a team of another organization.
fn belongs(rows: &ConfigRows, row: &NewUser) -> Result<(), AdminFault> {
    if let Some(id) = row.organization_id {
        rows.organizations.get(id).ok_or_else(|| AdminFault::missing("organization", id))?;
    }
    let Some(id) = row.team_id else { return Ok(()) };
    let team = rows.teams.get(id).ok_or_else(|| AdminFault::missing("team", id))?;
    if row.organization_id == Some(team.organization_id) {
        return Ok(());
    }
    let message = format!("is {id}, a team of organization {}; expected one of the user's own organization, or null", team.organization_id);
    Err(AdminFault::invalid("team_id", message))
}

/// Whom of an identity provider a user is. Who reaches only an organization may free a user, and not say whom another provider's tokens mean.
fn identity(admin: Admin<'_>, external_id: Option<String>) -> Result<Option<String>, AdminFault> {
    let Some(text) = &external_id else { return Ok(None) };
    if admin.within().is_some() {
        return Err(AdminFault::Forbidden(
            "expected null: only who reaches every organization binds users to an identity provider".to_owned(),
        ));
    }
    let is_pair = text.split_once(' ').is_some_and(|(issuer, subject)| !issuer.is_empty() && !subject.trim().is_empty());
    if is_pair && text.len() <= 1024 && !text.chars().any(char::is_control) {
        return Ok(external_id);
    }
    Err(AdminFault::invalid("external_id", "expected an issuer and a subject with one blank between, or null"))
}

/// A new one; whoever reaches only an organization makes them there.
fn new_user(admin: Admin<'_>) -> NewUser {
    NewUser { organization_id: admin.within(), ..NewUser::named("") }
}

/// The role as it is told: by its word, or the old way by whether it is an administrator.
fn with_role(row: NewUser, role: Option<Role>, is_admin: Option<bool>) -> Result<NewUser, AdminFault> {
    match (role, is_admin) {
        (None, None) => Ok(row),
        (None, Some(is_admin)) => Ok(row.with_admin(is_admin)),
        (Some(role), Some(is_admin)) if role.is_admin() != is_admin => {
            Err(AdminFault::invalid("is_admin", format!("is {is_admin}, but the role is {role}; expected only one of them")))
        }
        (Some(role), _) => Ok(NewUser { role, ..row }),
    }
}

/// A user that the caller reaches.
pub(super) fn find_seen<'a>(admin: Admin<'_>, rows: &'a ConfigRows, id: UserId) -> Result<&'a UserRow, AdminFault> {
    find(rows, id).ok().filter(|row| admin.sees(rows, row.id)).ok_or_else(|| AdminFault::missing("user", id))
}

/// A user that the caller may change.
pub(super) fn find_touched<'a>(admin: Admin<'_>, rows: &'a ConfigRows, id: UserId) -> Result<&'a UserRow, AdminFault> {
    let row = find_seen(admin, rows, id)?;
    admin.may_govern(row.role)?;
    Ok(row)
}

fn find(rows: &ConfigRows, id: UserId) -> Result<&UserRow, AdminFault> {
    rows.users.iter().find(|row| row.id == id).ok_or_else(|| AdminFault::missing("user", id))
}
