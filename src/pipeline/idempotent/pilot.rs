//! Makes the call that several clients may wait for, in a task of its own: whoever of them leaves, it goes on.

use std::{
    any::Any,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{
    asked::Asked,
    flight::{End, Flight, Head},
};
use crate::{
    pipeline::{Outbound, engine::Engine},
    runtime::{Body, BoxFuture},
    store::record::Ended,
};

/// How a call ended, as it is on record.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Outcome(OnceLock<Ended>);

impl Outcome {
    /// Notes the end. What was noted first stands.
    pub(in crate::pipeline) fn end(&self, how: Ended) {
        let _first = self.0.set(how);
    }

    fn is_complete(&self) -> bool {
        self.0.get() == Some(&Ended::Complete)
    }

    fn is_failed(&self) -> bool {
        self.0.get().is_some_and(|how| *how != Ended::Complete)
    }
}

/// Who makes a call for those who wait for it.
pub(super) struct Pilot {
    pub(super) engine: Engine,
    pub(super) asked: Asked,
    pub(super) flight: Arc<Flight>,
    pub(super) outcome: Arc<Outcome>,
}

impl Pilot {
    /// Makes the call.
    pub(super) async fn fly(self, walk: BoxFuture<'static, Outbound>) {
        if let Err(panic) = AssertUnwindSafe(self.carry(walk)).catch_unwind().await {
            self.panicked(&*panic);
        }
    }

    async fn carry(&self, walk: BoxFuture<'static, Outbound>) {
        match walk.await {
            Outbound::Refused(error, _) => {
                self.forget();
                self.flight.head(Err(*error));
            }
            Outbound::Answer(reply) => {
                if !reply.status.is_success() {
                    self.outcome.end(Ended::Failed);
                    self.forget();
                }
                self.flight.head(Ok(Head::of(&reply)));
                self.relay(reply.body).await;
            }
        }
    }

    async fn relay(&self, mut body: Body) {
        while let Some(piece) = poll_fn(|cx| Pin::new(&mut body).poll_data(cx)).await {
            // On record before its last bytes leave: who comes back after them finds the key free.
            if self.outcome.is_failed() {
                self.forget();
            }
            let Ok(piece) = piece else {
                self.forget();
                return self.flight.end(End::Broken);
            };
            if !self.tell(piece).await {
                return self.forget();
            }
        }
        if self.outcome.is_complete() {
            self.engine.repeats.ended(self.asked, &self.flight, self.engine.platform.clock.now());
        } else {
            self.forget();
        }
        self.flight.end(End::Whole);
    }

    /// Tells a piece; `false` where it is not kept and nobody listens.
    async fn tell(&self, piece: Bytes) -> bool {
        if self.engine.repeats.keep(&self.flight, &piece) {
            return true;
        }
        self.flight.keep_no_longer();
        self.flight.push(piece);
        poll_fn(|cx| self.flight.poll_heard(cx)).await
    }

    fn forget(&self) {
        self.engine.repeats.forget(self.asked, self.flight.request_id);
    }

    fn panicked(&self, panic: &(dyn Any + Send)) {
        let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
        self.engine.metrics.panics.inc();
        tracing::error!(request_id = %self.flight.request_id, panic = words, "a call panicked; this is a bug of the gateway");
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        // However it ended: what nobody ended before is broken off, and its key is free.
        self.engine.repeats.left(self.asked, &self.flight);
    }
}
