//! Whose turn it is among a provider's credentials.
//!
//! Fair by weight and spread evenly (smooth weighted round robin); or always the first that can (sticky); or the one with
//! the fewest calls under way. What a credential's own limits leave no room for is told, and not asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Map, Value};

use super::affinity;

/// How long calls and tokens count against a credential's limits, in milliseconds.
const MINUTE: u64 = 60_000;
/// The most credentials of one provider that one call looks at.
const MOST: usize = 8;

/// How a provider's credentials take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turns {
    /// By weight, spread evenly.
    #[default]
    RoundRobin,
    /// The first that can, in the order of their records.
    Sticky,
    /// The one with the fewest calls under way.
    LeastBusy,
}

impl Turns {
    /// Reads a provider's strategy and the settings that the reference's files have for it.
    ///
    /// # Errors
    /// An unknown word: what it was, and what was expected.
    pub fn read(strategy: Option<&str>, settings: &Map<String, Value>) -> Result<Self, String> {
        match strategy.map(str::trim).filter(|word| !word.is_empty()) {
            Some("round_robin") => return Ok(Self::RoundRobin),
            Some("sticky") => return Ok(Self::Sticky),
            Some("least_busy") => return Ok(Self::LeastBusy),
            Some(other) => return Err(format!("is {other:?}; expected \"round_robin\", \"sticky\" or \"least_busy\"")),
            None => {}
        }
        let is_sticky = settings.get("credential_pick_mode").and_then(Value::as_str) == Some("sticky_no_cache")
            || settings.get("credential_round_robin_enabled") == Some(&Value::Bool(false));
        Ok(if is_sticky { Self::Sticky } else { Self::RoundRobin })
    }
}

/// How many beginnings of prompts are remembered of a provider, so that a conversation stays with the credential that knows
/// it; `None` where its settings want none of that, or where its credentials take no turns.
///
/// # Errors
/// A number that is none: what was expected.
pub fn remembered(turns: Turns, settings: &Map<String, Value>) -> Result<Option<usize>, String> {
    let off = |name: &str| settings.get(name) == Some(&Value::Bool(false));
    let is_off = off("credential_cache_affinity_enabled")
        || off("cache_affinity_enabled")
        || settings.get("credential_pick_mode").and_then(Value::as_str).is_some_and(|mode| mode.ends_with("no_cache"));
    if turns != Turns::RoundRobin || is_off {
        return Ok(None);
    }
    match settings.get("credential_cache_affinity_max_keys") {
        None | Some(Value::Null) => Ok(Some(affinity::MOST)),
        Some(value) => match value.as_u64().and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0) {
            Some(most) => Ok(Some(most)),
            None => Err(format!("is {value}; expected a whole number, more than 0")),
        },
    }
}

/// What a provider allows one credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls a minute.
    pub requests: Option<u64>,
    /// Tokens a minute.
    pub tokens: Option<u64>,
    /// Calls at a time.
    pub concurrency: Option<usize>,
}

/// One credential's place in the pool.
#[derive(Debug)]
pub struct Seat {
    weight: i64,
    limits: Limits,
    underway: AtomicUsize,
    /// What counts against the limits of a minute: when, calls, tokens.
    spent: Mutex<VecDeque<(u64, u64, u64)>>,
}

impl Seat {
    /// A place for a credential of that weight, with its provider's limits.
    #[must_use]
    pub fn new(weight: i64, limits: Limits) -> Self {
        // Bounded, so that no sum overflows.
        Self { weight: weight.clamp(0, 1 << 32), limits, underway: AtomicUsize::new(0), spent: Mutex::default() }
    }

