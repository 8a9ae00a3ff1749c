//! The clock that the mock and the load generator share.
//!
//! `Instant` hides its reading, so a stamp of one process means nothing to
//! another. `CLOCK_MONOTONIC` is the same for every process of a machine.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the machine's monotonic clock.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
