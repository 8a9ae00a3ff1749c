//! One HTTP/2 connection to the provider: what it writes, frame by frame, so that a GOAWAY can stand between two frames.
//!
//! hyper writes into it, a task of its own writes to the socket; the frames stay whole whoever puts one in.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::Notify,
};

/// Bytes of a frame before its content (RFC 9113, 4.1).
const FRAME_HEAD: usize = 9;
/// The frame GOAWAY (6.8) on the connection itself: eight bytes, type 7, no flags, stream 0.
const GOAWAY: [u8; FRAME_HEAD] = [0, 0, 8, 7, 0, 0, 0, 0, 0];

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Mutex<HashMap<u64, Weak<Line>>>,
    made: AtomicU64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    /// The last stream that was begun.
    newest: AtomicU32,
    out: Mutex<Out>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Out {
    /// Whole frames.
    frames: Vec<u8>,
    /// The beginning of one.
    part: Vec<u8>,
    is_shut: bool,
    /// The last stream that is answered, once that was said.
    last: Option<u32>,
}

/// One request's stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) line: Arc<Line>,
    pub(super) id: u32,
}

impl Lines {
    /// A new connection.
    pub(super) fn open(&self) -> Arc<Line> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let line = Arc::new(Line { number, newest: AtomicU32::new(0), out: Mutex::default(), more: Notify::new() });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, line| line.strong_count() > 0);
        open.insert(number, Arc::downgrade(&line));
        line
    }

    /// The stream of this name, where its connection is still there.
    pub(super) fn find(&self, name: &str) -> Option<Stream> {
        let (number, id) = name.split_once('/')?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Stream { line: open.get(&number.parse().ok()?)?.upgrade()?, id: id.parse().ok()? })
    }
}

impl Stream {
    /// By which [`Lines::find`] finds it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.line.number, self.id)
    }

    /// Says that neither this stream nor a later one was begun with.
    pub(super) fn refuse(&self) {
        self.line.go_away(self.id.saturating_sub(2));
    }

    /// Says that this stream is the last one.
    pub(super) fn be_last(&self) {
        self.line.go_away(self.id);
    }

    /// Whether the peer was told that this stream is not answered.
    pub(super) fn is_refused(&self) -> bool {
        self.line.out().last.is_some_and(|last| last < self.id)
    }
}

impl Line {
    /// The stream of the next request: clients count theirs up by two, from one.
    pub(super) fn stream(self: &Arc<Self>) -> Stream {
        let before = self.newest.fetch_add(2, Ordering::Relaxed);
        Stream { line: Arc::clone(self), id: before + 1 }
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No streams behind `last`, and no reason for it (`NO_ERROR`).
    fn go_away(&self, last: u32) {
        let mut out = self.out();
        let last = out.last.map_or(last, |before| before.min(last));
        out.last = Some(last);
        out.frames.extend(GOAWAY);
        out.frames.extend(last.to_be_bytes());
        out.frames.extend(0_u32.to_be_bytes());
        drop(out);
        self.more.notify_one();
    }

    /// Writes to the socket what is put in, until the connection is shut.
    pub(super) async fn write_to(&self, mut socket: impl AsyncWrite + Unpin) -> io::Result<()> {
        loop {
            let (frames, is_shut) = {
                let mut out = self.out();
                (std::mem::take(&mut out.frames), out.is_shut)
            };
            if !frames.is_empty() {
                socket.write_all(&frames).await?;
                socket.flush().await?;
            } else if is_shut {
                return socket.shutdown().await;
            } else {
                // What is put in meanwhile leaves a permit behind.
                self.more.notified().await;
            }
        }
    }
}

impl Out {
    /// Takes bytes in, and lets the frames go that are whole.
    fn push(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
        while let Some([a, b, c]) = self.part.first_chunk() {
            let length = FRAME_HEAD + (usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c));
            if self.part.len() < length {
                break;
            }
            self.frames.extend(self.part.drain(..length));
        }
    }
}

/// A connection as hyper has it: reads from the socket, writes into the line.
#[derive(Debug)]
pub(super) struct Tap<R> {
    pub(super) socket: R,
    pub(super) line: Arc<Line>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Tap<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

/// What is written waits for the socket in memory; the peer's flow control bounds it.
impl<R: Unpin> AsyncWrite for Tap<R> {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.out().push(bytes);
        self.line.more.notify_one();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.out().is_shut = true;
        self.line.more.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl<R> Drop for Tap<R> {
    fn drop(&mut self) {
        self.line.out().is_shut = true;
        self.line.more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{GOAWAY, Lines};

    #[test]
    fn a_goaway_stands_between_two_frames() {
        let line = Lines::default().open();
        let stream = line.stream();
        let frame = [0, 0, 2, 0, 0, 0, 0, 0, 1, 7, 7];
        line.out().push(&frame[..5]);
        stream.be_last();
        line.out().push(&frame[5..]);
        let wanted = [&GOAWAY[..], &[0, 0, 0, 1, 0, 0, 0, 0], &frame].concat();
        assert_eq!(line.out().frames, wanted);
    }

    #[test]
    fn a_stream_is_found_by_its_name_while_its_connection_is_there() {
        let lines = Lines::default();
        let line = lines.open();
        let (first, second) = (line.stream(), line.stream());
        assert_eq!(first.name(), "1/1");
        assert_eq!((second.name(), second.id), ("1/3".to_owned(), 3));
        assert_eq!(lines.find("1/3").unwrap().id, 3);
        second.refuse();
        assert!(second.is_refused() && !line.stream().line.out().frames.is_empty());
        drop((first, second, line));
        assert!(lines.find("1/3").is_none());
    }
}
