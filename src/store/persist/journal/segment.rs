//! A segment that is being written, was written last, or will be next: a file of fixed length, mapped into memory.
//!
//! Writing copies into the system's page cache without a system call, and what was copied survives the process. The
//! blocks of the file are reserved first, so that a full disk is an error here, and never a fault of the memory.

use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use fs4::FileExt;
use mmap_io::{MemoryMappedFile, MmapMode};

use super::{
    codec::HEAD,
    folder::{Folder, Position},
};

/// How much is written at once where a file system cannot reserve.
const ZEROS: usize = 64 << 10;

/// A segment, mapped.
#[derive(Debug)]
pub(super) struct Segment {
    number: u64,
    /// For syncing.
    file: Arc<File>,
    map: MemoryMappedFile,
    /// The file's length.
    reserved: u64,
    /// How much of it is frames; zeros follow.
    length: u64,
}

impl Segment {
    /// Makes a new, empty segment of `reserved` bytes.
    pub(super) fn create(folder: &Folder, number: u64, reserved: u64) -> io::Result<Self> {
        let file = folder.create(number)?;
        let mapped = reserve(&file, reserved).and_then(|()| map(&file, folder, number));
        match mapped {
            Ok(map) => Ok(Self { number, file: Arc::new(file), map, reserved, length: 0 }),
            Err(error) => {
                // What was half made would be taken for a segment.
                folder.remove(number)?;
                Err(error)
            }
        }
    }

    /// Brings all of its pages into memory, which takes about a millisecond: the process has from its start the size that it would
    /// reach with the segment full.
    pub(super) fn warm(self) -> io::Result<Self> {
        self.map.touch_pages().map_err(io::Error::other)?;
        Ok(self)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn end(&self) -> Position {
        Position { segment: self.number, offset: self.length }
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Whether so many bytes have room.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.length + bytes <= self.reserved
    }

    /// Writes one frame. Its head comes last, so that a kill in between leaves no head, and no damage.
    pub(super) fn put(&mut self, frame: &[u8]) -> io::Result<()> {
        let (head, payload) = frame.split_at(HEAD);
        self.map.update_region(self.length + HEAD as u64, payload).map_err(io::Error::other)?;
        self.map.update_region(self.length, head).map_err(io::Error::other)?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Whether it is of the ordinary length, `reserved`.
    pub(super) fn is_of(&self, reserved: u64) -> bool {
        self.reserved == reserved
    }

    /// Makes it an empty one with another number. Its blocks and pages stay its own: a new file costs the disk both, and a page that
    /// is touched for the first time costs the one who writes it more than the frame does.
    pub(super) fn recycle(self, folder: &Folder, number: u64) -> io::Result<Self> {
        // While it is neither the one nor the other, nobody who reads the folder finds it.
        folder.withdraw(self.number)?;
        let zeros = vec![0; ZEROS];
        let mut rest = 0..self.length;
        while !rest.is_empty() {
            let piece = usize::try_from(rest.end - rest.start).map_or(ZEROS, |left| left.min(ZEROS));
            self.map.update_region(rest.start, &zeros[..piece]).map_err(io::Error::other)?;
            rest.start += piece as u64;
            // Whoever serves on the same core has a turn before the next piece.
            std::thread::yield_now();
        }
        folder.instate(self.number, number)?;
        Ok(Self { number, length: 0, ..self })
    }

    /// Gives what was reserved and not used back to the disk.
    pub(super) fn close(self) -> io::Result<()> {
        // What is mapped must not be cut off.
        drop(self.map);
        self.file.set_len(self.length)
    }
}

/// Takes the blocks of `length` bytes.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    match FileExt::allocate(file, length) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => fill(file, length),
        reserved => reserved,
    }
}

/// Takes them by writing zeros, for file systems that know no other way.
fn fill(mut file: &File, length: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut left = usize::try_from(length).map_err(io::Error::other)?;
    while left > 0 {
        let piece = left.min(ZEROS);
        file.write_all(&zeros[..piece])?;
        left -= piece;
    }
    Ok(())
}

fn map(file: &File, folder: &Folder, number: u64) -> io::Result<MemoryMappedFile> {
    MemoryMappedFile::from_file(file.try_clone()?, MmapMode::ReadWrite, folder.segment(number)).map_err(io::Error::other)
}
