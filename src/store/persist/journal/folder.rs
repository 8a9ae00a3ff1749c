//! The journal's folder: its lock, its segment files, its checkpoint.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::OpenFault;

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
}

impl Folder {
    /// Makes the folder where it is missing, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenFault> {
        let disk = |source| OpenFault::Disk { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(disk)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock")).map_err(disk)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
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
        OpenOptions::new().create_new(true).read(true).write(true).open(self.segment(number))
    }

    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.segment(number))
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

    /// Replaces the checkpoint, all at once.
    pub(super) fn save_checkpoint(&self, position: Position) -> io::Result<()> {
        let new = self.path.join("checkpoint.new");
        File::create(&new)?.write_all(format!("v1 {} {} end\n", position.segment, position.offset).as_bytes())?;
        fs::rename(new, self.path.join("checkpoint"))
    }
}

/// The file of a segment.
pub(super) fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.journal"))
}

/// The segments that stand in a folder, with their lengths.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut segments = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal")).and_then(|number| number.parse().ok());
        if let Some(number) = number {
            segments.insert(number, file.metadata()?.len());
        }
    }
    Ok(segments)
}

/// The checkpoint that stands in a folder; the beginning of everything where none can be read.
pub(super) fn checkpoint(folder: &Path) -> Position {
    let text = fs::read_to_string(folder.join("checkpoint")).unwrap_or_default();
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next().map(str::parse), words.next().map(str::parse), words.next()) {
        (Some("v1"), Some(Ok(segment)), Some(Ok(offset)), Some("end")) => Position { segment, offset },
        _ => Position::default(),
    }
}
