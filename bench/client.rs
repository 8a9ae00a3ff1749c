//! One keep-alive connection of the load generator, and the check of each answer.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use memchr::{memchr, memchr_iter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    clock,
    tally::Tally,
    wire::{self, Body},
};

/// Digits of the mock's stamp.
const STAMP: u32 = 20;

/// Why a call did not count.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No connection.
    Connect(io::Error),
    /// The connection broke, or ended before the answer did.
    Broken(io::Error),
    /// Another status than 200.
    Status(String),
    /// An answer in whole that is not what was asked for.
    Short(String),
    /// Not HTTP.
    Malformed(&'static str),
}

impl Fault {
    /// The kinds by name.
    pub(crate) const KINDS: [&'static str; 5] = ["connect", "broken", "status", "short", "malformed"];

    /// The index of its kind.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Connect(_) => 0,
            Self::Broken(_) => 1,
            Self::Status(_) => 2,
            Self::Short(_) => 3,
            Self::Malformed(_) => 4,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Broken(error) => write!(f, "connection broke: {error}"),
            Self::Status(line) => write!(f, "refused: {line}"),
            Self::Short(what) => write!(f, "wrong answer: {what}"),
            Self::Malformed(what) => write!(f, "not HTTP: {what}"),
        }
    }
}

/// What a right answer looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// A JSON object.
    Json,
    /// A stream of so many events, the terminal ones included.
    Events(u64),
}

/// What all calls of a run share.
#[derive(Debug)]
pub(crate) struct Order {
    /// Where to.
    pub(crate) target: SocketAddr,
    /// The request's bytes.
    pub(crate) request: Vec<u8>,
    /// What must come back.
    pub(crate) expect: Expect,
    /// Whether each event's stamp is read.
    pub(crate) stamps: bool,
    /// Whether the gateway's ids are kept.
    pub(crate) ids: bool,
    /// Streams whose first event has come.
    pub(crate) opened: AtomicU64,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Link {
    /// Opens a connection.
    pub(crate) async fn open(order: &Order) -> Result<Self, Fault> {
        let stream = TcpStream::connect(order.target).await.map_err(Fault::Connect)?;
        stream.set_nodelay(true).map_err(Fault::Connect)?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Makes one call and notes what it saw. `start` is when the call began, or ought to have begun.
    pub(crate) async fn call(&mut self, order: &Order, start: u64, tally: &mut Tally) -> Result<(), Fault> {
        self.stream.write_all(&order.request).await.map_err(Fault::Broken)?;
        let (mut filled, mut framing) = self.head(order, tally).await?;
        let mut answer = Answer::default();
        loop {
            let stamps = if order.stamps { Some((clock::now_ns(), &mut *tally)) } else { None };
            if filled > 0 {
                let taken = answer.take(&mut framing, &self.buffer[..filled], stamps)?;
                if answer.events > 0 && answer.first.is_none() {
                    answer.first = Some(clock::now_ns());
                    order.opened.fetch_add(1, Relaxed);
                }
                if taken < filled {
                    return Err(Fault::Malformed("bytes after the end of an answer"));
                }
            }
            if framing.is_done() {
                break;
            }
            filled = self.read(0).await?;
        }
        answer.check(order.expect)?;
        let end = clock::now_ns();
        tally.whole.push(end.saturating_sub(start));
        tally.first.extend(answer.first.map(|first| first.saturating_sub(start)));
        tally.total += 1;
        tally.events += answer.events;
        tally.bytes += answer.bytes;
        Ok(())
    }

    async fn read(&mut self, at: usize) -> Result<usize, Fault> {
        match self.stream.read(&mut self.buffer[at..]).await {
            Ok(0) => Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => Ok(count),
            Err(error) => Err(Fault::Broken(error)),
        }
    }

    /// Reads the head; leaves what came behind it at the front of the buffer and says how much.
    async fn head(&mut self, order: &Order, tally: &mut Tally) -> Result<(usize, Body), Fault> {
        let mut filled = 0;
        loop {
            filled += self.read(filled).await?;
            let Some(head) = wire::head(&self.buffer[..filled]).map_err(|fault| Fault::Malformed(fault.0))? else { continue };
            if head.line.get(9..12) != Some(b"200") {
                return Err(Fault::Status(String::from_utf8_lossy(head.line).into_owned()));
            }
            if order.ids {
                // Taken back by the caller where the answer does not come in whole.
                tally.ids.extend_from_slice(head.request_id.unwrap_or(b"none"));
                tally.ids.push(b'\n');
            }
            let (length, framing) = (head.len, head.body);
            self.buffer.copy_within(length..filled, 0);
            return Ok((filled - length, framing));
        }
    }
}

/// An answer while it comes in.
#[derive(Debug, Default)]
struct Answer {
    bytes: u64,
    events: u64,
    first: Option<u64>,
    newline: bool,
    opening: Option<u8>,
    closing: [u8; 8],
    stamp: Option<(u32, u64)>,
}

impl Answer {
    fn take(&mut self, framing: &mut Body, bytes: &[u8], mut stamps: Option<(u64, &mut Tally)>) -> Result<usize, Fault> {
        let taken = framing.feed(bytes, |data| {
            self.count(data);
            if let Some((now, tally)) = &mut stamps {
                self.read_stamps(data, *now, tally);
            }
        });
        taken.map_err(|fault| Fault::Malformed(fault.0))
    }

    /// Counts the empty lines, each of which ends an event.
    fn count(&mut self, data: &[u8]) {
        let (Some(first), Some(last)) = (data.first(), data.last()) else { return };
        self.opening.get_or_insert(*first);
        self.bytes += data.len() as u64;
        let mut before = if self.newline { Some(0) } else { None };
        for at in memchr_iter(b'\n', data) {
            // Positions are counted from 1, so that 0 is the last byte of the data before.
            if before == Some(at) {
                self.events += 1;
            }
            before = Some(at + 1);
        }
        self.newline = *last == b'\n';
        let kept = data.len().min(self.closing.len());
        self.closing.copy_within(kept.., 0);
        let room = self.closing.len() - kept;
        self.closing[room..].copy_from_slice(&data[data.len() - kept..]);
    }

    fn read_stamps(&mut self, mut data: &[u8], now: u64, tally: &mut Tally) {
        loop {
            if self.stamp.is_none() {
                let Some(at) = memchr(b'@', data) else { return };
                data = &data[at + 1..];
                self.stamp = Some((0, 0));
            }
            while let (Some((digits, value)), Some((byte, rest))) = (self.stamp, data.split_first()) {
                data = rest;
                self.stamp = Some((digits + 1, value * 10 + u64::from(byte.wrapping_sub(b'0'))));
                if digits + 1 == STAMP {
                    break;
                }
            }
            let Some((STAMP, sent)) = self.stamp else { return };
            self.stamp = None;
            if self.first.is_some() {
                tally.later.push(now.saturating_sub(sent));
            }
        }
    }

    fn check(&self, expect: Expect) -> Result<(), Fault> {
        let right = match expect {
            Expect::Json => self.opening == Some(b'{') && self.closing.ends_with(b"}"),
            Expect::Events(events) => self.events == events && self.closing.ends_with(b"DONE]\n\n"),
        };
        if right { Ok(()) } else { Err(Fault::Short(format!("{} bytes and {} events, {expect:?} expected", self.bytes, self.events))) }
    }
}
