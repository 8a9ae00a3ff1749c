//! The file into the records. Applying the same file twice writes nothing the second time.

use super::BootFault;
use crate::{
    access::key,
    admin::{Control, password::is_hash},
    app::config::{ChannelEntry, CredentialEntry, FileConfig, KeyEntry, UserEntry},
    base::{CredentialId, ProviderId, UserId},
    snapshot::secret,
    store::persist::{RecordsExt, StoreFault},
    store::record::{
        ConfigRows, CredentialRow, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser, ProviderRow, Role, UserRow,
    },
};

/// Applies a file: providers and users by name. Providers that left the file are disabled.
pub(super) async fn apply(control: &Control, file: &FileConfig) -> Result<(), BootFault> {
    let rows = control.records().load().await?;
    for entry in &file.channels {
        let id = provider(control, entry, &rows).await?;
        credentials(control, entry, id, &rows).await?;
        models(control, entry, id, &rows).await?;
    }
    for row in rows.providers.iter().filter(|row| row.enabled && !file.channels.iter().any(|entry| entry.name == row.name)) {
        control.records().save(Some(row.id), NewProvider { enabled: false, ..row.row.clone() }).await?;
        tracing::warn!(provider = %row.name, "disabled: it is not in the configuration file any more");
    }
    for entry in &file.users {
        let id = user(control, entry, &rows).await?;
        for key in &entry.keys {
            user_key(control, entry, key, id, &rows).await?;
        }
        permissions(control, entry, id, &rows).await?;
    }
    Ok(())
}

async fn provider(control: &Control, entry: &ChannelEntry, rows: &ConfigRows) -> Result<ProviderId, BootFault> {
    let standing = rows.providers.iter().find(|standing| standing.name == entry.name);
    let row = NewProvider {
        channel: entry.channel.to_owned(),
        settings_json: settings(control, entry, standing),
        dispatch_json: entry.dispatch_json.clone(),
        proxy: entry.proxy.clone(),
        enabled: entry.enabled,
        // What the file cannot say stays as the console set it.
        ..standing.map_or_else(|| NewProvider::of(entry.name.clone(), ""), |standing| standing.row.clone())
    };
    match standing {
        Some(standing) if standing.row == row => Ok(standing.id),
        _ => Ok(control.records().save(standing.map(|row| row.id), row).await?.id),
    }
}

/// The settings of an entry as they rest: as they stand, where they are the same.
fn settings(control: &Control, entry: &ChannelEntry, standing: Option<&ProviderRow>) -> String {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let same = standing.filter(|row| {
        secret::rests(&row.settings_json) != secret::Rests::Open
            && secret::open_settings(control.sealer(), &row.settings_json).is_ok_and(|opened| value(&opened) == value(&entry.settings_json))
    });
    same.map_or_else(
        || secret::seal_settings(control.sealer(), &entry.settings_json, &*control.platform().entropy),
        |row| row.settings_json.clone(),
    )
}

async fn credentials(control: &Control, entry: &ChannelEntry, provider: ProviderId, rows: &ConfigRows) -> Result<(), BootFault> {
    let standing: Vec<&CredentialRow> = rows.credentials.iter().filter(|row| row.provider_id == provider).collect();
    let mut kept: Vec<CredentialId> = Vec::new();
    // Who has the same secret is settled before names are looked at, so that two that swapped names keep their ids.
    let mut others: Vec<&CredentialEntry> = Vec::new();
    for given in &entry.credentials {
        let same = standing.iter().find(|row| !kept.contains(&row.id) && same_secret(control, provider, row, given));
        let Some(same) = same else {
            others.push(given);
            continue;
        };
        kept.push(same.id);
        if same.enabled != given.enabled || same.name != given.name {
            alter(control, same.id, |row| NewCredential { name: given.name.clone(), enabled: given.enabled, ..row }).await?;
        }
    }
    for given in others {
        let named = standing.iter().find(|row| !kept.contains(&row.id) && row.name.is_some() && row.name == given.name);
        let sealed = secret::seal_api_key(control.sealer(), provider, &given.api_key, &*control.platform().entropy);
        let row =
            NewCredential { name: given.name.clone(), enabled: given.enabled, ..NewCredential::of(provider, secret::API_KEY, sealed) };
        kept.push(control.records().save(named.map(|row| row.id), row).await?.id);
    }
    for row in standing.iter().filter(|row| row.enabled && !kept.contains(&row.id)) {
        alter(control, row.id, |row| NewCredential { enabled: false, ..row }).await?;
        tracing::warn!(provider = %entry.name, credential = %row.id, "disabled: it is not in the configuration file any more");
    }
    Ok(())
}

/// How often a change is tried again that another one came before.
const TRIES: usize = 8;

