//! Keys of users. A key is shown once, when it is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminFault, Control, Member, actor::Actor, input::clearable, users};
use crate::{
    access::{Caller, key},
    base::{KeyId, Network, Secret, UserId},
    snapshot::name,
    store::record::{ConfigRows, KeyRow, NewKey, OnDisconnect, ScopeKind},
};

/// The label of keys that a login made.
pub const LOGIN_LABEL: &str = "login";

/// A key as it is shown: never whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub user_id: UserId,
    /// Its safe beginning.
    pub prefix: String,
    /// A name for people.
    pub label: Option<String>,
    /// When it stops working, Unix milliseconds.
    pub expires_at: Option<i64>,
    /// From where it works: addresses and networks, separated by commas; from everywhere where absent.
    pub allowed_ips: Option<String>,
    /// What a hung-up client means: `cancel` or `drain`.
    pub on_disconnect: OnDisconnect,
    /// Whether it works.
    pub enabled: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl From<&KeyRow> for KeyView {
    fn from(row: &KeyRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            prefix: row.prefix.clone(),
            label: row.label.clone(),
            expires_at: row.expires_at,
            allowed_ips: row.allowed_ips.clone(),
            on_disconnect: row.on_disconnect,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A key that was just made, whole for the only time.
#[derive(Debug)]
pub struct FreshKey {
    /// What is shown of it later.
    pub view: KeyView,
    /// The key.
    pub key: Secret<String>,
}

/// Makes or changes a key. With an `id` what is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyInput {
    /// Which one to change.
    pub id: Option<KeyId>,
    /// A name for people.
    #[serde(deserialize_with = "clearable")]
    pub label: Option<Option<String>>,
    /// Whether it works; `true` for a new one.
    pub enabled: Option<bool>,
    /// When it stops working, Unix milliseconds.
    #[serde(deserialize_with = "clearable")]
    pub expires_at: Option<Option<i64>>,
    /// From where it works: addresses and networks such as `10.0.0.0/8`, separated by commas.
    #[serde(deserialize_with = "clearable")]
    pub allowed_ips: Option<Option<String>>,
    /// What a hung-up client means; `cancel` for a new one.
    pub on_disconnect: Option<OnDisconnect>,
}

/// What saving a key gives.
#[derive(Debug)]
pub enum Saved {
    /// A new one.
    Made(FreshKey),
    /// A changed one.
    Changed(KeyView),
}

/// Keys of one user, or of everybody.
///
/// # Errors
/// [`AdminFault::Missing`] where there is no such user.
pub async fn list(admin: Admin<'_>, of: Option<UserId>) -> Result<Vec<KeyView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    if let Some(id) = of {
        users::find_seen(admin, &rows, id)?;
    }
    Ok(views(&rows, |row| of.is_none_or(|id| row.user_id == id) && admin.sees(&rows, row.user_id)))
}

/// One key.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get(admin: Admin<'_>, id: KeyId) -> Result<KeyView, AdminFault> {
    let rows = admin.control().records().load().await?;
    find(&rows, id, None).ok().filter(|row| admin.sees(&rows, row.user_id)).map(KeyView::from).ok_or_else(|| AdminFault::missing("key", id))
}

/// Makes or changes a key of a user; `of` is `None` where the id alone says which.
///
/// # Errors
/// [`AdminFault`].
pub async fn save(admin: Admin<'_>, of: Option<UserId>, input: KeyInput) -> Result<Saved, AdminFault> {
    let rows = admin.control().records().load().await?;
    may_give_keys(admin.caller(), &rows)?;
    if let Some(id) = of {
        users::find_touched(admin, &rows, id)?;
    }
    if let Some(id) = input.id {
        touched(admin, &rows, id)?;
    }
    store(admin.actor(), &rows, of, input).await
}

/// Forgets a key.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn delete(admin: Admin<'_>, id: KeyId) -> Result<(), AdminFault> {
    let rows = admin.control().records().load().await?;
    touched(admin, &rows, id)?;
    admin.actor().delete::<NewKey>(&rows, id).await
}

/// The caller's own keys.
///
/// # Errors
/// Of the store.
pub async fn own(member: Member<'_>) -> Result<Vec<KeyView>, AdminFault> {
    let rows = member.control().records().load().await?;
    Ok(views(&rows, |row| row.user_id == member.caller().user()))
}

/// Makes or changes a key of the caller. Others' keys are as if they were not there.
///
/// # Errors
/// [`AdminFault`].
pub async fn save_own(member: Member<'_>, input: KeyInput) -> Result<Saved, AdminFault> {
    let rows = member.control().records().load().await?;
    may_give_keys(member.caller(), &rows)?;
    store(member.actor(), &rows, Some(member.caller().user()), input).await
}

