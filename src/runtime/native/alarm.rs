//! An alarm that is set for each of many waits and seldom rings.
//!
//! A timer of tokio's costs its making, its place among the timers, and its leaving that place. Most waits end before
//! any of it was needed: so one timer is kept from wait to wait, and is set anew only where it would ring too late.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep};

/// A timer that is made at the first wait.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `at` is over. The task may be woken for an earlier wait's sake as well.
    #[expect(clippy::disallowed_methods, reason = "the native runtime may use its own timers")]
    pub fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            // It was set when less was known; the true deadline is later.
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}
