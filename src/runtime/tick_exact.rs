//! Unix time where the system has no clock that only ticks.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to use")]
pub(super) fn unix_ms() -> u64 {
    // A clock before 1970 is a broken clock; zero says so without a crash.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
