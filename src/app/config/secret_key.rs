//! The key that seals secrets at rest, where none was given.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::Config;
use crate::{base::Secret, runtime::Entropy};

/// The file in `data_dir` that holds the key where none is given.
pub(in crate::app) const KEY_FILE: &str = "secret.key";
/// The one that holds the next key while everything is sealed anew.
pub(in crate::app) const NEXT_KEY_FILE: &str = "secret.key.next";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// Several processes may share such a database, and each would make a key of its own.
    #[error("DATABASE_SECRET_KEY is required with this database; expected a long random text, the same for every process that uses it")]
    Required,
    /// The file cannot be read or made.
    #[error("{path} cannot be used: {source}")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Some of the database may be sealed with the next key already.
    #[error("{0} is there: a change of the secret was interrupted; run gproxy rotate-secret to finish it")]
    Interrupted(PathBuf),
    /// The file is there and holds nothing.
    #[error("{0} is empty; expected the key that sealed the database, from a backup")]
    Empty(PathBuf),
}

/// The given key; with `SQLite` else the one in `data_dir`, which is made where it is not there yet.
///
/// # Errors
/// [`KeyFault`].
pub fn database_key(config: &Config, entropy: &dyn Entropy) -> Result<Secret<String>, KeyFault> {
    if let Some(key) = &config.database_secret_key {
        return Ok(key.clone());
    }
    if !config.is_sqlite() {
        return Err(KeyFault::Required);
    }
    let (path, next) = (config.data_dir.join(KEY_FILE), config.data_dir.join(NEXT_KEY_FILE));
    if next.exists() {
        return Err(KeyFault::Interrupted(next));
    }
    kept(&config.data_dir, &path, entropy).map_err(|source| KeyFault::Unusable { path: path.clone(), source })?.ok_or(KeyFault::Empty(path))
}

/// The same, but none is made: what a program needs that only looks.
///
/// # Errors
/// [`KeyFault`].
pub fn standing_key(config: &Config) -> Result<Secret<String>, KeyFault> {
    if let Some(key) = &config.database_secret_key {
        return Ok(key.clone());
    }
    if !config.is_sqlite() {
        return Err(KeyFault::Required);
    }
    let path = config.data_dir.join(KEY_FILE);
    let text = std::fs::read_to_string(&path).map_err(|source| KeyFault::Unusable { path: path.clone(), source })?;
    Some(Secret::new(text.trim().to_owned())).filter(|key| !key.expose().is_empty()).ok_or(KeyFault::Empty(path))
}

fn kept(data_dir: &Path, path: &Path, entropy: &dyn Entropy) -> io::Result<Option<Secret<String>>> {
    match std::fs::read_to_string(path) {
        Ok(text) => return Ok(Some(Secret::new(text.trim().to_owned())).filter(|key| !key.expose().is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(data_dir)?;
    let key = fresh_key(entropy);
    // Written aside and linked into place: a kill in between leaves no half key, and of two processes one wins.
    let aside = data_dir.join(format!("{KEY_FILE}.{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let mut file = private_file().open(&aside)?;
    file.write_all(key.expose().as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made a key for secrets at rest; back it up beside the database");
            Ok(Some(key))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(Some(Secret::new(std::fs::read_to_string(path)?.trim().to_owned())).filter(|key| !key.expose().is_empty()))
        }
        Err(error) => Err(error),
    }
}

/// A new key.
pub(in crate::app) fn fresh_key(entropy: &dyn Entropy) -> Secret<String> {
    let mut random = [0; 32];
    entropy.fill(&mut random);
    Secret::new(hexadecimal(&random))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Opens a new file that only its owner may read.
pub(in crate::app) fn private_file() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
