//! What is asked of the counters, and what they answer.

use serde::{Deserialize, Serialize};

use super::{counter::Counter, meter::Meter};
use crate::base::RequestId;

/// What one request wants of its meters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The owner of the reservation.
    pub id: RequestId,
    /// Now, Unix milliseconds.
    pub now_ms: u64,
    /// How long the reservation stands unless it is extended, milliseconds.
    pub lease_ms: u64,
    /// One for each limit and quota. A meter may be named more than once.
    pub draws: Vec<Draw>,
}

/// What is drawn from one meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Which.
    pub meter: Meter,
    /// The most that its window may hold.
    pub limit: i64,
    /// How much: one, of requests and concurrency. Below zero counts as zero.
    pub amount: i64,
}

/// What was really used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// On which meter.
    pub meter: Meter,
    /// How much. Below zero counts as zero.
    pub amount: i64,
}

/// Whether a request may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// It may, and holds what it asked for. For each draw on requests or tokens, in their order, what is left.
    Admitted(Vec<Room>),
    /// It may not, and nothing was taken.
    Refused(Refusal),
}

/// What is left of one limit after an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Of which meter.
    pub meter: Meter,
    /// The most that its window may hold.
    pub limit: i64,
    /// What may still be drawn now; zero or more.
    pub remaining: i64,
    /// Milliseconds until all of it is there again, at the latest, if nothing more is drawn; `None`: never by itself.
    pub reset_ms: Option<u64>,
}

impl Room {
    /// After a draw in a place of its window, with so much of it taken.
    pub(super) fn after(draw: &Draw, taken: i64, place: u64, now_ms: u64) -> Self {
        let reset_ms = draw.meter.window.forgets(place).map(|at| at.saturating_sub(now_ms));
        Self { meter: draw.meter, limit: draw.limit, remaining: draw.limit.saturating_sub(taken).max(0), reset_ms }
    }
}

/// Why a request may not go on. Where several meters refuse, the one that refuses longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which meter is too full.
    pub meter: Meter,
    /// The most that its window may hold.
    pub limit: i64,
    /// Spent within the window.
    pub used: i64,
    /// Reserved by others, and by the claim's earlier draws.
    pub reserved: i64,
    /// What was asked for.
    pub asked: i64,
    /// Milliseconds after which the same may fit; `None` where only an operator can help.
    pub retry_after_ms: Option<u64>,
}

/// How long after its lease a call's end is still spent.
pub(super) const LATE_MS: u64 = 86_400_000;

/// The end of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// This call ended it.
    Now,
    /// It had ended before, or never was.
    Already,
    /// The store cannot be reached, and is told later; only [`super::guarded`] says so.
    Owed,
}

/// What a meter holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Spent within the window.
    pub spent: i64,
    /// Reserved now.
    pub reserved: i64,
    /// Milliseconds until nothing of what is spent counts any more; `None`: never, or nothing is spent.
    pub reset_ms: Option<u64>,
    /// Whether the store knows the meter: one that it does not know may have to be seeded.
    pub known: bool,
}

impl Reading {
    pub(super) fn of(counter: &Counter, meter: Meter, now_ms: u64) -> Self {
        let reset_ms = if counter.spent() == 0 { None } else { counter.reset_ms(meter.window, now_ms) };
        Self { spent: counter.spent(), reserved: counter.reserved, reset_ms, known: true }
    }
}

/// Everything that counters hold, as it goes from one process to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Each meter with what was spent in the places of its window.
    pub meters: Vec<(Meter, Vec<(u64, i64)>)>,
    /// The reservations that stand.
    pub standing: Vec<Standing>,
}

/// A reservation that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its owner.
    pub id: RequestId,
    /// The end of its lease, Unix milliseconds.
    pub until_ms: u64,
    /// What it holds.
    pub draws: Vec<Draw>,
}

/// Whether reservations and meters agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Live reservations.
    pub reservations: u64,
    /// What all meters hold as reserved, by unit, in the order of [`super::Counts::ALL`].
    pub reserved: [i128; 4],
    /// What all reservations say, likewise.
    pub entries: [i128; 4],
    /// Meters on which the two differ; none, or there is a bug.
    pub differing: u64,
}

impl Audit {
    /// Whether the two agree on every meter.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differing == 0 && self.reserved == self.entries
    }
}
