//! The timer that hyper sets for each request's head, kept from head to head.
//!
//! hyper makes a timer when it begins to wait for a head and drops it when the head is there, on every request of a connection.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

use crate::runtime::native::Alarm;

/// The timer of one connection, which waits for one head at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadTimer(Arc<Mutex<Alarm>>);

impl HeadTimer {
    /// A look at it from outside.
    pub(super) fn heads(&self) -> Heads {
        Heads(Arc::clone(&self.0))
    }
}

/// Tells whether a connection waits for a head.
#[derive(Debug)]
pub(super) struct Heads(Arc<Mutex<Alarm>>);

impl Heads {
    /// Whether it does: then there is a wait, beside this look and the timer.
    pub(super) fn is_waiting(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + span)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { alarm: Arc::clone(&self.0), at })
    }
}

/// One wait.
struct Wait {
    alarm: Arc<Mutex<Alarm>>,
    at: Instant,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).poll(self.at.into(), cx)
    }
}

impl Sleep for Wait {}
