//! Login: from a name and a password to a key that expires.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AdminFault, Control, audit,
    input::SecretText,
    keys::{self, FreshKey, KeyView, LOGIN_LABEL},
};
use crate::{
    access::{Caller, identify},
    base::UserId,
    store::{
        persist::RecordsExt,
        record::{AuditAction, Change, ChangeSet, NewAudit, NewKey, NewUser, Noun, Standing, Tabled as _, UserRow},
    },
};

/// How long a key of a login works.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;

/// A try to log in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginInput {
    /// The user's name.
    #[serde(alias = "username")]
    pub name: String,
    /// Its password; an administrator may give one of its own keys instead that is not narrower than its user.
    pub password: SecretText,
}

/// A login that went well.
#[derive(Debug)]
pub struct Session {
    /// Who it is.
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// Whether the admin API is open.
    pub is_admin: bool,
    /// A fresh key.
    pub key: FreshKey,
}

/// Checks a name and a password and makes a fresh key. An older key is never given out.
///
/// # Errors
/// [`AdminFault::WrongLogin`] without saying what was wrong, [`AdminFault::Throttled`] after five failures within a minute.
pub async fn login(control: &Control, input: LoginInput, from: Option<IpAddr>) -> Result<Session, AdminFault> {
    let now = control.now_ms();
    let mut subjects = vec![format!("name {}", input.name.chars().take(256).collect::<String>())];
    subjects.extend(from.map(source));
    control.throttle.enter(&subjects, now).map_err(|retry_after| AdminFault::Throttled { retry_after })?;
    let Some(user) = verify(control, &input, now, from) else {
        note(control, entry(control, AuditAction::LoginFailed, (Some(&input.name), from))).await;
        return Err(AdminFault::WrongLogin);
    };
    control.throttle.forgive(&subjects);
    let audit = vec![entry(control, AuditAction::Login, (Some(&input.name), from))];
    open(control, (user.id, &user.row), ChangeSet { audit, ..ChangeSet::default() }).await
}

/// Makes a fresh key of a user, and in the same step all that a set says. The user may be one that the set makes.
pub(super) async fn open(control: &Control, (user, row): (UserId, &NewUser), mut set: ChangeSet) -> Result<Session, AdminFault> {
    let now = control.now_ms();
    let expires_at = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(SESSION_MS);
    let key = NewKey { label: Some(LOGIN_LABEL.into()), expires_at: Some(expires_at), ..keys::blank(user) };
    let (key, minted) = keys::mint(control, key);
    set.changes.push(Change::Make(minted.clone().into_row()));
    let stamps = audit::apply(control, set).await?;
    let stamp = stamps.last().ok_or_else(|| AdminFault::Conflict("the store told nothing of its change".to_owned()))?;
    let user_id = stamps.first().filter(|_| user.0 < 0).map_or(user, |made| UserId(made.id));
    let minted = NewKey { user_id, ..minted };
    let saved = Standing { id: stamp.id.into(), row: minted, created_at: stamp.created_at, updated_at: stamp.updated_at };
    forget_expired(control, user_id, now).await?;
    control.refresh().await?;
    Ok(Session { user_id, name: row.name.clone(), is_admin: row.is_admin(), key: FreshKey { view: KeyView::from(&saved), key } })
}

/// What is told of a try. A name that nobody has is not told: it may be a password in the wrong field.
pub(super) fn entry(control: &Control, action: AuditAction, (name, from): (Option<&str>, Option<IpAddr>)) -> NewAudit {
    let snapshot = control.snapshot().load();
    let user = name.and_then(|name| snapshot.rows().users.iter().find(|user| user.name == name));
    NewAudit {
        actor_id: user.map(|user| user.id),
        actor_name: user.map(|user| user.name.clone()),
        role: user.map(|user| user.role),
        target_id: user.map(|user| user.id.0),
        organization_id: user.and_then(|user| user.organization_id),
        peer: from.map(|from| from.to_canonical().to_string()),
        ..audit::blank(control, action, Noun::User.name())
    }
}

/// A failure is a failure, whether it can be written down or not.
pub(super) async fn note(control: &Control, entry: NewAudit) {
    audit::log(&entry);
    if let Err(fault) = control.audit().note(entry).await {
        tracing::warn!(%fault, "a failed login could not be written down");
    }
}

fn verify(control: &Control, input: &LoginInput, now: u64, from: Option<IpAddr>) -> Option<UserRow> {
    let snapshot = control.snapshot().load();
    let password = input.password.0.expose();
    let login = snapshot.rows().users.iter().find(|user| user.name == input.name);
    let hash = login.and_then(|login| login.password_hash.as_deref());
    // Every try costs one hash, whether the user is there or not.
    let by_password = control.passwords.verify(password, hash);
    let login = login.filter(|login| login.enabled)?;
    let by_key = || {
        let caller = identify(snapshot.directory(), Some(password), now, from).ok();
        let is_own = |caller: &Caller| caller.user() == login.id && caller.is_admin();
        caller.filter(is_own).is_some_and(|caller| keys::may_give_keys(&caller, snapshot.rows()).is_ok())
    };
    (by_password || by_key()).then(|| login.clone())
}

/// Whose failures count together: an IPv6 network of one customer is one source.
pub(super) fn source(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("address {address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("address {a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

async fn forget_expired(control: &Control, user: UserId, now: u64) -> Result<(), AdminFault> {
    let rows = control.records().load().await?;
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let old = rows
        .keys
        .iter()
        .filter(|key| key.user_id == user && key.label.as_deref() == Some(LOGIN_LABEL) && key.expires_at.is_some_and(|at| at <= now));
    for key in old {
        // Another login may have been quicker.
        match control.records().delete::<NewKey>(key.id).await {
            Ok(()) | Err(crate::store::persist::StoreFault::Missing { .. }) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}
