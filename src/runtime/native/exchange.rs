//! One request and its answer on one HTTP/1.1 connection, driven by the task that wants them.
//!
//! hyper splits a connection from its requests and would have us spawn the connection. Then each piece of an answer
//! costs two task switches. Here the caller's task drives both, and pieces that arrived together leave together.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use tokio::time::Instant;

use super::{
    alarm::Alarm,
    connect::Line,
    gate::{Gate, hushed},
    pool::Shelf,
};
use crate::runtime::{Body, BodyFault, Timers, TransportFault};

/// What arrived together is joined up to this size; a larger piece passes alone.
const JOIN: usize = 64 * 1024;
/// A piece from this size on is not worth copying.
const LARGE: usize = 16 * 1024;

/// An HTTP/1.1 connection that nobody else drives.
pub(super) struct Lane {
    sender: http1::SendRequest<Body>,
    driver: Pin<Box<http1::Connection<Line, Body>>>,
    gate: Gate,
    alarm: Alarm,
}

impl Lane {
    pub(super) async fn open(line: Line) -> Result<Self, TransportFault> {
        let (sender, driver) = http1::Builder::new().handshake(line).await.map_err(|error| TransportFault::Connect(error.into()))?;
        Ok(Self { sender, driver: Box::pin(driver), gate: Gate::default(), alarm: Alarm::default() })
    }

    /// Drives the connection once and tells whether it can take a request.
    pub(super) fn is_alive(&mut self, cx: &mut Context<'_>) -> bool {
        !self.drive(cx) && self.sender.is_ready()
    }

    /// Drives the connection as far as it goes; true when it has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.gate.exhaust(self.driver.as_mut(), cx).is_ready()
    }
}

/// Until when the next piece must have come.
pub(super) struct Deadline {
    pub(super) at: Instant,
    what: &'static str,
    alarm: Alarm,
}

impl Deadline {
    /// The deadline of the first piece of a body whose head has come.
    pub(super) fn of_body(at: Instant, alarm: Alarm) -> Self {
        Self { at, what: "more of the answer", alarm }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        self.alarm.poll(self.at, cx).map(|()| self.what)
    }
}

/// What came of a request: the answer's head, or a fault with the request where nothing of it was sent.
pub(super) type Exchanged = Result<Response<Body>, (TransportFault, Option<Box<Request<Body>>>)>;

/// Sends a request on a lane and waits for the head.
///
/// The request comes back in the error where nothing of it was sent, so that another connection may try.
pub(super) fn exchange(
    mut lane: Lane,
    request: Request<Body>,
    (timers, now): (Timers, Instant),
    shelf: Shelf,
) -> impl Future<Output = Exchanged> {
    let mut deadline = Deadline { at: now + timers.head, what: "response head", alarm: std::mem::take(&mut lane.alarm) };
    // This turn drives the connection, without being told of the request.
    let (sending, _held) = hushed(|| lane.sender.try_send_request(request));
    let mut sending = Some(Box::pin(sending));
    let mut driven = Some(lane);
    let mut shelf = Some(shelf);
    poll_fn(move |cx| {
        let Some(answering) = &mut sending else { return Poll::Pending };
        // Only driving the connection makes progress, and we do that ourselves: no need to be woken by the answer's channel.
        let mut idle = Context::from_waker(Waker::noop());
        let ended = driven.as_mut().is_none_or(|lane| lane.drive(cx));
        let mut answer = answering.as_mut().poll(&mut idle);
        if ended && answer.is_pending() {
            // Dropping the connection gives a request back that it had not begun to send.
            driven = None;
            answer = answering.as_mut().poll(&mut idle);
        }
        let head = match answer {
            Poll::Ready(Ok(head)) => head,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(refused(error))),
            Poll::Pending if ended => {
                return Poll::Ready(Err((TransportFault::Broken("connection closed before the answer".into()), None)));
            }
            Poll::Pending => return deadline.poll(cx).map(|what| Err((TransportFault::Timeout(what), None))),
        };
        sending = None;
        let Some(shelf) = shelf.take() else { return Poll::Pending };
        let (parts, incoming) = head.into_parts();
        let deadline = Deadline::of_body(deadline.at, std::mem::take(&mut deadline.alarm));
        let body = Answer { incoming, lane: driven.take(), shelf, deadline, idle_limit: timers.idle, end: now + timers.total, next: None };
        Poll::Ready(Ok(Response::from_parts(parts, Body::stream(body))))
    })
}

fn refused(mut error: TrySendError<Request<Body>>) -> (TransportFault, Option<Box<Request<Body>>>) {
    let request = error.take_message().map(Box::new);
    (TransportFault::Broken(error.into_error().into()), request)
}

/// An answer's body. It owns its connection: dropping it closes the connection at once, reading it to its end keeps it.
struct Answer {
    incoming: Incoming,
    /// The connection; gone once the body has ended.
    lane: Option<Lane>,
    shelf: Shelf,
    deadline: Deadline,
    idle_limit: Duration,
    end: Instant,
    /// What was read behind a joined piece and leaves next.
    next: Option<Step>,
}

