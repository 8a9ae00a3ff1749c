//! How a connection begins: which HTTP it speaks, and how long it may take to say so.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::runtime::BoxFuture;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Looks at what a client says first, and leaves it where it is; `None` where it says nothing. One that may go on to speak HTTP/2
/// counts as one that does.
pub(super) async fn speaks_http2(stream: &TcpStream) -> Option<bool> {
    let mut first = [0; PREFACE.len()];
    let count = stream.peek(&mut first).await.ok()?;
    (count > 0).then(|| PREFACE.starts_with(&first[..count]))
}

/// A connection that may speak HTTP/2, and has until a moment to say that it does.
///
/// hyper-util's search for a protocol has no timer. What is found out to be HTTP/1.1 has one for its heads.
pub(super) struct Prefaced<T> {
    inner: T,
    /// Bytes of the preface so far.
    seen: usize,
    /// That moment; nothing once it is told.
    late: Option<BoxFuture<'static, ()>>,
}

impl<T> Prefaced<T> {
    pub(super) fn new(inner: T, late: BoxFuture<'static, ()>) -> Self {
        Self { inner, seen: 0, late: Some(late) }
    }

    /// Takes note of what came next.
    fn hear(&mut self, came: &[u8]) {
        let goes_on = !came.is_empty() && PREFACE[self.seen..].starts_with(came);
        self.seen += came.len();
        if !goes_on || self.seen == PREFACE.len() {
            self.late = None;
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefaced<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let Some(late) = &mut this.late else { return polled };
        if polled.is_pending() {
            return late.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "no HTTP/2 preface in time")));
        }
        this.hear(&buf.filled()[before..]);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefaced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
