//! Drives connections to their end; and, where another process takes over, to the moment at which their clients wait for nothing.
//!
//! Closing a connection at rest would cost the call that its client sends at that very moment. So it is not closed: the socket goes on
//! in the other process.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{mpsc, watch},
};

use super::heads::Heads;
use crate::runtime::native::{Gate, Peer};

/// Whether new work is taken.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// It is.
    Open,
    /// No more: what runs comes to its end.
    Closing,
    /// Another process takes it; what runs comes to its end here.
    Onward(mpsc::Sender<Departure>),
    /// Nothing is waited for.
    Shut,
}

/// A connection that goes to another process.
#[derive(Debug)]
pub(super) struct Departure {
    /// The connection.
    pub(super) socket: OwnedFd,
    /// The client's address.
    pub(super) peer: IpAddr,
    /// What was read of it, and is no whole request.
    pub(super) read: Bytes,
}

impl Departure {
    /// Hands a connection over of which nothing was read.
    pub(super) async fn of(stream: TcpStream, peer: IpAddr, to: mpsc::Sender<Self>) {
        let socket = stream.into_std().map(OwnedFd::from);
        match socket {
            Ok(socket) => leave(to, Self { socket, peer, read: Bytes::new() }).await,
            Err(error) => tracing::debug!(%error, "a connection cannot be handed over"),
        }
    }

    /// The connection, as one to read and write.
    pub(super) fn arrive(self) -> io::Result<(TcpStream, IpAddr, Bytes)> {
        let stream = std::net::TcpStream::from(self.socket);
        stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(stream)?, self.peer, self.read))
    }
}

async fn leave(to: mpsc::Sender<Departure>, departure: Departure) {
    if to.send(departure).await.is_err() {
        tracing::debug!("a connection cannot be handed over: the other process is gone");
    }
}

/// A connection as it is seen from outside.
pub(super) struct Watched {
    /// Its other end.
    pub(super) peer: Peer,
    /// The client's address.
    pub(super) address: IpAddr,
    /// Whether it waits for a head.
    pub(super) heads: Heads,
}

/// Drives a connection to its end; once the door closes, it ends with what it has begun.
pub(super) async fn drive<C, E>(mut connection: C, open: watch::Receiver<Door>, end: impl Fn(&mut C))
where
    C: Future<Output = Result<(), E>> + Unpin,
    E: Display,
{
    let gate = Gate::default();
    let ended = match until_told(&mut connection, &gate, &open).await {
        Some(ended) => Some(ended),
        None => {
            end(&mut connection);
            until_ended(&mut connection, &gate, open).await
        }
    };
    tell(ended);
}

/// Drives a connection to its end; once the door closes, it ends with what it has begun, or it leaves. What `unserved` gives was read
/// of it and not served.
pub(super) async fn drive_or_leave<C, E>(
    mut connection: C,
    mut open: watch::Receiver<Door>,
    watched: Watched,
    (end, unserved): (impl Fn(&mut C), impl FnOnce(C) -> Option<Bytes>),
) where
    C: Future<Output = Result<(), E>> + Unpin,
    E: Display,
{
    let gate = Gate::default();
    let told = until_told(&mut connection, &gate, &open).await;
    if told.is_some() {
        return tell(told);
    }
    let door = open.borrow().clone();
    let Door::Onward(to) = door else {
        end(&mut connection);
        return tell(until_ended(&mut connection, &gate, open).await);
    };
    // The door is held open until the connection has left: with the last of them the line to the other process ends.
    match until_at_rest(&mut connection, &gate, (&mut open, &watched)).await {
        Rest::Ended(ended) => tell(ended),
        Rest::Reached => {
            let socket = watched.peer.socket();
            match (socket, unserved(connection)) {
                (Ok(socket), Some(read)) => leave(to, Departure { socket, peer: watched.address, read }).await,
                (Err(error), _) => tracing::debug!(%error, "a connection cannot be handed over"),
                (Ok(_), None) => {}
            }
        }
    }
}

fn tell<E: Display>(ended: Option<Result<(), E>>) {
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a client's connection ended badly");
    }
}

/// Drives a connection until it has ended, or until the door is not open any more.
async fn until_told<C: Future + Unpin>(connection: &mut C, gate: &Gate, open: &watch::Receiver<Door>) -> Option<C::Output> {
    let mut told = open.clone();
    let mut closing = pin!(told.changed().fuse());
    let mut is_watched = false;
    poll_fn(|cx| {
        // A task's waker stays the same, so the door need be told of it only once.
        let looks = !std::mem::replace(&mut is_watched, true) || open.has_changed().unwrap_or(true);
        if looks && closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        gate.poll(Pin::new(&mut *connection), cx).map(Some)
    })
    .await
}

/// Drives a connection to its end; `None` where that is not waited for any longer.
async fn until_ended<C: Future + Unpin>(connection: &mut C, gate: &Gate, mut open: watch::Receiver<Door>) -> Option<C::Output> {
    let mut shut = pin!(open.wait_for(|door| matches!(door, Door::Shut)));
    poll_fn(|cx| match gate.poll(Pin::new(&mut *connection), cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => shut.as_mut().poll(cx).map(|_shut| None),
    })
    .await
}

enum Rest<T> {
    /// It ended before; `None` where it was not waited for any longer.
    Ended(Option<T>),
    /// It waits for a head, and everything that it wrote has gone out.
    Reached,
}

/// Drives a connection until its client waits for nothing.
async fn until_at_rest<C: Future + Unpin>(
    connection: &mut C,
    gate: &Gate,
    (open, watched): (&mut watch::Receiver<Door>, &Watched),
) -> Rest<C::Output> {
    let mut shut = pin!(open.wait_for(|door| matches!(door, Door::Shut)));
    poll_fn(|cx| {
        // hyper begins to wait for the next head only when it is polled again after an answer.
        if let Poll::Ready(ended) = gate.poll(Pin::new(&mut *connection), cx) {
            return Poll::Ready(Rest::Ended(Some(ended)));
        }
        watched.peer.begin_turn();
        match gate.poll(Pin::new(&mut *connection), cx) {
            Poll::Ready(ended) => Poll::Ready(Rest::Ended(Some(ended))),
            Poll::Pending if watched.heads.is_waiting() && watched.peer.is_clear(cx) => Poll::Ready(Rest::Reached),
            Poll::Pending => shut.as_mut().poll(cx).map(|_shut| Rest::Ended(None)),
        }
    })
    .await
}

/// A connection of which the process before has read something.
#[derive(Debug)]
pub(super) struct Resumed<T> {
    read: Bytes,
    inner: T,
}

impl<T> Resumed<T> {
    pub(super) fn new(read: Bytes, inner: T) -> Self {
        Self { read, inner }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Resumed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..count]);
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Resumed<T> {
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
