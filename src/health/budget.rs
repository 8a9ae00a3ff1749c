//! How many calls to a provider may be tries over again: so that a provider in trouble is not asked twice as much.

use std::sync::atomic::{AtomicU64, Ordering};

/// The span that is looked at, in milliseconds.
const WINDOW: u64 = 10_000;
/// So many tries over again are always allowed within it.
const FLOOR: u64 = 10;
/// Of so many calls one more may be tried again.
const SHARE: u64 = 5;

/// Counts calls and tries over again, in windows of ten seconds.
#[derive(Debug, Default)]
pub struct RetryBudget {
    window: AtomicU64,
    calls: AtomicU64,
    retries: AtomicU64,
}

impl RetryBudget {
    /// A call goes out for the first time.
    pub fn call(&self, now_ms: u64) {
        self.turn(now_ms);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether one more may be tried again; if so it is counted.
    #[must_use]
    pub fn retry(&self, now_ms: u64) -> bool {
        self.turn(now_ms);
        let most = FLOOR.max(self.calls.load(Ordering::Relaxed) / SHARE);
        let next = |retries: u64| (retries < most).then_some(retries + 1);
        self.retries.try_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Begins a new window when the old one is over. Calls that race here may count in either.
    fn turn(&self, now_ms: u64) {
        let now = now_ms / WINDOW;
        let before = self.window.load(Ordering::Relaxed);
        if before != now && self.window.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.calls.store(0, Ordering::Relaxed);
            self.retries.store(0, Ordering::Relaxed);
        }
    }
}
