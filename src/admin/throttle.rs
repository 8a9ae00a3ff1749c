//! Slows down guessing: five failures within a minute, per name and per address.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const FAILURES: usize = 5;
const WINDOW_MS: u64 = 60_000;
/// Subjects remembered at most; beyond it the oldest failures are forgotten first.
const SUBJECTS: usize = 8192;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: Mutex<HashMap<String, Vec<u64>>>,
}

impl Throttle {
    fn failures(&self) -> MutexGuard<'_, HashMap<String, Vec<u64>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one attempt against every subject before it is judged, so that parallel guesses cannot pass together.
    /// Gives the seconds to wait where one of them is spent; nothing is counted then.
    pub(super) fn enter(&self, subjects: &[String], now_ms: u64) -> Result<(), u64> {
        let mut failures = self.failures();
        let since = now_ms.saturating_sub(WINDOW_MS);
        let spent = subjects.iter().filter_map(|subject| {
            let times = failures.get_mut(subject)?;
            times.retain(|at| *at > since && *at <= now_ms);
            (times.len() >= FAILURES).then(|| times[0].saturating_add(WINDOW_MS).saturating_sub(now_ms))
        });
        if let Some(wait_ms) = spent.max() {
            return Err(wait_ms.div_ceil(1000).max(1));
        }
        if failures.len() + subjects.len() > SUBJECTS {
            make_room(&mut failures, since);
        }
        for subject in subjects {
            failures.entry(subject.clone()).or_default().push(now_ms);
        }
        Ok(())
    }

    /// Takes the attempt back: it was right.
    pub(super) fn forgive(&self, subjects: &[String]) {
        let mut failures = self.failures();
        for subject in subjects {
            if let Some(times) = failures.get_mut(subject) {
                times.pop();
                if times.is_empty() {
                    failures.remove(subject);
                }
            }
        }
    }
}

fn make_room(failures: &mut HashMap<String, Vec<u64>>, since: u64) {
    failures.retain(|_, times| times.last().is_some_and(|at| *at > since));
    if failures.len() > SUBJECTS * 3 / 4 {
        let mut last: Vec<u64> = failures.values().filter_map(|times| times.last().copied()).collect();
        last.sort_unstable();
        let middle = last.get(last.len() / 2).copied().unwrap_or(0);
        failures.retain(|_, times| times.last().is_some_and(|at| *at > middle));
    }
}
