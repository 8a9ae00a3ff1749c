//! Who knows a prompt already: providers cache prompts by account, so that a conversation is cheaper and quicker where its
//! earlier turns were. Of a provider it is a credential, of a route one of its members.
//!
//! What is learnt here is gathered for other instances, where somebody takes it ([`Affinity::share`], [`Affinity::take_learnt`]).

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::base::{ProviderId, RouteId};

/// The beginning of a prompt, as a digest.
pub type Digest = [u8; 16];

/// The most beginnings that are remembered of one provider, where its settings do not say.
pub(super) const MOST: usize = 4096;
/// The most that waits to be told to other instances; what is more they learn for themselves.
const UNTOLD: usize = 8192;

/// Whose choice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chooser {
    /// A provider's, between its credentials.
    Provider(ProviderId),
    /// A route's, between its members.
    Route(RouteId),
}

/// Who knows a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The row of the credential, or of the member.
    pub who: i64,
    /// Since when it is the same one, Unix milliseconds.
    pub since_ms: u64,
    /// Until when it is remembered.
    pub until_ms: u64,
}

/// A beginning that somebody has come to know.
pub type Learnt = (Chooser, Digest, Bound);

/// Who knows which prompts. Bounded by chooser; what is not asked for again in time is forgotten.
#[derive(Debug, Default)]
pub struct Affinity {
    all: Mutex<HashMap<Chooser, Known>>,
    /// Whether other instances are told.
    is_shared: AtomicBool,
    /// Until when other instances' knowledge is not asked for, since it did not come in time.
    resting_until_ms: AtomicU64,
    untold: Mutex<HashMap<(Chooser, Digest), Bound>>,
}

/// What is known of one chooser's.
#[derive(Debug, Default)]
struct Known {
    bound: HashMap<Digest, Bound>,
    by_expiry: BTreeSet<(u64, Digest)>,
}

impl Affinity {
    /// Who knows the first of these beginnings that anybody knows, and which one that is.
    #[must_use]
    pub fn find(&self, chooser: Chooser, beginnings: &[Digest], now_ms: u64) -> Option<(Bound, Digest)> {
        let all = self.all();
        let known = all.get(&chooser)?;
        beginnings.iter().find_map(|digest| {
            let bound = known.bound.get(digest).filter(|bound| bound.until_ms > now_ms)?;
            Some((*bound, *digest))
        })
    }

    /// Remembers that one of a chooser's knows these beginnings until a moment, Unix milliseconds; at most `most` of a chooser.
    pub fn bind(&self, chooser: Chooser, beginnings: &[Digest], (who, until_ms): (i64, u64), (most, now_ms): (usize, u64)) {
        let mut bounds = Vec::with_capacity(beginnings.len());
        let mut all = self.all();
        let known = all.entry(chooser).or_default();
        for digest in beginnings {
            let before = known.bound.get(digest).filter(|bound| bound.who == who && bound.until_ms > now_ms);
            let bound = Bound { who, since_ms: before.map_or(now_ms, |bound| bound.since_ms), until_ms };
            known.put(*digest, bound, (most, now_ms));
            bounds.push(bound);
        }
        drop(all);
        if self.is_shared.load(Ordering::Relaxed) {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            for (digest, bound) in beginnings.iter().zip(bounds) {
                if untold.len() < UNTOLD || untold.contains_key(&(chooser, *digest)) {
                    untold.insert((chooser, *digest), bound);
                }
            }
        }
    }

    /// Remembers what another instance has learnt.
    pub fn learn(&self, (chooser, digest, bound): Learnt, bounds: (usize, u64)) {
        self.all().entry(chooser).or_default().put(digest, bound, bounds);
    }

    /// Forgets a beginning.
    pub fn forget(&self, chooser: Chooser, beginning: &Digest) {
        if let Some(known) = self.all().get_mut(&chooser) {
            known.forget(beginning);
        }
    }

    /// Whether other instances' knowledge may be asked for.
    #[must_use]
    pub fn may_ask(&self, now_ms: u64) -> bool {
        now_ms >= self.resting_until_ms.load(Ordering::Relaxed)
    }

    /// It is not asked for until a moment.
    pub fn rest(&self, until_ms: u64) {
        self.resting_until_ms.store(until_ms, Ordering::Relaxed);
    }

