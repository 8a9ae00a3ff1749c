//! The key that seals secrets at rest, where none was given.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::Config;
use crate::{base::Secret, runtime::Entropy, store::persist::private};

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
    /// Another key in its place would open nothing.
    #[error(
        "{path} is missing, and {database} is sealed with it; put the file back from a backup, or give its text as DATABASE_SECRET_KEY; \
         if it is lost, write another long random text into it and enter the providers' secrets anew"
    )]
    Missing {
        /// The key's file.
        path: PathBuf,
        /// The database's.
        database: PathBuf,
    },
    /// There is neither a key nor a database.
    #[error("there is no database in {0}, and no secret.key; expected the data folder of a gateway that was started before")]
    Nothing(PathBuf),
    /// Some of the database may be sealed with the next key already.
    #[error("{0} is there: a change of the secret was interrupted; run gproxy rotate-secret to finish it")]
    Interrupted(PathBuf),
    /// The file is there and holds nothing.
    #[error("{0} is empty; expected the key that sealed the database, from a backup")]
    Empty(PathBuf),
}

/// The given key; with `SQLite` else the one in `data_dir`, which is made where neither it nor the database is there yet.
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
    // Looked at first: of two processes that start at once, the other one makes its key before its database.
    let database = config.standing_database();
    let unusable = |source| KeyFault::Unusable { path: path.clone(), source };
    match read(&path).map_err(unusable)? {
        Some(key) => filled(key, &path),
        None => match database {
            Some(database) => Err(KeyFault::Missing { path, database }),
            None => filled(made(&config.data_dir, &path, entropy).map_err(unusable)?, &path),
        },
    }
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
    match read(&path).map_err(|source| KeyFault::Unusable { path: path.clone(), source })? {
        Some(key) => filled(key, &path),
        None => Err(match config.standing_database() {
            Some(database) => KeyFault::Missing { path, database },
            None => KeyFault::Nothing(config.data_dir.clone()),
        }),
    }
}

/// What the file holds, where it is there.
fn read(path: &Path) -> io::Result<Option<Secret<String>>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Secret::new(text.trim().to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn filled(key: Secret<String>, path: &Path) -> Result<Secret<String>, KeyFault> {
    if key.expose().is_empty() { Err(KeyFault::Empty(path.to_owned())) } else { Ok(key) }
}

/// Makes the file, and gives what it holds.
fn made(data_dir: &Path, path: &Path, entropy: &dyn Entropy) -> io::Result<Secret<String>> {
    private::folder(data_dir)?;
    let key = fresh_key(entropy);
    // Written aside and linked into place: a kill in between leaves no half key, and of two processes one wins.
    let aside = data_dir.join(format!("{KEY_FILE}.{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let mut file = private::new_file().open(&aside)?;
    file.write_all(key.expose().as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made a key for secrets at rest; back it up beside the database");
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Secret::new(std::fs::read_to_string(path)?.trim().to_owned())),
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
