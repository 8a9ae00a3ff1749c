//! A clock that tests move by hand, and that tells who sleeps on it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gproxy::runtime::{BoxFuture, Clock, Instant};
use tokio::sync::{Notify, oneshot};

/// Nobody waits longer than this for something that has to happen.
pub(crate) const GUARD: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct StepClock {
    now: AtomicU64,
    sleepers: Mutex<Vec<(u64, oneshot::Sender<()>)>>,
    came: Notify,
}

impl StepClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Waits until somebody sleeps, and tells for how long still; of several the one who wakes first.
    pub(crate) async fn asleep(&self) -> Duration {
        let asleep = async {
            loop {
                let came = self.came.notified();
                if let Some(due) = self.first() {
                    return Duration::from_nanos(due - self.now.load(Ordering::SeqCst));
                }
                came.await;
            }
        };
        tokio::time::timeout(GUARD, asleep).await.expect("somebody sleeps")
    }

    fn first(&self) -> Option<u64> {
        let mut sleepers = self.sleepers.lock().unwrap();
        sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        sleepers.iter().map(|(due, _)| *due).min()
    }

    pub(crate) fn advance(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap();
        let now = self.now.fetch_add(nanos, Ordering::SeqCst) + nanos;
        let mut sleepers = self.sleepers.lock().unwrap();
        for (_, sleeper) in sleepers.extract_if(.., |(due, _)| *due <= now) {
            // Who does not wait any more cannot be woken.
            let _ = sleeper.send(());
        }
    }
}

impl Clock for StepClock {
    fn unix_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst) / 1_000_000
    }

    fn now(&self) -> Instant {
        Instant(self.now.load(Ordering::SeqCst))
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let due = self.now.load(Ordering::SeqCst) + u64::try_from(span.as_nanos()).unwrap();
        self.sleepers.lock().unwrap().push((due, wake));
        self.came.notify_waiters();
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}
