//! One call that several clients may wait for: each hears it from its beginning, at its own pace.
//!
//! Its pilot (`pilot`) pushes the answer in, clients sit and read. What is kept is read ahead; what is not is pushed no faster than
//! the fastest client reads.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use super::held::Held;
use crate::{
    base::RequestId,
    pipeline::{engine::Place, error::GatewayError},
    protocol::fault::FaultKind,
    runtime::{Body, BodyFault, Reply},
};

/// How far a client may lie behind the fastest one in an answer that is not kept, in bytes.
const BEHIND: usize = 256 * 1024;

/// What an answer begins with.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How long its body is, where that is known.
    pub(super) length: Option<u64>,
}

impl Head {
    pub(super) fn of(reply: &Reply) -> Self {
        Self { status: reply.status, headers: reply.headers.clone(), length: reply.body.size_hint().exact() }
    }
}

/// A refusal that may be told more than once.
#[derive(Debug)]
struct Refusal(GatewayError);

impl Refusal {
    fn again(&self) -> GatewayError {
        let GatewayError { kind, public, field, retry_after, headers, allow, closes, source: _ } = &self.0;
        GatewayError {
            kind: *kind,
            public: public.clone(),
            field: field.clone(),
            retry_after: *retry_after,
            headers: headers.clone(),
            allow: allow.clone(),
            closes: *closes,
            source: None,
        }
    }
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The body is at its end.
    Whole,
    /// It broke off.
    Broken,
}

/// Why nobody can join any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The beginning is not kept.
    TooLarge,
    /// All had left, and the call was let go.
    LetGo,
}

/// One call that several clients may wait for.
#[derive(Debug)]
pub(super) struct Flight {
    /// The call that it is.
    pub(super) request_id: RequestId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Result<Head, Refusal>>,
    pieces: VecDeque<Bytes>,
    /// Pieces before those.
    dropped: usize,
    /// What the pieces take of the room for answers, while they are kept.
    held: Option<Held>,
    end: Option<End>,
    is_let_go: bool,
    seats: HashMap<usize, Sitting>,
    seated: usize,
    pilot: Option<Waker>,
}

/// Where a client is in the answer.
#[derive(Debug, Default)]
struct Sitting {
    at: usize,
    waker: Option<Waker>,
}

impl State {
    /// How many pieces have come.
    fn count(&self) -> usize {
        self.dropped + self.pieces.len()
    }

    /// Drops what everybody has, and what only those lack who are too far behind.
    fn trim(&mut self) {
        if self.held.is_some() {
            return;
        }
        let places = || self.seats.values().map(|sitting| sitting.at);
        let (slowest, fastest) = (places().min().unwrap_or(usize::MAX), places().max().unwrap_or(usize::MAX));
        let mut behind: usize = self.pieces.iter().take(fastest.saturating_sub(self.dropped)).map(Bytes::len).sum();
        while self.dropped < slowest || (self.dropped < fastest && behind > BEHIND) {
            let Some(piece) = self.pieces.pop_front() else { return };
            behind = behind.saturating_sub(piece.len());
            self.dropped += 1;
        }
    }
}

impl Flight {
    /// A call whose answer has not begun, and the first client's seat.
    pub(super) fn begin(request_id: RequestId, held: Held) -> (Arc<Self>, Seat) {
        let flight = Arc::new(Self { request_id, state: Mutex::new(State { held: Some(held), ..State::default() }) });
        let seat = Seat::take(&flight, &mut flight.state());
        (flight, seat)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for one more client.
    ///
    /// # Errors
    /// The beginning of the answer is gone, or the call is.
    pub(super) fn join(self: &Arc<Self>) -> Result<Seat, Missed> {
        let mut state = self.state();
        match (state.is_let_go, state.dropped) {
            (true, _) => Err(Missed::LetGo),
            (false, 0) => Ok(Seat::take(self, &mut state)),
            (false, _) => Err(Missed::TooLarge),
        }
    }

    /// Changes the state, and wakes whoever waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state);
        let wakers: Vec<Waker> = state.seats.values_mut().filter_map(|sitting| sitting.waker.take()).collect();
        // What a waker does may come back here.
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        changed
    }

    /// The answer begins, or there is none.
    pub(super) fn head(&self, head: Result<Head, GatewayError>) {
        self.change(|state| state.head = Some(head.map_err(Refusal)));
    }

    /// A piece of an answer that is not kept is here.
    pub(super) fn push(&self, piece: Bytes) {
        self.change(|state| state.pieces.push_back(piece));
    }

