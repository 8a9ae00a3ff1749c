//! A body: nothing, bytes in hand, or a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The peer broke off, or spoke garbage.
    #[error("body broke off: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came for too long.
    #[error("no {0} in time")]
    Timeout(&'static str),
    /// A client said nothing for too long in the midst of its request.
    #[error("nothing of the body came for {} seconds", span.as_secs())]
    Stalled {
        /// So long.
        span: Duration,
    },
    /// More came than is allowed.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// A stream of bytes that some room produces.
pub(super) type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyFault> + Send>>;

/// A body: nothing, bytes in hand, or a stream.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes in hand, in order; sent as they lie, without joining them.
    Pieces(VecDeque<Bytes>),
    /// Bytes to come.
    Stream(Stream),
}

impl Body {
    /// Takes a stream of another room or crate.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = BodyFault> + Send + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// Bytes in hand, or the stream back.
    ///
    /// # Errors
    /// Gives the body back where it is a stream.
    pub fn into_pieces(self) -> Result<VecDeque<Bytes>, Self> {
        match self {
            Self::Empty => Ok(VecDeque::new()),
            Self::Pieces(pieces) => Ok(pieces),
            Self::Stream(_) => Err(self),
        }
    }

    /// Reads all of it into one buffer of at most `limit` bytes.
    ///
    /// # Errors
    /// The stream's own fault, or [`BodyFault::TooLarge`].
    pub async fn collect(mut self, limit: u64) -> Result<Bytes, BodyFault> {
        if let Self::Pieces(pieces) = &mut self
            && pieces.len() <= 1
        {
            let whole = pieces.pop_front().unwrap_or_default();
            return if whole.len() as u64 > limit { Err(BodyFault::TooLarge { limit }) } else { Ok(whole) };
        }
        let hint = http_body::Body::size_hint(&self);
        if hint.lower() > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        // A stated length is a promise of the peer: believe up to a megabyte of it before the bytes come.
        let first = usize::try_from(hint.lower().min(1 << 20)).unwrap_or(0);
        let mut whole = Vec::new();
        let exact = hint.exact().and_then(|length| usize::try_from(length).ok());
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_data(cx)).await {
            let data = frame?;
            if (whole.len() + data.len()) as u64 > limit {
                return Err(BodyFault::TooLarge { limit });
            }
            if whole.is_empty() && exact == Some(data.len()) {
                return Ok(data);
            }
            if whole.is_empty() {
                whole.reserve_exact(first);
            }
            if let Some(length) = exact
                && whole.capacity() < whole.len() + data.len()
            {
                whole.reserve_exact(length - whole.len());
            }
            whole.extend_from_slice(&data);
        }
        Ok(Bytes::from(whole))
    }

    /// The next bytes, passing over trailers.
    pub fn poll_data(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            match ready!(http_body::Body::poll_frame(self.as_mut(), cx)) {
                None => return Poll::Ready(None),
                Some(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(whole: Bytes) -> Self {
        if whole.is_empty() { Self::Empty } else { Self::Pieces(VecDeque::from([whole])) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self::Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Pieces(pieces) => write!(f, "Pieces({} bytes)", pieces.iter().map(Bytes::len).sum::<usize>()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Pieces(pieces) => pieces.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}
