//! Reads one segment from front to back, over damage.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::codec::{self, Flaw, Record};

/// How much is read from the disk at once.
const GULP: u64 = 256 << 10;

/// What stands at a place in a segment.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// A frame.
    Record(Record),
    /// Bytes that are no frame, and frames after them.
    Damage(u64),
    /// A last frame that was never written whole.
    Torn(u64),
    /// A frame of a newer program's version.
    Newer(u8),
}

/// A place in one segment, and what was read of it.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    /// What was read; `at` is the first byte that was not yet given out.
    buffer: Vec<u8>,
    at: usize,
    /// Where in the file the buffer ends.
    read: u64,
}

impl Reader {
    /// Opens a segment at an offset.
    pub(crate) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, buffer: Vec::new(), at: 0, read: offset })
    }

    /// The offset behind what was given out.
    pub(crate) fn offset(&self) -> u64 {
        self.read - (self.buffer.len() - self.at) as u64
    }

    /// What comes next before `end`, which is the segment's length or the end of its last whole write.
    pub(crate) fn next(&mut self, end: u64) -> io::Result<Option<Found>> {
        loop {
            let flaw = match codec::read(&self.buffer[self.at..]) {
                Ok((record, length)) => {
                    self.at += length;
                    return Ok(Some(Found::Record(record)));
                }
                Err(flaw) => flaw,
            };
            match flaw {
                Flaw::Short if self.fill(end, GULP)? => {}
                Flaw::Short if self.at == self.buffer.len() => return Ok(None),
                Flaw::Short | Flaw::Blank | Flaw::Damaged => return self.pass(end, &flaw),
                Flaw::Newer(version) => return Ok(Some(Found::Newer(version))),
            }
        }
    }

    /// Goes on to the next sound frame, or to the end.
    fn pass(&mut self, end: u64, flaw: &Flaw) -> io::Result<Option<Found>> {
        while self.fill(end, u64::MAX)? {}
        let rest = &self.buffer[self.at..];
        // What was reserved and never written stands behind the last frame.
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
            self.at = self.buffer.len();
            return Ok(None);
        };
        if let Some(skip) = codec::resync(rest, last) {
            self.at += skip;
            return Ok(Some(Found::Damage(skip as u64)));
        }
        let skip = rest.len() as u64;
        self.at = self.buffer.len();
        Ok(Some(match flaw {
            Flaw::Short | Flaw::Blank => Found::Torn(skip),
            Flaw::Damaged | Flaw::Newer(_) => Found::Damage(skip),
        }))
    }

    /// Reads more, and tells whether there was any.
    fn fill(&mut self, end: u64, most: u64) -> io::Result<bool> {
        let wanted = end.saturating_sub(self.read).min(most);
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let got = self.file.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
        self.read += got as u64;
        Ok(got > 0)
    }
}
