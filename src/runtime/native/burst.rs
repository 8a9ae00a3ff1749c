//! Lets what many connections write in one turn of the scheduler go out at its end, one behind the other.
//!
//! A write to a socket wakes its reader, and waking a reader that sleeps is dearer than all else about a small answer. Written
//! one by one, each finds its reader asleep again; in a burst, the first one wakes and the others find it at work. Nothing
//! ever waits for more: what is gathered leaves as soon as the tasks that are ready now have had their turn.

use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    runtime::{Handle, RuntimeFlavor},
};

/// What is gathered for one connection, at most, in bytes. More than that goes out by itself, without a copy.
const MOST: usize = 16 << 10;

/// Where connections gather. Without a thread that everything runs on there is no end of a turn, and each writes for itself.
#[derive(Clone, Debug, Default)]
pub struct Bursts(Option<Arc<Mutex<Waiting>>>);

/// The connections that have something to write.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Arc<Mutex<Line>>>,
    /// Wakes the task that writes.
    writer: Option<Waker>,
}

/// A connection and what is gathered for it.
///
/// As long as something is gathered, a task of this module writes it, and nobody else does.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    gathered: Vec<u8>,
    /// Why writing failed, until the owner was told.
    fault: Option<io::Error>,
    /// Wakes the owner, who waits for room.
    owner: Option<Waker>,
    /// Wakes the task that stays with it.
    stayer: Option<Waker>,
    /// The owner is gone.
    is_left: bool,
    /// The socket had no room since [`Peer::begin_turn`].
    is_blocked: bool,
}

