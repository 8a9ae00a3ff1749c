//! HTTP/1.1 by hand, since a provider that misbehaves must be able to break every rule of it.

use std::io;

use http::HeaderName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// By which header [`super::secured`] names the stream that it asks for.
pub(super) const STREAM: HeaderName = HeaderName::from_static("x-lab-stream");

/// The longest request that is read, in bytes.
const LIMIT: usize = 16 << 20;

/// A request that was read to its end.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// The HTTP/2 stream that it came by, where it came by one.
    pub(super) stream: Option<String>,
}

/// A connection, and what was read of it beyond the last request.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next request; `None` where the peer is done.
    ///
    /// # Errors
    /// The socket's, and `InvalidData` where it is no HTTP/1.1.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        let head_end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if self.buffer.len() > LIMIT || self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let rest = self.buffer.split_off(head_end + 4);
        let head = std::mem::replace(&mut self.buffer, rest);
        let head = std::str::from_utf8(&head).map_err(|_| malformed("the head is no text"))?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err(malformed("there is no request line")) };
        let (method, path) = (method.to_owned(), path.to_owned());
        let header = |wanted: &str| {
            let pairs = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
            pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
        };
        let stream = header(STREAM.as_str());
        let body = if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            self.chunks().await?
        } else {
            let length = header("content-length").map_or(Ok(0), |length| length.parse());
            self.take(length.map_err(|_| malformed("content-length is no number"))?).await?
        };
        Ok(Some(Request { method, path, body, stream }))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = find(&self.buffer, b"\r\n") {
                    break at;
                }
                self.more().await?;
            };
            let line = self.take(line_end + 2).await?;
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
            let size = size.ok_or_else(|| malformed("a chunk's size is no number"))?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Exactly `count` bytes.
    async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count > LIMIT {
            return Err(malformed("the body is too long"));
        }
        while self.buffer.len() < count {
            self.more().await?;
        }
        let rest = self.buffer.split_off(count);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Writes a head. A body of known length has `content-length`, another one is chunked.
    pub(super) async fn head(&mut self, status: u16, headers: &[(&str, &str)], length: Option<usize>) -> io::Result<()> {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
            None => head.push_str("transfer-encoding: chunked\r\n\r\n"),
        }
        self.stream.write_all(head.as_bytes()).await
    }

    /// Writes one chunk; an empty one ends the body.
    pub(super) async fn chunk(&mut self, data: &[u8]) -> io::Result<()> {
        let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&chunk).await
    }

    /// Writes an answer of JSON.
    pub(super) async fn json(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> io::Result<()> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.head(status, &all, Some(body.len())).await?;
        self.stream.write_all(body.as_bytes()).await
    }

    /// Resolves once the peer has closed its side.
    pub(super) async fn closed(&self) {
        // Bytes that come early belong to the peer's next request, and it cannot be gone before that is read.
        if matches!(self.stream.peek(&mut [0]).await, Ok(count) if count > 0) {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the connection with a TCP reset.
    pub(super) fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO))
    }
}

fn find(data: &[u8], pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(data, pattern)
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
