//! The beginning of an answer, held until it says something: until then nobody has seen anything of it, and any fault of
//! it can still be somebody else's turn.
//!
//! A stream is held until its first content event, a whole answer until it is there, as long as it is short. What is held
//! passes on as it came.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::{Frame, SizeHint};

use super::judge::{self, Judged};
use crate::{
    protocol::{
        Operation, OperationKey, OperationKind,
        frame::{Framing, json_array, ndjson, sse},
        opening::{Opening, is_blocked, opening},
    },
    runtime::{Body, BodyFault, BoxFuture, Clock, Instant, Reply},
    usage::Shape,
};

/// A whole answer is held up to this size, in bytes.
const WHOLE: usize = 256 * 1024;
/// So much of a stream without content is content enough.
const PREAMBLE: usize = 1024 * 1024;

/// Why an answer that began well is none.
#[derive(Debug)]
pub(super) enum Unopened {
    /// It broke off, or went silent.
    Fault(Judged, BodyFault),
    /// It says itself that it failed: what it means. The answer is as it came.
    Failed(Judged),
}

/// What becomes of an answer that says nothing but that a policy kept it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnBlock {
    /// It is the answer.
    Passes,
    /// The call is declined: its route has others for that.
    Declined,
}

/// What is held of an answer.
struct Held<'c> {
    clock: &'c dyn Clock,
    body: Body,
    pieces: VecDeque<Bytes>,
    len: usize,
    /// Until when it has to say something.
    limit: Option<Duration>,
    alarm: Option<BoxFuture<'static, ()>>,
}

/// Holds an answer until it says something, which it must within `limit` of when it was asked for.
pub(super) async fn opened(
    clock: &dyn Clock,
    reply: &mut Reply,
    (key, shape, on_block): (OperationKey, Shape, OnBlock),
    (sent, limit): (Instant, Duration),
) -> Result<(), Unopened> {
    if shape == Shape::Whole && !is_json(reply) {
        return if makes_text(key) && says_html(reply) { Err(cut(BodyFault::Broken("a web page".into()))) } else { Ok(()) };
    }
    if is_coded(reply) {
        // What cannot be read cannot be billed, and a few bytes of it may stand for gigabytes. Nobody asked for it.
        return Err(cut(BodyFault::Broken("a content coding that nobody asked for".into())));
    }
    let limit = (shape != Shape::Whole).then(|| limit.saturating_sub(clock.now().since(sent)));
    let mut held = Held { clock, body: std::mem::take(&mut reply.body), pieces: VecDeque::new(), len: 0, limit, alarm: None };
    // A stream's in a box, since whole answers wait here too.
    let is = match shape {
        Shape::Whole => held.whole(makes_text(key), (key.kind(), on_block)).await,
        Shape::Sse => Box::pin(held.stream(key, Framing::Sse(sse::Splitter::default()), on_block)).await,
        Shape::Ndjson => Box::pin(held.stream(key, Framing::Ndjson(ndjson::Lines::default()), on_block)).await,
        Shape::JsonArray => Box::pin(held.stream(key, Framing::JsonArray(json_array::Elements::default()), on_block)).await,
    };
    let failed = match is {
        Ok(is) => is,
        Err(fault) => return Err(cut(fault)),
    };
    reply.body = held.resume();
    match failed {
        None => Ok(()),
        Some(words) => {
            let is_error = on_block == OnBlock::Passes || !is_blocked(key.kind(), &words);
            let judged = if is_error { judge::error_within(&words, (key.kind().family(), clock.unix_ms())) } else { judge::BLOCKED };
            Err(Unopened::Failed(judged))
        }
    }
}

fn cut(fault: BodyFault) -> Unopened {
    Unopened::Fault(judge::broken_off(&fault), fault)
}