impl Bursts {
    /// The bursts of the runtime that runs this: of one thread's, else of none.
    #[must_use]
    pub fn here() -> Self {
        let Some(runtime) = Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread) else {
            return Self(None);
        };
        let waiting = Arc::<Mutex<Waiting>>::default();
        // It ends with those that gather; at shutdown each connection waits for its own bytes.
        runtime.spawn(write_bursts(Arc::downgrade(&waiting)));
        Self(Some(waiting))
    }

    /// The same connection, writing in bursts.
    #[must_use]
    pub fn join(&self, stream: TcpStream) -> Gathering {
        let line = Line { stream, gathered: Vec::new(), fault: None, owner: None, stayer: None, is_left: false, is_blocked: false };
        Gathering { line: Arc::new(Mutex::new(line)), bursts: self.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The last who could gather is gone, and the writing task ends. What a socket has no room for is lost, as with any that is closed.
        for line in self.lines.drain(..) {
            let line = lock(&line);
            let _lost = line.stream.try_write(&line.gathered);
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// Writes what was gathered, whenever something was, for as long as somebody may gather.
async fn write_bursts(waiting: Weak<Mutex<Waiting>>) {
    let mut lines = Vec::new();
    std::future::poll_fn(|cx| {
        let Some(waiting) = waiting.upgrade() else { return Poll::Ready(()) };
        {
            let mut waiting = lock(&waiting);
            mem::swap(&mut lines, &mut waiting.lines);
            if !waiting.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
                waiting.writer = Some(cx.waker().clone());
            }
        }
        lines.drain(..).for_each(write_or_stay);
        Poll::Pending
    })
    .await;
}

/// Writes what was gathered for a connection; where its peer does not read, a task of its own stays with it.
#[expect(clippy::disallowed_methods, reason = "it ends with its connection; nothing waits for it at shutdown")]
fn write_or_stay(line: Arc<Mutex<Line>>) {
    let is_written = {
        let mut line = lock(&line);
        let written = line.stream.try_write(&line.gathered);
        line.advance(written)
    };
    if !is_written {
        tokio::spawn(std::future::poll_fn(move |cx| lock(&line).poll_written(cx)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Takes note of a write; tells whether nothing is left.
    fn advance(&mut self, written: io::Result<usize>) -> bool {
        match written {
            Ok(count) if count < self.gathered.len() => {
                self.gathered.drain(..count);
                return false;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return false,
            Ok(_) => {}
            Err(error) => self.fault = Some(error),
        }
        // Many connections are open for long and write little: none keeps its room.
        self.gathered = Vec::new();
        if let Some(owner) = self.owner.take() {
            owner.wake();
        }
        true
    }

    /// Writes until nothing is left. Where the owner is gone, a peer that does not read is not waited for.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.stream).poll_write(cx, &self.gathered) {
                Poll::Ready(written) => {
                    if self.advance(written) {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending if self.is_left => return Poll::Ready(()),
                Poll::Pending => {
                    self.stayer = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when the owner may write by itself: nothing is gathered, and nothing has failed.
    fn poll_clear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Err(fault));
        }
        if self.gathered.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.owner = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A connection that writes in bursts. Dropped with something gathered, it is closed when its socket has taken of that what it has
/// room for; whoever wants the peer to have it all shuts the connection down.
#[derive(Debug)]
pub struct Gathering {
    line: Arc<Mutex<Line>>,
    bursts: Bursts,
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let mut line = lock(&self.line);
        line.is_left = true;
        if let Some(stayer) = line.stayer.take() {
            stayer.wake();
        }
    }
}

/// A connection's other end, as it is seen by whoever may take the connection from its owner.
#[derive(Debug)]
pub struct Peer(Arc<Mutex<Line>>);

impl Peer {
    /// Looks from here on whether the owner finds room for all that it writes.
    pub fn begin_turn(&self) {
        lock(&self.0).is_blocked = false;
    }

    /// Whether everything that the owner wrote since [`Self::begin_turn`] has gone out. Where it waits in a burst, the task is woken
    /// when it has.
    pub fn is_clear(&self, cx: &mut Context<'_>) -> bool {
        let mut line = lock(&self.0);
        if line.fault.is_some() || line.is_blocked {
            return false;
        }
        matches!(line.poll_clear(cx), Poll::Ready(Ok(())))
    }

    /// The socket, which stays open when its owner is gone.
    ///
    /// # Errors
    /// Where the process has no more handles.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        lock(&self.0).stream.as_fd().try_clone_to_owned()
    }
}

impl Gathering {
    /// Its other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer(Arc::clone(&self.line))
    }

    /// Gathers the pieces, or writes them where they are large.
    fn put(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut line = lock(&self.line);
        let size = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let small = self.bursts.0.as_ref().filter(|_| line.fault.is_none() && line.gathered.len() + size <= MOST);
        let Some(waiting) = small else {
            ready!(line.poll_clear(cx))?;
            let written = Pin::new(&mut line.stream).poll_write_vectored(cx, pieces);
            if written.is_pending() {
                line.is_blocked = true;
            }
            return written;
        };
        let is_first = line.gathered.is_empty();
        line.gathered.reserve_exact(size);
        for piece in pieces {
            line.gathered.extend_from_slice(piece);
        }
        if is_first && size > 0 {
            enlist(waiting, &self.line);
        }
        Poll::Ready(Ok(size))
    }
}

/// Has a connection written at the end of this turn.
fn enlist(waiting: &Mutex<Waiting>, line: &Arc<Mutex<Line>>) {
    let mut waiting = lock(waiting);
    waiting.lines.push(Arc::clone(line));
    if waiting.lines.len() == 1
        && let Some(writer) = &waiting.writer
    {
        writer.wake_by_ref();
    }
}

impl AsyncRead for Gathering {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.line).stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.put(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.put(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready at once: what is gathered leaves with this turn.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.line).fault.take().map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = lock(&self.line);
        ready!(line.poll_clear(cx))?;
        Pin::new(&mut line.stream).poll_shutdown(cx)
    }
}

impl Connection for Gathering {
    fn connected(&self) -> Connected {
        lock(&self.line).stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        runtime::Handle,
    };

    use super::{Bursts, Gathering, MOST};

    /// A connection that gathers, and its peer.
    async fn pair(bursts: &Bursts) -> (Gathering, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (ours, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (bursts.join(ours.unwrap()), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn what_a_turn_writes_leaves_at_its_end_in_one_piece() {
        let (mut ours, mut peer) = pair(&Bursts::here()).await;
        ours.write_all(b"first ").await.unwrap();
        ours.write_all(b"second").await.unwrap();
        ours.flush().await.unwrap();
        assert_eq!(peer.try_read(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock, "the turn is not over");
        let mut read = [0; 16];
        let count = peer.read(&mut read).await.unwrap();
        assert_eq!(&read[..count], b"first second");
    }

    async fn everything_arrives_in_order(bursts: Bursts) {
        let (mut ours, mut peer) = pair(&bursts).await;
        let sizes = [1, 700, MOST - 1, 2, MOST, MOST + 1, 40, 3 << 20, 5, 9 << 20, 1, 16, 2 << 20];
        let sent: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sending = async {
            let mut rest = sent.as_slice();
            for size in sizes {
                let (piece, behind) = rest.split_at(size);
                ours.write_all(piece).await.unwrap();
                rest = behind;
            }
            ours.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let (read_well, ()) = tokio::join!(peer.read_to_end(&mut read), sending);
        read_well.unwrap();
        assert!(read == sent, "{} bytes of {}", read.len(), sent.len());
    }

    #[tokio::test]
    async fn pieces_of_any_size_arrive_in_order_whether_or_not_the_peer_keeps_up() {
        everything_arrives_in_order(Bursts::here()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn where_there_are_many_threads_each_connection_writes_for_itself() {
        let bursts = Bursts::here();
        assert!(bursts.0.is_none());
        everything_arrives_in_order(bursts).await;
    }

    #[tokio::test]
    async fn what_was_gathered_outlives_its_owner() {
        let (mut ours, mut peer) = pair(&Bursts::here()).await;
        ours.write_all(b"last words").await.unwrap();
        drop(ours);
        let mut read = String::new();
        peer.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "last words");
    }

    #[tokio::test]
    async fn nothing_stays_with_a_connection_whose_owner_is_gone_and_whose_peer_does_not_read() {
        let (mut ours, _silent) = pair(&Bursts::here()).await;
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let (before, large) = (tasks(), vec![0; MOST + 1]);
        // The sockets between them grow for a while before they are full.
        while tasks() == before {
            while ours.write(&large).now_or_never().is_some() {}
            let _gathered = ours.write(b"gathered").now_or_never();
            tokio::task::yield_now().await;
        }
        drop(ours);
        tokio::task::yield_now().await;
        assert!(tasks() <= before, "nobody stays");
    }

    #[tokio::test]
    async fn the_owner_is_told_that_a_write_failed() {
        let (mut ours, peer) = pair(&Bursts::here()).await;
        peer.set_zero_linger().unwrap();
        drop(peer);
        // Reading is how it is known that the reset has arrived.
        assert!(ours.read(&mut [0; 1]).await.is_err());
        ours.write_all(b"lost").await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(ours.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
