//! First boot and every boot: the file into the records where it is the source, and an administrator who can come in.

use super::config::{Config, FileConfig, FileUse};
use crate::{
    access::key,
    admin::{AdminFault, Control, Origin},
    base::{Secret, UserId},
    snapshot::secret::{self, HF_TOKEN, Rests, rests},
    store::{
        persist::{RecordsExt, StoreFault},
        record::{ConfigRows, NewKey, NewPermission, NewProvider, NewUser, Role, SettingsRow},
    },
};

mod import;

/// The administrator that every instance begins with.
pub const ADMIN: &str = "admin";
/// What is said of a file that comes after its database.
pub(in crate::app) const FILE_IGNORED: &str = "the database was made before and is the source of configuration: channels, users and \
    admin_key of this file have no effect; start with --bootstrap-force-config to apply them at each start, or with a new data folder, \
    or make the change by the admin API";
/// The built-in provider, and its channel.
const DEMO: &str = "demo";
/// The label of its key, by which a later one replaces it.
const ADMIN_KEY_LABEL: &str = "admin key";

/// What a boot gives besides a snapshot that serves.
#[derive(Debug)]
pub struct Booted {
    /// The administrator's key where it was just made: to be shown once, on stderr, and never again.
    pub admin_key: Option<Secret<String>>,
    /// Records that do not serve.
    pub faults: usize,
}

/// Why there is no boot.
#[derive(Debug, thiserror::Error)]
pub enum BootFault {
    /// The store refused or is down.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A user of the file cannot be kept.
    #[error("user {name:?} of the file: {fault}")]
    User {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        fault: AdminFault,
    },
    /// The key is somebody else's.
    #[error("the API key given for {name:?} belongs to another user already; expected another key")]
    KeyTaken {
        /// For whom it was given.
        name: String,
    },
}

/// Brings the records up and makes them serve.
///
/// # Errors
/// [`BootFault`]; a boot that broke off is taken up again by the next one.
pub async fn bootstrap(control: &Control, config: &Config) -> Result<Booted, BootFault> {
    let records = control.records();
    // The settings are written last, so a first boot that was killed halfway is known by their absence.
    let first = records.is_fresh().await? || records.load().await?.settings.updated_at == 0;
    match (&config.file, config.file_use, first) {
        (Some(file), FileUse::Always, _) => {
            control.set_origin(Origin::File(config.path.clone()));
            import::apply(control, file).await?;
        }
        (Some(file), FileUse::Once, true) => import::apply(control, file).await?,
        (Some(file), FileUse::Once, false) if file.is_source() => {
            tracing::warn!(path = %config.path.display(), "{FILE_IGNORED}");
        }
        (None, FileUse::Always, _) => tracing::warn!(path = %config.path.display(), "there is no configuration file to apply"),
        (None, FileUse::Once, true) => demo(control).await?,
        (Some(_) | None, FileUse::Once, false) => {}
    }
    seal_settings(control).await?;
    let admin_key = administrator(control, config, first).await?;
    save_settings(control, config, first).await?;
    control.refresh().await?;
    let faults = control.snapshot().load().faults().to_vec();
    for fault in &faults {
        tracing::warn!(%fault, "left out");
    }
    Ok(Booted { admin_key, faults: faults.len() })
}

/// Seals the secrets in providers' settings that an earlier version left open.
async fn seal_settings(control: &Control) -> Result<(), BootFault> {
    for row in control.records().load().await?.providers.iter().filter(|row| rests(&row.settings_json) == Rests::Open) {
        let settings_json = secret::seal_settings(control.sealer(), &row.settings_json, &*control.platform().entropy);
        control.records().save(Some(row.id), NewProvider { settings_json, ..row.row.clone() }).await?;
    }
    Ok(())
}