    /// Whether another piece of the answer may be kept under a limit.
    pub(super) fn may_keep(&self, piece: &Bytes, limit: u64) -> bool {
        self.state().held.as_ref().is_some_and(|held| held.may_grow(piece.len() as u64, limit))
    }

    /// Keeps another piece of the answer, where there is room for it under a limit.
    pub(super) fn keep(&self, piece: &Bytes, limit: u64) -> bool {
        self.change(|state| {
            let has_room = state.held.as_mut().is_some_and(|held| held.grow(piece.len() as u64, limit));
            if has_room {
                // A copy: the piece may be a small part of a large buffer.
                state.pieces.push_back(Bytes::copy_from_slice(piece));
            }
            has_room
        })
    }

    /// The answer is kept no longer; gives back the room that it took.
    pub(super) fn keep_no_longer(&self) {
        let mut state = self.state();
        state.held = None;
        state.trim();
    }

    /// Ready once the fastest client has all that there is; `false` where there is none, and the call is to be let go.
    pub(super) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        let count = state.count();
        match state.seats.values().map(|sitting| sitting.at).max() {
            None => {
                state.is_let_go = true;
                Poll::Ready(false)
            }
            Some(at) if at >= count => Poll::Ready(true),
            Some(_) => {
                state.pilot = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready once nobody hears an answer that is not kept: it is to be let go.
    pub(super) fn poll_deserted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.held.is_none() && state.seats.is_empty() {
            state.is_let_go = true;
            return Poll::Ready(());
        }
        state.pilot = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The whole answer, where it is kept: its pieces, and the room that they take.
    pub(super) fn whole(&self) -> Option<(Head, Vec<Bytes>, Held)> {
        let mut state = self.state();
        let Some(Ok(head)) = &state.head else { return None };
        let head = head.clone();
        let held = state.held.take()?;
        Some((head, state.pieces.iter().cloned().collect(), held))
    }

    /// Nothing more comes. What was said first stands.
    pub(super) fn end(&self, end: End) {
        self.change(|state| _ = state.end.get_or_insert(end));
    }
}

/// A client's place in a call.
#[derive(Debug)]
pub(super) struct Seat {
    flight: Arc<Flight>,
    id: usize,
}

impl Seat {
    fn take(flight: &Arc<Flight>, state: &mut State) -> Self {
        let id = state.seated;
        state.seated += 1;
        state.seats.insert(id, Sitting::default());
        Self { flight: Arc::clone(flight), id }
    }

    /// The call that the client waits for.
    pub(super) fn request_id(&self) -> RequestId {
        self.flight.request_id
    }

    /// What the answer begins with.
    ///
    /// # Errors
    /// The call's refusal.
    pub(super) async fn head(&self) -> Result<Head, GatewayError> {
        std::future::poll_fn(|cx| self.poll_head(cx)).await
    }

    fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Head, GatewayError>> {
        let mut state = self.flight.state();
        match (&state.head, state.end) {
            (Some(Ok(head)), _) => Poll::Ready(Ok(head.clone())),
            (Some(Err(refusal)), _) => Poll::Ready(Err(refusal.again())),
            (None, Some(_)) => Poll::Ready(Err(GatewayError::new(
                FaultKind::Internal,
                "the gateway failed on this call; its operator finds why in the log",
            ))),
            (None, None) => {
                self.wait(&mut state, cx);
                Poll::Pending
            }
        }
    }

    fn wait(&self, state: &mut State, cx: &Context<'_>) {
        if let Some(sitting) = state.seats.get_mut(&self.id) {
            sitting.waker = Some(cx.waker().clone());
        }
    }

    fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let mut state = self.flight.state();
        let dropped = state.dropped;
        let at = state.seats.get(&self.id).map_or(0, |sitting| sitting.at);
        let Some(place) = at.checked_sub(dropped) else { return Poll::Ready(Some(Err(left_behind()))) };
        let Some(piece) = state.pieces.get(place).cloned() else {
            return match state.end {
                Some(End::Whole) => Poll::Ready(None),
                Some(End::Broken) => Poll::Ready(Some(Err(BodyFault::Broken("the provider's answer broke off".into())))),
                None => {
                    self.wait(&mut state, cx);
                    Poll::Pending
                }
            };
        };
        if let Some(sitting) = state.seats.get_mut(&self.id) {
            sitting.at = at + 1;
        }
        state.trim();
        let pilot = state.pilot.take();
        drop(state);
        pilot.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(Ok(piece)))
    }

