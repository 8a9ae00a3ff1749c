//! A platform for tests: time stands still until it is moved, randomness repeats, nothing goes out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use crate::runtime::{BoxFuture, Clock, Entropy, Instant, Platform, Reply, Socket, Spawn, Transport, TransportFault, UpstreamRequest};

/// A clock that goes only when told to. Sleeps on it never end.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Begins at some moment of the year 2025.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_760_000_000_000)))
    }

    /// Moves the time on.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn now(&self) -> Instant {
        Instant(self.unix_ms().saturating_mul(1_000_000))
    }

    fn sleep(&self, _span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Randomness that is the same in every run, and different at every call.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) {
        for piece in out.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            piece.copy_from_slice(&Sha256::digest(number.to_le_bytes())[..piece.len()]);
        }
    }
}

/// Drops what it is given, and sends nothing.
#[derive(Debug)]
struct Idle;

impl Spawn for Idle {
    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

impl Transport for Idle {
    fn send(&self, _request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        Box::pin(std::future::ready(Err(TransportFault::Unsupported("sending in a test"))))
    }

    fn dial(&self, _request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>> {
        Box::pin(std::future::ready(Err(TransportFault::Unsupported("dialling in a test"))))
    }
}

/// A platform with a clock of its own.
#[must_use]
pub fn platform() -> Platform {
    platform_with(ManualClock::new())
}

/// A platform with this clock.
#[must_use]
pub fn platform_with(clock: Arc<dyn Clock>) -> Platform {
    Platform { clock, spawn: Arc::new(Idle), entropy: Arc::new(Counted::default()), transport: Arc::new(Idle) }
}
