//! Just enough HTTP/1.1 for two ends that know each other: heads and body framing, without allocation.

use memchr::{memchr, memmem};

/// The bytes are not HTTP/1.1 as we know it.
#[derive(Debug)]
pub(crate) struct Malformed(pub &'static str);

/// A head as it stands at the front of a buffer.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// The first line.
    pub(crate) line: &'a [u8],
    /// Length of the whole head with its empty line.
    pub(crate) len: usize,
    /// How the body is framed.
    pub(crate) body: Body,
    /// The gateway's id of the call, where it gave one.
    pub(crate) request_id: Option<&'a [u8]>,
}

/// Finds and reads a head; `None` while it is not all there.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, Malformed> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let first = memchr(b'\n', bytes).ok_or(Malformed("a head without lines"))?;
    let mut head = Head { line: &bytes[..first - 1], len: end + 4, body: Body::Length(0), request_id: None };
    let mut rest = &bytes[(first + 1).min(end + 2)..end + 2];
    while let Some(newline) = memchr(b'\n', rest) {
        read_header(&mut head, &rest[..newline])?;
        rest = &rest[newline + 1..];
    }
    Ok(Some(head))
}

fn read_header<'a>(head: &mut Head<'a>, line: &'a [u8]) -> Result<(), Malformed> {
    let Some(colon) = memchr(b':', line) else { return Err(Malformed("a header without a colon")) };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    // The lengths tell these three apart from nearly everything else before any letter is compared.
    match name.len() {
        14 if name.eq_ignore_ascii_case(b"content-length") => head.body = Body::Length(decimal(value)?),
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => head.body = Body::Chunked(Chunk::Size(0)),
        19 if name.eq_ignore_ascii_case(b"x-gproxy-request-id") => head.request_id = Some(value),
        _ => {}
    }
    Ok(())
}

fn decimal(digits: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed("a length that is no number"))
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, and where we stand in them.
    Chunked(Chunk),
}

/// Where a reader stands in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the size line; the size so far.
    Size(u64),
    /// After the digits of the size line; the size.
    Extension(u64),
    /// In the data; bytes to come.
    Data(u64),
    /// In the line end after the data.
    DataEnd,
    /// After the last chunk; bytes of the current line so far.
    Trailer(u64),
    /// At the end.
    Done,
}

impl Body {
    /// Whether all of it has been read.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Takes what belongs to the body from the front of `bytes`, hands the data to `sink`, says how many bytes that were.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                sink(&bytes[..take]);
                *left -= take as u64;
                Ok(take)
            }
            Self::Chunked(chunk) => {
                let mut at = 0;
                while at < bytes.len() && *chunk != Chunk::Done {
                    at += chunk.step(&bytes[at..], &mut sink)?;
                }
                Ok(at)
            }
        }
    }
}

impl Chunk {
    fn step(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let byte = bytes[0];
        match *self {
            Self::Size(size) => match (byte as char).to_digit(16) {
                Some(digit) => *self = Self::Size(size << 4 | u64::from(digit)),
                None if matches!(byte, b'\r' | b';' | b' ') => *self = Self::Extension(size),
                None => return Err(Malformed("a chunk size that is no number")),
            },
            Self::Extension(size) if byte == b'\n' => *self = if size == 0 { Self::Trailer(0) } else { Self::Data(size) },
            Self::Extension(_) => {}
            Self::Data(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                sink(&bytes[..take]);
                let left = left - take as u64;
                *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                return Ok(take);
            }
            Self::DataEnd if byte == b'\n' => *self = Self::Size(0),
            Self::DataEnd if byte == b'\r' => {}
            Self::DataEnd => return Err(Malformed("a chunk longer than its size")),
            Self::Trailer(0) if byte == b'\n' => *self = Self::Done,
            Self::Trailer(_) if byte == b'\n' => *self = Self::Trailer(0),
            Self::Trailer(_) if byte == b'\r' => {}
            Self::Trailer(length) => *self = Self::Trailer(length + 1),
            Self::Done => return Ok(0),
        }
        Ok(1)
    }
}