impl Held<'_> {
    /// Reads on; false at the end.
    async fn more(&mut self) -> Result<Option<Bytes>, BodyFault> {
        let piece = poll_fn(|cx| self.poll(cx)).await.transpose()?;
        if let Some(piece) = &piece {
            self.len += piece.len();
            self.pieces.push_back(piece.clone());
        }
        Ok(piece)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_data(cx) {
            return Poll::Ready(piece);
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| self.clock.sleep(limit));
        alarm.as_mut().poll(cx).map(|()| Some(Err(BodyFault::Timeout("content"))))
    }

    /// Reads a whole answer, as long as it is short; gives the error that it is, where it is one. Only a text cannot be empty.
    async fn whole(&mut self, is_text: bool, (kind, on_block): (OperationKind, OnBlock)) -> Result<Option<Vec<u8>>, BodyFault> {
        while self.more().await?.is_some() {
            if self.len > WHOLE {
                return Ok(None);
            }
        }
        let first = self.pieces.iter().flatten().find(|byte| !byte.is_ascii_whitespace());
        let last = self.pieces.iter().rev().flat_map(|piece| piece.iter().rev()).find(|byte| !byte.is_ascii_whitespace());
        match (first, last) {
            (Some(b'{'), Some(b'}')) if self.begins_with_error() => Ok(Some(self.pieces.iter().flatten().copied().collect())),
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => {
                let is_wanted = on_block == OnBlock::Declined;
                let words = is_wanted.then(|| self.pieces.iter().flatten().copied().collect::<Vec<u8>>());
                Ok(words.filter(|words| is_blocked(kind, words)))
            }
            (None, None) if !is_text => Ok(None),
            // A byte order mark, a bare value: odd, and whole.
            (Some(first), Some(_)) if !matches!(first, b'{' | b'[' | b'<') => Ok(None),
            _ => Err(BodyFault::Broken("no whole JSON".into())),
        }
    }

    fn begins_with_error(&self) -> bool {
        let mut bytes = self.pieces.iter().flatten().filter(|byte| !byte.is_ascii_whitespace());
        bytes.by_ref().take(9).eq(b"{\"error\":") && bytes.next() == Some(&b'{')
    }

    /// Reads a stream up to its first content; gives the error that it says, where it says one.
    async fn stream(&mut self, key: OperationKey, mut framing: Framing, on_block: OnBlock) -> Result<Option<Vec<u8>>, BodyFault> {
        let (mut is, mut words) = (Opening::Preamble, Vec::new());
        let mut look = |data: &[u8]| {
            if is == Opening::Preamble && !data.is_empty() {
                is = opening(key.kind(), data);
                if is == Opening::Content && on_block == OnBlock::Declined && is_blocked(key.kind(), data) {
                    is = Opening::Failed;
                }
                if is == Opening::Failed {
                    words.extend_from_slice(data);
                }
            }
            is
        };
        loop {
            let mut now = Opening::Preamble;
            let Some(piece) = self.more().await? else {
                framing.finish(&mut |event| now = look(event.data));
                return match now {
                    Opening::Preamble => Err(BodyFault::Broken("the stream ended before it said anything".into())),
                    Opening::Content => Ok(None),
                    Opening::Failed => Ok(Some(words)),
                };
            };
            let is_unreadable = framing.push(&piece, &mut |event| now = look(event.data)).is_err();
            match now {
                Opening::Failed => return Ok(Some(words)),
                Opening::Content => return Ok(None),
                Opening::Preamble if is_unreadable || self.len > PREAMBLE => return Ok(None),
                Opening::Preamble => {}
            }
        }
    }

    /// The answer, with what was held before what is to come.
    fn resume(self) -> Body {
        if http_body::Body::is_end_stream(&self.body) {
            Body::Pieces(self.pieces)
        } else {
            Body::stream(Resumed { pieces: self.pieces, body: self.body })
        }
    }
}

fn content_type(reply: &Reply) -> &str {
    reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn is_coded(reply: &Reply) -> bool {
    reply.headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_json(reply: &Reply) -> bool {
    content_type(reply).starts_with("application/json")
}

fn says_html(reply: &Reply) -> bool {
    content_type(reply).starts_with("text/html")
}

fn makes_text(key: OperationKey) -> bool {
    matches!(key.operation(), Operation::GenerateContent | Operation::StreamGenerateContent | Operation::CreateCompletion)
}

/// What was held, then the rest.
struct Resumed {
    pieces: VecDeque<Bytes>,
    body: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        let rest = http_body::Body::size_hint(&self.body);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}
