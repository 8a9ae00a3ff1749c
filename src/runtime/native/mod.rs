//! The native platform: tokio's clock and tasks, the system's randomness, hyper's connections.

mod alarm;
mod burst;
mod connect;
mod exchange;
mod gate;
mod pool;
mod signature;
pub mod socket;
mod tasks;
mod transport;

use std::{sync::Arc, time::Duration};

pub use alarm::Alarm;
pub use burst::{Bursts, Gathering, Peer};
pub use gate::{Gate, Held, hushed};
pub use signature::Signatures;
pub use tasks::Tasks;
pub use transport::HyperTransport;

use crate::runtime::{BoxFuture, Clock, Entropy, Instant, Platform, tick};

/// Makes the native platform. The tasks are what shutdown waits for.
#[must_use]
pub fn platform() -> (Platform, Arc<Tasks>) {
    let tasks = Arc::new(Tasks::default());
    let transport = Arc::new(HyperTransport::new());
    sweep(&transport);
    let platform =
        Platform { clock: Arc::new(SystemClock::new()), spawn: Arc::clone(&tasks) as _, entropy: Arc::new(SystemEntropy), transport };
    (platform, tasks)
}

/// Closes idle connections now and then, as long as the transport lives. Without a runtime nothing is opened that could be idle.
#[expect(clippy::disallowed_methods, reason = "it ends with the transport; nothing waits for it at shutdown")]
fn sweep(transport: &Arc<HyperTransport>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let transport = Arc::downgrade(transport);
    runtime.spawn(async move {
        while let Some(transport) = transport.upgrade() {
            transport.sweep();
            drop(transport);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    begun: std::time::Instant,
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to use")]
    pub fn new() -> Self {
        Self { begun: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        tick::unix_ms()
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to use")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// The system's randomness.
#[derive(Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "a system without randomness must not make keys")]
    #[expect(clippy::disallowed_methods, reason = "the native runtime is where randomness comes from")]
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system gives random bytes");
    }
}
