//! Login: from a name and a password to a key that expires.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AdminFault, Control,
    input::SecretText,
    keys::{self, FreshKey, LOGIN_LABEL},
};
use crate::{access::identify, base::UserId, store::persist::RecordsExt, store::record::NewKey};

/// How long a key of a login works.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;

/// A try to log in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginInput {
    /// The user's name.
    #[serde(alias = "username")]
    pub name: String,
    /// Its password; an administrator may give one of its own keys instead.
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
    subjects.extend(from.map(|address| format!("address {}", block(address))));
    control.throttle.enter(&subjects, now).map_err(|retry_after| AdminFault::Throttled { retry_after })?;
    let Some((user_id, is_admin)) = verify(control, &input, now, from) else {
        tracing::warn!(target: "gproxy::audit", action = "login.fail", from = ?from, "login failed");
        return Err(AdminFault::WrongLogin);
    };
    control.throttle.forgive(&subjects);
    let expires_at = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(SESSION_MS);
    let row = NewKey { label: Some(LOGIN_LABEL.into()), expires_at: Some(expires_at), ..keys::blank(user_id) };
    let key = keys::mint(control, row).await?;
    forget_expired(control, user_id, now).await?;
    control.refresh().await?;
    tracing::info!(target: "gproxy::audit", action = "login.success", actor = %user_id, from = ?from, "logged in");
    Ok(Session { user_id, name: input.name, is_admin, key })
}

fn verify(control: &Control, input: &LoginInput, now: u64, from: Option<IpAddr>) -> Option<(UserId, bool)> {
    let snapshot = control.snapshot().load();
    let password = input.password.0.expose();
    let login = snapshot.rows().users.iter().find(|user| user.name == input.name);
    let hash = login.and_then(|login| login.password_hash.as_deref());
    // Every try costs one hash, whether the user is there or not.
    let by_password = control.passwords.verify(password, hash);
    let login = login.filter(|login| login.enabled)?;
    let by_key = || {
        let caller = identify(snapshot.directory(), Some(password), now, from).ok();
        caller.is_some_and(|caller| caller.user() == login.id && caller.is_admin())
    };
    (by_password || by_key()).then(|| (login.id, login.is_admin()))
}

/// Whose failures count together: an IPv6 network of one customer is one source.
fn block(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
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