    /// From here on what is learnt is gathered for other instances.
    pub fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// Takes what was learnt since the last time; of a beginning the latest.
    #[must_use]
    pub fn take_learnt(&self) -> Vec<Learnt> {
        let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        untold.into_iter().map(|((chooser, digest), bound)| (chooser, digest, bound)).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Chooser, Known>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, digest: Digest, bound: Bound, (most, now_ms): (usize, u64)) {
        self.forget(&digest);
        self.make_room(most, now_ms);
        self.bound.insert(digest, bound);
        self.by_expiry.insert((bound.until_ms, digest));
    }

    fn forget(&mut self, digest: &Digest) {
        if let Some(bound) = self.bound.remove(digest) {
            self.by_expiry.remove(&(bound.until_ms, *digest));
        }
    }

    /// What has expired goes, then what expires first, until there is room for one more.
    fn make_room(&mut self, most: usize, now_ms: u64) {
        while let Some((until_ms, digest)) = self.by_expiry.first().copied()
            && (until_ms <= now_ms || self.bound.len() >= most.max(1))
        {
            self.forget(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Affinity, Bound, Chooser, Digest, ProviderId, RouteId};

    const ONE: Chooser = Chooser::Provider(ProviderId(1));

    fn digest(number: u8) -> Digest {
        [number; 16]
    }

    #[test]
    fn the_longest_beginning_that_is_known_wins_until_it_expires() {
        let affinity = Affinity::default();
        affinity.bind(ONE, &[digest(1)], (7, 100), (10, 0));
        affinity.bind(ONE, &[digest(2)], (8, 200), (10, 0));
        let find = |now| affinity.find(ONE, &[digest(3), digest(2), digest(1)], now).map(|(bound, _)| bound.who);
        assert_eq!([find(99), find(199), find(200)], [Some(8), Some(8), None]);
        assert_eq!(affinity.find(Chooser::Route(RouteId(1)), &[digest(1)], 0), None);
        affinity.forget(ONE, &digest(2));
        assert_eq!([find(99), find(100)], [Some(7), None]);
    }

    #[test]
    fn what_expires_first_makes_room() {
        let affinity = Affinity::default();
        for (number, until) in [(1, 50), (2, 500), (3, 400), (4, 300)] {
            affinity.bind(ONE, &[digest(number)], (number.into(), until), (3, 60));
        }
        let known = |number| affinity.find(ONE, &[digest(number)], 60).is_some();
        assert_eq!([1, 2, 3, 4].map(known), [false, true, true, true]);
        affinity.bind(ONE, &[digest(5)], (5, 450), (3, 60));
        assert_eq!([2, 3, 4, 5].map(known), [true, true, false, true]);
        affinity.bind(ONE, &[digest(3)], (9, 900), (3, 60));
        assert_eq!(affinity.find(ONE, &[digest(3)], 600).map(|(bound, _)| bound.who), Some(9));
    }

    #[test]
    fn what_is_learnt_here_is_told_once_and_what_others_learnt_is_not() {
        let affinity = Affinity::default();
        affinity.bind(ONE, &[digest(1)], (7, 100), (10, 0));
        assert_eq!(affinity.take_learnt(), [], "nobody listens");
        affinity.share();
        affinity.learn((ONE, digest(2), Bound { who: 8, since_ms: 0, until_ms: 90 }), (10, 0));
        affinity.bind(ONE, &[digest(1)], (7, 110), (10, 50));
        affinity.bind(ONE, &[digest(1)], (7, 120), (10, 60));
        assert_eq!(affinity.take_learnt(), [(ONE, digest(1), Bound { who: 7, since_ms: 0, until_ms: 120 })]);
        assert_eq!(affinity.take_learnt(), []);
        affinity.bind(ONE, &[digest(1)], (9, 130), (10, 70));
        assert_eq!(affinity.find(ONE, &[digest(2), digest(1)], 99).map(|(bound, _)| (bound.who, bound.since_ms)), Some((9, 70)));
        for number in 0..20_000_u64 {
            affinity.bind(
                ONE,
                &[[0, 1, 2, 3, 4, 5, 6, 7].map(|at| number.to_be_bytes()[at]).repeat(2).try_into().unwrap()],
                (9, 130),
                (10, 70),
            );
        }
        assert_eq!(affinity.take_learnt().len(), super::UNTOLD);
    }
}
