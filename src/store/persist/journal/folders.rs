//! The journals of one data folder: `journal`, and beside it `journal-2` and so on while one process takes the place of another.
//!
//! A process writes one of them. An ordinary start wants all others free, so that no second gateway is started by mistake; who
//! is handed the place of a running one takes the first that nobody holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    FileJournal, JournalConfig, OpenFault, Replay,
    folder::{self, Folder},
    survey::is_held,
};

/// So many processes may stand one behind the other.
const MOST: usize = 8;

/// Beside whom a journal is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nobody may have one.
    Nobody,
    /// A process that is about to go has one.
    Predecessor,
}

/// The folders of a data folder's journals that stand, and the first in any case.
///
/// # Errors
/// Of the disk.
pub fn folders(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let others = (2..=MOST).map(|number| numbered(data_dir, number));
    let mut folders = vec![numbered(data_dir, 1)];
    for other in others {
        if other.try_exists()? {
            folders.push(other);
        }
    }
    Ok(folders)
}

fn numbered(data_dir: &Path, number: usize) -> PathBuf {
    if number == 1 { data_dir.join("journal") } else { data_dir.join(format!("journal-{number}")) }
}

/// All journals of a data folder that stand, held so that no gateway serves on it meanwhile.
#[derive(Debug)]
pub struct Held {
    _folders: Vec<Folder>,
}

impl Held {
    /// Takes them. A folder without a journal is nobody's, and stays as it is.
    ///
    /// # Errors
    /// [`OpenFault::Busy`] where a process has one of them.
    pub fn take(data_dir: &Path) -> Result<Self, OpenFault> {
        let disk = |source| OpenFault::Disk { path: data_dir.to_owned(), source };
        let standing = folders(data_dir).map_err(disk)?.into_iter().filter(|path| path.exists());
        Ok(Self { _folders: standing.map(|path| Folder::open(&path)).collect::<Result<_, _>>()? })
    }
}

impl JournalConfig {
    /// The same limits in another folder.
    #[must_use]
    pub fn within(&self, folder: PathBuf) -> Self {
        Self { folder, ..self.clone() }
    }
}

impl FileJournal {
    /// Opens a journal of a data folder.
    ///
    /// # Errors
    /// [`OpenFault::Busy`] where another process has one and may not, or where all of them are held.
    pub fn claim(data_dir: &Path, beside: Beside) -> Result<Replay, OpenFault> {
        let config = JournalConfig::beside(data_dir);
        match beside {
            Beside::Nobody => {
                let disk = |source| OpenFault::Disk { path: data_dir.to_owned(), source };
                for path in folders(data_dir).map_err(disk)? {
                    if is_held(&path.join("lock")).map_err(disk)? {
                        return Err(OpenFault::Busy { path });
                    }
                }
                Self::open(config)
            }
            Beside::Predecessor => {
                let mut opened = Self::open(config.clone());
                for number in 2..=MOST {
                    let Err(OpenFault::Busy { .. }) = &opened else { break };
                    opened = Self::open(config.within(numbered(data_dir, number)));
                }
                opened
            }
        }
    }

    /// Opens the other journals of a data folder that nobody holds and that have something in them. How many are held comes with them.
    ///
    /// # Errors
    /// [`OpenFault`], but for those that are held.
    pub fn claim_left(&self, data_dir: &Path) -> Result<(Vec<Replay>, usize), OpenFault> {
        let (mut left, mut held) = (Vec::new(), 0);
        let disk = |source| OpenFault::Disk { path: data_dir.to_owned(), source };
        for path in folders(data_dir).map_err(disk)? {
            if path == self.folder.path() || !path.exists() || folder::list(&path).map_err(disk)?.is_empty() {
                continue;
            }
            match Self::open(self.config.within(path)) {
                Ok(replay) => left.push(replay),
                Err(OpenFault::Busy { .. }) => held += 1,
                Err(fault) => return Err(fault),
            }
        }
        Ok((left, held))
    }

    /// Removes the segments of a journal that the database has all of. Nothing may be written to it afterwards.
    pub(crate) fn empty(&self) -> io::Result<()> {
        for number in self.folder.list()?.into_keys() {
            fs::remove_file(self.folder.segment(number))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_start_is_refused_beside_any_journal_that_is_held() {
        let data = tempfile::tempdir().unwrap();
        let first = FileJournal::claim(data.path(), Beside::Nobody).unwrap().journal;
        assert!(matches!(FileJournal::claim(data.path(), Beside::Nobody), Err(OpenFault::Busy { .. })));
        let heir = FileJournal::claim(data.path(), Beside::Predecessor).unwrap().journal;
        drop(first);
        let refused = FileJournal::claim(data.path(), Beside::Nobody);
        assert!(matches!(refused, Err(OpenFault::Busy { path }) if path.ends_with("journal-2")));
        let next = FileJournal::claim(data.path(), Beside::Predecessor).unwrap().journal;
        assert!(next.folder.path().ends_with("journal") && heir.folder.path().ends_with("journal-2"));
    }

    #[test]
    fn a_journal_that_is_left_is_opened_once_its_process_is_gone() {
        let data = tempfile::tempdir().unwrap();
        let first = FileJournal::claim(data.path(), Beside::Nobody).unwrap().journal;
        let heir = FileJournal::claim(data.path(), Beside::Predecessor).unwrap().journal;
        let (left, held) = heir.claim_left(data.path()).unwrap();
        assert!(left.is_empty() && held == 1);
        drop(first);
        let (left, held) = heir.claim_left(data.path()).unwrap();
        assert!(left.len() == 1 && held == 0);
        left[0].journal.empty().unwrap();
        drop(left);
        let (left, held) = heir.claim_left(data.path()).unwrap();
        assert!(left.is_empty() && held == 0);
    }
    #[test]
    fn who_holds_a_data_folder_and_who_serves_on_it_keep_each_other_out() {
        let data = tempfile::tempdir().unwrap();
        drop(Held::take(data.path()).unwrap());
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "nothing is made where nothing was");
        let first = FileJournal::claim(data.path(), Beside::Nobody).unwrap().journal;
        let heir = FileJournal::claim(data.path(), Beside::Predecessor).unwrap().journal;
        drop(first);
        assert!(matches!(Held::take(data.path()), Err(OpenFault::Busy { path }) if path.ends_with("journal-2")));
        drop(heir);
        let held = Held::take(data.path()).unwrap();
        assert!(matches!(FileJournal::claim(data.path(), Beside::Nobody), Err(OpenFault::Busy { .. })));
        drop(held);
        FileJournal::claim(data.path(), Beside::Nobody).unwrap();
    }
}
