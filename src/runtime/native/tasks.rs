//! Background work, counted, so that shutdown can wait for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::runtime::{BoxFuture, Spawn};

/// The tasks that are running.
#[derive(Default)]
pub struct Tasks {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    running: AtomicUsize,
    ended: Notify,
}

struct Running(Arc<State>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl Tasks {
    /// How many tasks run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.state.running.load(Ordering::Acquire)
    }

    /// Waits until no more than `resident` run, at most `limit`; tells whether it came to that.
    #[expect(clippy::disallowed_methods, reason = "the native runtime may use its own timers")]
    pub async fn drain(&self, resident: usize, limit: Duration) -> bool {
        let idle = async {
            loop {
                let notified = self.state.ended.notified();
                if self.running() <= resident {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(limit, idle).await.is_ok()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({})", self.running())
    }
}

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "this is the spawner that everybody else is told to use")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.state.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(Arc::clone(&self.state));
        tokio::spawn(async move {
            let _running = running;
            task.await;
        });
    }
}
