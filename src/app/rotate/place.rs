//! Where the secret comes from, and where the new one goes.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::RotateFault;
use crate::{
    app::config::{
        Config,
        secret_key::{KEY_FILE, NEXT_KEY_FILE, fresh_key},
    },
    base::Secret,
    runtime::Entropy,
    store::persist::private,
};

/// The variable that may hold the new secret.
pub const NEW_KEY: &str = "NEW_DATABASE_SECRET_KEY";

/// Where the new secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From [`NEW_KEY`], where that is set.
    Environment,
    /// From a file, without blanks around it.
    File(PathBuf),
    /// From the standard input, likewise.
    StandardInput,
}

impl Source {
    /// Where a flag says that it comes from.
    #[must_use]
    pub fn of(flag: Option<PathBuf>) -> Self {
        match flag {
            None => Self::Environment,
            Some(path) if path == Path::new("-") => Self::StandardInput,
            Some(path) => Self::File(path),
        }
    }

    /// The new secret, where one is given.
    pub(super) fn read(&self, environment: Option<&str>) -> Result<Option<Secret<String>>, RotateFault> {
        let text = match self {
            Self::Environment => environment.map(|text| Secret::new(text.to_owned())),
            Self::File(path) => Some(read(path)?),
            Self::StandardInput => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).map_err(fault(Path::new("-")))?;
                Some(Secret::new(text))
            }
        };
        text.map(|text| {
            let trimmed = Secret::new(text.expose().trim().to_owned());
            if trimmed.expose().is_empty() { Err(RotateFault::BlankNewKey) } else { Ok(trimmed) }
        })
        .transpose()
    }
}

fn read(path: &Path) -> Result<Secret<String>, RotateFault> {
    fs::read_to_string(path).map(Secret::new).map_err(fault(path))
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> RotateFault {
    let path = path.to_owned();
    move |source| RotateFault::File { path, source }
}

/// Where the secret in use is kept.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Somebody gives it at every start.
    Given,
    /// A file in this folder.
    Folder(PathBuf),
}

/// Whether a new secret was there before, so that something may be sealed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Yes,
    No,
}

impl Place {
    pub(super) fn of(config: &Config) -> Self {
        match config.database_secret_key {
            Some(_) => Self::Given,
            None => Self::Folder(config.data_dir.clone()),
        }
    }

    /// The new secret, and whether it waits for us since an earlier try; a file holds it before anything is sealed with it.
    pub(super) fn prepare(
        &self,
        given: Option<Secret<String>>,
        old: &Secret<String>,
        entropy: &dyn Entropy,
    ) -> Result<(Secret<String>, Waited), RotateFault> {
        let (new, waited) = match self {
            Self::Given => (given.ok_or(RotateFault::NoNewKey)?, Waited::Yes),
            Self::Folder(folder) => {
                let next = folder.join(NEXT_KEY_FILE);
                match (next.exists().then(|| read(&next)).transpose()?, given) {
                    (Some(waiting), Some(given)) if *waiting.expose() != *given.expose() => return Err(RotateFault::Interrupted(next)),
                    (Some(waiting), _) => (waiting, Waited::Yes),
                    (None, given) => {
                        let new = given.unwrap_or_else(|| fresh_key(entropy));
                        if new == *old {
                            return Err(RotateFault::SameKey);
                        }
                        write(folder, &new).map_err(fault(&next))?;
                        (new, Waited::No)
                    }
                }
            }
        };
        if new == *old { Err(RotateFault::SameKey) } else { Ok((new, waited)) }
    }

    /// Forgets a new secret that nothing was sealed with.
    pub(super) fn discard(&self) {
        if let Self::Folder(folder) = self {
            // Where it stays, the next try goes on with it.
            let _ = fs::remove_file(folder.join(NEXT_KEY_FILE));
        }
    }

    /// Puts the new secret in the place of the former, and tells what is to be done by hand.
    pub(super) fn settle(&self, now_ms: u64) -> Result<String, RotateFault> {
        let Self::Folder(folder) = self else {
            return Ok("give the new secret as DATABASE_SECRET_KEY from now on; backups from before need the former one".to_owned());
        };
        let standing = folder.join(KEY_FILE);
        let mut names = (now_ms..).map(|time| folder.join(format!("{KEY_FILE}.before-{time}")));
        let former = names.find(|path| !path.exists()).unwrap_or_else(|| folder.join(format!("{KEY_FILE}.before")));
        fs::hard_link(&standing, &former).map_err(fault(&former))?;
        fs::rename(folder.join(NEXT_KEY_FILE), &standing).map_err(fault(&standing))?;
        sync(folder).map_err(fault(folder))?;
        Ok(format!("{} holds the new secret; {} the former one, which backups from before need", standing.display(), former.display()))
    }
}

/// Writes the file of the new secret, whole or not at all.
fn write(folder: &Path, new: &Secret<String>) -> io::Result<()> {
    let aside = folder.join(format!("{NEXT_KEY_FILE}.{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    let mut file = private::new_file().open(&aside)?;
    file.write_all(new.expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(NEXT_KEY_FILE))?;
    sync(folder)
}

/// Makes sure that the folder's names outlive the machine.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