/// Forgets a key of the caller.
///
/// # Errors
/// [`AdminFault::Missing`], also for others' keys.
pub async fn delete_own(member: Member<'_>, id: KeyId) -> Result<(), AdminFault> {
    let rows = member.control().records().load().await?;
    find(&rows, id, Some(member.caller().user()))?;
    member.actor().delete::<NewKey>(&rows, id).await
}

/// Refuses keys, and all other ways in, to somebody whose own key is narrower than its user: it would make itself a wider one. A
/// session may.
pub(super) fn may_give_keys(caller: &Caller, rows: &ConfigRows) -> Result<(), AdminFault> {
    let id = caller.key();
    let Some(own) = rows.keys.get(id).filter(|own| own.label.as_deref() != Some(LOGIN_LABEL)) else { return Ok(()) };
    let scope = (ScopeKind::Key, id.0);
    let has_own = rows.permissions.iter().any(|row| row.is_of(id))
        || rows.rate_limits.iter().any(|row| (row.scope, row.scope_id) == scope)
        || rows.quotas.iter().any(|row| (row.scope, row.scope_id) == scope);
    if own.expires_at.is_none() && own.allowed_ips.is_none() && !has_own {
        return Ok(());
    }
    let message = "a key that expires, is bound to addresses, or has permissions, limits or a budget of its own makes no keys, users, \
                   passwords or roles, and changes nothing of keys; log in with a password, or ask an administrator";
    Err(AdminFault::Forbidden(message.to_owned()))
}

/// Makes a key, and the row that stores its digest.
pub(super) fn mint(control: &Control, row: NewKey) -> (Secret<String>, NewKey) {
    let fresh = key::generate(&*control.platform().entropy);
    let row = NewKey { digest: key::digest_text(fresh.key.expose()), prefix: fresh.prefix, ..row };
    (fresh.key, row)
}

/// A key row without its key.
pub(super) fn blank(user_id: UserId) -> NewKey {
    NewKey::of(user_id, "", "")
}

async fn store(actor: Actor<'_>, rows: &ConfigRows, of: Option<UserId>, input: KeyInput) -> Result<Saved, AdminFault> {
    let mut row = match (input.id, of) {
        (Some(id), of) => find(rows, id, of)?.row.clone(),
        (None, Some(user)) => blank(user),
        (None, None) => return Err(AdminFault::invalid("id", "is required")),
    };
    let label = input.label.unwrap_or_else(|| row.label.clone());
    // By its label a session is found when its user's password changes.
    if row.label.as_deref() == Some(LOGIN_LABEL) && label != row.label {
        return Err(AdminFault::invalid("label", format!("of a key that a login made is {LOGIN_LABEL:?}, and stays so")));
    }
    row.label = label;
    if let Some(label) = &row.label {
        name::text(label).map_err(|message| AdminFault::invalid("label", message))?;
        if input.id.is_none() && label == LOGIN_LABEL {
            return Err(AdminFault::invalid("label", format!("{LOGIN_LABEL:?} is for keys that a login makes; expected another one")));
        }
    }
    row.expires_at = input.expires_at.unwrap_or(row.expires_at);
    row.allowed_ips = input.allowed_ips.unwrap_or(row.allowed_ips);
    for one in row.allowed_ips.iter().flat_map(|list| list.split(',')) {
        one.trim().parse::<Network>().map_err(|fault| AdminFault::invalid("allowed_ips", fault.to_string()))?;
    }
    row.on_disconnect = input.on_disconnect.unwrap_or(row.on_disconnect);
    row.enabled = input.enabled.unwrap_or(row.enabled);
    match input.id {
        None => {
            let (key, row) = mint(actor.control(), row);
            let saved = actor.save(rows, None, row).await?;
            Ok(Saved::Made(FreshKey { view: KeyView::from(&saved), key }))
        }
        Some(id) => Ok(Saved::Changed(KeyView::from(&actor.save(rows, Some(id), row).await?))),
    }
}

fn views(rows: &ConfigRows, wanted: impl Fn(&KeyRow) -> bool) -> Vec<KeyView> {
    rows.keys.iter().filter(|row| wanted(row)).map(KeyView::from).collect()
}

/// Refuses a key whose user the caller may not change.
pub(super) fn touched(admin: Admin<'_>, rows: &ConfigRows, id: KeyId) -> Result<(), AdminFault> {
    let user = find(rows, id, None)?.user_id;
    users::find_touched(admin, rows, user).map(drop).map_err(|fault| match fault {
        AdminFault::Missing { .. } => AdminFault::missing("key", id),
        fault => fault,
    })
}

fn find(rows: &ConfigRows, id: KeyId, of: Option<UserId>) -> Result<&KeyRow, AdminFault> {
    let found = rows.keys.iter().find(|row| row.id == id && of.is_none_or(|user| row.user_id == user));
    found.ok_or_else(|| AdminFault::missing("key", id))
}
