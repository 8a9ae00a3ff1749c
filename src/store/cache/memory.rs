//! Counters and values of one instance. Every step is done when the call returns, so the answer always stands.
//!
//! Meters lie in shards by scope, reservations in shards by id. A step locks the shard of its reservation first, then those of its
//! meters in ascending order, so that no two steps wait for each other and nobody sees a step half done.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Answer, CacheFault, Counted, Counters,
    claim::{Admission, Audit, Claim, Draw, End, Holdings, LATE_MS, Reading, Refusal, Spend, Standing},
    counter::{Counter, longer},
    meter::{Counts, Meter},
};
use crate::base::{QuickHasher, QuickMap, RequestId};

mod values;

pub use values::MemoryCache;

/// Shards of each sort; one bit each in a mask.
const SHARDS: usize = 64;
/// Reservations that one sweep ends.
const SWEEP: usize = 1_000;

type Meters = QuickMap<Meter, Counter>;
type Reservations = QuickMap<RequestId, Reservation>;

/// Counters in memory.
#[derive(Debug)]
pub struct MemoryCounters {
    reservations: [Mutex<Reservations>; SHARDS],
    meters: [Mutex<Meters>; SHARDS],
    /// Requests whose lease was over before they ended, with the moment until which their end is still spent.
    lapsed: Mutex<QuickMap<RequestId, u64>>,
    /// Sweeps so far: each tidies one shard of meters.
    sweeps: AtomicUsize,
}

/// What one request holds.
#[derive(Debug)]
struct Reservation {
    until_ms: u64,
    draws: Vec<Draw>,
}

/// The locked shards of some meters.
struct Locked<'a> {
    mask: u64,
    shards: Vec<MutexGuard<'a, Meters>>,
}

impl Locked<'_> {
    fn shard(&mut self, meter: &Meter) -> Option<&mut Meters> {
        let below = self.mask & ((1 << shard(meter)) - 1);
        self.shards.get_mut(below.count_ones() as usize).map(|shard| &mut **shard)
    }

    /// The counter of a meter whose shard is locked, made where there is none, as it stands at `now_ms`.
    fn counter(&mut self, meter: &Meter, now_ms: u64) -> Option<&mut Counter> {
        let counter = self.shard(meter)?.entry(*meter).or_default();
        counter.advance(meter.window, meter.window.place(now_ms));
        Some(counter)
    }

    fn unreserve(&mut self, draws: &[Draw]) {
        for draw in draws.iter().filter(|draw| !draw.meter.spends_at_once()) {
            if let Some(counter) = self.shard(&draw.meter).and_then(|meters| meters.get_mut(&draw.meter)) {
                counter.reserved = counter.reserved.saturating_sub(draw.amount);
            }
        }
    }
}