/// Room for the pieces that follow the first one; what comes in pieces mostly comes in many.
fn start_joining(first: &[u8]) -> BytesMut {
    let mut joined = BytesMut::with_capacity(LARGE.max(first.len() * 2));
    joined.extend_from_slice(first);
    joined
}

/// What the connection gave.
enum Step {
    Data(Bytes),
    End,
    Fault(BodyFault),
}

impl Answer {
    /// The next piece, driving the connection as far as it takes.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Some(step) = self.next.take() {
            return Poll::Ready(step);
        }
        let Some(lane) = &mut self.lane else { return Poll::Ready(Step::End) };
        let mut idle = Context::from_waker(Waker::noop());
        let mut driven = false;
        loop {
            // Nobody waits for an answer before having driven its connection: it need not be told that there is room again.
            let (frame, _held) = hushed(|| Pin::new(&mut self.incoming).poll_frame(&mut idle));
            match frame {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Step::Data(data)),
                    Err(_trailers) => {}
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Step::Fault(BodyFault::Broken(error.into()))),
                Poll::Ready(None) => return Poll::Ready(Step::End),
                Poll::Pending if driven => return Poll::Pending,
                Poll::Pending => {
                    // An ended connection has left its last words, or the fault, with the body.
                    driven = true;
                    let _ended = lane.drive(cx);
                }
            }
        }
    }

    /// Gives the connection back where it can serve again.
    fn release(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some(mut lane) = self.lane.take()
            && lane.is_alive(cx)
        {
            lane.alarm = std::mem::take(&mut self.deadline.alarm);
            self.shelf.give_back(lane, now);
        }
    }

    /// Joins what has arrived behind `first`.
    fn join(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        if first.len() >= LARGE {
            return first;
        }
        let mut joined: Option<BytesMut> = None;
        loop {
            let size = joined.as_ref().map_or(first.len(), BytesMut::len);
            match self.step(cx) {
                Poll::Ready(Step::Data(data)) if size + data.len() <= JOIN => {
                    joined.get_or_insert_with(|| start_joining(&first)).extend_from_slice(&data);
                }
                Poll::Ready(step) => {
                    self.next = Some(step);
                    break;
                }
                Poll::Pending => break,
            }
        }
        joined.map_or(first, BytesMut::freeze)
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        match this.step(cx) {
            Poll::Ready(Step::Data(first)) => {
                let data = this.join(first, cx);
                // A body of stated length is over with its last piece, which whoever writes it on does not ask beyond.
                if this.next.is_none() && http_body::Body::is_end_stream(&this.incoming) {
                    this.next = Some(Step::End);
                }
                let now = Instant::now();
                if matches!(this.next, Some(Step::End)) {
                    this.release(cx, now);
                }
                this.deadline.at = (now + this.idle_limit).min(this.end);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Step::End) => {
                if this.lane.is_some() {
                    this.release(cx, Instant::now());
                }
                Poll::Ready(None)
            }
            Poll::Ready(Step::Fault(fault)) => {
                this.lane = None;
                Poll::Ready(Some(Err(fault)))
            }
            Poll::Pending => this.deadline.poll(cx).map(|what| {
                this.lane = None;
                Some(Err(BodyFault::Timeout(what)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.lane.is_none() && self.next.as_ref().is_none_or(|next| matches!(next, Step::End))
    }

    fn size_hint(&self) -> SizeHint {
        let held = match &self.next {
            Some(Step::Data(data)) => data.len() as u64,
            Some(Step::End | Step::Fault(_)) | None => 0,
        };
        let mut hint = self.incoming.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(hint.lower().saturating_add(held));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http::uri::Authority;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::{Body, Instant, Lane, Line, Poll, Request, Shelf, Timers, exchange, poll_fn};

    /// A connection at rest, and its server.
    async fn resting() -> (Lane, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        let mut lane = Lane::open(Line { io: Box::new(TokioIo::new(ours)), is_h2: false }).await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(lane.is_alive(cx))).await);
        (lane, theirs)
    }

    fn shelf() -> Shelf {
        Shelf::of(&Authority::from_static("upstream.test")).unwrap()
    }

    #[tokio::test]
    async fn a_request_comes_back_whole_where_the_server_had_hung_up() {
        let (lane, server) = resting().await;
        drop(server);
        let sent = exchange(lane, Request::new(Body::from("text".to_owned())), (Timers::default(), Instant::now()), shelf()).await;
        let (_, unsent) = sent.err().unwrap();
        assert_eq!(unsent.unwrap().into_body().collect(9).await.unwrap(), "text");
    }

    #[tokio::test]
    async fn the_last_answer_of_a_connection_is_whole() {
        let (lane, mut server) = resting().await;
        let serve = async move {
            let mut request = [0; 512];
            assert!(server.read(&mut request).await.unwrap() > 0);
            server.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ntext").await.unwrap();
        };
        let sent = async { exchange(lane, Request::new(Body::Empty), (Timers::default(), Instant::now()), shelf()).await.ok().unwrap() };
        let ((), answer) = tokio::join!(serve, sent);
        assert_eq!(answer.into_body().collect(9).await.unwrap(), "text");
    }
}