/// Without any configuration there is still something to try: the provider that answers by itself.
async fn demo(control: &Control) -> Result<(), BootFault> {
    match control.records().save(None, NewProvider::of(DEMO, DEMO)).await {
        // A first boot that was killed halfway has made it already.
        Ok(_) | Err(StoreFault::Taken { .. }) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// Applies a file that changed while we run. What was given explicitly at the start still wins.
///
/// # Errors
/// [`BootFault`]; what served goes on serving.
pub async fn apply(control: &Control, file: &FileConfig, config: &Config) -> Result<(), BootFault> {
    import::apply(control, file).await?;
    if let (None, Some(key)) = (&config.explicit.admin_key, &file.instance.admin_key) {
        honour(control, key, false).await?;
    }
    let rows = control.records().load().await?;
    store_settings(control, rows.settings.clone(), settled(control, rows.settings, (Some(file), config))).await?;
    Ok(control.refresh().await?)
}

/// Makes sure of the administrator. Gives the key where it was just made.
async fn administrator(control: &Control, config: &Config, first: bool) -> Result<Option<Secret<String>>, BootFault> {
    let applied = config.file.as_ref().filter(|_| first || config.file_use == FileUse::Always);
    let in_file = applied.and_then(|file| file.instance.admin_key.as_ref());
    if let Some(key) = config.explicit.admin_key.as_ref().or(in_file) {
        honour(control, key, first).await?;
        return Ok(None);
    }
    if !first {
        return Ok(None);
    }
    let fresh = key::generate(&*control.platform().entropy);
    honour(control, &fresh.key, first).await?;
    Ok(Some(fresh.key))
}

/// Makes a key the administrator's, in place of the one that was given before.
async fn honour(control: &Control, key: &Secret<String>, first: bool) -> Result<(), BootFault> {
    let rows = control.records().load().await?;
    let user = admin_user(control, &rows, first).await?;
    let digest = key::digest_text(key.expose());
    let same = rows.keys.iter().find(|row| row.digest == digest);
    if let Some(same) = same {
        if same.user_id != user {
            return Err(BootFault::KeyTaken { name: ADMIN.into() });
        }
        if same.enabled && same.expires_at.is_none() {
            return Ok(());
        }
    }
    let standing = same.or_else(|| rows.keys.iter().find(|row| row.user_id == user && row.label.as_deref() == Some(ADMIN_KEY_LABEL)));
    if let Some(replaced) = standing.filter(|row| row.digest != digest) {
        tracing::info!(prefix = %replaced.prefix, "the administrator's key is replaced by the one given");
    }
    let row = NewKey { label: Some(ADMIN_KEY_LABEL.into()), ..NewKey::of(user, digest, key::prefix(key.expose())) };
    control.records().save(standing.map(|row| row.id), row).await?;
    Ok(())
}

/// The user `admin`, enabled and an owner. A new one may use every model, visibly.
async fn admin_user(control: &Control, rows: &ConfigRows, first: bool) -> Result<UserId, BootFault> {
    let records = control.records();
    let standing = rows.users.iter().find(|row| row.name == ADMIN);
    let id = match standing {
        Some(row) if row.role == Role::Owner && row.enabled => row.id,
        Some(row) => records.save(Some(row.id), NewUser { role: Role::Owner, enabled: true, ..row.row.clone() }).await?.id,
        None => {
            let row = NewUser { role: Role::Owner, ..NewUser::named(ADMIN) };
            records.save(None, row).await?.id
        }
    };
    let has_some = rows.permissions.iter().any(|row| row.is_of(id));
    if standing.is_none() || (first && !has_some) {
        records.ensure(NewPermission::of(id, "*")).await?;
    }
    Ok(id)
}

async fn save_settings(control: &Control, config: &Config, first: bool) -> Result<(), BootFault> {
    let standing = control.records().load().await?.settings;
    let applied = config.file.as_ref().filter(|_| first || config.file_use == FileUse::Always);
    store_settings(control, standing.clone(), settled(control, standing, (applied, config))).await
}

/// The settings as the file and the explicit values want them.
fn settled(control: &Control, standing: SettingsRow, (file, config): (Option<&FileConfig>, &Config)) -> SettingsRow {
    let mut row = standing;
    if let Some(instance) = file.map(|file| &file.instance) {
        row.proxy.clone_from(&instance.proxy);
        row.mask_sensitive_info = instance.mask_sensitive_info.unwrap_or(true);
        row.cache_doctor = instance.cache_doctor.unwrap_or(row.cache_doctor);
        row.hf_url = instance.hf_url.clone().or(row.hf_url);
        row.update_source = instance.update_source.clone().or(row.update_source);
        if let Some(token) = &instance.hf_token {
            let standing = row.hf_token_sealed.as_deref().and_then(|sealed| control.sealer().open(HF_TOKEN, sealed).ok());
            if standing.as_ref() != Some(token) {
                row.hf_token_sealed = Some(control.sealer().seal(HF_TOKEN, token.expose(), &*control.platform().entropy));
            }
        }
    }
    if let Some(proxy) = &config.explicit.proxy {
        row.proxy = Some(proxy.clone()).filter(|proxy| !proxy.is_empty());
    }
    row.mask_sensitive_info = config.explicit.mask_sensitive_info.unwrap_or(row.mask_sensitive_info);
    row.cache_doctor = config.explicit.cache_doctor.unwrap_or(row.cache_doctor);
    row
}

async fn store_settings(control: &Control, standing: SettingsRow, row: SettingsRow) -> Result<(), BootFault> {
    if row != standing || standing.updated_at == 0 {
        let updated_at = i64::try_from(control.now_ms()).unwrap_or(i64::MAX).max(1);
        control.records().save_settings(SettingsRow { updated_at, ..row }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