/// All meters of a scope lie in one shard; ids that count up fall into shards of their own.
fn shard(meter: &Meter) -> usize {
    let word = meter.scope.cast_unsigned().wrapping_mul(4).wrapping_add(meter.kind as u64);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

fn mask<'a>(meters: impl Iterator<Item = &'a Meter>) -> u64 {
    meters.fold(0, |mask, meter| mask | 1 << shard(meter))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two changes of a step cannot happen: they are plain arithmetic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryCounters {
    /// Makes empty counters.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reservations: std::array::from_fn(|_| Mutex::default()),
            meters: std::array::from_fn(|_| Mutex::default()),
            lapsed: Mutex::default(),
            sweeps: AtomicUsize::new(0),
        }
    }

    /// [`Counters::admit`], at once.
    ///
    /// # Errors
    ///
    /// [`CacheFault::Held`].
    pub fn admit_now(&self, mut claim: Claim) -> Result<Admission, CacheFault> {
        let mut reservations = self.reservations_of(claim.id);
        if reservations.contains_key(&claim.id) {
            return Err(CacheFault::Held(claim.id));
        }
        for draw in &mut claim.draws {
            draw.amount = draw.amount.max(0);
        }
        let mut locked = self.locked(mask(claim.draws.iter().map(|draw| &draw.meter)));
        let mut rooms = Vec::with_capacity(claim.draws.len());
        for (at, draw) in claim.draws.iter().enumerate() {
            let Some(counter) = locked.counter(&draw.meter, claim.now_ms) else { continue };
            if !counter.fits(draw.limit, draw.amount) {
                let (taken, rest) = (&claim.draws[..at], &claim.draws[at + 1..]);
                let refusal = counter.refusal(draw, claim.now_ms);
                return Ok(Admission::Refused(refuse(&mut locked, taken, rest, (refusal, claim.now_ms))));
            }
            counter.take(&draw.meter, draw.amount);
            match draw.meter.counts {
                Counts::Requests | Counts::Tokens => rooms.push(counter.room(draw, claim.now_ms)),
                Counts::NanoDollars | Counts::Concurrency => {}
            }
        }
        let reservation = Reservation { until_ms: claim.now_ms.saturating_add(claim.lease_ms), draws: claim.draws };
        reservations.insert(claim.id, reservation);
        Ok(Admission::Admitted(rooms))
    }

    /// [`Counters::settle`], at once.
    pub fn settle_now(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> End {
        let mut reservations = self.reservations_of(id);
        let draws = match reservations.remove(&id) {
            Some(reservation) => reservation.draws,
            None if lock(&self.lapsed).remove(&id).is_some() => Vec::new(),
            None => return End::Already,
        };
        let meters = draws.iter().map(|draw| &draw.meter).chain(actuals.iter().map(|spend| &spend.meter));
        let mut locked = self.locked(mask(meters));
        locked.unreserve(&draws);
        for spend in actuals.iter().filter(|spend| spend.meter.settles()) {
            if let Some(counter) = locked.counter(&spend.meter, now_ms) {
                counter.spend(spend.amount.max(0));
            }
        }
        End::Now
    }

    /// [`Counters::release`], at once.
    pub fn release_now(&self, id: RequestId) -> End {
        self.settle_now(id, 0, &[])
    }

    fn unreserve(&self, draws: &[Draw]) {
        self.locked(mask(draws.iter().map(|draw| &draw.meter))).unreserve(draws);
    }

    fn reservations_of(&self, id: RequestId) -> MutexGuard<'_, Reservations> {
        let hash = BuildHasherDefault::<QuickHasher>::default().hash_one(id);
        // The map takes the lowest and the highest bits.
        lock(&self.reservations[(hash >> 32) as usize % SHARDS])
    }

    fn locked(&self, mask: u64) -> Locked<'_> {
        let mut shards = Vec::with_capacity(mask.count_ones() as usize);
        let mut rest = mask;
        while rest != 0 {
            shards.push(lock(&self.meters[rest.trailing_zeros() as usize]));
            rest &= rest - 1;
        }
        Locked { mask, shards }
    }

    /// [`Counters::sweep`], at once.
    pub fn swept(&self, now_ms: u64) -> Vec<RequestId> {
        let mut ended = Vec::new();
        for shard in &self.reservations {
            let mut reservations = lock(shard);
            let overdue = reservations.extract_if(|_, reservation| reservation.until_ms <= now_ms).take(SWEEP - ended.len());
            for (id, reservation) in overdue.collect::<Vec<_>>() {
                self.unreserve(&reservation.draws);
                lock(&self.lapsed).insert(id, now_ms.saturating_add(LATE_MS));
                ended.push(id);
            }
        }
        self.tidy(now_ms);
        ended
    }

    /// Drops the meters of one shard that hold nothing.
    fn tidy(&self, now_ms: u64) {
        lock(&self.lapsed).retain(|_, until_ms| *until_ms > now_ms);
        let turn = self.sweeps.fetch_add(1, Ordering::Relaxed);
        lock(&self.meters[turn % SHARDS]).retain(|meter, counter| {
            counter.advance(meter.window, meter.window.place(now_ms));
            counter.spent() != 0 || counter.reserved != 0
        });
    }

    /// Everything that is held, in one atomic look.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let reservations: Vec<_> = self.reservations.iter().map(lock).collect();
        let meters: Vec<_> = self.meters.iter().map(lock).collect();
        let standing = |(id, one): (&RequestId, &Reservation)| Standing { id: *id, until_ms: one.until_ms, draws: one.draws.clone() };
        Holdings {
            meters: meters.iter().flat_map(|shard| shard.iter()).map(|(meter, counter)| (*meter, counter.places())).collect(),
            standing: reservations.iter().flat_map(|shard| shard.iter()).map(standing).collect(),
        }
    }

    /// Goes on with what other counters held. A meter that is told takes the place of one that stands here; a reservation is
    /// taken over whatever its limits.
    pub fn take_over(&self, holdings: Holdings) {
        for (meter, places) in holdings.meters {
            let mut meters = lock(&self.meters[shard(&meter)]);
            let counter = meters.entry(meter).or_default();
            *counter = Counter::restore(meter.window, places, counter.reserved);
        }
        for Standing { id, until_ms, draws } in holdings.standing {
            let mut reservations = self.reservations_of(id);
            let mut locked = self.locked(mask(draws.iter().map(|draw| &draw.meter)));
            for draw in draws.iter().filter(|draw| !draw.meter.spends_at_once()) {
                if let Some(meters) = locked.shard(&draw.meter) {
                    meters.entry(draw.meter).or_default().take(&draw.meter, draw.amount);
                }
            }
            reservations.insert(id, Reservation { until_ms, draws });
        }
    }

    fn audited(&self) -> Audit {
        let reservations: Vec<_> = self.reservations.iter().map(lock).collect();
        let meters: Vec<_> = self.meters.iter().map(lock).collect();
        let mut audit = Audit { reservations: reservations.iter().map(|shard| shard.len() as u64).sum(), ..Audit::default() };
        let mut entries: QuickMap<Meter, i128> = QuickMap::default();
        let draws = reservations.iter().flat_map(|shard| shard.values()).flat_map(|reservation| &reservation.draws);
        for draw in draws.filter(|draw| !draw.meter.spends_at_once()) {
            *entries.entry(draw.meter).or_default() += i128::from(draw.amount);
            audit.entries[draw.meter.counts as usize] += i128::from(draw.amount);
        }
        for (meter, counter) in meters.iter().flat_map(|shard| shard.iter()) {
            let reserved = i128::from(counter.reserved);
            audit.reserved[meter.counts as usize] += reserved;
            audit.differing += u64::from(entries.remove(meter).unwrap_or_default() != reserved);
        }
        audit.differing += entries.values().filter(|amount| **amount != 0).count() as u64;
        audit
    }
}

