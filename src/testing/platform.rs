//! A platform for tests: time stands still until it is moved, randomness repeats, nothing goes out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

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

/// A clock that goes only when told to, on which sleeps end when their time has come.
#[derive(Debug)]
pub struct SteppedClock {
    now: watch::Sender<u64>,
    asked: watch::Sender<Vec<Duration>>,
}

impl SteppedClock {
    /// Begins at some moment of the year 2025.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now: watch::Sender::new(1_760_000_000_000), asked: watch::Sender::default() })
    }

    /// Moves the time on, and wakes whoever slept until then.
    pub fn advance(&self, span: Duration) {
        self.now.send_modify(|now| *now += u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    }

    /// Waits until somebody has asked to sleep for so long, and forgets that.
    pub async fn asked_for(&self, span: Duration) {
        let mut asked = self.asked.subscribe();
        // The sender lives as long as the clock, so that this cannot fail. What it gives holds the lock.
        drop(asked.wait_for(|asked| asked.contains(&span)).await);
        self.asked.send_modify(|asked| asked.retain(|other| *other != span));
    }
}

impl Clock for SteppedClock {
    fn unix_ms(&self) -> u64 {
        *self.now.borrow()
    }

    fn now(&self) -> Instant {
        Instant(self.unix_ms().saturating_mul(1_000_000))
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let until = self.unix_ms().saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let mut now = self.now.subscribe();
        self.asked.send_modify(|asked| asked.push(span));
        Box::pin(async move {
            // A clock that is gone wakes everybody.
            drop(now.wait_for(|now| *now >= until).await);
        })
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