/// Changes a credential as it stands now: a renewal may write a new refresh token into it meanwhile.
async fn alter(control: &Control, id: CredentialId, change: impl Fn(NewCredential) -> NewCredential) -> Result<(), BootFault> {
    let mut tries = 0;
    loop {
        let rows = control.records().load().await?;
        // One that is gone by now needs no change.
        let Some(standing) = rows.credentials.iter().find(|row| row.id == id) else { return Ok(()) };
        match control.records().save_at(rows.revision, id, change(standing.row.clone())).await {
            Err(StoreFault::Moved) if tries < TRIES => tries += 1,
            saved => return Ok(saved.map(drop)?),
        }
    }
}

fn same_secret(control: &Control, provider: ProviderId, row: &CredentialRow, given: &CredentialEntry) -> bool {
    row.kind == secret::API_KEY
        && secret::open_api_key(control.sealer(), provider, &row.secret_sealed).is_ok_and(|standing| standing == given.api_key)
}

async fn models(control: &Control, entry: &ChannelEntry, provider: ProviderId, rows: &ConfigRows) -> Result<(), BootFault> {
    let Some(models) = &entry.models else { return Ok(()) };
    let standing = || rows.models.iter().filter(|row| row.provider_id == provider);
    for (at, model) in models.iter().enumerate() {
        if models[..at].contains(model) {
            continue;
        }
        match standing().find(|row| row.model_id == *model) {
            Some(row) if row.enabled => {}
            Some(row) => {
                control.records().save(Some(row.id), NewModel { enabled: true, ..row.row.clone() }).await?;
            }
            None => {
                let row = NewModel::of(provider, model.clone());
                control.records().save(None, row).await?;
            }
        }
    }
    for row in standing().filter(|row| row.enabled && !models.contains(&row.model_id)) {
        control.records().save(Some(row.id), NewModel { enabled: false, ..row.row.clone() }).await?;
    }
    Ok(())
}

async fn user(control: &Control, entry: &UserEntry, rows: &ConfigRows) -> Result<UserId, BootFault> {
    let standing = rows.users.iter().find(|row| row.name == entry.name);
    let password_hash = password_hash(control, entry, standing)?;
    // The file knows administrators only: an owner stays one, and so does whoever has another role.
    let role = standing.map_or(Role::Member, |row| row.role);
    let row = NewUser { password_hash, role, enabled: entry.enabled, ..NewUser::named(entry.name.clone()) }.with_admin(entry.is_admin);
    match standing {
        Some(standing) if standing.row == row => Ok(standing.id),
        _ => Ok(control.records().save(standing.map(|row| row.id), row).await?.id),
    }
}

/// The hash to keep: the standing one where it is of the same password.
fn password_hash(control: &Control, entry: &UserEntry, standing: Option<&UserRow>) -> Result<Option<String>, BootFault> {
    let Some(password) = &entry.password else { return Ok(None) };
    let text = password.expose();
    if is_hash(text) {
        return Ok(Some(text.clone()));
    }
    let kept = standing.and_then(|row| row.password_hash.as_ref());
    if let Some(kept) = kept.filter(|hash| control.passwords().verify(text, Some(hash))) {
        return Ok(Some(kept.clone()));
    }
    let hashed = control.passwords().hash(text, &*control.platform().entropy);
    hashed.map(Some).map_err(|fault| BootFault::User { name: entry.name.clone(), fault })
}

async fn user_key(control: &Control, entry: &UserEntry, given: &KeyEntry, user: UserId, rows: &ConfigRows) -> Result<(), BootFault> {
    let digest = key::digest_text(given.api_key.expose());
    let standing = rows.keys.iter().find(|row| row.digest == digest);
    if standing.is_some_and(|row| row.user_id != user) {
        return Err(BootFault::KeyTaken { name: entry.name.clone() });
    }
    let row =
        NewKey { label: given.label.clone(), enabled: given.enabled, ..NewKey::of(user, digest, key::prefix(given.api_key.expose())) };
    if standing.is_none_or(|standing| standing.row != row) {
        control.records().save(standing.map(|row| row.id), row).await?;
    }
    Ok(())
}

/// With a list in the file, that list is what the user may use.
async fn permissions(control: &Control, entry: &UserEntry, user: UserId, rows: &ConfigRows) -> Result<(), BootFault> {
    let Some(patterns) = &entry.permissions else { return Ok(()) };
    let standing = || rows.permissions.iter().filter(|row| row.is_of(user));
    for pattern in patterns.iter().filter(|pattern| !standing().any(|row| row.pattern == **pattern)) {
        control.records().ensure(NewPermission::of(user, pattern.clone())).await?;
    }
    for row in standing().filter(|row| !patterns.contains(&row.pattern)) {
        control.records().delete::<NewPermission>(row.id).await?;
    }
    Ok(())
}