    /// Counts a call as under way until what it gives is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>, now_ms: u64) -> Taken {
        self.underway.fetch_add(1, Ordering::Relaxed);
        self.spend(now_ms, 1, 0);
        Taken(Arc::clone(self))
    }

    /// When the credential's own limits leave room again, Unix milliseconds; `None` where they do now.
    #[must_use]
    pub fn full_until(&self, now_ms: u64) -> Option<u64> {
        if self.limits.concurrency.is_some_and(|most| self.underway.load(Ordering::Relaxed) >= most) {
            return Some(now_ms + 1000);
        }
        if self.limits.requests.is_none() && self.limits.tokens.is_none() {
            return None;
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        while spent.front().is_some_and(|(at, ..)| at + MINUTE <= now_ms) {
            spent.pop_front();
        }
        let (calls, tokens) = spent.iter().fold((0, 0), |(calls, tokens), (_, more, used)| (calls + more, tokens + used));
        let is_full = self.limits.requests.is_some_and(|most| calls >= most) || self.limits.tokens.is_some_and(|most| tokens >= most);
        is_full.then(|| spent.front().map_or(now_ms, |(at, ..)| at + MINUTE))
    }

    fn spend(&self, now_ms: u64, calls: u64, tokens: u64) {
        if self.limits.requests.is_none() && self.limits.tokens.is_none() {
            return;
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A second at a time, so that a minute is sixty entries and not every call.
        let second = now_ms / 1000 * 1000;
        match spent.back_mut().filter(|(at, ..)| *at == second) {
            Some(last) => (last.1, last.2) = (last.1 + calls, last.2.saturating_add(tokens)),
            None => spent.push_back((second, calls, tokens)),
        }
    }
}

/// A call under way on a credential.
#[derive(Debug)]
pub struct Taken(Arc<Seat>);

impl Taken {
    /// Counts the tokens that the call used.
    pub fn used(&self, now_ms: u64, tokens: u64) {
        self.0.spend(now_ms, 0, tokens);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.underway.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The credentials of a provider, by place.
#[derive(Debug, Default)]
pub struct Pool {
    turns: Turns,
    seats: Vec<Arc<Seat>>,
    /// How many beginnings of prompts are remembered; see [`remembered`].
    remembers: Option<usize>,
    /// Each seat's standing in the smooth weighted turns.
    standing: Mutex<Vec<i64>>,
}

impl Pool {
    /// A pool of seats in the order of their credentials.
    #[must_use]
    pub fn new(turns: Turns, seats: Vec<Seat>, remembers: Option<usize>) -> Self {
        let standing = Mutex::new(vec![0; seats.len()]);
        Self { turns, seats: seats.into_iter().map(Arc::new).collect(), remembers, standing }
    }

    /// How many beginnings of prompts are remembered of the provider, where there is a choice.
    #[must_use]
    pub fn remembers(&self) -> Option<usize> {
        self.remembers.filter(|_| self.seats.len() > 1)
    }

    /// The places of a call that has its first one for a reason: that one, then the others that `fits` picks. Takes no turn.
    #[must_use]
    pub fn behind(&self, first: usize, fits: impl Fn(usize) -> bool) -> Vec<usize> {
        let others = (0..self.seats.len()).filter(|at| *at != first && fits(*at));
        std::iter::once(first).chain(others).take(MOST).collect()
    }

    /// The seat at a place.
    #[must_use]
    pub fn seat(&self, at: usize) -> Option<&Arc<Seat>> {
        self.seats.get(at)
    }

    /// The places that one call may take, the best first: those that `fits` picks, at most eight. Whose turn it was is told
    /// by [`Pool::take`], so that a call that goes elsewhere costs nobody a turn.
    #[must_use]
    pub fn order(&self, fits: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.seats.len()).filter(|at| fits(*at)).collect();
        match self.turns {
            Turns::Sticky => {}
            Turns::LeastBusy => places.sort_by_key(|at| self.seats[*at].underway.load(Ordering::Relaxed)),
            Turns::RoundRobin => {
                let first = if places.len() > 1 { self.next(&places) } else { 0 };
                places.rotate_left(first);
            }
        }
        places.truncate(MOST);
        places
    }

    /// A call goes to the seat at this place: where turns are taken, it was its turn among those that `fits` picks.
    pub fn take(&self, place: usize, fits: impl Fn(usize) -> bool) {
        if self.turns != Turns::RoundRobin || self.seats.len() < 2 {
            return;
        }
        let places: Vec<usize> = (0..self.seats.len()).filter(|at| *at == place || fits(*at)).collect();
        let weights = self.weights(&places);
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, weight) in places.iter().zip(&weights) {
            standing[*at] += weight;
        }
        standing[place] -= weights.iter().sum::<i64>();
    }

    /// Whose turn it is by weight, as a place among `places`: each gains its weight, the highest goes first and pays for all.
    /// Those of weight 0 step in only where nobody else is.
    fn next(&self, places: &[usize]) -> usize {
        let weights = self.weights(places);
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let able = places.iter().zip(&weights).enumerate().filter(|(_, (_, weight))| **weight > 0);
        // Of equals the first.
        let best = able.rev().max_by_key(|(_, (at, weight))| standing[**at] + **weight);
        best.map_or(0, |(place, _)| place)
    }

    fn weights(&self, places: &[usize]) -> Vec<i64> {
        let idle = places.iter().all(|at| self.seats[*at].weight == 0);
        places.iter().map(|at| if idle { 1 } else { self.seats[*at].weight }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{Limits, Pool, Seat, Turns};

    fn pool(turns: Turns, weights: &[i64]) -> Pool {
        Pool::new(turns, weights.iter().map(|weight| Seat::new(*weight, Limits::default())).collect(), None)
    }

    #[test]
    fn weights_are_kept_exactly_also_when_some_cannot() {
        /// The weights, who can, and who was first how often.
        type Case<'a> = (&'a [i64], fn(usize) -> bool, &'a [(usize, usize)]);
        let cases: [Case<'_>; 4] = [
            (&[100, 100], |_| true, &[(0, 50), (1, 50)]),
            (&[70, 20, 10, 0], |_| true, &[(0, 70), (1, 20), (2, 10)]),
            (&[50, 30, 20], |at| at != 0, &[(1, 60), (2, 40)]),
            (&[0, 0], |_| true, &[(0, 50), (1, 50)]),
        ];
        for (weights, fits, expected) in cases {
            let pool = pool(Turns::RoundRobin, weights);
            let mut seen = BTreeMap::new();
            for _ in 0..100 {
                let order = pool.order(fits);
                pool.take(order[0], fits);
                assert_eq!(order.len(), (0..weights.len()).filter(|at| fits(*at)).count());
                *seen.entry(order[0]).or_default() += 1;
            }
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "{weights:?}");
        }
    }

    #[test]
    fn the_sticky_keep_to_the_first_and_the_busy_step_back() {
        let sticky = pool(Turns::Sticky, &[1, 100]);
        assert_eq!([sticky.order(|_| true), sticky.order(|_| true), sticky.order(|at| at == 1)], [vec![0, 1], vec![0, 1], vec![1]]);
        let busy = pool(Turns::LeastBusy, &[1, 1]);
        let call = busy.seat(0).unwrap().begin(0);
        assert_eq!(busy.order(|_| true), [1, 0]);
        drop(call);
        assert_eq!(busy.order(|_| true), [0, 1]);
    }

    #[test]
    fn a_credential_has_the_room_that_its_provider_gives_it() {
        let full = |limits, calls: u64, tokens: u64| {
            let seat = std::sync::Arc::new(Seat::new(1, limits));
            for _ in 0..calls {
                seat.begin(5_000).used(6_000, tokens);
            }
            (seat.full_until(10_000), seat.full_until(65_999), seat.full_until(66_000))
        };
        assert_eq!(full(Limits::default(), 9, 9), (None, None, None));
        assert_eq!(full(Limits { requests: Some(2), ..Limits::default() }, 2, 0), (Some(65_000), None, None));
        assert_eq!(full(Limits { tokens: Some(10), ..Limits::default() }, 2, 5), (Some(65_000), Some(66_000), None));
        let seat = std::sync::Arc::new(Seat::new(1, Limits { concurrency: Some(1), ..Limits::default() }));
        let call = seat.begin(0);
        assert_eq!(seat.full_until(10), Some(1010));
        drop(call);
        assert_eq!(seat.full_until(10), None);
    }

    #[test]
    fn settings_say_how_much_is_remembered() {
        let cases = [
            (Turns::RoundRobin, json!({}), Ok(Some(4096))),
            (Turns::Sticky, json!({}), Ok(None)),
            (Turns::RoundRobin, json!({"credential_cache_affinity_enabled": false}), Ok(None)),
            (Turns::RoundRobin, json!({"cache_affinity_enabled": false}), Ok(None)),
            (Turns::RoundRobin, json!({"credential_pick_mode": "round_robin_no_cache"}), Ok(None)),
            (Turns::RoundRobin, json!({"credential_pick_mode": "round_robin_with_cache"}), Ok(Some(4096))),
            (Turns::RoundRobin, json!({"credential_cache_affinity_max_keys": 7}), Ok(Some(7))),
            (Turns::RoundRobin, json!({"credential_cache_affinity_max_keys": 0}), Err(())),
            (Turns::RoundRobin, json!({"credential_cache_affinity_max_keys": "7"}), Err(())),
        ];
        for (turns, value, expected) in cases {
            let settings = value.as_object().cloned().unwrap_or_default();
            assert_eq!(super::remembered(turns, &settings).map_err(drop), expected, "{value}");
        }
    }

    #[test]
    fn both_ways_of_saying_it_are_read() {
        let settings = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
        let cases = [
            (None, json!({}), Ok(Turns::RoundRobin)),
            (Some("least_busy"), json!({"credential_round_robin_enabled": false}), Ok(Turns::LeastBusy)),
            (None, json!({"credential_round_robin_enabled": false}), Ok(Turns::Sticky)),
            (None, json!({"credential_pick_mode": "sticky_no_cache"}), Ok(Turns::Sticky)),
            (Some("odd"), json!({}), Err(())),
        ];
        for (strategy, value, expected) in cases {
            assert_eq!(Turns::read(strategy, &settings(value)).map_err(drop), expected, "{strategy:?}");
        }
    }
}
