//! The journal's folder: its lock, its segment files, its checkpoint.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::OpenFault;
use crate::store::persist::private;

/// The name of the file that says how far the database is.
const CHECKPOINT: &str = "checkpoint";
/// How the name of a file ends that is no segment for the moment.
const WITHDRAWN: &str = "withdrawn";

/// A place in the journal: a segment's number and an offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The segment's number.
    pub(crate) segment: u64,
    /// The offset in it.
    pub(crate) offset: u64,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held as long as the journal is open, so that no second process writes here.
    lock: File,
    checkpoint: File,
}

impl Folder {
    /// Makes the folder where it is missing, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenFault> {
        let disk = |source| OpenFault::Disk { path: path.to_owned(), source };
        private::folder(path).map_err(disk)?;
        let kept = |name| private::file().truncate(false).open(path.join(name)).map_err(disk);
        let lock = kept("lock")?;
        match lock.try_lock() {
            Ok(()) => {
                remove_withdrawn(path).map_err(disk)?;
                Ok(Self { path: path.to_owned(), lock, checkpoint: kept(CHECKPOINT)? })
            }
            Err(TryLockError::WouldBlock) => Err(OpenFault::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(disk(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        segment(&self.path, number)
    }

    /// The segments that stand, with their lengths.
    pub(super) fn list(&self) -> io::Result<BTreeMap<u64, u64>> {
        list(&self.path)
    }

    /// Makes a new, empty segment.
    pub(super) fn create(&self, number: u64) -> io::Result<File> {
        private::new_file().read(true).open(self.segment(number))
    }

    /// Removes a segment, where it still stands.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.segment(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Takes a segment out of the row, its file being kept for [`Self::instate`].
    pub(super) fn withdraw(&self, number: u64) -> io::Result<()> {
        let from = self.segment(number);
        fs::rename(&from, from.with_extension(WITHDRAWN))
    }

    /// Puts the file that was withdrawn into the row again, under another number.
    pub(super) fn instate(&self, former: u64, number: u64) -> io::Result<()> {
        fs::rename(self.segment(former).with_extension(WITHDRAWN), self.segment(number))
    }

    /// Keeps a segment under another name, for a person to look at.
    pub(super) fn set_aside(&self, number: u64) -> io::Result<PathBuf> {
        let from = self.segment(number);
        let to = from.with_extension("journal.damaged");
        fs::rename(from, &to).map(|()| to)
    }

    /// Tries whether the disk takes writes. Needs no new block, so a full disk does; one that was made read-only does not, though what
    /// is mapped from it can still be written to in memory.
    pub(super) fn pulse(&self) -> io::Result<()> {
        let mut lock = &self.lock;
        lock.seek(SeekFrom::Start(0))?;
        lock.write_all(b".")
    }

    /// Takes another file for its lock.
    #[cfg(test)]
    pub(super) fn exchange(&mut self, lock: File) -> File {
        std::mem::replace(&mut self.lock, lock)
    }

    /// The place up to which everything is in the database. Without a readable checkpoint everything is read again, which is safe.
    pub(super) fn checkpoint(&self) -> Position {
        checkpoint(&self.path)
    }

    /// Writes the checkpoint over the one before. What a power cut or a reader finds half written has another checksum.
    pub(super) fn save_checkpoint(&self, position: Position) -> io::Result<()> {
        let mut file = &self.checkpoint;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(told(position).as_bytes())
    }
}

/// Removes what a kill left withdrawn: the database has all of it.
fn remove_withdrawn(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|end| end == WITHDRAWN) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A checkpoint's text. It is always of the same length.
fn told(Position { segment, offset }: Position) -> String {
    let text = format!("v2 {segment:020} {offset:020}");
    format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()))
}

/// The file of a segment.
pub(super) fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.journal"))
}

/// The segments that stand in a folder, with their lengths. A live process may take one away meanwhile: it is left out.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut segments = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal")).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        match file.metadata() {
            Ok(found) => _ = segments.insert(number, found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(segments)
}

/// The checkpoint that stands in a folder; the beginning of everything where none can be read.
pub(super) fn checkpoint(folder: &Path) -> Position {
    let text = fs::read_to_string(folder.join(CHECKPOINT)).unwrap_or_default();
    let mut words = text.split_ascii_whitespace().skip(1).map(|word| word.parse().ok());
    let (Some(Some(segment)), Some(Some(offset))) = (words.next(), words.next()) else { return Position::default() };
    let position = Position { segment, offset };
    // Two that were written at once may leave something behind it.
    if text.starts_with(&told(position)) { position } else { Position::default() }
}
