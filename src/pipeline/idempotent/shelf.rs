//! What is known of the calls of the last day that carried an `Idempotency-Key`: in memory, bounded.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{
    asked::{Asked, Digest},
    common::Common,
    flight::{End, Flight, Head, Missed, Seat},
    held::{Held, Room},
};
use crate::{base::RequestId, runtime::Instant, store::cache::Cache};

/// What is remembered of calls that carry an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// For how long after their end; zero makes every call one of its own.
    pub span: Duration,
    /// The most calls that ended; the oldest are forgotten first.
    pub calls: usize,
    /// The most bytes of all answers; the oldest are dropped first.
    pub bytes: u64,
    /// The most bytes of one answer; what is larger passes and is not kept.
    pub answer: u64,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { span: Duration::from_hours(24), calls: 65_536, bytes: 64 << 20, answer: 4 << 20 }
    }
}

/// An answer that can be given again.
#[derive(Debug)]
pub(super) struct Kept {
    /// The call that it answered first.
    pub(super) request_id: RequestId,
    pub(super) head: Head,
    pub(super) pieces: Vec<Bytes>,
    pub(super) _held: Held,
}

/// Why an answer that was given cannot be given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    TooLarge,
    /// Later ones needed its room.
    Dropped,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Entered {
    /// It is made.
    First(Arc<Flight>, Seat),
    /// It is being made.
    Joined(Seat),
    /// It was made.
    Kept(Arc<Kept>),
    /// It was made, and its answer is not here.
    Gone(Gone),
    /// Its key belongs to another call.
    Other,
}

#[derive(Debug)]
enum State {
    Flying(Arc<Flight>),
    Kept(Arc<Kept>),
    Gone(Gone),
}

#[derive(Debug)]
struct Entry {
    /// The call that made it: what ends later than its key was taken over changes nothing.
    request_id: RequestId,
    content: Digest,
    state: State,
}

#[derive(Debug, Default)]
struct Entries {
    all: HashMap<Digest, Entry>,
    /// Those that ended, by their end.
    ended: VecDeque<(Instant, Digest, RequestId)>,
    /// Those whose answer was kept, by their end.
    kept: VecDeque<(Digest, RequestId)>,
}

impl Entries {
    fn of(&mut self, name: &Digest, request_id: RequestId) -> Option<&mut Entry> {
        self.all.get_mut(name).filter(|entry| entry.request_id == request_id)
    }

    fn forget(&mut self, name: &Digest, request_id: RequestId) {
        if self.of(name, request_id).is_some() {
            self.all.remove(name);
        }
    }

    /// Forgets the oldest of those that ended.
    fn forget_oldest(&mut self) {
        let Some((_, name, request_id)) = self.ended.pop_front() else { return };
        self.forget(&name, request_id);
        if self.kept.front() == Some(&(name, request_id)) {
            self.kept.pop_front();
        }
    }

    /// Drops the oldest answer that is kept, and remembers that there was one; `false` where there is none.
    fn drop_oldest(&mut self) -> bool {
        let Some((name, request_id)) = self.kept.pop_front() else { return false };
        if let Some(entry) = self.of(&name, request_id) {
            entry.state = State::Gone(Gone::Dropped);
        }
        true
    }
}

/// The calls of the last day by their keys.
#[derive(Debug)]
pub(in crate::pipeline) struct Shelf {
    bounds: Idempotency,
    room: Room,
    entries: Mutex<Entries>,
    common: OnceLock<Common>,
}

impl Shelf {
    pub(in crate::pipeline) fn new(bounds: Idempotency) -> Self {
        let bounds = Idempotency { answer: bounds.answer.min(bounds.bytes), ..bounds };
        Self { bounds, room: Room::new(bounds.bytes), entries: Mutex::default(), common: OnceLock::new() }
    }

    /// Whether anything is remembered at all.
    pub(super) fn is_open(&self) -> bool {
        !self.bounds.span.is_zero()
    }

    /// Shares calls with other instances from here on. What was told first stands.
    pub(in crate::pipeline) fn share(&self, cache: Arc<dyn Cache>) {
        let _first = self.common.set(Common::new(cache, self.bounds));
    }

    /// What other instances know, where there are any.
    pub(super) fn common(&self) -> Option<&Common> {
        self.common.get()
    }

    /// What became of a call that has ended here; `None` where its key is free.
    pub(super) fn became(&self, asked: Asked, request_id: RequestId) -> Option<Result<Arc<Kept>, Gone>> {
        match &self.entries().of(&asked.name, request_id)?.state {
            State::Flying(_) => None,
            State::Kept(kept) => Some(Ok(Arc::clone(kept))),
            State::Gone(gone) => Some(Err(*gone)),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what becomes of a call at `now`. Of all who come with one key, one alone is the first.
    pub(super) fn enter(&self, asked: Asked, request_id: RequestId, now: Instant) -> Entered {
        let mut entries = self.entries();
        while entries.ended.front().is_some_and(|(end, ..)| now.since(*end) >= self.bounds.span) {
            entries.forget_oldest();
        }
        if let Some(entry) = entries.all.get(&asked.name) {
            if entry.content != asked.content {
                return Entered::Other;
            }
            match &entry.state {
                State::Kept(kept) => return Entered::Kept(Arc::clone(kept)),
                State::Gone(gone) => return Entered::Gone(*gone),
                State::Flying(flight) => match flight.join() {
                    Ok(seat) => return Entered::Joined(seat),
                    Err(Missed::TooLarge) => return Entered::Gone(Gone::TooLarge),
                    Err(Missed::LetGo) => {}
                },
            }
        }
        let (flight, seat) = Flight::begin(request_id, self.room.none());
        let state = State::Flying(Arc::clone(&flight));
        entries.all.insert(asked.name, Entry { request_id, content: asked.content, state });
        Entered::First(flight, seat)
    }

    /// Keeps a piece of an answer, at the cost of older answers; `false` where it is too much.
    pub(super) fn keep(&self, flight: &Flight, piece: &Bytes) -> bool {
        if !flight.may_keep(piece, self.bounds.answer) {
            return false;
        }
        while self.room.lacks(piece.len() as u64) && self.entries().drop_oldest() {}
        flight.keep(piece, self.bounds.answer)
    }

    /// A call is made that its key shall not stand for: the next one with it is made anew.
    pub(super) fn forget(&self, asked: Asked, request_id: RequestId) {
        self.entries().forget(&asked.name, request_id);
    }

    /// Nobody makes a call any more: where it did not come to its end, it has broken off.
    pub(super) fn left(&self, asked: Asked, flight: &Flight) {
        let mut entries = self.entries();
        if entries.of(&asked.name, flight.request_id).is_some_and(|entry| matches!(entry.state, State::Flying(_))) {
            entries.all.remove(&asked.name);
        }
        drop(entries);
        flight.end(End::Broken);
    }

    /// A call came to its good end at `now`.
    pub(super) fn ended(&self, asked: Asked, flight: &Flight, now: Instant) {
        let whole = flight.whole();
        let mut entries = self.entries();
        let request_id = flight.request_id;
        let Some(entry) = entries.of(&asked.name, request_id) else { return };
        let is_kept = whole.is_some();
        entry.state = whole.map_or(State::Gone(Gone::TooLarge), |(head, pieces, held)| {
            State::Kept(Arc::new(Kept { request_id, head, pieces, _held: held }))
        });
        entries.ended.push_back((now, asked.name, request_id));
        if is_kept {
            entries.kept.push_back((asked.name, request_id));
        }
        while entries.ended.len() > self.bounds.calls {
            entries.forget_oldest();
        }
    }
}
