//! A Unix socket between two processes: lines of JSON, and open files beside some of them.
//!
//! A file goes with the first byte of its line, so it is here when the line is.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream as StdStream,
    sync::Arc,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::{io::Interest, net::UnixStream, sync::mpsc, task::JoinHandle};

use super::words::Word;

/// Lines that may wait to be written. Who says more waits.
const WAITING: usize = 256;
/// How much is read at once, and how many files with it.
const GULP: usize = 64 << 10;
const FILES: usize = 16;

/// A line to be said, with a file where one goes with it.
pub(super) type Said = (Word, Option<OwnedFd>);

/// Where words are said. The writing ends when all of them are gone.
pub(super) type Mouth = mpsc::Sender<Said>;

/// Where words are heard.
#[derive(Debug)]
pub(super) struct Ear {
    stream: Arc<UnixStream>,
    bytes: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

/// Opens an end of the line. With it comes the task that writes.
#[expect(clippy::disallowed_methods, reason = "the line outlives the platform's tasks: what they end is told over it")]
pub(super) fn open(stream: StdStream) -> io::Result<(Mouth, Ear, JoinHandle<()>)> {
    stream.set_nonblocking(true)?;
    let stream = Arc::new(UnixStream::from_std(stream)?);
    let (mouth, said) = mpsc::channel(WAITING);
    let writing = tokio::spawn(write(Arc::clone(&stream), said));
    Ok((mouth, Ear { stream, bytes: Vec::new(), files: VecDeque::new() }, writing))
}

/// Writes what is said, until nobody can say more or nobody hears.
async fn write(stream: Arc<UnixStream>, mut said: mpsc::Receiver<Said>) {
    while let Some((word, file)) = said.recv().await {
        if let Err(error) = write_one(&stream, &word, file).await {
            tracing::debug!(%error, "the other process does not hear");
            return;
        }
    }
}

async fn write_one(stream: &UnixStream, word: &Word, mut file: Option<OwnedFd>) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let count = stream.async_io(Interest::WRITABLE, || Ok(send(stream, rest, file.as_ref())?)).await?;
        // It goes once.
        file = None;
        rest = &rest[count..];
    }
    Ok(())
}

/// Sends bytes, and a file beside them.
fn send(stream: impl AsFd, bytes: &[u8], file: Option<&OwnedFd>) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let files = file.map(|file| [file.as_fd()]);
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if let Some(files) = &files {
        beside.push(SendAncillaryMessage::ScmRights(files));
    }
    sendmsg(stream, &[IoSlice::new(bytes)], &mut beside, SendFlags::empty())
}

/// Says one word at once, to whoever reads the other end of a socket.
pub(super) fn blurt(socket: impl AsFd, word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    send(socket, &line, None)?;
    Ok(())
}

impl Ear {
    /// The next word; `None` where the other process said its last. Cancelling it loses nothing.
    pub(super) async fn hear(&mut self) -> io::Result<Option<Word>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.bytes) {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(io::Error::other);
            }
            let (stream, bytes, files) = (&self.stream, &mut self.bytes, &mut self.files);
            if stream.async_io(Interest::READABLE, || receive(stream, bytes, files)).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The file that came with the word that was just heard.
    pub(super) fn file(&mut self) -> io::Result<OwnedFd> {
        self.files.pop_front().ok_or_else(|| io::Error::other("a file was told, and none came"))
    }
}

/// Reads what is there, and the files beside it.
fn receive(stream: &UnixStream, bytes: &mut Vec<u8>, files: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = vec![0; GULP];
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut buffer)], &mut beside, RecvFlags::empty())?.bytes;
    bytes.extend_from_slice(&buffer[..got]);
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            for file in received {
                // A copy is closed where this process starts another one; not every system gives the received file so.
                files.push_back(file.try_clone()?);
            }
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[tokio::test]
    async fn words_arrive_in_order_with_the_files_that_go_with_them() {
        let (ours, theirs) = StdStream::pair().unwrap();
        let ((mouth, _ear, _writing), (_mouth, mut ear, _other)) = (open(ours).unwrap(), open(theirs).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut client, address) = (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.local_addr().unwrap());
        let served = listener.accept().unwrap().0;
        mouth.send((Word::Listener { version: 1 }, Some(listener.into()))).await.unwrap();
        mouth.send((Word::Failed("x".repeat(1 << 20)), None)).await.unwrap();
        mouth.send((Word::Connection { peer: address.ip(), read: b"GET".to_vec() }, Some(served.into()))).await.unwrap();
        drop(mouth);
        assert!(matches!(ear.hear().await, Ok(Some(Word::Listener { version: 1 }))));
        assert_eq!(TcpListener::from(ear.file().unwrap()).local_addr().unwrap(), address);
        assert!(matches!(ear.hear().await, Ok(Some(Word::Failed(text))) if text.len() == 1 << 20));
        assert!(matches!(ear.hear().await, Ok(Some(Word::Connection { read, .. })) if read == b"GET"));
        TcpStream::from(ear.file().unwrap()).write_all(b"ok").unwrap();
        let mut read = [0; 2];
        client.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"ok");
        assert!(ear.file().is_err());
    }

    #[tokio::test]
    async fn the_end_of_the_other_process_is_heard() {
        let (ours, theirs) = StdStream::pair().unwrap();
        let (_mouth, mut ear, _writing) = open(ours).unwrap();
        blurt(&theirs, &Word::Failed("no".into())).unwrap();
        drop(theirs);
        assert!(matches!(ear.hear().await, Ok(Some(Word::Failed(why))) if why == "no"));
        assert!(matches!(ear.hear().await, Ok(None)));
    }
}