    /// Whether the client has all of an answer that came to its end.
    fn is_done(&self) -> bool {
        let state = self.flight.state();
        state.end == Some(End::Whole) && state.seats.get(&self.id).is_some_and(|sitting| sitting.at >= state.count())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.flight.state();
        let left = state.seats.remove(&self.id);
        state.trim();
        let pilot = state.pilot.take();
        drop(state);
        drop(left);
        pilot.into_iter().for_each(Waker::wake);
    }
}

fn left_behind() -> BodyFault {
    BodyFault::Broken("the answer is too large to be kept, and this client is too far behind another one".into())
}

/// An answer as one client hears it.
#[derive(Debug)]
pub(super) struct Hearing {
    seat: Seat,
    /// What is still to come, where that is known.
    left: Option<u64>,
    _place: Option<Place>,
}

impl Hearing {
    /// The body of an answer for a client that may hold a place among the calls in flight.
    pub(super) fn body(seat: Seat, head: &Head, place: Option<Place>) -> Body {
        Body::stream(Self { seat, left: head.length, _place: place })
    }
}

impl http_body::Body for Hearing {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        this.seat.poll_piece(cx).map(|heard| {
            heard.map(|piece| {
                let piece = piece?;
                this.left = this.left.map(|left| left.saturating_sub(piece.len() as u64));
                Ok(Frame::data(piece))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.seat.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;

    use super::{End, Flight, Missed, Seat};
    use crate::{base::RequestId, pipeline::idempotent::held::Room};

    const PIECE: usize = 100 * 1024;

    fn piece(at: u8) -> Bytes {
        Bytes::from(vec![at; PIECE])
    }

    /// What a client hears until it has to wait: the first byte of each piece, and whether it was cut off or at the end.
    fn hear(seat: &Seat) -> (Vec<u8>, Option<Result<(), ()>>) {
        let mut heard = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match seat.poll_piece(&mut cx) {
                Poll::Pending => return (heard, None),
                Poll::Ready(None) => return (heard, Some(Ok(()))),
                Poll::Ready(Some(Err(_))) => return (heard, Some(Err(()))),
                Poll::Ready(Some(Ok(piece))) => heard.push(piece[0]),
            }
        }
    }

    #[test]
    fn of_what_is_not_kept_the_fastest_hears_all_and_who_is_far_behind_is_cut_off() {
        let (flight, fast) = Flight::begin(RequestId::new(1, &[0; 10]), Room::new(0).none());
        let (near, far) = (flight.join().unwrap(), flight.join().unwrap());
        flight.keep_no_longer();
        for at in 0..2 {
            flight.push(piece(at));
        }
        assert_eq!((hear(&fast), hear(&near)), ((vec![0, 1], None), (vec![0, 1], None)));
        for at in 2..4 {
            flight.push(piece(at));
        }
        assert_eq!((hear(&fast), hear(&near)), ((vec![2, 3], None), (vec![2, 3], None)));
        flight.end(End::Whole);
        assert_eq!(hear(&near), (vec![], Some(Ok(()))));
        assert_eq!(hear(&far), (vec![], Some(Err(()))));
        assert_eq!(flight.join().unwrap_err(), Missed::TooLarge);
    }

    #[test]
    fn who_is_alone_is_waited_for_and_without_anybody_the_call_is_let_go() {
        let (flight, alone) = Flight::begin(RequestId::new(1, &[0; 10]), Room::new(0).none());
        let mut cx = Context::from_waker(Waker::noop());
        flight.keep_no_longer();
        flight.push(piece(0));
        assert_eq!(flight.poll_heard(&mut cx), Poll::Pending);
        assert_eq!(hear(&alone), (vec![0], None));
        assert_eq!(flight.poll_heard(&mut cx), Poll::Ready(true));
        drop(alone);
        assert_eq!(flight.poll_heard(&mut cx), Poll::Ready(false));
        assert_eq!(flight.join().unwrap_err(), Missed::LetGo);
    }

    #[test]
    fn what_is_kept_is_heard_from_the_beginning_by_whoever_joins() {
        let room = Room::new(1 << 20);
        let (flight, first) = Flight::begin(RequestId::new(1, &[0; 10]), room.none());
        for at in 0..3 {
            assert!(flight.keep(&piece(at), 1 << 20));
        }
        assert_eq!(hear(&first), (vec![0, 1, 2], None));
        drop(first);
        assert_eq!(hear(&flight.join().unwrap()), (vec![0, 1, 2], None));
        assert!(!flight.keep(&piece(3), 4 * PIECE as u64), "an answer has a limit of its own");
        flight.keep_no_longer();
        assert_eq!(room.taken(), 0);
    }
}