/// Gives back what was taken, and finds which of the draws that do not fit refuses longest: the first, or one of the rest.
#[cold]
fn refuse(locked: &mut Locked<'_>, taken: &[Draw], rest: &[Draw], (mut refusal, now_ms): (Refusal, u64)) -> Refusal {
    for draw in rest {
        if let Some(counter) = locked.counter(&draw.meter, now_ms)
            && !counter.fits(draw.limit, draw.amount)
        {
            refusal = longer(refusal, counter.refusal(draw, now_ms));
        }
    }
    for draw in taken {
        if let Some(counter) = locked.counter(&draw.meter, now_ms) {
            counter.give_back(&draw.meter, draw.amount);
        }
    }
    refusal
}

impl Default for MemoryCounters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters for MemoryCounters {
    fn admit(&self, claim: Claim) -> Counted<'_, Admission> {
        Answer::now(self.admit_now(claim))
    }

    fn settle(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End> {
        Answer::now(Ok(self.settle_now(id, now_ms, actuals)))
    }

    fn release(&self, id: RequestId) -> Counted<'_, End> {
        Answer::now(Ok(self.release_now(id)))
    }

    fn extend(&self, ids: &[RequestId], until_ms: u64) -> Counted<'_, ()> {
        for id in ids {
            if let Some(reservation) = self.reservations_of(*id).get_mut(id) {
                reservation.until_ms = reservation.until_ms.max(until_ms);
            }
        }
        Answer::now(Ok(()))
    }

    fn sweep(&self, now_ms: u64) -> Counted<'_, Vec<RequestId>> {
        Answer::now(Ok(self.swept(now_ms)))
    }

    fn seed(&self, meter: Meter, at_ms: u64, spent: i64) -> Counted<'_, ()> {
        let mut meters = lock(&self.meters[shard(&meter)]);
        meters.entry(meter).or_default().seed(meter.window, meter.window.place(at_ms), spent.max(0));
        Answer::now(Ok(()))
    }

    fn read(&self, meters: &[Meter], now_ms: u64) -> Counted<'_, Vec<Reading>> {
        let mut locked = self.locked(mask(meters.iter()));
        let readings = meters.iter().map(|meter| {
            let Some(counter) = locked.shard(meter).and_then(|shard| shard.get_mut(meter)) else { return Reading::default() };
            counter.advance(meter.window, meter.window.place(now_ms));
            Reading::of(counter, *meter, now_ms)
        });
        let readings = readings.collect();
        Answer::now(Ok(readings))
    }

    fn forget(&self, meter: Meter) -> Counted<'_, ()> {
        let mut meters = lock(&self.meters[shard(&meter)]);
        if let Some(counter) = meters.get_mut(&meter) {
            *counter = Counter::restore(meter.window, Vec::new(), counter.reserved);
            if counter.reserved == 0 {
                meters.remove(&meter);
            }
        }
        Answer::now(Ok(()))
    }

    fn audit(&self) -> Counted<'_, Audit> {
        Answer::now(Ok(self.audited()))
    }
}
