//! How long a client may be silent in the midst of a body.
//!
//! Most bodies come with their heads, and no timer is made for them: it is set only once there is something to wait for, and stays
//! until it would ring, however often the client speaks meanwhile.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::task;

use crate::runtime::{BoxFuture, Clock, Instant};

/// How long a client may be silent in the midst of a body.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// The wait for a client's next bytes.
pub(super) struct Patience {
    clock: Arc<dyn Clock>,
    /// The task that drives the connection too, where one does both.
    drives: Option<task::Id>,
    state: State,
    timer: Option<BoxFuture<'static, ()>>,
}

enum State {
    /// Something came. More may lie with the connection, whose next turn comes at once.
    Heard,
    /// Nothing lies there: what comes with a head is handed over before it is asked for.
    Spent,
    /// Nothing has come since this moment.
    Waiting(Instant),
}

impl Patience {
    /// For a body that is read apart from its connection.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), drives: None, state: State::Spent, timer: None }
    }

    /// For a body of a connection that this task drives.
    pub(super) fn of_this_task(clock: &Arc<dyn Clock>) -> Self {
        Self { drives: task::try_id(), ..Self::new(clock) }
    }

    /// Something came.
    pub(super) fn heard(&mut self) {
        self.state = State::Heard;
    }

    /// Nothing came so far: ready once that has been so for too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = match self.state {
            State::Waiting(since) => since,
            State::Heard if self.drives.is_some() && self.drives == task::try_id() => {
                self.state = State::Spent;
                return Poll::Pending;
            }
            State::Heard | State::Spent => self.clock.now(),
        };
        self.state = State::Waiting(since);
        loop {
            let left = SILENCE.saturating_sub(self.clock.now().since(since));
            if left.is_zero() {
                return Poll::Ready(());
            }
            let clock = &self.clock;
            let timer = self.timer.get_or_insert_with(|| clock.sleep(left));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }
}
