//! A look through a journal from outside: nothing is locked, nothing written, and its process may go on meanwhile.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{Found, Position, Reader, Record, folder};
use crate::store::record::{Begun, Entry};

/// What stands at a place.
#[derive(Debug, PartialEq)]
pub enum Seen {
    /// An entry, and whether the database should have it.
    Entry(Entry, Home),
    /// A call that began in a segment that is gone.
    Carried(Begun),
    /// Bytes that are no entry: where, and how many.
    Damage {
        /// The segment's number.
        segment: u64,
        /// Where in it.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// A last entry that was never written whole, as a power cut leaves it.
    Torn,
    /// Entries of a newer program, which cannot be read.
    Newer(u8),
}

/// Whether an entry came home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The database has it.
    Yes,
    /// It waits for the database.
    Waits,
}

/// A journal's entries, from front to back.
#[derive(Debug)]
pub struct Survey {
    folder: PathBuf,
    checkpoint: Position,
    is_live: bool,
    segments: VecDeque<(u64, u64)>,
    open: Option<(u64, u64, Reader)>,
}

impl Survey {
    /// Begins at the front. A folder that is not there is an empty journal.
    ///
    /// # Errors
    /// Of the disk.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let checkpoint = folder::checkpoint(folder);
        let segments = match folder::list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            segments => segments?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            checkpoint,
            is_live: is_held(&folder.join("lock"))?,
            segments: segments.into_iter().collect(),
            open: None,
        })
    }

    /// Whether a process has the journal open.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// What comes next.
    ///
    /// # Errors
    /// Of the disk.
    pub fn next_seen(&mut self) -> io::Result<Option<Seen>> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some((segment, length, reader)) = &mut self.open else { return Ok(None) };
            let (segment, offset) = (*segment, reader.offset());
            let found = reader.next(*length)?;
            // A live process writes over the file once the database has it. What was read before it took the name away is sound.
            let is_gone = self.is_live && !folder::segment(&self.folder, segment).try_exists()?;
            let Some(found) = found.filter(|_| !is_gone) else {
                self.open = None;
                continue;
            };
            let home = if (Position { segment, offset: reader.offset() }) <= self.checkpoint { Home::Yes } else { Home::Waits };
            return Ok(Some(match found {
                Found::Record(Record::Entry(entry)) => Seen::Entry(entry, home),
                Found::Record(Record::Carried(begun)) => Seen::Carried(begun),
                Found::Damage(bytes) => Seen::Damage { segment, offset, bytes },
                Found::Torn(_) => Seen::Torn,
                Found::Newer(version) => {
                    self.open = None;
                    Seen::Newer(version)
                }
            }));
        }
    }

    /// Opens the next segment that still stands: a live process lets go of those that the database has.
    fn open_next(&mut self) -> io::Result<bool> {
        while let Some((segment, length)) = self.segments.pop_front() {
            match Reader::open(&folder::segment(&self.folder, segment), 0) {
                Ok(reader) => {
                    self.open = Some((segment, length, reader));
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// Whether a process holds the lock. Trying takes it for an instant.
pub(super) fn is_held(lock: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
    }
}
